//! Groups in which all members earn the same teach nothing. Dynamic sampling (DAPO 3.2) drops them and plays on until a step has
//! its groups.

use super::advantage::GroupStats;
use serde::{Deserialize, Serialize};

/// When to go on and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DynamicSampling {
    /// Rollout batches a step may use. verl and ORBIT: 10.
    pub max_batches: usize,
    /// A group's greatest and least reward must be further apart than this. DAPO: 0.
    pub min_spread: f64,
}

impl Default for DynamicSampling {
    fn default() -> Self {
        DynamicSampling { max_batches: 10, min_spread: 0.0 }
    }
}

/// A step ran out of rollout batches before it had its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kept} of {wanted} groups had spread after {batches} rollout batches ({seen} groups)\nhint: the policy is too sure or the cases too easy or too hard; raise temperature or max_batches, warm up with a stochastic teacher, or switch dynamic sampling off"
)]
pub struct Starved {
    pub kept: usize,
    pub wanted: usize,
    pub batches: usize,
    pub seen: usize,
}

/// Collects the groups of one step.
#[derive(Clone, Debug)]
pub struct Filling<T> {
    rule: DynamicSampling,
    wanted: usize,
    kept: Vec<T>,
    batches: usize,
    seen: usize,
    flat: usize,
}

impl<T> Filling<T> {
    pub fn new(rule: DynamicSampling, wanted: usize) -> Filling<T> {
        Filling { rule, wanted, kept: Vec::new(), batches: 0, seen: 0, flat: 0 }
    }

    /// Takes one rollout batch. `Ok(Some)` has exactly the groups wanted, in the order they came (a surplus is dropped);
    /// `Ok(None)` asks for another batch.
    pub fn offer(&mut self, batch: impl IntoIterator<Item = (GroupStats, T)>) -> Result<Option<Vec<T>>, Starved> {
        self.batches += 1;
        for (stats, group) in batch {
            self.seen += 1;
            if stats.spread > self.rule.min_spread {
                self.kept.push(group);
            } else {
                self.flat += 1;
            }
        }
        if self.kept.len() >= self.wanted {
            self.kept.truncate(self.wanted);
            return Ok(Some(std::mem::take(&mut self.kept)));
        }
        match self.batches >= self.rule.max_batches {
            true => Err(Starved { kept: self.kept.len(), wanted: self.wanted, batches: self.batches, seen: self.seen }),
            false => Ok(None),
        }
    }

    /// What was kept so far, for a trainer that would rather take a small step than none.
    pub fn into_kept(self) -> Vec<T> {
        self.kept
    }

    /// Share of the groups seen that had no spread.
    pub fn flat_share(&self) -> f64 {
        self.flat as f64 / self.seen.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpo::advantage::group_stats;

    fn group(rewards: [f64; 2], name: u32) -> (GroupStats, u32) {
        (group_stats(&rewards.map(Some)), name)
    }

    #[test]
    fn flat_groups_are_dropped_and_the_surplus_too() {
        let mut f = Filling::new(DynamicSampling::default(), 2);
        assert_eq!(f.offer([group([1.0, 1.0], 1), group([0.0, 1.0], 2)]), Ok(None));
        assert_eq!(f.flat_share(), 0.5);
        let step = f.offer([group([0.0, 1.0], 3), group([0.2, 0.9], 4)]);
        assert_eq!(step, Ok(Some(vec![2, 3])));
        assert_eq!(f.flat_share(), 0.25);
    }

    #[test]
    fn a_policy_that_never_varies_starves_the_step() {
        let mut f = Filling::new(DynamicSampling { max_batches: 3, min_spread: 0.0 }, 1);
        let flat = || [group([1.0, 1.0], 0)];
        assert_eq!((f.offer(flat()), f.offer(flat())), (Ok(None), Ok(None)));
        assert_eq!(f.offer(flat()), Err(Starved { kept: 0, wanted: 1, batches: 3, seen: 3 }));
    }
}
