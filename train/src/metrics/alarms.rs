//! Failures that the literature names, caught while a run can still be saved. An alarm says what it saw, what it allows, and
//! what to try next.

use super::Metrics;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// Thresholds; defaults are judgement, from what practitioners report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmConfig {
    /// Share of groups without spread.
    pub flat_groups: f64,
    /// Entropy over its value `entropy_window` steps ago.
    pub entropy_ratio: f64,
    pub entropy_window: usize,
    /// Share of units clipped from above.
    pub high_clip: f64,
    /// Gradient norm over the median of the last `norm_window` steps.
    pub norm_ratio: f64,
    pub norm_window: usize,
    /// Share of replies cut by a limit.
    pub truncated: f64,
    /// Mean |log trainer - log sampler|.
    pub logp_gap: f64,
    /// NeMo-RL's mean probability error factor.
    pub mult_prob_error: f64,
    /// Share of members that no judge scored.
    pub unscored: f64,
    /// Mean share of repeated 3-grams.
    pub repetition: f64,
    /// Effective share of the sample.
    pub ess: f64,
    /// Leaks, contradictions and inventions of the simulator, an episode.
    pub simulator_faults: f64,
    /// Least share of the patient's replies that hold to the record, and that keep what was not asked.
    pub simulator_facts: f64,
    pub simulator_privacy: f64,
    /// Least lead over the best scripted reward hack, on held-out cases.
    pub probe_margin: f64,
    /// Share of consultations concluded at once, and of turns with another hack's habit.
    pub habit: f64,
    /// Perplexity of the guard's text over what it was before the first step.
    pub guard_perplexity_ratio: f64,
    /// Accuracy on the guard's tasks before the first step minus now.
    pub guard_accuracy_drop: f64,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        AlarmConfig {
            flat_groups: 0.6,
            entropy_ratio: 0.5,
            entropy_window: 20,
            high_clip: 0.1,
            norm_ratio: 10.0,
            norm_window: 50,
            truncated: 0.2,
            logp_gap: 0.05,
            mult_prob_error: 1.05,
            unscored: 0.05,
            repetition: 0.5,
            ess: 0.3,
            simulator_faults: 0.1,
            simulator_facts: 0.95,
            simulator_privacy: 0.95,
            probe_margin: 0.0,
            habit: 0.25,
            guard_perplexity_ratio: 1.25,
            guard_accuracy_drop: 0.1,
        }
    }
}

/// One thing that is wrong with one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alarm {
    pub step: u64,
    pub name: &'static str,
    pub value: f64,
    /// What the value was held against.
    pub threshold: f64,
    pub next: &'static str,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alarm { step, name, value, threshold, next } = self;
        write!(f, "step {step}: {name} is {value:.4}, threshold {threshold:.4}\nhint: {next}")
    }
}

/// Habits of reward hacks: what the alarm says, the metric, and what to do.
const HABITS: [(&str, &str, &str); 6] = [
    (
        "share concluded at once",
        "habits/at_once",
        "the rubric pays guesses: price stopping early, or start from fragments",
    ),
    (
        "share of turns that ask or order everything",
        "habits/shotgun",
        "the rubric pays breadth: price orders nobody needs",
    ),
    (
        "share of turns that repeat",
        "habits/repeated",
        "read some consultations; a repeated question should cost something",
    ),
    (
        "share of turns that string words together",
        "habits/keywords",
        "the judge reads words, not sentences: look at its evidence",
    ),
    ("share of turns that do nothing", "habits/idle", "manners are paid without work: see the reward by axis"),
    (
        "share of turns that address the simulator",
        "habits/injection",
        "the patient's role pays when broken: read the leak audit",
    ),
];

/// Fewest past steps a median is taken of.
const MIN_HISTORY: usize = 5;

/// Watches a run; keeps the little history that its ratios need.
#[derive(Clone, Debug)]
pub struct Alarms {
    config: AlarmConfig,
    entropies: VecDeque<f64>,
    norms: VecDeque<f64>,
}

impl Alarms {
    pub fn new(config: AlarmConfig) -> Alarms {
        Alarms { config, entropies: VecDeque::new(), norms: VecDeque::new() }
    }

    /// Its history, to the bit, for a checkpoint: two lists, each its length and its numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let list = |values: &VecDeque<f64>| {
            let mut out = (values.len() as u64).to_le_bytes().to_vec();
            out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            out
        };
        [list(&self.entropies), list(&self.norms)].concat()
    }

    /// What [`Alarms::to_bytes`] wrote; `None` where the bytes are something else.
    pub fn from_bytes(config: AlarmConfig, bytes: &[u8]) -> Option<Alarms> {
        let mut words = bytes.chunks(8).map(|w| w.try_into().map(u64::from_le_bytes).ok());
        let mut list = || -> Option<VecDeque<f64>> {
            let n = words.next()??;
            (0..n).map(|_| words.next()?.map(f64::from_bits)).collect()
        };
        let alarms = Alarms { config, entropies: list()?, norms: list()? };
        words.next().is_none().then_some(alarms)
    }

    /// All alarms of a step, in a fixed order. What a step did not measure raises none.
    pub fn check(&mut self, step: u64, metrics: &Metrics) -> Vec<Alarm> {
        let c = &self.config;
        let mut out = Vec::new();
        let mut above = |name: &'static str, metric: &str, threshold: f64, next: &'static str| {
            let value = metrics.get(metric).filter(|v| *v > threshold);
            out.extend(value.map(|value| Alarm { step, name, value, threshold, next }));
        };
        above(
            "share of groups without spread",
            "frac_reward_zero_std",
            c.flat_groups,
            "warm up with a stochastic teacher, raise temperature or group size, or switch dynamic sampling on",
        );
        above(
            "share clipped from above",
            "clip_ratio/high_mean",
            c.high_clip,
            "lower the learning rate or the number of mini-batches, or raise epsilon_high",
        );
        above(
            "truncated share",
            "completions/clipped_ratio",
            c.truncated,
            "raise max_completion or the turn limit, or pay for brevity; check the stop strings",
        );
        above(
            "mean log-prob gap of sampler and trainer",
            "sampling/sampling_logp_difference/mean",
            c.logp_gap,
            "check dtype, temperature and masks of both; correct with importance.mode token_truncate",
        );
        above(
            "token_mult_prob_error",
            "sampling/token_mult_prob_error",
            c.mult_prob_error,
            "sampler and trainer compute different probabilities: same kernels, f32 logits, same weights?",
        );
        above(
            "unscored share",
            "rewards/unscored_ratio",
            c.unscored,
            "the judge fails: read its errors; failed members are left out, never scored 0",
        );
        above(
            "repeated 3-grams",
            "completions/repetition_mean",
            c.repetition,
            "read some replies; add a repetition penalty to the reward",
        );
        above(
            "simulator faults per episode",
            "simulator/faults_per_episode",
            c.simulator_faults,
            "the policy may be paid for leaks: read the leak audit of this step before going on",
        );
        above(
            "perplexity of the guard's text over its first",
            "guard/perplexity_ratio",
            c.guard_perplexity_ratio,
            "the policy forgets how to write: lower the rate, train low-rank corrections, or set beta > 0",
        );
        above(
            "fall of accuracy on the guard's tasks",
            "guard/accuracy_drop",
            c.guard_accuracy_drop,
            "the policy forgets what it could do: mix rule tasks in, lower the rate, or go back to an earlier checkpoint",
        );
        above(
            "staged restart",
            "restart/now",
            0.5,
            "sampling goes on hotter from the step restart/from_step names; if it changes nothing, change the cases",
        );
        for (name, metric, next) in HABITS {
            above(name, metric, c.habit, next);
        }
        let mut below = |name: &'static str, metric: &str, threshold: f64, next: &'static str| {
            let value = metrics.get(metric).filter(|v| *v < threshold);
            out.extend(value.map(|value| Alarm { step, name, value, threshold, next }));
        };
        below(
            "effective sample share",
            "sampling/ess",
            c.ess,
            "the sampler is too far behind: less overlap, fewer iterations, lower learning rate",
        );
        below(
            "patient's replies true to the record",
            "simulator/fact_score",
            c.simulator_facts,
            "the patient makes things up: read some replies, switch the Factual Unit on",
        );
        below(
            "patient's replies that keep what was not asked",
            "simulator/kept_score",
            c.simulator_privacy,
            "the patient tells what nobody asked: the policy may be paid for leaks; switch the Factual Unit on",
        );
        below(
            "lead over the best reward hack",
            "probes/margin",
            c.probe_margin,
            "a script that does no work scores as well: read its consultations, and what the rubric pays them for",
        );
        out.extend(self.entropy_collapse(step, metrics.get("entropy")));
        out.extend(self.norm_jump(step, metrics.get("grad_norm")));
        if metrics.iter().any(|(name, value)| name == "loss" && value.is_none()) {
            let next = "the step was not finite: resume from the last checkpoint with a lower learning rate";
            out.push(Alarm { step, name: "loss that is not a number", value: f64::NAN, threshold: 0.0, next });
        }
        out
    }

    fn entropy_collapse(&mut self, step: u64, entropy: Option<f64>) -> Option<Alarm> {
        let (value, c) = (entropy?, &self.config);
        // Against the highest of the window, so that a slow start does not hide a fall.
        let highest = self.entropies.iter().copied().reduce(f64::max);
        self.entropies.push_back(value);
        if self.entropies.len() > c.entropy_window {
            self.entropies.pop_front();
        }
        let threshold = highest? * c.entropy_ratio;
        let next =
            "raise epsilon_high or temperature, lower the learning rate, or restart hotter from the best checkpoint";
        (value < threshold).then_some(Alarm { step, name: "entropy", value, threshold, next })
    }

    fn norm_jump(&mut self, step: u64, norm: Option<f64>) -> Option<Alarm> {
        let (value, c) = (norm?, &self.config);
        let mut past: Vec<f64> = self.norms.iter().copied().collect();
        past.sort_by(f64::total_cmp);
        self.norms.push_back(value);
        if self.norms.len() > c.norm_window {
            self.norms.pop_front();
        }
        let threshold = past.get(past.len() / 2).filter(|_| past.len() >= MIN_HISTORY)? * c.norm_ratio;
        let next = "look at the step's rewards and longest replies; lower clip_norm or the learning rate";
        (value > threshold).then_some(Alarm { step, name: "gradient norm", value, threshold, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(pairs: &[(&str, f64)]) -> Metrics {
        let mut m = Metrics::default();
        pairs.iter().for_each(|(name, value)| m.set(*name, *value));
        m
    }

    #[test]
    fn each_threshold_raises_its_own_alarm_and_names_value_threshold_and_next_step() {
        let bad = [
            ("frac_reward_zero_std", 0.61),
            ("clip_ratio/high_mean", 0.11),
            ("completions/clipped_ratio", 0.21),
            ("sampling/sampling_logp_difference/mean", 0.051),
            ("sampling/token_mult_prob_error", 1.06),
            ("rewards/unscored_ratio", 0.06),
            ("completions/repetition_mean", 0.51),
            ("simulator/faults_per_episode", 0.11),
            ("guard/perplexity_ratio", 1.26),
            ("guard/accuracy_drop", 0.11),
            ("sampling/ess", 0.29),
            ("simulator/fact_score", 0.94),
            ("simulator/kept_score", 0.94),
            ("probes/margin", -0.01),
            ("restart/now", 1.0),
            ("habits/at_once", 0.26),
            ("habits/injection", 0.26),
            ("loss", f64::NAN),
        ];
        for one in bad {
            let raised = Alarms::new(AlarmConfig::default()).check(7, &step(&[one]));
            assert_eq!(raised.len(), 1, "{one:?}: {raised:?}");
            let text = raised[0].to_string();
            assert!(text.starts_with("step 7: ") && text.contains("threshold") && text.contains("hint: "), "{text}");
        }
        let at_the_threshold =
            [("frac_reward_zero_std", 0.6), ("completions/clipped_ratio", 0.2), ("sampling/ess", 0.3)];
        assert_eq!(Alarms::new(AlarmConfig::default()).check(7, &step(&at_the_threshold)), []);
    }

    #[test]
    fn entropy_that_halves_within_the_window_is_caught_and_a_slow_fall_is_not() {
        let mut slow = Alarms::new(AlarmConfig::default());
        let mut fast = slow.clone();
        let caught = |alarms: &mut Alarms, factor: f64| {
            (0..40)
                .flat_map(|t| alarms.check(t, &step(&[("entropy", 2.0 * factor.powi(t as i32))])))
                .map(|a| a.step)
                .next()
        };
        assert_eq!(caught(&mut slow, 0.98), None);
        // 0.95^14 is the first below a half.
        assert_eq!(caught(&mut fast, 0.95), Some(14));
    }

    #[test]
    fn a_gradient_ten_times_the_median_is_caught() {
        let mut a = Alarms::new(AlarmConfig::default());
        for t in 0..6 {
            assert_eq!(a.check(t, &step(&[("grad_norm", 1.0 + t as f64 / 10.0)])), []);
        }
        let raised = a.check(6, &step(&[("grad_norm", 14.0)]));
        assert_eq!((raised.len(), raised[0].threshold), (1, 13.0));
    }
}
