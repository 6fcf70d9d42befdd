//! `bedside bench`: speed and memory on this machine.

use super::bench_lm;
use super::fail::Fail;
use super::out;
use super::run::config;
use super::source::{MOST, Source, within};
use bedside::env::{Ended, Event};
use bedside::measure::{batch, engine, latencies, memory, quantile, timed};
use bedside::prelude::*;
use bedside::replays::replay::{Mode, ReplayConfig, replay_all};
use bedside::replays::{Log, Recording, WriterPolicy};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  bedside bench                 about a minute\n  bedside bench --live 100000 --seconds 10 --json\n  \
                  bedside bench lm --model 135m   language models: decoding, training, memory"
)]
pub struct Args {
    #[command(subcommand)]
    of: Option<Of>,
    #[command(flatten)]
    source: Source,
    /// Seconds a measurement
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Consultations alive at once in the memory measurement
    #[arg(long, default_value_t = 20_000, value_parser = within::<usize>(1, 10 * MOST))]
    live: usize,
    /// Consultations stepped together
    #[arg(long, default_value_t = 1_024, value_parser = within::<usize>(1, MOST))]
    slots: usize,
    /// Folder for the logs that are written; a temporary one by default, removed at the end
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Of {
    /// Measure a language model: decoding, training, memory
    Lm(bench_lm::Args),
}

fn seconds(text: &str) -> Result<f64, String> {
    let range = 0.05..=600.0;
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if range.contains(&value) { Ok(value) } else { Err(format!("{text} is not in 0.05..=600")) }
}

struct Report {
    json: bool,
    rows: Vec<Vec<String>>,
}

impl Report {
    fn add(&mut self, what: &str, value: f64, unit: &str) -> Result<(), Fail> {
        if self.json {
            return out::json(&json!({"measure": what, "value": value, "unit": unit}));
        }
        let digits = if value >= 100.0 { 0 } else { 2 };
        self.rows.push(vec![what.to_owned(), format!("{value:.digits$}"), unit.to_owned()]);
        Ok(())
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    if let Some(Of::Lm(args)) = args.of {
        return bench_lm::run(args);
    }
    let mut report = Report { json: args.json, rows: vec![["measure", "value", "unit"].map(str::to_owned).to_vec()] };
    let time = Duration::from_secs_f64(args.seconds);
    let cases = args.source.cases(Some(200))?;
    let unscored = EnvConfig { scorer: None, ..config(20, None, &[])? };
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(2);

    // Memory first: later measurements leave freed memory behind that would hide growth.
    if let Some((opened, played)) = memory(&cases, &unscored, args.live, 8) {
        report.add("memory per consultation, opened", opened / 1024.0, "KiB")?;
        report.add("memory per consultation, after 8 turns", played / 1024.0, "KiB")?;
    }
    for threads in [1, cores] {
        let t = engine(&cases, &unscored, args.slots, threads, time)?;
        report.add(&format!("engine, no log, {threads} thread(s)"), t.per_second(), "turns/s")?;
        let t = batch(&cases, &unscored, args.slots, threads, time, |_, _| {})?;
        report.add(&format!("VecEnv, no log, {threads} thread(s)"), t.per_second(), "turns/s")?;
        if threads == cores && cores == 1 {
            break;
        }
    }
    let scored = EnvConfig::default();
    let t = batch(&cases, &scored, args.slots, 1, time, |_, _| {})?;
    report.add("VecEnv, scored, 1 thread", t.per_second(), "turns/s")?;

    let (folder, temporary) = match &args.dir {
        Some(d) => (d.clone(), false),
        None => (std::env::temp_dir().join(format!("bedside-bench-{}", std::process::id())), true),
    };
    logged(&args, &cases, &unscored, time, &folder, &mut report)?;
    if temporary {
        std::fs::remove_dir_all(&folder)?;
    }
    let sorted = latencies(&cases, &unscored, 20_000)?;
    report.add("one step, p50", quantile(&sorted, 0.5) as f64 / 1000.0, "us")?;
    report.add("one step, p99", quantile(&sorted, 0.99) as f64 / 1000.0, "us")?;
    let mut gym = Gym::new(cases.clone(), unscored.clone());
    let start = Instant::now();
    for s in 0..1000 {
        gym.reset(Seed(s), &ResetOptions::default())?;
    }
    report.add("open an episode", start.elapsed().as_secs_f64() * 1e3, "us")?;
    units(&cases, &unscored, args.slots, time, &mut report)?;
    if !args.json {
        out::line(out::table(&report.rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a turn's time goes.
fn units(
    cases: &Arc<Vec<Arc<Case>>>,
    config: &EnvConfig,
    slots: usize,
    time: Duration,
    report: &mut Report,
) -> Result<(), Fail> {
    let (units, clock) = timed(config.units.clone());
    let t = engine(cases, &EnvConfig { units, ..config.clone() }, slots, 1, time)?;
    let mut inside = 0.0;
    for (name, nanos, _) in clock.report() {
        let per_turn = nanos as f64 / 1000.0 / t.turns.max(1) as f64;
        inside += per_turn;
        report.add(&format!("time split, {name}"), per_turn, "us/turn")?;
    }
    report.add("time split, world and rest", 1e6 / t.per_second() - inside, "us/turn")
}

/// Appending to the log, durable appending, and reading it back.
fn logged(
    args: &Args,
    cases: &Arc<Vec<Arc<Case>>>,
    config: &EnvConfig,
    time: Duration,
    folder: &std::path::Path,
    report: &mut Report,
) -> Result<(), Fail> {
    for (name, group) in [
        ("VecEnv with log, group commit", WriterPolicy::default()),
        ("VecEnv with log, commit each", WriterPolicy { group: 1, ..WriterPolicy::default() }),
    ] {
        let path = folder.join(name.replace([' ', ','], "-"));
        let log = Log::open(&path)?;
        let writer = log.writer(group);
        let mut failed = None;
        let start = Instant::now();
        let sealed = EnvConfig { seal: true, ..config.clone() };
        let t = batch(cases, &sealed, args.slots, 1, time, |step, ended| {
            let recording = recording(&step, ended, cases);
            if let (Some(r), None) = (recording, &failed) {
                failed = writer.record(&r).err();
            }
        })?;
        writer.close()?;
        if let Some(e) = failed {
            return Err(e.into());
        }
        // Everything recorded is on the disk now, so the wait belongs to the figure.
        let seconds = start.elapsed().as_secs_f64();
        report.add(name, t.turns as f64 / seconds, "turns/s")?;
        report.add(&format!("{name}: episodes made durable"), t.episodes as f64 / seconds, "episodes/s")?;
    }
    let log = Log::open(folder.join("VecEnv-with-log--group-commit"))?;
    for mode in [Mode::Fold, Mode::ReExecute] {
        let start = Instant::now();
        let done = replay_all(&log, &ReplayConfig { scorer: None, ..ReplayConfig::new(mode, config.units.clone()) })?;
        let events: u64 = done.iter().map(|r| u64::from(r.events)).sum();
        report.add(
            &format!("replay, {mode:?}, 1 thread"),
            events as f64 / start.elapsed().as_secs_f64(),
            "events/s",
        )?;
    }
    Ok(())
}

/// What the log wants to know of an episode that ran in a batch.
fn recording(step: &Step, ended: Ended, cases: &[Arc<Case>]) -> Option<Recording> {
    let Some(Event::ConsultationOpened(opening)) = ended.log.events.first() else { return None };
    let case = cases.iter().find(|c| c.hash == opening.record_hash)?.clone();
    let (digest, state) = ended.seal?;
    Some(Recording {
        log: ended.log,
        case,
        policy: "bench".to_owned(),
        status: step.status,
        reward: step.reward,
        metrics: step.metrics.clone(),
        digest,
        state,
        scorer: None,
        card: None,
        traces: Vec::new(),
    })
}
