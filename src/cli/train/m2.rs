//! `bedside train m2`: the stages of the paper in its order, each in a folder of its own. It plans commands and runs them; what a
//! stage does is in its own file.

mod progress;

use super::Which;
use crate::cli::fail::Fail;
use crate::cli::out;
use crate::cli::source::{MOST, MOST_THREADS, Source, within};
use bedside::agents::Teacher;
use bedside::env::{Digest, EnvConfig};
use bedside::prelude::*;
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::stage::NumberFormat;
use bedside::train::stage::fresh::{self, Size};
use bedside::train::teaching::{Plan, demonstrate, text};
use bedside::train::texts::{Corpus, knowledge};
use clap::Parser as _;
use progress::{Done, Planned, Progress};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside train m2 --new 128,4,2048 --out runs/m2\n  \
                        bedside train m2 --policy smollm2-135m-instruct --lora 16 --task gsm8k,medmcqa --data DIR --out runs/m2 --dry-run\n  \
                        bedside train m2 --new 128,4,2048 --out runs/m2 --more \"rules=--groups 8 --lr 1e-4\" --resume\n\n\
                        OUT/mid, OUT/sft, OUT/rules, OUT/rubrics and OUT/fragments are runs of `train mid`, `sft`, `rules`, `rubrics`\n\
                        and `grpo`; each begins with the policy of the one before it, whose digest is in its run.json. --dry-run prints\n\
                        the commands and runs none. OUT/m2.json says which stages are done; --resume goes on in the one that stopped.\n\
                        --more gives a stage further arguments of its own command.")]
pub struct Args {
    /// Folder of the stages' folders
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on where the run in --out stopped, given the same arguments
    #[arg(long)]
    resume: bool,
    /// Print the plan, a command a line, and stop
    #[arg(long)]
    dry_run: bool,
    /// The policy to begin with: a folder, `embedded`, or a name of `bedside models list`
    #[arg(long, value_name = "DIR|NAME", conflicts_with = "new", required_unless_present = "new")]
    policy: Option<PathBuf>,
    /// Begin with random weights and a vocabulary of its own: width,layers,vocab
    #[arg(long, value_name = "W,L,V")]
    new: Option<Size>,
    /// Which stages, in this order
    #[arg(long, value_delimiter = ',', default_value = "mid,sft,rules,rubrics,fragments", value_name = "NAMES")]
    stages: Vec<StageName>,
    /// `builtin` generates patients; otherwise a folder of records
    #[arg(long, default_value = "builtin", value_name = "DIR|builtin")]
    records: String,
    /// Cases that are learnt from
    #[arg(long, default_value_t = 600, value_parser = within::<usize>(1, MOST))]
    cases: usize,
    /// Cases that are looked at and never learnt from
    #[arg(long, default_value_t = 40, value_parser = within::<usize>(0, MOST))]
    held_cases: usize,
    /// Passes of mid-training over its texts
    #[arg(long, default_value_t = 1, value_parser = within::<u64>(1, MOST))]
    mid_epochs: u64,
    /// Passes over the teacher's consultations
    #[arg(long, default_value_t = 2, value_parser = within::<u64>(1, MOST))]
    sft_epochs: u64,
    /// Rounds on rule tasks
    #[arg(long, default_value_t = 30, value_parser = within::<u64>(1, MOST))]
    rules_steps: u64,
    /// Rounds on single replies
    #[arg(long, default_value_t = 60, value_parser = within::<u64>(1, MOST))]
    rubrics_steps: u64,
    /// Rounds on fragments of the policy's own consultations
    #[arg(long, default_value_t = 60, value_parser = within::<u64>(1, MOST))]
    fragments_steps: u64,
    /// Sets of rule tasks: medmcqa, pubmedqa, gsm8k, medcalc, instructions. By default all found in --data, without it instructions
    #[arg(long, value_name = "SETS")]
    task: Option<String>,
    /// Folder of published sets and corpora; BEDSIDE_DATA by default for those that are named
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Groups of a round
    #[arg(long, default_value_t = 16, value_parser = within::<usize>(1, MOST))]
    groups: usize,
    /// Members of a group
    #[arg(long, default_value_t = 8, value_parser = within::<usize>(2, 4_096))]
    group_size: usize,
    /// Steps between looks at what is held out
    #[arg(long, default_value_t = 50, value_parser = within::<u64>(1, MOST))]
    held_every: u64,
    /// Of every draw of every stage
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Train low-rank corrections of this rank, merged at the end of each stage
    #[arg(long, value_name = "RANK", value_parser = within::<usize>(1, 4_096))]
    lora: Option<usize>,
    /// Threads for the teacher, by default one a core; the result does not depend on them
    #[arg(long, value_parser = within::<usize>(1, MOST_THREADS))]
    threads: Option<usize>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// What models compute in: f32 or bf16
    #[arg(long, default_value = "f32", value_name = "FORMAT")]
    dtype: NumberFormat,
    /// Further arguments of one stage: STAGE=ARGUMENTS; may be repeated
    #[arg(long, value_name = "STAGE=ARGS")]
    more: Vec<String>,
    /// JSON lines from every stage
    #[arg(long)]
    json: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum StageName {
    Mid,
    Sft,
    Rules,
    Rubrics,
    Fragments,
}

impl StageName {
    /// Of its folder.
    fn name(self) -> &'static str {
        match self {
            StageName::Mid => "mid",
            StageName::Sft => "sft",
            StageName::Rules => "rules",
            StageName::Rubrics => "rubrics",
            StageName::Fragments => "fragments",
        }
    }

    /// Of its command.
    fn command(self) -> &'static str {
        if self == StageName::Fragments { "grpo" } else { self.name() }
    }
}

/// The words of one command, parsed as the command line would.
#[derive(clap::Parser)]
#[command(name = "bedside train", no_binary_name = true)]
struct Words {
    #[command(subcommand)]
    stage: Which,
}

impl Args {
    fn plan(&self) -> Result<Vec<Planned>, Fail> {
        let mut stages = self.stages.clone();
        stages.sort();
        if let Some(twice) = stages.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the stage {} stands twice", twice[0].name());
            return Err(Fail::usage(message, "each has one folder in --out: name it once, with more steps or epochs"));
        }
        let mut more: Vec<(StageName, &str)> = Vec::new();
        for text in &self.more {
            let named = text.split_once('=').and_then(|(name, words)| {
                let stage = stages.iter().find(|s| s.name() == name.trim())?;
                Some((*stage, words))
            });
            more.push(named.ok_or_else(|| {
                Fail::usage(format!("--more `{text}` names no stage of the plan"), "such as --more \"sft=--lr 1e-3\"")
            })?);
        }
        let mut policy = self.policy.clone().unwrap_or_else(|| self.out.join(START));
        let mut plan = Vec::with_capacity(stages.len());
        for stage in stages {
            let mut words: Vec<String> = vec![stage.command().to_owned()];
            let out = self.out.join(stage.name());
            let mut say =
                |name: &str, value: &dyn std::fmt::Display| words.extend([format!("--{name}"), value.to_string()]);
            say("policy", &policy.display());
            say("out", &out.display());
            say("seed", &self.seed);
            say("held-every", &self.held_every);
            say("device", &self.device);
            say("dtype", &self.dtype);
            if let Some(rank) = self.lora {
                say("lora", &rank);
            }
            if !matches!(stage, StageName::Mid | StageName::Rules) {
                say("records", &self.records);
                say("cases", &self.cases);
                say("held-cases", &self.held_cases);
                if let Some(threads) = self.threads {
                    say("threads", &threads);
                }
            }
            match stage {
                StageName::Mid => say("epochs", &self.mid_epochs),
                StageName::Sft => say("epochs", &self.sft_epochs),
                StageName::Rules => {
                    match (&self.task, &self.data) {
                        (Some(task), _) => say("task", task),
                        (None, None) => say("task", &"instructions"),
                        (None, Some(_)) => {}
                    }
                    say("steps", &self.rules_steps);
                }
                StageName::Rubrics => say("steps", &self.rubrics_steps),
                StageName::Fragments => {
                    say("start", &"fragment");
                    say("logged", &"policy");
                    say("steps", &self.fragments_steps);
                }
            }
            if matches!(stage, StageName::Rules | StageName::Rubrics | StageName::Fragments) {
                say("groups", &self.groups);
                say("group-size", &self.group_size);
            }
            if let Some(data) = &self.data {
                // Sets of rule tasks alone are nothing to read, unless something of it is named.
                let reads = || more.iter().any(|(s, _)| *s == StageName::Mid);
                let corpora = || Corpus::ALL.iter().any(|c| data.join(c.name()).is_dir());
                if stage == StageName::Rules || stage == StageName::Mid && (reads() || corpora()) {
                    say("data", &data.display());
                }
            }
            if self.json {
                words.push("--json".to_owned());
            }
            for (_, text) in more.iter().filter(|(s, _)| *s == stage) {
                words.extend(text.split_whitespace().map(str::to_owned));
            }
            plan.push(Planned { stage: stage.name().to_owned(), words });
            policy = out.join("policy");
        }
        // A misspelt argument of the last stage shows before the first one runs.
        for planned in &plan {
            parse(planned, false)?;
        }
        Ok(plan)
    }

    /// The policy that the first stage begins with, and whether it is to be written first.
    fn first(&self) -> Result<(PolicyFolder, bool), Fail> {
        let made = self.out.join(START);
        match (&self.policy, self.new) {
            (Some(path), _) => Ok((PolicyFolder::find(path)?, false)),
            (None, Some(_)) if made.join("config.json").exists() && self.begun() => {
                Ok((PolicyFolder::load(&made)?, false))
            }
            (None, Some(size)) => Ok((self.start(size)?, true)),
            (None, None) => Err(Fail::usage("there is no policy to begin with", "give --policy or --new")),
        }
    }

    /// Whether a stage has begun: until then, a policy made with --new may be made again.
    fn begun(&self) -> bool {
        self.stages.iter().any(|s| self.out.join(s.name()).join("run.json").exists())
    }

    /// A policy that knows nothing, with the vocabulary of consultations and of the knowledge base.
    fn start(&self, size: Size) -> Result<PolicyFolder, Fail> {
        let source = Source { records: self.records.clone(), pool: "train".to_owned(), split: "train".to_owned() };
        let cases = source.cases(Some(self.cases.min(TEXTS)))?;
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let plan = Plan { tries: 1, keep: 1, seed: Seed(self.seed), threads };
        let shown = demonstrate(&cases, &EnvConfig::default(), Teacher::default, plan, || ())?;
        let kb = KnowledgeBase::builtin();
        let pages = knowledge::pages(kb).into_iter().chain(knowledge::passages(kb)).map(|d| d.text);
        let texts: Vec<String> = shown.iter().map(text).chain(pages).collect();
        let policy = fresh::policy(size, texts.iter().map(String::as_str), self.seed)?;
        eprintln!("a new policy of {} parameters", policy.weights.config.parameters());
        Ok(policy)
    }
}

/// Folder of the policy made with --new.
const START: &str = "start";
/// Consultations that its vocabulary is learnt from.
const TEXTS: usize = 300;

fn parse(planned: &Planned, resume: bool) -> Result<Which, Fail> {
    let mut words = planned.words.clone();
    if resume {
        words.push("--resume".to_owned());
    }
    let parsed = Words::try_parse_from(words);
    parsed.map(|w| w.stage).map_err(|e| {
        let first = e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let hint = format!("see `bedside train {} --help`", planned.words.first().map_or("", String::as_str));
        Fail::usage(format!("stage {}: {first}", planned.stage), hint)
    })
}

/// The policy that a stage left, by its digest.
fn left_by(folder: &Path) -> Result<Digest, Fail> {
    Ok(PolicyFolder::load(&folder.join("policy"))?.digest()?)
}

fn within_stage(stage: &str, fail: Fail) -> Fail {
    match fail {
        Fail::BrokenPipe => Fail::BrokenPipe,
        Fail::Usage(text) => Fail::Usage(format!("stage {stage}: {text}")),
        Fail::Trouble(text) => Fail::Trouble(format!("stage {stage}: {text}")),
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let plan = args.plan()?;
    if args.dry_run {
        for planned in &plan {
            match args.json {
                true => out::json(&json!({"stage": planned.stage, "command": planned.words}))?,
                false => out::line(planned.line())?,
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = Progress::find(&args, plan)?;
    let start = args.out.join(START);
    let (policy, new) = match progress.done.last() {
        Some(done) => (PolicyFolder::load(&args.out.join(&done.stage).join("policy"))?, false),
        None => args.first()?,
    };
    // What the last stage lacks shows before the first one runs, and before anything is written.
    for planned in progress.plan.iter().skip(progress.done.len()) {
        parse(planned, false)?.check(&policy).map_err(|e| within_stage(&planned.stage, e))?;
    }
    std::fs::create_dir_all(&args.out)?;
    if new {
        policy.save(&start)?;
    }
    drop(policy);
    progress.save(&args.out)?;
    for (i, planned) in progress.plan.clone().into_iter().enumerate() {
        let folder = args.out.join(&planned.stage);
        if let Some(done) = progress.done.get(i) {
            if left_by(&folder)? != done.policy {
                let message = format!("the policy in {} is not the one that stage left", folder.display());
                return Err(Fail::trouble(
                    message,
                    "its stage's own command with --resume writes it again; or begin in another folder",
                ));
            }
            eprintln!("{}: done before", planned.stage);
            continue;
        }
        eprintln!("{} of {}: {}", i + 1, progress.plan.len(), planned.line());
        let stage = parse(&planned, folder.join("run.json").exists())?;
        super::run(super::Args { stage }).map_err(|e| {
            if i == 0 && !folder.join("run.json").exists() {
                Progress::forget(&args.out);
            }
            within_stage(&planned.stage, e)
        })?;
        progress.done.push(Done { stage: planned.stage.clone(), policy: left_by(&folder)? });
        progress.save(&args.out)?;
    }
    let policy = progress.plan.last().map(|p| args.out.join(&p.stage).join("policy")).unwrap_or(start);
    match args.json {
        true => out::json(&json!({"policy": policy, "stages": progress.done.len()}))?,
        false => out::line(format!("{} stages; the policy is {}", progress.done.len(), policy.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}
