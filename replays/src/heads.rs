//! The chain of heads: an append-only file beside the store that lists everything the store has acknowledged.
//!
//! The store can lose its tail without an error (a flipped byte there looks like a torn write). What it cannot do is take a
//! line out of this file. Each entry carries the hash of the stored value, a link to the entry before, and a checksum, so a
//! change in here shows too; the store in turn remembers how long this file was, so cutting it shows.

use crate::error::StoreError;
use bedside_env::{Digest, EpisodeId};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

pub const MAGIC: [u8; 8] = *b"BEDHEADS";
pub const VERSION: u32 = 1;
pub const HEADER: usize = 16;
pub const ENTRY: usize = 124;

/// What an entry vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listed {
    Episode,
    Card,
    Record,
}

impl Listed {
    fn tag(self) -> [u8; 4] {
        *match self {
            Listed::Episode => b"EPIS",
            Listed::Card => b"CARD",
            Listed::Record => b"RECD",
        }
    }
}

/// One acknowledged value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Listed,
    /// Zero for a record.
    pub episode: EpisodeId,
    /// Chunks of an episode; zero for the others.
    pub chunks: u32,
    /// A card's key digest or a record's hash; zero for an episode.
    pub key: Digest,
    /// Hash of the stored value: an episode's head, a card, a record.
    pub hash: Digest,
}

/// How far the file goes: number of entries, and the link of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    pub entries: u64,
    pub link: Digest,
}

impl Tip {
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = self.entries.to_be_bytes().to_vec();
        out.extend(self.link.0);
        out
    }
    pub fn from_bytes(b: &[u8]) -> Option<Tip> {
        let entries = u64::from_be_bytes(b.get(..8)?.try_into().ok()?);
        Some(Tip { entries, link: Digest(b.get(8..)?.try_into().ok()?) })
    }
}

pub fn header() -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_be_bytes());
    let crc = crc32fast::hash(&out[..12]);
    out[12..].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Encodes an entry after `tip`, and moves the tip.
pub fn encode(entry: &Entry, tip: &mut Tip) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..4].copy_from_slice(&entry.kind.tag());
    out[4..20].copy_from_slice(&entry.episode.0.to_be_bytes());
    out[20..24].copy_from_slice(&entry.chunks.to_be_bytes());
    out[24..56].copy_from_slice(&entry.key.0);
    out[56..88].copy_from_slice(&entry.hash.0);
    let link = tip.link.chain(&out[..88]);
    out[88..120].copy_from_slice(&link.0);
    let crc = crc32fast::hash(&out[..120]);
    out[120..].copy_from_slice(&crc.to_be_bytes());
    *tip = Tip { entries: tip.entries + 1, link };
    out
}

/// What a reading of the file found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads {
    /// Entries that are whole and linked, with those after a damaged one that can still be read.
    pub entries: Vec<Entry>,
    /// Faults, each with the number of the entry it stands at.
    pub faults: Vec<(u64, String)>,
    /// Tip after the last entry before any fault.
    pub sound: Tip,
    /// Tip after all that could be read.
    pub tip: Tip,
}

/// Reads all entries. A damaged entry is named and skipped; the ones after it are judged by their own checksums.
pub fn decode(bytes: &[u8]) -> Heads {
    let mut found = Heads::default();
    if bytes.len() < HEADER || bytes[..HEADER] != header() {
        found.faults.push((0, "the file's header is damaged".to_owned()));
    }
    let body = bytes.get(HEADER..).unwrap_or(&[]);
    let mut tip = Tip::default();
    let mut broken = false;
    for (i, raw) in body.chunks(ENTRY).enumerate() {
        let at = i as u64;
        let fault = match read_entry(raw) {
            None if raw.len() < ENTRY => Some(format!("entry {at} is cut short ({} of {ENTRY} bytes)", raw.len())),
            None => Some(format!("entry {at} does not match its checksum")),
            Some((entry, link)) => {
                found.entries.push(entry);
                let expected = tip.link.chain(&raw[..88]);
                // After a fault the link of the lost entry is unknown, so the next one starts the chain again.
                let linked = expected == link || broken;
                broken = false;
                tip = Tip { entries: at + 1, link };
                (!linked).then(|| format!("entry {at} does not follow the entry before it"))
            }
        };
        match fault {
            Some(fault) => {
                broken = raw.len() == ENTRY;
                found.faults.push((at, fault));
            }
            None if found.faults.is_empty() => found.sound = tip,
            None => {}
        }
    }
    found.tip = tip;
    found
}

/// One entry and its link, if its checksum holds.
pub fn read_entry(raw: &[u8]) -> Option<(Entry, Digest)> {
    let digest = |at: usize| -> Option<Digest> { Some(Digest(raw.get(at..at + 32)?.try_into().ok()?)) };
    let crc = u32::from_be_bytes(raw.get(120..124)?.try_into().ok()?);
    if crc32fast::hash(&raw[..120]) != crc {
        return None;
    }
    let kind = [Listed::Episode, Listed::Card, Listed::Record].into_iter().find(|k| k.tag() == raw[..4])?;
    let episode = EpisodeId(u128::from_be_bytes(raw[4..20].try_into().ok()?));
    let chunks = u32::from_be_bytes(raw[20..24].try_into().ok()?);
    Some((Entry { kind, episode, chunks, key: digest(24)?, hash: digest(56)? }, digest(88)?))
}

/// The file, open for appending.
pub struct HeadsFile {
    file: File,
    path: PathBuf,
    pub tip: Tip,
}

impl HeadsFile {
    /// All bytes of the file; empty where there is none.
    pub fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
        let mut file = match File::open(path) {
            Ok(f) => f,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io(path, &e)),
        };
        let length = file.metadata().map_err(|e| StoreError::io(path, &e))?.len();
        let mut bytes = Vec::with_capacity(length as usize);
        Read::by_ref(&mut file).take(length).read_to_end(&mut bytes).map_err(|e| StoreError::io(path, &e))?;
        Ok(bytes)
    }

    /// Opens the file at `tip`, dropping what lies behind it (an append that was cut off before it was acknowledged).
    pub fn open(path: &Path, tip: Tip) -> Result<HeadsFile, StoreError> {
        let fail = |e: std::io::Error| StoreError::io(path, &e);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        if length < HEADER as u64 {
            file.set_len(0).or_else(|e| if length == 0 { Ok(()) } else { Err(e) }).map_err(fail)?;
            file.write_all(&header()).map_err(fail)?;
        }
        // A damaged header with nothing acknowledged behind it is written anew.
        if length >= HEADER as u64 && tip.entries == 0 {
            file.set_len(0).map_err(fail)?;
            file.write_all(&header()).map_err(fail)?;
        }
        let whole = HEADER as u64 + tip.entries * ENTRY as u64;
        if length > whole {
            file.set_len(whole).map_err(fail)?;
        }
        file.sync_all().map_err(fail)?;
        Ok(HeadsFile { file, path: path.to_owned(), tip })
    }

    /// Appends entries and waits until the disk has them.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut tip = self.tip;
        let bytes: Vec<u8> = entries.iter().flat_map(|e| encode(e, &mut tip)).collect();
        self.file.write_all(&bytes).map_err(|e| StoreError::io(&self.path, &e))?;
        self.file.sync_data().map_err(|e| StoreError::io(&self.path, &e))?;
        self.tip = tip;
        Ok(())
    }
}
