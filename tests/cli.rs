//! The command line, as a newcomer and as an adversary would use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// What cargo built: the command line, and the libraries it is linked with.
pub struct Built {
    pub binary: PathBuf,
    pub libraries: Vec<PathBuf>,
}

/// The binary, built beside this test; nothing is compiled where it is fresh.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned();
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "--bin", "bedside", "--message-format", "json"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let out = build.current_dir(root).stderr(Stdio::inherit()).output().expect("cargo runs");
        assert!(out.status.success(), "the binary does not build");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let mut built = Built { binary: PathBuf::new(), libraries: Vec::new() };
        for message in text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()) {
            if let Some(path) = message["executable"].as_str() {
                built.binary = path.into();
            }
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(|f| f.as_str());
            built.libraries.extend(files.filter(|f| f.ends_with(".rlib")).map(PathBuf::from));
        }
        assert!(built.binary.is_file(), "cargo names the executable");
        built
    })
}

fn binary() -> &'static Path {
    &built().binary
}

pub fn bedside(args: &[&str]) -> Output {
    Command::new(binary()).args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last_json(o: &Output) -> serde_json::Value {
    let out = text(&o.stdout);
    serde_json::from_str(out.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "play",
        "run",
        "replay",
        "verify",
        "fork",
        "diff",
        "rescore",
        "export",
        "probe",
        "check",
        "bench",
        "records import",
        "records show",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let o = bedside(&args);
        assert!(o.status.success(), "{command}");
        let help = text(&o.stdout);
        assert!(help.contains("Example") && help.contains("bedside "), "{command}: {help}");
    }
}

#[test]
fn misuse_is_a_sentence_with_a_hint_and_exit_code_two() {
    let missing = tempfile::tempdir().expect("a folder");
    let nowhere = missing.path().join("nothing-here");
    let nowhere = nowhere.to_str().expect("utf-8");
    for (args, code) in [
        (vec!["run", "--policy", "house"], 2),
        (vec!["run", "--persona", "grumpy"], 2),
        (vec!["run", "--without", "soul"], 2),
        (vec!["records", "import", "--format", "fax", "--out", "x", "y"], 2),
        (vec!["records", "list", "--records", nowhere], 3),
        (vec!["verify", nowhere], 3),
        (vec!["replay", nowhere], 3),
        (vec!["probe", "aura", nowhere], 3),
        (vec!["records", "list", "--split", "left"], 2),
    ] {
        let o = bedside(&args);
        let error = text(&o.stderr);
        assert_eq!(o.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains("error:") && error.contains("hint:"), "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{args:?}: {error}");
    }
}

#[test]
fn a_run_is_logged_verified_replayed_forked_compared_rescored_and_exported() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let log = log.to_str().expect("utf-8");
    let run = ["run", "--policy", "random,checklist", "--cases", "4", "--seeds", "2", "--log", log, "--json"];
    let first = bedside(&run);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let lines: Vec<serde_json::Value> =
        text(&first.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    for key in ["policy", "cases", "score", "lo", "hi", "diagnosis_top1", "turns"] {
        assert!(!lines[1][key].is_null(), "{key} is missing: {}", lines[1]);
    }
    // The same again plays nothing and says the same.
    let again = bedside(&run);
    assert_eq!(text(&again.stdout), text(&first.stdout));
    assert!(text(&again.stderr).contains("16 consultations were recorded before"), "{}", text(&again.stderr));
    // Nor do threads matter.
    let other =
        bedside(&["run", "--policy", "random,checklist", "--cases", "4", "--seeds", "2", "--threads", "1", "--json"]);
    assert_eq!(text(&other.stdout), text(&first.stdout));

    let verified = bedside(&["verify", log, "--json"]);
    assert!(verified.status.success() && last_json(&verified)["sound"] == true, "{}", text(&verified.stdout));
    let replayed = bedside(&["replay", log, "--json"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stdout));
    assert_eq!(last_json(&replayed)["same"], 16);
    let episodes: Vec<String> = text(&replayed.stdout)
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()?["episode"].as_str().map(str::to_owned))
        .collect();
    let forked = bedside(&["fork", log, "--episode", &episodes[0], "--turn", "1", "--policy", "checklist", "--json"]);
    assert!(forked.status.success(), "{}", text(&forked.stderr));
    let fork = last_json(&forked)["episode"].as_str().expect("an id").to_owned();
    let diff = bedside(&["diff", log, &episodes[0], &fork, "--json"]);
    assert_eq!(diff.status.code(), Some(1));
    assert_eq!(bedside(&["diff", log, &fork, &fork]).status.code(), Some(0));
    let rescored = bedside(&["rescore", log, "--json"]);
    assert_eq!(last_json(&rescored)["before"], last_json(&rescored)["after"]);
    let chat = bedside(&["export", log, "--format", "chat"]);
    assert_eq!(text(&chat.stdout).lines().count(), 17, "{}", text(&chat.stderr));
    let parquet = dir.path().join("steps.parquet");
    let rlds = bedside(&["export", log, "--format", "rlds", "--out", parquet.to_str().expect("utf-8")]);
    assert!(rlds.status.success() && parquet.metadata().is_ok_and(|m| m.len() > 1000), "{}", text(&rlds.stderr));
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let mut child = Command::new(binary())
        .args(["records", "list", "--limit", "300"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let o = child.wait_with_output().expect("it ends");
    assert!(o.status.success() && text(&o.stderr).is_empty(), "{:?} {}", o.status, text(&o.stderr));
}

#[test]
fn a_person_can_play_and_leave() {
    use std::io::Write as _;
    let mut child = Command::new(binary())
        .args(["play", "--seed", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(b"Hello, what brings you in?\n/exam chest\n/nonsense\n/diagnose gout; cramp | rest\n")
        .expect("writes");
    drop(stdin);
    let o = child.wait_with_output().expect("it ends");
    assert!(o.status.success(), "{}", text(&o.stderr));
    assert!(text(&o.stdout).contains("Terminated(DiagnosisGiven) after 3 turns"), "{}", text(&o.stdout));
}
