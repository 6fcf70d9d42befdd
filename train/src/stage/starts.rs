//! Where groups start: whole consultations, or turns of logged ones. Every start comes once before any comes again; which is next
//! depends on how many were drawn, and on nothing else.

use super::StageError;
use crate::rollout::Start;
use crate::teaching::shuffled;
use bedside_env::EpisodeLog;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::verifier::fragments::{Filters, Sifted, fragments};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What groups start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StartFrom {
    /// Whole consultations.
    Session,
    /// `turns` doctor turns from the middle of a logged consultation.
    Fragment { turns: u32, logged: Logged },
}

/// Whose consultations are cut into fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Logged {
    /// A teacher's, made once.
    Teacher,
    /// The policy's own: this many, played anew every `every` rounds.
    Policy { consultations: usize, every: u64 },
}

/// The `index`th start of whole consultations: passes over the cases, each with an environment of its own.
pub fn session(cases: usize, seed: Seed, index: u64) -> Start {
    let place = (index % cases.max(1) as u64) as usize;
    let case = shuffled(cases, seed, index / cases.max(1) as u64).get(place).copied().unwrap_or(0);
    Start::Session { case, seed: Seed(Draw::new(seed, &index.to_be_bytes(), 0, Purpose::Case).next_u64()) }
}

/// Fragments to start from, the bad ones left out.
pub struct Pool {
    logs: Vec<(usize, Arc<EpisodeLog>)>,
    /// A log, and the doctor turns that are shared.
    points: Vec<(usize, u32)>,
    turns: u32,
    pub sifted: Sifted,
}

impl Pool {
    /// Cuts consultations (by case) at every turn but the first: what follows no turn is a consultation, not a fragment.
    pub fn new(logs: Vec<(usize, EpisodeLog)>, turns: u32) -> Result<Pool, StageError> {
        let logs: Vec<(usize, Arc<EpisodeLog>)> = logs.into_iter().map(|(case, log)| (case, Arc::new(log))).collect();
        let (mut points, mut sifted) = (Vec::new(), Sifted::default());
        for (i, (_, log)) in logs.iter().enumerate() {
            let (kept, report) = Filters::default().sift(fragments(log, turns).filter(|f| f.at_turn > 0));
            points.extend(kept.into_iter().map(|f| (i, f.at_turn)));
            sifted.seen += report.seen;
            sifted.kept += report.kept;
            report.dropped.into_iter().for_each(|(why, n)| *sifted.dropped.entry(why).or_insert(0) += n);
        }
        if points.is_empty() {
            let why: Vec<String> = sifted.dropped.iter().map(|(why, n)| format!("{} {n}", why.word())).collect();
            let message = format!("of {} fragments none can be learnt from: {}", sifted.seen, why.join(", "));
            return Err(StageError::new(message, "more cases, or fragments of the teacher's consultations"));
        }
        Ok(Pool { logs, points, turns, sifted })
    }

    /// The `index`th start: passes over all fragments.
    pub fn start(&self, seed: Seed, index: u64) -> Start {
        let n = self.points.len();
        let place = shuffled(n, seed, index / n as u64)[(index % n as u64) as usize];
        let (log, at_turn) = self.points[place];
        let (case, log) = &self.logs[log];
        Start::Fragment { case: *case, log: log.clone(), at_turn, turns: self.turns }
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// For a checkpoint: the consultations it was cut from. Events hold no fractions, so JSON keeps them to the bit.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, StageError> {
        serde_json::to_vec(&self.logs).map_err(|e| StageError::new(e.to_string(), "please report it"))
    }

    pub(super) fn from_bytes(bytes: &[u8], turns: u32) -> Result<Pool, StageError> {
        let logs: Vec<(usize, EpisodeLog)> = serde_json::from_slice(bytes).map_err(|e| {
            StageError::new(format!("the checkpoint's fragments: {e}"), "resume from an earlier checkpoint")
        })?;
        Pool::new(logs, turns)
    }
}
