//! `bedside experiment`: questions that the literature leaves open, as one command each. Of those that train, arms differ in one thing, share seeds and
//! starting policy, stop at the same number of generated tokens, and are compared on the same held-out consultations.

use super::eval;
use super::fail::Fail;
use super::lab::{self, Arena, ENDS, Lab, contestant};
use super::out;
use super::rubric_prompts;
use super::source::{MOST, within};
use bedside::prelude::*;
use bedside::stats::Interval;
use bedside::train::evaluate::Summary;
use bedside::train::grpo::{LengthBonus, TurnCredit};
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::report::{Report, Run};
use bedside::train::stage::starts::{Logged, StartFrom};
use bedside::train::stage::{Parent, RlConfig};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bedside experiment credit --tokens 100000 --seeds 5 --out runs/credit\n  \
                        bedside experiment length --thresholds 0.2,0.4,0.6 --seeds 3 --out runs/length\n  \
                        bedside experiment rubric-prompts --judge https://HOST/v1#MODEL --call-store prompts.calls",
    arg_required_else_help = true
)]
pub struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(clap::Subcommand)]
enum Which {
    /// Fragments, whole sessions, and credit by turn, at equal generated tokens
    #[command(after_help = "Example:\n  bedside experiment credit --tokens 100000 --seeds 5 --out runs/credit\n\n\
                            Arms: fragment-1 and fragment-3 (groups from turns of logged consultations, paid by the fragment's rubric),\n\
                            session (whole consultations, one advantage for all turns), session-turns (half of the advantage by the\n\
                            rubric of each turn), session-forks (half of it by what the consultation loses without the turn).")]
    Credit(Common),
    /// The threshold of the length bonus: how short replies become, at which score
    #[command(
        after_help = "Example:\n  bedside experiment length --thresholds 0.2,0.4,0.6 --seeds 3 --out runs/length\n\n\
                            Arms: off, and one for each threshold that a group's quantile must pass before short replies earn more."
    )]
    Length {
        #[command(flatten)]
        common: Common,
        /// Thresholds of the group's quantile (M2 eq. 3), comma-separated
        #[arg(long, value_delimiter = ',', default_value = "0.2,0.4,0.6,0.8", value_parser = super::train::rate)]
        thresholds: Vec<f64>,
    },
    /// One judge's prompt for all criteria, or one for each sign: which is right more often
    RubricPrompts(Box<rubric_prompts::Args>),
}

/// OUT/experiment.json holds all of it but where it is.
#[derive(clap::Args, Serialize)]
struct Common {
    /// Folder of the experiment: experiment.json is what was asked for, ARM/seed-K/ are runs, report.md is what came of it. Begun before, it is
    /// gone on with
    #[serde(skip)]
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The policy that every arm begins with; the embedded one by default
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Tokens that every run may generate
    #[arg(long, default_value_t = 100_000, value_parser = within::<u64>(1, u64::MAX))]
    tokens: u64,
    /// Seeds of every arm
    #[arg(long, default_value_t = 5, value_parser = within::<u64>(1, 1_000))]
    seeds: u64,
    /// Held-out cases that everyone plays
    #[arg(long, default_value_t = 60, value_parser = within::<usize>(2, MOST))]
    cases: usize,
    /// Cases that are learnt from
    #[arg(long, default_value_t = 300, value_parser = within::<usize>(1, MOST))]
    train_cases: usize,
    /// Groups of a round of fragments; of sessions a quarter of it, since they are longer
    #[arg(long, default_value_t = 16, value_parser = within::<usize>(4, 4_096))]
    groups: usize,
    /// Members of a group
    #[arg(long, default_value_t = 8, value_parser = within::<usize>(2, 4_096))]
    group_size: usize,
    /// Learning rate, constant
    #[arg(long, default_value_t = 3e-4, value_parser = super::train::rate)]
    lr: f64,
    /// One JSON object at the end
    #[serde(skip)]
    #[arg(long)]
    json: bool,
}

/// OUT/experiment.json: every choice of an experiment, and the policy that all arms begin with. What an arm is stands in its runs'
/// run.json.
#[derive(Serialize)]
struct Recorded<'a> {
    experiment: &'a str,
    arguments: &'a Common,
    arms: Vec<&'a str>,
    start: &'a Parent,
    bedside: &'a str,
}

const RECORD: &str = "experiment.json";
const BEFORE: &str = "before";

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    match args.which {
        Which::Credit(common) => {
            let start = lab::policy(common.policy.as_deref())?;
            let arms = credit(&common, &start.0)?;
            common.run("credit", "Credit: fragments, sessions and turns at equal generated tokens", &start, &arms)
        }
        Which::Length { common, thresholds } => {
            let start = lab::policy(common.policy.as_deref())?;
            let arms = length(&common, &start.0, &thresholds)?;
            common.run("length", "The threshold of the length bonus", &start, &arms)
        }
        Which::RubricPrompts(args) => rubric_prompts::run(*args),
    }
}

/// What of a record may not change while its runs are gone on with.
fn fixed(record: &Value) -> Value {
    let mut fixed = record.clone();
    for free in ["/arms", "/arguments/seeds", "/arguments/cases", "/arguments/policy", "/start/path"] {
        fixed.pointer_mut(free).map(Value::take);
    }
    fixed
}

struct Arm {
    name: String,
    config: RlConfig,
}

fn fragments(turns: u32) -> StartFrom {
    StartFrom::Fragment { turns, logged: Logged::Teacher }
}

fn credit(common: &Common, policy: &PolicyFolder) -> Result<Vec<Arm>, Fail> {
    let arms = [
        ("fragment-1", fragments(1), TurnCredit::default()),
        ("fragment-3", fragments(3), TurnCredit::default()),
        ("session", StartFrom::Session, TurnCredit::default()),
        ("session-turns", StartFrom::Session, TurnCredit { weight: 0.5, ..TurnCredit::default() }),
        ("session-forks", StartFrom::Session, TurnCredit::counterfactual(0.5)),
    ];
    let of = |(name, start, credit)| {
        let mut config = common.config(policy, start)?;
        // One thing at a time: length is left alone.
        (config.grpo.length_bonus, config.grpo.turn_credit) = (None, credit);
        Ok(Arm { name: String::from(name), config })
    };
    arms.into_iter().map(of).collect()
}

fn length(common: &Common, policy: &PolicyFolder, thresholds: &[f64]) -> Result<Vec<Arm>, Fail> {
    if let Some(twice) = thresholds.iter().enumerate().find_map(|(i, t)| thresholds[..i].contains(t).then_some(t)) {
        return Err(Fail::usage(format!("the threshold {twice} stands twice"), "give each of them once"));
    }
    let off = (String::from("off"), None);
    let arms = std::iter::once(off).chain(thresholds.iter().map(|t| (format!("above-{t}"), Some(*t))));
    let of = |(name, threshold): (String, Option<f64>)| {
        let mut config = common.config(policy, fragments(1))?;
        let bonus = config.grpo.length_bonus.unwrap_or_default();
        config.grpo.length_bonus = threshold.map(|threshold| LengthBonus { threshold, ..bonus });
        config.grpo.validate().map_err(|e| Fail::usage(e.to_string(), "thresholds are rewards, 0 to 1"))?;
        Ok(Arm { name, config })
    };
    arms.map(of).collect()
}

impl Common {
    fn config(&self, policy: &PolicyFolder, start: StartFrom) -> Result<RlConfig, Fail> {
        let groups = if start == StartFrom::Session { self.groups / 4 } else { self.groups };
        let mut config = lab::recipe(policy, start, groups, self.lr, MOST)?;
        config.grpo.group_size = self.group_size;
        config.token_budget = Some(self.tokens);
        Ok(config)
    }

    /// Whole or not at all. An experiment that is gone on with more seeds, cases or arms is of those from then on; anything else that
    /// differs is another experiment.
    fn record(&self, experiment: &str, start: &Parent, arms: &[Arm]) -> Result<(), Fail> {
        let arms = arms.iter().map(|a| a.name.as_str()).collect();
        let recorded = Recorded { experiment, arguments: self, arms, start, bedside: env!("CARGO_PKG_VERSION") };
        let path = self.out.join(RECORD);
        if let Ok(there) = std::fs::read(&path)
            && fixed(&serde_json::from_slice(&there)?) != fixed(&serde_json::to_value(&recorded)?)
        {
            let message = format!("{} is of an experiment with other arguments", path.display());
            let hint =
                "go on with those that stand there (--seeds, --cases and arms may differ), or choose another folder";
            return Err(Fail::trouble(message, hint));
        }
        std::fs::create_dir_all(&self.out)?;
        let part = self.out.join(format!("{RECORD}.part"));
        std::fs::write(&part, serde_json::to_vec_pretty(&recorded)?)?;
        Ok(std::fs::rename(part, path)?)
    }

    fn run(
        &self,
        experiment: &str,
        title: &str,
        (policy, parent): &(PolicyFolder, Parent),
        arms: &[Arm],
    ) -> Result<ExitCode, Fail> {
        self.record(experiment, parent, arms)?;
        let lab = Lab::new(self.train_cases, self.cases)?;
        let seeds: Vec<Seed> = (0..self.seeds).map(Seed).collect();
        let mut arena = Arena::new(&lab, None)?;
        arena.scripted(&ENDS, &seeds)?;
        arena.play(BEFORE, contestant(BEFORE, policy)?, &seeds)?;
        for arm in arms {
            let folder = self.out.join(&arm.name);
            for seed in &seeds {
                let mut config = arm.config.clone();
                config.grpo.seed = seed.0;
                let done = lab.train(&folder.join(format!("seed-{}", seed.0)), policy, parent, config, true)?;
                arena.play(&arm.name, contestant(&arm.name, &done.policy)?, &[*seed])?;
                if !self.json {
                    out::line(format!("{} seed {}: reward {:.3} to {:.3}", arm.name, seed.0, done.first, done.last))?;
                }
            }
            let runs =
                seeds.iter().map(|s| Run::read(&folder.join(format!("seed-{}", s.0)))).collect::<Result<_, _>>()?;
            let report = Report { title: format!("{title}: {}", arm.name), runs, ..Report::default() };
            report.write(&folder)?;
        }
        let sums = arena.summaries(BEFORE);
        // Once against the policy as it was, once against the first arm.
        let first = arms.first().map_or(BEFORE, |a| a.name.as_str());
        let against: Vec<Summary> = arena.summaries(first);
        let others = against.iter().filter(|s| arms.iter().skip(1).any(|a| a.name == s.policy));
        let notes: Vec<String> = others.filter_map(|s| between(s, first)).collect();
        let asked = format!(
            "{} seeds of training, {} held-out cases, {} generated tokens a run; the rest is in {RECORD}.",
            self.seeds, self.cases, self.tokens
        );
        let told = std::iter::once(asked).chain(notes.iter().cloned()).collect();
        let report = Report { title: title.to_owned(), notes: told, runs: Vec::new(), evaluation: sums.clone() }
            .write(&self.out)?;
        if self.json {
            return out::json(&json!({"report": report, "policies": sums, "against": against}))
                .map(|()| ExitCode::SUCCESS);
        }
        out::line(format!("\n{}\n", eval::table(&sums, Some(BEFORE))))?;
        notes.iter().try_for_each(out::line)?;
        out::line(format!("\nReport: {}", report.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn between(s: &Summary, first: &str) -> Option<String> {
    let Interval { mean, lo, hi, n } = s.versus.as_ref()?.difference?;
    let told = if lo > 0.0 {
        "better"
    } else if hi < 0.0 {
        "worse"
    } else {
        "not told apart"
    };
    Some(format!("{} less {first}: {mean:+.3}, 95 % interval [{lo:+.3}, {hi:+.3}] over {n} cases: {told}.", s.policy))
}
