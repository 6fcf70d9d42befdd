//! The store on disk: sled for the values, `heads.log` beside it for what sled can lose without saying so.

use crate::error::StoreError;
use crate::heads::{self, Entry, Heads, HeadsFile, Listed, Tip};
use crate::lock::{LogLock, retry};
use crate::store::{Durable, EventStore, HEAD, Shelf, Staged, StoreStats, Visit, card_digest, chunk_key, split_key};
use bedside_env::EpisodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const TIP: &[u8] = b"heads";

/// A log folder: `db` and its companions (sled), `heads.log`, `LOCK`.
pub struct SledStore {
    folder: PathBuf,
    // Before the lock, so that sled lets go of its file first.
    trees: Trees,
    /// `None` where its acknowledged part is damaged: then the log can be read and not written.
    heads: Option<HeadsFile>,
    staged: Staged,
    stats: StoreStats,
    /// The database file, for the fdatasync that sled's own flush leaves out.
    file: File,
    synced_blobs: BTreeSet<std::ffi::OsString>,
    /// Set by a failed commit: what lies on the medium then is not known, so nothing more is acknowledged.
    failed: Option<StoreError>,
    repairs: Vec<String>,
    _lock: LogLock,
}

struct Trees {
    db: sled::Db,
    ev: sled::Tree,
    traces: sled::Tree,
    cards: sled::Tree,
    records: sled::Tree,
    meta: sled::Tree,
}

impl Trees {
    fn shelf(&self, shelf: Shelf) -> &sled::Tree {
        match shelf {
            Shelf::Traces => &self.traces,
            Shelf::Cards => &self.cards,
            Shelf::Records => &self.records,
        }
    }
}

impl SledStore {
    /// Opens the log in `folder`, making it where there is none.
    pub fn open(folder: &Path) -> Result<SledStore, StoreError> {
        std::fs::create_dir_all(folder).map_err(|e| StoreError::io(folder, &e))?;
        let lock = retry(|| LogLock::take(folder))?;
        let trees = retry(|| open_trees(folder))?;
        let db_path = folder.join("db");
        let file = File::open(&db_path).map_err(|e| StoreError::io(&db_path, &e))?;
        let heads_path = folder.join("heads.log");
        let bytes = HeadsFile::read(&heads_path)?;
        let (known, pending) = remembered(&trees, folder)?;
        let (heads, damage, repairs) = match settle(&heads::decode(&bytes), known, bytes.len()) {
            Err(damage) => (None, Some(damage), Vec::new()),
            Ok((tip, mut repairs)) => {
                let mut file = HeadsFile::open(&heads_path, tip)?;
                let found = heads::decode(&HeadsFile::read(&heads_path)?);
                sweep(&trees, folder, &pending, &found)?;
                let lost = unlisted(&trees, folder, &pending, &found)?;
                if !lost.is_empty() {
                    file.append(&lost)?;
                    repairs.push(format!("heads.log: listed {} values of a group that a crash cut off", lost.len()));
                }
                (Some(file), None, repairs)
            }
        };
        if let Ok(dir) = File::open(folder) {
            let _ = dir.sync_all();
        }
        Ok(SledStore {
            folder: folder.to_owned(),
            trees,
            heads,
            staged: Staged::default(),
            stats: StoreStats::default(),
            file,
            synced_blobs: BTreeSet::new(),
            failed: damage.map(|why| StoreError::Damaged { path: heads_path.display().to_string(), why }),
            repairs,
            _lock: lock,
        })
    }

    /// Opens a log that must be there.
    pub fn open_existing(folder: &Path) -> Result<SledStore, StoreError> {
        if !folder.join("db").is_file() && !folder.join("heads.log").is_file() {
            return Err(StoreError::NoLog { path: folder.display().to_string() });
        }
        SledStore::open(folder)
    }

    /// What opening had to put right after a crash.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    fn fail(&self, e: sled::Error) -> StoreError {
        sled_error(&self.folder, e)
    }

    fn last(&self, episode: EpisodeId) -> Result<Option<u32>, StoreError> {
        if let Some(last) = self.staged.last(episode) {
            return Ok(Some(last));
        }
        self.stored_last(episode, HEAD)
    }

    /// The last stored chunk number up to `end`; a value lies under the number of its last chunk.
    fn stored_last(&self, episode: EpisodeId, end: u32) -> Result<Option<u32>, StoreError> {
        match self.trees.ev.range(chunk_key(episode, 0)..=chunk_key(episode, end)).next_back() {
            None => Ok(None),
            Some(item) => Ok(split_key(&item.map_err(|e| self.fail(e))?.0).map(|(_, c)| c)),
        }
    }

    /// One group: values, barrier, chain of heads, in this order. A crash between any two leaves whole, unacknowledged
    /// episodes at worst.
    fn write(&mut self, staged: Staged) -> Result<Durable, StoreError> {
        let mut entries_chunks = BTreeMap::new();
        for episode in &staged.sealed {
            let fresh = staged.chunks.range((*episode, 0)..(*episode, HEAD)).next_back().map(|((_, c), _)| *c);
            let last = match fresh {
                Some(last) => Some(last),
                None => self.stored_last(*episode, HEAD - 1)?,
            };
            entries_chunks.insert(*episode, last.map_or(0, |c| c + 1));
        }
        let entries = staged.entries(|e| entries_chunks.get(&e).copied().unwrap_or(0));
        // The group's entries go into the store before its values: should the process die before heads.log has them, the
        // next opening lists what is whole.
        let before = self.heads.as_ref().map(|h| h.tip).unwrap_or_default();
        self.trees.meta.insert(TIP, remember(before, &entries)).map_err(|e| self.fail(e))?;
        for shelf in Shelf::ALL {
            let mut batch = sled::Batch::default();
            let mut any = false;
            for ((s, key), value) in &staged.sheets {
                if *s == shelf {
                    batch.insert(key.as_slice(), value.as_slice());
                    any = true;
                }
            }
            if any {
                self.trees.shelf(shelf).apply_batch(batch).map_err(|e| self.fail(e))?;
            }
        }
        // An episode's chunks and its head go in one batch: whole or not at all.
        let mut items = staged.chunks.iter().peekable();
        while let Some(((episode, no), value)) = items.next() {
            let mut batch = sled::Batch::default();
            let (mut last, mut framed) = (*no, Vec::new());
            if *no != HEAD {
                frame(&mut framed, value);
                while let Some(((_, no), value)) = items.next_if(|((e, n), _)| e == episode && *n != HEAD) {
                    frame(&mut framed, value);
                    last = *no;
                }
                batch.insert(&chunk_key(*episode, last)[..], framed);
            } else {
                batch.insert(&chunk_key(*episode, HEAD)[..], value.as_slice());
            }
            if let Some((_, head)) = items.next_if(|((e, _), _)| e == episode) {
                batch.insert(&chunk_key(*episode, HEAD)[..], head.as_slice());
            }
            self.trees.ev.apply_batch(batch).map_err(|e| self.fail(e))?;
        }
        self.trees.db.flush().map_err(|e| self.fail(e))?;
        self.sync_blobs()?;
        self.file.sync_data().map_err(|e| StoreError::io(&self.folder, &e))?;
        let heads = self.heads.as_mut().ok_or(StoreError::WriterStopped)?;
        heads.append(&entries)?;
        let tip = heads.tip;
        self.stats.commits += 1;
        self.stats.bytes += staged.bytes();
        Ok(Durable { episodes: staged.sealed, tip })
    }

    /// sled puts large pages into files of their own and does not sync them.
    fn sync_blobs(&mut self) -> Result<(), StoreError> {
        let blobs = self.folder.join("blobs");
        let Ok(entries) = std::fs::read_dir(&blobs) else { return Ok(()) };
        let mut now = BTreeSet::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !self.synced_blobs.contains(&name)
                && let Ok(file) = File::open(entry.path())
            {
                file.sync_all().map_err(|e| StoreError::io(&entry.path(), &e))?;
            }
            now.insert(name);
        }
        self.synced_blobs = now;
        Ok(())
    }
}

/// Chunks that are committed together share one value, each behind its length: one key a consultation, not one a turn, which is
/// what sled is fast at.
fn frame(out: &mut Vec<u8>, chunk: &[u8]) {
    out.extend((chunk.len() as u32).to_be_bytes());
    out.extend(chunk);
}

/// The chunks of a value. What does not frame comes as it is, for the codec to refuse.
fn unframe(mut value: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while !value.is_empty() {
        let framed =
            value.split_first_chunk::<4>().and_then(|(n, rest)| rest.split_at_checked(u32::from_be_bytes(*n) as usize));
        let Some((chunk, rest)) = framed else {
            out.push(value);
            break;
        };
        out.push(chunk);
        value = rest;
    }
    out
}

fn open_trees(folder: &Path) -> Result<Trees, StoreError> {
    let fail = |e: sled::Error| sled_error(folder, e);
    guard(folder, || {
        // A crash must not cost more than half a second of what nobody acknowledged, hence the timer beside the barrier.
        let db = sled::Config::new().path(folder).flush_every_ms(Some(500)).open().map_err(fail)?;
        Ok(Trees {
            ev: db.open_tree("ev").map_err(fail)?,
            traces: db.open_tree("traces").map_err(fail)?,
            cards: db.open_tree("cards").map_err(fail)?,
            records: db.open_tree("records").map_err(fail)?,
            meta: db.open_tree("meta").map_err(fail)?,
            db,
        })
    })
}

/// sled asserts its way through damaged pages; a panic in there is damage, and is reported as such.
fn guard<T>(folder: &Path, f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_or_else(|_| {
        let why = "the store gave up on a damaged page".to_owned();
        Err(StoreError::Damaged { path: folder.display().to_string(), why })
    })
}

fn sled_error(folder: &Path, e: sled::Error) -> StoreError {
    let path = folder.display().to_string();
    match e {
        sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => {
            StoreError::Locked { path, holder: String::new() }
        }
        sled::Error::Io(e) => StoreError::io(folder, &e),
        sled::Error::Corruption { at, .. } => {
            StoreError::Damaged { path, why: format!("a page does not match its checksum ({at:?})") }
        }
        sled::Error::Unsupported(why) | sled::Error::ReportableBug(why) => StoreError::Damaged { path, why },
        sled::Error::CollectionNotFound(_) => StoreError::Damaged { path, why: "a tree is missing".to_owned() },
    }
}

/// The store's own note on heads.log: how long it was before a group, then the group's entries.
fn remember(before: Tip, entries: &[Entry]) -> Vec<u8> {
    let mut out = before.to_bytes();
    let mut tip = before;
    out.extend(entries.iter().flat_map(|e| heads::encode(e, &mut tip)));
    out
}

fn remembered(trees: &Trees, folder: &Path) -> Result<(Tip, Vec<Entry>), StoreError> {
    let stored = guard(folder, || trees.meta.get(TIP).map_err(|e| sled_error(folder, e)))?;
    let Some(bytes) = stored else { return Ok((Tip::default(), Vec::new())) };
    let tip = bytes.get(..40).and_then(Tip::from_bytes).unwrap_or_default();
    let entries = bytes.get(40..).unwrap_or(&[]).chunks(heads::ENTRY).filter_map(heads::read_entry).map(|(e, _)| e);
    Ok((tip, entries.collect()))
}

/// Where to append to heads.log. A fault behind what the store knows to be acknowledged is an append that was cut off, and is
/// dropped; one before it is damage, and is left for verify to name.
fn settle(found: &Heads, known: Tip, length: usize) -> Result<(Tip, Vec<String>), String> {
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
fn unlisted(trees: &Trees, folder: &Path, pending: &[Entry], found: &Heads) -> Result<Vec<Entry>, StoreError> {
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
fn sweep(trees: &Trees, folder: &Path, pending: &[Entry], found: &Heads) -> Result<(), StoreError> {
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

impl EventStore for SledStore {
    fn append(&mut self, episode: EpisodeId, expected: u32, chunk: Vec<u8>) -> Result<(), StoreError> {
        Staged::check(episode, self.last(episode)?, expected)?;
        self.staged.chunks.insert((episode, expected), chunk);
        Ok(())
    }

    fn seal(&mut self, episode: EpisodeId, head: Vec<u8>) -> Result<(), StoreError> {
        Staged::check(episode, self.last(episode)?, HEAD)?;
        self.staged.chunks.insert((episode, HEAD), head);
        self.staged.sealed.push(episode);
        Ok(())
    }

    fn put(&mut self, shelf: Shelf, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        self.staged.sheets.insert((shelf, key), value);
        Ok(())
    }

    fn commit(&mut self) -> Result<Durable, StoreError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        let staged = std::mem::take(&mut self.staged);
        let folder = self.folder.clone();
        let done = guard(&folder, || self.write(staged));
        if let Err(e) = &done {
            self.failed = Some(e.clone());
        }
        done
    }

    fn head(&self, episode: EpisodeId) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(head) = self.staged.chunks.get(&(episode, HEAD)) {
            return Ok(Some(head.clone()));
        }
        guard(&self.folder, || {
            let stored = self.trees.ev.get(chunk_key(episode, HEAD)).map_err(|e| self.fail(e))?;
            Ok(stored.map(|v| v.to_vec()))
        })
    }

    fn read(&self, episode: EpisodeId, visit: Visit<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        guard(&self.folder, || {
            let mut stopped = false;
            for item in self.trees.ev.range(chunk_key(episode, 0)..=chunk_key(episode, HEAD)) {
                let (key, value) = item.map_err(|e| self.fail(e))?;
                match split_key(&key) {
                    Some((_, HEAD)) => return Ok(Some(value.to_vec())),
                    Some((_, last)) if !stopped => {
                        let chunks = unframe(&value);
                        let first = last.wrapping_sub(chunks.len() as u32).wrapping_add(1);
                        stopped = chunks.iter().enumerate().any(|(i, chunk)| {
                            visit(&chunk_key(episode, first.wrapping_add(i as u32)), chunk) == ControlFlow::Break(())
                        });
                    }
                    _ => {}
                }
            }
            Ok(None)
        })
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.staged.sheets.get(&(shelf, key.to_vec())) {
            return Ok(Some(value.clone()));
        }
        guard(&self.folder, || Ok(self.trees.shelf(shelf).get(key).map_err(|e| self.fail(e))?.map(|v| v.to_vec())))
    }

    fn scan(&self, shelf: Shelf, prefix: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        guard(&self.folder, || {
            for item in self.trees.shelf(shelf).scan_prefix(prefix) {
                let (key, value) = item.map_err(|e| self.fail(e))?;
                if visit(&key, &value) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn episodes(&self, from: Option<EpisodeId>, limit: usize) -> Result<Vec<EpisodeId>, StoreError> {
        guard(&self.folder, || {
            let mut out = Vec::new();
            let mut at = from.map_or(Some(0u128), |f| f.0.checked_add(1));
            while let (Some(next), true) = (at, out.len() < limit) {
                let mut items = self.trees.ev.range(chunk_key(EpisodeId(next), 0)..);
                // One seek an episode: its first key names it, then on to the next id.
                let found = loop {
                    match items.next() {
                        None => break None,
                        Some(item) => {
                            let (key, _) = item.map_err(|e| self.fail(e))?;
                            if let Some((episode, _)) = split_key(&key) {
                                break Some(episode);
                            }
                        }
                    }
                };
                let Some(episode) = found else { break };
                out.push(episode);
                at = episode.0.checked_add(1);
            }
            Ok(out)
        })
    }

    fn strangers(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        guard(&self.folder, || {
            let mut out = Vec::new();
            for item in self.trees.ev.iter() {
                let (key, _) = item.map_err(|e| self.fail(e))?;
                if split_key(&key).is_none() {
                    out.push(key.to_vec());
                }
            }
            Ok(out)
        })
    }

    fn heads(&self) -> Result<Heads, StoreError> {
        Ok(heads::decode(&HeadsFile::read(&self.folder.join("heads.log"))?))
    }

    fn known_tip(&self) -> Result<Tip, StoreError> {
        Ok(remembered(&self.trees, &self.folder)?.0)
    }

    fn stats(&self) -> StoreStats {
        StoreStats { size_on_disk: self.trees.db.size_on_disk().unwrap_or(0), ..self.stats }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // Staged values were never acknowledged and are dropped. The tip is brought up to date, so that a later cut of
        // heads.log shows to the last entry.
        if let (None, Some(heads)) = (&self.failed, &self.heads) {
            let tip = heads.tip;
            let _ = guard(&self.folder.clone(), || {
                let _ = self.trees.meta.insert(TIP, tip.to_bytes());
                let _ = self.trees.db.flush();
                let _ = self.file.sync_data();
                Ok(())
            });
        }
    }
}
