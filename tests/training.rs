//! The commands that train and compare, whole but small.

use crate::cli::{bedside, last_json, text};
use std::path::Path;

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
}
