//! Who plays the doctor. Batch-first: a batch of one is fine.

use crate::action::Decision;
use crate::gym::PrivilegedView;
use crate::observation::Observation;
use crate::seed::Seed;

/// Why a policy could not decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct PolicyError {
    pub message: String,
    pub hint: String,
}

/// Plays the doctor from observations alone.
pub trait Policy: Send {
    /// Name and version; stands in logs and tables.
    fn name(&self) -> String;
    /// One decision an observation, in order. The seed is the policy's own (episode and turn are mixed in by the caller);
    /// a policy that keeps state across turns keys it by `observation.episode`.
    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError>;
}

/// Plays the doctor knowing the truth: ceilings and labelling, never training.
pub trait PrivilegedPolicy: Send {
    fn name(&self) -> String;
    fn act(&mut self, turns: &[(&Observation, &PrivilegedView, Seed)]) -> Result<Vec<Decision>, PolicyError>;
}
