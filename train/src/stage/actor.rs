//! Who plays: the policy as it was when it was last handed over, on a thread of its own. The learner asks for rounds over a channel,
//! and may go on learning while one is played.
//!
//! A round is a function of the weights it is played with, of its number and of the [`Place`] before it. Which weights those are is
//! for the learner to say: jobs are done one after the other, in the order they were asked for.

use super::StageError;
use super::look::Watch;
use super::reinforcement::{RlConfig, World, stream};
use super::round::gather;
use super::starts::{Logged, Pool, StartFrom, session};
use crate::grpo::CertifiedGroup;
use crate::metrics::Metrics;
use crate::policy_folder::PolicyFolder;
use crate::rollout::{Played, Rollouts, Start};
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::{Decoder, LmPolicy, Rows, Sampling};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// What a round depends on besides weights and number.
#[derive(Clone, Default)]
pub struct Place {
    /// Starts drawn so far. A rollout's own seed is a function of it.
    pub drawn: u64,
    /// Tokens generated so far, those of groups that were not learnt from included.
    pub generated: u64,
    /// Fragments to start from, where groups start from fragments.
    pub pool: Option<Arc<Pool>>,
}

/// One round, played.
pub struct Batch {
    pub starts: Vec<Start>,
    pub groups: Vec<CertifiedGroup<Played>>,
    pub metrics: Metrics,
    pub seconds: f64,
    /// Where the next round begins.
    pub after: Place,
}

/// The player.
pub struct Actor {
    config: RlConfig,
    world: World,
    sampler: LmPolicy<Rows>,
    rollouts: Rollouts,
    place: Place,
    watch: Watch,
}

impl Actor {
    pub fn new(
        config: &RlConfig,
        world: &World,
        folder: &PolicyFolder,
        decoder: Decoder,
        place: Place,
    ) -> Result<Actor, StageError> {
        let grpo = &config.grpo;
        let play = LmPolicyConfig {
            sampling: sampling(config, grpo.temperature),
            max_new_tokens: grpo.max_completion,
            ..folder.config.clone()
        };
        let rows = config.rows.clamp(1, grpo.group_size * grpo.groups_per_step);
        let rows = Rows::new(decoder, rows, grpo.max_completion)?;
        let sampler = LmPolicy::new("policy", rows, folder.tokenizer.clone(), folder.chat.clone(), play)?;
        let rollouts = Rollouts::new(world.cases.clone(), world.env.clone());
        let (config, world) = (config.clone(), world.clone());
        Ok(Actor { config, world, sampler, rollouts, place, watch: Watch::default() })
    }

    /// Plays with these weights, this hot, from now on.
    pub fn take(&mut self, decoder: Decoder, temperature: f64) -> Result<(), StageError> {
        self.sampler.model_mut().replace(decoder)?;
        self.sampler.set_sampling(sampling(&self.config, temperature));
        Ok(())
    }

    pub fn go_to(&mut self, place: Place) {
        self.place = place;
    }

    /// Plays a round's groups: one rollout batch, or with dynamic sampling as many as it takes.
    pub fn play(&mut self, round: u64) -> Result<Batch, StageError> {
        let (begin, mut metrics) = (Instant::now(), Metrics::default());
        self.log_own(round)?;
        let grpo = self.config.grpo.clone();
        let (starts, groups) = gather(&grpo, &mut metrics, || self.rollout())?;
        if let Some(pool) = &self.place.pool {
            metrics.set("starts/fragments", pool.len() as f64);
        }
        Ok(Batch { starts, groups, metrics, seconds: begin.elapsed().as_secs_f64(), after: self.place.clone() })
    }

    /// Looks at the held-out cases. The policy samples as hot as its configuration says, however hot it is trained.
    pub fn look(&mut self) -> Result<Metrics, StageError> {
        let hot = self.sampler.config().sampling;
        self.sampler.set_sampling(sampling(&self.config, self.config.grpo.temperature));
        let seen = self.watch.look(&mut self.sampler, &self.world);
        self.sampler.set_sampling(hot);
        seen
    }

    /// Plays the policy's own consultations again, where fragments are cut from them and it is time.
    fn log_own(&mut self, round: u64) -> Result<(), StageError> {
        let StartFrom::Fragment { turns, logged: Logged::Policy { consultations, every } } = self.config.start else {
            return Ok(());
        };
        if self.place.pool.is_some() && !round.is_multiple_of(every.max(1)) {
            return Ok(());
        }
        let seed = stream(&self.config, b"own cases");
        let first = round * consultations as u64;
        let starts: Vec<Start> =
            (0..consultations as u64).map(|i| session(self.world.cases.len(), seed, first + i)).collect();
        let members = stream(&self.config, b"own");
        let played = self.rollouts.play(&mut self.sampler, &starts, 1, members, round)?;
        let logs = starts.iter().zip(played).flat_map(|(s, g)| {
            let case = s.case();
            g.into_members().into_iter().map(move |p| (case, p.log))
        });
        self.place.pool = Some(Arc::new(Pool::new(logs.collect(), turns)?));
        Ok(())
    }

    /// One rollout batch of whole groups.
    fn rollout(&mut self) -> Result<(Vec<Start>, Vec<CertifiedGroup<Played>>), StageError> {
        let (seed, n) = (stream(&self.config, b"starts"), self.config.grpo.groups_per_step as u64);
        let Place { drawn, pool, .. } = &self.place;
        let start = |index| match pool {
            Some(pool) => pool.start(seed, index),
            None => session(self.world.cases.len(), seed, index),
        };
        let starts: Vec<Start> = (*drawn..drawn + n).map(start).collect();
        let (members, seed) = (self.config.grpo.group_size, stream(&self.config, b"members"));
        let groups = self.rollouts.play(&mut self.sampler, &starts, members, seed, *drawn)?;
        let turns = groups.iter().flat_map(|g| g.members().iter().flat_map(|p| &p.turns));
        self.place.generated += turns.map(|t| t.trace.ids.len() as u64).sum::<u64>();
        self.place.drawn += n;
        Ok((starts, groups))
    }
}

fn sampling(config: &RlConfig, temperature: f64) -> Sampling {
    let grpo = &config.grpo;
    Sampling { temperature: temperature as f32, top_k: grpo.top_k, top_p: grpo.top_p as f32 }
}

type Job = Box<dyn FnOnce(&mut Actor) + Send>;

/// The learner's end of the channel.
pub struct Handle {
    /// `None` while it is dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Jobs that may wait; the learner never has more than a few under way.
const WAITING: usize = 8;

impl Handle {
    pub fn start(actor: Actor) -> Handle {
        let (jobs, wanted) = bounded::<Job>(WAITING);
        let thread = std::thread::spawn(move || {
            let mut actor = actor;
            wanted.into_iter().for_each(|job| job(&mut actor));
        });
        Handle { jobs: Some(jobs), thread: Some(thread) }
    }

    /// Asks for a job; what comes of it may be waited for, or left.
    pub fn ask<T: Send + 'static>(&self, job: impl FnOnce(&mut Actor) -> T + Send + 'static) -> Awaited<T> {
        let (done, awaited) = bounded(1);
        let job: Job = Box::new(move |actor| drop(done.send(job(actor))));
        // A thread that is gone drops the answer's sender with the job, and that is what the one who waits sees.
        drop(self.jobs.as_ref().map(|jobs| jobs.send(job)));
        Awaited(awaited)
    }
}

impl Drop for Handle {
    /// Lets the thread finish what it is at.
    fn drop(&mut self) {
        self.jobs = None;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// A job's result to come.
pub struct Awaited<T>(Receiver<T>);

impl<T> Awaited<T> {
    pub fn get(self) -> Result<T, StageError> {
        let gone = |_| StageError::new("the actor's thread is gone", "it panicked; please report its message");
        self.0.recv().map_err(gone)
    }
}
