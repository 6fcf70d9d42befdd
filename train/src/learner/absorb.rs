//! One step of mid-training (M2 3): three kinds of text, each with a loss of its own.

use super::{Gathered, LearnError, Learner};
use crate::lesson::{Lesson, pack};
use crate::metrics::Metrics;
use bedside_lm::{Frozen, HeadOptions, Model};
use candle_core::DType;

/// The texts of a step, by what is learnt from them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Knowledge: cross-entropy on every token.
    pub text: &'a [Lesson],
    /// Knowledge with notes in it: cross-entropy on the tokens that the lessons' masks leave.
    pub notes: &'a [Lesson],
    /// General text: no cross-entropy, only KL(policy || reference), so that what the policy could do stays.
    pub general: &'a [Lesson],
}

/// What each mean is multiplied by in the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    pub text: f64,
    pub notes: f64,
    pub kl: f64,
}

impl Learner {
    /// Learns from all parts in one update: `text * CE + notes * masked CE + kl * KL`, each a mean over its own tokens. A part that
    /// is empty, or weighs 0, is left out. `reference` is the frozen model of the KL term; `None` takes the policy itself
    /// without its low-rank corrections.
    pub fn absorb(
        &mut self,
        parts: Parts<'_>,
        weights: Weighted,
        reference: Option<&Model>,
        lr: f64,
    ) -> Result<Metrics, LearnError> {
        let (mut gathered, mut out) = (Gathered(Vec::new()), Metrics::default());
        let mut total = 0.0;
        for (name, lessons, weight) in
            [("loss/text", parts.text, weights.text), ("loss/notes", parts.notes, weights.notes)]
        {
            if weight > 0.0
                && let Some(mean) = self.cross_entropy(lessons, weight, &mut gathered)?
            {
                total += weight * mean;
                out.set(name, mean);
            }
        }
        if weights.kl > 0.0
            && let Some(mean) = self.divergence(parts.general, reference, Some((weights.kl, &mut gathered)))?
        {
            total += weights.kl * mean;
            out.set("loss/kl", mean);
        }
        if gathered.0.is_empty() {
            return Err(LearnError::Nothing);
        }
        out.set("grad_norm", self.apply(&gathered, lr)?);
        out.set("loss", total);
        out.set("learning_rate", lr);
        Ok(out)
    }

    /// Mean KL(policy || reference) over the lessons' tokens in nats, `None` of no tokens. Nothing is learned.
    pub fn distance(&self, lessons: &[Lesson], reference: Option<&Model>) -> Result<Option<f64>, LearnError> {
        self.divergence(lessons, reference, None)
    }

    fn divergence(
        &self,
        lessons: &[Lesson],
        reference: Option<&Model>,
        mut learn: Option<(f64, &mut Gathered)>,
    ) -> Result<Option<f64>, LearnError> {
        let singles: Vec<&[Lesson]> = lessons.iter().map(std::slice::from_ref).collect();
        let tokens: usize = lessons.iter().map(Lesson::len).sum();
        if tokens == 0 {
            return Ok(None);
        }
        let (each, mut total) = (1.0 / tokens as f64, 0.0);
        let options = HeadOptions { chunk: self.head_chunk, temperature: 1.0, entropy: false };
        for batch in pack(&singles, self.batch_tokens) {
            let hidden = self.model.hidden(&batch.packed)?;
            let frozen = match reference {
                Some(model) => model.hidden(&batch.packed)?,
                None => self.model.reference_hidden(&batch.packed)?,
            };
            let frozen = Frozen { model: reference.unwrap_or(&self.model), hidden: &frozen };
            let kl = self.model.kl(&hidden, frozen, &batch.rows, options)?;
            let values = kl.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            total += values.iter().sum::<f64>() * each;
            if let Some((weight, gathered)) = &mut learn {
                self.descend(&kl, vec![*weight * each; values.len()], gathered)?;
            }
        }
        Ok(Some(total))
    }
}
