//! What the doctor may know now. Nothing in here can name a hidden fact.

use crate::step::{EpisodeId, Status};
use bedside_records::{Category, Polarity, Topic};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Doctor,
    /// The patient, or the parent who speaks for a child.
    Patient,
    /// Examination findings and test results.
    Chart,
}

impl Speaker {
    pub fn word(self) -> &'static str {
        match self {
            Speaker::Doctor => "doctor",
            Speaker::Patient => "patient",
            Speaker::Chart => "chart",
        }
    }
}

/// One line of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// 0 is the opening; doctor turns count from 1.
    pub turn: u32,
    pub speaker: Speaker,
    pub text: Arc<str>,
}

/// Something that was disclosed, as data, for policies that do not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub turn: u32,
    pub topic: Topic,
    pub category: Category,
    pub polarity: Polarity,
    pub statement: String,
}

/// All that the doctor may know now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub episode: EpisodeId,
    /// Doctor turns taken so far.
    pub turn: u32,
    /// Turns left of the whole consultation. Where a fragment is cut is not told: a doctor who knew would conclude there.
    pub turns_left: u32,
    /// "a 44-year-old woman".
    pub patient: Arc<str>,
    /// Completed months; `None` where unknown.
    pub age_months: Option<u32>,
    pub sex: bedside_records::Sex,
    pub chief_complaint: Arc<str>,
    /// Shared with the environment until either side changes it; read it like a slice.
    pub dialogue: Arc<Vec<Line>>,
    pub told: Arc<Vec<Arc<Told>>>,
    /// Topics asked about that the patient could not answer, in the order asked.
    pub unknown: Arc<Vec<Topic>>,
    pub status: Status,
}

impl Observation {
    /// The last thing the patient or the chart said.
    pub fn last_reply(&self) -> Option<&str> {
        self.dialogue.iter().rev().find(|l| l.speaker != Speaker::Doctor).map(|l| &*l.text)
    }
}
