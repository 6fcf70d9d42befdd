//! Rule tasks (M2 3, rule-based RL): one question, one reply, and a rule that tells right from wrong. No judge is asked.
//!
//! [`answer`] finds the answer a reply commits to, [`check`] holds it against the right one, [`readers`] read published sets as
//! published, [`instructions`] makes tasks of its own, [`ask`] puts tasks to a policy.

pub mod answer;
pub mod ask;
pub mod check;
pub mod instructions;
pub mod readers;

pub use ask::{Answered, Asked, TaskCertificate};
pub use check::{Check, Unchecked, Verdict};
pub use readers::{Read, ReadError, read};

use bedside_env::Digest;
use bedside_lm::Message;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a task comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Exam questions with a letter for an answer.
    Medmcqa,
    /// Questions to an abstract: yes, no or maybe.
    Pubmedqa,
    /// School arithmetic in words.
    Gsm8k,
    /// Clinical calculators on patient notes.
    Medcalc,
    /// Our own, see [`instructions`].
    Instructions,
}

impl Set {
    pub const ALL: [Set; 5] = [Set::Medmcqa, Set::Pubmedqa, Set::Gsm8k, Set::Medcalc, Set::Instructions];

    /// As on the command line, in metrics, and as the set's folder is called.
    pub fn name(self) -> &'static str {
        match self {
            Set::Medmcqa => "medmcqa",
            Set::Pubmedqa => "pubmedqa",
            Set::Gsm8k => "gsm8k",
            Set::Medcalc => "medcalc",
            Set::Instructions => "instructions",
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Set, String> {
        let names = Set::ALL.map(Set::name).join(", ");
        let found = Set::ALL.into_iter().find(|s| s.name() == text.trim());
        found.ok_or_else(|| format!("there is no set `{text}`; one of {names}"))
    }
}

/// A question, and how its answer is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub set: Set,
    /// Its name within the set.
    pub id: String,
    /// What it shares with its like (the note that several questions are put to): tasks of one family are on one side of a split.
    pub family: String,
    pub messages: Vec<Message>,
    pub check: Check,
}

/// Raised when a change of prompts or checks changes what an answer earns.
const VERSION: u32 = 1;

impl Task {
    /// Names the task, prompt and check alike.
    pub fn digest(&self) -> Digest {
        Digest::of("rule task", &(VERSION, self))
    }

    /// Whether it is kept from training: `percent` of the families are, by their hash.
    pub fn held_out(&self, percent: u32) -> bool {
        let hash = Digest::of("rule task split", &(self.set, &self.family)).0;
        let word = u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
        word % 100 < u64::from(percent)
    }
}

/// Tasks to learn from, and tasks that are never learnt from.
pub fn split(tasks: Vec<Task>, percent: u32) -> (Vec<Task>, Vec<Task>) {
    tasks.into_iter().partition(|t| !t.held_out(percent))
}
