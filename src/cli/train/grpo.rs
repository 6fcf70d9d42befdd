//! `bedside train grpo`: reinforcement on fragments or whole consultations.

use super::{Common, Data};
use crate::cli::fail::Fail;
use crate::cli::source::{MOST, MOST_TURNS, within};
use bedside::train::grpo::{ImportanceMode, TurnCredit};
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::stage::starts::{Logged, StartFrom};
use bedside::train::stage::{Parent, Reinforcement, RlConfig, RunFolder, RunRecord, device, recipe};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside train grpo --policy runs/sft/policy --out runs/rl --steps 60\n  \
                        bedside train grpo --policy runs/sft/policy --out runs/session --start session --turn-credit 0.5 --turn-source counterfactual\n  \
                        bedside train grpo --policy runs/sft/policy --out runs/dapo --preset dapo --groups 16 --set epsilon_high=0.3\n\n\
                        A preset's lengths are fitted to the policy's replies; --set changes any choice of run.json's grpo part.\n\
                        --shuffle-rewards is the control that must not improve, --lr 0 the one that must not move.")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// The policy to begin with: a folder, `embedded`, or a name of `bedside models list`
    #[arg(long, value_name = "DIR|NAME")]
    policy: PathBuf,
    /// m2, dapo, dr_grpo, gspo or orbit
    #[arg(long, default_value = "m2")]
    preset: String,
    /// One choice of the recipe, such as epsilon_high=0.3; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where groups start: fragment or session
    #[arg(long, default_value = "fragment", value_parser = ["fragment", "session"])]
    start: String,
    /// Doctor turns of a fragment
    #[arg(long, default_value_t = 1, value_parser = within::<u32>(1, MOST_TURNS))]
    fragment_turns: u32,
    /// Whose consultations are cut into fragments: teacher or policy
    #[arg(long, default_value = "teacher", value_parser = ["teacher", "policy"])]
    logged: String,
    /// With --logged policy: how many it plays, and
    #[arg(long, default_value_t = 64, value_parser = within::<usize>(1, MOST))]
    logged_consultations: usize,
    /// every how many rounds it plays them anew
    #[arg(long, default_value_t = 10, value_parser = within::<u64>(1, MOST))]
    logged_every: u64,
    /// Share of the advantage that belongs to single turns, 0 to 1
    #[arg(long, value_name = "W")]
    turn_credit: Option<f64>,
    /// What a turn earns: fragment judges it by what was open before it, counterfactual plays the consultation again without it
    #[arg(long, default_value = "fragment", value_parser = ["fragment", "counterfactual"])]
    turn_source: String,
    /// Rounds
    #[arg(long, default_value_t = 60, value_parser = within::<u64>(1, MOST))]
    steps: u64,
    /// End with the round that brings the generated tokens here, if that is before --steps
    #[arg(long, value_name = "N", value_parser = within::<u64>(1, u64::MAX))]
    tokens: Option<u64>,
    /// Members of a group; the preset's by default
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
    rows: usize,
    /// Play the next round while this one is learnt from: by weights one step old, which importance weights correct
    #[arg(long)]
    overlap: bool,
    /// Deals each group's scores out at random, by this seed: a control
    #[arg(long, value_name = "SEED")]
    shuffle_rewards: Option<u64>,
}

#[derive(Serialize)]
struct Recorded<'a> {
    rl: &'a RlConfig,
    data: Data,
}

impl Args {
    fn config(&self, reply: usize) -> Result<RlConfig, Fail> {
        let mut grpo = recipe::fitted(&self.preset, reply)?;
        recipe::with_groups(&mut grpo, self.groups);
        grpo.group_size = self.group_size.unwrap_or(grpo.group_size);
        grpo.steps = self.steps;
        grpo.seed = self.common.seed;
        grpo.schedule.lr = self.lr;
        let weight = self.turn_credit.unwrap_or(0.0);
        grpo.turn_credit = match self.turn_source.as_str() {
            "counterfactual" => TurnCredit::counterfactual(weight),
            _ => TurnCredit { weight, ..grpo.turn_credit },
        };
        if self.overlap {
            grpo.importance.mode = grpo.importance.mode.or(Some(ImportanceMode::TokenTruncate));
        }
        let turns = self.fragment_turns;
        let logged = match self.logged.as_str() {
            "policy" => Logged::Policy { consultations: self.logged_consultations, every: self.logged_every },
            _ => Logged::Teacher,
        };
        let start = if self.start == "session" { StartFrom::Session } else { StartFrom::Fragment { turns, logged } };
        Ok(RlConfig {
            lora: self.common.lora(),
            batch_tokens: self.common.batch_tokens,
            rows: self.rows,
            shuffle_rewards: self.shuffle_rewards,
            token_budget: self.tokens,
            held_every: self.common.held_every,
            overlap: self.overlap,
            ..RlConfig::new(recipe::set(&grpo, &self.set)?, start)
        })
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let common = &args.common;
    let device = device(&common.device)?;
    let policy = PolicyFolder::find(&args.policy)?;
    let config = args.config(policy.config.max_new_tokens)?;
    let world = common.world()?;
    let parent = Parent { path: args.policy.clone(), digest: policy.digest()? };
    let recorded = Recorded { rl: &config, data: common.data(&world) };
    let record = RunRecord::new("grpo", common.seed, &recorded, Some(parent));
    let run = RunFolder::open(&common.out, record, common.resume, common.keep_checkpoints)?;
    let taught = match config.start {
        StartFrom::Fragment { logged: Logged::Teacher, .. } => {
            common.taught(&world.cases, &world.env, 0)?.into_iter().map(|d| (d.case, d.log)).collect()
        }
        _ => Vec::new(),
    };
    let mut stage = Reinforcement::new(config, world, policy, taught, &device)?;
    if let Some(pool) = stage.pool() {
        let dropped: Vec<String> = pool.sifted.dropped.iter().map(|(why, n)| format!("{} {n}", why.word())).collect();
        eprintln!("{} of {} fragments kept; dropped: {}", pool.sifted.kept, pool.sifted.seen, dropped.join(", "));
    }
    let shown = ["reward", "held/score", "frac_reward_zero_std", "entropy", "clip_ratio/region_mean", "grad_norm"];
    common.drive(&mut stage, run, &shown)
}
