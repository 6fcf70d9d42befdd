//! Where calls are kept: addressed by what was asked, prefixes of messages stored once.

mod calls;
mod file;
mod medium;
mod miss;

pub use file::Access;
pub use miss::{Difference, Miss};

use crate::error::ChatError;
use crate::reply::ChatReply;
use crate::request::{CallId, ChatRequest};
use calls::Calls;
use file::AppendFile;
use medium::{Medium, Memory};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What came of a call: a reply, or a failure that is replayed as it was.
pub type Outcome = Result<ChatReply, ChatError>;

/// A store of calls. Shared between threads.
pub trait CallStore: Send + Sync {
    /// What came of a call, if it was made.
    fn get(&self, id: CallId) -> Result<Option<Outcome>, StoreError>;

    /// Keeps what came of a call. A reply is kept for good: another one under its address is [`StoreError::Conflict`]. A
    /// failure gives way to what comes later.
    fn put(&self, request: &ChatRequest, outcome: &Outcome) -> Result<(), StoreError>;

    /// Where a call that was never made parts from those that were.
    fn nearest(&self, request: &ChatRequest) -> Result<Miss, StoreError>;

    /// Calls kept, each sample for itself.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns when all that was put is on the disk.
    fn sync(&self) -> Result<(), StoreError>;
}

/// A store over some medium; see [`MemStore`] and [`FileStore`].
pub struct Shelf<M>(Mutex<Calls<M>>);

/// Calls that nobody keeps.
pub type MemStore = Shelf<Memory>;

/// Calls in one append-only file. What was put has been handed to the operating system: a killed process loses nothing, a
/// machine that loses power may lose what came after the last [`CallStore::sync`].
pub type FileStore = Shelf<AppendFile>;

impl Default for MemStore {
    fn default() -> MemStore {
        Shelf(Mutex::new(Calls::over(Memory::default())))
    }
}

impl FileStore {
    /// Opens the file, checks every byte of it, and reads where each call lies. For [`Access::Append`] it is made where there
    /// is none, locked against a second writer, and cut back to its last whole entry.
    pub fn open(path: impl AsRef<Path>, access: Access) -> Result<FileStore, StoreError> {
        let mut calls = Calls::over(AppendFile::open(path.as_ref(), access)?);
        while let Some((at, payload)) = calls.medium_mut().next()? {
            calls.learn(at, &payload)?;
        }
        calls.medium_mut().end_of_entries()?;
        Ok(Shelf(Mutex::new(calls)))
    }

    /// Copies what is whole into a new file, and leaves the damaged one as it is. What rests on a lost entry is lost with it, and
    /// is asked again; behind an entry whose length is damaged nothing can be found.
    pub fn repair(path: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Repaired, StoreError> {
        let to = to.as_ref();
        if to.exists() {
            return Err(StoreError::Taken { path: to.display().to_string() });
        }
        // Nothing is made before it is known that there is something to copy.
        let mut from = Calls::over(AppendFile::open(path.as_ref(), Access::Read)?);
        let mut into = AppendFile::open(to, Access::Append)?;
        let mut done = Repaired::default();
        loop {
            let before = from.medium().entries();
            match from.medium_mut().next() {
                Ok(None) => break,
                Ok(Some((at, payload))) => match from.learn(at, &payload) {
                    Ok(()) => drop(into.append(&payload)?),
                    Err(why) => done.lose(why),
                },
                Err(why @ StoreError::Damaged { .. }) => {
                    done.lose(why);
                    if from.medium().entries() == before {
                        done.cut = true;
                        break;
                    }
                }
                Err(e) => return Err(e),
            }
        }
        into.sync()?;
        done.calls = from.len();
        Ok(done)
    }

    /// What opening had to put right or leave out after a crash, in words.
    pub fn repairs(&self) -> Vec<String> {
        self.with(|calls| calls.medium().repairs().to_vec())
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.with(|calls| calls.medium().size())
    }
}

/// What a repair came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Calls in the new file.
    pub calls: usize,
    /// Entries that could not be taken over, as far as they could be told apart.
    pub lost: u64,
    /// What is wrong with the first of them.
    pub why: Option<StoreError>,
    /// Nothing behind the last lost entry could be found.
    pub cut: bool,
}

impl Repaired {
    fn lose(&mut self, why: StoreError) {
        self.lost += 1;
        self.why.get_or_insert(why);
    }
}

impl<M: Medium> Shelf<M> {
    fn with<T>(&self, f: impl FnOnce(&mut Calls<M>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Messages stored: far fewer than those of all calls together, where conversations share their beginnings.
    pub fn messages(&self) -> usize {
        self.with(|calls| calls.messages())
    }
}

impl<M: Medium> CallStore for Shelf<M> {
    fn get(&self, id: CallId) -> Result<Option<Outcome>, StoreError> {
        self.with(|calls| calls.get(id))
    }

    fn put(&self, request: &ChatRequest, outcome: &Outcome) -> Result<(), StoreError> {
        self.with(|calls| calls.put(request, outcome))
    }

    fn nearest(&self, request: &ChatRequest) -> Result<Miss, StoreError> {
        self.with(|calls| calls.nearest(request))
    }

    fn len(&self) -> usize {
        self.with(|calls| calls.len())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.with(|calls| calls.sync())
    }
}

/// The store itself failed: not to be mixed up with a call that was never made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path} is damaged at byte {offset}, entry {entry}: {why}\nhint: `bedside verify {path} --repair NEW` copies what is whole into a new file; what is lost is asked again"
    )]
    Damaged { path: String, offset: u64, entry: u64, why: String },
    #[error("{path} is not a store of calls, or one of a later version\nhint: check the path")]
    Foreign { path: String },
    #[error("{path} is being written by another process\nhint: wait until it ends, or record into another file")]
    Locked { path: String },
    #[error("{path} does not exist\nhint: record first, or check the path")]
    Missing { path: String },
    #[error("{path}: {why}\nhint: check the path, its permissions and the free space")]
    Io { path: String, why: String },
    #[error(
        "call {0} is stored with another reply\nhint: give several samples of one prompt numbers of their own, or record into a new file"
    )]
    Conflict(CallId),
    #[error("{path} is there already\nhint: name a file that is not there yet")]
    Taken { path: String },
    #[error("{path} was opened for reading\nhint: open it to append")]
    ReadOnly { path: String },
}
