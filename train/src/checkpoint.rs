//! Checkpoints that are whole or not there.
//!
//! ```text
//! checkpoints/step-00000020/          one folder a checkpoint
//!     model.safetensors  optimizer.bin  ...
//!     manifest.json                   written last: step, config, counters; length and BLAKE3 of every file
//! ```
//! A checkpoint is written into a folder with another name, each file flushed to the disk, the manifest after them; then the
//! folder is renamed and its parent flushed. A process killed at any moment leaves a folder that no reader looks at, or a whole
//! checkpoint. Reading checks every byte against the manifest and the manifest against its own digest.

use bedside_env::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a checkpoint is of. `digest` is over all the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    /// Optimiser steps taken.
    pub step: u64,
    /// Digest of the configuration ([`crate::grpo::GrpoConfig::digest`]).
    pub config: Digest,
    /// How many draws each counted stream has made; a resumed run goes on from there.
    pub counters: BTreeMap<String, u64>,
    pub files: BTreeMap<String, FileEntry>,
    pub digest: Digest,
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub bytes: u64,
    pub blake3: Digest,
}

/// A checkpoint as read: every byte was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub manifest: Manifest,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why a checkpoint was not written or not read. `file` is relative to the checkpoint's folder.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{folder}: {file} {what}\nhint: the checkpoint is torn or was edited; an earlier one may be sound")]
    Damaged { folder: PathBuf, file: String, what: String },
    #[error(
        "{folder} holds no sound checkpoint any more; the latest: {}\nhint: nothing is left to go on from; begin again in another folder",
        first_line(latest)
    )]
    AllDamaged { folder: PathBuf, latest: Box<CheckpointError> },
    #[error("{0} is there already and differs\nhint: another run wrote it; choose another folder")]
    Exists(PathBuf),
    #[error(
        "`{0}` cannot be the name of a checkpoint's file\nhint: one plain name, neither hidden nor `manifest.json`"
    )]
    BadName(String),
    #[error("{0} holds no checkpoint")]
    None(PathBuf),
}

/// A folder of checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    /// How many complete checkpoints stay; at least 1.
    keep: usize,
}

const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;
/// Folders with these prefixes are half written or half removed; the next save clears them.
const WRITING: &str = ".writing-";
const REMOVING: &str = ".removing-";

impl Checkpoints {
    /// Makes the folder where it is missing.
    pub fn open(folder: &Path, keep: usize) -> Result<Checkpoints, CheckpointError> {
        fs::create_dir_all(folder).map_err(|e| at(folder, e))?;
        Ok(Checkpoints { folder: folder.to_owned(), keep: keep.max(1) })
    }

    /// Writes a checkpoint; when it returns, the checkpoint is on the disk. Then removes the oldest beyond `keep`.
    /// The same checkpoint written twice is fine, another one of the same step is refused.
    pub fn save(
        &self,
        step: u64,
        config: Digest,
        counters: BTreeMap<String, u64>,
        files: &[(&str, &[u8])],
    ) -> Result<PathBuf, CheckpointError> {
        self.clear_leftovers()?;
        let manifest = manifest(step, config, counters, files)?;
        let place = self.place(step);
        if place.exists() {
            match read_manifest(&place) {
                // Its files are read too: a manifest that agrees does not make a damaged file whole.
                Ok(there) if there == manifest && load(&place).is_ok() => return Ok(place),
                Ok(there) if there == manifest => self.remove(&place)?,
                Ok(_) => return Err(CheckpointError::Exists(place)),
                // What cannot be read is no checkpoint; it makes room.
                Err(_) => self.remove(&place)?,
            }
        }
        let writing = self.folder.join(format!("{WRITING}{step:08}"));
        fs::create_dir(&writing).map_err(|e| at(&writing, e))?;
        for (name, bytes) in files {
            write_flushed(&writing.join(name), bytes)?;
        }
        let json = serde_json::to_vec_pretty(&manifest).map_err(|e| at(&writing, e.into()))?;
        write_flushed(&writing.join(MANIFEST), &json)?;
        flush_folder(&writing)?;
        fs::rename(&writing, &place).map_err(|e| at(&place, e))?;
        flush_folder(&self.folder)?;
        self.keep_last()?;
        Ok(place)
    }

    /// Steps that have a folder, ascending. Whether they are sound only [`Checkpoints::load`] knows.
    pub fn steps(&self) -> Result<Vec<u64>, CheckpointError> {
        let mut steps: Vec<u64> = self.names()?.iter().filter_map(|n| n.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Reads and checks one checkpoint.
    pub fn load(&self, step: u64) -> Result<Checkpoint, CheckpointError> {
        load(&self.place(step))
    }

    /// The latest sound checkpoint, with the errors of later ones that are not; an error of its own where none is sound.
    pub fn latest(&self) -> Result<(Checkpoint, Vec<CheckpointError>), CheckpointError> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match self.load(step) {
                Ok(found) => return Ok((found, damaged)),
                Err(e) => damaged.push(e),
            }
        }
        // With nothing sound left, the latest one's error says most.
        let folder = self.folder.clone();
        Err(match damaged.into_iter().next() {
            Some(latest) => CheckpointError::AllDamaged { folder, latest: Box::new(latest) },
            None => CheckpointError::None(folder),
        })
    }

    fn place(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    fn names(&self) -> Result<Vec<String>, CheckpointError> {
        let entries = fs::read_dir(&self.folder).map_err(|e| at(&self.folder, e))?;
        let name = |e: io::Result<fs::DirEntry>| Ok(e.map_err(|e| at(&self.folder, e))?.file_name());
        let names = entries.map(name).collect::<Result<Vec<_>, CheckpointError>>()?;
        Ok(names.into_iter().filter_map(|n| n.into_string().ok()).collect())
    }

    fn clear_leftovers(&self) -> Result<(), CheckpointError> {
        for name in self.names()?.iter().filter(|n| n.starts_with(WRITING) || n.starts_with(REMOVING)) {
            let path = self.folder.join(name);
            fs::remove_dir_all(&path).map_err(|e| at(&path, e))?;
        }
        Ok(())
    }

    /// Renamed before it is emptied, so that a kill on the way leaves no torn checkpoint under a checkpoint's name.
    fn remove(&self, place: &Path) -> Result<(), CheckpointError> {
        let name = place.file_name().and_then(|n| n.to_str()).unwrap_or("checkpoint");
        let removing = self.folder.join(format!("{REMOVING}{name}"));
        fs::rename(place, &removing).map_err(|e| at(place, e))?;
        fs::remove_dir_all(&removing).map_err(|e| at(&removing, e))
    }

    fn keep_last(&self) -> Result<(), CheckpointError> {
        let steps = self.steps()?;
        let surplus = steps.len().saturating_sub(self.keep);
        steps[..surplus].iter().try_for_each(|step| self.remove(&self.place(*step)))
    }
}

/// Reads a checkpoint's folder and checks every byte of it. The error names the file that is wrong.
pub fn load(folder: &Path) -> Result<Checkpoint, CheckpointError> {
    let manifest = read_manifest(folder)?;
    let entries = fs::read_dir(folder).map_err(|e| at(folder, e))?;
    for entry in entries {
        let name = entry.map_err(|e| at(folder, e))?.file_name().to_string_lossy().into_owned();
        if name != MANIFEST && !manifest.files.contains_key(&name) {
            return Err(damaged(folder, &name, "is not in the manifest"));
        }
    }
    let mut files = BTreeMap::new();
    for (name, entry) in &manifest.files {
        let bytes = fs::read(folder.join(name)).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => damaged(folder, name, "is missing"),
            _ => at(&folder.join(name), e),
        })?;
        if bytes.len() as u64 != entry.bytes {
            return Err(damaged(folder, name, format!("has {} bytes, the manifest says {}", bytes.len(), entry.bytes)));
        }
        if file_digest(&bytes) != entry.blake3 {
            return Err(damaged(folder, name, "does not hold what the manifest says"));
        }
        files.insert(name.clone(), bytes);
    }
    Ok(Checkpoint { manifest, files })
}

fn manifest(
    step: u64,
    config: Digest,
    counters: BTreeMap<String, u64>,
    files: &[(&str, &[u8])],
) -> Result<Manifest, CheckpointError> {
    let mut entries = BTreeMap::new();
    for (name, bytes) in files {
        let plain =
            !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) && *name != MANIFEST;
        let entry = FileEntry { bytes: bytes.len() as u64, blake3: file_digest(bytes) };
        if !plain || entries.insert((*name).to_owned(), entry).is_some() {
            return Err(CheckpointError::BadName((*name).to_owned()));
        }
    }
    let open = Manifest { format: FORMAT, step, config, counters, files: entries, digest: Digest::ZERO };
    Ok(Manifest { digest: manifest_digest(&open), ..open })
}

fn read_manifest(folder: &Path) -> Result<Manifest, CheckpointError> {
    let bytes = fs::read(folder.join(MANIFEST)).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => damaged(folder, MANIFEST, "is missing"),
        _ => at(&folder.join(MANIFEST), e),
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|e| damaged(folder, MANIFEST, format!("is not a manifest: {e}")))?;
    if manifest.format != FORMAT {
        return Err(damaged(folder, MANIFEST, format!("has format {}, this program reads {FORMAT}", manifest.format)));
    }
    if manifest_digest(&manifest) != manifest.digest {
        return Err(damaged(folder, MANIFEST, "does not agree with its own digest"));
    }
    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if name.strip_prefix("step-").is_some_and(|n| n.parse() != Ok(manifest.step)) {
        return Err(damaged(folder, MANIFEST, format!("is of step {}", manifest.step)));
    }
    Ok(manifest)
}

fn file_digest(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

fn manifest_digest(manifest: &Manifest) -> Digest {
    Digest::of("checkpoint", &Manifest { digest: Digest::ZERO, ..manifest.clone() })
}

fn write_flushed(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| at(path, e))
}

/// Makes names in a folder durable. Where folders cannot be opened as files (Windows) the file system sees to it.
fn flush_folder(folder: &Path) -> Result<(), CheckpointError> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| at(folder, e))?;
    }
    Ok(())
}

/// Of an error within another: its hint is not the one to follow.
fn first_line(e: &CheckpointError) -> String {
    e.to_string().lines().next().unwrap_or_default().to_owned()
}

fn at(path: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::Io { path: path.to_owned(), source }
}

fn damaged(folder: &Path, file: &str, what: impl Into<String>) -> CheckpointError {
    CheckpointError::Damaged { folder: folder.to_owned(), file: file.to_owned(), what: what.into() }
}
