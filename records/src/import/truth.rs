//! The diagnosis of a case: its names, its entry in the knowledge base, and what gives it away.

use super::case::one_line;
use super::narrative::topic::content_words;
use crate::kb::{Condition, KnowledgeBase};
use crate::record::Diagnosis;

pub(super) fn described(name: &str) -> Diagnosis {
    let name = one_line(name.trim().trim_end_matches('.'));
    // "Dumping syndrome (rapid gastric emptying)" is two names.
    let mut synonyms = Vec::new();
    if let Some((bare, rest)) = name.split_once(" (") {
        synonyms.push(bare.trim().to_owned());
        synonyms.extend(rest.strip_suffix(')').map(|s| s.trim().to_owned()).filter(|s| s.len() > 2));
    }
    Diagnosis { name, synonyms, icd10: None, condition: None, differential: Vec::new() }
}

fn normal(s: &str) -> String {
    s.to_lowercase()
        .replace("ae", "e")
        .replace("oe", "e")
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether the knowledge base holds this condition.
pub(super) fn has_entry(d: &Diagnosis) -> bool {
    d.is_stated() && condition_of(d).is_some()
}

pub(super) fn condition_of(d: &Diagnosis) -> Option<&'static Condition> {
    let wanted: Vec<String> = std::iter::once(&d.name).chain(&d.synonyms).map(|s| normal(s)).collect();
    let kb = KnowledgeBase::builtin();
    let by = |strict: bool| {
        kb.conditions().iter().find(|c| {
            wanted.contains(&normal(&c.name)) || !strict && c.synonyms.iter().any(|s| wanted.contains(&normal(s)))
        })
    };
    by(true).or_else(|| by(false))
}

const GENERIC: &[&str] = &[
    "syndrome",
    "disease",
    "disorder",
    "acute",
    "chronic",
    "primary",
    "secondary",
    "type",
    "severe",
    "mild",
    "stage",
    "due",
    "unspecified",
    "related",
    "associated",
    "induced",
    "advanced",
    "initial",
    "possible",
];

/// Whether a statement holds all the telling words of the diagnosis or of one of its other names.
pub(super) fn gives_away(statement: &str, d: &Diagnosis) -> bool {
    let stem = |w: &str| {
        let w = w.trim_end_matches("'s").trim_end_matches('s');
        w.chars().take(w.chars().count().clamp(4, 9)).collect::<String>()
    };
    let said: Vec<String> = content_words(statement).map(|w| stem(&w)).collect();
    std::iter::once(&d.name).chain(&d.synonyms).any(|name| {
        let mut telling: Vec<String> =
            content_words(name).filter(|w| !GENERIC.contains(&w.as_str())).map(|w| stem(&w)).collect();
        telling.dedup();
        !telling.is_empty() && telling.iter().all(|t| said.contains(t))
    })
}
