//! Weights from a GGUF file.

use crate::config::LmConfig;
use crate::error::{LmError, Result};
use crate::ops::panels::{Format, Panels};
use crate::weights::Weights;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// GGUF names within a block, and HuggingFace's.
const BLOCK: [(&str, &str); 14] = [
    ("attn_norm.weight", "input_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_q.bias", "self_attn.q_proj.bias"),
    ("attn_k.bias", "self_attn.k_proj.bias"),
    ("attn_v.bias", "self_attn.v_proj.bias"),
    ("attn_q_norm.weight", "self_attn.q_norm.weight"),
    ("attn_k_norm.weight", "self_attn.k_norm.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
];

pub(crate) fn read(path: &Path) -> Result<Weights> {
    let mut file = GgufFile::open(path)?;
    let mut tensors = BTreeMap::new();
    for name in file.names() {
        let tensor = file.tensor(&name)?;
        tensors.insert(name, tensor);
    }
    Weights { config: file.config, tensors }.checked().map_err(LmError::within(path))
}

/// An open file, asked by HuggingFace's names.
pub(crate) struct GgufFile {
    pub config: LmConfig,
    path: PathBuf,
    file: std::fs::File,
    content: Content,
    /// HuggingFace's name: the file's, and over how many heads rows have to be put in order.
    names: BTreeMap<String, (String, Option<usize>)>,
}

impl GgufFile {
    pub fn open(path: &Path) -> Result<GgufFile> {
        let mut file = std::fs::File::open(path).map_err(LmError::io(path))?;
        let content = Content::read(&mut file).map_err(LmError::from).map_err(LmError::within(path))?;
        let config = config(path, &content).map_err(LmError::within(path))?;
        // llama.cpp turns neighbouring pairs in Llama and halves in Qwen, and stores Llama's query and key rows to match.
        let interleaved = !config.qk_norm && !config.qkv_bias;
        let mut names = BTreeMap::new();
        let mut name = |from: String, to: String, heads: Option<usize>| {
            if content.tensor_infos.contains_key(&from) {
                names.insert(to, (from, heads.filter(|_| interleaved)));
            }
        };
        name("token_embd.weight".to_string(), "model.embed_tokens.weight".to_string(), None);
        name("output_norm.weight".to_string(), "model.norm.weight".to_string(), None);
        if !config.tie_word_embeddings {
            name("output.weight".to_string(), "lm_head.weight".to_string(), None);
        }
        for layer in 0..config.num_hidden_layers {
            for (from, to) in BLOCK {
                let heads = match from {
                    "attn_q.weight" => Some(config.num_attention_heads),
                    "attn_k.weight" => Some(config.num_key_value_heads),
                    _ => None,
                };
                name(format!("blk.{layer}.{from}"), format!("model.layers.{layer}.{to}"), heads);
            }
        }
        Ok(GgufFile { config, path: path.to_owned(), file, content, names })
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn raw(&mut self, name: &str) -> Result<(QTensor, Option<usize>)> {
        let problem = || LmError::Tensor { name: name.to_string(), problem: "is missing".to_string() };
        let (from, heads) = self.names.get(name).ok_or_else(problem)?;
        let tensor = self.content.tensor(&mut self.file, from, &Device::Cpu).map_err(LmError::from);
        Ok((tensor.map_err(LmError::within(&self.path))?, *heads))
    }

    /// Unpacked to f32.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let (packed, heads) = self.raw(name)?;
        let tensor = packed.dequantize(&Device::Cpu)?;
        match heads {
            Some(heads) => halves_from_pairs(&tensor, heads),
            None => Ok(tensor),
        }
    }

    /// Matrices [out, in] below one another, in the file's own format where that is one format our products can read.
    pub fn panels(&mut self, names: &[String]) -> Result<Panels> {
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            parts.push(self.raw(name)?);
        }
        let shared = parts.iter().map(|(t, _)| format_of(t.dtype())).reduce(|a, b| if a == b { a } else { None });
        let width = parts.first().map_or(0, |(t, _)| t.shape().dims().last().copied().unwrap_or(0));
        if let Some(format) = shared.flatten()
            && let Some(bytes) = format.bytes(width)
        {
            let data = parts.iter().map(|(t, _)| t.data()).collect::<candle_core::Result<Vec<_>>>()?;
            let mut columns: Vec<&[u8]> = Vec::new();
            for ((_, heads), data) in parts.iter().zip(&data) {
                let rows: Vec<&[u8]> = data.chunks(bytes).collect();
                match heads {
                    Some(heads) => columns.extend(order(rows.len(), *heads).map(|row| rows[row])),
                    None => columns.extend(rows),
                }
            }
            if let Some(panels) = Panels::of_columns(format, width, &columns) {
                return Ok(panels);
            }
        }
        let mut all = Vec::new();
        for name in names {
            all.extend(self.tensor(name)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(Panels::new(&all, width, all.len() / width.max(1), true))
    }
}

fn format_of(dtype: GgmlDType) -> Option<Format> {
    match dtype {
        GgmlDType::F32 => Some(Format::F32),
        GgmlDType::F16 => Some(Format::F16),
        GgmlDType::Q8_0 => Some(Format::Q8),
        GgmlDType::Q4_1 => Some(Format::Q4),
        _ => None,
    }
}

/// Which row of the file stands where: within a head the order (0, 1), (2, 3), ... of neighbouring pairs becomes 0, 2, ..., 1,
/// 3, ..., in which the two halves of a head turn together.
fn order(rows: usize, heads: usize) -> impl Iterator<Item = usize> {
    let dim = rows / heads.max(1);
    let half = (dim / 2).max(1);
    (0..rows).map(move |row| row / dim * dim + row % dim % half * 2 + row % dim / half)
}

/// Rows in the order of [`order`].
fn halves_from_pairs(weight: &Tensor, heads: usize) -> Result<Tensor> {
    let (rows, width) = weight.dims2()?;
    Ok(weight.reshape((heads, rows / heads / 2, 2, width))?.transpose(1, 2)?.contiguous()?.reshape((rows, width))?)
}

fn config(path: &Path, content: &Content) -> Result<LmConfig> {
    let problem = |problem: String| LmError::Format { path: path.to_path_buf(), problem };
    let arch = match content.metadata.get("general.architecture") {
        Some(Value::String(arch)) => arch.clone(),
        _ => return Err(problem("no `general.architecture`".to_string())),
    };
    let (qkv_bias, qk_norm) = match arch.as_str() {
        "llama" => (false, false),
        "qwen2" => (true, false),
        "qwen3" => (false, true),
        other => {
            return Err(LmError::Unsupported {
                what: format!("{}: architecture `{other}`", path.display()),
                hint: "llama, qwen2 and qwen3 files can be read".into(),
            });
        }
    };
    let find = |key: &str| content.metadata.get(&format!("{arch}.{key}"));
    let count = |key: &str| -> Result<usize> {
        let value = find(key).ok_or_else(|| problem(format!("no `{arch}.{key}`")))?;
        Ok(value.to_u32()? as usize)
    };
    let real = |key: &str| find(key).and_then(|v| v.to_f32().ok()).map(shortest);
    if let Some(Value::String(kind)) = find("rope.scaling.type")
        && kind != "none"
    {
        return Err(problem(format!("rotary positions scaled by `{kind}`")));
    }
    if content.tensor_infos.contains_key("rope_freqs.weight") {
        return Err(problem("rotary positions scaled by `rope_freqs.weight`".to_string()));
    }
    let embedding = content.tensor_infos.get("token_embd.weight");
    let rows = embedding.and_then(|t| t.shape.dims().first().copied());
    let num_attention_heads = count("attention.head_count")?;
    let hidden_size = count("embedding_length")?;
    let config = LmConfig {
        vocab_size: rows.ok_or_else(|| problem("no `token_embd.weight`".to_string()))?,
        hidden_size,
        intermediate_size: count("feed_forward_length")?,
        num_hidden_layers: count("block_count")?,
        num_attention_heads,
        num_key_value_heads: count("attention.head_count_kv").unwrap_or(num_attention_heads),
        head_dim: count("attention.key_length").unwrap_or(hidden_size / num_attention_heads.max(1)),
        rms_norm_eps: real("attention.layer_norm_rms_epsilon").unwrap_or(1e-6),
        rope_theta: real("rope.freq_base").unwrap_or(10_000.0),
        tie_word_embeddings: !content.tensor_infos.contains_key("output.weight"),
        qkv_bias,
        qk_norm,
        max_position_embeddings: count("context_length")?,
    };
    config.check()?;
    Ok(config)
}

/// The f64 that prints like this f32: 1e-5 in the file is meant as 1e-5, not as 9.99999974e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_in_the_order_in_which_tensors_are() -> Result<()> {
        let (heads, rows) = (3, 24);
        let weight = Tensor::arange(0u32, rows as u32, &Device::Cpu)?.reshape((rows, 1))?;
        let truth = halves_from_pairs(&weight, heads)?.flatten_all()?.to_vec1::<u32>()?;
        assert_eq!(order(rows, heads).map(|r| r as u32).collect::<Vec<_>>(), truth);
        Ok(())
    }
}
