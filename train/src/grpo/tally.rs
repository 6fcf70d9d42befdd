//! What a loss saw on the way: counts that add up over micro-batches and read out under TRL's metric names.

use super::config::{GrpoConfig, LossType};
use std::collections::BTreeMap;

/// Sums over the units of a loss. A unit is a token, or a sequence where ratio and credit are one for all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub sequences: u64,
    /// Tokens that entered the loss.
    pub tokens: u64,
    pub units: u64,
    /// Units below `1 - epsilon_low` with a negative advantage: clipped, no gradient.
    pub low: u64,
    /// Units above `1 + epsilon_high` with a positive advantage.
    pub high: u64,
    /// Least and greatest clipped share of a sequence.
    pub low_min: Option<f64>,
    pub high_max: Option<f64>,
    /// Units at CISPO's cap with a positive advantage.
    pub capped: u64,
    /// Sum over tokens of the KL estimate (after bias correction).
    pub kl: f64,
    /// VESPO: sum of the gamma weight over its units.
    pub phi: f64,
    pub phi_units: u64,
    /// Sum and extremes of the policy ratio over units.
    pub ratio: f64,
    pub ratio_min: Option<f64>,
    pub ratio_max: Option<f64>,
    /// Sequences that the off-policy mask took out.
    pub off_policy: u64,
    /// Tokens with importance weight 0.
    pub rejected: u64,
}

fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).min_by(f64::total_cmp)
}

fn greatest(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).max_by(f64::total_cmp)
}

impl Tally {
    /// Adds another micro-batch.
    pub fn merge(&mut self, other: &Tally) {
        self.sequences += other.sequences;
        self.tokens += other.tokens;
        self.units += other.units;
        self.low += other.low;
        self.high += other.high;
        self.low_min = least(self.low_min, other.low_min);
        self.high_max = greatest(self.high_max, other.high_max);
        self.capped += other.capped;
        self.kl += other.kl;
        self.phi += other.phi;
        self.phi_units += other.phi_units;
        self.ratio += other.ratio;
        self.ratio_min = least(self.ratio_min, other.ratio_min);
        self.ratio_max = greatest(self.ratio_max, other.ratio_max);
        self.off_policy += other.off_policy;
        self.rejected += other.rejected;
    }

    pub(crate) fn saw_ratio(&mut self, ratio: f64) {
        self.ratio += ratio;
        self.ratio_min = least(self.ratio_min, Some(ratio));
        self.ratio_max = greatest(self.ratio_max, Some(ratio));
    }

    /// Counts one sequence's clipped units of `units`.
    pub(crate) fn saw_clipped(&mut self, units: u64, low: u64, high: u64) {
        self.units += units;
        self.low += low;
        self.high += high;
        if units > 0 {
            self.low_min = least(self.low_min, Some(low as f64 / units as f64));
            self.high_max = greatest(self.high_max, Some(high as f64 / units as f64));
        }
    }

    /// Under TRL's names where TRL has one. Shares are over all units, not a mean of micro-batch means.
    pub fn metrics(&self, config: &GrpoConfig) -> BTreeMap<String, f64> {
        let mut out = BTreeMap::new();
        let units = self.units.max(1) as f64;
        let tokens = self.tokens.max(1) as f64;
        let mut set = |name: &str, value: f64| {
            out.insert(name.to_owned(), value);
        };
        match config.loss_type {
            LossType::Grpo | LossType::Bnpo | LossType::DrGrpo | LossType::Dapo | LossType::Luspo => {
                set("clip_ratio/low_mean", self.low as f64 / units);
                set("clip_ratio/high_mean", self.high as f64 / units);
                set("clip_ratio/region_mean", (self.low + self.high) as f64 / units);
                set("clip_ratio/low_min", self.low_min.unwrap_or(0.0));
                set("clip_ratio/high_max", self.high_max.unwrap_or(0.0));
            }
            LossType::Cispo => set("cispo_clip_ratio", self.capped as f64 / units),
            LossType::Vespo => set("vespo/phi_seq_mean", self.phi / self.phi_units.max(1) as f64),
            LossType::Sapo => {}
        }
        if config.beta != 0.0 {
            set("kl", self.kl / tokens);
        }
        if config.off_policy_mask.is_some() {
            set("off_policy_masked_ratio", self.off_policy as f64 / self.sequences.max(1) as f64);
        }
        if config.importance.mode.is_some() {
            set("sampling/rejected_ratio", self.rejected as f64 / tokens);
        }
        if self.units > 0 {
            set("ratio/mean", self.ratio / units);
            set("ratio/min", self.ratio_min.unwrap_or(1.0));
            set("ratio/max", self.ratio_max.unwrap_or(1.0));
        }
        out
    }
}
