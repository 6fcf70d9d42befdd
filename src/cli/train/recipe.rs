//! The part of the command line that all stages of reinforcement share: a published recipe, and what is changed of it.

use super::RunArgs;
use crate::cli::fail::Fail;
use crate::cli::source::{MOST, within};
use bedside::train::grpo::GrpoConfig;
use bedside::train::stage::recipe;

#[derive(clap::Args)]
pub struct Recipe {
    /// m2, dapo, dr_grpo, gspo or orbit
    #[arg(long, default_value = "m2")]
    preset: String,
    /// One choice of the recipe, such as epsilon_high=0.3; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Rounds
    #[arg(long, default_value_t = 60, value_parser = within::<u64>(1, MOST))]
    steps: u64,
    /// Members of a group; the preset's by default: 8, dapo's 16
    #[arg(long, value_parser = within::<usize>(2, 4_096))]
    group_size: Option<usize>,
    /// Groups of a round
    #[arg(long, default_value_t = 16, value_parser = within::<usize>(1, MOST))]
    groups: usize,
    /// Learning rate. Presets are for billions of parameters; a million wants more
    #[arg(long, default_value_t = 3e-4, value_parser = super::sft::rate)]
    lr: f64,
    /// Replies under way at once
    #[arg(long, default_value_t = 128, value_parser = within::<usize>(1, 65_536))]
    pub rows: usize,
    /// Deals each group's scores out at random, by this seed: a control
    #[arg(long, value_name = "SEED")]
    pub shuffle_rewards: Option<u64>,
}

impl Recipe {
    /// The preset with lengths fitted to replies of `reply` tokens.
    pub(super) fn grpo(&self, run: &RunArgs, reply: usize) -> Result<GrpoConfig, Fail> {
        let mut grpo = recipe::fitted(&self.preset, reply)?;
        recipe::with_groups(&mut grpo, self.groups);
        grpo.group_size = self.group_size.unwrap_or(grpo.group_size);
        grpo.steps = self.steps;
        grpo.seed = run.seed;
        grpo.schedule.lr = self.lr;
        Ok(grpo)
    }

    /// The last word: single choices by name.
    pub(super) fn changed(&self, grpo: &GrpoConfig) -> Result<GrpoConfig, Fail> {
        Ok(recipe::set(grpo, &self.set)?)
    }
}
