//! What the learner is given: sampled sequences without padding, and what their losses are divided by.

use super::config::{Count, GrpoConfig, LossType};
use super::importance;

/// How much better than its group a sequence did, for the whole of it or token by token.
#[derive(Clone, Debug, PartialEq)]
pub enum Credit {
    Sequence(f64),
    /// One advantage a token: turn-level credit.
    Tokens(Vec<f64>),
}

impl Credit {
    pub fn at(&self, token: usize) -> f64 {
        match self {
            Credit::Sequence(a) => *a,
            Credit::Tokens(each) => each.get(token).copied().unwrap_or(0.0),
        }
    }
}

/// One sampled reply or session. All per-token vectors have one entry a token, natural logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Under the policy that is being trained, now.
    pub logp: Vec<f64>,
    /// Under the trained policy when the rollout was made, by the trainer's own kernels. `None` says that it is the same as
    /// now: the ratio is 1 and its gradient counts.
    pub old: Option<Vec<f64>>,
    /// As the sampler reported them; NaN where it had none.
    pub sampling: Option<Vec<f64>>,
    /// Under the frozen reference, where a KL term is asked for.
    pub reference: Option<Vec<f64>>,
    /// True for tokens the policy sampled: neither the patient's nor forced ones.
    pub mask: Vec<bool>,
    pub credit: Credit,
    /// False takes the whole sequence out of the loss: truncated, unscored, or in a group that has no spread.
    pub trained: bool,
}

/// Why a batch cannot be learned from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SequenceError {
    #[error(
        "sequence {sequence}: {field} has {found} entries, logp has {expected}\nhint: keep ids, log-probs and mask of one sampling together"
    )]
    Lengths { sequence: usize, field: &'static str, found: usize, expected: usize },
    #[error(
        "sequence {sequence}, token {token}: {field} is {value}\nhint: the forward pass overflowed, or the token had probability 0"
    )]
    NotFinite { sequence: usize, token: usize, field: &'static str, value: f64 },
    #[error("sequence {sequence}: {field} is needed and missing\nhint: {hint}")]
    Missing { sequence: usize, field: &'static str, hint: &'static str },
}

impl Sequence {
    /// On-policy, every token sampled.
    pub fn on_policy(logp: Vec<f64>, advantage: f64) -> Sequence {
        let mask = vec![true; logp.len()];
        let credit = Credit::Sequence(advantage);
        Sequence { logp, old: None, sampling: None, reference: None, mask, credit, trained: true }
    }

    pub fn len(&self) -> usize {
        self.logp.len()
    }

    pub fn is_empty(&self) -> bool {
        self.logp.is_empty()
    }

    /// Whether the token enters the loss.
    pub fn active(&self, token: usize) -> bool {
        self.trained && self.mask.get(token).copied().unwrap_or(false)
    }

    /// Tokens that enter the loss, in order.
    pub fn active_tokens(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&t| self.active(t))
    }

    /// Log-probability at rollout time by the trainer's kernels.
    pub fn old_at(&self, token: usize) -> f64 {
        self.old.as_ref().map_or(self.logp[token], |o| o[token])
    }

    /// What the sampler reported; the trainer's own where it reported nothing, or NaN.
    pub fn sampling_at(&self, token: usize) -> f64 {
        let reported = self.sampling.as_ref().map(|s| s[token]).filter(|p| !p.is_nan());
        reported.unwrap_or_else(|| self.old_at(token))
    }

    pub(crate) fn check(&self, sequence: usize, config: &GrpoConfig) -> Result<(), SequenceError> {
        let expected = self.len();
        let length = |field, found| match found == expected {
            true => Ok(()),
            false => Err(SequenceError::Lengths { sequence, field, found, expected }),
        };
        length("mask", self.mask.len())?;
        if let Credit::Tokens(each) = &self.credit {
            length("credit", each.len())?;
        }
        let optional = [("old", &self.old), ("sampling", &self.sampling), ("reference", &self.reference)];
        for (field, values) in optional {
            if let Some(values) = values {
                length(field, values.len())?;
            }
        }
        if config.beta != 0.0 && self.reference.is_none() {
            let hint = "run the frozen reference over the rollout, or set beta to 0";
            return Err(SequenceError::Missing { sequence, field: "reference", hint });
        }
        if config.importance.mode.is_some() && self.sampling.is_none() {
            let hint = "keep the sampler's log-probs, or set importance.mode to none";
            return Err(SequenceError::Missing { sequence, field: "sampling", hint });
        }
        for token in self.active_tokens() {
            let finite = |field, value: f64| match value.is_finite() {
                true => Ok(()),
                false => Err(SequenceError::NotFinite { sequence, token, field, value }),
            };
            finite("logp", self.logp[token])?;
            finite("old", self.old_at(token))?;
            finite("advantage", self.credit.at(token))?;
            finite("sampling", self.sampling_at(token))?;
            if let (true, Some(reference)) = (config.beta != 0.0, &self.reference) {
                finite("reference", reference[token])?;
            }
        }
        Ok(())
    }
}

/// What sums are divided by. Taken once over everything an optimiser step learns from, and handed to each micro-batch: then the
/// step does not depend on how it was cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Over {
    pub sequences: f64,
    pub tokens: f64,
}

impl Over {
    /// Of a whole optimiser step.
    pub fn step(config: &GrpoConfig, batch: &[Sequence]) -> Over {
        let mut over = Over { sequences: 0.0, tokens: 0.0 };
        for sequence in batch {
            let (counts, tokens) = counted(config, sequence);
            over.sequences += if counts { 1.0 } else { 0.0 };
            over.tokens += tokens;
        }
        over
    }

    /// As TRL divides one of `accumulation` micro-batches: its own counts times `accumulation`; DAPO, CISPO and VESPO count
    /// `generated_tokens` of a generation batch that feeds `steps_per_generation` micro-batches.
    pub fn trl(
        config: &GrpoConfig,
        batch: &[Sequence],
        accumulation: usize,
        steps_per_generation: usize,
        generated_tokens: f64,
    ) -> Over {
        let own = Over::step(config, batch);
        let accumulation = accumulation as f64;
        let tokens = match config.loss_type {
            LossType::Dapo | LossType::Cispo | LossType::Vespo => {
                generated_tokens.max(1.0) * accumulation / steps_per_generation.max(1) as f64
            }
            _ => own.tokens * accumulation,
        };
        Over { sequences: own.sequences * accumulation, tokens }
    }

    /// The factor of one token of a sequence that counts `in_sequence` tokens.
    pub(crate) fn weight(&self, config: &GrpoConfig, in_sequence: f64) -> f64 {
        // None of a kind divides by 1; a fraction of a token comes from accumulation and stays.
        let some = |count: f64| if count > 0.0 { count } else { 1.0 };
        let (sequences, tokens) = (some(self.sequences), some(self.tokens));
        match config.loss_type {
            LossType::Grpo | LossType::Sapo => 1.0 / (sequences * in_sequence.max(1.0)),
            LossType::Bnpo | LossType::Dapo | LossType::Cispo | LossType::Vespo => 1.0 / tokens,
            LossType::DrGrpo => 1.0 / (sequences * config.max_completion as f64),
            LossType::Luspo => 1.0 / sequences,
        }
    }
}

/// Whether a sequence counts, and how many of its tokens do.
pub(crate) fn counted(config: &GrpoConfig, sequence: &Sequence) -> (bool, f64) {
    match config.count {
        Count::All => (true, sequence.active_tokens().count() as f64),
        Count::Trained => {
            let kept = importance::weights(&config.importance, sequence);
            let tokens = sequence.active_tokens().filter(|&t| kept[t] > 0.0).count() as f64;
            (tokens > 0.0, tokens)
        }
    }
}
