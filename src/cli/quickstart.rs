//! `bedside quickstart`: the whole of it in minutes. Baselines play, the embedded policy is trained on fragments with several seeds,
//! all of them are compared on held-out cases, the log is replayed, and a report is written.

use super::eval;
use super::fail::Fail;
use super::lab::{self, Arena, Lab, contestant};
use super::out;
use super::replay;
use super::source::{MOST, within};
use bedside::prelude::*;
use bedside::replays::{Log, Mode, Outcome, ReplayConfig, verify_folder};
use bedside::stats::Interval;
use bedside::train::report::{Report, Run};
use bedside::train::stage::starts::{Logged, StartFrom};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bedside quickstart\n  bedside quickstart --seeds 1 --rounds 5 --cases 10 --out runs/try\n\n\
                        In --out: log/ (bedside replay, verify, fork, export), seed-0/ ... (run.json, metrics.jsonl, tensorboard/, policy/),\n\
                        report.md and plots/. The same arguments give the same scores."
)]
pub struct Args {
    /// A new folder for all that is made; by default the first free of runs/quickstart, runs/quickstart-2, ...
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Train this policy in place of the embedded one
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Seeds of training, each with its consultations to be judged by
    #[arg(long, default_value_t = 3, value_parser = within::<u64>(1, 100))]
    seeds: u64,
    /// Rounds of GRPO a seed
    #[arg(long, default_value_t = 24, value_parser = within::<u64>(1, MOST))]
    rounds: u64,
    /// Held-out cases that everyone plays
    #[arg(long, default_value_t = 60, value_parser = within::<usize>(2, MOST))]
    cases: usize,
    /// One JSON object at the end
    #[arg(long)]
    json: bool,
}

/// Cases whose fragments are trained on.
const TRAINED_ON: usize = 120;
const BASELINES: [&str; 4] = ["random", "checklist", "information-gain", "oracle"];
const BEFORE: &str = "before";
const AFTER: &str = "trained";
/// Groups of a round.
const GROUPS: usize = 16;
/// Doctor turns of a fragment.
const FRAGMENT: u32 = 3;
/// Learning rate.
const RATE: f64 = 3e-4;

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let begin = Instant::now();
    let folder = free(args.out.clone())?;
    let (policy, parent) = lab::policy(args.policy.as_deref())?;
    let said = |what: String| if args.json { Ok(()) } else { out::line(what) };
    let lab = Lab::new(TRAINED_ON, args.cases)?;
    let seeds: Vec<Seed> = (0..args.seeds).map(Seed).collect();
    let log = folder.join("log");
    let mut arena = Arena::new(&lab, Some(&log))?;

    said(format!("1/5  Baselines and the policy as it is: {} held-out cases x {} seeds", args.cases, args.seeds))?;
    arena.scripted(&BASELINES, &seeds)?;
    arena.play(BEFORE, contestant(BEFORE, &policy)?, &seeds)?;

    said(format!("2/5  GRPO on fragments: {} seeds x {} rounds", args.seeds, args.rounds))?;
    let start = StartFrom::Fragment { turns: FRAGMENT, logged: Logged::Teacher };
    let config = lab::recipe(&policy, start, GROUPS, RATE, args.rounds)?;
    let mut after = Vec::new();
    for seed in 0..args.seeds {
        let mut config = config.clone();
        config.grpo.seed = seed;
        let root = folder.join(format!("seed-{seed}"));
        let done = lab.train(&root, &policy, &parent, config, false)?;
        said(format!("     seed {seed}: reward {:.3} in its first rounds, {:.3} in its last", done.first, done.last))?;
        after.push(done.policy);
    }

    said(
        "3/5  What was trained, on the same held-out cases; the policy of seed k plays the consultations of seed k"
            .to_owned(),
    )?;
    for (seed, policy) in seeds.iter().zip(&after) {
        arena.play(AFTER, contestant(&format!("{AFTER}-{}", seed.0), policy)?, &[*seed])?;
    }
    let sums = arena.summaries(BEFORE);
    said(format!("\n{}\n", eval::table(&sums, Some(BEFORE))))?;

    arena.close()?;
    said("4/5  The log: every hash checked, every consultation played again".to_owned())?;
    let checked = check(&log, lab.threads)?;
    said(format!("     {checked}"))?;

    let gain = sums.iter().find(|s| s.policy == AFTER).and_then(|s| s.versus.as_ref()?.difference);
    let verdict = format!("{} ({} held-out cases, {} seeds, paired)", words(gain), args.cases, args.seeds);
    let runs = (0..args.seeds).map(|k| Run::read(&folder.join(format!("seed-{k}")))).collect::<Result<_, _>>()?;
    let title = "Quickstart: GRPO on fragments of consultations".to_owned();
    let notes = vec![format!("{verdict}."), format!("Its log: {checked}.")];
    let report = Report { title, notes, runs, evaluation: sums.clone() }.write(&folder)?;
    let seconds = begin.elapsed().as_secs_f64();
    said(format!("5/5  Report: {}\n\n{verdict}. {seconds:.0} s in all.", report.display()))?;
    if args.json {
        out::json(&json!({
            "out": folder, "report": report, "gain": gain, "episodes": checked.episodes, "same": checked.same,
            "sound": checked.sound, "seconds": seconds, "policies": sums,
        }))?;
    }
    Ok(ExitCode::from(u8::from(!checked.holds())))
}

/// `--out`, or the first name that is not taken.
fn free(asked: Option<PathBuf>) -> Result<PathBuf, Fail> {
    let taken = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    match asked {
        Some(path) if taken(&path) => {
            Err(Fail::usage(format!("{} is not empty", path.display()), "give --out a folder that does not exist yet"))
        }
        Some(path) => Ok(path),
        None => {
            let named = |k: u32| {
                PathBuf::from(if k == 1 { "runs/quickstart".to_owned() } else { format!("runs/quickstart-{k}") })
            };
            Ok((1..).map(named).find(|path| !taken(path)).unwrap_or_else(|| named(1)))
        }
    }
}

/// What the log was found to be.
struct Checked {
    same: usize,
    episodes: usize,
    events: u64,
    sound: bool,
}

impl Checked {
    fn holds(&self) -> bool {
        self.sound && self.same == self.episodes
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Checked { same, episodes, events, sound } = self;
        let hashes = if *sound { "all sound" } else { "NOT SOUND" };
        write!(
            f,
            "{same} of {episodes} consultations ({events} events) played again to the same events; hashes {hashes}"
        )
    }
}

fn check(log: &Path, threads: usize) -> Result<Checked, Fail> {
    let sound = verify_folder(log, threads)?.is_sound();
    let log = Log::open(log)?;
    let ids = log.episode_ids()?;
    let scorer = EnvConfig::default().scorer;
    let how = ReplayConfig { scorer, threads, ..ReplayConfig::new(Mode::ReExecute, Units::embedded()) };
    let done = replay::play_again(&log, &ids, &how);
    let same = done.iter().filter(|r| r.outcome == Outcome::Same).count();
    let events = done.iter().map(|r| u64::from(r.events)).sum();
    Ok(Checked { same, episodes: ids.len(), events, sound })
}

fn words(gain: Option<Interval>) -> String {
    match gain {
        Some(g) if g.lo > 0.0 => format!("GRPO gained {:+.3}, 95 % interval [{:+.3}, {:+.3}]", g.mean, g.lo, g.hi),
        Some(g) => format!("No gain is shown: {:+.3}, 95 % interval [{:+.3}, {:+.3}]", g.mean, g.lo, g.hi),
        None => "No gain can be told: too few consultations have a score".to_owned(),
    }
}
