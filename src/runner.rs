//! Policies x cases x seeds: plays consultations on worker threads and hands them over in job order.

use bedside_agents::Doctor;
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Env, EnvConfig, EnvError, Gym, Persona, PolicyError, ResetOptions, Step, TokenTrace};
use bedside_replays::Recording;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One consultation to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// A name of [`bedside_agents::POLICIES`].
    pub policy: String,
    pub case: usize,
    pub seed: Seed,
    pub persona: Option<Persona>,
}

/// Why a consultation could not be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlayError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Unknown(#[from] bedside_agents::UnknownPolicy),
    #[error("the policy returned no decision\nhint: return one decision for each observation")]
    NoDecision,
}

/// What was played: its last step, and all that the log keeps.
pub struct Played {
    pub step: Step,
    pub recording: Recording,
}

/// Plays one consultation to its end.
pub fn play(gym: &mut Gym, doctor: &mut Doctor, config: &EnvConfig, job: &Job) -> Result<Played, PlayError> {
    let name = doctor.name();
    let options = ResetOptions { case: Some(job.case), persona: job.persona, label: name.clone() };
    let (mut observation, info) = gym.reset(job.seed, &options)?;
    let truth = gym.privileged()?;
    let mut traces: Vec<(u32, TokenTrace)> = Vec::new();
    loop {
        let decisions = match doctor {
            Doctor::Fair(p) => p.act(&[(&observation, job.seed)])?,
            Doctor::Privileged(p) => p.act(&[(&observation, &truth, job.seed)])?,
        };
        let decision = decisions.into_iter().next().ok_or(PlayError::NoDecision)?;
        traces.extend(decision.trace.clone().map(|t| (observation.turn + 1, t)));
        let step = gym.step(decision)?;
        if !step.status.is_running() {
            let case = gym.cases()[info.case].clone();
            let recording = Recording::of_gym(gym, case, &step, &name, config.scorer.as_deref(), traces)?;
            return Ok(Played { step, recording });
        }
        observation = step.observation;
    }
}

/// Plays jobs on `threads` threads. `each` gets the results in job order, whichever thread finished first.
pub fn play_all(
    cases: &Arc<Vec<Arc<Case>>>,
    config: &EnvConfig,
    jobs: &[Job],
    threads: usize,
    mut each: impl FnMut(usize, Result<Played, PlayError>),
) {
    let next = AtomicUsize::new(0);
    let (send, receive) = std::sync::mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                let mut gym = Gym::new(cases.clone(), config.clone());
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { return };
                    let played = bedside_agents::doctor(&job.policy)
                        .map_err(PlayError::from)
                        .and_then(|mut doctor| play(&mut gym, &mut doctor, config, job));
                    if send.send((at, played)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        // Results that came early wait here, so that what follows does not depend on the threads.
        let mut early = BTreeMap::new();
        let mut due = 0;
        while let Ok((at, played)) = receive.recv() {
            early.insert(at, played);
            while let Some(played) = early.remove(&due) {
                each(due, played);
                due += 1;
            }
        }
    });
}
