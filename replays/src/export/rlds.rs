//! Episodes as RLDS steps: what was seen, what was done about it, what came of that.
//!
//! Step `t` holds the observation before action `t` and the reward of that action; the last step has no action. A reward that
//! is not known is null, never 0.

use super::Source;
use crate::error::LogError;
use crate::log::{Log, Logged};
use bedside_env::units::Units;
use bedside_env::world::prefix;
use bedside_env::{EpisodeId, EpisodeLog, Event, Observation, Ward};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One step, with its episode's source.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    pub step: u32,
    pub is_first: bool,
    pub is_last: bool,
    /// The last step of an episode that ended by its own rule; a cut one is last and not terminal.
    pub is_terminal: bool,
    /// [`Observation`] as JSON.
    pub observation: String,
    /// The doctor's turn as JSON; `None` in the last step.
    pub action: Option<String>,
    pub reward: Option<f64>,
    /// 0 in a terminal step, otherwise 1.
    pub discount: f64,
    pub source: Source,
}

/// An episode as steps, by folding its events up to each turn.
pub fn rows(log: &Log, logged: &Logged, units: &Units) -> Result<Vec<StepRow>, LogError> {
    let episode = logged.log.episode;
    let case = log.case(logged.head.seal.record)?;
    let mut ward = Ward::new(units.clone());
    let mut see = |events: &[Event]| -> Result<Observation, LogError> {
        let past = EpisodeLog { episode, events: Arc::new(events.to_vec()) };
        let slot = ward.restore(case.clone(), &past).map_err(|source| LogError::Restore { episode, source })?;
        let seen = ward.observation(slot).map_err(|e| LogError::Foreign(e.to_string()))?;
        ward.discharge(slot);
        Ok(seen)
    };
    let source = Source::of(logged);
    let seal = &logged.head.seal;
    let actions: Vec<_> = logged
        .log
        .events
        .iter()
        .filter_map(|e| match e {
            Event::ActionTaken { action, turn, .. } => Some((*turn, action)),
            _ => None,
        })
        .collect();
    let mut out = Vec::with_capacity(actions.len() + 1);
    for (i, (turn, action)) in actions.iter().enumerate() {
        let closes = i + 1 == actions.len();
        out.push(StepRow {
            step: i as u32,
            is_first: i == 0,
            is_last: false,
            is_terminal: false,
            observation: json(&see(prefix(&logged.log.events, turn - 1))?)?,
            action: Some(json(&**action)?),
            reward: if closes { seal.reward.value() } else { None },
            discount: 1.0,
            source: source.clone(),
        });
    }
    let terminal = seal.status.terminated();
    out.push(StepRow {
        step: actions.len() as u32,
        is_first: actions.is_empty(),
        is_last: true,
        is_terminal: terminal,
        observation: json(&see(&logged.log.events)?)?,
        action: None,
        reward: None,
        discount: if terminal { 0.0 } else { 1.0 },
        source,
    });
    Ok(out)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, LogError> {
    serde_json::to_string(value).map_err(|e| LogError::Export(e.to_string()))
}

/// Are these rows the log's? Whole episodes are made into rows again, and must be equal to the bit.
pub fn check(log: &Log, rows_given: &[StepRow], units: &Units) -> Result<u64, LogError> {
    let mut by_episode: BTreeMap<&str, Vec<&StepRow>> = BTreeMap::new();
    for row in rows_given {
        by_episode.entry(&row.source.episode).or_default().push(row);
    }
    for (name, given) in &by_episode {
        let episode: EpisodeId = name.parse().map_err(LogError::Foreign)?;
        let ours = rows(log, &log.read(episode)?, units)?;
        if ours.len() != given.len() {
            let what = format!("episode {name} has {} steps in the log, {} were given", ours.len(), given.len());
            return Err(LogError::Foreign(what));
        }
        for (a, b) in ours.iter().zip(given) {
            let bits = |r: &StepRow| (r.reward.map(f64::to_bits), r.discount.to_bits());
            if a != *b || bits(a) != bits(b) {
                let field = differing_field(a, b);
                return Err(LogError::Foreign(format!(
                    "episode {name}, step {}: `{field}` is not the log's\nhint: the row was edited, or belongs to another log",
                    b.step
                )));
            }
        }
    }
    Ok(by_episode.len() as u64)
}

fn differing_field(a: &StepRow, b: &StepRow) -> &'static str {
    let fields = [
        (a.step != b.step, "step"),
        (a.observation != b.observation, "observation"),
        (a.action != b.action, "action"),
        (a.reward.map(f64::to_bits) != b.reward.map(f64::to_bits), "reward"),
        (a.discount.to_bits() != b.discount.to_bits(), "discount"),
        (
            (a.is_first, a.is_last, a.is_terminal) != (b.is_first, b.is_last, b.is_terminal),
            "is_first/is_last/is_terminal",
        ),
    ];
    fields.iter().find(|(differs, _)| *differs).map_or("source", |(_, name)| name)
}
