//! What a store writes on: entries one after another, each found again by its position.

use super::StoreError;
use crate::request::{Message, Parameters};
use bedside_env::Digest;
use serde::{Deserialize, Serialize};

/// One thing that is stored. Kinds may be added at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A message, after the messages its link names.
    Message {
        before: Digest,
        message: Message,
    },
    Parameters(Parameters),
    /// What came of a call; messages and parameters are named by digests of earlier entries.
    Call {
        model: String,
        parameters: Digest,
        last: Digest,
        sample: u32,
        outcome: super::Outcome,
    },
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(pub(crate) u64);

/// Appends and reads back.
pub trait Medium: Send {
    fn append(&mut self, payload: &[u8]) -> Result<Position, StoreError>;
    fn read(&self, at: Position) -> Result<Vec<u8>, StoreError>;
    fn sync(&mut self) -> Result<(), StoreError>;
    /// An error that names the place.
    fn damaged(&self, at: Position, why: String) -> StoreError;
}

/// Entries in memory.
#[derive(Debug, Default)]
pub struct Memory(Vec<Box<[u8]>>);

impl Medium for Memory {
    fn append(&mut self, payload: &[u8]) -> Result<Position, StoreError> {
        self.0.push(payload.into());
        Ok(Position(self.0.len() as u64 - 1))
    }

    fn read(&self, at: Position) -> Result<Vec<u8>, StoreError> {
        let entry = self.0.get(usize::try_from(at.0).unwrap_or(usize::MAX));
        entry.map(|e| e.to_vec()).ok_or_else(|| self.damaged(at, "there is no such entry".to_owned()))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn damaged(&self, at: Position, why: String) -> StoreError {
        StoreError::Damaged { path: "memory".to_owned(), offset: at.0, entry: at.0, why }
    }
}
