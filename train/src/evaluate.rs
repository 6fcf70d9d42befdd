//! Policies on cases they have not seen: whole consultations, the same cases and seeds for every policy, so that two of them can
//! be compared case by case.
//!
//! [`Contestant`] is who plays: a scripted doctor by name, the oracle too, or a language model. [`compete`] plays cases x seeds and
//! hands over one [`Row`] and one recording a consultation, in order, whatever the threads and the batch. [`Summary`] is what
//! a table or a program reads. An unscored consultation is counted and has no number.

mod contestant;
mod play;
mod summary;

#[cfg(test)]
mod tests;

pub use contestant::{Contestant, ContestantError, LmSettings};
pub use play::{Course, Played, compete, compete_with};
pub use summary::{Comparison, Group, Row, Summary, Yardsticks, summarise};

use bedside_env::{EnvError, PolicyError};

#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Contestant(#[from] ContestantError),
    #[error(
        "the policy returned {got} decisions for {asked} observations\nhint: return one decision for each observation"
    )]
    Decisions { got: usize, asked: usize },
    #[error("a worker thread is gone\nhint: it panicked; its message is on standard error, please report it")]
    WorkerLost,
}
