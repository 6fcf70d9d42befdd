//! Plays cases x seeds: many consultations under way at once, results in order.

use super::contestant::{Contestant, Seat, Waiting};
use super::{EvaluateError, Row};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::units::Case;
use bedside_env::{Env, EnvConfig, Gym, Observation, Policy, PrivilegedView, ResetOptions, TokenTrace};
use bedside_lm::generate::Decode;
use bedside_lm::{LmPolicy, Rows};
use bedside_replays::Recording;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// What everyone has to play.
#[derive(Clone)]
pub struct Course {
    pub cases: Arc<Vec<Arc<Case>>>,
    pub config: EnvConfig,
    pub seeds: Vec<Seed>,
    /// For scripted doctors; a language model has its own. No result depends on them.
    pub threads: usize,
}

impl Course {
    /// How many consultations a policy plays.
    pub fn len(&self) -> usize {
        self.cases.len() * self.seeds.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The seed a policy draws with: of seed and case, so that no two cases see the same draws.
    fn policy_seed(&self, case: usize, seed: Seed) -> Seed {
        let context = self.cases.get(case).map_or([0; 32], |c| c.hash.0);
        Seed(Draw::new(seed, &context, 0, Purpose::Policy).next_u64())
    }
}

/// One consultation, as a table and as a log need it.
pub struct Played {
    pub row: Row,
    pub recording: Recording,
}

type Result<T> = std::result::Result<T, EvaluateError>;

/// Consultations under way on a scripted doctor's thread.
const WIDTH: usize = 16;

/// Plays every case with every seed. `each` gets the consultations in the order cases x seeds, whatever finished first.
pub fn compete(course: &Course, contestant: &mut Contestant, each: impl FnMut(Played)) -> Result<()> {
    let name = contestant.id();
    match contestant {
        Contestant::Scripted(scripted) => {
            let unknown = |_| super::ContestantError::Unknown { name: name.clone() };
            let seat = |_| Ok((Seat::Scripted(bedside_agents::doctor(scripted).map_err(unknown)?), WIDTH));
            let threads = 0..course.threads.clamp(1, course.len().max(1));
            seated(course, &name, threads.map(seat).collect::<Result<_>>()?, each)
        }
        Contestant::Model(policy) => compete_with(course, policy, each),
        Contestant::Other(policy, width) => seated(course, &name, vec![(Seat::Fair(policy.as_mut()), *width)], each),
    }
}

/// [`compete`] for a policy that is at hand, as during training.
pub fn compete_with(course: &Course, policy: &mut LmPolicy<Rows>, each: impl FnMut(Played)) -> Result<()> {
    let (name, width) = (policy.name(), policy.model_mut().rows());
    seated(course, &name, vec![(Seat::Fair(policy), width)], each)
}

/// Each seat on a thread of its own, with as many consultations under way as it is wide.
fn seated(course: &Course, name: &str, seats: Vec<(Seat<'_>, usize)>, mut each: impl FnMut(Played)) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (send, receive) = sync_channel(256);
    let mut failure = None;
    std::thread::scope(|scope| {
        for (seat, width) in seats {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || work(course, name, seat, width, next, &send));
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, played) in receive {
            match played {
                Ok(played) => {
                    early.insert(at, played);
                }
                // Nobody starts anything new; the first error is told.
                Err(e) => {
                    next.store(course.len(), Ordering::Relaxed);
                    failure.get_or_insert(e);
                }
            }
            while let Some(played) = early.remove(&due).filter(|_| failure.is_none()) {
                each(played);
                due += 1;
            }
        }
        match failure {
            Some(e) => Err(e),
            None if due < course.len() => Err(EvaluateError::WorkerLost),
            None => Ok(()),
        }
    })
}

type Results = SyncSender<(usize, Result<Played>)>;

fn refuse(send: &Results, error: EvaluateError) {
    // Where nobody listens any more, an earlier error was told.
    let _ = send.send((usize::MAX, Err(error)));
}

/// A consultation under way.
struct Table {
    at: usize,
    gym: Gym,
    case: usize,
    seed: Seed,
    policy_seed: Seed,
    observation: Observation,
    truth: PrivilegedView,
    traces: Vec<(u32, TokenTrace)>,
}

fn work(course: &Course, name: &str, mut seat: Seat<'_>, width: usize, next: &AtomicUsize, send: &Results) {
    let mut open: Vec<Table> = Vec::new();
    let mut idle: Vec<Gym> = Vec::new();
    loop {
        while open.len() < width {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= course.len() {
                break;
            }
            let gym = idle.pop().unwrap_or_else(|| Gym::new(course.cases.clone(), course.config.clone()));
            match sit_down(course, name, gym, at) {
                Ok(table) => open.push(table),
                Err(e) => return refuse(send, e),
            }
        }
        if open.is_empty() {
            return;
        }
        let ended = match turn(course, name, &mut seat, &mut open) {
            Ok(ended) => ended,
            Err(e) => return refuse(send, e),
        };
        for (at, played, gym) in ended {
            idle.push(gym);
            if send.send((at, Ok(played))).is_err() {
                return;
            }
        }
    }
}

fn sit_down(course: &Course, name: &str, mut gym: Gym, at: usize) -> Result<Table> {
    let (case, seed) = (at / course.seeds.len(), course.seeds[at % course.seeds.len()]);
    // Not the label of a run that is no evaluation, whose policies draw with other seeds.
    let options = ResetOptions { case: Some(case), label: format!("eval {name}"), ..ResetOptions::default() };
    let observation = gym.reset(seed, &options)?.0;
    let (truth, policy_seed) = (gym.privileged()?, course.policy_seed(case, seed));
    Ok(Table { at, gym, case, seed, policy_seed, observation, truth, traces: Vec::new() })
}

/// One doctor turn in every open consultation; those that ended with it are taken out.
fn turn(course: &Course, name: &str, seat: &mut Seat<'_>, open: &mut Vec<Table>) -> Result<Vec<(usize, Played, Gym)>> {
    let waiting: Vec<Waiting<'_>> =
        open.iter().map(|t| Waiting { observation: &t.observation, truth: &t.truth, seed: t.policy_seed }).collect();
    let decisions = seat.act(&waiting)?;
    if decisions.len() != open.len() {
        return Err(EvaluateError::Decisions { got: decisions.len(), asked: open.len() });
    }
    let (mut ended, mut running) = (Vec::new(), Vec::new());
    for (mut table, decision) in std::mem::take(open).into_iter().zip(decisions) {
        table.traces.extend(decision.trace.clone().map(|t| (table.observation.turn + 1, t)));
        let step = table.gym.step(decision)?;
        if step.status.is_running() {
            table.observation = step.observation;
            running.push(table);
            continue;
        }
        let case = course.cases[table.case].clone();
        let tokens = (!table.traces.is_empty()).then(|| table.traces.iter().map(|(_, t)| t.ids.len() as u64).sum());
        let scorer = course.config.scorer.as_deref();
        let recording = Recording::of_gym(&mut table.gym, case, &step, name, scorer, table.traces)?;
        let row = Row::of(table.case, table.seed, &recording, tokens);
        ended.push((table.at, Played { row, recording }, table.gym));
    }
    *open = running;
    Ok(ended)
}
