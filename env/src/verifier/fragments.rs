//! Fragments: any turn of any logged consultation is a start. Filters drop what should not be learned from (Baichuan-M2,
//! section 3: repeated generations, over-long dialogues, role inversion), and say how much of it and why.

use super::judge;
use super::open::fragment;
use super::words::{Cue, cues, tokens};
use crate::action::Action;
use crate::event::Event;
use crate::persona::Persona;
use crate::rubric::{Rubric, Scorecard};
use crate::units::Case;
use crate::world::{EpisodeLog, prefix};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A slice of a logged consultation: what is shared, and how many doctor turns follow.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    pub log: &'a EpisodeLog,
    /// Doctor turns before the slice; 0 is the opening.
    pub at_turn: u32,
    /// Doctor turns that are graded.
    pub turns: u32,
}

impl<'a> Fragment<'a> {
    /// What had happened when the slice starts.
    pub fn context(&self) -> &'a [Event] {
        prefix(&self.log.events, self.at_turn)
    }

    /// The slice with what came before it; what came after is left out.
    pub fn events(&self) -> &'a [Event] {
        let end = self.log.events.iter().position(|e| e.turn() > self.at_turn.saturating_add(self.turns));
        &self.log.events[..end.unwrap_or(self.log.events.len())]
    }

    /// What the slice is graded by.
    pub fn rubric(&self, case: &Case) -> Rubric {
        let persona = self.log.events.iter().find_map(|e| match e {
            Event::ConsultationOpened(o) => Some(o.persona),
            _ => None,
        });
        fragment(case, &persona.unwrap_or(Persona::PLAIN), self.context(), self.turns)
    }

    /// The slice judged as it was played.
    pub fn score(&self, case: &Case) -> Scorecard {
        let mut card = judge::judge(&self.rubric(case), case, self.events(), self.at_turn);
        card.found.fragment = true;
        card
    }
}

/// Every start of a log that has at least one doctor turn after it.
pub fn fragments(log: &EpisodeLog, turns: u32) -> impl Iterator<Item = Fragment<'_>> {
    let taken =
        log.events.iter().filter(|e| matches!(e, Event::ActionTaken { .. })).map(Event::turn).max().unwrap_or(0);
    (0..taken).map(move |at_turn| Fragment { log, at_turn, turns })
}

/// Why a fragment was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// One utterance, or the dialogue, says the same words over and over.
    RepeatedText,
    /// The same question is put again.
    RepeatedQuestion,
    /// Too many turns or characters.
    TooLong,
    /// The doctor speaks as the patient.
    DoctorAsPatient,
    /// The patient speaks as the doctor.
    PatientAsDoctor,
    /// A turn in it could not be played.
    Rejected,
}

impl Dropped {
    pub const ALL: [Dropped; 6] = [
        Dropped::RepeatedText,
        Dropped::RepeatedQuestion,
        Dropped::TooLong,
        Dropped::DoctorAsPatient,
        Dropped::PatientAsDoctor,
        Dropped::Rejected,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Dropped::RepeatedText => "repeated_text",
            Dropped::RepeatedQuestion => "repeated_question",
            Dropped::TooLong => "too_long",
            Dropped::DoctorAsPatient => "doctor_as_patient",
            Dropped::PatientAsDoctor => "patient_as_doctor",
            Dropped::Rejected => "rejected",
        }
    }
}

/// Where the filters stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filters {
    /// Length of the word sequences that are counted.
    pub ngram: usize,
    /// Largest share of an utterance's sequences that may be repeats.
    pub repeated: f64,
    /// Shortest utterance, in words, whose repeats are counted.
    pub from_words: usize,
    /// How often one question may be put again.
    pub repeated_questions: usize,
    pub max_turns: u32,
    /// Of the whole dialogue.
    pub max_chars: usize,
}

impl Default for Filters {
    fn default() -> Self {
        Filters { ngram: 3, repeated: 0.3, from_words: 12, repeated_questions: 1, max_turns: 30, max_chars: 24_000 }
    }
}

/// What came through and what did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    pub seen: usize,
    pub kept: usize,
    /// Each fragment is counted under the first reason that applies, in the order of [`Dropped::ALL`].
    pub dropped: BTreeMap<Dropped, usize>,
}

impl Filters {
    /// Keeps the fragments worth learning from.
    pub fn sift<'a>(&self, all: impl IntoIterator<Item = Fragment<'a>>) -> (Vec<Fragment<'a>>, Sifted) {
        let (mut kept, mut report) = (Vec::new(), Sifted::default());
        for f in all {
            report.seen += 1;
            match self.fault(f.events(), f.at_turn) {
                None => kept.push(f),
                Some(why) => *report.dropped.entry(why).or_insert(0) += 1,
            }
        }
        report.kept = kept.len();
        (kept, report)
    }

    /// The first fault of a slice. Turns up to `at_turn` are context: their faults were there before, and only repeats of
    /// them and the total length count.
    pub fn fault(&self, events: &[Event], at_turn: u32) -> Option<Dropped> {
        let doctor: Vec<(u32, &str)> = events.iter().filter_map(spoken_by_doctor).collect();
        let patient: Vec<(u32, &str)> = events.iter().filter_map(spoken_by_patient).collect();
        let new =
            |lines: &[(u32, &str)], fault: &dyn Fn(&str) -> bool| lines.iter().any(|(t, x)| *t > at_turn && fault(x));
        let stutters = |text: &str| self.stutters(text);
        if new(&doctor, &stutters) || new(&patient, &stutters) {
            return Some(Dropped::RepeatedText);
        }
        if self.asks_again(events, at_turn) {
            return Some(Dropped::RepeatedQuestion);
        }
        let turns = events.iter().map(Event::turn).max().unwrap_or(0);
        let chars: usize = doctor.iter().chain(&patient).map(|(_, text)| text.chars().count()).sum();
        if turns > self.max_turns || chars > self.max_chars {
            return Some(Dropped::TooLong);
        }
        if new(&doctor, &speaks_as_patient) {
            return Some(Dropped::DoctorAsPatient);
        }
        if new(&patient, &speaks_as_doctor) {
            return Some(Dropped::PatientAsDoctor);
        }
        let rejected = |e: &Event| matches!(e, Event::ActionRejected { turn, .. } if *turn > at_turn);
        events.iter().any(rejected).then_some(Dropped::Rejected)
    }

    /// Repeated word sequences over all of them: one minus distinct over total.
    fn stutters(&self, text: &str) -> bool {
        let words: Vec<String> = tokens(text).collect();
        if words.len() < self.from_words.max(self.ngram) {
            return false;
        }
        let total = words.len() + 1 - self.ngram;
        let distinct = words.windows(self.ngram).collect::<BTreeSet<_>>().len();
        1.0 - distinct as f64 / total as f64 > self.repeated
    }

    fn asks_again(&self, events: &[Event], at_turn: u32) -> bool {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for (turn, text) in events.iter().filter_map(|e| match e {
            Event::ActionTaken { turn, action, .. } => match &action.action {
                Action::Say(text) => Some((*turn, text.clone())),
                Action::Conclude { .. } => None,
                typed => Some((*turn, format!("{typed:?}"))),
            },
            _ => None,
        }) {
            let key: Vec<String> = tokens(&text).collect();
            // Short fillers ("I see", "Go on") are no questions.
            if key.len() < 2 || !(text.contains('?') || text.contains('(')) {
                continue;
            }
            let n = asked.entry(key.join(" ")).or_insert(0);
            *n += 1;
            if *n > self.repeated_questions && turn > at_turn {
                return true;
            }
        }
        false
    }
}

fn spoken_by_doctor(e: &Event) -> Option<(u32, &str)> {
    match e {
        Event::ActionTaken { turn, action, .. } => match &action.action {
            Action::Say(text) => Some((*turn, text)),
            Action::Conclude { plan, .. } => Some((*turn, plan)),
            _ => None,
        },
        _ => None,
    }
}

fn spoken_by_patient(e: &Event) -> Option<(u32, &str)> {
    match e {
        Event::PatientReplied { turn, text } => Some((*turn, text)),
        Event::PatientOpened { text } => Some((0, text)),
        _ => None,
    }
}

#[rustfmt::skip]
const PATIENT_WORDS: &[&str] = &[
    "i've been having", "i have been having", "my symptoms", "my pain", "my chest hurts", "my head hurts", "my stomach hurts", "i feel sick",
    "i feel dizzy", "doctor, i", "thank you doctor", "thanks doctor", "thank you, doctor", "thanks, doctor", "should i be worried",
    "what's wrong with me", "is it serious, doctor", "i came in because", "i came to see you", "i've had this", "it hurts when i",
    "patient:",
];
#[rustfmt::skip]
const DOCTOR_WORDS: &[&str] = &[
    "i'd like to examine you", "i would like to examine", "let me examine", "your diagnosis is", "my diagnosis is", "the diagnosis is",
    "i'll prescribe", "i will prescribe", "i am prescribing", "i'm going to prescribe", "your test results", "your results show",
    "what brings you in", "how can i help you today", "i recommend that you", "i'd recommend you", "as your doctor", "i'm the doctor",
    "doctor:", "do you have any allergies", "how long have you had",
];

/// Speaks in the first person of somebody who is ill, outside quotation marks.
fn speaks_as_patient(text: &str) -> bool {
    any_of(text, PATIENT_WORDS)
}

/// Examines, prescribes, diagnoses, or takes a history.
fn speaks_as_doctor(text: &str) -> bool {
    any_of(text, DOCTOR_WORDS) || cues(text).iter().any(|h| h.cue == Cue::Introduction)
}

fn any_of(text: &str, phrases: &[&str]) -> bool {
    let mut quoted = false;
    let bare: String = text
        .to_lowercase()
        .replace('\u{2019}', "'")
        .chars()
        .filter(|c| {
            if matches!(c, '"' | '\u{201c}' | '\u{201d}') {
                quoted = !quoted;
            }
            !quoted
        })
        .collect();
    phrases.iter().any(|p| bare.match_indices(p).any(|(at, _)| !bare[..at].ends_with(|c: char| c.is_alphanumeric())))
}
