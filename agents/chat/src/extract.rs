//! The JSON in what a model said, and the items a judge was asked for.
//!
//! Forgiving about what stands around it (a fence, reasoning before, a remark after), strict about the thing itself: it is never
//! repaired, and where it is not clear which of two is meant there is none. A judge who is asked again costs little; a verdict
//! that was guessed costs the trust in all of them.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a text holds no JSON to rely on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    #[error("the text holds no JSON object or array")]
    Nothing,
    /// Cut at the limit of tokens, as a rule.
    #[error("the JSON that begins at byte {at} never ends")]
    Unclosed { at: usize },
    #[error("the text has the look of JSON at byte {at}, but is not: {why}")]
    Invalid { at: usize, why: String },
    #[error("the text holds {count} different JSON values; which one is meant?")]
    Several { count: usize },
    #[error("the reasoning never ends, so there is no answer")]
    OnlyReasoning,
    #[error("the JSON is not what was asked for: {0}")]
    Shape(String),
}

/// The one JSON object or array of a text.
pub fn json(text: &str) -> Result<Value, ExtractError> {
    let text = answer(text)?;
    if let Ok(value) = strict(text.trim()) {
        return match value {
            Value::Object(_) | Value::Array(_) => Ok(value),
            _ => Err(ExtractError::Nothing),
        };
    }
    let mut found: Vec<Value> = Vec::new();
    let mut invalid = None;
    let mut at = 0;
    while let Some(begin) = text[at..].find(['{', '[']).map(|i| at + i) {
        let Some(length) = balanced(&text[begin..]) else { return Err(ExtractError::Unclosed { at: begin }) };
        let piece = &text[begin..begin + length];
        match strict(piece) {
            Ok(value) if !found.contains(&value) => found.push(value),
            Ok(_) => {}
            // A name twice is JSON to most readers, each of which keeps another of the two: not to be skipped over.
            Err(why) if why.contains(TWICE) => return Err(ExtractError::Invalid { at: begin, why }),
            Err(why) => invalid = invalid.or(Some((begin, why))),
        }
        at = begin + length;
    }
    // Remarks are full of brackets, "[1]" is a list: beside an object, lists are not meant.
    if found.iter().any(Value::is_object) {
        found.retain(Value::is_object);
    }
    match (found.len(), invalid) {
        (1, _) => Ok(found.remove(0)),
        (0, None) => Err(ExtractError::Nothing),
        (0, Some((at, why))) => Err(ExtractError::Invalid { at, why }),
        (count, _) => Err(ExtractError::Several { count }),
    }
}

/// The JSON of a text as a type. Whether fields may be missing or unknown is the type's to say.
pub fn typed<T: DeserializeOwned>(text: &str) -> Result<T, ExtractError> {
    serde_json::from_value(json(text)?).map_err(|e| ExtractError::Shape(e.to_string()))
}

/// What follows the reasoning, where a model writes it into its text.
fn answer(text: &str) -> Result<&str, ExtractError> {
    match text.rfind("</think>") {
        Some(at) => Ok(&text[at + "</think>".len()..]),
        None if text.trim_start().starts_with("<think>") => Err(ExtractError::OnlyReasoning),
        None => Ok(text),
    }
}

/// Length of the bracketed piece a text begins with. Brackets within strings do not count.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

const TWICE: &str = "stands twice in one object";

/// JSON in which no object has a name twice.
fn strict(text: &str) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(Strict)?;
            if map.contains_key(&name) {
                return Err(serde::de::Error::custom(format!("`{name}` {TWICE}")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// What a judge said of the items it was asked about, and what it did not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items<T> {
    /// By id: items that were asked for, named once and well formed.
    pub found: BTreeMap<String, T>,
    /// Asked for and not among the found: to be asked again, then unjudged.
    pub missing: Vec<String>,
    /// Named, but never asked for.
    pub unknown: Vec<String>,
    /// Named more than once with different content: which is meant is not known, so they are missing as well.
    pub contradicted: Vec<String>,
    /// Asked for and named, but not of the shape asked for, with the reason: missing as well.
    pub malformed: Vec<(String, String)>,
}

/// Reads a list of objects with an `id`, or an object with such a list as its only field, or an object of objects by id.
/// Each item is read as `T` without its id.
pub fn items<T: DeserializeOwned>(text: &str, asked: &[&str]) -> Result<Items<T>, ExtractError> {
    let shape = |what: &str| ExtractError::Shape(what.to_owned());
    let listed = |list: Vec<Value>| -> Result<Vec<(String, Value)>, ExtractError> {
        let one = |item: Value| {
            let Value::Object(mut fields) = item else { return Err(shape("an item is not an object")) };
            let id = match fields.remove("id") {
                Some(Value::String(id)) => id,
                // Ids that look like numbers come back as numbers.
                Some(Value::Number(id)) => id.to_string(),
                _ => return Err(shape("an item has no id")),
            };
            Ok((id, Value::Object(fields)))
        };
        list.into_iter().map(one).collect()
    };
    let named = match json(text)? {
        Value::Array(list) => listed(list)?,
        Value::Object(map) if map.len() == 1 && map.values().all(Value::is_array) => match map.into_iter().next() {
            Some((_, Value::Array(list))) => listed(list)?,
            _ => return Err(shape("an empty object")),
        },
        Value::Object(map) if map.contains_key("id") => listed(vec![Value::Object(map)])?,
        Value::Object(map) if map.values().all(Value::is_object) => map.into_iter().collect(),
        _ => return Err(shape("a list of items was asked for")),
    };
    let mut out =
        Items { found: BTreeMap::new(), missing: vec![], unknown: vec![], contradicted: vec![], malformed: vec![] };
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    let mut contradicted = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for (id, value) in named {
        if !asked.contains(&id.as_str()) {
            unknown.insert(id);
        } else if values.get(&id).is_some_and(|before| *before != value) {
            contradicted.insert(id);
        } else {
            values.insert(id, value);
        }
    }
    for id in asked {
        match values.remove(*id).filter(|_| !contradicted.contains(*id)).map(serde_json::from_value) {
            Some(Ok(item)) => {
                out.found.insert((*id).to_owned(), item);
                continue;
            }
            Some(Err(e)) => out.malformed.push(((*id).to_owned(), e.to_string())),
            None => {}
        }
        if !out.missing.iter().any(|m| m == id) {
            out.missing.push((*id).to_owned());
        }
    }
    (out.unknown, out.contradicted) = (unknown.into_iter().collect(), contradicted.into_iter().collect());
    Ok(out)
}

#[cfg(test)]
mod tests;
