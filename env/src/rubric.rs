//! Rubrics in HealthBench's shape: criteria with signed integer points and axis tags, judged met, unmet or unjudged.

use serde::{Deserialize, Serialize};

/// Integer worth of a criterion, -10..=10 and never 0; negative for undesired behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i8", into = "i8")]
pub struct Points(i8);

impl Points {
    pub fn new(points: i8) -> Result<Points, String> {
        if points == 0 || !(-10..=10).contains(&points) {
            return Err(format!("points are in -10..=10 and not 0, got {points}"));
        }
        Ok(Points(points))
    }
    pub fn get(self) -> i8 {
        self.0
    }
}

impl TryFrom<i8> for Points {
    type Error = String;
    fn try_from(p: i8) -> Result<Self, String> {
        Points::new(p)
    }
}

impl From<Points> for i8 {
    fn from(p: Points) -> i8 {
        p.0
    }
}

/// One checkable sentence. "Met" means that what it says happened, also when that is bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Stable within its rubric.
    pub id: String,
    pub criterion: String,
    pub points: Points,
    /// Exactly one `axis:...`; also `theme:...`, `level:...`, `kind:...`.
    pub tags: Vec<String>,
    /// How the embedded verifier decides it; `None` needs a judge.
    pub check: Option<crate::units::Check>,
}

impl Criterion {
    pub fn axis(&self) -> Option<&str> {
        self.tags.iter().find_map(|t| t.strip_prefix("axis:"))
    }
}

/// A list of criteria for one case or fragment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rubric {
    /// What made it, with a version: `embedded/1`.
    pub made_by: String,
    pub criteria: Vec<Criterion>,
}

/// What a judge found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Met,
    Unmet,
    /// The judge failed or does not apply; never a score.
    Unjudged(String),
}

/// One criterion judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub criterion: String,
    pub points: Points,
    pub tags: Vec<String>,
    pub outcome: Outcome,
    /// Where in the log the judge saw it: event numbers, first first.
    pub evidence: Vec<u32>,
    pub explanation: String,
}

impl Verdict {
    /// `None` while unjudged.
    pub fn met(&self) -> Option<bool> {
        match self.outcome {
            Outcome::Met => Some(true),
            Outcome::Unmet => Some(false),
            Outcome::Unjudged(_) => None,
        }
    }
}

/// What a consultation found out, counted over its events; no points in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Facts that questions, examinations and tests brought out.
    pub facts: u32,
    /// Their weight, of all weight that was there to be brought out.
    pub weight: u32,
    pub weight_available: u32,
    /// Whether the doctor concluded.
    pub concluded: bool,
    /// Place of the right diagnosis in the conclusion, from 1.
    pub diagnosis_at: Option<u32>,
    /// The record does not state the diagnosis, so none is right or wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diagnosis_unstated: bool,
    /// Only part of a consultation was judged.
    pub fragment: bool,
}

/// All verdicts of one (consultation, rubric, judge).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    /// Name and version of the judge.
    pub judge: String,
    /// What made the rubric.
    pub rubric: String,
    pub verdicts: Vec<Verdict>,
    pub found: Findings,
    /// The reward is clipped to 0..=1; the `score` metric never is.
    pub clip: bool,
}
