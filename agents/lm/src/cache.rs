//! Keys and values of the tokens that sampling has seen.

use crate::error::Result;
use std::sync::Arc;

/// Keys and values of tokens that several rows start with, computed once and shared by all of them.
pub struct Prefix {
    pub(crate) tokens: Vec<u32>,
    pub(crate) logits: Vec<f32>,
}

impl Prefix {
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Logits [vocab] after the last token of the prefix.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }
}

/// Room for `rows` sequences of up to `capacity` tokens each, beyond the prefix they share. Rows stand at their own positions
/// and are started and freed one by one.
pub struct Cache {}

impl Cache {
    pub fn rows(&self) -> usize {
        todo!()
    }

    /// Starts a row, empty or after a shared prefix; what it held is forgotten.
    pub fn start(&mut self, _row: usize, _prefix: Option<Arc<Prefix>>) -> Result<()> {
        todo!()
    }

    /// Tokens of the row so far, the shared prefix included.
    pub fn len(&self, _row: usize) -> usize {
        todo!()
    }

    /// Tokens the row can still take.
    pub fn room(&self, _row: usize) -> usize {
        todo!()
    }

    /// Lets go of a row and of its hold on a shared prefix.
    pub fn free(&mut self, _row: usize) {
        todo!()
    }
}
