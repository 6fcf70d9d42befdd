//! Who did better than its group. A member without a score is neither good nor bad: it has no part in mean or spread, its
//! advantage is 0, and it is counted.

use serde::{Deserialize, Serialize};

/// What a reward is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The mean of the group (DeepSeekMath 4.1.2; M2 eq. 2).
    Mean,
    /// The mean of the others (RLOO): `n / (n - 1)` times the difference from the mean.
    LeaveOneOut,
}

/// What the difference is divided by. Standard deviations are Bessel-corrected (n - 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardScale {
    /// Nothing: Dr.GRPO and M2.
    None,
    /// The group's standard deviation + eps.
    Group,
    /// The standard deviation of all rewards of the step + eps.
    Batch,
}

/// How rewards become advantages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdvantageConfig {
    pub baseline: Baseline,
    pub scale: RewardScale,
    /// Added to the standard deviation. TRL 1e-4, verl and ORBIT 1e-6.
    pub eps: f64,
    /// ORBIT's mask: a group whose greatest and least reward are no further apart than this is not learned from.
    pub variance_mask: Option<f64>,
}

impl Default for AdvantageConfig {
    fn default() -> Self {
        AdvantageConfig { baseline: Baseline::Mean, scale: RewardScale::None, eps: 1e-4, variance_mask: None }
    }
}

/// Rewards of one group in numbers. `mean` and `std` are over scored members, `None` where there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupStats {
    pub members: usize,
    pub scored: usize,
    pub mean: Option<f64>,
    /// Bessel-corrected; 0 with one scored member.
    pub std: Option<f64>,
    /// Greatest minus least reward; 0 with fewer than two scored members.
    pub spread: f64,
}

impl GroupStats {
    /// No two members differ: the group teaches nothing.
    pub fn is_flat(&self) -> bool {
        self.spread <= 0.0
    }
}

/// Advantages shaped as the rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct Advantages {
    pub values: Vec<Vec<f64>>,
    /// Whether the member may be learned from: scored, in a group that the variance mask kept.
    pub trained: Vec<Vec<bool>>,
    pub groups: Vec<GroupStats>,
    /// Members without a score.
    pub unscored: usize,
}

impl Advantages {
    /// TRL's `frac_reward_zero_std`: share of groups that cannot teach. 0 of no groups.
    pub fn flat_share(&self) -> f64 {
        let flat = self.groups.iter().filter(|g| g.is_flat()).count();
        flat as f64 / self.groups.len().max(1) as f64
    }
}

/// `None`, NaN and infinities are no score.
pub fn scored(reward: Option<f64>) -> Option<f64> {
    reward.filter(|r| r.is_finite())
}

/// Mean and Bessel-corrected standard deviation (0 of one value); `None` of no values.
pub fn mean_std(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    Some((mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 }))
}

/// Numbers of one group.
pub fn group_stats(rewards: &[Option<f64>]) -> GroupStats {
    let values: Vec<f64> = rewards.iter().copied().filter_map(scored).collect();
    let (lo, hi) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    let both = mean_std(&values);
    GroupStats {
        members: rewards.len(),
        scored: values.len(),
        mean: both.map(|b| b.0),
        std: both.map(|b| b.1),
        spread: if values.len() > 1 { hi - lo } else { 0.0 },
    }
}

/// Advantages of the groups of one step. A group of one has nothing to be compared with: 0, as in TRL (verl gives it its
/// reward, which then pushes on its own).
pub fn advantages(config: &AdvantageConfig, rewards: &[Vec<Option<f64>>]) -> Advantages {
    let groups: Vec<GroupStats> = rewards.iter().map(|g| group_stats(g)).collect();
    let all: Vec<f64> = rewards.iter().flatten().copied().filter_map(scored).collect();
    let batch_std = mean_std(&all).map_or(0.0, |b| b.1);
    let mut out = Advantages { values: Vec::new(), trained: Vec::new(), groups, unscored: 0 };
    for (group, stats) in rewards.iter().zip(&out.groups) {
        let (mean, n) = (stats.mean.unwrap_or(0.0), stats.scored as f64);
        let from_others = match config.baseline {
            Baseline::LeaveOneOut if stats.scored > 1 => n / (n - 1.0),
            _ => 1.0,
        };
        let divisor = match config.scale {
            RewardScale::None => 1.0,
            RewardScale::Group => stats.std.unwrap_or(0.0) + config.eps,
            RewardScale::Batch => batch_std + config.eps,
        };
        let masked = config.variance_mask.is_some_and(|delta| stats.spread <= delta);
        // A flat group is exactly 0, whatever the rounding of its mean.
        let value = |r: f64| if stats.is_flat() { 0.0 } else { (r - mean) * from_others / divisor };
        out.values.push(group.iter().map(|r| scored(*r).map_or(0.0, value)).collect());
        out.trained.push(group.iter().map(|r| scored(*r).is_some() && !masked).collect());
        out.unscored += stats.members - stats.scored;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: AdvantageConfig, rewards: &[f64]) -> Vec<f64> {
        advantages(&config, &[rewards.iter().copied().map(Some).collect()]).values.remove(0)
    }

    fn near(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < tolerance, "{found:?} {expected:?}"));
    }

    #[test]
    fn four_rewards_give_the_advantages_worked_by_hand() {
        let rewards = [1.0, 0.0, 0.5, 0.5];
        near(&of(AdvantageConfig::default(), &rewards), &[0.5, -0.5, 0.0, 0.0], 1e-15);
        let verl = AdvantageConfig { scale: RewardScale::Group, eps: 1e-6, ..Default::default() };
        near(&of(verl, &rewards), &[1.224_742, -1.224_742, 0.0, 0.0], 1e-6);
        let others = AdvantageConfig { baseline: Baseline::LeaveOneOut, ..Default::default() };
        near(&of(others, &rewards), &[2.0 / 3.0, -2.0 / 3.0, 0.0, 0.0], 1e-15);
    }

    #[test]
    fn a_failed_judge_is_no_score_and_moves_nobody() {
        let judged = advantages(&AdvantageConfig::default(), &[vec![Some(1.0), Some(0.0)]]);
        let failed = advantages(
            &AdvantageConfig::default(),
            &[vec![Some(1.0), None, Some(0.0), Some(f64::NAN), Some(f64::INFINITY)]],
        );
        assert_eq!(failed.values[0], [judged.values[0][0], 0.0, judged.values[0][1], 0.0, 0.0]);
        assert_eq!(failed.trained[0], [true, false, true, false, false]);
        assert_eq!((failed.unscored, failed.groups[0].scored), (3, 2));
    }

    #[test]
    fn a_group_that_agrees_or_is_alone_teaches_nothing() {
        for scale in [RewardScale::None, RewardScale::Group, RewardScale::Batch] {
            let c = AdvantageConfig { scale, ..Default::default() };
            // 0.1 + 0.2 style rounding of a mean must not come out as an advantage of 1.
            let a = advantages(&c, &[vec![Some(0.3); 7], vec![Some(2.0)], vec![None, None]]);
            assert!(a.values.iter().flatten().all(|v| *v == 0.0), "{a:?}");
            assert_eq!(a.flat_share(), 1.0);
        }
    }

    #[test]
    fn the_variance_mask_takes_out_groups_with_too_little_spread() {
        let c = AdvantageConfig { variance_mask: Some(0.25), ..Default::default() };
        let a = advantages(&c, &[vec![Some(0.5), Some(0.75)], vec![Some(0.5), Some(0.875)]]);
        assert_eq!(a.trained, [[false, false], [true, true]]);
    }
}
