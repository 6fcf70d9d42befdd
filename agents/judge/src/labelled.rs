//! Labelled pairs: a conversation, a criterion, and whether it is met. From consultations that programs judged, or from a file.

use crate::healthbench::ReadError;
use crate::healthbench::data::lines;
use crate::task::{Conversation, Line, Task};
use bedside_chat::prompts::Span;
use bedside_env::rubric::Points;
use bedside_env::units::Case;
use bedside_env::verifier::judge::judge;
use bedside_env::verifier::{EmbeddedScorer, Scorer};
use bedside_env::{Criterion, Event, Persona};
use serde::Deserialize;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// One conversation with its labelled criteria.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    pub task: Task,
    /// One a criterion, in the task's order.
    pub labels: Vec<bool>,
}

impl Labelled {
    /// A whole consultation by the embedded rubric; labels are what its programs decide, and criteria that they do not decide are
    /// left out. `None` where nothing is left.
    pub fn of_consultation(name: String, case: &Arc<Case>, events: &[Event]) -> Option<Labelled> {
        let persona = events.iter().find_map(|e| match e {
            Event::ConsultationOpened(o) => Some(o.persona),
            _ => None,
        });
        let rubric = EmbeddedScorer::default().rubric(case, &persona.unwrap_or(Persona::PLAIN), &[]);
        let card = judge(&rubric, case, events, 0);
        let decided = rubric.criteria.into_iter().zip(&card.verdicts).filter_map(|(c, v)| Some((c, v.met()?)));
        let (criteria, labels): (Vec<Criterion>, Vec<bool>) = decided.unzip();
        let conversation = Conversation::of_events(events, 0);
        (!labels.is_empty()).then_some(Labelled { task: Task { name, conversation, criteria }, labels })
    }

    /// JSONL, one pair a line: `conversation` (a list of `role` and `content`), `criterion`, `points` (its sign is what matters; 1
    /// if it is not there), `met`. The last assistant message is judged, or all that the `doctor` says where there is one. Lines
    /// that follow each other with one conversation are judged together.
    pub fn read(path: &Path) -> Result<Vec<Labelled>, ReadError> {
        let bytes = std::fs::read(path)
            .map_err(|e| ReadError::File { path: path.display().to_string(), why: e.to_string() })?;
        Labelled::parse(&bytes).map_err(|e| e.of(path))
    }

    /// The same from bytes.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Labelled>, ReadError> {
        let mut all: Vec<Labelled> = Vec::new();
        for (line, text) in lines(bytes)? {
            let wrong = |why: String| ReadError::Line { line, why };
            let raw: Raw = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
            let conversation = conversation(raw.conversation).map_err(wrong)?;
            let whole = raw.points.fract() == 0.0 && raw.points.abs() <= 10.0;
            let points = if whole { Points::new(raw.points as i8) } else { Err(format!("points are {}", raw.points)) };
            let together = all.last_mut().filter(|l| l.task.conversation == conversation);
            let criterion = Criterion {
                id: together.as_ref().map_or(1, |l| l.labels.len() + 1).to_string(),
                criterion: raw.criterion,
                points: points.map_err(wrong)?,
                tags: Vec::new(),
                check: None,
            };
            match together {
                Some(l) => {
                    l.task.criteria.push(criterion);
                    l.labels.push(raw.met);
                }
                None => {
                    let name = format!("line {line}");
                    let task = Task { name, conversation, criteria: vec![criterion] };
                    all.push(Labelled { task, labels: vec![raw.met] });
                }
            }
        }
        if all.is_empty() { Err(ReadError::Empty) } else { Ok(all) }
    }
}

#[derive(Deserialize)]
struct Raw {
    conversation: Vec<RawLine>,
    criterion: String,
    #[serde(default = "one")]
    points: f64,
    met: bool,
}

#[derive(Deserialize)]
struct RawLine {
    #[serde(alias = "speaker")]
    role: String,
    #[serde(alias = "text")]
    content: String,
}

fn one() -> f64 {
    1.0
}

fn conversation(raw: Vec<RawLine>) -> Result<Conversation, String> {
    let lines = raw
        .into_iter()
        .map(|l| {
            // Speakers stand in the prompt's own words, so none comes from outside.
            let known =
                ["doctor", "patient", "chart", "system", "user", "assistant"].into_iter().find(|k| *k == l.role);
            let speaker = known.ok_or_else(|| format!("there is no role `{}`", l.role))?;
            Ok(Line { speaker: Cow::Borrowed(speaker), text: l.content.into() })
        })
        .collect::<Result<Vec<Line>, String>>()?;
    let doctor = lines.iter().any(|l| l.speaker == "doctor");
    match lines.last() {
        _ if doctor => Ok(Conversation { lines, speaker: Cow::Borrowed("doctor"), span: Span::All, given: 0 }),
        Some(l) if l.speaker == "assistant" => {
            Ok(Conversation { lines, speaker: Cow::Borrowed("assistant"), span: Span::Last, given: 0 })
        }
        Some(l) => Err(format!("the conversation ends with the {}, and no doctor speaks in it", l.speaker)),
        None => Err("the conversation is empty".to_owned()),
    }
}
