//! How fast consultations are logged and read again: `cargo run --release -p bedside-replays --example append -- [FOLDER] [COUNT]`.
//!
//! One object a line. `append` is the writer alone (encoding and the store), with a barrier every 32 episodes as in use, with a group of one
//! (which grows while more is waiting), and in memory; `verify`, `fold` and `re_execute` read the log that the first made.

use bedside_env::seed::Seed;
use bedside_env::units::{Case, Units};
use bedside_env::{Action, Env, EnvConfig, Gym, ResetOptions};
use bedside_replays::{Log, Mode, Outcome, Recording, ReplayConfig, WriterPolicy, replay_all, verify};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| "bench-log".to_owned());
    let count: u64 = args.next().map_or(Ok(2000), |n| n.parse())?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/records/golden-angina.json");
    let case = Case::new(serde_json::from_str(&std::fs::read_to_string(path)?)?);
    let start = Instant::now();
    let all: Vec<Recording> = (0..count).map(|n| play(&case, n)).collect::<Result<_, _>>()?;
    let events: usize = all.iter().map(|r| r.log.events.len()).sum();
    report("play", count, events, start.elapsed(), "");

    let grouped = Log::open(format!("{folder}/grouped"))?;
    let usual = WriterPolicy::default();
    append("append, group of 32", &grouped, &all, events, usual)?;
    append("append, memory", &Log::in_memory(), &all, events, usual)?;
    let single = Log::open(format!("{folder}/single"))?;
    let few = all.len().min(400);
    let some: usize = all[..few].iter().map(|r| r.log.events.len()).sum();
    append("append, group of 1", &single, &all[..few], some, WriterPolicy { group: 1, ..usual })?;

    for threads in [1, 2] {
        let start = Instant::now();
        let found = verify(&grouped, threads);
        report(
            "verify",
            count,
            events,
            start.elapsed(),
            &format!("{threads} threads, {} findings", found.findings.len()),
        );
        for (name, mode) in [("fold", Mode::Fold), ("re_execute", Mode::ReExecute)] {
            let start = Instant::now();
            let config = ReplayConfig { threads, ..ReplayConfig::new(mode, Units::embedded()) };
            let out = replay_all(&grouped, &config)?;
            let bad = out.iter().filter(|r| r.outcome != Outcome::Same).count();
            report(name, count, events, start.elapsed(), &format!("{threads} threads, {bad} differ"));
        }
    }
    Ok(())
}

fn play(case: &Arc<Case>, seed: u64) -> Result<Recording, Box<dyn std::error::Error>> {
    let mut gym = Gym::new(Arc::new(vec![case.clone()]), EnvConfig { scorer: None, ..EnvConfig::default() });
    gym.reset(Seed(seed), &ResetOptions::default())?;
    let lines =
        ["When did it start?", "Does it spread anywhere?", "Any allergies?", "Do you smoke?", "Have you fainted?"];
    for n in 0..9 {
        gym.step(Action::say(lines[n % lines.len()]).into())?;
    }
    let end = Action::Conclude { differential: vec!["Angina".to_owned()], plan: "A spray, and cardiology.".to_owned() };
    let last = gym.step(end.into())?;
    Ok(Recording::of_gym(&mut gym, case.clone(), &last, "bench", None, Vec::new())?)
}

fn append(
    name: &str,
    log: &Log,
    all: &[Recording],
    events: usize,
    policy: WriterPolicy,
) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let writer = log.writer(policy);
    let acks = all.iter().map(|r| writer.record(r)).collect::<Result<Vec<_>, _>>()?;
    writer.flush()?;
    for ack in acks {
        ack.wait()?;
    }
    let stats = log.stats();
    let note = format!(
        "{} commits, {} B an event, {} B on disk",
        stats.commits,
        stats.bytes / events as u64,
        stats.size_on_disk
    );
    report(name, all.len() as u64, events, start.elapsed(), &note);
    Ok(())
}

fn report(what: &str, episodes: u64, events: usize, took: Duration, note: &str) {
    let per_second = |n: f64| (n / took.as_secs_f64()).round();
    println!(
        "{}",
        serde_json::json!({
            "what": what, "episodes": episodes, "events": events, "seconds": took.as_secs_f64(),
            "episodes_per_second": per_second(episodes as f64), "events_per_second": per_second(events as f64), "note": note,
        })
    );
}
