//! An append-only file in which damage does not go unnoticed.
//!
//! ```text
//! file    = magic entry*
//! magic   = "bedside calls 1\n"
//! entry   = length:u32 check:u32 payload digest:16 bytes           (little-endian)
//! check   = first 4 bytes of BLAKE3("bedside call head", offset:u64 length:u32)
//! digest  = first 16 bytes of BLAKE3("bedside call entry", offset:u64 payload)
//! payload = postcard of an entry: a message, parameters, or a call
//! ```
//! `length` has a check of its own: a flipped bit in it would else make the rest of the file look like an entry that was not
//! finished. Both checks hold the offset, so that entries cannot be taken out or change places.

use super::StoreError;
use super::medium::{Medium, Position};
use bedside_env::Digest;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const MAGIC: &[u8; 16] = b"bedside calls 1\n";
const HEAD: usize = 8;
const FOOT: usize = 16;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written or locked; a file being recorded can be read.
    Read,
    /// One process at a time.
    Append,
}

/// The file of a [`FileStore`](super::FileStore).
pub struct AppendFile {
    /// A lock, since reading moves the file's position. Buffered for the first way through only.
    file: Mutex<BufReader<File>>,
    path: String,
    access: Access,
    /// Bytes up to the last whole entry.
    size: u64,
    entries: u64,
    repairs: Vec<String>,
    /// A write failed and could not be taken back.
    broken: bool,
}

impl AppendFile {
    /// The file before its first entry; [`AppendFile::next`] goes through them.
    pub(super) fn open(path: &Path, access: Access) -> Result<AppendFile, StoreError> {
        let append = access == Access::Append;
        let name = path.display().to_string();
        let io = |e: std::io::Error| match e.kind() {
            ErrorKind::NotFound => StoreError::Missing { path: name.clone() },
            _ => StoreError::Io { path: name.clone(), why: e.to_string() },
        };
        let file = OpenOptions::new().read(true).write(append).create(append).truncate(false).open(path).map_err(io)?;
        if append {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: name }),
                Err(TryLockError::Error(e)) => return Err(io(e)),
            }
        }
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut magic = Vec::new();
        reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(io)?;
        if !MAGIC.starts_with(&magic) {
            return Err(StoreError::Foreign { path: name });
        }
        let size = MAGIC.len() as u64;
        let mut file = AppendFile {
            file: Mutex::new(reader),
            path: name.clone(),
            access,
            size,
            entries: 0,
            repairs: vec![],
            broken: false,
        };
        // New, or cut by a crash before the magic was whole.
        if append && magic.len() < MAGIC.len() {
            file.write_at(0, MAGIC).map_err(io)?;
            file.file.get_mut().unwrap_or_else(PoisonError::into_inner).seek(SeekFrom::Start(size)).map_err(io)?;
        }
        Ok(file)
    }

    /// The next entry; `None` at the end, and where an entry was not finished.
    pub(super) fn next(&mut self) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        let at = Position(self.size);
        let io = |e: std::io::Error| StoreError::Io { path: self.path.clone(), why: e.to_string() };
        let mut reader = self.lock();
        let mut head = Vec::new();
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(io)?;
        if head.len() < HEAD {
            return Ok(None);
        }
        // Zeros are what some file systems leave of a write that a crash cut.
        if head.iter().all(|b| *b == 0) && zeros(&mut *reader).map_err(io)? {
            return Ok(None);
        }
        let length = length(&head, at.0).map_err(|why| self.damaged(at, why))?;
        let mut payload = Vec::new();
        reader.by_ref().take((length + FOOT) as u64).read_to_end(&mut payload).map_err(io)?;
        drop(reader);
        if payload.len() < length + FOOT {
            return Ok(None);
        }
        let whole = payload.split_off(length) == digest(at.0, &payload);
        let damaged = self.damaged(at, "its bytes do not match their digest".to_owned());
        // Its head held, so the next entry is found all the same, by who wants it.
        self.size += (HEAD + length + FOOT) as u64;
        self.entries += 1;
        if whole { Ok(Some((at, payload))) } else { Err(damaged) }
    }

    /// Cuts off what follows the last whole entry.
    pub(super) fn end_of_entries(&mut self) -> Result<(), StoreError> {
        let io = |e: std::io::Error| StoreError::Io { path: self.path.clone(), why: e.to_string() };
        let torn = self.lock().get_ref().metadata().map_err(io)?.len().saturating_sub(self.size);
        if torn == 0 {
            return Ok(());
        }
        let append = self.access == Access::Append;
        if append {
            self.lock().get_ref().set_len(self.size).map_err(io)?;
        }
        let did = if append { "cut off" } else { "left out" };
        self.repairs.push(format!("{}: {torn} bytes of an entry that was not finished were {did}", self.path));
        Ok(())
    }

    pub(super) fn repairs(&self) -> &[String] {
        &self.repairs
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BufReader<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        let reader = self.lock();
        let mut file = reader.get_ref();
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }
}

impl Medium for AppendFile {
    fn append(&mut self, payload: &[u8]) -> Result<Position, StoreError> {
        let io = |why: String| StoreError::Io { path: self.path.clone(), why };
        if self.access == Access::Read {
            return Err(StoreError::ReadOnly { path: self.path.clone() });
        }
        if self.broken {
            return Err(io("an earlier write failed half way".to_owned()));
        }
        let at = self.size;
        let length = u32::try_from(payload.len()).map_err(|_| io("an entry of more than 4 GiB".to_owned()))?;
        let mut entry = Vec::with_capacity(HEAD + payload.len() + FOOT);
        entry.extend(length.to_le_bytes());
        entry.extend(head_check(at, length));
        entry.extend(payload);
        entry.extend(digest(at, payload));
        if let Err(e) = self.write_at(at, &entry) {
            // Half an entry must not stand between whole ones.
            let taken_back = self.lock().get_ref().set_len(at);
            let why = io(e.to_string());
            self.broken = taken_back.is_err();
            return Err(why);
        }
        self.size += entry.len() as u64;
        self.entries += 1;
        Ok(Position(at))
    }

    fn read(&self, at: Position) -> Result<Vec<u8>, StoreError> {
        let damaged = |e: std::io::Error| self.damaged(at, e.to_string());
        // Past the buffer: what it holds may be older than the last write.
        let reader = self.lock();
        let mut file = reader.get_ref();
        file.seek(SeekFrom::Start(at.0)).map_err(damaged)?;
        let mut head = [0; HEAD];
        file.read_exact(&mut head).map_err(damaged)?;
        let length = length(&head, at.0).map_err(|why| self.damaged(at, why))?;
        let mut payload = vec![0; length + FOOT];
        file.read_exact(&mut payload).map_err(damaged)?;
        if payload.split_off(length) != digest(at.0, &payload) {
            return Err(self.damaged(at, "its bytes do not match their digest".to_owned()));
        }
        Ok(payload)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.lock().get_ref().sync_data().map_err(|e| StoreError::Io { path: self.path.clone(), why: e.to_string() })
    }

    fn damaged(&self, at: Position, why: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), offset: at.0, entry: self.entries, why }
    }
}

/// Whether nothing but zeros is left.
fn zeros(reader: &mut impl Read) -> std::io::Result<bool> {
    let mut block = [0; 4096];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(true),
            n if block[..n].iter().any(|b| *b != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn length(bytes: &[u8], at: u64) -> Result<usize, String> {
    let [a, b, c, d, check @ ..] = bytes else { return Err("it has no head".to_owned()) };
    let length = u32::from_le_bytes([*a, *b, *c, *d]);
    if !check.starts_with(&head_check(at, length)) {
        return Err("its head does not match its check".to_owned());
    }
    usize::try_from(length).map_err(|e| e.to_string())
}

fn head_check(at: u64, length: u32) -> [u8; 4] {
    let d = Digest::of_bytes("bedside call head", &[&at.to_le_bytes()[..], &length.to_le_bytes()].concat()).0;
    [d[0], d[1], d[2], d[3]]
}

fn digest(at: u64, payload: &[u8]) -> [u8; FOOT] {
    let d = Digest::of_bytes("bedside call entry", &[&at.to_le_bytes()[..], payload].concat()).0;
    let mut short = [0; FOOT];
    short.copy_from_slice(&d[..FOOT]);
    short
}
