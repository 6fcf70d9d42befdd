//! A decoder with a cache, as the sampler's loop wants it.

use crate::cache::{Cache, Prefix};
use crate::decode::Decoder;
use crate::error::Result;
use crate::generate::{Decode, DecodeError, Start};
use crate::recall::Recall;
use candle_core::{DType, Tensor};
use std::sync::Arc;

/// A frozen model and the rows it decodes in.
///
/// Every prompt goes through a shared prefix, also one that a single row asks for: whether a request has company must not change
/// the order in which its numbers are added.
pub struct Rows {
    decoder: Decoder,
    cache: Cache,
    room: usize,
    recall: Recall,
}

impl Rows {
    /// `rows` replies under way at once, each of up to `room` tokens beyond its prompt.
    pub fn new(decoder: Decoder, rows: usize, room: usize) -> Result<Rows> {
        let cache = decoder.cache(rows, room)?;
        Ok(Rows { decoder, cache, room, recall: Recall::default() })
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Goes on with other weights of the same shape, as after an update of the policy. No row may be under way.
    pub fn replace(&mut self, decoder: Decoder) -> Result<()> {
        self.cache = decoder.cache(self.cache.rows(), self.room)?;
        self.decoder = decoder;
        self.recall.clear();
        Ok(())
    }
}

impl Decode for Rows {
    fn rows(&self) -> usize {
        self.cache.rows()
    }

    fn room(&self) -> usize {
        self.room
    }

    fn positions(&self) -> usize {
        self.decoder.config.max_position_embeddings
    }

    fn start(&mut self, prompts: &[Start<'_>]) -> std::result::Result<Vec<Vec<f32>>, DecodeError> {
        let mut logits = Vec::with_capacity(prompts.len());
        let known: Vec<Option<Arc<Prefix>>> = prompts.iter().map(|s| self.recall.best(s.prompt)).collect();
        let asked: Vec<(&[u32], Option<&Arc<Prefix>>)> =
            prompts.iter().zip(&known).map(|(s, known)| (s.prompt, known.as_ref())).collect();
        for (start, prefix) in prompts.iter().zip(self.decoder.prefixes(&asked)?) {
            self.recall.keep(&prefix);
            for row in &start.rows {
                self.cache.start(*row, Some(Arc::clone(&prefix)))?;
            }
            logits.push(prefix.logits().to_vec());
        }
        Ok(logits)
    }

    fn step(&mut self, tokens: &[(usize, u32)]) -> std::result::Result<Vec<Vec<f32>>, DecodeError> {
        Ok(host_rows(&self.decoder.step(&mut self.cache, tokens)?)?)
    }

    fn free(&mut self, row: usize) {
        self.cache.free(row);
    }
}

fn host_rows(logits: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    logits.to_dtype(DType::F32)?.to_vec2()
}
