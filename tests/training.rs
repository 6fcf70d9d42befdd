//! The commands that train and compare, whole but small.

use crate::cli::{bedside, built, last_json, text};
use bedside::prelude::*;
use bedside::replays::{Log, WriterPolicy};
use bedside::train::evaluate::{Contestant, Course, compete};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

#[test]
fn quickstart_trains_compares_replays_and_reports() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("quick");
    let run = |out: &Path| {
        let out = out.to_str().expect("utf-8");
        bedside(&["quickstart", "--seeds", "1", "--rounds", "2", "--cases", "4", "--out", out, "--json"])
    };
    let o = run(&out);
    assert!(o.status.success(), "{}", text(&o.stderr));
    let line = last_json(&o);
    // Four baselines, the policy before and after, on four cases.
    assert_eq!(
        (line["episodes"].as_u64(), line["same"].as_u64(), line["sound"].as_bool()),
        (Some(24), Some(24), Some(true))
    );
    let policies = line["policies"].as_array().expect("a list");
    let of = |name: &str| policies.iter().find(|p| p["policy"] == name).expect("it played");
    let (before, after) = (of("before"), of("trained"));
    assert_eq!(line["gain"], after["versus"]["difference"]);
    assert_ne!(before["tokens"], after["tokens"], "two rounds change what is said");
    for file in
        ["report.md", "plots/evaluation.svg", "plots/reward.png", "seed-0/metrics.jsonl", "seed-0/policy/config.json"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    // What is there is not written over; the same again elsewhere is the same.
    let o = run(&out);
    assert!(o.status.code() == Some(2) && text(&o.stderr).contains("not empty"), "{}", text(&o.stderr));
    let again = last_json(&run(&dir.path().join("again")));
    assert_eq!(again["policies"], line["policies"]);
}

#[test]
fn recipes_are_compared_at_equal_tokens_and_an_experiment_is_gone_on_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("credit");
    let common = ["--seeds", "1", "--cases", "3", "--train-cases", "4", "--groups", "4", "--group-size", "2", "--json"];
    let run = || {
        let mut args = vec!["experiment", "credit", "--tokens", "150", "--out", out.to_str().expect("utf-8")];
        args.extend(common);
        let o = bedside(&args);
        assert!(o.status.success(), "{}", text(&o.stderr));
        last_json(&o)
    };
    let first = run();
    let policies = first["policies"].as_array().expect("a list");
    let names: Vec<&str> = policies.iter().filter_map(|p| p["policy"].as_str()).collect();
    let arms = ["fragment-1", "fragment-3", "session", "session-turns", "session-forks"];
    assert_eq!(names, [["random", "oracle", "before"].as_slice(), &arms].concat());
    for arm in arms {
        let metrics = std::fs::read_to_string(out.join(arm).join("seed-0/metrics.jsonl")).expect("metrics");
        let spent: Vec<f64> = metrics
            .lines()
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).expect("JSON")["generated_tokens"]
                    .as_f64()
                    .expect("a number")
            })
            .collect();
        // The round that reaches the budget is the last one.
        assert!(
            spent.iter().rev().skip(1).all(|t| *t < 150.0) && spent.last().is_some_and(|t| *t >= 150.0),
            "{arm}: {spent:?}"
        );
    }
    assert_eq!(run()["policies"], first["policies"], "finished runs are not run again");
    // What was asked for is beside what came of it, and another question is not put to the same folder.
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("experiment.json")).expect("a record")).expect("JSON");
    let asked = &record["arguments"];
    assert_eq!(
        [&asked["seeds"], &asked["cases"], &asked["train_cases"], &asked["tokens"], &asked["lr"]],
        [&json!(1), &json!(3), &json!(4), &json!(150), &json!(3e-4)]
    );
    assert_eq!((&record["experiment"], &record["arms"]), (&json!("credit"), &json!(arms)));
    assert!(record["start"]["digest"].is_string(), "{record}");
    assert!(std::fs::read_to_string(out.join("report.md")).expect("a report").contains("3 held-out cases"));
    let o = bedside(&["experiment", "credit", "--tokens", "151", "--out", out.to_str().expect("utf-8")]);
    assert!(o.status.code() == Some(3) && text(&o.stderr).contains("experiment.json"), "{}", text(&o.stderr));
}

/// Ends a consultation with a guess, under another's name.
struct Impostor;

impl Policy for Impostor {
    fn name(&self) -> String {
        "checklist".to_owned()
    }
    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        let guess = || Action::Conclude { differential: vec!["influenza".into()], plan: "Rest.".into() };
        Ok(turns.iter().map(|_| guess().into()).collect())
    }
}

#[test]
fn a_consultation_that_the_log_refuses_fails_the_evaluation_and_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("utf-8").to_owned();
    let (records, log) = (path("cases"), path("log"));
    let o = bedside(&["records", "generate", "--cases", "2", "--out", &records]);
    assert!(o.status.success(), "{}", text(&o.stderr));
    // The same consultations, otherwise.
    let library = bedside::records::Library::from_dir(&records).expect("records");
    let mut config = EnvConfig::default();
    config.limits.max_turns = 4;
    let cases = Arc::new(library.records().cloned().map(Case::new).collect::<Vec<_>>());
    let course = Course { cases, config, seeds: vec![Seed(0)], threads: 1 };
    let writer = Log::open(&log).expect("a log").writer(WriterPolicy::default());
    let mut kept = Vec::new();
    compete(&course, &mut Contestant::Other(Box::new(Impostor), 1), |p| kept.push(writer.record(&p.recording)))
        .expect("played");
    kept.into_iter().for_each(|ack| ack.expect("handed over").wait().expect("kept"));
    writer.close().expect("closed");
    let eval = ["eval", "--records", &records, "--split", "all", "--max-turns", "4", "--log", &log];
    let o = bedside(&[eval.as_slice(), &["--policy", "checklist"]].concat());
    let error = text(&o.stderr);
    assert_eq!(o.status.code(), Some(3), "{error}");
    assert!(error.contains("checklist on case 0") && error.contains("seed 0"), "{error}");
    assert!(error.contains("in the log already, with other content") && error.contains("hint:"), "{error}");
    assert!(o.stdout.is_empty(), "no score of consultations that were not kept: {}", text(&o.stdout));
    let o = bedside(&[eval.as_slice(), &["--policy", "information-gain"]].concat());
    assert!(o.status.success(), "{}", text(&o.stderr));
}

/// The binary without a folder of data in its environment.
fn plain(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(&built().binary);
    let o = command.args(args).env_remove("BEDSIDE_DATA").stdin(Stdio::null()).output().expect("the binary runs");
    (o.status.code(), text(&o.stdout), text(&o.stderr))
}

#[test]
fn what_cannot_begin_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("utf-8").to_owned();
    let out = path("out");
    let m2 = ["train", "m2", "--out", &out];
    let new = ["--new", "16,1,300", "--cases", "4", "--held-cases", "2"];
    let nowhere = path("nowhere");
    let sets = path("sets");
    std::fs::create_dir_all(dir.path().join("sets/maps")).expect("a folder");
    let notes = path("notes.txt");
    std::fs::write(&notes, "The doctor asked and the patient answered. ".repeat(30)).expect("written");
    let few = path("few");
    let o = bedside(&["records", "generate", "--cases", "5", "--out", &few]);
    assert!(o.status.success(), "{}", text(&o.stderr));
    let sft = ["train", "sft", "--out", &out];
    let rules = ["train", "rules", "--policy", "embedded", "--out", &out];
    let grpo = ["train", "grpo", "--policy", "embedded", "--out", &out];
    let mid = ["train", "mid", "--new", "16,1,300", "--out", &out];
    let refused: Vec<(Vec<&str>, i32, &str)> = vec![
        ([m2.as_slice(), &["--new", "16,1,258"]].concat(), 2, "at least 259"),
        ([m2.as_slice(), &["--policy", &nowhere]].concat(), 3, "there is no policy"),
        ([m2.as_slice(), &new, &["--task", "gsm8k"]].concat(), 2, "stage rules: gsm8k is in no folder"),
        ([m2.as_slice(), &new, &["--data", &sets]].concat(), 3, "stage rules: --data"),
        ([m2.as_slice(), &["--policy", "embedded", "--records", &nowhere]].concat(), 3, "stage sft: "),
        ([m2.as_slice(), &new, &["--more", "fragments=--set epsilon_high=-5"]].concat(), 2, "stage fragments: "),
        ([m2.as_slice(), &new, &["--stages", "sft,sft"]].concat(), 2, "sft stands twice"),
        ([m2.as_slice(), &new, &["--resume"]].concat(), 3, "no run to go on with"),
        ([sft.as_slice(), &["--new", "16,1,100"]].concat(), 2, "at least 259"),
        ([sft.as_slice(), &new, &["--resume"]].concat(), 3, "no run to go on with"),
        ([sft.as_slice(), &["--new", "16,1,300", "--records", &few]].concat(), 2, "--held-cases 0"),
        ([rules.as_slice(), &["--data", &nowhere]].concat(), 3, "is no folder"),
        ([rules.as_slice(), &["--data", &sets]].concat(), 3, "medmcqa, pubmedqa, gsm8k, medcalc"),
        ([mid.as_slice(), &["--data", &sets]].concat(), 3, "aci_bench"),
        ([mid.as_slice(), &["--notes", &notes]].concat(), 3, "<note>"),
        ([grpo.as_slice(), &["--turn-source", "counterfactual"]].concat(), 2, "--turn-credit"),
        ([grpo.as_slice(), &["--logged-consultations", "3"]].concat(), 2, "--logged policy"),
        ([grpo.as_slice(), &["--logged", "policy", "--start", "session"]].concat(), 2, "--logged policy"),
        (vec!["experiment", "length", "--thresholds", "9", "--out", &out], 2, "0..=1"),
    ];
    for (args, code, said) in refused {
        let (status, _, error) = plain(&args);
        assert_eq!(status, Some(code), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(!dir.path().join("out").exists(), "{args:?} left its folder behind");
    }
}

#[test]
fn sets_that_are_found_in_a_folder_are_read_and_a_plan_is_printed_as_a_shell_takes_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("my data");
    std::fs::create_dir_all(data.join("gsm8k")).expect("a folder");
    let row = |i: u32| {
        let answer = format!("There are {i} and one more.\n#### {}", i + 1);
        json!({"question": format!("Tom has {i} pears and gets one. How many?"), "answer": answer}).to_string() + "\n"
    };
    std::fs::write(data.join("gsm8k/train.jsonl"), (0..40).map(row).collect::<String>()).expect("written");
    let data = data.to_str().expect("utf-8");
    let out = dir.path().join("it's out");
    let folder = out.to_str().expect("utf-8");
    let (code, plan, error) =
        plain(&["train", "m2", "--policy", "embedded", "--data", data, "--out", folder, "--dry-run"]);
    assert_eq!(code, Some(0), "{error}");
    let rules = plan.lines().find(|l| l.starts_with("bedside train rules")).expect("a stage");
    assert!(rules.contains(&format!("--data '{data}'")) && !rules.contains("--task"), "{rules}");
    assert!(rules.contains(r"it'\''s out/rules'"), "{rules}");
    // What a shell makes of the line is what was meant.
    let words = Command::new("sh").args(["-c", &format!("printf '%s\n' {rules}")]).output();
    if let Ok(words) = words {
        assert!(text(&words.stdout).lines().any(|w| w == data), "{}", text(&words.stdout));
    }
    let small = ["--steps", "1", "--groups", "1", "--group-size", "2", "--reply", "4", "--held-tasks", "0"];
    let rules = ["train", "rules", "--policy", "embedded", "--data", data, "--out", folder];
    let (code, _, error) = plain(&[rules.as_slice(), &small].concat());
    assert_eq!(code, Some(0), "{error}");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("run.json")).expect("a record")).expect("JSON");
    let sets: Vec<_> = record["config"]["data"]["sets"].as_array().expect("sets").iter().map(|s| &s["set"]).collect();
    assert_eq!(sets, [&json!("gsm8k")]);
}
