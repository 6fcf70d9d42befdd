//! What single turns earn, by group, member and turn; `None` where a judge failed.
//!
//! Two readings of it. A *fragment* reward judges each turn as the fragment it is, in the light of what came before: it knows the
//! right next question, and nothing of what came of it. A *counterfactual* reward is what the member's consultation scored, less what
//! it scores without the turn: the events before the turn are restored, the turn is skipped, and what the member did later is done
//! again as it was. It knows what came of a turn, and pays for nothing that another turn brought as well: of a question asked
//! twice neither is worth anything.
//!
//! Both scores of a difference are by the same rubric and unclipped, so a turn that alone earned a criterion is worth exactly the
//! criterion's share of all points.

use super::StageError;
use crate::grpo::{CertifiedGroup, TurnSource};
use crate::reward::TurnRewards;
use crate::rollout::{Played, RolloutError, Start};
use bedside_env::units::Case;
use bedside_env::verifier::Scorer;
use bedside_env::verifier::fragments::Fragment;
use bedside_env::world::prefix;
use bedside_env::{DoctorTurn, Env, EnvConfig, EnvError, EpisodeLog, Event, Gym};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rewards of every turn. No number depends on the threads.
pub fn turn_rewards(
    source: TurnSource,
    cases: &Arc<Vec<Arc<Case>>>,
    env: &EnvConfig,
    starts: &[Start],
    groups: &[CertifiedGroup<Played>],
    threads: usize,
) -> Result<TurnRewards, StageError> {
    match source {
        TurnSource::Fragment => Ok(of_fragments(cases, starts, groups)),
        TurnSource::Counterfactual => of_counterfactuals(cases, env, starts, groups, threads),
    }
}

/// Turns of the log that the member did not play itself.
fn before(start: &Start) -> u32 {
    match start {
        Start::Session { .. } => 0,
        Start::Fragment { at_turn, .. } => *at_turn,
    }
}

fn of_fragments(cases: &[Arc<Case>], starts: &[Start], groups: &[CertifiedGroup<Played>]) -> TurnRewards {
    let of_group = |(start, group): (&Start, &CertifiedGroup<Played>)| {
        let (case, first) = (&cases[start.case()], before(start));
        let turn =
            |p: &Played, k: u32| Fragment { log: &p.log, at_turn: first + k, turns: 1 }.score(case).reward().value();
        group.members().iter().map(|p| (0..p.turns.len() as u32).map(|k| turn(p, k)).collect()).collect()
    };
    starts.iter().zip(groups).map(of_group).collect()
}

fn of_counterfactuals(
    cases: &Arc<Vec<Arc<Case>>>,
    env: &EnvConfig,
    starts: &[Start],
    groups: &[CertifiedGroup<Played>],
    threads: usize,
) -> Result<TurnRewards, StageError> {
    let scorer = env.scorer.clone().ok_or(RolloutError::NoScorer)?;
    // A fork is scored here, once, by the rubric its member answered to.
    let env = EnvConfig { scorer: None, ..env.clone() };
    let members: Vec<(&Start, &Played)> =
        starts.iter().zip(groups).flat_map(|(s, g)| g.members().iter().map(move |p| (s, p))).collect();
    let next = AtomicUsize::new(0);
    type Found = Vec<(usize, Vec<Option<f64>>)>;
    let work = || -> Result<Found, EnvError> {
        let (mut gym, mut out) = (Gym::new(cases.clone(), env.clone()), Vec::new());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((start, played)) = members.get(at) else { return Ok(out) };
            out.push((at, differences(&mut gym, scorer.as_ref(), &cases[start.case()], before(start), played)?));
        }
    };
    let mut found: Found = Vec::with_capacity(members.len());
    std::thread::scope(|scope| -> Result<(), StageError> {
        let workers: Vec<_> = (0..threads.clamp(1, members.len().max(1))).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let lost = |_| StageError::new("a worker thread is gone", "it panicked; please report its message");
            found.extend(worker.join().map_err(lost)?.map_err(RolloutError::Env)?);
        }
        Ok(())
    })?;
    found.sort_unstable_by_key(|(at, _)| *at);
    let mut flat = found.into_iter().map(|(_, values)| values);
    Ok(groups.iter().map(|g| flat.by_ref().take(g.members().len()).collect()).collect())
}

/// What each of a member's turns was worth to the end of what it played.
fn differences(
    gym: &mut Gym,
    scorer: &dyn Scorer,
    case: &Arc<Case>,
    first: u32,
    played: &Played,
) -> Result<Vec<Option<f64>>, EnvError> {
    let events = &played.log.events;
    let taken: Vec<&DoctorTurn> = events
        .iter()
        .filter_map(|e| match e {
            Event::ActionTaken { turn, action, .. } if *turn > first => Some(&**action),
            _ => None,
        })
        .collect();
    let Ok(with) = scorer.score(case, events).raw() else { return Ok(vec![None; taken.len()]) };
    let without = |k: usize| -> Result<Option<f64>, EnvError> {
        let shared = prefix(events, first + k as u32).to_vec();
        gym.resume(case.clone(), &EpisodeLog { episode: played.log.episode, events: Arc::new(shared) })?;
        for later in &taken[k + 1..] {
            if !gym.step((*later).clone().into())?.status.is_running() {
                break;
            }
        }
        Ok(scorer.score(case, &gym.log()?.events).raw().ok())
    };
    let worth = |score: Option<f64>| score.map(|score| with - score);
    (0..taken.len()).map(without).map(|score| score.map(worth)).collect()
}
