//! Sampler and trainer may give the same token different probabilities (other kernels, other precision, an older policy). The
//! ratio `trainer / sampler` re-weights what was sampled; ratios out of bounds are cut or thrown away.

use super::sequence::Sequence;
use serde::{Deserialize, Serialize};

/// TRL's four modes. A sequence's ratio is the product over its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceMode {
    /// Each token's ratio, clamped into the bounds (TIS).
    TokenTruncate,
    /// Each token's ratio, 0 out of the bounds (IcePop, MIS).
    TokenMask,
    /// The sequence's ratio, clamped into the bounds.
    SequenceTruncate,
    /// The sequence's ratio, 0 out of the bounds.
    SequenceMask,
}

/// How sampled tokens are re-weighted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Importance {
    /// `None`: no correction. Right where sampler and trainer are the same kernels.
    pub mode: Option<ImportanceMode>,
    /// Lower bound of the ratio, 0 for none.
    pub min: f64,
    /// Upper bound of the ratio. TRL: 3.
    pub max: f64,
}

impl Default for Importance {
    fn default() -> Self {
        Importance { mode: None, min: 0.0, max: 3.0 }
    }
}

/// One weight a token; 1 without correction and for tokens that are not learned from. No gradient goes through it.
pub fn weights(config: &Importance, sequence: &Sequence) -> Vec<f64> {
    let mut out = vec![1.0; sequence.len()];
    let Some(mode) = config.mode else { return out };
    let gap = |t: usize| sequence.old_at(t) - sequence.sampling_at(t);
    let bound = |ratio: f64| match mode {
        ImportanceMode::TokenTruncate | ImportanceMode::SequenceTruncate => ratio.max(config.min).min(config.max),
        _ if ratio < config.min || ratio > config.max => 0.0,
        _ => ratio,
    };
    match mode {
        ImportanceMode::TokenTruncate | ImportanceMode::TokenMask => {
            sequence.active_tokens().for_each(|t| out[t] = bound(gap(t).exp()));
        }
        ImportanceMode::SequenceTruncate | ImportanceMode::SequenceMask => {
            let whole = bound(sequence.active_tokens().map(gap).sum::<f64>().exp());
            sequence.active_tokens().for_each(|t| out[t] = whole);
        }
    }
    out
}

/// How far sampler and trainer are apart, over learned tokens. `None` of no tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Mean and greatest |log trainer - log sampler|.
    pub mean: f64,
    pub max: f64,
    /// NeMo-RL: mean of exp |log trainer - log sampler|; 1 is perfect, its runs ask for less than 1.05.
    pub token_mult_prob_error: f64,
    /// k3 estimate of KL(sampler || trainer): mean of r - 1 - log r. NeMo-RL asks for less than 0.002.
    pub gen_kl_error: f64,
    pub tokens: usize,
}

/// Measures the gap over a batch.
pub fn gap(batch: &[Sequence]) -> Option<Gap> {
    let (mut sum, mut max, mut mult, mut kl, mut tokens) = (0.0, 0.0f64, 0.0, 0.0, 0usize);
    for sequence in batch.iter().filter(|s| s.sampling.is_some()) {
        for t in sequence.active_tokens() {
            let d = sequence.old_at(t) - sequence.sampling_at(t);
            sum += d.abs();
            max = max.max(d.abs());
            mult += d.abs().exp();
            kl += d.exp_m1() - d;
            tokens += 1;
        }
    }
    let n = tokens as f64;
    (tokens > 0).then(|| Gap { mean: sum / n, max, token_mult_prob_error: mult / n, gen_kl_error: kl / n, tokens })
}

/// Moments of importance weights. `None` of no weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightStats {
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    /// Population standard deviation.
    pub std: f64,
    /// Effective sample size over n, in (0, 1]: mean(w)^2 / mean(w^2). 0 where all weights are 0.
    pub ess: f64,
    /// Share of weights that are 0.
    pub rejected: f64,
}

pub fn weight_stats(weights: &[f64]) -> Option<WeightStats> {
    let n = weights.len() as f64;
    if weights.is_empty() {
        return None;
    }
    let mean = weights.iter().sum::<f64>() / n;
    let square = weights.iter().map(|w| w * w).sum::<f64>() / n;
    let variance = weights.iter().map(|w| (w - mean) * (w - mean)).sum::<f64>() / n;
    Some(WeightStats {
        min: weights.iter().copied().fold(f64::INFINITY, f64::min),
        mean,
        max: weights.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        std: variance.sqrt(),
        ess: if square > 0.0 { mean * mean / square } else { 0.0 },
        rejected: weights.iter().filter(|w| **w == 0.0).count() as f64 / n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-7, "{a} is not {b}");
    }

    fn sampled(old: &[f64], sampling: &[f64]) -> Sequence {
        let s = Sequence::on_policy(old.to_vec(), 1.0);
        Sequence { old: Some(old.to_vec()), sampling: Some(sampling.to_vec()), ..s }
    }

    #[test]
    fn one_weight_left_of_three_is_a_third_of_the_sample() {
        // The token-mask case of verl's rollout correction: ratios 0.1 and 5 are out of 0.5..2, 0.8 is in.
        let ratios = [0.1f64, 0.8, 5.0];
        let s = sampled(&ratios.map(|r| r.ln() - 1.0), &[-1.0; 3]);
        let w = weights(&Importance { mode: Some(ImportanceMode::TokenMask), min: 0.5, max: 2.0 }, &s);
        let stats = weight_stats(&w).expect("three weights");
        near(stats.rejected, 2.0 / 3.0);
        near(stats.std, 0.377_123_6);
        near(stats.ess, 1.0 / 3.0);
    }

    #[test]
    fn a_sequence_far_below_the_bound_is_rejected_and_one_within_keeps_its_ratio() {
        // Five tokens at e^-1 each, and at e^0.5 each, one bound 0.5..2 (verl's mask case, per token).
        let c = Importance { mode: Some(ImportanceMode::TokenMask), min: 0.5, max: 2.0 };
        assert_eq!(weights(&c, &sampled(&[-2.0; 5], &[-1.0; 5])), [0.0; 5]);
        weights(&c, &sampled(&[-2.0; 5], &[-2.5; 5])).iter().for_each(|w| near(*w, 1.648_721_27));
    }

    #[test]
    fn a_probability_the_sampler_did_not_report_corrects_nothing() {
        let c = Importance { mode: Some(ImportanceMode::SequenceTruncate), min: 0.0, max: 3.0 };
        let w = weights(&c, &sampled(&[-1.0, -2.0], &[f64::NAN, -2.5]));
        near(w[0], 0.5f64.exp());
    }

    #[test]
    fn the_gap_of_equal_log_probs_is_perfect_and_of_unequal_ones_is_not() {
        let g = gap(&[sampled(&[-1.0, -2.0], &[-1.0, -2.0])]).expect("tokens");
        assert_eq!((g.mean, g.max, g.token_mult_prob_error, g.gen_kl_error), (0.0, 0.0, 1.0, 0.0));
        let g = gap(&[sampled(&[-1.0, -2.0], &[-1.1, -1.8])]).expect("tokens");
        near(g.mean, 0.15);
        near(g.max, 0.2);
        near(g.token_mult_prob_error, (0.1f64.exp() + 0.2f64.exp()) / 2.0);
        near(g.gen_kl_error, (0.1f64.exp() - 1.1 + (-0.2f64).exp() - 0.8) / 2.0);
        assert_eq!(gap(&[Sequence::on_policy(vec![-1.0], 1.0)]), None);
    }
}
