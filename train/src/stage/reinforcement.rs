//! Rounds of GRPO: start, play, pay, learn, measure.

use super::starts::{Logged, Pool, StartFrom, session};
use super::state::{Lora, State, trainable};
use super::turn_rewards::turn_rewards;
use super::{Report, Stage, StageError};
use crate::evaluate::evaluate;
use crate::grpo::{CertifiedGroup, Filling, GrpoConfig};
use crate::learner::{LearnError, Learner};
use crate::metrics::{Metrics, monitors};
use crate::policy_folder::PolicyFolder;
use crate::reward::{Paid, pay, pay_as};
use crate::rollout::{Played, Rollouts, Start};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::units::Case;
use bedside_env::{EnvConfig, EpisodeLog};
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::{LmPolicy, Model, Rows, Sampling};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// A run of reinforcement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RlConfig {
    pub grpo: GrpoConfig,
    pub start: StartFrom,
    pub lora: Option<Lora>,
    /// Tokens of one forward pass.
    pub batch_tokens: usize,
    /// Replies under way at once.
    pub rows: usize,
    /// A control: deals each group's scores out to its members at random. It must learn nothing.
    pub shuffle_rewards: Option<u64>,
    /// The stage ends with the round that brings the generated tokens here, if that is before its last: what recipes with rounds
    /// of different size are compared at.
    pub token_budget: Option<u64>,
    /// Rounds between looks at the held-out cases; 0 never looks.
    pub held_every: u64,
}

impl RlConfig {
    pub fn new(grpo: GrpoConfig, start: StartFrom) -> RlConfig {
        RlConfig {
            grpo,
            start,
            lora: None,
            batch_tokens: 8192,
            rows: 128,
            shuffle_rewards: None,
            token_budget: None,
            held_every: 0,
        }
    }
}

/// What is played.
#[derive(Clone)]
pub struct World {
    pub cases: Arc<Vec<Arc<Case>>>,
    /// Cases that are never learnt from.
    pub held: Arc<Vec<Arc<Case>>>,
    pub env: EnvConfig,
}

/// The stage.
pub struct Reinforcement {
    config: RlConfig,
    world: World,
    folder: PolicyFolder,
    learner: Learner,
    sampler: LmPolicy<Rows>,
    rollouts: Rollouts,
    pool: Option<Pool>,
    done: u64,
    /// Starts drawn so far. A rollout's own seed is a function of it.
    drawn: u64,
    /// Tokens generated so far, those of groups that were not learnt from included.
    generated: u64,
}

const POOL: &str = "fragments.json";
/// Held-out consultations: the same in every look.
const HELD: Seed = Seed(1);

impl Reinforcement {
    /// `taught` are a teacher's consultations by case, for fragments of them.
    pub fn new(
        config: RlConfig,
        world: World,
        folder: PolicyFolder,
        taught: Vec<(usize, EpisodeLog)>,
        device: &Device,
    ) -> Result<Reinforcement, StageError> {
        let grpo = &config.grpo;
        grpo.validate()?;
        if grpo.beta != 0.0 && config.lora.is_none() {
            let message = "a KL term needs the policy as it was, and training every parameter does not keep it";
            return Err(StageError::new(message, "train low-rank corrections, or set beta=0"));
        }
        if world.cases.is_empty() {
            return Err(StageError::new("there are no cases", "give at least one"));
        }
        let pool = match config.start {
            StartFrom::Fragment { turns, logged: Logged::Teacher } => Some(Pool::new(taught, turns)?),
            _ => None,
        };
        let model = Model::new(&folder.weights, trainable(config.lora), DType::F32, device, grpo.seed)?;
        let play = LmPolicyConfig {
            sampling: Sampling { temperature: grpo.temperature as f32, top_k: grpo.top_k, top_p: grpo.top_p as f32 },
            max_new_tokens: grpo.max_completion,
            ..folder.config.clone()
        };
        let rows = config.rows.clamp(1, grpo.group_size * grpo.groups_per_step);
        let rows = Rows::new(model.decoder()?, rows, grpo.max_completion)?;
        let sampler = LmPolicy::new("policy", rows, folder.tokenizer.clone(), folder.chat.clone(), play)?;
        let mut learner = Learner::new(model, grpo.optimizer, grpo.clip_norm);
        learner.batch_tokens = config.batch_tokens;
        let rollouts = Rollouts::new(world.cases.clone(), world.env.clone());
        Ok(Reinforcement { config, world, folder, learner, sampler, rollouts, pool, done: 0, drawn: 0, generated: 0 })
    }

    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The fragments groups start from, where they do.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    fn seed(&self, what: &[u8]) -> Seed {
        Seed(Draw::new(Seed(self.config.grpo.seed), what, 0, Purpose::Policy).next_u64())
    }

    /// Plays the policy's own consultations again, where fragments are cut from them and it is time.
    fn log_own(&mut self) -> Result<(), StageError> {
        let StartFrom::Fragment { turns, logged: Logged::Policy { consultations, every } } = self.config.start else {
            return Ok(());
        };
        if self.pool.is_some() && !self.done.is_multiple_of(every.max(1)) {
            return Ok(());
        }
        let seed = self.seed(b"own cases");
        let first = self.done * consultations as u64;
        let starts: Vec<Start> =
            (0..consultations as u64).map(|i| session(self.world.cases.len(), seed, first + i)).collect();
        let members = self.seed(b"own");
        let played = self.rollouts.play(&mut self.sampler, &starts, 1, members, self.done)?;
        let logs = starts.iter().zip(played).flat_map(|(s, g)| {
            let case = s.case();
            g.into_members().into_iter().map(move |p| (case, p.log))
        });
        self.pool = Some(Pool::new(logs.collect(), turns)?);
        Ok(())
    }

    /// One rollout batch of whole groups.
    fn play(&mut self) -> Result<(Vec<Start>, Vec<CertifiedGroup<Played>>), StageError> {
        let (seed, n) = (self.seed(b"starts"), self.config.grpo.groups_per_step as u64);
        let start = |index| match &self.pool {
            Some(pool) => pool.start(seed, index),
            None => session(self.world.cases.len(), seed, index),
        };
        let starts: Vec<Start> = (self.drawn..self.drawn + n).map(start).collect();
        let (members, seed) = (self.config.grpo.group_size, self.seed(b"members"));
        let groups = self.rollouts.play(&mut self.sampler, &starts, members, seed, self.drawn)?;
        self.drawn += n;
        let turns = groups.iter().flat_map(CertifiedGroup::members).flat_map(|p| &p.turns);
        self.generated += turns.map(|t| t.trace.ids.len() as u64).sum::<u64>();
        Ok((starts, groups))
    }

    /// The groups of a step: one rollout batch, or with dynamic sampling as many as it takes.
    fn gather(&mut self, metrics: &mut Metrics) -> Result<(Vec<Start>, Vec<CertifiedGroup<Played>>), StageError> {
        let Some(rule) = self.config.grpo.dynamic_sampling else { return self.play() };
        let mut filling = Filling::new(rule, self.config.grpo.groups_per_step);
        let mut batches = 0.0;
        let kept = loop {
            let (starts, groups) = self.play()?;
            batches += 1.0;
            let stats = pay(&self.config.grpo, &groups, None).groups;
            let full = filling.offer(stats.into_iter().zip(starts.into_iter().zip(groups)));
            metrics.set("dynamic/flat_share", filling.flat_share());
            match full {
                Ok(Some(full)) => break full,
                Ok(None) => {}
                // A small step is better than none; the share of flat groups tells, and raises its alarm.
                Err(_) => break std::mem::replace(&mut filling, Filling::new(rule, 0)).into_kept(),
            }
        };
        metrics.set("dynamic/batches", batches);
        metrics.set("dynamic/groups", kept.len() as f64);
        Ok(kept.into_iter().unzip())
    }

    fn pay(&self, starts: &[Start], groups: &[CertifiedGroup<Played>]) -> Result<Paid, StageError> {
        let (grpo, World { cases, env, .. }) = (&self.config.grpo, &self.world);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let by_turn = || turn_rewards(grpo.turn_credit.source, cases, env, starts, groups, threads);
        let turns = (grpo.turn_credit.weight > 0.0).then(by_turn).transpose()?;
        let Some(control) = self.config.shuffle_rewards else { return Ok(pay(grpo, groups, turns.as_ref())) };
        Ok(pay_as(grpo, groups, turns.as_ref(), |g, scores| dealt_out(scores, Seed(control), self.done, g)))
    }
}

/// A control's scores: the same ones, for other members.
pub fn dealt_out<T>(mut scores: Vec<T>, control: Seed, round: u64, group: usize) -> Vec<T> {
    let place = [round.to_be_bytes(), (group as u64).to_be_bytes()].concat();
    let mut draw = Draw::new(control, &place, 0, Purpose::Policy);
    (1..scores.len()).rev().for_each(|i| scores.swap(i, draw.below(i + 1)));
    scores
}

impl Stage for Reinforcement {
    fn total(&self) -> u64 {
        let spent = self.config.token_budget.is_some_and(|budget| self.generated >= budget);
        if spent { self.done } else { self.config.grpo.steps }
    }

    fn done(&self) -> u64 {
        self.done
    }

    fn step(&mut self) -> Result<Report, StageError> {
        let begin = Instant::now();
        let mut report = Report::default();
        self.log_own()?;
        let (starts, groups) = self.gather(&mut report.metrics)?;
        report.seconds.set("play", begin.elapsed().as_secs_f64());

        let begin = Instant::now();
        let paid = self.pay(&starts, &groups)?;
        report.metrics.set_all(&monitors::measure(&paid.episodes, &paid.groups));
        report.seconds.set("pay", begin.elapsed().as_secs_f64());

        let begin = Instant::now();
        let learnt =
            self.learner.reinforce(&self.config.grpo, &paid.lessons, self.config.grpo.schedule.at(self.done + 1));
        match learnt {
            Ok(metrics) => {
                report.metrics.set_all(&metrics);
                self.sampler.model_mut().replace(self.learner.model.decoder()?)?;
                report.metrics.set("update/skipped", 0.0);
            }
            // Nothing was scored, or all of it is masked: the round is lost and said to be, the policy stays.
            Err(LearnError::Nothing) => report.metrics.set("update/skipped", 1.0),
            Err(e) => return Err(e.into()),
        }
        report.seconds.set("update", begin.elapsed().as_secs_f64());
        if let Some(pool) = &self.pool {
            report.metrics.set("starts/fragments", pool.len() as f64);
        }
        self.done += 1;
        report.metrics.set("generated_tokens", self.generated as f64);

        let every = self.config.held_every;
        if every > 0 && !self.world.held.is_empty() && (self.done.is_multiple_of(every) || self.done == self.total()) {
            let begin = Instant::now();
            look(&mut self.sampler, &self.world, &mut report.metrics)?;
            report.seconds.set("held", begin.elapsed().as_secs_f64());
        }
        Ok(report)
    }

    fn state(&self) -> Result<State, StageError> {
        let mut state = State::of_learner(self.done, &self.learner)?;
        state.counters.insert("starts".to_owned(), self.drawn);
        state.counters.insert("generated".to_owned(), self.generated);
        // A teacher's fragments are made again; the policy's own come from a policy that is no more.
        if let (Some(pool), StartFrom::Fragment { logged: Logged::Policy { .. }, .. }) = (&self.pool, self.config.start)
        {
            state.files.insert(POOL.to_owned(), pool.to_bytes()?);
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), StageError> {
        if let StartFrom::Fragment { turns, logged: Logged::Policy { .. } } = self.config.start {
            self.pool = Some(Pool::from_bytes(state.file(POOL)?, turns)?);
        }
        state.into_learner(&mut self.learner)?;
        self.sampler.model_mut().replace(self.learner.model.decoder()?)?;
        self.done = state.done;
        self.drawn = state.counters.get("starts").copied().unwrap_or(0);
        self.generated = state.counters.get("generated").copied().unwrap_or(0);
        Ok(())
    }

    fn policy(&self) -> Result<PolicyFolder, StageError> {
        Ok(PolicyFolder { weights: self.learner.model.to_weights()?, ..self.folder.clone() })
    }
}

/// Whole consultations on held-out cases, as the policy samples.
fn look(sampler: &mut LmPolicy<Rows>, world: &World, metrics: &mut Metrics) -> Result<(), StageError> {
    let done = evaluate(sampler, &world.held, &world.env, &[HELD])?;
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let of = |key: &str| mean(done.iter().filter_map(|o| o.last.metrics.get(key)).collect());
    metrics.set("held/score", mean(done.iter().filter_map(|o| o.score()).collect()));
    metrics.set("held/diagnosis_top1", of("diagnosis_top1"));
    metrics.set("held/turns", of("turns"));
    Ok(())
}
