//! The shape of a model, in HuggingFace's words.

use crate::error::{LmError, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Decoder-only transformer of the Llama family: RMS norms before each half of a block, rotary positions, grouped-query
/// attention, a gated SiLU feed-forward. What sets the families apart are two switches: Qwen2 adds a bias to the query, key
/// and value projections, Qwen3 normalises queries and keys per head.
#[derive(Clone, Debug, PartialEq)]
pub struct LmConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Divides `num_attention_heads`; each key/value head serves that many query heads.
    pub num_key_value_heads: usize,
    /// Even. Need not be `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    pub rms_norm_eps: f64,
    pub rope_theta: f64,
    /// The vocabulary head is the embedding matrix.
    pub tie_word_embeddings: bool,
    pub qkv_bias: bool,
    pub qk_norm: bool,
    /// Positions are `0..max_position_embeddings`.
    pub max_position_embeddings: usize,
}

impl LmConfig {
    /// Reads a `config.json`. What the model code cannot compute faithfully (another activation, rescaled rotary positions,
    /// sliding windows) is refused by name.
    pub fn from_json(text: &str) -> Result<LmConfig> {
        let v: Value = serde_json::from_str(text).map_err(|e| unsupported(format!("config.json: {e}")))?;
        let count = |key: &str| {
            v[key].as_u64().map(|n| n as usize).ok_or_else(|| unsupported(format!("config.json: `{key}` is missing")))
        };
        let family = v["model_type"].as_str().unwrap_or("llama");
        let (qkv_bias, qk_norm) = match family {
            "llama" => (false, false),
            "qwen2" => (true, false),
            "qwen3" => (false, true),
            other => return Err(unsupported(format!("model_type `{other}`"))),
        };
        let act = v["hidden_act"].as_str().unwrap_or("silu");
        if act != "silu" {
            return Err(unsupported(format!("hidden_act `{act}`")));
        }
        for key in ["attention_bias", "mlp_bias", "use_sliding_window"] {
            if v[key].as_bool() == Some(true) {
                return Err(unsupported(format!("config.json: `{key}`: true")));
            }
        }
        // `rope_scaling` until transformers 4, `rope_parameters` after.
        for key in ["rope_scaling", "rope_parameters"] {
            let kind = v[key]["rope_type"].as_str().or(v[key]["type"].as_str()).unwrap_or("default");
            if kind != "default" {
                return Err(unsupported(format!("rotary positions of kind `{kind}`")));
            }
        }
        let num_attention_heads = count("num_attention_heads")?;
        let hidden_size = count("hidden_size")?;
        let config = LmConfig {
            vocab_size: count("vocab_size")?,
            hidden_size,
            intermediate_size: count("intermediate_size")?,
            num_hidden_layers: count("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: count("num_key_value_heads").unwrap_or(num_attention_heads),
            head_dim: count("head_dim").unwrap_or(hidden_size / num_attention_heads.max(1)),
            rms_norm_eps: v["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            rope_theta: v["rope_theta"].as_f64().or(v["rope_parameters"]["rope_theta"].as_f64()).unwrap_or(10_000.0),
            tie_word_embeddings: v["tie_word_embeddings"].as_bool().unwrap_or(false),
            qkv_bias,
            qk_norm,
            max_position_embeddings: count("max_position_embeddings")?,
        };
        config.check()?;
        Ok(config)
    }

    pub fn from_file(path: &Path) -> Result<LmConfig> {
        let text = std::fs::read_to_string(path).map_err(LmError::io(path))?;
        LmConfig::from_json(&text).map_err(|e| match e {
            LmError::Unsupported { what, hint } => {
                let what = what.strip_prefix("config.json: ").unwrap_or(&what);
                LmError::Unsupported { what: format!("{}: {what}", path.display()), hint }
            }
            e => LmError::within(path)(e),
        })
    }

    /// `config.json` as transformers reads it.
    pub fn to_json(&self) -> Value {
        let (model_type, architecture) = match (self.qk_norm, self.qkv_bias) {
            (true, _) => ("qwen3", "Qwen3ForCausalLM"),
            (false, true) => ("qwen2", "Qwen2ForCausalLM"),
            (false, false) => ("llama", "LlamaForCausalLM"),
        };
        json!({
            "architectures": [architecture],
            "model_type": model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tie_word_embeddings,
            "max_position_embeddings": self.max_position_embeddings,
            "torch_dtype": "float32",
        })
    }

    /// Refuses shapes that no model can have.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, n)| *n == 0) {
            return Err(unsupported(format!("`{name}` is 0")));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(unsupported(format!(
                "{} query heads cannot share {} key/value heads",
                self.num_attention_heads, self.num_key_value_heads
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(unsupported(format!("head_dim {} is odd; rotary positions turn pairs", self.head_dim)));
        }
        if self.qkv_bias && self.qk_norm {
            return Err(unsupported("both a q/k/v bias and q/k norms".to_string()));
        }
        Ok(())
    }

    /// Query heads per key/value head.
    pub fn group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    /// Every tensor of such a model, HuggingFace name and shape, sorted by name.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (h, d, ff) = (self.hidden_size, self.head_dim, self.intermediate_size);
        let (q, kv) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let mut all = vec![
            ("model.embed_tokens.weight".to_string(), vec![self.vocab_size, h]),
            ("model.norm.weight".to_string(), vec![h]),
        ];
        if !self.tie_word_embeddings {
            all.push(("lm_head.weight".to_string(), vec![self.vocab_size, h]));
        }
        for layer in 0..self.num_hidden_layers {
            let mut add =
                |name: &str, shape: &[usize]| all.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
            add("input_layernorm.weight", &[h]);
            add("post_attention_layernorm.weight", &[h]);
            for (name, rows) in [("q", q), ("k", kv), ("v", kv)] {
                add(&format!("self_attn.{name}_proj.weight"), &[rows, h]);
                if self.qkv_bias {
                    add(&format!("self_attn.{name}_proj.bias"), &[rows]);
                }
            }
            if self.qk_norm {
                add("self_attn.q_norm.weight", &[d]);
                add("self_attn.k_norm.weight", &[d]);
            }
            add("self_attn.o_proj.weight", &[h, q]);
            add("mlp.gate_proj.weight", &[ff, h]);
            add("mlp.up_proj.weight", &[ff, h]);
            add("mlp.down_proj.weight", &[h, ff]);
        }
        all.sort();
        all
    }

    /// Trained numbers, a tied head counted once.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

fn unsupported(what: String) -> LmError {
    LmError::Unsupported {
        what,
        hint: "llama, qwen2 and qwen3 models with plain rotary positions can be loaded".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOL: &str = r#"{"model_type":"llama","vocab_size":49152,"hidden_size":576,"intermediate_size":1536,
        "num_hidden_layers":30,"num_attention_heads":9,"num_key_value_heads":3,"rms_norm_eps":1e-5,"rope_theta":100000,
        "tie_word_embeddings":true,"max_position_embeddings":8192,"hidden_act":"silu","attention_bias":false}"#;

    #[test]
    fn a_135m_llama_has_the_parameters_it_is_named_after() {
        let config = LmConfig::from_json(SMOL).unwrap();
        assert_eq!(config.head_dim, 64);
        assert_eq!(config.group(), 3);
        assert_eq!(config.parameters(), 134_515_008);
    }

    #[test]
    fn a_config_survives_writing_and_reading() {
        for (qkv_bias, qk_norm) in [(false, false), (true, false), (false, true)] {
            let config = LmConfig { qkv_bias, qk_norm, head_dim: 32, ..LmConfig::from_json(SMOL).unwrap() };
            assert_eq!(LmConfig::from_json(&config.to_json().to_string()).unwrap(), config);
        }
    }

    #[test]
    fn what_would_be_computed_wrongly_is_refused_by_name() {
        for (from, to, named) in [
            ("\"silu\"", "\"gelu\"", "gelu"),
            ("\"attention_bias\":false", "\"attention_bias\":true", "attention_bias"),
            ("\"attention_bias\":false", "\"rope_scaling\":{\"rope_type\":\"llama3\"}", "llama3"),
            ("\"llama\"", "\"gemma\"", "gemma"),
            ("\"num_key_value_heads\":3", "\"num_key_value_heads\":4", "cannot share"),
            ("\"vocab_size\":49152", "\"vocab_size\":0", "vocab_size"),
        ] {
            let error = LmConfig::from_json(&SMOL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
