//! The model that learns.

use crate::config::LmConfig;
use crate::decode::Decoder;
use crate::error::Result;
use crate::packed::Packed;
use crate::weights::Weights;
use candle_core::{DType, Device, Tensor, Var};

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trainable {
    Nothing,
    All,
    /// Low-rank corrections `alpha / rank * B A` to every projection of every block; all else stays put.
    Lora {
        rank: usize,
        alpha: f64,
    },
}

pub struct Model {
    pub config: LmConfig,
}

/// Gradients of a model's trained parameters, in the order of [`Model::vars`], in the parameters' number format.
pub struct Gradients(pub Vec<Tensor>);

/// How the head is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct HeadOptions {
    /// Rows whose logits exist at a time.
    pub chunk: usize,
    /// Logits are divided by this.
    pub temperature: f64,
    /// Also compute each row's entropy in nats; no gradient flows through it.
    pub entropy: bool,
}

impl Default for HeadOptions {
    fn default() -> HeadOptions {
        HeadOptions { chunk: 256, temperature: 1.0, entropy: false }
    }
}

/// Log-probabilities [N], differentiable, and entropies [N] where asked for.
pub struct HeadOut {
    pub log_probs: Tensor,
    pub entropy: Option<Tensor>,
}

impl Model {
    pub fn new(
        _weights: &Weights,
        _trainable: Trainable,
        _dtype: DType,
        _device: &Device,
        _seed: u64,
    ) -> Result<Model> {
        todo!()
    }

    /// Hidden states [N, hidden] after the final norm, for a packed batch.
    pub fn hidden(&self, _batch: &Packed) -> Result<Tensor> {
        todo!()
    }

    /// The same with the trained low-rank corrections left out and no gradient: the reference policy under LoRA.
    pub fn reference_hidden(&self, _batch: &Packed) -> Result<Tensor> {
        todo!()
    }

    /// log p(targets[i] | hidden row rows[i]); rows may repeat and be left out ([`Packed::predictions`] gives both).
    pub fn log_probs(
        &self,
        _hidden: &Tensor,
        _rows: &[u32],
        _targets: &[u32],
        _options: HeadOptions,
    ) -> Result<HeadOut> {
        todo!()
    }

    /// The gradient of a scalar loss, computed by candle from the log-probabilities, with respect to every trained parameter.
    /// Use this and not `loss.backward()`: parameters' gradients do not pass through candle's own store. An error names
    /// parameters that no gradient reached.
    pub fn backward(&self, _loss: &Tensor) -> Result<Gradients> {
        todo!()
    }

    /// Trained parameters sorted by name, f32 (f64 in an f64 model) whatever the model computes in.
    pub fn vars(&self) -> &[(String, Var)] {
        todo!()
    }

    /// Call after changing [`Model::vars`]: refreshes the copies that the model computes with.
    pub fn refresh(&mut self) -> Result<()> {
        todo!()
    }

    /// A frozen snapshot for sampling, low-rank corrections merged.
    pub fn decoder(&self) -> Result<Decoder> {
        todo!()
    }

    /// The weights as they are now, low-rank corrections merged, f32 on the CPU.
    pub fn to_weights(&self) -> Result<Weights> {
        todo!()
    }
}
