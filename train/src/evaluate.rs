//! A policy on cases it has not seen: whole consultations, all under way together, the same cases and seeds for every policy.

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
}

/// Plays every case with every seed, in the order cases x seeds.
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
