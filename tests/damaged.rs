//! Files that were damaged, as the commands meet them: what is lost is told, what is whole is kept, and nothing passes for the whole.

use crate::cli::{bedside, last_json, text};
use std::path::Path;

/// Copies a log's folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

#[test]
fn a_log_that_lost_consultations_passes_no_command_and_what_is_whole_is_copied() {
    let dir = tempfile::tempdir().expect("a folder");
    let (log, hurt, new) = (dir.path().join("log"), dir.path().join("hurt"), dir.path().join("new"));
    let name = |path: &Path| path.to_str().expect("utf-8").to_owned();
    let run = |cases: &str, log: &Path| {
        bedside(&["run", "--policy", "checklist", "--cases", cases, "--log", &name(log), "--json"])
    };
    assert!(run("2", &log).status.success());
    // The store of two beside the heads of three: what is left where the store loses its tail without a word.
    copy(&log, &hurt);
    assert!(run("3", &log).status.success());
    std::fs::copy(log.join("heads.log"), hurt.join("heads.log")).expect("copied");
    let at = name(&hurt);
    let writing: [&[&str]; 3] = [
        &["run", "--policy", "checklist", "--cases", "3", "--log", &at],
        &["rescore", &at, "--keep"],
        &["run", "--policy", "random", "--cases", "1", "--log", &at],
    ];
    for args in writing {
        let o = bedside(args);
        let error = text(&o.stderr);
        assert_eq!(o.status.code(), Some(3), "{args:?}: {error}");
        assert!(error.contains("1 of 3 consultations") && error.contains("--repair NEW"), "{args:?}: {error}");
    }
    let reading: [(&[&str], &str); 4] = [
        (&["replay", &at], "2 of 2 consultations equal"),
        (&["export", &at], ""),
        (&["rescore", &at], "2 consultations"),
        (&["verify", &at], "NOT SOUND"),
    ];
    for (args, told) in reading {
        let o = bedside(args);
        assert_eq!(o.status.code(), Some(1), "{args:?}: {}", text(&o.stderr));
        assert!(text(&o.stdout).contains(told), "{args:?}: {}", text(&o.stdout));
        let error = text(&o.stderr);
        assert!(args[0] == "verify" || error.contains("1 of 3 consultations"), "{args:?}: {error}");
    }
    let o = bedside(&["verify", &at, "--repair", &name(&new)]);
    assert!(
        o.status.code() == Some(1) && text(&o.stdout).contains("2 consultations and 2 scorecards are whole"),
        "{}",
        text(&o.stdout)
    );
    assert!(bedside(&["verify", &name(&new)]).status.success());
    assert_eq!(bedside(&["verify", &at, "--repair", &name(&new)]).status.code(), Some(2), "nothing is written over");
    let o = run("3", &new);
    assert!(o.status.success() && text(&o.stderr).contains("resumed: 2 "), "{}", text(&o.stderr));
    assert_eq!(text(&o.stdout), text(&run("3", &log).stdout));

    // A log in which nothing is: nothing was replayed, and that is no success.
    let none = dir.path().join("none");
    drop(bedside::replays::Log::open(&none).expect("a log"));
    let o = bedside(&["replay", &name(&none)]);
    assert!(o.status.code() == Some(3) && text(&o.stderr).contains("holds no consultation"), "{}", text(&o.stderr));
}

#[test]
fn a_file_of_calls_is_looked_over_and_repaired_into_a_new_one() {
    use bedside::chat::{Access, CallStore, ChatReply, ChatRequest, FileStore, Message};
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("utf-8").to_owned();
    let (calls, new) = (path("calls"), path("new"));
    let store = FileStore::open(&calls, Access::Append).expect("a store");
    for n in 0..3 {
        let request = ChatRequest::new("m", vec![Message::user(format!("question {n}"))]);
        store.put(&request, &Ok(ChatReply::of_text("answer"))).expect("stored");
    }
    drop(store);
    assert!(text(&bedside(&["verify", &calls]).stdout).contains("sound: 3 calls"));
    let mut bytes = std::fs::read(&calls).expect("read");
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    std::fs::write(&calls, bytes).expect("written");
    let o = bedside(&["verify", &calls]);
    assert!(o.status.code() == Some(1) && text(&o.stdout).contains("--repair"), "{}", text(&o.stdout));
    let o = bedside(&["verify", &calls, "--repair", &new]);
    assert!(text(&o.stdout).contains("2 calls are whole"), "{}{}", text(&o.stdout), text(&o.stderr));
    assert!(text(&bedside(&["verify", &new]).stdout).contains("sound: 2 calls"));
}

#[test]
fn a_set_with_a_line_that_cannot_be_read_is_scored_only_when_asked_and_the_line_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("utf-8").to_owned();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../records/tests/fixtures/agentclinic.jsonl");
    let whole = std::fs::read_to_string(fixture).expect("the fixture");
    let first = whole.lines().next().expect("a line");
    let file = path("osce.jsonl");
    std::fs::write(&file, format!("{}\n{whole}", &first[..first.len() / 2])).expect("written");
    let eval = ["eval", "agentclinic", "--data", &file, "--policy", "checklist", "--questions", "3"];
    let o = bedside(&eval);
    let error = text(&o.stderr);
    assert_eq!(o.status.code(), Some(3), "{error}");
    assert!(error.contains(&format!("{file}:1: ")) && error.contains("--skip-broken"), "{error}");
    assert!(text(&o.stdout).is_empty(), "{}", text(&o.stdout));
    let o = bedside(&[&eval[..], &["--skip-broken", "--json"]].concat());
    assert!(o.status.success(), "{}", text(&o.stderr));
    let told = last_json(&o);
    // Two of the fixture's three can be played.
    assert_eq!(
        (told["cases"].as_u64(), told["refused"].as_u64(), told["broken"].as_u64()),
        (Some(2), Some(2), Some(1))
    );
    let o = bedside(&[&eval[..], &["--skip-broken"]].concat());
    assert!(text(&o.stdout).contains("2 cases refused by the importer, 1 of them"), "{}", text(&o.stdout));
    let o = bedside(&["records", "import", "--format", "agentclinic", "--out", &path("cases"), &file]);
    assert_eq!(o.status.code(), Some(1), "{}", text(&o.stdout));
    assert!(text(&o.stdout).contains("2 imported, 2 rejected (1 could not be read)"), "{}", text(&o.stdout));
}
