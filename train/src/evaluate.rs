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
pub use play::{Course, Played, compete};
pub use summary::{Comparison, Group, Row, Summary, Yardsticks, summarise};

use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Env, EnvConfig, EnvError, Gym, Observation, Policy, PolicyError, ResetOptions, Step};
use std::sync::Arc;

/// How one consultation went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub case: usize,
    pub seed: Seed,
    pub last: Step,
}

impl Outcome {
    /// `None` where the verifier gave no score.
    pub fn score(&self) -> Option<f64> {
        self.last.reward.value()
    }
}

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

/// Plays every case with every seed, in the order cases x seeds: for a policy that is at hand, as during training.
pub fn evaluate(
    policy: &mut dyn Policy,
    cases: &Arc<Vec<Arc<Case>>>,
    config: &EnvConfig,
    seeds: &[Seed],
) -> Result<Vec<Outcome>, EvaluateError> {
    let mut playing = Vec::with_capacity(cases.len() * seeds.len());
    for case in 0..cases.len() {
        for seed in seeds {
            let mut gym = Gym::new(cases.clone(), config.clone());
            let options = ResetOptions { case: Some(case), label: policy.name(), ..ResetOptions::default() };
            let observation = gym.reset(*seed, &options)?.0;
            playing.push((gym, case, *seed, observation, None::<Step>));
        }
    }
    loop {
        let running: Vec<usize> = (0..playing.len()).filter(|i| playing[*i].4.is_none()).collect();
        if running.is_empty() {
            break;
        }
        let asked: Vec<(&Observation, Seed)> = running.iter().map(|i| (&playing[*i].3, playing[*i].2)).collect();
        let decisions = policy.act(&asked)?;
        if decisions.len() != running.len() {
            return Err(EvaluateError::Decisions { got: decisions.len(), asked: running.len() });
        }
        for (i, decision) in running.into_iter().zip(decisions) {
            let (gym, _, _, observation, last) = &mut playing[i];
            let step = gym.step(decision)?;
            match step.status.is_running() {
                true => *observation = step.observation,
                false => *last = Some(step),
            }
        }
    }
    Ok(playing.into_iter().filter_map(|(_, case, seed, _, last)| Some(Outcome { case, seed, last: last? })).collect())
}
