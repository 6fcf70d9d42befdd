//! What a run leaves on the disk:
//!
//! ```text
//! OUT/run.json        stage, whole configuration, seed, versions, the policy it began with; written first, never changed
//!     metrics.jsonl   one line a step, a function of run.json
//!     alarms.jsonl    one line an alarm
//!     tensorboard/    the same numbers, and seconds
//!     checkpoints/    whole or not there; the last few
//!     policy/         the policy of the last checkpoint, as a model folder; whole, or not there
//!     run.lock        held by the process that writes here
//! ```
//! A folder belongs to one configuration. Another one is refused, by the name of what differs. It belongs to one process at a time: the
//! lock is the operating system's, and goes with the process however that ends.

use super::{Report, State};
use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints};
use crate::metrics::{Alarm, AlarmConfig, Alarms, EventWriter, JsonlWriter, Metrics};
use crate::policy_folder::{FolderError, PolicyFolder};
use bedside_env::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a run is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// `sft` or `grpo`.
    pub stage: String,
    pub seed: u64,
    pub config: Value,
    pub alarms: AlarmConfig,
    pub versions: Versions,
    pub parent: Option<Parent>,
}

/// Programs whose change may change what a run computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub bedside: String,
    /// Of the consultation's rules.
    pub engine: u32,
}

/// The policy a run begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub path: PathBuf,
    pub digest: Digest,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{path}: {source}\nhint: check the path, its rights and the room on the disk")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} holds a run already\nhint: go on with --resume, or choose another folder")]
    Exists(PathBuf),
    #[error("{0} is not empty and holds no run\nhint: choose a new folder")]
    NotEmpty(PathBuf),
    #[error(
        "{0} holds no run to go on with\nhint: see that the folder's name is right; without --resume a run begins there"
    )]
    Nothing(PathBuf),
    #[error(
        "{path}, line {line}: it is no step's line, and to go on from the checkpoint of step {step} would cut it and all lines after it off\nhint: mend the line or take it out, then resume"
    )]
    Lines { path: PathBuf, line: usize, step: u64 },
    #[error("another process is at work in {0}\nhint: wait until it has ended, stop it, or choose another folder")]
    InUse(PathBuf),
    #[error("{path}: {message}\nhint: it is no record of a run; choose another folder")]
    Record { path: PathBuf, message: String },
    #[error(
        "{folder} holds a run of another configuration: {field} is {there} there and {asked} here\nhint: resume with the same arguments, or choose another folder"
    )]
    Differs { folder: PathBuf, field: String, there: String, asked: String },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Policy(#[from] FolderError),
}

impl RunRecord {
    /// The record of a run of this program.
    pub fn new(stage: &str, seed: u64, config: &impl Serialize, parent: Option<Parent>) -> RunRecord {
        RunRecord {
            stage: stage.to_owned(),
            seed,
            // Plain data with string keys: its encoding cannot fail.
            config: serde_json::to_value(config).unwrap_or_default(),
            alarms: AlarmConfig::default(),
            versions: Versions { bedside: env!("CARGO_PKG_VERSION").to_owned(), engine: bedside_env::world::ENGINE },
            parent,
        }
    }

    /// Without the parent's path: a policy that was moved is the same.
    fn comparable(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(parent) = value["parent"].as_object_mut() {
            parent.remove("path");
        }
        value
    }

    pub fn digest(&self) -> Digest {
        Digest::of_bytes("run", self.comparable().to_string().as_bytes())
    }
}

/// The first place where two values differ.
fn difference(path: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            let below = |k: &String| if path.is_empty() { k.clone() } else { format!("{path}.{k}") };
            keys.into_iter()
                .find_map(|k| difference(&below(k), a.get(k).unwrap_or(&Value::Null), b.get(k).unwrap_or(&Value::Null)))
        }
        _ => (a != b).then(|| (path.to_owned(), a.to_string(), b.to_string())),
    }
}

/// A run under way.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    record: RunRecord,
    checkpoints: Checkpoints,
    /// Where to go on, until it is taken.
    found: Option<Checkpoint>,
    /// Later checkpoints that were not sound.
    pub damaged: Vec<CheckpointError>,
    /// What else was found and left behind when the run was taken up, a sentence each.
    pub cut: Vec<String>,
    alarms: Alarms,
    metrics: JsonlWriter,
    events: EventWriter,
    alarm_lines: File,
    /// Held until this is dropped.
    _lock: File,
}

const LOCK: &str = "run.lock";
const RECORD: &str = "run.json";
const POLICY: &str = "policy";
const ALARMS: &str = "alarms.bin";

impl RunFolder {
    /// Whether [`RunFolder::open`] would refuse the folder for what is in it, without touching it: so that a command finds out before
    /// its long preparations, and takes the folder after them. With `resume` there has to be a run.
    pub fn check(root: &Path, record: &RunRecord, resume: bool) -> Result<(), RunError> {
        let path = root.join(RECORD);
        match fs::read(&path) {
            Ok(_) if !resume => Err(RunError::Exists(root.to_owned())),
            Ok(bytes) => same(root, &path, &bytes, record),
            Err(e) if e.kind() == io::ErrorKind::NotFound && resume => Err(RunError::Nothing(root.to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound && root.is_dir() => empty(root),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(at(&path, e)),
        }
    }

    /// Begins a run in a new folder; with `resume`, goes on in the folder of the same run, from its latest sound checkpoint (from
    /// the beginning where there is none yet).
    pub fn open(root: &Path, record: RunRecord, resume: bool, keep: usize) -> Result<RunFolder, RunError> {
        let path = root.join(RECORD);
        if !resume && path.exists() {
            return Err(RunError::Exists(root.to_owned()));
        }
        // A folder that is not a run's is left as it is.
        fs::create_dir_all(root).map_err(|e| at(root, e))?;
        if !path.exists() {
            empty(root)?;
        }
        let lock = lock(root)?;
        match fs::read(&path) {
            // Begun by another between the two looks.
            Ok(_) if !resume => return Err(RunError::Exists(root.to_owned())),
            Ok(bytes) => same(root, &path, &bytes, &record)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => begin(root, &path, &record)?,
            Err(e) => return Err(at(&path, e)),
        }
        let checkpoints = Checkpoints::open(&root.join("checkpoints"), keep)?;
        let (found, damaged) = match checkpoints.latest() {
            Ok((found, damaged)) => (Some(found), damaged),
            Err(CheckpointError::None(_)) => (None, Vec::new()),
            Err(e) => return Err(e.into()),
        };
        let step = found.as_ref().map_or(0, |c| c.manifest.step);
        let alarms = found
            .as_ref()
            .and_then(|c| Alarms::from_bytes(record.alarms.clone(), c.files.get(ALARMS)?))
            .unwrap_or_else(|| Alarms::new(record.alarms.clone()));
        let lines = root.join("metrics.jsonl");
        let (metrics, kept) = JsonlWriter::resume(&lines, step).map_err(|e| at(&lines, e))?;
        if let Some(line) = kept.broken {
            return Err(RunError::Lines { path: lines, line, step });
        }
        let cut = kept.told(step);
        let folder = root.join("tensorboard");
        let begun = folder.is_dir();
        let events =
            if begun { EventWriter::resume(&folder, now(), step) } else { EventWriter::create(&folder, now()) };
        let events = events.map_err(|e| at(&folder, e))?;
        let lines = root.join("alarms.jsonl");
        let alarm_lines = cut_after(&lines, step)?;
        let root = root.to_owned();
        Ok(RunFolder {
            root,
            record,
            checkpoints,
            found,
            damaged,
            cut,
            alarms,
            metrics,
            events,
            alarm_lines,
            _lock: lock,
        })
    }

    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The step the run goes on after; 0 at the beginning.
    pub fn resumes_after(&self) -> u64 {
        self.found.as_ref().map_or(0, |c| c.manifest.step)
    }

    pub(super) fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        self.found.take()
    }

    /// Folder of the latest policy.
    pub fn policy(&self) -> PathBuf {
        self.root.join(POLICY)
    }

    /// Writes one step everywhere, and returns its alarms.
    pub(super) fn write(&mut self, step: u64, report: &Report) -> Result<Vec<Alarm>, RunError> {
        let raised = self.alarms.check(step, &report.metrics);
        let io = |e| at(&self.root, e);
        self.metrics.write(step, &report.metrics).map_err(io)?;
        let mut shown: Metrics = report.metrics.clone();
        report.seconds.iter().for_each(|(name, value)| shown.set(format!("seconds/{name}"), value));
        self.events.write(step, now(), &shown).map_err(io)?;
        for alarm in &raised {
            let line = serde_json::to_string(alarm).map_err(|e| io(e.into()))?;
            self.alarm_lines.write_all(format!("{line}\n").as_bytes()).map_err(io)?;
        }
        Ok(raised)
    }

    pub(super) fn checkpoint(&self, step: u64, state: State) -> Result<(), RunError> {
        // On the disk before the checkpoint: one that is found has all lines before it.
        self.metrics.flush().map_err(|e| at(&self.root, e))?;
        let alarms = self.alarms.to_bytes();
        let mut files: Vec<(&str, &[u8])> = state.files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        files.push((ALARMS, &alarms));
        self.checkpoints.save(step, self.record.digest(), state.counters.clone(), &files)?;
        Ok(())
    }

    /// Whether OUT/policy is this one, whole.
    pub(super) fn holds_policy(&self, policy: &PolicyFolder) -> Result<bool, RunError> {
        let place = self.policy();
        let there = if place.is_dir() { PolicyFolder::load(&place).and_then(|p| p.digest()).ok() } else { None };
        Ok(there == Some(policy.digest()?))
    }

    /// Makes OUT/policy this one: the old one, none for a moment, then the whole new one.
    pub(super) fn keep_policy(&self, policy: &PolicyFolder) -> Result<(), RunError> {
        let place = self.policy();
        let (part, old) = (self.root.join(format!("{POLICY}.part")), self.root.join(format!("{POLICY}.old")));
        for left in [&part, &old] {
            remove(left)?;
        }
        policy.save(&part)?;
        for entry in fs::read_dir(&part).map_err(|e| at(&part, e))? {
            let path = entry.map_err(|e| at(&part, e))?.path();
            File::open(&path).and_then(|f| f.sync_all()).map_err(|e| at(&path, e))?;
        }
        match fs::rename(&place, &old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&place, e)),
            _ => {}
        }
        fs::rename(&part, &place).map_err(|e| at(&place, e))?;
        remove(&old)
    }
}

/// The record that is there is of the same run.
fn same(root: &Path, path: &Path, bytes: &[u8], record: &RunRecord) -> Result<(), RunError> {
    let there: RunRecord = serde_json::from_slice(bytes)
        .map_err(|e| RunError::Record { path: path.to_owned(), message: e.to_string() })?;
    match difference("", &there.comparable(), &record.comparable()) {
        Some((field, there, asked)) => Err(RunError::Differs { folder: root.to_owned(), field, there, asked }),
        None => Ok(()),
    }
}

/// Nothing is there but what a run that was stopped at its very beginning leaves.
fn empty(root: &Path) -> Result<(), RunError> {
    let ours = [LOCK.to_owned(), format!("{RECORD}.part")];
    for entry in fs::read_dir(root).map_err(|e| at(root, e))? {
        let name = entry.map_err(|e| at(root, e))?.file_name();
        if !ours.iter().any(|o| name == o.as_str()) {
            return Err(RunError::NotEmpty(root.to_owned()));
        }
    }
    Ok(())
}

/// Removes a folder, or a file of its name; where there is none all is well.
fn remove(path: &Path) -> Result<(), RunError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path, e)),
        _ => Ok(()),
    }
}

fn lock(root: &Path) -> Result<File, RunError> {
    let path = root.join(LOCK);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|e| at(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::InUse(root.to_owned())),
        // Some network file systems have no locks; a run there is on its own.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(e)) => Err(at(&path, e)),
    }
}

/// Writes the record, whole, before anything else is there.
fn begin(root: &Path, path: &Path, record: &RunRecord) -> Result<(), RunError> {
    let part = root.join(format!("{RECORD}.part"));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec_pretty(record)?)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|e| at(path, e))
}

/// A file of alarms without those after `step`, and without a torn last line. A broken line before others that would stay is refused.
fn cut_after(path: &Path, step: u64) -> Result<File, RunError> {
    let io = |e| at(path, e);
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(io)?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut file, &mut text).map_err(io)?;
    let stays = |line: &&[u8]| {
        let of = serde_json::from_slice::<Value>(line).ok().and_then(|v| v["step"].as_u64());
        line.ends_with(b"\n") && of.is_some_and(|s| s <= step)
    };
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let kept = lines.iter().take_while(|line| stays(line)).count();
    if lines[kept..].iter().any(stays) {
        return Err(RunError::Lines { path: path.to_owned(), line: kept + 1, step });
    }
    let length = lines[..kept].iter().map(|line| line.len() as u64).sum();
    file.set_len(length).map_err(io)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(length)).map_err(io)?;
    Ok(file)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn at(path: &Path, source: io::Error) -> RunError {
    RunError::Io { path: path.to_owned(), source }
}
