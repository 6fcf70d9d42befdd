//! What is whole of a damaged log, copied into a new one. The damaged one is left as it is.

use crate::codec::{self, Kind};
use crate::error::LogError;
use crate::heads::{Entry, Listed};
use crate::log::{Log, decode_head};
use crate::recording::{StoredCard, StoredTrace};
use crate::store::{EventStore, Shelf};
use crate::verify::{Fault, check_episode};
use bedside_env::EpisodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What a repair came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    pub episodes: u64,
    pub cards: u64,
    /// Consultations that were not copied, each with what is wrong with it.
    pub left: Vec<(EpisodeId, String)>,
    /// Scorecards that were not copied, of consultations that were.
    pub cards_left: u64,
}

/// Episodes of one commit.
const GROUP: u64 = 256;

/// Copies every consultation whose hashes all hold, by its stored bytes, into a log that holds none.
pub fn salvage(from: &Log, into: &Log) -> Result<Salvaged, LogError> {
    if !into.episode_ids()?.is_empty() {
        return Err(LogError::NotEmpty("the log to copy into".to_owned()));
    }
    from.with_store(|a| into.with_store_mut(|b| copy_all(a, b)))
}

fn copy_all(from: &dyn EventStore, into: &mut dyn EventStore) -> Result<Salvaged, LogError> {
    let mut done = Salvaged::default();
    // A damaged chain lists what it can; an episode whose entry is lost is judged by its own hashes.
    let entries = from.heads().map(|h| h.entries).unwrap_or_default();
    let listed: BTreeMap<EpisodeId, Entry> =
        entries.into_iter().filter(|e| e.kind == Listed::Episode).map(|e| (e.episode, e)).collect();
    let stored: BTreeSet<EpisodeId> = from.episodes(None, usize::MAX)?.into_iter().collect();
    let all: BTreeSet<EpisodeId> = listed.keys().chain(&stored).copied().collect();
    for id in all {
        let found = check_episode(from, id, listed.get(&id), stored.contains(&id)).findings;
        if let Some(fault) = found.iter().find(|f| f.fault != Fault::Foreign) {
            done.left.push((id, fault.what.clone()));
            continue;
        }
        copy(from, into, id, &mut done)?;
        done.episodes += 1;
        if done.episodes % GROUP == 0 {
            into.commit()?;
        }
    }
    into.commit()?;
    Ok(done)
}

fn copy(from: &dyn EventStore, into: &mut dyn EventStore, id: EpisodeId, done: &mut Salvaged) -> Result<(), LogError> {
    let mut chunks = Vec::new();
    let head = from.read(id, &mut |_, bytes| {
        chunks.push(bytes.to_vec());
        ControlFlow::Continue(())
    })?;
    let head = head.ok_or(LogError::NoEpisode(id))?;
    for (no, chunk) in chunks.into_iter().enumerate() {
        into.append(id, no as u32, chunk)?;
    }
    let record = decode_head(id, &head)?.seal.record.0;
    if into.get(Shelf::Records, &record)?.is_none()
        && let Some(value) = from.get(Shelf::Records, &record)?
    {
        into.put(Shelf::Records, record.to_vec(), value)?;
    }
    let mut sheets = Vec::new();
    let prefix = id.0.to_be_bytes();
    for shelf in [Shelf::Traces, Shelf::Cards] {
        from.scan(shelf, &prefix, &mut |key, value| {
            let whole = match shelf {
                Shelf::Cards => codec::decode_sheet::<StoredCard>(Kind::Card, key, value).is_ok(),
                _ => codec::decode_sheet::<StoredTrace>(Kind::Trace, key, value).is_ok(),
            };
            if whole {
                sheets.push((shelf, key.to_vec(), value.to_vec()));
            } else {
                done.cards_left += 1;
            }
            ControlFlow::Continue(())
        })?;
    }
    for (shelf, key, value) in sheets {
        done.cards += u64::from(shelf == Shelf::Cards);
        into.put(shelf, key, value)?;
    }
    Ok(into.seal(id, head)?)
}
