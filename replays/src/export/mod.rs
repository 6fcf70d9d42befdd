//! Logs as other tools read them. Every row names the log it came from, and can be checked against it.

pub mod chat;
pub mod parquet;
pub mod rlds;

use crate::log::Logged;
use bedside_env::Event;
use serde::{Deserialize, Serialize};

/// Where a row came from: enough to find the episode again and to notice that it is another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub episode: String,
    /// Hash of the episode's head, which vouches for all of its bytes.
    pub head: String,
    pub engine: u32,
    pub schema: u16,
    pub record: String,
    pub record_hash: String,
    pub seed: u64,
    pub persona: String,
    pub policy: String,
    /// `diagnosis_given`, `turns`, ...
    pub status: String,
    pub terminated: bool,
    pub scorer: Option<String>,
    pub rubric: String,
    /// Where it was forked from, if it was.
    pub parent: Option<String>,
    pub fork_turn: Option<u32>,
}

impl Source {
    pub fn of(logged: &Logged) -> Source {
        let seal = &logged.head.seal;
        let opening = match logged.log.events.first() {
            Some(Event::ConsultationOpened(o)) => Some(o),
            _ => None,
        };
        let fork = crate::fork::lineage(&logged.log.events).into_iter().next();
        Source {
            episode: logged.log.episode.to_string(),
            head: logged.head_hash.hex(),
            engine: opening.map_or(0, |o| o.engine),
            schema: logged.head.schema,
            record: seal.case.to_string(),
            record_hash: seal.record.hex(),
            seed: seal.seed.0,
            persona: opening.map_or_else(String::new, |o| o.persona.to_string()),
            policy: seal.policy.clone(),
            status: status_word(seal.status).to_owned(),
            terminated: seal.status.terminated(),
            scorer: seal.scorer.clone(),
            rubric: seal.rubric.hex(),
            parent: fork.as_ref().map(|f| f.parent.to_string()),
            fork_turn: fork.map(|f| f.at_turn),
        }
    }
}

/// One word for how an episode ended.
pub fn status_word(status: bedside_env::Status) -> &'static str {
    match status {
        bedside_env::Status::Running => "running",
        bedside_env::Status::Terminated(e) => e.word(),
        bedside_env::Status::Truncated(l) => l.word(),
    }
}
