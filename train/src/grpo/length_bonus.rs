//! What length earns and costs.
//!
//! Both rules are written for one reply and its limit. A session has several: what it is paid is what a reply of its mean length
//! earns, and the mean of what its replies cost. So a session of one turn is paid as the papers say, the sums stay in the range of
//! one reply's, and few turns are no brevity: whether another question was worth its turn is for the rubric to say.

use super::advantage::scored;
use serde::{Deserialize, Serialize};

/// M2's bonus for short replies in groups that already do well (eq. 3): `kappa / sqrt(max(length, floor))` where the group's
/// quantile is above the threshold and the reply is at or above the quantile. Never a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LengthBonus {
    /// M2: 4.
    pub kappa: f64,
    /// Gate 1: the group's quantile must be greater than this. M2 does not say; 0.4 to 0.8 is worth a sweep.
    pub threshold: f64,
    /// 0.2: at least 80 % of the group are at or above the quantile. M2's prose says "80th percentile", its formula 0.2.
    pub quantile: f64,
    /// Tokens below which a reply earns no more. 0 is M2; short replies need one, since 4/sqrt(16) is a whole rubric.
    pub floor: usize,
}

impl Default for LengthBonus {
    fn default() -> Self {
        LengthBonus { kappa: 4.0, threshold: 0.5, quantile: 0.2, floor: 0 }
    }
}

impl LengthBonus {
    /// One bonus a member, from rubric scores (before any bonus) and lengths in tokens, of a reply or the mean of several. 0 for
    /// members without a score, replies of no length, and wherever a gate is shut.
    pub fn bonuses(&self, rubric: &[Option<f64>], lengths: &[f64]) -> Vec<f64> {
        let scores: Vec<f64> = rubric.iter().copied().filter_map(scored).collect();
        let Some(bar) = quantile(&scores, self.quantile).filter(|bar| *bar > self.threshold) else {
            return vec![0.0; rubric.len()];
        };
        let earns = |(reward, length): (&Option<f64>, &f64)| match scored(*reward) {
            Some(r) if r >= bar && *length > 0.0 => self.kappa / length.max(self.floor as f64).sqrt(),
            _ => 0.0,
        };
        rubric.iter().zip(lengths).map(earns).collect()
    }
}

/// Quantile with linear interpolation (numpy's default). `None` of no values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, part) = (at.floor() as usize, at - at.floor());
    let next = sorted[(low + 1).min(sorted.len() - 1)];
    Some(sorted[low] + part * (next - sorted[low]))
}

/// DAPO's soft punishment of overlong replies: 0 up to `max - buffer`, then falling in a line to `-penalty` at `max`, and no
/// further.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlong {
    /// Tokens before the limit where it begins. DAPO 4096, ORBIT 5120.
    pub buffer: usize,
    pub penalty: f64,
}

impl Overlong {
    /// Added to the reward of a reply of `length` tokens, at most 0.
    pub fn penalty(&self, length: usize, max_completion: usize) -> f64 {
        let start = max_completion as f64 - self.buffer as f64;
        (-(length as f64 - start) / self.buffer.max(1) as f64 * self.penalty).max(-self.penalty).min(0.0)
    }

    /// The mean of the penalties of a session's replies.
    pub fn of_session(&self, lengths: &[usize], max_completion: usize) -> f64 {
        let sum: f64 = lengths.iter().map(|l| self.penalty(*l, max_completion)).sum();
        sum / lengths.len().max(1) as f64
    }
}

/// Share of n-grams that repeat an earlier one, 0..=1; 0 for texts shorter than n. TRL's repetition penalty is minus this.
pub fn repetition<T: Ord>(tokens: &[T], n: usize) -> f64 {
    let grams: Vec<&[T]> = tokens.windows(n.max(1)).collect();
    let unique: std::collections::BTreeSet<&[T]> = grams.iter().copied().collect();
    if grams.is_empty() { 0.0 } else { 1.0 - unique.len() as f64 / grams.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpo::advantage::{AdvantageConfig, advantages};

    const RUBRIC: [f64; 8] = [0.30, 0.45, 0.50, 0.55, 0.60, 0.62, 0.70, 0.80];
    const LENGTHS: [f64; 8] = [2500.0, 1600.0, 4900.0, 3600.0, 2500.0, 6400.0, 10000.0, 1600.0];

    fn bonuses(b: LengthBonus) -> Vec<f64> {
        b.bonuses(&RUBRIC.map(Some), &LENGTHS)
    }

    fn near(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < tolerance, "{found:?} {expected:?}"));
    }

    #[test]
    fn the_bonus_and_its_advantages_are_those_worked_by_hand() {
        let paid = bonuses(LengthBonus { threshold: 0.4, ..Default::default() });
        near(&paid, &[0.0, 0.0, 0.057_142_857, 0.066_666_667, 0.08, 0.05, 0.04, 0.1], 1e-9);
        assert!((quantile(&RUBRIC, 0.2).expect("values") - 0.47).abs() < 1e-12);
        let rewards: Vec<Option<f64>> = RUBRIC.iter().zip(&paid).map(|(r, b)| Some(r + b)).collect();
        let a = advantages(&AdvantageConfig::default(), &[rewards]);
        assert!((a.groups[0].mean.expect("scored") - 0.614_226).abs() < 1e-6);
        let by_hand = [-0.314_226, -0.164_226, -0.057_083, 0.002_440, 0.065_774, 0.055_774, 0.125_774, 0.285_774];
        near(&a.values[0], &by_hand, 1e-6);
    }

    #[test]
    fn both_gates_are_shut_where_they_should_be() {
        // Gate 1 is strict: a quantile equal to the threshold does not open it.
        assert_eq!(bonuses(LengthBonus { threshold: 0.6, ..Default::default() }), [0.0; 8]);
        let bar = quantile(&RUBRIC, 0.2).expect("values");
        assert_eq!(bonuses(LengthBonus { threshold: bar, ..Default::default() }), [0.0; 8]);
        // Gate 2 is not strict: with equal scores everyone is at the quantile.
        let equal = LengthBonus::default().bonuses(&[Some(0.7); 3], &[100.0, 400.0, 1600.0]);
        near(&equal, &[0.4, 0.2, 0.1], 1e-12);
    }

    #[test]
    fn the_eightieth_percentile_reading_pays_only_the_last_two() {
        let paid = bonuses(LengthBonus { quantile: 0.8, threshold: 0.4, ..Default::default() });
        assert!((quantile(&RUBRIC, 0.8).expect("values") - 0.668).abs() < 1e-12);
        near(&paid, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.04, 0.1], 1e-12);
    }

    #[test]
    fn a_floor_bounds_what_a_short_reply_earns_and_no_reply_earns_nothing() {
        let b = LengthBonus { threshold: 0.4, floor: 400, ..Default::default() };
        near(&b.bonuses(&[Some(0.9); 4], &[0.0, 1.0, 400.0, 1600.0]), &[0.0, 0.2, 0.2, 0.1], 1e-12);
        let unscored = b.bonuses(&[Some(0.9), None, Some(f64::NAN)], &[100.0; 3]);
        assert_eq!((unscored[1], unscored[2]), (0.0, 0.0));
        assert_eq!(b.bonuses(&[None, None], &[10.0, 10.0]), [0.0, 0.0]);
    }

    #[test]
    fn overlong_replies_pay_on_a_line() {
        let o = Overlong { buffer: 5120, penalty: 1.0 };
        let paid: Vec<f64> = [4096, 5000, 6144, 8192].iter().map(|l| o.penalty(*l, 9216)).collect();
        near(&paid, &[0.0, -0.176_562_5, -0.4, -0.8], 1e-12);
    }

    #[test]
    fn repetition_counts_repeated_ngrams() {
        assert_eq!(repetition(&[1, 2, 3, 4], 3), 0.0);
        assert_eq!(repetition(&[1, 1, 1, 1, 1], 3), 1.0 - 1.0 / 3.0);
        assert_eq!(repetition(&[1, 2], 3), 0.0);
    }
}
