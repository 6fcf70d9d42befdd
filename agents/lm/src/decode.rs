//! Sampling's side of the model: tokens go into rows of a cache, logits come out, for the rows that were fed.

use crate::cache::{Cache, Kept, Prefix, Row, RowStore, Store};
use crate::config::LmConfig;
use crate::decode_slices::{SliceDecoder, Source};
use crate::decode_tensors::{TensorDecoder, TensorStore};
use crate::error::{LmError, Result};
use crate::gguf::GgufFile;
use crate::recall::alike;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A frozen snapshot of a model's weights.
///
/// In f32 on the CPU a row's logits have the same bits whatever rows are fed beside it, however its tokens are cut into feeds,
/// and whether its beginning is shared: the same seeds sample the same tokens at any batch size.
pub struct Decoder {
    pub config: LmConfig,
    engine: Engine,
}

enum Engine {
    /// f32 on the CPU.
    Slices(SliceDecoder),
    /// Any device and number format.
    Tensors(TensorDecoder),
}

/// New tokens of one pass over prompts, about: more would take memory and gain nothing.
const PASS: usize = 2048;

/// Tokens that go into a row.
pub(crate) struct Feed<'a> {
    pub row: usize,
    /// Tokens before these that are shared, and that are the row's own.
    pub before: usize,
    pub own: usize,
    pub tokens: &'a [u32],
}

impl Decoder {
    pub(crate) fn new(
        config: &LmConfig,
        tensors: BTreeMap<String, Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Decoder> {
        let engine = match (dtype, device) {
            (DType::F32, Device::Cpu) => Engine::Slices(SliceDecoder::new(config, Source::Tensors(tensors))?),
            _ => Engine::Tensors(TensorDecoder::new(config, tensors, dtype, device)?),
        };
        Ok(Decoder { config: config.clone(), engine })
    }

    /// From a GGUF file, on the CPU, without unpacking it: matrices in F16, Q8_0 and Q4_1 stay in their format in memory and are
    /// widened to f32 where they are used. Logits have the bits of a decoder of [`Weights::from_gguf`]; no activation is
    /// quantised.
    ///
    /// [`Weights::from_gguf`]: crate::Weights::from_gguf
    pub fn from_gguf(path: &Path) -> Result<Decoder> {
        let file = GgufFile::open(path)?;
        let config = file.config.clone();
        Ok(Decoder { engine: Engine::Slices(SliceDecoder::new(&config, Source::Gguf(Box::new(file)))?), config })
    }

    /// Bytes that the weights' matrices take in memory.
    pub fn bytes(&self) -> usize {
        match &self.engine {
            Engine::Slices(decoder) => decoder.bytes(),
            Engine::Tensors(decoder) => decoder.bytes(),
        }
    }

    /// The engine for other devices, wherever the tensors are.
    #[cfg(test)]
    pub(crate) fn of_tensors(config: &LmConfig, tensors: BTreeMap<String, Tensor>, dtype: DType) -> Result<Decoder> {
        let engine = Engine::Tensors(TensorDecoder::new(config, tensors, dtype, &Device::Cpu)?);
        Ok(Decoder { config: config.clone(), engine })
    }

    /// Room for `rows` sequences of `capacity` tokens each beyond what they share.
    pub fn cache(&self, rows: usize, capacity: usize) -> Result<Cache> {
        let c = &self.config;
        let store = match &self.engine {
            Engine::Slices(_) => Store::Slices(
                (0..rows)
                    .map(|_| RowStore::new(c.num_hidden_layers, c.num_key_value_heads, c.head_dim, capacity))
                    .collect(),
            ),
            Engine::Tensors(decoder) => Store::Tensors(TensorStore::new(c, rows, capacity, decoder)?),
        };
        Ok(Cache { rows: (0..rows).map(|_| Row::default()).collect(), capacity, store })
    }

    /// Computes a prefix once, to be shared by the rows of a group.
    pub fn prefix(&self, tokens: &[u32]) -> Result<Arc<Prefix>> {
        let mut cache = self.cache(1, tokens.len())?;
        let logits = self.feed(&mut cache, &[(0, tokens)])?.squeeze(0)?.to_vec1::<f32>()?;
        let kept = match cache.store {
            Store::Slices(mut rows) => match rows.pop() {
                Some(row) => Kept::Slices(row),
                None => return Err(LmError::misuse("a cache without rows")),
            },
            Store::Tensors(store) => Kept::Tensors(store.row(0, tokens.len())?),
        };
        Ok(Arc::new(Prefix { tokens: tokens.to_vec(), logits, kept }))
    }

    /// Computes several prefixes in as few passes as memory allows. What one has in common with a known prefix is copied from
    /// there: on the CPU in f32 its numbers are those that would be computed.
    pub(crate) fn prefixes(&self, prompts: &[(&[u32], Option<&Arc<Prefix>>)]) -> Result<Vec<Arc<Prefix>>> {
        if let Engine::Tensors(_) = &self.engine {
            return prompts.iter().map(|(tokens, _)| self.prefix(tokens)).collect();
        }
        let c = &self.config;
        let mut out = Vec::with_capacity(prompts.len());
        let mut rest = prompts;
        while !rest.is_empty() {
            let mut stores = Vec::new();
            let (mut rows, mut feeds) = (Vec::new(), Vec::new());
            let (mut fresh, mut longest) = (0, 0);
            for (tokens, known) in rest {
                if fresh > PASS {
                    break;
                }
                let mut store = RowStore::new(c.num_hidden_layers, c.num_key_value_heads, c.head_dim, tokens.len());
                // The last token is always computed, for its logits.
                let mut own = 0;
                if let Some((known, Kept::Slices(from))) = known.map(|k| (k, &k.kept)) {
                    own = alike(known.tokens(), tokens).min(tokens.len().saturating_sub(1));
                    store.copy(from, own);
                }
                feeds.push((rows.len(), &tokens[own..]));
                (fresh, longest) = (fresh + tokens.len() - own, longest.max(tokens.len()));
                rows.push(Row { prefix: None, own });
                stores.push(store);
            }
            let (now, later) = rest.split_at(rows.len());
            let mut cache = Cache { rows, capacity: longest, store: Store::Slices(stores) };
            let logits = self.feed(&mut cache, &feeds)?.to_vec2::<f32>()?;
            let Store::Slices(stores) = cache.store else { return Err(LmError::misuse("a cache of another kind")) };
            for (((tokens, _), logits), store) in now.iter().zip(logits).zip(stores) {
                out.push(Arc::new(Prefix { tokens: tokens.to_vec(), logits, kept: Kept::Slices(store) }));
            }
            rest = later;
        }
        Ok(out)
    }

    /// Appends tokens to rows, ragged: `(row, tokens)`, each row at most once. Returns the logits [feeds, vocab] (f32) after
    /// the last token of each. Rows that are not named stay as they are.
    pub fn feed(&self, cache: &mut Cache, feeds: &[(usize, &[u32])]) -> Result<Tensor> {
        let feeds = self.checked(cache, feeds)?;
        let logits = match (&self.engine, &mut cache.store) {
            (Engine::Slices(decoder), Store::Slices(rows)) => decoder.feed(&cache.rows, rows, &feeds)?,
            (Engine::Tensors(decoder), Store::Tensors(store)) => decoder.feed(store, &feeds)?,
            _ => return Err(LmError::misuse("a cache of another kind of decoder")),
        };
        for feed in &feeds {
            cache.rows[feed.row].own += feed.tokens.len();
        }
        Ok(logits)
    }

    /// One token to each of these rows: [`Decoder::feed`] in its most frequent shape.
    pub fn step(&self, cache: &mut Cache, tokens: &[(usize, u32)]) -> Result<Tensor> {
        let feeds: Vec<(usize, &[u32])> =
            tokens.iter().map(|(row, token)| (*row, std::slice::from_ref(token))).collect();
        self.feed(cache, &feeds)
    }

    fn checked<'a>(&self, cache: &Cache, feeds: &[(usize, &'a [u32])]) -> Result<Vec<Feed<'a>>> {
        let mut named = vec![false; cache.rows()];
        let mut out = Vec::with_capacity(feeds.len());
        if feeds.is_empty() {
            return Err(LmError::misuse("no rows to feed"));
        }
        for (row, tokens) in feeds {
            let Some(held) = cache.rows.get(*row) else {
                return Err(LmError::misuse(format!("row {row} of a cache of {}", cache.rows())));
            };
            if std::mem::replace(&mut named[*row], true) {
                return Err(LmError::misuse(format!("row {row} fed twice in one call")));
            }
            if tokens.is_empty() || tokens.len() > cache.room(*row) {
                let room = cache.room(*row);
                return Err(LmError::misuse(format!(
                    "{} tokens for row {row}, which has room for {room}",
                    tokens.len()
                )));
            }
            let end = cache.len(*row) + tokens.len();
            if end > self.config.max_position_embeddings {
                return Err(LmError::misuse(format!(
                    "row {row} would have {end} tokens; the model has {} positions",
                    self.config.max_position_embeddings
                )));
            }
            if let Some(token) = tokens.iter().find(|t| **t as usize >= self.config.vocab_size) {
                return Err(LmError::misuse(format!("token {token} in a vocabulary of {}", self.config.vocab_size)));
            }
            out.push(Feed { row: *row, before: held.before(), own: held.own, tokens });
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::as_elsewhere;
    use crate::testing::{lively, tiny};

    #[test]
    fn the_engine_for_other_devices_agrees_with_the_one_for_slices() -> Result<()> {
        for family in ["llama", "qwen2", "qwen3", "untied"] {
            let weights = lively(tiny(family), 5)?;
            let config = &weights.config;
            let slices = Decoder::new(config, weights.tensors.clone(), DType::F32, &Device::Cpu)?;
            let play = |decoder: &Decoder| -> Result<Vec<Tensor>> {
                let prefix = decoder.prefix(&[1, 2, 3, 4, 5])?;
                let mut cache = decoder.cache(4, 40)?;
                cache.start(2, Some(prefix.clone()))?;
                cache.start(0, Some(prefix))?;
                cache.start(3, None)?;
                let long: Vec<u32> = (0..30).map(|i| i * 7 % 23).collect();
                let mut out = vec![decoder.feed(&mut cache, &[(2, &[6, 7]), (3, &long), (0, &[8])])?];
                out.push(decoder.step(&mut cache, &[(0, 9), (3, 1)])?);
                cache.free(3);
                cache.start(3, None)?;
                out.push(decoder.step(&mut cache, &[(0, 3), (1, 2), (2, 1), (3, 4)])?);
                cache.truncate(2, 6);
                assert_eq!((cache.len(2), cache.room(2)), (6, 39));
                out.push(decoder.step(&mut cache, &[(2, 7), (0, 2)])?);
                Ok(out)
            };
            let truth = play(&slices)?;
            for (dtype, within) in [(DType::F32, 1e-4), (DType::F64, 1e-4), (DType::BF16, 0.5)] {
                let tensors = Decoder::of_tensors(config, weights.tensors.clone(), dtype)?;
                for elsewhere in [false, true] {
                    let ours = if elsewhere { as_elsewhere(|| play(&tensors))? } else { play(&tensors)? };
                    for (a, b) in truth.iter().zip(ours) {
                        let gap = (a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                        assert!(gap < within, "{family} {dtype:?} {elsewhere}: {gap}");
                    }
                }
            }
        }
        Ok(())
    }
}
