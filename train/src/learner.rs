//! The model, its optimiser, and one step: forward, loss on the host, backward, clip, AdamW.

use crate::adamw::{AdamW, BadGradient, Clip};
use crate::grpo::importance::{self, gap};
use crate::grpo::sequence::SequenceError;
use crate::grpo::{GrpoConfig, Over, Sequence, Tally, loss};
use crate::lesson::{Batch, Lesson, pack};
use crate::metrics::{Metrics, monitors};
use crate::optimizer::{Optimizer, OptimizerError, Update, clip};
use bedside_lm::{Gradients, HeadOptions, LmError, Model};
use candle_core::{DType, Tensor};

mod absorb;

pub use absorb::{Parts, Weighted};

/// Why a step was not taken. Parameters are as they were before it.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    #[error(transparent)]
    Model(#[from] LmError),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    #[error(transparent)]
    Loss(#[from] SequenceError),
    #[error(transparent)]
    Gradient(#[from] BadGradient),
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    #[error(
        "nothing in this step can be learned from\nhint: every group is flat, unscored or masked; see frac_reward_zero_std"
    )]
    Nothing,
}

/// A model in training.
pub struct Learner {
    pub model: Model,
    adamw: AdamW,
    clip_norm: Option<f64>,
    /// Moments and the number of steps taken; what a checkpoint keeps beside the parameters.
    pub optimizer: Optimizer,
    /// Tokens of one forward pass at most.
    pub batch_tokens: usize,
    /// Rows of logits that exist at a time.
    pub head_chunk: usize,
}

/// What a forward pass says of the reply tokens of a batch, in its order.
struct Forward {
    tensor: Tensor,
    log_probs: Vec<f64>,
    entropy: Vec<f64>,
}

/// Sums of gradients over the batches of a step, a tensor a parameter, where the parameters are.
struct Gathered(Vec<Tensor>);

impl Learner {
    pub fn new(model: Model, adamw: AdamW, clip_norm: Option<f64>) -> Learner {
        Learner { model, adamw, clip_norm, optimizer: Optimizer::default(), batch_tokens: 8192, head_chunk: 256 }
    }

    fn forward(&self, batch: &Batch, temperature: f64, entropy: bool) -> Result<Forward, LearnError> {
        self.head(self.model.hidden(&batch.packed)?, batch, temperature, entropy)
    }

    fn head(&self, hidden: Tensor, batch: &Batch, temperature: f64, entropy: bool) -> Result<Forward, LearnError> {
        let options = HeadOptions { chunk: self.head_chunk, temperature, entropy };
        let out = self.model.log_probs(&hidden, &batch.rows, &batch.targets, options)?;
        let host = |t: &Tensor| -> Result<Vec<f64>, candle_core::Error> { t.to_dtype(DType::F64)?.to_vec1::<f64>() };
        let entropy = out.entropy.as_ref().map(host).transpose()?.unwrap_or_default();
        Ok(Forward { log_probs: host(&out.log_probs)?, tensor: out.log_probs, entropy })
    }

    /// Back-propagates `sum(logp * dlogp)`.
    fn backward(&self, forward: &Forward, dlogp: Vec<f64>, into: &mut Gathered) -> Result<(), LearnError> {
        self.descend(&forward.tensor, dlogp, into)
    }

    /// Back-propagates `sum(values * slopes)` and adds to what earlier batches gave.
    fn descend(&self, values: &Tensor, slopes: Vec<f64>, into: &mut Gathered) -> Result<(), LearnError> {
        let slopes = Tensor::from_vec(slopes, values.dims1()?, values.device())?;
        let loss = (values * slopes.to_dtype(values.dtype())?)?.sum_all()?;
        let gradients = self.model.backward(&loss)?;
        if into.0.is_empty() {
            into.0 = gradients.0;
            return Ok(());
        }
        let mut sum = Gradients(std::mem::take(&mut into.0));
        sum.add(&gradients)?;
        into.0 = sum.0;
        Ok(())
    }

    /// Clips and applies what was gathered; returns the norm before clipping.
    fn apply(&mut self, gathered: &Gathered, lr: f64) -> Result<f64, LearnError> {
        let vars = self.model.vars();
        if !self.model.device().is_cpu() {
            let clip = clip(&gathered.0, self.clip_norm)??;
            let named = vars.iter().zip(&gathered.0).map(|((name, var), g)| (name.as_str(), var, g));
            self.optimizer.step_tensors(&self.adamw, lr, clip.scale, &named.collect::<Vec<_>>())?;
            self.model.refresh()?;
            return Ok(clip.norm);
        }
        let host = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>();
        let gradients = gathered.0.iter().map(host).collect::<Result<Vec<_>, candle_core::Error>>()?;
        let clip = Clip::of(gradients.iter().map(Vec::as_slice), self.clip_norm)?;
        let mut params = vars.iter().map(|(_, var)| host(var)).collect::<Result<Vec<_>, candle_core::Error>>()?;
        let mut updates: Vec<Update> = vars
            .iter()
            .zip(&mut params)
            .zip(&gradients)
            .map(|(((name, _), p), g)| (name.as_str(), p.as_mut_slice(), g.as_slice()))
            .collect();
        self.optimizer.step(&self.adamw, lr, clip.scale, &mut updates)?;
        for ((_, var), p) in vars.iter().zip(params) {
            var.set(&Tensor::from_vec(p, var.shape(), var.device())?.to_dtype(var.dtype())?)?;
        }
        self.model.refresh()?;
        Ok(clip.norm)
    }

    /// Supervised: mean negative log-likelihood of the lessons' reply tokens (masked ones left out). Returns `loss`, `grad_norm`.
    pub fn imitate(&mut self, lessons: &[Lesson], lr: f64) -> Result<Metrics, LearnError> {
        let mut gathered = Gathered(Vec::new());
        let total = self.cross_entropy(lessons, 1.0, &mut gathered)?.ok_or(LearnError::Nothing)?;
        let norm = self.apply(&gathered, lr)?;
        let mut out = Metrics::default();
        out.set("loss", total);
        out.set("grad_norm", norm);
        out.set("learning_rate", lr);
        Ok(out)
    }

    /// Gathers the slopes of `weight` times the mean negative log-likelihood of the lessons' reply tokens (masked ones left out), and
    /// returns that mean; `None` of no tokens.
    fn cross_entropy(
        &self,
        lessons: &[Lesson],
        weight: f64,
        gathered: &mut Gathered,
    ) -> Result<Option<f64>, LearnError> {
        let singles: Vec<&[Lesson]> = lessons.iter().map(std::slice::from_ref).collect();
        let wanted: usize = lessons.iter().map(|l| l.mask().iter().filter(|m| **m).count()).sum();
        if wanted == 0 {
            return Ok(None);
        }
        let (each, mut total) = (1.0 / wanted as f64, 0.0);
        for batch in pack(&singles, self.batch_tokens) {
            let forward = self.forward(&batch, 1.0, false)?;
            let mut dlogp = vec![0.0; forward.log_probs.len()];
            for (lesson, range) in &batch.lessons {
                for (i, _) in range.clone().zip(lessons[*lesson].mask()).filter(|(_, m)| *m) {
                    total -= forward.log_probs[i] * each;
                    dlogp[i] = -weight * each;
                }
            }
            self.backward(&forward, dlogp, gathered)?;
        }
        Ok(Some(total))
    }

    /// Mean negative log-likelihood of the lessons' reply tokens, and their number. Nothing is learned.
    pub fn evaluate(&self, lessons: &[Lesson]) -> Result<(f64, usize), LearnError> {
        let singles: Vec<&[Lesson]> = lessons.iter().map(std::slice::from_ref).collect();
        let (mut total, mut tokens) = (0.0, 0usize);
        for batch in pack(&singles, self.batch_tokens) {
            let forward = self.forward(&batch, 1.0, false)?;
            for (lesson, range) in &batch.lessons {
                for (i, _) in range.clone().zip(lessons[*lesson].mask()).filter(|(_, m)| *m) {
                    total -= forward.log_probs[i];
                    tokens += 1;
                }
            }
        }
        Ok((total / tokens.max(1) as f64, tokens))
    }

    /// One round of GRPO on groups of lessons: `iterations` passes of `mini_batches` optimiser steps each. `lr` is the rate of
    /// the round.
    pub fn reinforce(&mut self, config: &GrpoConfig, groups: &[Vec<Lesson>], lr: f64) -> Result<Metrics, LearnError> {
        if !groups.iter().flatten().any(|l| l.trained && l.mask().contains(&true)) {
            return Err(LearnError::Nothing);
        }
        let passes = config.iterations.max(1);
        let parts = config.mini_batches.clamp(1, groups.len().max(1));
        // On-policy with one update the ratio is 1 by definition, and the rollout's own log-probabilities are not needed.
        let stale = passes * parts > 1 || config.importance.mode.is_some();
        let old = if stale { Some(self.recompute(config, groups, false)?) } else { None };
        let reference = if config.beta != 0.0 { Some(self.recompute(config, groups, true)?) } else { None };
        let (mut out, mut tally) = (Metrics::default(), Tally::default());
        let (mut total, mut norms, mut entropy, mut tokens) = (0.0, Vec::new(), 0.0, 0usize);
        let mut seen: Vec<Sequence> = Vec::new();
        for _ in 0..passes {
            let mut first = 0;
            for part in groups.chunks(groups.len().div_ceil(parts).max(1)) {
                let lessons: Vec<&Lesson> = part.iter().flatten().collect();
                let mut sequences: Vec<Sequence> = lessons
                    .iter()
                    .enumerate()
                    .map(|(i, l)| {
                        let of = |all: &Option<Vec<Vec<f64>>>| all.as_ref().map(|o| o[first + i].clone());
                        Sequence { reference: of(&reference), ..sequence(config, l, of(&old)) }
                    })
                    .collect();
                first += lessons.len();
                let over = Over::step(config, &sequences);
                let mut gathered = Gathered(Vec::new());
                let slices: Vec<&[Lesson]> = part.iter().map(Vec::as_slice).collect();
                for batch in pack(&slices, self.batch_tokens) {
                    let forward = self.forward(&batch, config.temperature, true)?;
                    let mut own = Vec::with_capacity(batch.lessons.len());
                    for (lesson, range) in &batch.lessons {
                        let s = &mut sequences[*lesson];
                        s.logp = forward.log_probs[range.clone()].to_vec();
                        let active: Vec<usize> = s.active_tokens().collect();
                        entropy += active.iter().map(|t| forward.entropy[range.start + t]).sum::<f64>();
                        tokens += active.len();
                        own.push(s.clone());
                    }
                    let cost = loss(config, &own, over)?;
                    total += cost.loss;
                    tally.merge(&cost.tally);
                    self.backward(&forward, cost.dlogp.concat(), &mut gathered)?;
                }
                norms.push(self.apply(&gathered, lr)?);
                seen.extend(sequences);
            }
        }
        out.set("loss", total / (passes * parts) as f64);
        out.set("grad_norm", norms.iter().sum::<f64>() / norms.len().max(1) as f64);
        out.set("learning_rate", lr);
        out.set("entropy", (tokens > 0).then(|| entropy / tokens as f64));
        out.extend(tally.metrics(config));
        // Only where something is corrected are there weights to speak of.
        let weights = config.importance.mode.and_then(|_| {
            let of = |s: &Sequence| {
                let all = importance::weights(&config.importance, s);
                s.active_tokens().map(|t| all[t]).collect::<Vec<_>>()
            };
            importance::weight_stats(&seen.iter().flat_map(of).collect::<Vec<_>>())
        });
        monitors::sampling(&mut out, gap(&seen), weights);
        Ok(out)
    }

    /// Log-probabilities of every lesson's tokens under the policy as it is before the round, or under the frozen reference.
    fn recompute(
        &self,
        config: &GrpoConfig,
        groups: &[Vec<Lesson>],
        reference: bool,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        let slices: Vec<&[Lesson]> = groups.iter().map(Vec::as_slice).collect();
        let mut out = vec![Vec::new(); groups.iter().map(Vec::len).sum()];
        for batch in pack(&slices, self.batch_tokens) {
            let hidden = match reference {
                true => self.model.reference_hidden(&batch.packed)?,
                false => self.model.hidden(&batch.packed)?,
            };
            let forward = self.head(hidden, &batch, config.temperature, false)?;
            for (lesson, range) in &batch.lessons {
                out[*lesson] = forward.log_probs[range.clone()].to_vec();
            }
        }
        Ok(out)
    }
}

/// A lesson as the loss wants it; log-probabilities are filled in by the forward pass.
fn sequence(config: &GrpoConfig, lesson: &Lesson, old: Option<Vec<f64>>) -> Sequence {
    let placeholder = || vec![0.0; lesson.len()];
    // Log-probabilities of a cut distribution are not the trainer's; there is nothing to compare them with.
    let comparable = config.top_p >= 1.0 && config.top_k == 0 || config.importance.mode.is_some();
    Sequence {
        logp: old.clone().unwrap_or_else(placeholder),
        old,
        sampling: lesson.sampled().filter(|_| comparable),
        reference: None,
        mask: lesson.mask(),
        credit: lesson.credit.clone(),
        trained: lesson.trained,
    }
}
