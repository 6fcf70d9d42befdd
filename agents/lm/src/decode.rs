//! Sampling's side of the model: one token a row at a time, from a cache.

use crate::cache::{Cache, Prefix};
use crate::config::LmConfig;
use crate::error::Result;
use candle_core::Tensor;
use std::sync::Arc;

/// A frozen snapshot of a model's weights.
pub struct Decoder {
    pub config: LmConfig,
}

impl Decoder {
    pub(crate) fn new(
        _config: &LmConfig,
        _tensors: std::collections::BTreeMap<String, Tensor>,
        _dtype: candle_core::DType,
        _device: &candle_core::Device,
    ) -> Result<Decoder> {
        todo!()
    }

    pub fn cache(&self, _rows: usize, _capacity: usize) -> Result<Cache> {
        todo!()
    }

    /// Computes a prefix once, to be shared by the rows of a group.
    pub fn prefix(&self, _tokens: &[u32]) -> Result<Arc<Prefix>> {
        todo!()
    }

    /// Appends tokens to rows, ragged: `(row, tokens)`. Returns the logits [feeds, vocab] (f32) after the last token of each.
    pub fn feed(&self, _cache: &mut Cache, _feeds: &[(usize, &[u32])]) -> Result<Tensor> {
        todo!()
    }

    /// One token to each of these rows: `feed` in its most frequent shape.
    pub fn step(&self, cache: &mut Cache, tokens: &[(usize, u32)]) -> Result<Tensor> {
        let feeds: Vec<(usize, &[u32])> =
            tokens.iter().map(|(row, token)| (*row, std::slice::from_ref(token))).collect();
        self.feed(cache, &feeds)
    }
}
