//! `VecEnv`: many consultations, stepped together. Slot order in, slot order out, whatever the threads do.

use crate::Digest;
use crate::action::Decision;
use crate::gym::{EnvConfig, EnvError, Info, ResetOptions, advance, finish, opening, trace_digest};
use crate::observation::Observation;
use crate::rubric::Scorecard;
use crate::seed::Seed;
use crate::step::Step;
use crate::units::Case;
use crate::world::{EpisodeLog, Slot, Ward};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What happens to a slot whose episode has ended (Gymnasium's three modes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoresetMode {
    /// The next step ignores its action and returns the new episode's first observation.
    #[default]
    NextStep,
    /// The step that ends an episode returns the next one's first observation; the last one is in `ended`.
    SameStep,
    /// Steps on an ended slot are errors until it is reset.
    Disabled,
}

/// What one slot returns from a step.
#[derive(Debug)]
pub struct VecStep {
    pub step: Step,
    /// The new episode's info, where this step opened one.
    pub info: Option<Info>,
    /// The finished episode: its last step (same-step mode only) and its log.
    pub ended: Option<Ended>,
}

#[derive(Debug)]
pub struct Ended {
    pub last_step: Option<Box<Step>>,
    pub log: EpisodeLog,
    /// How the episode was scored, where there is a scorer.
    pub card: Option<Scorecard>,
    /// `Ward::digest` and `Ward::checksum` of the finished episode, where [`EnvConfig::seal`] asks for them.
    pub seal: Option<(Digest, Digest)>,
}

type Answers<T> = Vec<(usize, Result<T, EnvError>)>;

enum Command {
    Reset(Vec<(usize, Seed, ResetOptions)>, Sender<Answers<(Observation, Info)>>),
    Step(Vec<(usize, Decision)>, Sender<Answers<VecStep>>),
    Log(usize, Sender<Result<EpisodeLog, EnvError>>),
}

/// `n` consultations on `threads` worker threads.
pub struct VecEnv {
    workers: Vec<(Sender<Command>, Option<JoinHandle<()>>)>,
    slots: usize,
}

impl VecEnv {
    /// `threads` 0 counts as 1; more threads than slots are not started.
    pub fn new(
        cases: Arc<Vec<Arc<Case>>>,
        config: EnvConfig,
        slots: usize,
        threads: usize,
        mode: AutoresetMode,
    ) -> VecEnv {
        let threads = threads.clamp(1, slots.max(1));
        let workers = (0..threads)
            .map(|k| {
                let (send, receive) = bounded(4);
                let local = (slots + threads - 1 - k) / threads;
                let mut shard = Shard {
                    ward: Ward::new(config.units.clone()),
                    config: config.clone(),
                    cases: cases.clone(),
                    slots: (0..local).map(|_| None).collect(),
                    mode,
                };
                (send, Some(std::thread::spawn(move || shard.serve(&receive))))
            })
            .collect();
        VecEnv { workers, slots }
    }

    pub fn len(&self) -> usize {
        self.slots
    }
    pub fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Resets every slot: slot `i` with seed + `i` (Gymnasium's rule for an integer seed).
    pub fn reset(&mut self, seed: Seed, options: &ResetOptions) -> Result<Vec<(Observation, Info)>, EnvError> {
        let all = (0..self.slots).map(|i| (i, Seed(seed.0.wrapping_add(i as u64)), options.clone())).collect();
        self.reset_slots(all)
    }

    /// Resets the given slots, each with its own seed and options; answers in the order given.
    pub fn reset_slots(
        &mut self,
        which: Vec<(usize, Seed, ResetOptions)>,
    ) -> Result<Vec<(Observation, Info)>, EnvError> {
        let order: Vec<usize> = which.iter().map(|w| w.0).collect();
        self.ask(which, |w| w.0, |w, i| (i, w.1, w.2), Command::Reset, &order)?.into_iter().collect()
    }

    /// Plays one doctor turn in every slot. `None` leaves a slot alone, and answers `None`.
    pub fn step(
        &mut self,
        decisions: Vec<Option<Decision>>,
    ) -> Result<Vec<Option<Result<VecStep, EnvError>>>, EnvError> {
        if decisions.len() != self.slots {
            return Err(EnvError::WrongBatch { got: decisions.len(), slots: self.slots });
        }
        let some: Vec<(usize, Decision)> =
            decisions.into_iter().enumerate().filter_map(|(i, d)| d.map(|d| (i, d))).collect();
        let order: Vec<usize> = some.iter().map(|s| s.0).collect();
        let answers = self.ask(some, |s| s.0, |s, i| (i, s.1), Command::Step, &order)?;
        let mut out: Vec<Option<Result<VecStep, EnvError>>> = (0..self.slots).map(|_| None).collect();
        for (slot, answer) in order.into_iter().zip(answers) {
            out[slot] = Some(answer);
        }
        Ok(out)
    }

    /// The log of the episode a slot holds.
    pub fn log(&self, slot: usize) -> Result<EpisodeLog, EnvError> {
        let (worker, local) = self.locate(slot)?;
        let (send, receive) = bounded(1);
        self.workers[worker].0.send(Command::Log(local, send)).map_err(|_| EnvError::WorkerLost)?;
        receive.recv().map_err(|_| EnvError::WorkerLost)?
    }

    fn locate(&self, slot: usize) -> Result<(usize, usize), EnvError> {
        if slot >= self.slots {
            return Err(EnvError::NoSuchSlot { slot, slots: self.slots });
        }
        Ok((slot % self.workers.len(), slot / self.workers.len()))
    }

    /// Sends each item to its worker, and brings the answers back in the order given.
    fn ask<In, Sent, Out>(
        &self,
        items: Vec<In>,
        slot_of: impl Fn(&In) -> usize,
        localise: impl Fn(In, usize) -> Sent,
        command: impl Fn(Vec<Sent>, Sender<Answers<Out>>) -> Command,
        order: &[usize],
    ) -> Result<Vec<Result<Out, EnvError>>, EnvError> {
        let mut by_worker: Vec<Vec<Sent>> = self.workers.iter().map(|_| Vec::new()).collect();
        for item in items {
            let (worker, local) = self.locate(slot_of(&item))?;
            by_worker[worker].push(localise(item, local));
        }
        let mut waiting: Vec<(usize, Receiver<Answers<Out>>)> = Vec::new();
        for (k, batch) in by_worker.into_iter().enumerate().filter(|(_, b)| !b.is_empty()) {
            let (send, receive) = bounded(1);
            self.workers[k].0.send(command(batch, send)).map_err(|_| EnvError::WorkerLost)?;
            waiting.push((k, receive));
        }
        let mut slots: Vec<Option<Result<Out, EnvError>>> = (0..self.slots).map(|_| None).collect();
        for (k, receive) in waiting {
            for (local, answer) in receive.recv().map_err(|_| EnvError::WorkerLost)? {
                slots[local * self.workers.len() + k] = Some(answer);
            }
        }
        order.iter().map(|i| slots[*i].take().ok_or(EnvError::SlotTwice(*i))).collect()
    }
}

impl Drop for VecEnv {
    fn drop(&mut self) {
        for (send, handle) in &mut self.workers {
            let (closed, _) = bounded(0);
            drop(std::mem::replace(send, closed));
            if let Some(handle) = handle.take() {
                // A worker that panicked has been reported by WorkerLost already.
                let _ = handle.join();
            }
        }
    }
}

/// One slot's episode: where it is, and how the next one is to be opened.
struct Playing {
    slot: Slot,
    seed: Seed,
    options: ResetOptions,
    over: bool,
}

struct Shard {
    ward: Ward,
    config: EnvConfig,
    cases: Arc<Vec<Arc<Case>>>,
    slots: Vec<Option<Playing>>,
    mode: AutoresetMode,
}

impl Shard {
    fn serve(&mut self, commands: &Receiver<Command>) {
        // An unanswered sender means the VecEnv is gone, and the loop ends with it.
        while let Ok(command) = commands.recv() {
            match command {
                Command::Reset(which, answer) => {
                    let done = which.into_iter().map(|(i, seed, options)| (i, self.reset(i, seed, options))).collect();
                    let _ = answer.send(done);
                }
                Command::Step(decisions, answer) => {
                    let _ = answer.send(self.step(decisions));
                }
                Command::Log(i, answer) => {
                    let log = match &self.slots[i] {
                        Some(p) => self.ward.log(p.slot).map_err(EnvError::from),
                        None => Err(EnvError::NotReset),
                    };
                    let _ = answer.send(log);
                }
            }
        }
    }

    fn reset(&mut self, i: usize, seed: Seed, options: ResetOptions) -> Result<(Observation, Info), EnvError> {
        let (case, episode, first) = opening(&self.cases, &self.config, seed, &options)?;
        let persona = first.persona;
        let slot = self.ward.admit(episode, self.cases[case].clone(), first);
        if let Some(old) = self.slots[i].replace(Playing { slot, seed, options, over: false }) {
            self.ward.discharge(old.slot);
        }
        Ok((self.ward.observation(slot)?, Info { episode, case, seed, persona }))
    }

    /// Opens the slot's next episode: seeds follow from the slot's own, so neighbours do not matter.
    fn next(&mut self, i: usize) -> Result<(Observation, Info), EnvError> {
        let (seed, options) = match &self.slots[i] {
            Some(p) => (p.seed.next(), p.options.clone()),
            None => return Err(EnvError::NotReset),
        };
        self.reset(i, seed, options)
    }

    fn step(&mut self, decisions: Vec<(usize, Decision)>) -> Answers<VecStep> {
        let mut answers: Answers<VecStep> = Vec::with_capacity(decisions.len());
        let mut playing = Vec::with_capacity(decisions.len());
        let mut turns = Vec::with_capacity(decisions.len());
        for (i, decision) in decisions {
            match &self.slots[i] {
                None => answers.push((i, Err(EnvError::NotReset))),
                Some(p) if p.over && self.mode == AutoresetMode::NextStep => {
                    let opened = self.next(i).map(|(observation, info)| VecStep {
                        step: Step::opening(observation),
                        info: Some(info),
                        ended: None,
                    });
                    answers.push((i, opened));
                }
                Some(p) if p.over => {
                    let status = self.ward.status(p.slot);
                    let error = status.map_or_else(EnvError::from, |s| crate::world::WardError::Closed(s).into());
                    answers.push((i, Err(error)));
                }
                Some(p) => {
                    let trace = trace_digest(&decision);
                    turns.push((p.slot, decision.turn, trace));
                    playing.push((i, p.slot));
                }
            }
        }
        match advance(&mut self.ward, turns, &self.config) {
            Ok(()) => {
                for (i, slot) in playing {
                    let answer = self.answer(i, slot);
                    answers.push((i, answer));
                }
            }
            Err(e) => answers.extend(playing.into_iter().map(|(i, _)| (i, Err(e.clone())))),
        }
        answers
    }

    fn answer(&mut self, i: usize, slot: Slot) -> Result<VecStep, EnvError> {
        let (step, card) = finish(&self.ward, slot, &self.config)?;
        if step.status.is_running() {
            return Ok(VecStep { step, info: None, ended: None });
        }
        if let Some(p) = &mut self.slots[i] {
            p.over = true;
        }
        let log = self.ward.log(slot)?;
        let seal = if self.config.seal { Some((self.ward.digest(slot)?, self.ward.checksum(slot)?)) } else { None };
        if self.mode != AutoresetMode::SameStep {
            return Ok(VecStep { step, info: None, ended: Some(Ended { last_step: None, log, card, seal }) });
        }
        let (observation, info) = self.next(i)?;
        let shown = Step { observation, ..step.clone() };
        Ok(VecStep {
            step: shown,
            info: Some(info),
            ended: Some(Ended { last_step: Some(Box::new(step)), log, card, seal }),
        })
    }
}
