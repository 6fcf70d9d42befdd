//! Weights by their HuggingFace names: from a folder, from GGUF, or drawn at random; and back to a folder.

use crate::config::LmConfig;
use crate::error::{LmError, Result};
use candle_core::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Tensors on the CPU, in the file's number format. Exactly the names and shapes of [`LmConfig::tensors`].
#[derive(Clone, Debug)]
pub struct Weights {
    pub config: LmConfig,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Standard deviation of freshly drawn matrices, as HuggingFace draws them.
const INIT_STD: f64 = 0.02;

impl Weights {
    /// A HuggingFace folder: `config.json` with `model.safetensors`, or with shards named by `model.safetensors.index.json`.
    pub fn from_folder(folder: &Path) -> Result<Weights> {
        let inside = folder.join("policy");
        if !folder.join("config.json").exists() && inside.join("config.json").is_file() {
            return Err(LmError::Unsupported {
                what: format!("{} is a run; its policy is {}", folder.display(), inside.display()),
                hint: format!("name {}", inside.display()),
            });
        }
        let config = LmConfig::from_file(&folder.join("config.json"))?;
        let mut tensors = BTreeMap::new();
        for file in shards(folder)? {
            if !file.exists() {
                return Err(LmError::io(file)(std::io::ErrorKind::NotFound.into()));
            }
            let read = candle_core::safetensors::load(&file, &Device::Cpu).map_err(LmError::from);
            tensors.extend(read.map_err(LmError::within(&file))?);
        }
        Weights { config, tensors }.checked().map_err(LmError::within(folder))
    }

    /// The same from files in memory: one `config.json` and one `model.safetensors`.
    pub fn from_bytes(config: &str, safetensors: &[u8]) -> Result<Weights> {
        let config = LmConfig::from_json(config)?;
        let tensors = candle_core::safetensors::load_buffer(safetensors, &Device::Cpu)?.into_iter().collect();
        Weights { config, tensors }.checked()
    }

    /// Llama, Qwen2 and Qwen3 in GGUF, dequantised to f32. The tokenizer in the same file is read by the tokens module.
    pub fn from_gguf(path: &Path) -> Result<Weights> {
        crate::gguf::read(path)
    }

    /// Normal matrices of standard deviation 0.02, norms 1, biases 0, all f32. A draw depends on the seed and on the tensor's
    /// place in the sorted list of names alone.
    pub fn random(config: LmConfig, seed: u64) -> Result<Weights> {
        config.check()?;
        let mut tensors = BTreeMap::new();
        for (stream, (name, shape)) in config.tensors().into_iter().enumerate() {
            let n = shape.iter().product();
            let values = match () {
                _ if name.ends_with("norm.weight") => vec![1.0; n],
                _ if name.ends_with(".bias") => vec![0.0; n],
                _ => normal(seed, stream as u64, n, INIT_STD),
            };
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(Weights { config, tensors })
    }

    /// Writes `config.json` and `model.safetensors`, as transformers reads them. A file half written is never in place.
    pub fn save_folder(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(LmError::io(folder))?;
        let file = folder.join("model.safetensors");
        let part = folder.join("model.safetensors.part");
        // transformers refuses a file that does not say which framework wrote it.
        let about = HashMap::from([("format".to_string(), "pt".to_string())]);
        safetensors::serialize_to_file(self.tensors.iter().map(|(n, t)| (n.as_str(), t)), Some(about), &part)
            .map_err(|e| LmError::Format { path: part.clone(), problem: e.to_string() })?;
        std::fs::rename(&part, &file).map_err(LmError::io(&file))?;
        let config = folder.join("config.json");
        std::fs::write(&config, format!("{:#}\n", self.config.to_json())).map_err(LmError::io(&config))
    }

    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| LmError::Tensor { name: name.to_string(), problem: "is missing".to_string() })
    }

    /// Everything in this number format.
    pub fn to_dtype(&self, dtype: DType) -> Result<Weights> {
        let tensors = self.tensors.iter().map(|(n, t)| Ok((n.clone(), t.to_dtype(dtype)?))).collect::<Result<_>>()?;
        Ok(Weights { config: self.config.clone(), tensors })
    }

    /// Keeps the tensors the configuration names, and insists that each is there with its shape. A tied head that the file
    /// repeats is dropped, an untied one is not optional.
    pub(crate) fn checked(mut self) -> Result<Weights> {
        let mut kept = BTreeMap::new();
        for (name, shape) in self.config.tensors() {
            let Some(tensor) = self.tensors.remove(&name) else {
                return Err(LmError::Tensor { name, problem: "is missing".to_string() });
            };
            if tensor.dims() != shape {
                return Err(LmError::Tensor { name, problem: format!("has shape {:?}, not {shape:?}", tensor.dims()) });
            }
            kept.insert(name, tensor);
        }
        Ok(Weights { config: self.config, tensors: kept })
    }
}

fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let text = std::fs::read_to_string(&index).map_err(LmError::io(&index))?;
    let problem = |problem: String| LmError::Format { path: index.clone(), problem };
    let v: serde_json::Value = serde_json::from_str(&text).map_err(|e| problem(e.to_string()))?;
    let map = v["weight_map"].as_object().ok_or_else(|| problem("no `weight_map`".to_string()))?;
    let files: std::collections::BTreeSet<&str> = map.values().filter_map(|f| f.as_str()).collect();
    // A shard is a plain name beside the index, nothing that could lead elsewhere.
    if let Some(odd) = files.iter().find(|f| f.contains(['/', '\\']) || f.starts_with('.')) {
        return Err(problem(format!("shard `{odd}` is not a file name")));
    }
    Ok(files.into_iter().map(|f| folder.join(f)).collect())
}

/// `n` normal draws by Box and Muller from a stream of its own; the same on every platform.
pub(crate) fn normal(seed: u64, stream: u64, n: usize, std: f64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut unit = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut out = Vec::with_capacity(n + 1);
    while out.len() < n {
        let (u, v) = (1.0 - unit(), unit());
        let radius = std * libm::sqrt(-2.0 * libm::log(u));
        let angle = 2.0 * std::f64::consts::PI * v;
        out.push((radius * libm::cos(angle)) as f32);
        out.push((radius * libm::sin(angle)) as f32);
    }
    out.truncate(n);
    out
}
