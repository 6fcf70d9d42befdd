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
    }) || initials(d).iter().any(|short| holds_word(statement, short))
}

fn holds_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|w| w == word)
}

/// What the names shorten to: "Extramammary Paget's disease" is EPD and EMPD, "systemic lupus erythematosus" SLE. A name that is
/// itself a short form counts as one.
fn initials(d: &Diagnosis) -> Vec<String> {
    let mut out = Vec::new();
    for name in std::iter::once(&d.name).chain(&d.synonyms) {
        let capitals = name.chars().filter(|c| c.is_uppercase()).count();
        if (2..=8).contains(&name.chars().count()) && capitals > 1 {
            out.push(name.clone());
        }
        let words: Vec<String> = name
            .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
            .filter(|w| {
                !w.is_empty()
                    && !["of", "the", "and", "with", "in", "to", "by", "due", "a"].contains(&w.to_lowercase().as_str())
            })
            .map(str::to_lowercase)
            .collect();
        if !(2..=6).contains(&words.len()) {
            continue;
        }
        let first = |w: &String| w.chars().next().map(|c| c.to_ascii_uppercase());
        let plain: String = words.iter().filter_map(first).collect();
        let split: String = words
            .iter()
            .flat_map(|w| {
                let second = JOINED.iter().find_map(|p| w.strip_prefix(p)).and_then(|r| r.chars().next());
                [first(w), second.map(|c| c.to_ascii_uppercase())].into_iter().flatten()
            })
            .collect();
        out.extend([plain, split].into_iter().filter(|s| s.len() > 1));
    }
    out
}

/// Beginnings of words that count as a word of their own in a short form.
const JOINED: &[&str] = &[
    "extra",
    "intra",
    "hyper",
    "hypo",
    "peri",
    "trans",
    "multi",
    "neuro",
    "cardio",
    "broncho",
    "electro",
    "gastro",
    "osteo",
    "hepato",
    "endo",
    "epi",
    "fibro",
    "glomerulo",
    "immuno",
    "intero",
    "lympho",
    "myelo",
    "naso",
    "oesophago",
    "para",
    "poly",
    "post",
    "pseudo",
    "retro",
    "sub",
    "supra",
    "thrombo",
    "uretero",
    "vaso",
    "cerebro",
    "cysto",
    "dermato",
    "encephalo",
    "haemo",
    "hemo",
    "leuko",
    "micro",
    "macro",
    "non",
    "onycho",
    "sarco",
    "spondylo",
];
