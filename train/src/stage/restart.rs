//! ORBIT's staged restart: where entropy has collapsed or the reward stands still, go on from the best parameters so far, sampling
//! hotter. The paper gives factor and ceiling and names the two signs; when a sign holds is ours.

use super::{StageError, State};
use crate::grpo::config::Restart;
use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};

/// The stages of a run, of which each samples hotter than the one before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heats {
    rule: Restart,
    pub temperature: f64,
    taken: u64,
    /// Mean reward and entropy of each round of this stage that has them.
    rewards: Vec<f64>,
    entropies: Vec<f64>,
    best: Option<Best>,
}

#[derive(Clone, Debug, PartialEq)]
struct Best {
    step: u64,
    score: f64,
    /// The learner there.
    state: State,
}

/// For a checkpoint: fractions as their bits.
#[derive(Serialize, Deserialize)]
struct Kept {
    temperature: u64,
    taken: u64,
    rewards: Vec<u64>,
    entropies: Vec<u64>,
    best: Option<(u64, u64)>,
}

const HEATS: &str = "heats.json";
const BEST: &str = "best-";

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

impl Heats {
    pub fn new(rule: Restart, temperature: f64) -> Heats {
        Heats { rule, temperature, taken: 0, rewards: Vec::new(), entropies: Vec::new(), best: None }
    }

    /// Takes in a round. `held` is the score on held-out cases where they are looked at, `looks` whether they ever are; where they
    /// are not, the mean reward of each window stands for it. `learner` is asked for where this is the best place so far.
    pub fn saw(
        &mut self,
        step: u64,
        metrics: &Metrics,
        looks: bool,
        learner: impl FnOnce() -> Result<State, StageError>,
    ) -> Result<(), StageError> {
        self.rewards.extend(metrics.get("reward"));
        self.entropies.extend(metrics.get("entropy"));
        let window = self.rule.window;
        let score = match looks {
            true => metrics.get("held/score"),
            false if self.rewards.len() >= window && self.rewards.len().is_multiple_of(window) => {
                mean(&self.rewards[self.rewards.len() - window..])
            }
            false => None,
        };
        if let Some(score) = score.filter(|s| self.best.as_ref().is_none_or(|b| *s > b.score)) {
            self.best = Some(Best { step, score, state: learner()? });
        }
        Ok(())
    }

    /// Where to go on from, when it is time: the best place so far. The next stage has begun when this returns one.
    pub fn restart(&mut self) -> Option<(u64, State)> {
        let hotter = self.rule.next(self.temperature);
        // At the ceiling there is no hotter stage.
        if hotter <= self.temperature || !(self.collapsed() || self.stalled()) {
            return None;
        }
        let best = self.best.as_ref()?;
        let from = (best.step, best.state.clone());
        self.temperature = hotter;
        self.taken += 1;
        self.rewards.clear();
        self.entropies.clear();
        Some(from)
    }

    /// The last window's entropy is a small part of the first window's.
    fn collapsed(&self) -> bool {
        let (all, window) = (&self.entropies, self.rule.window);
        if all.len() < 2 * window {
            return false;
        }
        mean(&all[all.len() - window..]) < mean(&all[..window]).map(|first| first * self.rule.entropy)
    }

    /// The last window is no better than the best before it, by what counts as a gain.
    fn stalled(&self) -> bool {
        let (all, window) = (&self.rewards, self.rule.window);
        if all.len() < 2 * window {
            return false;
        }
        let (past, last) = all.split_at(all.len() - window);
        let best = past.windows(window).filter_map(mean).reduce(f64::max);
        mean(last) < best.map(|best| best + self.rule.gain)
    }

    pub fn report(&self, metrics: &mut Metrics, from: Option<u64>) {
        metrics.set("restart/temperature", self.temperature);
        metrics.set("restart/taken", self.taken as f64);
        metrics.set("restart/now", if from.is_some() { 1.0 } else { 0.0 });
        metrics.set("restart/from_step", from.map(|step| step as f64));
        metrics.set("restart/best_score", self.best.as_ref().map(|b| b.score));
    }

    /// Adds to a checkpoint.
    pub fn keep(&self, state: &mut State) -> Result<(), StageError> {
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect();
        let kept = Kept {
            temperature: self.temperature.to_bits(),
            taken: self.taken,
            rewards: bits(&self.rewards),
            entropies: bits(&self.entropies),
            best: self.best.as_ref().map(|b| (b.step, b.score.to_bits())),
        };
        let json = serde_json::to_vec(&kept).map_err(|e| StageError::new(e.to_string(), "please report it"))?;
        state.files.insert(HEATS.to_owned(), json);
        for (name, bytes) in self.best.iter().flat_map(|b| &b.state.files) {
            state.files.insert(format!("{BEST}{name}"), bytes.clone());
        }
        Ok(())
    }

    /// What [`Heats::keep`] added.
    pub fn restore(&mut self, state: &State) -> Result<(), StageError> {
        let kept: Kept = serde_json::from_slice(state.file(HEATS)?)
            .map_err(|e| StageError::new(format!("{HEATS}: {e}"), "resume from an earlier checkpoint"))?;
        let values = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect();
        let own = state.files.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(BEST)?, bytes)));
        let files = own.map(|(name, bytes)| (name.to_owned(), bytes.clone())).collect();
        let best = |(step, score)| Best {
            step,
            score: f64::from_bits(score),
            state: State { done: step, files, ..State::default() },
        };
        self.temperature = f64::from_bits(kept.temperature);
        (self.taken, self.rewards, self.entropies) = (kept.taken, values(kept.rewards), values(kept.entropies));
        self.best = kept.best.map(best);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Restart {
        Restart { window: 3, gain: 0.01, ..Restart::default() }
    }

    /// Plays rounds of (reward, entropy), held-out scores every second round; returns the steps that began hotter, with where they
    /// went on from.
    fn restarts(heats: &mut Heats, rounds: &[(f64, f64)], looks: bool) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        for (step, (reward, entropy)) in (1..).zip(rounds) {
            let mut m = Metrics::default();
            m.set("reward", *reward);
            m.set("entropy", *entropy);
            if looks && step % 2 == 0 {
                m.set("held/score", *reward);
            }
            heats.saw(step, &m, looks, || Ok(State { done: step, ..State::default() })).expect("seen");
            out.extend(heats.restart().map(|(from, state)| {
                assert_eq!(state.done, from);
                (step, from)
            }));
        }
        out
    }

    #[test]
    fn a_reward_that_rises_and_keeps_its_entropy_is_left_alone() {
        let rising: Vec<(f64, f64)> = (0..30).map(|t| (0.1 + 0.01 * f64::from(t), 2.0)).collect();
        assert_eq!(restarts(&mut Heats::new(rule(), 1.0), &rising, false), []);
    }

    #[test]
    fn a_reward_that_stands_still_restarts_from_the_best_place_hotter_up_to_the_ceiling() {
        let flat: Vec<(f64, f64)> = (0..30).map(|t| (if t == 3 { 0.55 } else { 0.5 }, 2.0)).collect();
        let mut heats = Heats::new(rule(), 1.0);
        // Rounds 5 to 7 are the first window that is no better than one before; the next stage needs two windows to compare.
        assert_eq!(restarts(&mut heats, &flat, true), [(7, 4), (13, 4)]);
        assert_eq!((heats.temperature, heats.taken), (1.2, 2), "no third: 1.2 is the ceiling");
        // Without looks the windows' means decide: steps 1 to 3, or 4 to 6.
        assert_eq!(restarts(&mut Heats::new(rule(), 1.0), &flat[..8], false), [(7, 6)]);
    }

    #[test]
    fn entropy_that_collapses_restarts_although_the_reward_rises() {
        let rounds: Vec<(f64, f64)> =
            (0..12).map(|t| (0.1 + 0.05 * f64::from(t), if t < 7 { 2.0 } else { 0.5 })).collect();
        let found = restarts(&mut Heats::new(rule(), 1.0), &rounds, true);
        assert_eq!(found, [(10, 10)], "the window of rounds 8 to 10 is the first wholly below a half");
    }

    #[test]
    fn a_checkpoint_brings_back_the_same_stages() {
        let rounds: Vec<(f64, f64)> = (0..9).map(|t| (0.5 + 1e-17 * f64::from(t), 1.9 / 3.0)).collect();
        let mut heats = Heats::new(rule(), 1.0);
        restarts(&mut heats, &rounds, true);
        heats.best.as_mut().expect("one").state.files.insert("parameters".to_owned(), vec![1, 2, 3]);
        let mut state = State::default();
        heats.keep(&mut state).expect("kept");
        let mut back = Heats::new(rule(), 1.0);
        back.restore(&state).expect("its own");
        assert_eq!(back, heats);
        assert!(back.restore(&State::default()).is_err());
    }
}
