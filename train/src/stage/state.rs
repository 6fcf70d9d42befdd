//! What a checkpoint of a stage holds: trained parameters and the optimiser's moments to the bit, and counters of draws.

use super::StageError;
use crate::checkpoint::Checkpoint;
use crate::learner::Learner;
use crate::optimizer::Optimizer;
use bedside_lm::Trainable;
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Tensor, Var};
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
        let bytes = Values::shared(learner)?.to_bytes()?;
        let optimizer = learner.optimizer.to_bytes()?;
        let files = BTreeMap::from([(PARAMETERS.to_owned(), bytes), (OPTIMIZER.to_owned(), optimizer)]);
        Ok(State { done, counters: BTreeMap::new(), files })
    }

    /// Gives a learner back what [`State::of_learner`] took. Nothing is changed unless all of it fits.
    pub fn into_learner(&self, learner: &mut Learner) -> Result<(), StageError> {
        let optimizer = Optimizer::from_bytes(self.file(OPTIMIZER)?)?;
        Values::from_bytes(self.file(PARAMETERS)?, learner)?.put(learner)?;
        learner.optimizer = optimizer;
        Ok(())
    }
}

/// Values of all trained parameters, by name, in a learner's order.
pub(super) struct Values(Vec<(String, Tensor)>);

impl Values {
    /// A copy of them as they are now.
    pub fn of(learner: &Learner) -> Result<Values, StageError> {
        let copy = |(name, var): &(String, Var)| Ok((name.clone(), var.as_detached_tensor().copy()?));
        Ok(Values(learner.model.vars().iter().map(copy).collect::<Result<_, StageError>>()?))
    }

    /// They themselves: these change with the learner.
    fn shared(learner: &Learner) -> Result<Values, StageError> {
        let on_host =
            |(name, var): &(String, Var)| Ok((name.clone(), var.as_detached_tensor().to_device(&Device::Cpu)?));
        Ok(Values(learner.model.vars().iter().map(on_host).collect::<Result<_, StageError>>()?))
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, StageError> {
        let host = |(name, t): &(String, Tensor)| Ok((name.clone(), t.to_device(&Device::Cpu)?));
        let tensors = self.0.iter().map(host).collect::<Result<Vec<_>, StageError>>()?;
        Ok(safetensors::serialize(tensors.iter().map(|(n, t)| (n, t)), None).map_err(candle_core::Error::wrap)?)
    }

    /// What [`Values::to_bytes`] wrote, if it fits a learner.
    pub fn from_bytes(bytes: &[u8], learner: &Learner) -> Result<Values, StageError> {
        let mut found = load_buffer(bytes, learner.model.device())?;
        let mut values = Vec::new();
        for (name, var) in learner.model.vars() {
            let fits = found.remove(name).filter(|t| t.dims() == var.dims() && t.dtype() == var.dtype());
            let value = fits.ok_or_else(|| {
                StageError::new(
                    format!("the checkpoint does not fit parameter {name}"),
                    "resume with the policy the run began with",
                )
            })?;
            values.push((name.clone(), value));
        }
        Ok(Values(values))
    }

    pub fn put(&self, learner: &mut Learner) -> Result<(), StageError> {
        for ((_, var), (_, value)) in learner.model.vars().iter().zip(&self.0) {
            var.set(value)?;
        }
        Ok(learner.model.refresh()?)
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
