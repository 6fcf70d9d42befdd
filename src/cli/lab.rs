//! What commands that train and compare share: a world with its held-out cases, one run of reinforcement, and an arena where
//! everyone plays the same consultations.

use super::eval;
use super::fail::Fail;
use super::out;
use super::train::{self, Data};
use bedside::env::EpisodeLog;
use bedside::prelude::*;
use bedside::replays::{Log, LogWriter, WriterPolicy};
use bedside::train::evaluate::{Contestant, Course, LmSettings, Row, Summary, Yardsticks, summarise};
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::stage::starts::StartFrom;
use bedside::train::stage::{
    Pace, Parent, Reinforcement, RlConfig, RunFolder, RunRecord, Stage, World, device, drive, recipe,
};
use bedside::train::teaching::Plan;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Doctor turns at most: what the embedded policy was taught with.
const TURNS: u32 = 12;
/// Consultations or replies under way at once.
pub const ROWS: usize = 128;
/// The ends of the scale play along.
pub const ENDS: [&str; 2] = [eval::RANDOM, eval::ORACLE];

/// A folder's policy or the embedded one, and its name for the record.
pub fn policy(asked: Option<&Path>) -> Result<(PolicyFolder, Parent), Fail> {
    let path = asked.map_or_else(|| PathBuf::from(PolicyFolder::EMBEDDED), Path::to_owned);
    let policy = PolicyFolder::find(&path)?;
    let digest = policy.digest()?;
    Ok((policy, Parent { path, digest }))
}

/// The paper's recipe with lengths of this policy's replies. `rounds` are a stage's, unless a budget of tokens ends it before.
pub fn recipe(
    policy: &PolicyFolder,
    start: StartFrom,
    groups: usize,
    rate: f64,
    rounds: u64,
) -> Result<RlConfig, Fail> {
    let mut grpo = recipe::fitted("m2", policy.config.max_new_tokens)?;
    recipe::with_groups(&mut grpo, groups);
    (grpo.schedule.lr, grpo.steps) = (rate, rounds);
    Ok(RlConfig { rows: ROWS, ..RlConfig::new(grpo, start) })
}

/// What is trained on, a teacher's consultations of it, and held-out cases, which are never learnt from.
pub struct Lab {
    pub world: World,
    pub taught: Vec<(usize, EpisodeLog)>,
    pub held: Arc<Vec<Arc<Case>>>,
    pub threads: usize,
    plan: Plan,
}

/// Where its patients come from.
const RECORDS: &str = "builtin";

#[derive(Serialize)]
struct Recorded<'a> {
    rl: &'a RlConfig,
    data: Data,
}

impl Lab {
    pub fn new(cases: usize, held: usize) -> Result<Lab, Fail> {
        let threads = train::threads(None);
        let world =
            World { cases: train::cases(RECORDS, "train", cases)?, held: Arc::default(), env: train::rules(TURNS) };
        let plan = Plan { tries: 3, keep: 3, seed: Seed(0), threads };
        let shown = train::taught(&world.cases, &world.env, plan)?;
        let taught = shown.into_iter().map(|d| (d.case, d.log)).collect();
        Ok(Lab { world, taught, held: train::cases(RECORDS, "held_out", held)?, threads, plan })
    }

    /// Trains one policy; with `resume` goes on where the folder was left.
    pub fn train(
        &self,
        root: &Path,
        policy: &PolicyFolder,
        parent: &Parent,
        config: RlConfig,
        resume: bool,
    ) -> Result<Trained, Fail> {
        let (seed, steps) = (config.grpo.seed, config.grpo.steps);
        let recorded = Recorded { rl: &config, data: Data::of(RECORDS, &self.world, self.plan) };
        let record = RunRecord::new("grpo", seed, &recorded, Some(parent.clone()));
        let budget = config.token_budget;
        // What cannot begin leaves no folder.
        let mut stage =
            Reinforcement::new(config, self.world.clone(), policy.clone(), self.taught.clone(), &device("cpu")?)?;
        let mut run = RunFolder::open(root, record, resume, 2)?;
        train::told(&run);
        let bar =
            out::progress(budget.unwrap_or(steps), root.file_name().unwrap_or_default().to_string_lossy().into_owned());
        drive(&mut stage, &mut run, Pace { checkpoint_every: 20, until: None }, |_, report, _| match budget {
            Some(_) => bar.set_position(report.metrics.get("generated_tokens").unwrap_or(0.0) as u64),
            None => bar.inc(1),
        })?;
        bar.finish_and_clear();
        let rewards: Vec<f64> =
            bedside::train::report::Run::read(root)?.line("reward").into_iter().map(|p| p.1).collect();
        let tenth = rewards.len().div_ceil(10);
        let mean = |r: &[f64]| bedside::stats::mean(r).unwrap_or(f64::NAN);
        let (first, last) = (mean(&rewards[..tenth]), mean(&rewards[rewards.len() - tenth..]));
        Ok(Trained { policy: stage.policy()?, first, last })
    }
}

/// A trained policy, and its mean reward in the first and the last tenth of its rounds.
pub struct Trained {
    pub policy: PolicyFolder,
    pub first: f64,
    pub last: f64,
}

/// A language model as a contestant.
pub fn contestant(name: &str, policy: &PolicyFolder) -> Result<Contestant, Fail> {
    let settings = LmSettings { rows: ROWS, ..LmSettings::default() };
    Ok(Contestant::of_policy(name, &policy.digest()?.hex(), policy.clone(), &settings)?)
}

/// Where everyone plays the same held-out consultations, and what came of it.
pub struct Arena {
    course: Course,
    writer: Option<LogWriter>,
    rows: Vec<(String, Vec<Row>)>,
}

impl Arena {
    pub fn new(lab: &Lab, log: Option<&Path>) -> Result<Arena, Fail> {
        let config = lab.world.env.clone();
        let course = Course { cases: lab.held.clone(), config, seeds: Vec::new(), threads: lab.threads };
        let writer = match log {
            Some(folder) => Some(Log::open(folder)?.writer(WriterPolicy::default())),
            None => None,
        };
        Ok(Arena { course, writer, rows: Vec::new() })
    }

    /// Consultations of these seeds; of a name that played before they are added.
    pub fn play(&mut self, name: &str, mut contestant: Contestant, seeds: &[Seed]) -> Result<(), Fail> {
        let course = Course { seeds: seeds.to_vec(), ..self.course.clone() };
        let mut absent = eval::Absent::default();
        let rows = eval::play(&course, &mut contestant, name, self.writer.as_ref(), &mut absent)?;
        absent.none(course.len())?;
        match self.rows.iter_mut().find(|(n, _)| n == name) {
            Some((_, all)) => all.extend(rows),
            None => self.rows.push((name.to_owned(), rows)),
        }
        Ok(())
    }

    pub fn scripted(&mut self, names: &[&str], seeds: &[Seed]) -> Result<(), Fail> {
        names.iter().try_for_each(|name| self.play(name, Contestant::find(name, &LmSettings::default())?, seeds))
    }

    /// Of everyone in the order they played, against `baseline`.
    pub fn summaries(&self, baseline: &str) -> Vec<Summary> {
        let rows = |name: &str| self.rows.iter().find(|(n, _)| n == name).map_or(&[][..], |(_, rows)| rows.as_slice());
        let yard = Yardsticks { random: rows(ENDS[0]), oracle: rows(ENDS[1]) };
        let against = |name: &str| (name != baseline).then(|| (baseline, rows(baseline)));
        self.rows.iter().map(|(n, rows)| summarise(n, n, rows, against(n), Some(yard))).collect()
    }

    pub fn close(self) -> Result<(), Fail> {
        self.writer.map_or(Ok(()), |w| Ok(w.close().map(|_| ())?))
    }
}
