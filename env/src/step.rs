//! What a step returns, and how an episode ends.

use crate::hash::Digest;
use crate::observation::Observation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Names one episode in logs; derived from what is played, never from a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpisodeId(pub u128);

/// Text formats write the 32 digits, since JSON numbers cannot hold them; binary ones the number.
impl Serialize for EpisodeId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u128(self.0) }
    }
}

impl<'de> Deserialize<'de> for EpisodeId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(d).map(EpisodeId)
        }
    }
}

impl EpisodeId {
    /// The first half of a digest over the parts that make the episode what it is.
    pub fn derive(parts: &[&str]) -> EpisodeId {
        let d = Digest::of("bedside episode", &parts);
        let mut b = [0u8; 16];
        b.copy_from_slice(&d.0[..16]);
        EpisodeId(u128::from_be_bytes(b))
    }
}

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpisodeId({self})")
    }
}

impl std::str::FromStr for EpisodeId {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        u128::from_str_radix(s, 16)
            .map(EpisodeId)
            .map_err(|_| format!("`{s}` is not an episode id; it has 32 hexadecimal digits"))
    }
}

/// How much a consultation may take. Part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Doctor turns, at least 1.
    pub max_turns: u32,
    /// Characters of one doctor turn; a longer one is rejected and costs a turn.
    pub max_action_chars: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_turns: 20, max_action_chars: 4_000 }
    }
}

/// Why a consultation ended by its own rule: the closed list of the Termination Gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The doctor committed to a diagnosis.
    DiagnosisGiven,
    /// The doctor sent the patient on (emergency, admission, referral) as the conclusion of this visit.
    Referred,
    /// The doctor said goodbye.
    Farewell,
    /// The patient's patience ran out.
    PatientLeft,
}

impl Ending {
    pub fn word(self) -> &'static str {
        match self {
            Ending::DiagnosisGiven => "diagnosis_given",
            Ending::Referred => "referred",
            Ending::Farewell => "farewell",
            Ending::PatientLeft => "patient_left",
        }
    }
}

/// Which limit cut a consultation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Turns,
    /// The fragment's last turn was played.
    Fragment,
    /// The caller stopped it.
    Abandoned,
}

impl Limit {
    pub fn word(self) -> &'static str {
        match self {
            Limit::Turns => "turns",
            Limit::Fragment => "fragment",
            Limit::Abandoned => "abandoned",
        }
    }
}

/// Running, terminated or truncated; never two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    Terminated(Ending),
    Truncated(Limit),
}

impl Status {
    pub fn is_running(self) -> bool {
        self == Status::Running
    }
    pub fn terminated(self) -> bool {
        matches!(self, Status::Terminated(_))
    }
    pub fn truncated(self) -> bool {
        matches!(self, Status::Truncated(_))
    }
}

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// The episode runs on; it is scored at its end.
    NotYet,
    /// No verifier was given.
    NoVerifier,
    /// A criterion could not be judged, so the sum is unknown.
    Unjudged,
    /// The rubric has no positive points to divide by.
    NoPositivePoints,
}

/// A reward, or the reason why there is none. Never a default number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    Scored(f64),
    Unscored(Unscored),
}

impl Reward {
    pub fn value(self) -> Option<f64> {
        match self {
            Reward::Scored(v) => Some(v),
            Reward::Unscored(_) => None,
        }
    }
}

/// What a step caused.
#[derive(Clone, Debug)]
pub struct Step {
    pub observation: Observation,
    pub reward: Reward,
    pub status: Status,
    /// Named measures with the same keys for every case; `None` where not defined (yet).
    pub metrics: Metrics,
}

impl Step {
    /// The state of an episode that was just opened.
    pub fn opening(observation: Observation) -> Step {
        Step {
            observation,
            reward: Reward::Unscored(Unscored::NotYet),
            status: Status::Running,
            metrics: Metrics::default(),
        }
    }
}

/// Named measures with fixed keys, [`Metrics::KEYS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics([Option<f64>; 14]);

impl Metrics {
    /// HealthBench's five axes, then what every consultation has.
    pub const KEYS: [&'static str; 14] = [
        "score",
        "axis:accuracy",
        "axis:completeness",
        "axis:context_awareness",
        "axis:communication_quality",
        "axis:instruction_following",
        "diagnosis_top1",
        "diagnosis_top5",
        "facts_elicited",
        "fact_coverage",
        "turns",
        "trust",
        "anxiety",
        "patience",
    ];

    fn at(key: &str) -> Option<usize> {
        Metrics::KEYS.iter().position(|k| *k == key)
    }

    pub fn get(&self, key: &str) -> Option<f64> {
        Metrics::at(key).and_then(|i| self.0[i])
    }

    /// Sets a known key; other keys are refused, so that every case has the same ones.
    pub fn set(&mut self, key: &str, value: Option<f64>) -> Result<(), String> {
        let at =
            Metrics::at(key).ok_or_else(|| format!("`{key}` is not a metric; one of {}", Metrics::KEYS.join(", ")))?;
        self.0[at] = value;
        Ok(())
    }

    /// In the order of [`Metrics::KEYS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<f64>)> + '_ {
        Metrics::KEYS.into_iter().zip(self.0)
    }
}

impl Serialize for Metrics {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut metrics = Metrics::default();
        for (key, value) in BTreeMap::<String, Option<f64>>::deserialize(d)? {
            metrics.set(&key, value).map_err(serde::de::Error::custom)?;
        }
        Ok(metrics)
    }
}
