//! The doctor as an ONNX model: a causal language model exported without a cache, run by ONNX Runtime. It decides like any other
//! language model, through [`bedside_lm::LmPolicy`]; only where logits come from differs.
//!
//! ONNX Runtime is a library of its own, loaded when it is first wanted: from [`LIBRARY`], the path of `libonnxruntime.so` as the
//! package `onnxruntime` of PyPI carries it. A build needs neither it nor a network.

#![forbid(unsafe_code)]

mod rows;
mod runtime;

pub use rows::OnnxRows;
pub use runtime::{LIBRARY, OnnxError};

use bedside_lm::{ChatTemplate, LmPolicy, LmPolicyConfig, Sampling, Tokenizer};
use std::path::Path;
use std::sync::Arc;

/// The model's file within its folder.
pub const MODEL: &str = "model.onnx";

/// What a doctor is told beside its own files.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Consultations under way at once; the model is run for one after the other.
    pub rows: usize,
    /// Replaces how the model samples.
    pub sampling: Option<Sampling>,
    /// Tokens of one reply at most, in place of its own limit.
    pub max_new_tokens: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { rows: 32, sampling: None, max_new_tokens: None }
    }
}

/// Whether a folder holds an ONNX model.
pub fn is_model(folder: &Path) -> bool {
    folder.join(MODEL).is_file()
}

/// A doctor from a folder: `model.onnx`, `tokenizer.json`, `config.json` (of which `max_position_embeddings` is read), a chat
/// template and `bedside.json` if there are any.
pub fn doctor(folder: &Path, settings: Settings) -> Result<LmPolicy<OnnxRows>, OnnxError> {
    let file = |name: &str| -> Result<Option<Vec<u8>>, OnnxError> {
        let path = folder.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(OnnxError::file(path, e, "check that it can be read")),
        }
    };
    let positions = match file("config.json")? {
        Some(bytes) => {
            let value: serde_json::Value = serde_json::from_slice(&bytes)
                .map_err(|e| OnnxError::file(folder.join("config.json"), e, "it must be JSON"))?;
            value["max_position_embeddings"].as_u64().map(|n| n as usize)
        }
        None => None,
    };
    let hint = "write config.json with max_position_embeddings beside the model";
    let positions =
        positions.ok_or_else(|| OnnxError::file(folder.join("config.json"), "no number of positions", hint))?;
    let mut config = match file("bedside.json")? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
            let hint = "it must hold prompt, sampling, max_new_tokens, stop and force_conclusion";
            OnnxError::file(folder.join("bedside.json"), e, hint)
        })?,
        None => LmPolicyConfig::full(),
    };
    config.sampling = settings.sampling.unwrap_or(config.sampling);
    config.max_new_tokens = settings.max_new_tokens.unwrap_or(config.max_new_tokens);
    let rows = OnnxRows::load(&folder.join(MODEL), settings.rows, positions)?;
    let (tokenizer, chat) = (Tokenizer::from_folder(folder)?, ChatTemplate::from_folder(folder)?);
    Ok(LmPolicy::new(name(folder)?, rows, Arc::new(tokenizer), Arc::new(chat), config)?)
}

/// The folder's name with the start of the model's hash: what stands in logs.
fn name(folder: &Path) -> Result<String, OnnxError> {
    let path = folder.join(MODEL);
    let bytes = std::fs::read(&path).map_err(|e| OnnxError::file(path, e, "check that it can be read"))?;
    let print = blake3::hash(&bytes).to_hex();
    let name = folder.canonicalize().ok().and_then(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
    Ok(format!("{}@{}", name.unwrap_or_else(|| "onnx".to_owned()), &print[..8]))
}
