//! What the chain of heads lists and the store does not have: the store can lose values without saying so, and who reads what is
//! left would take a part for the whole.

use crate::codec::stored_hash;
use crate::heads::{Entry, Listed};
use crate::store::{EventStore, Shelf, card_digest};
use bedside_env::{Digest, EpisodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

/// Acknowledged once, and not there or not the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// In order of their ids.
    pub episodes: Vec<EpisodeId>,
    /// Episodes that were acknowledged.
    pub listed: u64,
    pub cards: u64,
    pub records: u64,
}

impl Missing {
    /// Compares every entry of `heads.log` with the value it vouches for. Chunks of a turn are not read: their episode is, when
    /// somebody reads it.
    pub fn of(store: &dyn EventStore) -> Missing {
        let mut missing = Missing::default();
        let Ok(heads) = store.heads() else { return missing };
        let mut episodes: BTreeMap<EpisodeId, Digest> = BTreeMap::new();
        let mut cards: BTreeMap<Digest, &Entry> = BTreeMap::new();
        for entry in &heads.entries {
            match entry.kind {
                Listed::Episode => drop(episodes.insert(entry.episode, entry.hash)),
                Listed::Card => drop(cards.insert(entry.key, entry)),
                Listed::Record => {
                    let stored = store.get(Shelf::Records, &entry.key.0);
                    let there = stored.is_ok_and(|v| v.is_some_and(|v| stored_hash(&v) == entry.hash));
                    missing.records += u64::from(!there);
                }
            }
        }
        missing.listed = episodes.len() as u64;
        let there = |id: &EpisodeId, hash| store.head(*id).is_ok_and(|v| v.is_some_and(|v| stored_hash(&v) == hash));
        missing.episodes = episodes.into_iter().filter(|(id, hash)| !there(id, *hash)).map(|(id, _)| id).collect();
        let mut kept = BTreeSet::new();
        let scanned = store.scan(Shelf::Cards, &[], &mut |key, value| {
            let name = card_digest(key);
            if cards.get(&name).is_some_and(|e| e.hash == stored_hash(value)) {
                kept.insert(name);
            }
            ControlFlow::Continue(())
        });
        if scanned.is_err() {
            kept.clear();
        }
        missing.cards = (cards.len() - kept.len()) as u64;
        missing
    }

    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty() && self.cards == 0 && self.records == 0
    }
}

/// Ids in a message at most.
const SHOWN: usize = 5;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut what = Vec::new();
        if !self.episodes.is_empty() {
            let ids: Vec<String> = self.episodes.iter().take(SHOWN).map(EpisodeId::to_string).collect();
            let more = self.episodes.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (n, of) = (self.episodes.len(), self.listed);
            what.push(format!("{n} of {of} consultations ({}{more})", ids.join(", ")));
        }
        if self.cards > 0 {
            what.push(format!("{} scorecards", self.cards));
        }
        if self.records > 0 {
            what.push(format!("{} patient records", self.records));
        }
        write!(f, "{} that it acknowledged are missing", what.join(" and "))
    }
}
