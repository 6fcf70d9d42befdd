//! Embedding, blocks and final norm as one node of candle's graph, and the head as another.

use crate::block::{Block, Saved, Scene};
use crate::config::LmConfig;
use crate::error::{LmError, Result};
use crate::model::Trainable;
use crate::ops::attention::Heads;
use crate::ops::embedding::{rows_of, sum_rows};
use crate::ops::linear::{Linear, Lora};
use crate::ops::rope::Rope;
use crate::ops::{cpu::wide, head, kl, rms_norm};
use crate::packed::Packed;
use crate::params::{Param, Sink, Trained};
use crate::weights::{Weights, normal};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Device, Layout, Shape, Storage, Tensor, Var};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Body {
    config: LmConfig,
    embedding: Param,
    blocks: Vec<Block>,
    norm: Param,
    /// `None` where the embedding is the head.
    lm_head: Option<Param>,
    rope: Rope,
    recompute: AtomicBool,
    pub sink: Sink,
}

/// A forward pass.
pub(crate) struct Pass {
    /// After the final norm.
    pub out: Tensor,
    tokens: Vec<u32>,
    scene: Scene,
    /// Input of every block, and of the final norm; empty when no backward is wanted.
    inputs: Vec<Tensor>,
    /// Of every block, or none of any when blocks are computed again.
    saved: Vec<Option<Saved>>,
}

/// Projections of a block that low-rank corrections are made to.
const PROJECTIONS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// Makes parameters and gives those that learn their slots.
struct Maker<'a> {
    weights: &'a Weights,
    trainable: Trainable,
    dtype: DType,
    device: &'a Device,
    seed: u64,
    trained: Vec<(String, Trained)>,
    slots: BTreeMap<String, usize>,
}

impl Maker<'_> {
    fn param(&mut self, name: &str) -> Result<Param> {
        let value = self.weights.get(name)?;
        match self.trainable {
            Trainable::All => self.learning(name, &value.to_device(self.device)?),
            _ => Ok(Param { value: value.to_device(self.device)?.to_dtype(self.dtype)?, slot: None }),
        }
    }

    fn learning(&mut self, name: &str, value: &Tensor) -> Result<Param> {
        let trained = Trained::new(value, self.dtype)?;
        let value = trained.value();
        self.trained.push((name.to_string(), trained));
        Ok(Param { value, slot: self.slots.get(name).copied() })
    }

    fn linear(&mut self, layer: usize, name: &str) -> Result<Linear> {
        let name = format!("model.layers.{layer}.{name}");
        let weight = self.param(&format!("{name}.weight"))?;
        let bias = format!("{name}.bias");
        let bias = if self.weights.tensors.contains_key(&bias) { Some(self.param(&bias)?) } else { None };
        let mut lora = None;
        if let Trainable::Lora { rank, alpha } = self.trainable {
            let (out, input) = weight.value.dims2()?;
            let (a, b) = (format!("{name}.lora_A.weight"), format!("{name}.lora_B.weight"));
            // The variance of PEFT's uniform draw.
            let draws = normal(self.seed, self.slots[&a] as u64, rank * input, 1.0 / (3.0 * input as f64).sqrt());
            let start = Tensor::from_vec(draws, (rank, input), &Device::Cpu)?.to_device(self.device)?;
            let a = self.learning(&a, &start)?;
            let b = self.learning(&b, &Tensor::zeros((out, rank), DType::F32, self.device)?)?;
            lora = Some(Lora { a, b, scale: alpha / rank as f64 });
        }
        Ok(Linear { weight, bias, lora })
    }
}

fn trained_names(config: &LmConfig, trainable: Trainable) -> Vec<String> {
    let mut names = match trainable {
        Trainable::Nothing => Vec::new(),
        Trainable::All => config.tensors().into_iter().map(|(name, _)| name).collect(),
        Trainable::Lora { .. } => (0..config.num_hidden_layers)
            .flat_map(|layer| {
                PROJECTIONS
                    .iter()
                    .flat_map(move |p| ["A", "B"].map(|m| format!("model.layers.{layer}.{p}.lora_{m}.weight")))
            })
            .collect(),
    };
    names.sort();
    names
}

impl Body {
    /// The body and its trained parameters, sorted by name.
    pub fn new(
        weights: &Weights,
        trainable: Trainable,
        dtype: DType,
        device: &Device,
        seed: u64,
    ) -> Result<(Body, Vec<(String, Trained)>)> {
        let config = weights.config.clone();
        config.check()?;
        if let Trainable::Lora { rank: 0, .. } = trainable {
            return Err(LmError::misuse("a low-rank correction of rank 0"));
        }
        let slots = trained_names(&config, trainable).into_iter().enumerate().map(|(i, name)| (name, i)).collect();
        let mut make = Maker { weights, trainable, dtype, device, seed, trained: Vec::new(), slots };
        let embedding = make.param("model.embed_tokens.weight")?;
        let norm = make.param("model.norm.weight")?;
        let lm_head = if config.tie_word_embeddings { None } else { Some(make.param("lm_head.weight")?) };
        let mut blocks = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let at = |name: &str| format!("model.layers.{layer}.{name}.weight");
            let (mut q_norm, mut k_norm) = (None, None);
            if config.qk_norm {
                q_norm = Some(make.param(&at("self_attn.q_norm"))?);
                k_norm = Some(make.param(&at("self_attn.k_norm"))?);
            }
            blocks.push(Block {
                input_norm: make.param(&at("input_layernorm"))?,
                post_norm: make.param(&at("post_attention_layernorm"))?,
                q: make.linear(layer, PROJECTIONS[0])?,
                k: make.linear(layer, PROJECTIONS[1])?,
                v: make.linear(layer, PROJECTIONS[2])?,
                o: make.linear(layer, PROJECTIONS[3])?,
                gate: make.linear(layer, PROJECTIONS[4])?,
                up: make.linear(layer, PROJECTIONS[5])?,
                down: make.linear(layer, PROJECTIONS[6])?,
                q_norm,
                k_norm,
            });
        }
        let mut trained = make.trained;
        trained.sort_by(|a, b| a.0.cmp(&b.0));
        let rope = Rope::new(&config, dtype, device);
        let sink = Sink::new(trained.len());
        Ok((Body { config, embedding, blocks, norm, lm_head, rope, recompute: AtomicBool::new(false), sink }, trained))
    }

    pub fn recompute(&self, on: bool) {
        self.recompute.store(on, Ordering::Relaxed);
    }

    pub fn head(&self) -> &Param {
        self.lm_head.as_ref().unwrap_or(&self.embedding)
    }

    pub fn forward(&self, batch: &Packed, base: bool, keep: bool) -> Result<Pass> {
        if batch.is_empty() {
            return Err(LmError::misuse("a batch without tokens"));
        }
        if let Some(token) = batch.tokens.iter().find(|t| **t as usize >= self.config.vocab_size) {
            return Err(LmError::misuse(format!("token {token} in a vocabulary of {}", self.config.vocab_size)));
        }
        let spans = batch.spans()?;
        let last = batch.positions.iter().max().map_or(0, |p| *p as usize);
        let scene = Scene {
            positions: batch.positions.clone(),
            spans,
            table: self.rope.upto(last + 1)?,
            heads: Heads::of(&self.config),
            eps: self.config.rms_norm_eps,
            base,
        };
        let recompute = self.recompute.load(Ordering::Relaxed);
        let (mut inputs, mut saved) = (Vec::new(), Vec::new());
        let mut x = rows_of(&self.embedding.value, &batch.tokens)?;
        for block in &self.blocks {
            let (y, s) = block.forward(&x, &scene)?;
            if keep {
                inputs.push(x);
                saved.push((!recompute).then_some(s));
            }
            x = y;
        }
        let out = rms_norm::forward(&x, &self.norm.value, scene.eps)?;
        if keep {
            inputs.push(x);
        }
        Ok(Pass { out, tokens: batch.tokens.clone(), scene, inputs, saved })
    }

    /// From the gradient of the hidden states to all parameters' gradients.
    fn backward(&self, pass: &Pass, g: &Tensor) -> Result<()> {
        let [inputs @ .., last] = &pass.inputs[..] else {
            return Err(LmError::misuse("a backward through a pass that kept nothing"));
        };
        let (mut g, of_norm) = rms_norm::backward(last, &self.norm.value, g, pass.scene.eps, self.norm.slot.is_some())?;
        if let (Some(slot), Some(of_norm)) = (self.norm.slot, of_norm) {
            self.sink.add(slot, &of_norm)?;
        }
        for ((block, x), saved) in self.blocks.iter().zip(inputs).zip(&pass.saved).rev() {
            g = match saved {
                Some(saved) => block.backward(x, saved, &g, &pass.scene, &self.sink)?,
                None => block.backward(x, &block.forward(x, &pass.scene)?.1, &g, &pass.scene, &self.sink)?,
            };
        }
        if let Some(slot) = self.embedding.slot {
            self.sink.add(slot, &sum_rows(&g, &pass.tokens, self.config.vocab_size)?)?;
        }
        Ok(())
    }

    /// Every tensor by name, low-rank corrections merged in the wide format. `widest` finds the best copy of a parameter.
    pub fn merged(&self, widest: &dyn Fn(&Param) -> Tensor) -> Result<BTreeMap<String, Tensor>> {
        let mut all = BTreeMap::new();
        all.insert("model.embed_tokens.weight".to_string(), widest(&self.embedding));
        all.insert("model.norm.weight".to_string(), widest(&self.norm));
        if let Some(head) = &self.lm_head {
            all.insert("lm_head.weight".to_string(), widest(head));
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let at = |name: &str| format!("model.layers.{layer}.{name}");
            all.insert(at("input_layernorm.weight"), widest(&block.input_norm));
            all.insert(at("post_attention_layernorm.weight"), widest(&block.post_norm));
            for (name, norm) in [("q_norm", &block.q_norm), ("k_norm", &block.k_norm)] {
                if let Some(norm) = norm {
                    all.insert(at(&format!("self_attn.{name}.weight")), widest(norm));
                }
            }
            let linears = [&block.q, &block.k, &block.v, &block.o, &block.gate, &block.up, &block.down];
            for (name, linear) in PROJECTIONS.iter().zip(linears) {
                let mut weight = widest(&linear.weight);
                if let Some(lora) = &linear.lora {
                    let correction = (widest(&lora.b).matmul(&widest(&lora.a))? * lora.scale)?;
                    weight = (weight.to_dtype(wide(&weight))? + correction)?;
                }
                all.insert(at(&format!("{name}.weight")), weight);
                if let Some(bias) = &linear.bias {
                    all.insert(at(&format!("{name}.bias")), widest(bias));
                }
            }
        }
        Ok(all)
    }
}

/// The node from tokens to hidden states. It hangs on a variable of its own, so that candle comes by on the way back.
pub(crate) struct Spine {
    body: Arc<Body>,
    pass: Pass,
}

impl Spine {
    pub fn attach(body: Arc<Body>, pass: Pass, device: &Device) -> Result<Tensor> {
        let root = Var::zeros(1, DType::F32, device)?;
        Ok(root.apply_op1(Spine { body, pass })?)
    }
}

/// The node from hidden states to log-probabilities.
pub(crate) struct HeadOp {
    pub out: Tensor,
    pub body: Arc<Body>,
    /// Rows of the hidden states; all of them in order when `None`.
    pub rows: Option<Vec<u32>>,
    pub targets: Vec<u32>,
    pub chunk: usize,
    pub temperature: f64,
}

impl HeadOp {
    pub fn attach(self, hidden: &Tensor) -> Result<Tensor> {
        Ok(hidden.apply_op1(self)?)
    }

    fn backward(&self, hidden: &Tensor, g: &Tensor) -> Result<Tensor> {
        let hidden = hidden.detach();
        let weight = self.body.head();
        let h = match &self.rows {
            Some(rows) => rows_of(&hidden, rows)?,
            None => hidden.clone(),
        };
        let (gh, gw) =
            head::backward(&h, &weight.value, &self.targets, g, self.chunk, self.temperature, weight.slot.is_some())?;
        if let (Some(slot), Some(gw)) = (weight.slot, gw) {
            self.body.sink.add(slot, &gw)?;
        }
        match &self.rows {
            Some(rows) => Ok(sum_rows(&gh, rows, hidden.dims()[0])?.to_dtype(hidden.dtype())?),
            None => Ok(gh),
        }
    }
}

/// The node from hidden states to divergences from a frozen reference.
pub(crate) struct KlOp {
    pub out: Tensor,
    pub body: Arc<Body>,
    /// Rows of the hidden states; the reference has these alone.
    pub rows: Vec<u32>,
    pub reference: kl::Reference,
    pub chunk: usize,
    pub temperature: f64,
}

impl KlOp {
    pub fn attach(self, hidden: &Tensor) -> Result<Tensor> {
        Ok(hidden.apply_op1(self)?)
    }

    fn backward(&self, hidden: &Tensor, g: &Tensor) -> Result<Tensor> {
        let hidden = hidden.detach();
        let weight = self.body.head();
        let h = rows_of(&hidden, &self.rows)?;
        let of_w = weight.slot.is_some();
        let (gh, gw) = kl::backward(&h, &weight.value, &self.reference, g, self.chunk, self.temperature, of_w)?;
        if let (Some(slot), Some(gw)) = (weight.slot, gw) {
            self.body.sink.add(slot, &gw)?;
        }
        Ok(sum_rows(&gh, &self.rows, hidden.dims()[0])?.to_dtype(hidden.dtype())?)
    }
}

/// Hands a result that exists already to candle's graph. It is fresh and contiguous, so the storage is the tensor.
fn cpu_copy(out: &Tensor) -> candle_core::Result<(CpuStorage, Shape)> {
    match &*out.storage_and_layout().0 {
        Storage::Cpu(cpu) => Ok((cpu.try_clone(out.layout())?, out.shape().clone())),
        _ => candle_core::bail!("a CPU node with a result elsewhere"),
    }
}

fn cuda_copy(out: &Tensor) -> candle_core::Result<(CudaStorage, Shape)> {
    match &*out.storage_and_layout().0 {
        Storage::Cuda(cuda) => Ok((cuda.try_clone(out.layout())?, out.shape().clone())),
        _ => candle_core::bail!("a CUDA node with a result elsewhere"),
    }
}

impl CustomOp1 for Spine {
    fn name(&self) -> &'static str {
        "transformer"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        cpu_copy(&self.pass.out)
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        cuda_copy(&self.pass.out)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.body.backward(&self.pass, &g.detach()).map_err(candle_core::Error::wrap)?;
        Ok(None)
    }
}

impl CustomOp1 for HeadOp {
    fn name(&self) -> &'static str {
        "log_probs"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        cpu_copy(&self.out)
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        cuda_copy(&self.out)
    }

    fn bwd(&self, hidden: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.backward(hidden, &g.detach().contiguous()?).map(Some).map_err(candle_core::Error::wrap)
    }
}

impl CustomOp1 for KlOp {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        cpu_copy(&self.out)
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        cuda_copy(&self.out)
    }

    fn bwd(&self, hidden: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        self.backward(hidden, &g.detach().contiguous()?).map(Some).map_err(candle_core::Error::wrap)
    }
}
