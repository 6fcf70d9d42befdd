//! Rounds of GRPO: start, play, pay, learn, measure.
//!
//! The `actor` plays on a thread of its own. Without overlap the learner waits for it, and every round is played by the policy
//! it teaches. With overlap the next round is played while this one is learnt from, by the weights that this one began with: always
//! one step old, which the recipe's importance weights correct.

use super::actor::{Actor, Awaited, Batch, Handle, Place};
use super::restart::Heats;
use super::round::{dealt_out, due, learn};
use super::starts::{Logged, Pool, StartFrom};
use super::state::{Lora, State, Values, trainable};
use super::turn_rewards::turn_rewards;
use super::{NumberFormat, Report, Stage, StageError};
use crate::grpo::advantage::mean_std;
use crate::grpo::{CertifiedGroup, GrpoConfig};
use crate::learner::Learner;
use crate::metrics::{Metrics, monitors};
use crate::policy_folder::PolicyFolder;
use crate::reward::{Paid, pay, pay_as};
use crate::rollout::{Played, Start};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::simulator_metrics::{self, Conduct};
use bedside_env::units::Case;
use bedside_env::{EnvConfig, EpisodeLog};
use bedside_lm::Model;
use candle_core::Device;
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
    /// What the model computes in.
    #[serde(default)]
    pub dtype: NumberFormat,
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
    /// Plays the next round while this one is learnt from: every round but the first is played by weights one step old. Needs
    /// `grpo.importance.mode`.
    pub overlap: bool,
}

impl RlConfig {
    pub fn new(grpo: GrpoConfig, start: StartFrom) -> RlConfig {
        RlConfig {
            grpo,
            start,
            lora: None,
            dtype: NumberFormat::F32,
            batch_tokens: 8192,
            rows: 128,
            shuffle_rewards: None,
            token_budget: None,
            held_every: 0,
            overlap: false,
        }
    }

    /// Whether a run of it can begin, as far as that can be told without cases and policy.
    pub fn validate(&self) -> Result<(), StageError> {
        let grpo = &self.grpo;
        grpo.validate()?;
        if grpo.beta != 0.0 && self.lora.is_none() {
            let message = "a KL term needs the policy as it was, and training every parameter does not keep it";
            return Err(StageError::new(message, "train low-rank corrections, or set beta=0"));
        }
        if self.overlap && grpo.importance.mode.is_none() {
            let message = "with overlap the sampler is a step behind the trainer, and nothing corrects it";
            return Err(StageError::new(message, "set importance.mode=token_truncate, or do without overlap"));
        }
        Ok(())
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
    actor: Handle,
    /// Whether the actor plays with the learner's weights and temperature, or older ones.
    given: bool,
    /// Where the round after the last one begins.
    place: Place,
    /// The next round, where it is being played already.
    ahead: Option<Ahead>,
    heats: Option<Heats>,
    done: u64,
}

/// A round that is being played while the one before it is learnt from.
struct Ahead {
    batch: Awaited<Result<Batch, StageError>>,
    /// The parameters it is played with.
    values: Values,
}

const POOL: &str = "fragments.json";
const AHEAD: &str = "ahead.safetensors";

/// The seed of one of a run's streams of draws.
pub(super) fn stream(config: &RlConfig, what: &[u8]) -> Seed {
    Seed(Draw::new(Seed(config.grpo.seed), what, 0, Purpose::Policy).next_u64())
}

impl Reinforcement {
    /// `taught` are a teacher's consultations by case, for fragments of them.
    pub fn new(
        config: RlConfig,
        world: World,
        folder: PolicyFolder,
        taught: Vec<(usize, EpisodeLog)>,
        device: &Device,
    ) -> Result<Reinforcement, StageError> {
        config.validate()?;
        let grpo = &config.grpo;
        if world.cases.is_empty() {
            return Err(StageError::new("there are no cases", "give at least one"));
        }
        let pool = match config.start {
            StartFrom::Fragment { turns, logged: Logged::Teacher } => Some(Arc::new(Pool::new(taught, turns)?)),
            _ => None,
        };
        let place = Place { pool, ..Place::default() };
        let model = Model::new(&folder.weights, trainable(config.lora), config.dtype.into(), device, grpo.seed)?;
        let actor = Actor::new(&config, &world, &folder, model.decoder()?, place.clone())?;
        let mut learner = Learner::new(model, grpo.optimizer, grpo.clip_norm);
        learner.batch_tokens = config.batch_tokens;
        let heats = grpo.restart.map(|rule| Heats::new(rule, grpo.temperature));
        let (actor, given, ahead) = (Handle::start(actor), true, None);
        Ok(Reinforcement { config, world, folder, learner, actor, given, place, ahead, heats, done: 0 })
    }

    /// The fragments groups start from, where they do.
    pub fn pool(&self) -> Option<&Pool> {
        self.place.pool.as_deref()
    }

    fn temperature(&self) -> f64 {
        self.heats.as_ref().map_or(self.config.grpo.temperature, |h| h.temperature)
    }

    /// Gives the actor the weights as they are now. It takes them when it has done what it was asked before.
    fn give(&mut self) -> Result<(), StageError> {
        if !self.given {
            let (decoder, temperature) = (self.learner.model.decoder()?, self.temperature());
            self.actor.ask(move |actor| actor.take(decoder, temperature)).get()??;
            self.given = true;
        }
        Ok(())
    }

    /// Asks for a round, to be played with the weights as they are now.
    fn ask(&mut self, round: u64) -> Result<Awaited<Result<Batch, StageError>>, StageError> {
        self.give()?;
        Ok(self.actor.ask(move |actor| actor.play(round)))
    }

    fn looks(&self) -> bool {
        self.config.held_every > 0 && !self.world.held.is_empty()
    }

    fn pay(&self, starts: &[Start], groups: &[CertifiedGroup<Played>]) -> Result<Paid, StageError> {
        let (grpo, World { cases, env, .. }) = (&self.config.grpo, &self.world);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let by_turn = || turn_rewards(grpo.turn_credit.source, cases, env, starts, groups, threads);
        let turns = (grpo.turn_credit.weight > 0.0).then(by_turn).transpose()?;
        let Some(control) = self.config.shuffle_rewards else { return Ok(pay(grpo, groups, turns.as_ref())) };
        Ok(pay_as(grpo, groups, turns.as_ref(), |g, scores| dealt_out(scores, Seed(control), self.done, g)))
    }

    /// One update, by the rate of the round.
    fn learn(&mut self, paid: &Paid, metrics: &mut Metrics) -> Result<(), StageError> {
        let grpo = GrpoConfig { temperature: self.temperature(), ..self.config.grpo.clone() };
        if learn(&mut self.learner, &grpo, &paid.lessons, self.done + 1, metrics)? {
            self.given = false;
        }
        Ok(())
    }

    /// Where the recipe restarts and it is time: goes back to the best parameters, and on from there hotter.
    fn restart(&mut self, metrics: &mut Metrics) -> Result<(), StageError> {
        let looks = self.looks();
        let Some(heats) = &mut self.heats else { return Ok(()) };
        heats.saw(self.done, metrics, looks, || State::of_learner(self.done, &self.learner))?;
        let from = heats.restart();
        heats.report(metrics, from.as_ref().map(|(step, _)| *step));
        let Some((_, state)) = from else { return Ok(()) };
        state.into_learner(&mut self.learner)?;
        self.given = false;
        // What was played ahead belongs to the stage that has ended.
        if let Some(ahead) = self.ahead.take() {
            self.place = ahead.batch.get()??.after;
        }
        Ok(())
    }
}

impl Stage for Reinforcement {
    fn total(&self) -> u64 {
        let spent = self.config.token_budget.is_some_and(|budget| self.place.generated >= budget);
        if spent { self.done } else { self.config.grpo.steps }
    }

    fn done(&self) -> u64 {
        self.done
    }

    fn learner(&self) -> &Learner {
        &self.learner
    }

    fn step(&mut self) -> Result<Report, StageError> {
        let begin = Instant::now();
        let mut report = Report::default();
        let awaited = match self.ahead.take() {
            Some(ahead) => ahead.batch,
            None => self.ask(self.done)?,
        };
        let Batch { starts, groups, metrics, seconds, after } = awaited.get()??;
        self.place = after;
        if self.config.overlap && self.done + 1 < self.total() {
            let batch = self.ask(self.done + 1)?;
            self.ahead = Some(Ahead { batch, values: Values::of(&self.learner)? });
        }
        report.metrics.set_all(&metrics);
        report.seconds.set("play", seconds);
        report.seconds.set("wait", begin.elapsed().as_secs_f64());

        let begin = Instant::now();
        let paid = self.pay(&starts, &groups)?;
        report.metrics.set_all(&monitors::measure(&paid.episodes, &paid.groups));
        report.metrics.set_all(&patients(&self.world, &starts, &groups));
        report.seconds.set("pay", begin.elapsed().as_secs_f64());

        let begin = Instant::now();
        self.learn(&paid, &mut report.metrics)?;
        report.seconds.set("update", begin.elapsed().as_secs_f64());
        self.done += 1;
        report.metrics.set("generated_tokens", self.place.generated as f64);

        if self.looks() && due(self.done, self.total(), self.config.held_every) {
            let begin = Instant::now();
            self.give()?;
            report.metrics.set_all(&self.actor.ask(Actor::look).get()??);
            report.seconds.set("held", begin.elapsed().as_secs_f64());
        }
        self.restart(&mut report.metrics)?;
        Ok(report)
    }

    fn state(&self) -> Result<State, StageError> {
        let mut state = State::of_learner(self.done, &self.learner)?;
        state.counters.insert("starts".to_owned(), self.place.drawn);
        state.counters.insert("generated".to_owned(), self.place.generated);
        // A teacher's fragments are made again; the policy's own come from a policy that is no more.
        if let (Some(pool), StartFrom::Fragment { logged: Logged::Policy { .. }, .. }) =
            (&self.place.pool, self.config.start)
        {
            state.files.insert(POOL.to_owned(), pool.to_bytes()?);
        }
        if let Some(heats) = &self.heats {
            heats.keep(&mut state)?;
        }
        // The round under way is played again, by the weights it is played with now.
        if let Some(ahead) = &self.ahead {
            state.files.insert(AHEAD.to_owned(), ahead.values.to_bytes()?);
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), StageError> {
        if let StartFrom::Fragment { turns, logged: Logged::Policy { .. } } = self.config.start {
            self.place.pool = Some(Arc::new(Pool::from_bytes(state.file(POOL)?, turns)?));
        }
        let counter = |name: &str| state.counters.get(name).copied().unwrap_or(0);
        (self.place.drawn, self.place.generated) = (counter("starts"), counter("generated"));
        self.done = state.done;
        if let Some(heats) = &mut self.heats {
            heats.restore(state)?;
        }
        let place = self.place.clone();
        self.actor.ask(move |actor| actor.go_to(place)).get()?;
        self.ahead = None;
        if let Some(bytes) = state.files.get(AHEAD) {
            Values::from_bytes(bytes, &self.learner)?.put(&mut self.learner)?;
            self.given = false;
            let batch = self.ask(self.done)?;
            self.ahead = Some(Ahead { batch, values: Values::of(&self.learner)? });
        }
        state.into_learner(&mut self.learner)?;
        self.given = false;
        Ok(())
    }

    fn policy(&self) -> Result<PolicyFolder, StageError> {
        Ok(PolicyFolder { weights: self.learner.model.to_weights()?, ..self.folder.clone() })
    }
}

/// How the patient was played: one member of each group, judged by the Factual Unit that played it.
fn patients(world: &World, starts: &[Start], groups: &[CertifiedGroup<Played>]) -> Metrics {
    let conduct = |(start, group): (&Start, &CertifiedGroup<Played>)| {
        let played = group.members().first()?;
        simulator_metrics::measure(&world.cases[start.case()], &played.log.events, world.env.units.factual.as_ref())
    };
    let all: Vec<Conduct> = starts.iter().zip(groups).filter_map(conduct).collect();
    let mean = |key: &str| {
        let values: Vec<f64> = all.iter().filter_map(|c| *c.measures.get(key)?).collect();
        mean_std(&values).map(|(mean, _)| mean)
    };
    let mut out = Metrics::default();
    out.set("simulator/fact_score", mean("fact_score"));
    out.set("simulator/privacy_score", mean("privacy_score"));
    out.set("simulator/kept_score", mean("unprompted_disclosure").map(|told| 1.0 - told));
    out
}
