//! A store in memory: for tests, and for logs that nobody keeps.

use crate::error::StoreError;
use crate::heads::{self, Heads, Tip};
use crate::store::{Durable, EventStore, HEAD, Shelf, Staged, StoreStats, Visit, chunk_key};
use bedside_env::EpisodeId;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Keeps everything in ordered maps; "durable" means committed.
#[derive(Clone, Debug)]
pub struct MemStore {
    chunks: BTreeMap<(EpisodeId, u32), Vec<u8>>,
    sheets: BTreeMap<(Shelf, Vec<u8>), Vec<u8>>,
    heads: Vec<u8>,
    tip: Tip,
    staged: Staged,
    stats: StoreStats,
}

impl Default for MemStore {
    fn default() -> Self {
        MemStore {
            chunks: BTreeMap::new(),
            sheets: BTreeMap::new(),
            heads: heads::header().to_vec(),
            tip: Tip::default(),
            staged: Staged::default(),
            stats: StoreStats::default(),
        }
    }
}

impl MemStore {
    /// Every stored value, mutable: for tests that damage them.
    #[doc(hidden)]
    pub fn values_mut(&mut self) -> Vec<&mut Vec<u8>> {
        self.chunks.values_mut().chain(self.sheets.values_mut()).chain([&mut self.heads]).collect()
    }

    /// Drops an episode's values from `chunk` on: for tests that lose them.
    #[doc(hidden)]
    pub fn lose(&mut self, episode: EpisodeId, chunk: u32) {
        self.chunks.retain(|(e, c), _| *e != episode || *c < chunk);
    }

    fn last(&self, episode: EpisodeId) -> Option<u32> {
        let stored = || self.chunks.range((episode, 0)..=(episode, HEAD)).next_back().map(|((_, c), _)| *c);
        self.staged.last(episode).or_else(stored)
    }
}

impl EventStore for MemStore {
    fn append(&mut self, episode: EpisodeId, expected: u32, chunk: Vec<u8>) -> Result<(), StoreError> {
        Staged::check(episode, self.last(episode), expected)?;
        self.staged.chunks.insert((episode, expected), chunk);
        Ok(())
    }

    fn seal(&mut self, episode: EpisodeId, head: Vec<u8>) -> Result<(), StoreError> {
        Staged::check(episode, self.last(episode), HEAD)?;
        self.staged.chunks.insert((episode, HEAD), head);
        self.staged.sealed.push(episode);
        Ok(())
    }

    fn put(&mut self, shelf: Shelf, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        self.staged.sheets.insert((shelf, key), value);
        Ok(())
    }

    fn commit(&mut self) -> Result<Durable, StoreError> {
        let mut staged = std::mem::take(&mut self.staged);
        self.stats.commits += 1;
        self.stats.bytes += staged.bytes();
        self.chunks.extend(staged.chunks.iter().map(|(k, v)| (*k, v.clone())));
        let entries = staged.entries(|e| self.chunks.range((e, 0)..(e, HEAD)).count() as u32);
        for entry in &entries {
            self.heads.extend(heads::encode(entry, &mut self.tip));
        }
        self.sheets.append(&mut staged.sheets);
        Ok(Durable { episodes: staged.sealed, tip: self.tip })
    }

    fn head(&self, episode: EpisodeId) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (episode, HEAD);
        Ok(self.staged.chunks.get(&key).or_else(|| self.chunks.get(&key)).cloned())
    }

    fn read(&self, episode: EpisodeId, visit: Visit<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        for ((_, no), chunk) in self.chunks.range((episode, 0)..(episode, HEAD)) {
            if visit(&chunk_key(episode, *no), chunk) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(self.chunks.get(&(episode, HEAD)).cloned())
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (shelf, key.to_vec());
        Ok(self.staged.sheets.get(&key).or_else(|| self.sheets.get(&key)).cloned())
    }

    fn scan(&self, shelf: Shelf, prefix: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        for ((s, key), value) in self.sheets.range((shelf, prefix.to_vec())..) {
            if *s != shelf || !key.starts_with(prefix) || visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn episodes(&self, from: Option<EpisodeId>, limit: usize) -> Result<Vec<EpisodeId>, StoreError> {
        let mut out: Vec<EpisodeId> = Vec::new();
        for (episode, _) in self.chunks.keys() {
            if from.is_some_and(|f| *episode <= f) || out.last() == Some(episode) {
                continue;
            }
            if out.len() == limit {
                break;
            }
            out.push(*episode);
        }
        Ok(out)
    }

    fn strangers(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(Vec::new())
    }

    fn heads(&self) -> Result<Heads, StoreError> {
        Ok(heads::decode(&self.heads))
    }

    fn known_tip(&self) -> Result<Tip, StoreError> {
        Ok(self.tip)
    }

    fn stats(&self) -> StoreStats {
        StoreStats { size_on_disk: 0, ..self.stats }
    }
}
