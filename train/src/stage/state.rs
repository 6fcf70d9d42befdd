//! What a checkpoint of a stage holds: trained parameters and the optimiser's moments to the bit, and counters of draws.

use super::StageError;
use crate::checkpoint::Checkpoint;
use crate::learner::Learner;
use crate::optimizer::Optimizer;
use bedside_lm::Trainable;
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Low-rank training, in place of training every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    pub rank: usize,
    /// The correction is `alpha / rank * B A`.
    pub alpha: f64,
}

pub(super) fn trainable(lora: Option<Lora>) -> Trainable {
    lora.map_or(Trainable::All, |Lora { rank, alpha }| Trainable::Lora { rank, alpha })
}

/// Where a stage stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub done: u64,
    /// How many draws each counted stream has made.
    pub counters: BTreeMap<String, u64>,
    pub files: BTreeMap<String, Vec<u8>>,
}

const PARAMETERS: &str = "parameters.safetensors";
const OPTIMIZER: &str = "optimizer.bin";

impl State {
    pub fn of(checkpoint: Checkpoint) -> State {
        let Checkpoint { manifest, files } = checkpoint;
        State { done: manifest.step, counters: manifest.counters, files }
    }

    pub(super) fn file(&self, name: &str) -> Result<&[u8], StageError> {
        let missing =
            || StageError::new(format!("the checkpoint has no {name}"), "resume from a checkpoint of this stage");
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    /// A learner's part.
    pub fn of_learner(done: u64, learner: &Learner) -> Result<State, StageError> {
        let mut tensors = Vec::new();
        for (name, var) in learner.model.vars() {
            tensors.push((name.as_str(), var.as_detached_tensor().to_device(&Device::Cpu)?));
        }
        let bytes =
            safetensors::serialize(tensors.iter().map(|(n, t)| (*n, t)), None).map_err(candle_core::Error::wrap)?;
        let optimizer = learner.optimizer.to_bytes()?;
        let files = BTreeMap::from([(PARAMETERS.to_owned(), bytes), (OPTIMIZER.to_owned(), optimizer)]);
        Ok(State { done, counters: BTreeMap::new(), files })
    }

    /// Gives a learner back what [`State::of_learner`] took. Nothing is changed unless all of it fits.
    pub fn into_learner(&self, learner: &mut Learner) -> Result<(), StageError> {
        let optimizer = Optimizer::from_bytes(self.file(OPTIMIZER)?)?;
        let device = learner.model.device().clone();
        let mut found = load_buffer(self.file(PARAMETERS)?, &device)?;
        let mut values = Vec::new();
        for (name, var) in learner.model.vars() {
            let fits = found.remove(name).filter(|t| t.dims() == var.dims() && t.dtype() == var.dtype());
            values.push(fits.ok_or_else(|| {
                StageError::new(
                    format!("the checkpoint does not fit parameter {name}"),
                    "resume with the policy the run began with",
                )
            })?);
        }
        for ((_, var), value) in learner.model.vars().iter().zip(&values) {
            var.set(value)?;
        }
        learner.model.refresh()?;
        learner.optimizer = optimizer;
        Ok(())
    }
}

/// Every trained parameter's bits, in order: two learners are equal where these are.
pub fn bits(learner: &Learner) -> Result<Vec<u32>, StageError> {
    let mut out = Vec::new();
    for (_, var) in learner.model.vars() {
        out.extend(var.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?.into_iter().map(f32::to_bits));
    }
    Ok(out)
}
