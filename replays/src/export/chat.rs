//! Chat JSONL: an episode a line, the doctor as `assistant`, with reward, metrics and source.

use super::Source;
use crate::error::LogError;
use crate::log::{Log, Logged};
use bedside_env::units::Units;
use bedside_env::{EpisodeId, Event, Speaker, Unscored, Ward};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;

/// One message. Findings and results come as `user` with the name `chart`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub content: String,
    /// The doctor's reasoning, which the patient never saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

/// One episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatRow {
    pub messages: Vec<Message>,
    /// `null` where the episode has no score; then `unscored` says why.
    pub reward: Option<f64>,
    pub unscored: Option<Unscored>,
    pub metrics: BTreeMap<String, Option<f64>>,
    pub source: Source,
}

/// An episode as a row.
pub fn row(log: &Log, logged: &Logged, units: &Units) -> Result<ChatRow, LogError> {
    let episode = logged.log.episode;
    let mut ward = Ward::new(units.clone());
    let case = log.case(logged.head.seal.record)?;
    let slot = ward.restore(case, &logged.log).map_err(|source| LogError::Restore { episode, source })?;
    let seen = ward.observation(slot).map_err(|e| LogError::Foreign(e.to_string()))?;
    let reasoning = |turn: u32| {
        logged.log.events.iter().find_map(|e| match e {
            Event::ActionTaken { turn: t, action, .. } if *t == turn => action.reasoning.clone(),
            _ => None,
        })
    };
    let messages = seen.dialogue.iter().map(|line| {
        let (role, name) = match line.speaker {
            Speaker::Doctor => ("assistant", None),
            Speaker::Patient => ("user", None),
            Speaker::Chart => ("user", Some("chart".to_owned())),
        };
        let reasoning = if line.speaker == Speaker::Doctor { reasoning(line.turn) } else { None };
        Message { role: role.to_owned(), name, content: line.text.to_string(), reasoning }
    });
    let seal = &logged.head.seal;
    let (reward, unscored) = match seal.reward {
        bedside_env::Reward::Scored(v) => (Some(v), None),
        bedside_env::Reward::Unscored(why) => (None, Some(why)),
    };
    Ok(ChatRow {
        messages: messages.collect(),
        reward,
        unscored,
        metrics: seal.metrics.iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        source: Source::of(logged),
    })
}

/// Writes episodes as JSONL; returns the number of lines.
pub fn write(log: &Log, episodes: &[EpisodeId], units: &Units, out: &mut dyn Write) -> Result<u64, LogError> {
    for episode in episodes {
        let row = row(log, &log.read(*episode)?, units)?;
        let line = serde_json::to_string(&row).map_err(|e| LogError::Export(e.to_string()))?;
        writeln!(out, "{line}").map_err(|e| LogError::Export(e.to_string()))?;
    }
    out.flush().map_err(|e| LogError::Export(e.to_string()))?;
    Ok(episodes.len() as u64)
}

/// Is this line the log's? The episode is read again and made into a row; both must be equal.
pub fn check(log: &Log, line: &str, units: &Units) -> Result<EpisodeId, LogError> {
    let given: ChatRow = serde_json::from_str(line).map_err(|e| LogError::Foreign(format!("not a chat row: {e}")))?;
    let episode: EpisodeId = given.source.episode.parse().map_err(LogError::Foreign)?;
    let ours = row(log, &log.read(episode)?, units)?;
    if ours == given && ours.reward.map(f64::to_bits) == given.reward.map(f64::to_bits) {
        return Ok(episode);
    }
    let (field, a, b) = crate::replay::first_difference(&ours, &given);
    Err(LogError::Foreign(format!("the row is not the log's: {field} is {b}, the log says {a}")))
}
