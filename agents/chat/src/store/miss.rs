//! Why a call is not among the stored ones: the first thing in which it differs from the nearest of them.

use crate::error::excerpt;
use crate::request::{CallId, ChatRequest, Message, Parameters, Role};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A call that was asked for in replay and never made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    pub id: CallId,
    /// Calls in the store.
    pub stored: usize,
    pub difference: Difference,
}

/// In what a call differs from the nearest stored one. Messages are counted from 0, as in the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Difference {
    NothingStored,
    /// Up to here the messages are known; this one is stored otherwise. `asked` and `stored` begin at `character`.
    Message {
        index: usize,
        role: Role,
        stored_role: Role,
        character: usize,
        asked: String,
        stored: String,
    },
    /// Every stored conversation that begins so ends before this message.
    StoredEnds {
        index: usize,
        role: Role,
        asked: String,
    },
    /// All messages are known, but only as the beginning of longer conversations.
    StoredGoesOn {
        messages: usize,
        next: Option<Role>,
    },
    Model {
        asked: String,
        stored: String,
    },
    /// A sampling parameter, by its field's name.
    Parameter {
        name: String,
        asked: String,
        stored: String,
    },
    /// The prompt is known; this sample of it was not drawn.
    Sample {
        asked: u32,
        stored: Vec<u32>,
    },
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.id)?;
        match &self.difference {
            Difference::NothingStored => write!(f, "nothing is stored")?,
            Difference::Message { index, role, stored_role, .. } if role != stored_role => {
                write!(f, "message {index} is the {role}'s where the nearest stored one is the {stored_role}'s")?;
            }
            Difference::Message { index, role, character, asked, stored, .. } => write!(
                f,
                "message {index} ({role}) differs from the nearest stored one at character {character}: asked `{asked}`, stored `{stored}`"
            )?,
            Difference::StoredEnds { index, role, asked } => {
                write!(f, "stored conversations that begin so end before message {index} ({role}) `{asked}`")?;
            }
            Difference::StoredGoesOn { messages, next } => {
                write!(f, "its {messages} messages are stored only as the beginning of longer conversations")?;
                if let Some(role) = next {
                    write!(f, ", where the {role} goes on")?;
                }
            }
            Difference::Model { asked, stored } => write!(f, "the model is {asked}, in the store it is {stored}")?,
            Difference::Parameter { name, asked, stored } => {
                write!(f, "{name} is {asked}, in the store it is {stored}")?
            }
            Difference::Sample { asked, stored } => {
                write!(f, "the prompt is stored, but not its sample {asked}; samples {stored:?} are")?;
            }
        }
        write!(
            f,
            " ({} calls stored)\nhint: record again, or go back to the code and prompts that made the recording",
            self.stored
        )
    }
}

/// The stored message that agrees longest with the one asked for, among those that follow the same messages.
pub(super) fn message(index: usize, asked: &Message, stored: &[Message]) -> Difference {
    let common = |m: &Message| asked.content.chars().zip(m.content.chars()).take_while(|(a, b)| a == b).count();
    // Ties go to the same speaker, then to what was stored first.
    let nearest = stored.iter().rev().max_by_key(|m| (common(m), m.role == asked.role));
    let Some(nearest) = nearest else {
        return Difference::StoredEnds { index, role: asked.role, asked: excerpt(&asked.content, 60) };
    };
    let character = common(nearest);
    // A few characters before, to be recognised by.
    let from = character.saturating_sub(12);
    let part = |m: &Message| excerpt(&m.content.chars().skip(from).take(200).collect::<String>(), 60);
    Difference::Message {
        index,
        role: asked.role,
        stored_role: nearest.role,
        character,
        asked: part(asked),
        stored: part(nearest),
    }
}

/// How a call differs from stored ones with the same messages: model, parameters, sample, in this order.
pub(super) fn manner<'a>(
    asked: &ChatRequest,
    known: impl Iterator<Item = (CallId, &'a str, &'a Parameters)>,
) -> Difference {
    let known: Vec<_> = known.collect();
    let key = asked.id().key;
    let mut samples: Vec<u32> = known.iter().filter(|(id, _, _)| id.key == key).map(|(id, _, _)| id.sample).collect();
    if !samples.is_empty() {
        samples.sort_unstable();
        return Difference::Sample { asked: asked.sample, stored: samples };
    }
    let nearest = known.iter().map(|(_, model, p)| (*model == asked.model, differing(&asked.parameters, p), *model));
    match nearest.min_by_key(|(same, fields, _)| (!same, fields.len())) {
        Some((true, fields, _)) => match fields.into_iter().next() {
            Some((name, asked, stored)) => Difference::Parameter { name, asked, stored },
            None => Difference::NothingStored,
        },
        Some((false, _, model)) => Difference::Model { asked: asked.model.clone(), stored: model.to_owned() },
        None => Difference::NothingStored,
    }
}

/// The fields in which two sets of parameters differ, with both values as JSON.
fn differing(asked: &Parameters, stored: &Parameters) -> Vec<(String, String, String)> {
    let fields = |p: &Parameters| match serde_json::to_value(p) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (asked, stored) = (fields(asked), fields(stored));
    let show = |v: Option<&serde_json::Value>| excerpt(&v.map_or_else(|| "null".to_owned(), ToString::to_string), 60);
    let pairs = asked.iter().map(|(name, value)| (name, value, stored.get(name)));
    pairs.filter(|(_, a, s)| Some(*a) != *s).map(|(name, a, s)| (name.clone(), show(Some(a)), show(s))).collect()
}
