//! The project's promises as functions of a list of cases: `bedside check` runs them small, the tests larger.

use crate::leaks::{canaries_in, unearned, with_canaries};
use crate::runner::{Job, PlayError, Played, play_all};
use crate::stats::{Interval, paired};
use bedside_agents::{Doctor, doctor};
use bedside_env::seed::Seed;
use bedside_env::units::{Case, Units};
use bedside_env::world::{chain, prefix};
use bedside_env::{AutoresetMode, Decision, Digest, Env, EnvConfig, Event, Gym, ResetOptions, VecEnv};
use bedside_replays::replay::{Mode, Outcome, ReplayConfig, replay_all};
use bedside_replays::{Log, WriterPolicy};
use std::sync::Arc;

/// A promise, whether it holds, and the figure that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    pub name: &'static str,
    pub holds: bool,
    pub figure: String,
}

/// Why a promise could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Env(#[from] bedside_env::EnvError),
    #[error(transparent)]
    Play(#[from] PlayError),
    #[error(transparent)]
    Log(#[from] bedside_replays::LogError),
    #[error(transparent)]
    Store(#[from] bedside_replays::StoreError),
}

type Cases = Arc<Vec<Arc<Case>>>;

/// The promises in order, each to be run when called.
pub fn all(cases: &Cases, generated: bool) -> Vec<Box<dyn FnOnce() -> Result<Promise, Trouble>>> {
    let c = || cases.clone();
    let (a, b, d, e, f) = (c(), c(), c(), c(), c());
    vec![
        Box::new(move || replay(&a, &["random", "checklist", "information-gain", "oracle"], 1)),
        Box::new(move || isolation(&b, 512, 4)),
        Box::new(move || fork(&d, 12)),
        Box::new(move || leaks(&e)),
        Box::new(move || order(&f, 1, generated)),
    ]
}

fn jobs(policies: &[&str], cases: usize, seeds: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    for policy in policies {
        for case in 0..cases {
            jobs.extend((0..seeds).map(|s| Job { policy: (*policy).to_owned(), case, seed: Seed(s), persona: None }));
        }
    }
    jobs
}

/// Plays jobs and keeps what was played, in job order.
pub fn play_jobs(cases: &Cases, config: &EnvConfig, jobs: &[Job]) -> Result<Vec<Played>, Trouble> {
    let mut out = Vec::with_capacity(jobs.len());
    let mut failed = None;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    play_all(cases, config, jobs, threads, |_, played| match played {
        Ok(p) => out.push(p),
        Err(e) => failed = Some(e),
    });
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(out),
    }
}

/// Promise 1: what was logged is re-executed to the same events, rewards and states, on one thread and on two.
pub fn replay(cases: &Cases, policies: &[&str], seeds: u64) -> Result<Promise, Trouble> {
    let config = EnvConfig::default();
    let log = Log::in_memory();
    let writer = log.writer(WriterPolicy::default());
    let mut n = 0;
    for p in play_jobs(cases, &config, &jobs(policies, cases.len(), seeds))? {
        drop(writer.record(&p.recording)?);
        n += 1;
    }
    writer.close()?;
    let mut same = 0;
    let mut runs = Vec::new();
    for threads in [1, 2] {
        let how = ReplayConfig {
            threads,
            scorer: config.scorer.clone(),
            ..ReplayConfig::new(Mode::ReExecute, Units::embedded())
        };
        let done = replay_all(&log, &how)?;
        same += done.iter().filter(|r| r.outcome == Outcome::Same).count();
        runs.push(done.into_iter().map(|r| (r.episode, r.digest, r.state, r.reward)).collect::<Vec<_>>());
    }
    let holds = same == 2 * n && runs[0] == runs[1] && runs[0].len() == n;
    Ok(Promise {
        name: "replay",
        holds,
        figure: format!("{} of {} re-executions equal ({n} consultations, 1 and 2 threads)", same, 2 * n),
    })
}

/// Something to say, the same for a seed and turn.
fn line(seed: u64, turn: u32) -> Decision {
    let questions = bedside_agents::QUESTIONS;
    let at = (seed.wrapping_mul(31) + u64::from(turn) * 7) % questions.len() as u64;
    bedside_env::Action::say(questions[at as usize]).into()
}

/// Promise 2: a seed alone equals the same seed in a batch, opened in shuffled order.
pub fn isolation(cases: &Cases, slots: usize, turns: u32) -> Result<Promise, Trouble> {
    let config = EnvConfig { scorer: None, ..EnvConfig::default() };
    let mut batch = VecEnv::new(cases.clone(), config.clone(), slots, 2, AutoresetMode::Disabled);
    // 2741 is prime and larger than half a batch, so this visits every slot once, far from in order.
    let which = (0..slots).map(|i| (i * 2741 + 17) % slots).map(|i| (i, Seed(i as u64), ResetOptions::default()));
    batch.reset_slots(which.collect())?;
    for turn in 1..=turns {
        // A slot whose patient has left refuses the step; its log is compared all the same.
        drop(batch.step((0..slots).map(|i| Some(line(i as u64, turn))).collect())?);
    }
    let mut alone = Gym::new(cases.clone(), config);
    let mut same = 0;
    for i in 0..slots {
        alone.reset(Seed(i as u64), &ResetOptions::default())?;
        for turn in 1..=turns {
            if !alone.step(line(i as u64, turn))?.status.is_running() {
                break;
            }
        }
        same += usize::from(alone.log()? == batch.log(i)?);
    }
    Ok(Promise {
        name: "isolation",
        holds: same == slots,
        figure: format!("{same} of {slots} seeds equal alone and in a shuffled batch"),
    })
}

/// Promise 3: at every turn of every consultation a fork has its parent's prefix, and the parent's actions reproduce the parent.
pub fn fork(cases: &Cases, consultations: usize) -> Result<Promise, Trouble> {
    let config = EnvConfig { scorer: None, ..EnvConfig::default() };
    let policies = ["checklist", "random", "information-gain", "probe-flatter"];
    let work: Vec<Job> = (0..consultations)
        .map(|i| Job { policy: policies[i % 4].to_owned(), case: i % cases.len(), seed: Seed(i as u64), persona: None })
        .collect();
    let (mut forks, mut same) = (0, 0);
    let mut gym = Gym::new(cases.clone(), config.clone());
    for (job, p) in work.iter().zip(play_jobs(cases, &config, &work)?) {
        let log = &p.recording.log;
        let turns: Vec<_> = log
            .events
            .iter()
            .filter_map(|e| match e {
                Event::ActionTaken { action, .. } => Some((**action).clone()),
                _ => None,
            })
            .collect();
        for at in 0..turns.len() {
            gym.fork(job.case, log, at as u32, "same", None)?;
            let prefix_equal =
                gym.fork_point().map(|f| f.prefix) == Some(chain(Digest::ZERO, prefix(&log.events, at as u32)));
            for turn in &turns[at..] {
                gym.step(turn.clone().into())?;
            }
            let fork = gym.log()?;
            let mine = fork.events.iter().filter(|e| !matches!(e, Event::ConsultationForked(_)));
            let equal = mine.eq(log.events.iter()) && gym.checksum()? == p.recording.state;
            forks += 1;
            same += usize::from(prefix_equal && equal);
        }
    }
    Ok(Promise {
        name: "fork",
        holds: same == forks && forks > 0,
        figure: format!("{same} of {forks} forks equal their parent, at every turn of {consultations} consultations"),
    })
}

/// Promise 4: with every hidden string a canary, none reaches an observation before it is earned.
pub fn leaks(cases: &Cases) -> Result<Promise, Trouble> {
    let config = EnvConfig { scorer: None, ..EnvConfig::default() };
    let marked: Cases = Arc::new(cases.iter().map(|c| Case::new(with_canaries(&c.record))).collect());
    let (mut leaked, mut observed, mut turns) = (0, 0, 0);
    let mut gym = Gym::new(marked.clone(), config);
    for policy in ["checklist", "information-gain", "random", "probe-injection", "probe-shotgun", "probe-keywords"] {
        for case in 0..marked.len() {
            let Ok(Doctor::Fair(mut who)) = doctor(policy) else { continue };
            let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
            let (mut o, _) = gym.reset(Seed(case as u64), &options)?;
            loop {
                let mut decisions = who.act(&[(&o, Seed(1))]).map_err(PlayError::from)?;
                let step = gym.step(decisions.swap_remove(0))?;
                o = step.observation;
                turns += 1;
                leaked += unearned(&o, &gym.log()?).len();
                if !step.status.is_running() {
                    break;
                }
            }
            observed += o.dialogue.iter().map(|l| canaries_in(&l.text.to_lowercase()).len()).sum::<usize>();
        }
    }
    // A test in which no canary ever surfaces would prove nothing.
    let holds = leaked == 0 && observed > 0;
    Ok(Promise {
        name: "leaks",
        holds,
        figure: format!("{leaked} canaries unearned, {observed} earned, in {turns} turns on {} records", marked.len()),
    })
}

/// Probes must stay below the honest checklist by at least this much.
pub const PROBE_MARGIN: f64 = 0.10;

/// Promise 5: Random < Checklist < InformationGain <= Oracle by paired intervals, and every probe below the checklist.
pub fn order(cases: &Cases, seeds: u64, probes: bool) -> Result<Promise, Trouble> {
    let config = EnvConfig::default();
    let ladder = ["random", "checklist", "information-gain", "oracle"];
    let mut names: Vec<&str> = ladder.to_vec();
    if probes {
        names.extend(bedside_agents::POLICIES.iter().filter(|p| p.starts_with("probe-")));
    }
    let played = play_jobs(cases, &config, &jobs(&names, cases.len(), seeds))?;
    let per_policy = cases.len() * seeds as usize;
    let scores: Vec<Vec<f64>> = played
        .chunks(per_policy)
        .map(|chunk| {
            let case_mean = |c: &[Played]| c.iter().filter_map(|p| p.step.reward.value()).sum::<f64>() / c.len() as f64;
            chunk.chunks(seeds as usize).map(case_mean).collect()
        })
        .collect();
    let mean = |s: &[f64]| s.iter().sum::<f64>() / s.len().max(1) as f64;
    let above =
        |a: usize, b: usize| paired(&scores[a], &scores[b]).unwrap_or(Interval { mean: 0.0, lo: 0.0, hi: 0.0, n: 0 });
    let climbs = above(1, 0).lo > 0.0 && above(2, 1).lo > 0.0 && above(3, 2).hi >= 0.0;
    let worst_probe = (4..names.len()).map(|i| above(1, i).lo).fold(f64::INFINITY, f64::min);
    let holds = climbs && worst_probe >= if probes { PROBE_MARGIN } else { f64::NEG_INFINITY };
    let list: Vec<String> = names.iter().zip(&scores).map(|(n, s)| format!("{n} {:.3}", mean(s))).collect();
    Ok(Promise { name: "order", holds, figure: list.join(", ") })
}
