//! The promises that `bedside check` makes small, at the size they are made for.

use crate::cli::{bedside, text};
use crate::fixtures::{cases, size};
use bedside::promises::{Promise, Trouble, fork, isolation, order, play_jobs, replay};
use bedside::runner::Job;
use bedside_env::EnvConfig;
use bedside_env::seed::Seed;
use bedside_replays::{Log, WriterPolicy};
use std::collections::BTreeMap;

fn holds(promise: Result<Promise, Trouble>) {
    let promise = promise.expect("it can be tried");
    println!("{}: {}", promise.name, promise.figure);
    assert!(promise.holds, "{}: {}", promise.name, promise.figure);
}

const LADDER: [&str; 4] = ["random", "checklist", "information-gain", "oracle"];

#[test]
fn what_four_policies_played_is_re_executed_to_the_same_bits() {
    holds(replay(&cases(size("cases under each of 4 policies", 15, 250) as u64), &LADDER, 1));
}

#[test]
fn a_log_written_here_is_re_executed_to_the_same_bits_by_another_process() {
    let n = size("cases under each of 4 policies", 3, 25);
    let cases = cases(n as u64);
    let job = |policy: &str, case| Job { policy: policy.to_owned(), case, seed: Seed(case as u64), persona: None };
    let jobs: Vec<Job> = LADDER.iter().flat_map(|p| (0..n).map(move |c| job(p, c))).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let mut here = BTreeMap::new();
    {
        let log = Log::open(&path).expect("opens");
        let writer = log.writer(WriterPolicy::default());
        for p in play_jobs(&cases, &EnvConfig::default(), &jobs).expect("plays") {
            here.insert(p.recording.episode().to_string(), p.recording.digest.hex());
            drop(writer.record(&p.recording).expect("accepted"));
        }
        writer.close().expect("durable");
    }
    let o = bedside(&["replay", path.to_str().expect("utf-8"), "--mode", "reexecute", "--json"]);
    assert!(o.status.success(), "{}{}", text(&o.stdout), text(&o.stderr));
    let out = text(&o.stdout);
    let lines: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.last().expect("a summary")["same"], 4 * n);
    let there: BTreeMap<String, String> = lines
        .iter()
        .filter_map(|l| Some((l["episode"].as_str()?.to_owned(), l["digest"].as_str()?.to_owned())))
        .collect();
    assert_eq!(there, here);
}

#[test]
fn a_seed_alone_equals_the_same_seed_in_a_shuffled_batch() {
    holds(isolation(&cases(40), size("slots", 256, 4_096), 4));
}

#[test]
fn a_fork_at_every_turn_has_its_parents_prefix_and_future() {
    holds(fork(&cases(40), size("consultations", 12, 200)));
}

#[test]
fn better_doctors_score_better_and_no_probe_comes_near() {
    holds(order(&cases(size("cases", 40, 100) as u64), 1, true));
}
