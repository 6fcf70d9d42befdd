//! What logging costs: `cargo bench -p bedside-replays`. Appending, folding and re-executing the same consultations.

use bedside_env::seed::Seed;
use bedside_env::units::{Case, Units};
use bedside_env::{Action, Env, EnvConfig, Gym, ResetOptions};
use bedside_replays::{Log, Mode, Recording, ReplayConfig, WriterPolicy, replay_all, verify};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;

const EPISODES: u64 = 64;

fn play(case: &Arc<Case>, seed: u64) -> Recording {
    let mut gym = Gym::new(Arc::new(vec![case.clone()]), EnvConfig { scorer: None, ..EnvConfig::default() });
    gym.reset(Seed(seed), &ResetOptions::default()).expect("resets");
    let lines =
        ["When did it start?", "Does it spread anywhere?", "Any allergies?", "Do you smoke?", "Have you fainted?"];
    for line in lines {
        gym.step(Action::say(line).into()).expect("steps");
    }
    let end = Action::Conclude { differential: vec!["Angina".to_owned()], plan: "A spray, and cardiology.".to_owned() };
    let last = gym.step(end.into()).expect("steps");
    Recording::of_gym(&mut gym, case.clone(), &last, "bench", None, Vec::new()).expect("a recording")
}

fn append(log: &Log, all: &[Recording]) {
    let writer = log.writer(WriterPolicy::default());
    for r in all {
        // Closing waits for all of them.
        drop(writer.record(r).expect("accepted"));
    }
    writer.close().expect("durable");
}

fn log(c: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/records/golden-angina.json");
    let text = std::fs::read_to_string(path).expect("the record is in the repository");
    let case = Case::new(serde_json::from_str(&text).expect("a record"));
    let all: Vec<Recording> = (0..EPISODES).map(|n| play(&case, n)).collect();
    let events: usize = all.iter().map(|r| r.log.events.len()).sum();
    let mut group = c.benchmark_group("log");
    group.sample_size(20).throughput(Throughput::Elements(events as u64));
    group.bench_function("append, memory", |b| {
        b.iter_batched(Log::in_memory, |log| append(&log, &all), BatchSize::PerIteration);
    });
    group.bench_function("append, disk", |b| {
        b.iter_batched(
            || {
                let folder = tempfile::tempdir().expect("a folder");
                let log = Log::open(folder.path()).expect("opens");
                (folder, log)
            },
            |(folder, log)| {
                append(&log, &all);
                (folder, log)
            },
            BatchSize::PerIteration,
        );
    });
    let kept = Log::in_memory();
    append(&kept, &all);
    group.bench_function("verify", |b| b.iter(|| verify(&kept, 1)));
    for (name, mode) in [("fold", Mode::Fold), ("re-execute", Mode::ReExecute)] {
        let how = ReplayConfig { threads: 1, ..ReplayConfig::new(mode, Units::embedded()) };
        group.bench_function(name, |b| b.iter(|| replay_all(&kept, &how).expect("reads")));
    }
    group.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
