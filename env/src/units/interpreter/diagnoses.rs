//! Diagnoses named in an utterance, and whether the doctor commits to them.
//!
//! A diagnosis is committed when a statement puts it to the patient as what they have ("this is", "you've got", "sounds
//! like") without doubt, condition, negation or another speaker around it. A disease named otherwise is only considered;
//! one in a question, in the family, or in what somebody else said is neither.

use super::lexicon::Entry;
use super::read::{Clause, Read};
use super::tokens::Class;
use super::verdict::{Sentence, wordings};
use crate::units::Named;

/// Endings of diseases' names.
pub(super) const SUFFIXES: [&str; 6] = ["itis", "osis", "oma", "pathy", "aemia", "emia"];

/// Words with such an ending that name no disease.
const NO_DISEASE: [&str; 20] = [
    "diploma",
    "aroma",
    "coma",
    "oklahoma",
    "genoma",
    "paloma",
    "academia",
    "bohemia",
    "prognosis",
    "hypnosis",
    "symbiosis",
    "osmosis",
    "metamorphosis",
    "sympathy",
    "empathy",
    "apathy",
    "telepathy",
    "antipathy",
    "osteopathy",
    "homeopathy",
];

/// Whether a word (lower case) ends as diseases' names do.
fn ends_as_disease(word: &str) -> bool {
    SUFFIXES.iter().any(|s| word.len() > s.len() + 2 && word.ends_with(s)) && !NO_DISEASE.contains(&word)
}

pub(crate) fn find(read: &Read<'_>) -> Vec<Named> {
    let mut out = Vec::new();
    let mut k = 0;
    while k < read.clauses.len() {
        let mut end = k + 1;
        while end < read.clauses.len()
            && (read.clauses[end].sentence == read.clauses[end - 1].sentence || joined_by_colon(read, end))
        {
            end += 1;
        }
        in_sentence(read, &read.clauses[k..end], &mut out);
        k = end;
    }
    out
}

/// "There is one explanation: gout." is one sentence to whoever listens.
fn joined_by_colon(read: &Read<'_>, k: usize) -> bool {
    let (end, start) =
        (read.span(read.clauses[k - 1].from, read.clauses[k - 1].to).1, read.tokens[read.clauses[k].from].start);
    read.text.get(end as usize..start as usize).is_some_and(|between| between.trim() == ":" && !between.contains('\n'))
}

fn in_sentence(read: &Read<'_>, clauses: &[Clause], out: &mut Vec<Named>) {
    let (Some(first), Some(last)) = (clauses.first(), clauses.last()) else { return };
    let (from, to) = (first.from, last.to);
    let named = read.has(from, to, Entry::Disease);
    let (a, b) = read.span(from, to);
    let (a, b) = (a as usize, b as usize);
    // Most sentences name nothing; find out cheaply.
    if !named && !wordings().hints.is_match(&read.text[a..b]) {
        return;
    }
    let s = Sentence::new(read.text, a, b);
    let asked =
        last.question && !only_agrees(read, last) || clauses.iter().any(|c| c.opened && c.question && c.from == from);
    let mut at: Vec<(usize, usize)> = Vec::new();
    for f in read.within(from, to).filter(|f| f.entry == Entry::Disease) {
        let (start, end) = read.span(f.from, f.to);
        if is_small_word(&read.text[start as usize..end as usize]) {
            continue;
        }
        let i = s.spans.iter().position(|(_, e)| *e > start as usize);
        let j = s.spans.iter().rposition(|(b, _)| *b < end as usize);
        if let (Some(i), Some(j)) = (i, j)
            && i <= j
        {
            at.push((i, j + 1));
        }
    }
    for (i, w) in s.words.iter().enumerate() {
        if ends_as_disease(w) || wordings().injured.contains(&w.as_str()) {
            at.push((i, i + 1));
        }
    }
    at.sort_by_key(|(i, j)| (*i, usize::MAX - j));
    at.dedup_by(|b, a| b.0 < a.1);
    let asked_part = asked.then(|| clause_start(&s, last, read));
    let many = at.len() > 1 && s.has_between(" or ", at[0].1, at[at.len() - 1].0);
    for (i, j) in &at {
        let in_question = asked_part.is_some_and(|q| *i >= q) || asked && clauses.len() == 1;
        s.judge(*i, *j, in_question, many, out);
    }
    if at.is_empty() && !asked {
        s.strong(out);
    }
}

/// The first word of the sentence's last clause.
fn clause_start(s: &Sentence, last: &Clause, read: &Read<'_>) -> usize {
    let start = read.tokens[last.from].start as usize;
    s.spans.iter().position(|(b, _)| *b >= start).unwrap_or(0)
}

/// "..., OK?" asks for no answer about the disease.
fn only_agrees(read: &Read<'_>, c: &Clause) -> bool {
    let mut words = read.tokens[c.from..c.to].iter().enumerate().filter(|(_, t)| t.class == Class::Word).peekable();
    words.peek().is_some()
        && words.all(|(i, _)| {
            matches!(
                read.word(c.from + i).to_ascii_lowercase().as_str(),
                "ok" | "okay" | "alright" | "all" | "right" | "yeah"
            )
        })
        && !read.word(c.to - 1).eq_ignore_ascii_case("right")
}

/// Abbreviations that are words or names when they are written small: "all of this" is no leukaemia.
fn is_small_word(text: &str) -> bool {
    const SMALL: [&str; 14] =
        ["all", "as", "add", "ms", "pe", "pd", "ra", "mi", "af", "bv", "pad", "ida", "pid", "gad"];
    SMALL.iter().any(|w| text.eq_ignore_ascii_case(w)) && text.bytes().any(|b| b.is_ascii_lowercase())
}
