//! The store on disk: sled for the values, `heads.log` beside it for what sled can lose without saying so.

use crate::copied;
use crate::error::StoreError;
use crate::heads::{self, Heads, HeadsFile, Tip};
use crate::lock::{LogLock, retry};
use crate::missing::Missing;
use crate::recovery::{remember, remembered, settle, sweep, unlisted};
use crate::store::{Durable, EventStore, HEAD, Shelf, Staged, StoreStats, Visit, chunk_key, split_key};
use crate::trees::{TIP, Trees, guard, open_trees, sled_error};
use bedside_env::EpisodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

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
    missing: Missing,
    _lock: LogLock,
    /// Where the log itself may only be read.
    _copy: Option<tempfile::TempDir>,
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
        let mut store = SledStore {
            folder: folder.to_owned(),
            trees,
            heads,
            staged: Staged::default(),
            stats: StoreStats::default(),
            file,
            synced_blobs: BTreeSet::new(),
            failed: damage.map(|why| StoreError::Damaged { path: heads_path.display().to_string(), why }),
            repairs,
            missing: Missing::default(),
            _lock: lock,
            _copy: None,
        };
        // The store lost what it had acknowledged: whoever went on writing would bury it.
        store.missing = Missing::of(&store);
        if store.failed.is_none() && !store.missing.is_empty() {
            let (path, why) = (folder.display().to_string(), store.missing.to_string());
            store.failed = Some(StoreError::Damaged { path, why });
        }
        Ok(store)
    }

    /// Opens a log that must be there.
    pub fn open_existing(folder: &Path) -> Result<SledStore, StoreError> {
        let mut there = false;
        for name in ["db", "heads.log"] {
            let path = folder.join(name);
            match std::fs::metadata(&path) {
                Ok(m) => there |= m.is_file(),
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(e) => return Err(StoreError::reading(&path, &e)),
            }
        }
        if !there {
            return Err(StoreError::NoLog { path: folder.display().to_string() });
        }
        match SledStore::open(folder) {
            Err(StoreError::ReadOnly { .. }) => SledStore::open_copy(folder),
            done => done,
        }
    }

    /// Reads a log through a copy of it, and leaves it untouched; it takes no more. The way into another's log.
    pub fn open_copy(folder: &Path) -> Result<SledStore, StoreError> {
        let lock = LogLock::share(folder)?;
        let copy = tempfile::Builder::new().prefix("bedside-log-").tempdir();
        let copy = copy.map_err(|e| StoreError::io(&std::env::temp_dir(), &e))?;
        copied::copy(folder, copy.path())?;
        drop(lock);
        let mut store = SledStore::open(copy.path())?;
        let why = "it may be read only, and was read through a copy".to_owned();
        store.failed.get_or_insert(StoreError::ReadOnly { path: folder.display().to_string(), why });
        store._copy = Some(copy);
        Ok(store)
    }

    /// What was acknowledged and is not there.
    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    /// Why nothing more is taken, if so.
    pub fn failed(&self) -> Option<&StoreError> {
        self.failed.as_ref()
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
