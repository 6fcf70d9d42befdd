//! Every choice of a run in one place, written whole into its record. Fields name the paper they come from: M2 is
//! arXiv 2509.02208, DAPO 2503.14476, Dr.GRPO 2503.20783, GSPO 2507.18071, ORBIT 2510.15859, GRPO (DeepSeekMath) 2402.03300.

use super::advantage::AdvantageConfig;
use super::dynamic::DynamicSampling;
use super::importance::Importance;
use super::length_bonus::{LengthBonus, Overlong};
use super::turns::{TurnCredit, TurnSource};
use crate::adamw::AdamW;
use crate::schedule::Schedule;
use bedside_env::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Shape of a token's term and what the sum is divided by; TRL's names. S sequences, N tokens, n_i tokens of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossType {
    /// `1/S sum_i 1/n_i sum_t` (DeepSeekMath eq. 3).
    Grpo,
    /// `1/N sum`, N of the step.
    Bnpo,
    /// `1/(S l_max) sum`: no length bias (Dr.GRPO 3.2; M2 eq. 2).
    DrGrpo,
    /// `1/N sum` (DAPO 3.3).
    Dapo,
    /// Weight capped, gradient never cut (MiniMax-M1 3.1); divided as DAPO.
    Cispo,
    /// A sigmoid gate in place of the clip (SAPO); divided as GRPO.
    Sapo,
    /// A gamma weight on the sequence's ratio (VESPO); divided as DAPO.
    Vespo,
    /// `1/S sum` with sequence ratios (LUSPO): length-unbiased GSPO.
    Luspo,
}

/// Whose probability the ratio is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Each token has its own.
    Token,
    /// One for the sequence, the geometric mean of its tokens' (GSPO 4.1).
    Sequence,
    /// The sequence's value with each token's own gradient (GSPO 4.3, GSPO-token): for turn-level credit.
    SequenceToken,
}

/// What divisors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Every sequence and sampled token, whether or not it is learned from (TRL).
    All,
    /// What is learned from: masked sequences and tokens rejected by importance bounds leave the count, so that rejection does
    /// not shrink the gradient of the rest (verl, slime). The off-policy mask, known only after the forward pass, never does.
    Trained,
}

/// VESPO's gamma weight, by the sign of the advantage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vespo {
    pub k_pos: f64,
    pub lambda_pos: f64,
    pub k_neg: f64,
    pub lambda_neg: f64,
}

impl Default for Vespo {
    fn default() -> Self {
        Vespo { k_pos: 2.0, lambda_pos: 3.0, k_neg: 3.0, lambda_neg: 2.0 }
    }
}

/// ORBIT 4 (staged restart): from the best checkpoint, sampling `gamma` times hotter, up to a ceiling. Begun where entropy is at its
/// minimum or rewards are saturated; the paper saw it at step 260 of 500. Windows and bounds are ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restart {
    /// ORBIT: 1.10.
    pub gamma: f64,
    /// ORBIT: 1.20.
    pub max_temperature: f64,
    /// Rounds that are averaged and compared, at least 1.
    pub window: usize,
    /// The reward stands still where a window's mean is not this much better than the best window's before it.
    pub gain: f64,
    /// Entropy has collapsed where a window's mean is below this share of the stage's first window's. 0 never.
    pub entropy: f64,
}

impl Default for Restart {
    fn default() -> Self {
        Restart { gamma: 1.10, max_temperature: 1.20, window: 20, gain: 0.005, entropy: 0.5 }
    }
}

impl Restart {
    /// The temperature of the stage after one at `temperature`.
    pub fn next(&self, temperature: f64) -> f64 {
        (self.gamma * temperature).min(self.max_temperature).max(temperature)
    }
}

/// Everything that shapes a GRPO run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpoConfig {
    /// Name of the preset this began as.
    pub recipe: String,
    /// Of every draw of the run.
    pub seed: u64,
    /// Rollout-and-update rounds.
    pub steps: u64,

    /// G: members of a group (M2 eq. 2; not stated there. ORBIT Table 13: 8, DAPO 4.1: 16).
    pub group_size: usize,
    /// Groups of a step.
    pub groups_per_step: usize,
    /// Passes over one rollout (DeepSeekMath's mu). 1 is on-policy.
    pub iterations: usize,
    /// Optimiser steps of one pass (GSPO 5.1: 4; ORBIT Table 13: 1).
    pub mini_batches: usize,
    /// l_max: tokens a reply may have, and M2's and Dr.GRPO's constant divisor (M2 eq. 2, Dr.GRPO 3.2).
    pub max_completion: usize,
    /// Takes replies cut at `max_completion` out of the loss (DAPO 3.4, overlong filtering).
    pub mask_truncated: bool,

    /// Sampling temperature (ORBIT Table 13: 1.0). Log-probs are of the tempered distribution.
    pub temperature: f64,
    /// Nucleus; 1 keeps ratios exact (ORBIT Table 13: 0.95).
    pub top_p: f64,
    /// 0: off (ORBIT Table 13: -1).
    pub top_k: usize,

    pub loss_type: LossType,
    pub level: Level,
    /// Lower clip, `1 - epsilon_low` (DAPO 3.1: 0.2; GSPO 5.1: 3e-4).
    pub epsilon_low: f64,
    /// Upper clip, `1 + epsilon_high` (DAPO 3.1 "clip-higher": 0.28; GSPO 5.1: 4e-4).
    pub epsilon_high: f64,
    /// Bound of the ratio for negative advantages (dual clip; ORBIT Table 13: 10; TRL `delta`). Must exceed `1 + epsilon_high`.
    pub delta: Option<f64>,
    /// CISPO's cap of the ratio itself (TRL's `epsilon_high` for that loss; ScaleRL: 5).
    pub cispo_cap: f64,
    /// SAPO's temperature for positive advantages.
    pub sapo_tau_pos: f64,
    /// SAPO's temperature for the others.
    pub sapo_tau_neg: f64,
    pub vespo: Vespo,
    /// Log-ratios of tokens are clamped to plus or minus this, with no gradient beyond (verl: 20).
    pub log_ratio_limit: f64,
    /// Weight of the KL term to a frozen reference; 0 for none (M2 2.7, DAPO 2.3, ORBIT Table 13: 0).
    pub beta: f64,
    /// Multiplies the KL estimate by the policy ratio (TRL's default; DeepSeek-V3.2 3.1).
    pub kl_bias_correction: bool,
    /// Correction where sampler and trainer differ.
    pub importance: Importance,
    /// Sequences with negative advantage and mean log(sampler / now) above this are masked (DeepSeek-V3.2 3.1).
    pub off_policy_mask: Option<f64>,
    pub count: Count,

    pub advantage: AdvantageConfig,
    pub turn_credit: TurnCredit,
    /// M2 eq. 3.
    pub length_bonus: Option<LengthBonus>,
    /// DAPO 3.4; ORBIT Table 13.
    pub overlong: Option<Overlong>,
    /// DAPO 3.2.
    pub dynamic_sampling: Option<DynamicSampling>,
    /// ORBIT 4.
    pub restart: Option<Restart>,

    pub optimizer: AdamW,
    pub schedule: Schedule,
    /// Greatest global gradient norm, `None` for no clipping (ORBIT Table 13: 1.0).
    pub clip_norm: Option<f64>,
}

/// All that is wrong with a configuration, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} error(s):", self.0.len())?;
        self.0.iter().try_for_each(|e| write!(f, "\n  {e}"))?;
        write!(f, "\nhint: begin with a preset ({}) and change one thing", super::presets::NAMES.join(", "))
    }
}

impl GrpoConfig {
    /// Names the configuration: BLAKE3 of its JSON, in field order.
    pub fn digest(&self) -> Digest {
        // Plain data with string keys: its encoding cannot fail.
        Digest::of_bytes("grpo config", &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Every error at once.
    pub fn validate(&self) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        let mut need = |holds: bool, message: String| {
            if !holds {
                errors.push(message);
            }
        };
        let whole = [
            ("group_size", self.group_size, 2),
            ("groups_per_step", self.groups_per_step, 1),
            ("iterations", self.iterations, 1),
            ("mini_batches", self.mini_batches, 1),
            ("max_completion", self.max_completion, 1),
        ];
        for (name, value, least) in whole {
            need(value >= least, format!("{name} is {value}; at least {least}"));
        }
        need(
            self.mini_batches <= self.groups_per_step,
            format!("mini_batches is {}, of {} groups", self.mini_batches, self.groups_per_step),
        );
        /// What has to be above 0 is no smaller than this.
        const LEAST: f64 = 1e-9;
        let ranges: [(&str, f64, f64, f64); 13] = [
            ("temperature", self.temperature, 0.0, 10.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("epsilon_low", self.epsilon_low, 0.0, 1.0),
            ("epsilon_high", self.epsilon_high, 0.0, f64::MAX),
            ("cispo_cap", self.cispo_cap, 0.0, f64::MAX),
            ("sapo_tau_pos", self.sapo_tau_pos, LEAST, f64::MAX),
            ("sapo_tau_neg", self.sapo_tau_neg, LEAST, f64::MAX),
            ("log_ratio_limit", self.log_ratio_limit, LEAST, 80.0),
            ("beta", self.beta, 0.0, f64::MAX),
            ("importance.min", self.importance.min, 0.0, f64::MAX),
            ("importance.max", self.importance.max, self.importance.min, f64::MAX),
            ("turn_credit.weight", self.turn_credit.weight, 0.0, 1.0),
            ("turn_credit.discount", self.turn_credit.discount, 0.0, 1.0),
        ];
        for (name, value, lo, hi) in ranges {
            let range = match hi < f64::MAX {
                true => format!("{lo} to {hi}"),
                false => format!("at least {lo}, and finite"),
            };
            need((lo..=hi).contains(&value), format!("{name} is {value}; {range}"));
        }
        need(
            self.temperature > 0.0,
            "temperature is 0: greedy members are all alike, and no group has spread".to_owned(),
        );
        need(self.top_p > 0.0, "top_p is 0: no token can be sampled".to_owned());
        need(
            self.advantage.eps > 0.0 && self.advantage.eps.is_finite(),
            format!("advantage.eps is {}; greater than 0", self.advantage.eps),
        );
        if let Some(delta) = self.delta {
            let hi = 1.0 + self.epsilon_high;
            need(delta > hi && delta.is_finite(), format!("delta is {delta}; greater than 1 + epsilon_high = {hi}"));
        }
        if let Some(d) = self.advantage.variance_mask {
            need(d >= 0.0, format!("advantage.variance_mask is {d}; at least 0"));
        }
        if let Some(bound) = self.off_policy_mask {
            need(bound.is_finite(), format!("off_policy_mask is {bound}; a finite bound, or null"));
        }
        if let Some(b) = self.length_bonus {
            need((0.0..=1.0).contains(&b.quantile), format!("length_bonus.quantile is {}; 0 to 1", b.quantile));
            need(b.kappa >= 0.0, format!("length_bonus.kappa is {}; at least 0, it is never a penalty", b.kappa));
            need(
                (0.0..=1.0).contains(&b.threshold),
                format!("length_bonus.threshold is {}; 0 to 1, it is a reward", b.threshold),
            );
        }
        if let Some(o) = self.overlong {
            let most = self.max_completion;
            need((1..=most).contains(&o.buffer), format!("overlong.buffer is {}; 1 to {most}", o.buffer));
            need(o.penalty >= 0.0, format!("overlong.penalty is {}; at least 0", o.penalty));
        }
        if let Some(d) = self.dynamic_sampling {
            need(d.max_batches >= 1, "dynamic_sampling.max_batches is 0; at least 1".to_owned());
            need(d.min_spread >= 0.0, format!("dynamic_sampling.min_spread is {}; at least 0", d.min_spread));
        }
        if let Some(r) = self.restart {
            need(r.window >= 1, "restart.window is 0; at least 1".to_owned());
            need(r.gain.is_finite(), format!("restart.gain is {}; finite", r.gain));
            need((0.0..=1.0).contains(&r.entropy), format!("restart.entropy is {}; 0 to 1", r.entropy));
            need(r.gamma >= 1.0, format!("restart.gamma is {}; at least 1", r.gamma));
            need(
                r.max_temperature >= self.temperature,
                format!("restart.max_temperature is {}, below temperature {}", r.max_temperature, self.temperature),
            );
        }
        if let Some(norm) = self.clip_norm {
            need(norm > 0.0, format!("clip_norm is {norm}; greater than 0, or null"));
        }
        let by_sequence = self.importance.mode.is_some_and(|m| {
            use super::importance::ImportanceMode::{SequenceMask, SequenceTruncate};
            matches!(m, SequenceMask | SequenceTruncate)
        });
        need(
            !(self.loss_type == LossType::Vespo && by_sequence),
            "loss_type vespo corrects inside its own sequence weight: importance.mode must be by token".to_owned(),
        );
        need(
            !(self.level == Level::Sequence && self.turn_credit.weight > 0.0),
            "level sequence shares one gradient among all turns: turn_credit needs token or sequence_token".to_owned(),
        );
        need(
            !(self.turn_credit.source == TurnSource::Counterfactual && self.turn_credit.discount > 0.0),
            "turn_credit.discount is not 0: a counterfactual reward holds what the turn made possible later".to_owned(),
        );
        errors.extend(self.optimizer.errors());
        errors.extend(self.schedule.errors());
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }
}
