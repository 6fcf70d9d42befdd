//! Models small enough for tests and examples.

use crate::config::LmConfig;
use crate::error::Result;
use crate::weights::{Weights, normal};
use candle_core::{Device, Tensor};

/// A two-layer model of a family: "llama" (grouped queries, tied head), "qwen2", "qwen3", or "untied" (a Llama whose head is a
/// matrix of its own).
pub fn tiny(family: &str) -> LmConfig {
    LmConfig {
        vocab_size: 23,
        hidden_size: 8,
        intermediate_size: 10,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: if family == "qwen3" { 6 } else { 4 },
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: family != "untied",
        qkv_bias: family == "qwen2",
        qk_norm: family == "qwen3",
        max_position_embeddings: 512,
    }
}

/// Random weights with nothing at its resting value: norms around 1, biases around 0, matrices wide enough that attention and
/// gates leave their linear range.
pub fn lively(config: LmConfig, seed: u64) -> Result<Weights> {
    let mut weights = Weights::random(config, seed)?;
    for (stream, (name, tensor)) in weights.tensors.iter_mut().enumerate() {
        let centre = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        let draws = normal(seed, stream as u64, tensor.elem_count(), 0.35);
        let values: Vec<f32> = draws.into_iter().map(|x| centre + x).collect();
        *tensor = Tensor::from_vec(values, tensor.dims(), &Device::Cpu)?;
    }
    Ok(weights)
}
