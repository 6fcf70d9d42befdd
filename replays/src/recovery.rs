//! What a crash leaves between the store and `heads.log`, and how opening puts it right. Nothing acknowledged is touched.

use crate::error::StoreError;
use crate::heads::{self, Entry, Heads, Listed, Tip};
use crate::store::{HEAD, card_digest, chunk_key};
use crate::trees::{TIP, Trees, guard, sled_error};
use std::path::Path;

/// The store's own note on heads.log: how long it was before a group, then the group's entries.
pub(crate) fn remember(before: Tip, entries: &[Entry]) -> Vec<u8> {
    let mut out = before.to_bytes();
    let mut tip = before;
    out.extend(entries.iter().flat_map(|e| heads::encode(e, &mut tip)));
    out
}

pub(crate) fn remembered(trees: &Trees, folder: &Path) -> Result<(Tip, Vec<Entry>), StoreError> {
    let stored = guard(folder, || trees.meta.get(TIP).map_err(|e| sled_error(folder, e)))?;
    let Some(bytes) = stored else { return Ok((Tip::default(), Vec::new())) };
    let tip = bytes.get(..40).and_then(Tip::from_bytes).unwrap_or_default();
    let entries = bytes.get(40..).unwrap_or(&[]).chunks(heads::ENTRY).filter_map(heads::read_entry).map(|(e, _)| e);
    Ok((tip, entries.collect()))
}

/// Where to append to heads.log. A fault behind what the store knows to be acknowledged is an append that was cut off, and is
/// dropped; one before it is damage, and is left for verify to name.
pub(crate) fn settle(found: &Heads, known: Tip, length: usize) -> Result<(Tip, Vec<String>), String> {
    let fresh = length < heads::HEADER && known == Tip::default();
    if fresh {
        return Ok((Tip::default(), Vec::new()));
    }
    if found.sound.entries < known.entries {
        let what = found.faults.first().map_or_else(
            || format!("it has {} entries, the store remembers {}", found.sound.entries, known.entries),
            |(_, what)| what.clone(),
        );
        return Err(what);
    }
    match found.faults.first() {
        None => Ok((found.tip, Vec::new())),
        Some((_, what)) if length >= heads::HEADER => {
            Ok((found.sound, vec![format!("heads.log: dropped an unacknowledged tail ({what})")]))
        }
        Some((_, what)) => Err(what.clone()),
    }
}

/// Entries of the last group that heads.log lacks and whose values are whole in the store.
pub(crate) fn unlisted(
    trees: &Trees,
    folder: &Path,
    pending: &[Entry],
    found: &Heads,
) -> Result<Vec<Entry>, StoreError> {
    let tail = found.entries.len().saturating_sub(2 * pending.len());
    let mut out = Vec::new();
    for entry in pending.iter().filter(|e| !found.entries[tail..].contains(e)) {
        let stored = |tree: &sled::Tree, key: &[u8]| guard(folder, || tree.get(key).map_err(|e| sled_error(folder, e)));
        let value = match entry.kind {
            Listed::Episode => stored(&trees.ev, &chunk_key(entry.episode, HEAD))?,
            Listed::Record => stored(&trees.records, &entry.key.0)?,
            Listed::Card => {
                let prefix = entry.episode.0.to_be_bytes();
                trees.cards.scan_prefix(prefix).flatten().find(|(k, _)| card_digest(k) == entry.key).map(|(_, v)| v)
            }
        };
        if value.is_some_and(|v| crate::codec::stored_hash(&v) == entry.hash) {
            out.push(*entry);
        }
    }
    Ok(out)
}

/// Takes away traces and cards whose episode a crash kept out of the store. Nothing acknowledged is touched.
pub(crate) fn sweep(trees: &Trees, folder: &Path, pending: &[Entry], found: &Heads) -> Result<(), StoreError> {
    let fail = |e: sled::Error| sled_error(folder, e);
    for entry in pending.iter().filter(|e| e.kind == Listed::Episode && !found.entries.contains(e)) {
        guard(folder, || {
            if trees.ev.get(chunk_key(entry.episode, HEAD)).map_err(fail)?.is_some() {
                return Ok(());
            }
            for tree in [&trees.traces, &trees.cards] {
                for key in tree.scan_prefix(entry.episode.0.to_be_bytes()).keys() {
                    tree.remove(key.map_err(fail)?).map_err(fail)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
