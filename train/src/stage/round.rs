//! What every stage of reinforcement does in a round, whatever is played: gather groups that teach, deal a control's scores out,
//! learn.

use super::StageError;
use crate::grpo::{Certificate, CertifiedGroup, Filling, GrpoConfig};
use crate::learner::{LearnError, Learner};
use crate::lesson::Lesson;
use crate::metrics::Metrics;
use crate::reward::{Member, pay};
use bedside_env::seed::{Draw, Purpose, Seed};

/// Starts, and the group played from each.
pub(super) type Batch<S, M, C> = (Vec<S>, Vec<CertifiedGroup<M, C>>);

/// The groups of a step: one rollout batch, or with dynamic sampling as many as it takes.
pub(super) fn gather<S, M: Member, C: Certificate>(
    grpo: &GrpoConfig,
    metrics: &mut Metrics,
    mut play: impl FnMut() -> Result<Batch<S, M, C>, StageError>,
) -> Result<Batch<S, M, C>, StageError> {
    let Some(rule) = grpo.dynamic_sampling else { return play() };
    let mut filling = Filling::new(rule, grpo.groups_per_step);
    let mut batches = 0.0;
    let kept = loop {
        let (starts, groups) = play()?;
        batches += 1.0;
        let stats = pay(grpo, &groups, None).groups;
        let full = filling.offer(stats.into_iter().zip(starts.into_iter().zip(groups)));
        metrics.set("dynamic/flat_share", filling.flat_share());
        match full {
            Ok(Some(full)) => break full,
            Ok(None) => {}
            // A small step is better than none; the share of flat groups tells, and raises its alarm.
            Err(_) => break std::mem::replace(&mut filling, Filling::new(rule, 0)).into_kept(),
        }
    };
    metrics.set("dynamic/batches", batches);
    metrics.set("dynamic/groups", kept.len() as f64);
    Ok(kept.into_iter().unzip())
}

/// One round's update. False where nothing was scored, or all of it is masked: the round is lost and said to be, the policy stays.
pub(super) fn learn(
    learner: &mut Learner,
    grpo: &GrpoConfig,
    lessons: &[Vec<Lesson>],
    step: u64,
    metrics: &mut Metrics,
) -> Result<bool, StageError> {
    let moved = match learner.reinforce(grpo, lessons, grpo.schedule.at(step)) {
        Ok(learnt) => {
            metrics.set_all(&learnt);
            true
        }
        Err(LearnError::Nothing) => false,
        Err(e) => return Err(e.into()),
    };
    metrics.set("update/skipped", if moved { 0.0 } else { 1.0 });
    Ok(moved)
}

/// Whether a look every so many steps, and one at the end, is due.
pub(super) fn due(done: u64, total: u64, every: u64) -> bool {
    every > 0 && (done.is_multiple_of(every) || done == total)
}

/// A control's scores: the same ones, for other members.
pub fn dealt_out<T>(mut scores: Vec<T>, control: Seed, round: u64, group: usize) -> Vec<T> {
    let place = [round.to_be_bytes(), (group as u64).to_be_bytes()].concat();
    let mut draw = Draw::new(control, &place, 0, Purpose::Policy);
    (1..scores.len()).rev().for_each(|i| scores.swap(i, draw.below(i + 1)));
    scores
}
