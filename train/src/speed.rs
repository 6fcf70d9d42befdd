//! How fast a language model decodes and trains on this machine, and how much memory that takes. Weights may be random: the work
//! is the same. Every measurement belongs into a process of its own, since memory is read as the process's peak.

mod device;

pub use device::Agreement;

use crate::adamw::AdamW;
use crate::grpo::Credit;
use crate::learner::{LearnError, Learner};
use crate::lesson::Lesson;
use bedside_env::TokenTrace;
use bedside_lm::{Decoder, HeadOptions, LmConfig, LmError, Model, Trainable, Weights};
use candle_core::{DType, Device, Tensor, Var};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum SpeedError {
    #[error(transparent)]
    Model(#[from] LmError),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    #[error("{what}\nhint: {hint}")]
    Setting { what: String, hint: &'static str },
}

type Result<T> = std::result::Result<T, SpeedError>;

/// What is measured.
pub struct Subject {
    pub model: Source,
    pub device: Device,
    /// F32, or BF16.
    pub dtype: DType,
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Folder(PathBuf),
    Gguf(PathBuf),
    /// Drawn at random in a given shape.
    Random(Box<LmConfig>),
}

impl Source {
    /// `tiny` and `135m` are shapes with random weights; all else is a folder or a GGUF file.
    pub fn named(name: &str) -> Source {
        match name {
            "tiny" => Source::Random(Box::new(tiny())),
            "135m" => Source::Random(Box::new(smollm2_135m())),
            path if path.ends_with(".gguf") => Source::Gguf(path.into()),
            path => Source::Folder(path.into()),
        }
    }

    pub fn weights(&self) -> Result<Weights> {
        Ok(match self {
            Source::Folder(path) => Weights::from_folder(path)?,
            Source::Gguf(path) => Weights::from_gguf(path)?,
            Source::Random(config) => Weights::random((**config).clone(), 1)?,
        })
    }
}

/// A shape of the size that a laptop trains: 0.9 M parameters.
fn tiny() -> LmConfig {
    LmConfig {
        vocab_size: 2048,
        hidden_size: 128,
        intermediate_size: 384,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        qkv_bias: false,
        qk_norm: false,
        max_position_embeddings: 2048,
    }
}

/// The shape of SmolLM2-135M.
fn smollm2_135m() -> LmConfig {
    LmConfig {
        vocab_size: 49_152,
        hidden_size: 576,
        intermediate_size: 1536,
        num_hidden_layers: 30,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        head_dim: 64,
        rope_theta: 100_000.0,
        max_position_embeddings: 8192,
        ..tiny()
    }
}

/// Wall and processor time of some work, and the tokens it was done on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub tokens: usize,
    pub seconds: f64,
    /// Of all threads; `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
}

impl Spent {
    pub fn per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    /// `None` as well where too little was done to be read off the system's clock.
    pub fn per_cpu_second(&self) -> Option<f64> {
        self.cpu_seconds.filter(|s| *s > 0.0).map(|s| self.tokens as f64 / s)
    }

    fn of<T>(device: &Device, tokens: usize, work: impl FnOnce() -> Result<T>) -> Result<(Spent, T)> {
        device.synchronize()?;
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let made = work()?;
        device.synchronize()?;
        let spent = Spent {
            tokens,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds().zip(cpu).map(|(now, then)| now - then),
        };
        Ok((spent, made))
    }
}

/// Reading prompts and writing replies.
pub struct Decoding {
    pub prefill: Spent,
    pub decode: Spent,
    /// Bytes of the weights in memory.
    pub weights: usize,
}

impl Subject {
    fn model(&self, trainable: Trainable) -> Result<Model> {
        Ok(Model::new(&self.model.weights()?, trainable, self.dtype, &self.device, 1)?)
    }

    /// On the CPU a GGUF file is decoded as it is packed.
    fn decoder(&self) -> Result<Decoder> {
        match &self.model {
            Source::Gguf(path) if self.device.is_cpu() && self.dtype == DType::F32 => Ok(Decoder::from_gguf(path)?),
            _ => Ok(self.model(Trainable::Nothing)?.decoder()?),
        }
    }

    /// `rows` prompts of `prompt` tokens, none shared, then `steps` tokens each. Tokens are given, not drawn.
    pub fn decode(&self, rows: usize, prompt: usize, steps: usize) -> Result<Decoding> {
        let decoder = self.decoder()?;
        let (vocab, positions) = (decoder.config.vocab_size, decoder.config.max_position_embeddings);
        if rows == 0 || prompt == 0 || steps == 0 || prompt + steps > positions {
            return Err(SpeedError::Setting {
                what: format!("{rows} rows of {prompt} + {steps} tokens in a model of {positions} positions"),
                hint: "choose each at least 1, and prompt and reply short enough",
            });
        }
        let mut cache = decoder.cache(rows, prompt + steps)?;
        let prompts: Vec<Vec<u32>> = (0..rows).map(|r| tokens(r, prompt, vocab)).collect();
        // The first pages of memory and threads are not what is measured.
        decoder.prefix(&prompts[0][..prompt.min(16)])?;
        let (prefill, _) = Spent::of(&self.device, rows * prompt, || {
            // A part at a time, so that memory does not grow with the number of rows.
            let each = (2048 / prompt).max(1);
            for first in (0..rows).step_by(each) {
                let some = first..rows.min(first + each);
                let feeds: Vec<(usize, &[u32])> = some.map(|r| (r, prompts[r].as_slice())).collect();
                decoder.feed(&mut cache, &feeds)?;
            }
            Ok(())
        })?;
        let (decode, _) = Spent::of(&self.device, rows * steps, || {
            for i in 0..steps {
                let next: Vec<(usize, u32)> = (0..rows).map(|r| (r, ((i * 7 + r) % vocab) as u32)).collect();
                let logits = decoder.step(&mut cache, &next)?;
                // What a sampler waits for.
                logits.narrow(1, 0, 1)?.flatten_all()?.to_vec1::<f32>()?;
            }
            Ok(())
        })?;
        Ok(Decoding { prefill, decode, weights: decoder.bytes() })
    }

    /// `steps` updates (forward, backward, clip, AdamW) on `sequences` of `length` tokens after one that is not counted; all
    /// parameters, or low-rank corrections. The last loss comes along.
    pub fn train(&self, sequences: usize, length: usize, steps: usize, lora: Option<usize>) -> Result<(Spent, f64)> {
        let trainable = match lora {
            Some(rank) => Trainable::Lora { rank, alpha: 2.0 * rank as f64 },
            None => Trainable::All,
        };
        let model = self.model(trainable)?;
        let vocab = model.config.vocab_size;
        let lessons: Vec<Lesson> = (0..sequences)
            .map(|s| {
                let all = tokens(s, length.max(2), vocab);
                let (prompt, ids) = all.split_at(1);
                let turn = TokenTrace {
                    prompt_ids: prompt.to_vec(),
                    ids: ids.to_vec(),
                    log_probs: Vec::new(),
                    mask: vec![1; ids.len()],
                };
                Lesson { turns: vec![turn], credit: Credit::Sequence(1.0), trained: true }
            })
            .collect();
        let mut learner = Learner::new(model, AdamW::default(), Some(1.0));
        learner.batch_tokens = (sequences * length).max(1);
        learner.imitate(&lessons, 1e-5)?;
        Spent::of(&self.device, sequences * length * steps, || {
            let mut loss = f64::NAN;
            for _ in 0..steps {
                loss = learner.imitate(&lessons, 1e-5)?.get("loss").unwrap_or(f64::NAN);
            }
            Ok(loss)
        })
    }

    /// The model with its first block only: the loss stage needs none.
    fn shallow(&self) -> Result<Weights> {
        if let Source::Random(config) = &self.model {
            return Ok(Weights::random(LmConfig { num_hidden_layers: 1, ..(**config).clone() }, 1)?);
        }
        let mut weights = self.model.weights()?;
        weights.config.num_hidden_layers = 1;
        let names: Vec<String> = weights.config.tensors().into_iter().map(|(name, _)| name).collect();
        weights.tensors.retain(|name, _| names.contains(name));
        Ok(weights)
    }

    /// The loss stage alone: log-probabilities of `n` tokens from their hidden states, and back to the gradients of the states
    /// and of the head, with `chunk` rows of logits at a time. Returns what it took and by how many bytes it raised the
    /// process's peak.
    pub fn loss(&self, n: usize, chunk: usize) -> Result<(Spent, Option<usize>)> {
        let model = Model::new(&self.shallow()?, Trainable::All, self.dtype, &self.device, 1)?;
        let (width, vocab) = (model.config.hidden_size, model.config.vocab_size);
        let values: Vec<f32> = (0..n * width).map(|i| ((i * 2_654_435_761 % 1000) as f32 - 500.0) / 250.0).collect();
        let hidden = Var::from_tensor(&Tensor::from_vec(values, (n, width), &self.device)?.to_dtype(self.dtype)?)?;
        let targets = tokens(0, n, vocab);
        let rows: Vec<u32> = (0..n as u32).collect();
        // Forgets the peak of loading, where the system lets us.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS");
        let (spent, _) = Spent::of(&self.device, n, || {
            let options = HeadOptions { chunk, ..HeadOptions::default() };
            let loss = model.log_probs(&hidden, &rows, &targets, options)?.log_probs.mean_all()?.neg()?;
            loss.backward()?;
            Ok(())
        })?;
        Ok((spent, memory("VmHWM").zip(before).map(|(peak, before)| peak.saturating_sub(before))))
    }

    /// How well the sampler's probabilities agree with the trainer's: over `rows` replies of `steps` tokens, the mean of
    /// exp |log p(sampler) - log p(trainer)| of each token. 1 is exact.
    pub fn agreement(&self, rows: usize, steps: usize) -> Result<f64> {
        let model = self.model(Trainable::Nothing)?;
        let decoder = model.decoder()?;
        let vocab = model.config.vocab_size;
        let mut cache = decoder.cache(rows, steps + 1)?;
        let (mut batch, mut sampled) = (bedside_lm::Packed::default(), Vec::new());
        let all: Vec<Vec<u32>> = (0..rows).map(|r| tokens(r, steps + 1, vocab)).collect();
        for i in 0..steps {
            let next: Vec<(usize, u32)> = all.iter().enumerate().map(|(r, t)| (r, t[i])).collect();
            let logits = decoder.step(&mut cache, &next)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
            for (row, t) in logits.to_vec2::<f32>()?.iter().zip(&all) {
                let largest = row.iter().fold(f64::MIN, |m, x| m.max(f64::from(*x)));
                let sum: f64 = row.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
                sampled.push(f64::from(row[t[i + 1] as usize]) - largest - sum.ln());
            }
        }
        all.iter().for_each(|t| batch.push(t));
        let p = batch.predictions()?;
        let out = model.log_probs(&model.hidden(&batch)?, &p.rows, &p.targets, HeadOptions::default())?;
        let trained = out.log_probs.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        // The trainer goes row by row, the sampler step by step.
        let factor = |(i, t): (usize, &f64)| (sampled[i % steps * rows + i / steps] - t).abs().exp();
        Ok(trained.iter().enumerate().map(factor).sum::<f64>() / trained.len().max(1) as f64)
    }
}

/// Tokens without a pattern that a cache could profit from.
fn tokens(stream: usize, n: usize, vocab: usize) -> Vec<u32> {
    (0..n).map(|i| (((i * 31 + stream * 97 + 7) * 2_654_435_761) % vocab) as u32).collect()
}

/// A line of the process's memory in bytes: `VmRSS` now, `VmHWM` at its highest. `None` where the system does not tell.
pub fn memory(line: &str) -> Option<usize> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    found.trim().split(' ').next()?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Processor seconds of all threads so far, in the system's ticks of a hundredth.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name stands in parentheses and may hold anything; after it, fields 14 and 15 of all are user and system time.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiny_model_is_measured_in_every_way() -> Result<()> {
        let subject = Subject { model: Source::named("tiny"), device: Device::Cpu, dtype: DType::F32 };
        let d = subject.decode(3, 20, 5)?;
        assert_eq!((d.prefill.tokens, d.decode.tokens), (60, 15));
        assert!(d.decode.per_second() > 0.0 && d.weights > 4 * 500_000);
        let (spent, loss) = subject.train(2, 24, 1, Some(4))?;
        assert!(spent.tokens == 48 && (loss - (2048f64).ln()).abs() < 0.5, "{loss}");
        assert!(subject.train(2, 24, 1, None)?.1 <= loss + 0.1);
        assert_eq!(subject.loss(64, 16)?.0.tokens, 64);
        let factor = subject.agreement(3, 9)?;
        assert!((1.0..1.0001).contains(&factor), "{factor}");
        assert!(subject.decode(1, 2000, 100).is_err(), "more tokens than positions");
        Ok(())
    }

    #[test]
    fn the_system_tells_time_and_memory() {
        if cfg!(target_os = "linux") {
            let (now, peak) = (memory("VmRSS"), memory("VmHWM"));
            assert!(now > Some(100_000) && peak >= now.map(|n| n / 2));
            assert!(cpu_seconds().is_some_and(|s| s < 1e6));
        }
        assert_eq!(memory("NoSuchLine"), None);
    }
}
