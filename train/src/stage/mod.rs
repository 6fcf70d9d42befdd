//! Stages of training. A stage is a function of its configuration, taken a step at a time; a checkpoint is a place along it, so a
//! stage that was stopped and resumed ends at the same bits (on a CPU).
//!
//! Read in this order: [`fresh`] a policy that knows nothing, [`mid`] texts to read, [`imitation`] demonstrations to imitate,
//! [`recipe`] how a published recipe is fitted to a policy, [`starts`] where groups start, [`turn_rewards`] what single turns earn,
//! [`round`] what all rounds of GRPO have in common, [`reinforcement`] rounds in the environment (its `actor` plays, its `look`
//! watches the held-out cases, its `restart` goes back and on hotter), [`rule_tasks`] rounds on questions that a rule checks,
//! [`guard`] what the policy could do and should not forget, [`state`] what a checkpoint holds, [`run_folder`] what a run leaves on
//! the disk.

mod actor;
pub mod fresh;
pub mod guard;
pub mod imitation;
mod look;
pub mod mid;
pub mod recipe;
pub mod reinforcement;
mod restart;
pub mod round;
pub mod rule_tasks;
pub mod run_folder;
pub mod starts;
pub mod state;
pub mod turn_rewards;

pub use guard::{Guard, Guarded};
pub use imitation::{Imitation, SftConfig};
pub use mid::{MidConfig, MidTraining, Readings};
pub use reinforcement::{Reinforcement, RlConfig, World};
pub use rule_tasks::{RuleConfig, RuleTasks};
pub use run_folder::{Parent, RunError, RunFolder, RunRecord};
pub use state::{Lora, State};

use crate::checkpoint::CheckpointError;
use crate::evaluate::EvaluateError;
use crate::grpo::ConfigErrors;
use crate::learner::{LearnError, Learner};
use crate::metrics::{Alarm, Metrics};
use crate::optimizer::OptimizerError;
use crate::policy_folder::{FolderError, PolicyFolder};
use crate::rollout::RolloutError;
use crate::rules::ask::AskError;
use crate::teaching::TeachingError;
use crate::texts::TextError;
use bedside_env::PolicyError;
use bedside_lm::LmError;
use bedside_lm::chat::ChatError;
use bedside_lm::tokens::TokenError;
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a stage cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    #[error(transparent)]
    Teaching(#[from] TeachingError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Model(#[from] LmError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    #[error("{message}\nhint: {hint}")]
    Other { message: String, hint: String },
}

impl StageError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> StageError {
        StageError::Other { message: message.into(), hint: hint.into() }
    }
}

/// One step's numbers.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// A function of the configuration: the same in every run of it.
    pub metrics: Metrics,
    /// Seconds by what took them; for eyes and TensorBoard alone.
    pub seconds: Metrics,
}

/// A stage of training.
pub trait Stage {
    /// Steps in all, as far as is known.
    fn total(&self) -> u64;
    /// Steps taken.
    fn done(&self) -> u64;
    /// Takes one step.
    fn step(&mut self) -> Result<Report, StageError>;
    /// All that the steps to come depend on, besides the configuration.
    fn state(&self) -> Result<State, StageError>;
    /// Goes to where [`Stage::state`] was taken.
    fn restore(&mut self, state: &State) -> Result<(), StageError>;
    /// What learns.
    fn learner(&self) -> &Learner;
    /// The policy as it is now.
    fn policy(&self) -> Result<PolicyFolder, StageError>;
}

/// How far a stage is driven, and how often it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Steps between checkpoints; there is one at the end in any case.
    pub checkpoint_every: u64,
    /// Stop after this step; `None` goes to the end.
    pub until: Option<u64>,
}

/// Takes a stage on from where its folder was left, if it was begun there before; then step by step to the end. When it returns,
/// the folder's policy is the stage's, whatever became of that folder before: a process may be killed between a checkpoint and the
/// policy that belongs to it.
pub fn drive(
    stage: &mut dyn Stage,
    run: &mut RunFolder,
    pace: Pace,
    mut each: impl FnMut(&dyn Stage, &Report, &[Alarm]),
) -> Result<(), StageError> {
    match run.take_checkpoint() {
        Some(found) => {
            stage.restore(&State::of(found))?;
            let policy = stage.policy()?;
            if !run.holds_policy(&policy)? {
                run.keep_policy(&policy)?;
            }
        }
        None if stage.done() == 0 => run.keep_policy(&stage.policy()?)?,
        None => {}
    }
    // A stage may learn on the way that its end is nearer.
    while stage.done() < pace.until.unwrap_or(u64::MAX).min(stage.total()) {
        let report = stage.step()?;
        let alarms = run.write(stage.done(), &report)?;
        if stage.done() == stage.total() || stage.done().is_multiple_of(pace.checkpoint_every.max(1)) {
            run.checkpoint(stage.done(), stage.state()?)?;
            run.keep_policy(&stage.policy()?)?;
        }
        each(stage, &report, &alarms);
    }
    Ok(())
}

/// What a model computes in. What learns, and the optimiser's moments, are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    #[default]
    F32,
    Bf16,
}

impl From<NumberFormat> for DType {
    fn from(format: NumberFormat) -> DType {
        match format {
            NumberFormat::F32 => DType::F32,
            NumberFormat::Bf16 => DType::BF16,
        }
    }
}

impl fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumberFormat::F32 => "f32",
            NumberFormat::Bf16 => "bf16",
        })
    }
}

impl FromStr for NumberFormat {
    type Err = StageError;

    fn from_str(name: &str) -> Result<NumberFormat, StageError> {
        match name {
            "f32" => Ok(NumberFormat::F32),
            "bf16" => Ok(NumberFormat::Bf16),
            _ => Err(StageError::new(format!("there is no number format `{name}`"), "one of f32, bf16")),
        }
    }
}

/// `cpu`, or `cuda` with or without a number.
pub fn device(name: &str) -> Result<Device, StageError> {
    let number = match name.split_once(':') {
        _ if name == "cpu" => return Ok(Device::Cpu),
        None if name == "cuda" => Some(0),
        Some(("cuda", n)) => n.parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(StageError::new(format!("there is no device `{name}`"), "one of cpu, cuda, cuda:1, ..."));
    };
    if !cfg!(feature = "cuda") {
        return Err(StageError::new(
            format!("no CUDA device {number}: this binary was built for the CPU alone"),
            "build it with scripts/cuda-build, or use --device cpu",
        ));
    }
    Device::new_cuda(number).map_err(|e| {
        let first = e.to_string().lines().next().unwrap_or_default().to_owned();
        StageError::new(
            format!("no CUDA device {number}: {first}"),
            "see that `nvidia-smi` lists it and that CUDA 13's libraries are found (LD_LIBRARY_PATH), or use --device cpu",
        )
    })
}
