//! The guard of a stage of reinforcement, from the command line.

use super::RunArgs;
use super::mid::guard_text;
use super::tasks::{GENERATED, HELD_PERCENT, Named, evenly};
use crate::cli::fail::Fail;
use crate::cli::source::{MOST, within};
use bedside::env::Digest;
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::rules::{Asked, Set, Task};
use bedside::train::stage::{Guard, Guarded, Stage};
use serde::Serialize;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct GuardArgs {
    /// A text whose perplexity is watched; an alarm is raised where it rises
    #[arg(long, value_name = "FILE|DIR")]
    guard_text: Option<PathBuf>,
    /// Sets of rule tasks whose held-out accuracy is watched, such as gsm8k,instructions; an alarm is raised where it falls
    #[arg(long, value_delimiter = ',', value_name = "SETS")]
    guard_tasks: Vec<Set>,
    /// How many tasks of them
    #[arg(long, default_value_t = 64, value_parser = within::<usize>(1, MOST))]
    guard_limit: usize,
    /// Tokens of a guard's reply at most
    #[arg(long, default_value_t = 64, value_parser = within::<usize>(1, 65_536))]
    guard_reply: usize,
    /// Folder that holds the guard's sets; BEDSIDE_DATA by default
    #[arg(long, value_name = "DIR")]
    guard_data: Option<PathBuf>,
}

/// What run.json says of a guard. It changes nothing of the run, but the run's metrics hold what it saw.
#[derive(Serialize)]
pub struct GuardData {
    text: Option<PathBuf>,
    tasks: usize,
    reply: usize,
    digest: Digest,
}

impl GuardArgs {
    /// The guard, where one is asked for. A stage on rule tasks says which share of them it does not learn from.
    pub(super) fn load(
        &self,
        run: &RunArgs,
        policy: &PolicyFolder,
        held_percent: u32,
    ) -> Result<Option<(Guard, GuardData)>, Fail> {
        if self.guard_text.is_none() && self.guard_tasks.is_empty() {
            return Ok(None);
        }
        let text = match &self.guard_text {
            Some(path) => guard_text(path, policy)?,
            None => Vec::new(),
        };
        let named = Named {
            sets: &self.guard_tasks,
            data: self.guard_data.as_deref(),
            limit: usize::MAX,
            generated: GENERATED,
            // Only what no stage learns from.
            held_percent: held_percent.min(HELD_PERCENT),
        };
        let tasks: Vec<Task> = evenly(named.load()?.held, self.guard_limit);
        let positions = policy.weights.config.max_position_embeddings;
        let asked = Asked::all(tasks, &policy.chat, &policy.tokenizer, positions, self.guard_reply);
        let (tasks, long) = asked.map_err(|e| Fail::Trouble(e.to_string()))?;
        if long > 0 {
            eprintln!("{long} of the guard's tasks are too long for the policy and left out");
        }
        if text.is_empty() && tasks.is_empty() {
            return Err(Fail::usage("the guard has nothing to watch", "give --guard-text, or sets with shorter tasks"));
        }
        let names: Vec<Digest> = tasks.iter().map(|t| t.digest).collect();
        let ids: Vec<&[u32]> = text.iter().flat_map(|l| &l.turns).map(|t| t.ids.as_slice()).collect();
        let data = GuardData {
            text: self.guard_text.clone(),
            tasks: tasks.len(),
            reply: self.guard_reply,
            digest: Digest::of("guard", &(names, ids)),
        };
        let tokenizer = policy.tokenizer.clone();
        let guard = Guard { text, tasks, reply: self.guard_reply, tokenizer, every: run.held_every };
        Ok(Some((guard, data)))
    }
}

/// The stage, with a guard beside it where there is one.
pub fn guarded(stage: Box<dyn Stage>, guard: Option<Guard>) -> Box<dyn Stage> {
    match guard {
        Some(guard) => Box::new(Guarded::new(stage, guard)),
        None => stage,
    }
}
