//! Rule tasks as the command line names them.

use crate::cli::fail::Fail;
use bedside::env::Digest;
use bedside::prelude::Seed;
use bedside::train::rules::{Set, Task, instructions, read, split};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Sets of tasks by name, and where the published ones lie.
pub struct Named<'a> {
    pub sets: &'a [Set],
    pub data: Option<&'a Path>,
    /// Tasks of each set at most.
    pub limit: usize,
    /// How many of ours are generated.
    pub generated: usize,
    pub held_percent: u32,
}

/// What run.json says of the tasks.
#[derive(Serialize)]
pub struct TaskData {
    pub sets: Vec<SetData>,
    pub held_percent: u32,
    /// BLAKE3 over all tasks, prompts and checks.
    pub digest: Digest,
}

#[derive(Serialize)]
pub struct SetData {
    pub set: Set,
    pub learnt: usize,
    pub held: usize,
    /// Rows that are no task.
    pub missed: usize,
}

/// Instructions that are made, and the share of all tasks that is held out, unless one says otherwise.
pub const GENERATED: usize = 1_000;
pub const HELD_PERCENT: u32 = 10;
/// The seed of our own instructions: the tasks are the same in every run.
const OURS: Seed = Seed(1);

pub struct Loaded {
    pub learnt: Vec<Task>,
    pub held: Vec<Task>,
    pub data: TaskData,
}

impl Named<'_> {
    pub fn load(&self) -> Result<Loaded, Fail> {
        let mut sets = self.sets.to_vec();
        sets.sort();
        sets.dedup();
        let mut out = Loaded {
            learnt: Vec::new(),
            held: Vec::new(),
            data: TaskData { sets: Vec::new(), held_percent: self.held_percent, digest: Digest::ZERO },
        };
        for set in sets {
            let (mut tasks, missed) = if set == Set::Instructions {
                (instructions::tasks(OURS, self.generated), 0)
            } else {
                let read = read(set, &data_folder(self.data, set)?).map_err(|e| Fail::Trouble(e.to_string()))?;
                if let Some(first) = read.missed.first() {
                    eprintln!("{} rows of {set} are no tasks; the first: {first}", read.missed.len());
                }
                (read.tasks, read.missed.len())
            };
            // By digest: which tasks are taken depends on no order of rows.
            tasks.sort_by_cached_key(Task::digest);
            tasks.truncate(self.limit);
            let (learnt, held) = split(tasks, self.held_percent);
            out.data.sets.push(SetData { set, learnt: learnt.len(), held: held.len(), missed });
            out.learnt.extend(learnt);
            out.held.extend(held);
        }
        let all: Vec<Digest> = out.learnt.iter().chain(&out.held).map(Task::digest).collect();
        out.data.digest = Digest::of("rule tasks", &all);
        Ok(out)
    }
}

/// The folder of published data: the one that was named, or BEDSIDE_DATA.
pub fn data_folder(named: Option<&Path>, what: impl std::fmt::Display) -> Result<PathBuf, Fail> {
    let known = named.map(Path::to_owned).or_else(|| std::env::var_os("BEDSIDE_DATA").map(PathBuf::from));
    known.ok_or_else(|| {
        Fail::usage(
            format!("{what} is in no folder that is known"),
            "name the folder of the published sets with --data DIR (--guard-data DIR for a guard) or in BEDSIDE_DATA",
        )
    })
}

/// Which of the published sets or corpora a folder holds, by the names of its folders. `option` names some of them instead.
pub fn found<T: Copy + std::fmt::Display>(data: &Path, all: &[T], option: &str) -> Result<Vec<T>, Fail> {
    if !data.is_dir() {
        let message = format!("--data {} is no folder", data.display());
        return Err(Fail::trouble(message, "it names the folder that holds the sets' folders, such as DIR/gsm8k"));
    }
    let there: Vec<T> = all.iter().copied().filter(|set| data.join(set.to_string()).is_dir()).collect();
    let named = |sets: &[T]| sets.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    if there.is_empty() {
        let message = format!("--data {} holds no folder of a set that is known: {}", data.display(), named(all));
        return Err(Fail::trouble(
            message,
            format!("name the folder above theirs, or what is to be read with {option}"),
        ));
    }
    eprintln!("of {}: {}", data.display(), named(&there));
    Ok(there)
}

/// At most `n` tasks, as many of each set as can be.
pub fn evenly(tasks: Vec<Task>, n: usize) -> Vec<Task> {
    let mut placed: Vec<(usize, Task)> = Vec::with_capacity(tasks.len());
    for task in tasks {
        let place = placed.iter().filter(|(_, t)| t.set == task.set).count();
        placed.push((place, task));
    }
    placed.sort_by_key(|(place, task)| (*place, task.set));
    placed.into_iter().take(n).map(|(_, t)| t).collect()
}
