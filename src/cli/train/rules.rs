//! `bedside train rules`: reinforcement on questions that a rule checks.

use super::RunArgs;
use super::guard::{GuardArgs, GuardData, guarded};
use super::recipe::Recipe;
use super::tasks::{GENERATED, HELD_PERCENT, Loaded, Named, TaskData, evenly, found};
use crate::cli::fail::Fail;
use crate::cli::source::{MOST, within};
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::rules::Set;
use bedside::train::stage::{Parent, RuleConfig, RuleTasks, RunRecord, device};
use bedside::train::texts::corpora;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bedside train rules --policy smollm2-135m-instruct --lora 16 --out runs/rules\n  \
                  bedside train rules --policy smollm2-135m-instruct --lora 16 --task gsm8k,medmcqa --data DIR --reply 200 --out runs/rules\n\n\
                        A task is one question; a group is that question answered several times. An answer counts where a line is\n\
                        marked `Answer: ` and holds it alone: it earns 1 or 0 by its rule. What has no such line earns 0 and is counted\n\
                        as rules/unparsed; a task whose check cannot be made has no score. Sets are read as published from DIR/<set>/\n\
                        (medmcqa, pubmedqa, gsm8k, medcalc); instructions are made here and need no DIR.\n\
                        held/accuracy is of the likeliest replies to tasks that are never learnt from (by hash of the row).\n\
                        There is no length bonus unless --set length_bonus.kappa=... asks for one."
)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// The policy to begin with: a folder, `embedded`, or a name of `bedside models list`
    #[arg(long, value_name = "DIR|NAME")]
    policy: PathBuf,
    /// Comma-separated: medmcqa, pubmedqa, gsm8k, medcalc, instructions. By default all sets found in --data, without it instructions
    #[arg(long, value_delimiter = ',', value_name = "SETS")]
    task: Vec<Set>,
    /// Folder that holds the published sets; BEDSIDE_DATA by default
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Tasks of each set at most
    #[arg(long, default_value_t = 1_000_000, value_parser = within::<usize>(1, MOST))]
    limit: usize,
    /// How many instructions are made
    #[arg(long, default_value_t = GENERATED, value_parser = within::<usize>(1, 100_000))]
    generated: usize,
    /// Share of the tasks that is never learnt from, in per cent; `train mid` reads none of the first 20
    #[arg(long, default_value_t = HELD_PERCENT, value_parser = within::<u32>(0, corpora::HELD_PERCENT.into()))]
    held_percent: u32,
    /// How many of them a look takes
    #[arg(long, default_value_t = 64, value_parser = within::<usize>(0, MOST))]
    held_tasks: usize,
    /// Tokens of a reply at most; the policy's own limit by default
    #[arg(long, value_parser = within::<usize>(1, 65_536))]
    reply: Option<usize>,
    #[command(flatten)]
    recipe: Recipe,
    #[command(flatten)]
    guard: GuardArgs,
}

#[derive(Serialize)]
struct Recorded<'a> {
    rules: &'a RuleConfig,
    held_tasks: usize,
    data: TaskData,
    guard: Option<GuardData>,
}

impl Args {
    fn config(&self, policy: &PolicyFolder) -> Result<RuleConfig, Fail> {
        let common = &self.run;
        let mut grpo = self.recipe.grpo(common, self.reply.unwrap_or(policy.config.max_new_tokens))?;
        // Short is not better where a rule says what is right; and rounds are not watched for when to go back.
        (grpo.length_bonus, grpo.restart) = (None, None);
        Ok(RuleConfig {
            lora: common.lora(),
            dtype: common.dtype,
            batch_tokens: common.batch_tokens,
            rows: self.recipe.rows,
            shuffle_rewards: self.recipe.shuffle_rewards,
            held_every: common.held_every,
            ..RuleConfig::new(self.recipe.changed(&grpo)?)
        })
    }

    fn tasks(&self) -> Result<Loaded, Fail> {
        let sets = match &self.data {
            _ if !self.task.is_empty() => self.task.clone(),
            Some(data) => found(data, &PUBLISHED, "--task")?,
            None => vec![Set::Instructions],
        };
        let (limit, generated, held_percent) = (self.limit, self.generated, self.held_percent);
        Named { sets: &sets, data: self.data.as_deref(), limit, generated, held_percent }.load()
    }

    pub(super) fn check(&self, policy: &PolicyFolder) -> Result<(), Fail> {
        let Loaded { learnt, held, .. } = self.tasks()?;
        self.guard.load(&self.run, policy, self.held_percent)?;
        RuleTasks::new(self.config(policy)?, policy.clone(), learnt, held, &device(&self.run.device)?)?;
        Ok(())
    }
}

/// Sets that are read from a folder.
const PUBLISHED: [Set; 4] = [Set::Medmcqa, Set::Pubmedqa, Set::Gsm8k, Set::Medcalc];

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let common = &args.run;
    let device = device(&common.device)?;
    let policy = PolicyFolder::find(&args.policy)?;
    let config = args.config(&policy)?;
    let Loaded { learnt, held, data } = args.tasks()?;
    let held = evenly(held, args.held_tasks);
    let parent = Parent { path: args.policy.clone(), digest: policy.digest()? };
    let (guard, watched) = args.guard.load(common, &policy, args.held_percent)?.unzip();
    let recorded = Recorded { rules: &config, held_tasks: args.held_tasks, data, guard: watched };
    let record = RunRecord::new("rules", common.seed, &recorded, Some(parent));
    common.check(&record)?;
    // What cannot begin leaves no folder.
    let stage = RuleTasks::new(config, policy, learnt, held, &device)?;
    let run = common.open(record)?;
    let ((tasks, held), (long, long_held)) = (stage.tasks(), stage.left_out);
    eprintln!("{tasks} tasks to learn from, {held} held out; left out as too long: {long} and {long_held}");
    let mut stage = guarded(Box::new(stage), guard);
    let shown =
        ["rules/accuracy", "rules/unparsed", "held/accuracy", "frac_reward_zero_std", "entropy", "guard/perplexity"];
    common.drive(stage.as_mut(), run, &shown)
}
