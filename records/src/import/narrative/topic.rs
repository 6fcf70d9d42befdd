//! What a clause is about: a finding of the knowledge base where one is named, else a word of the record's own; and its aspect.

pub(crate) use super::cues::{aspect, sensitivity};
use crate::fact::{Category, Topic};
use crate::kb::{Finding, KnowledgeBase};
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::OnceLock;

/// Every name and lay wording of every finding, searched at once.
pub(crate) struct TopicIndex {
    words: AhoCorasick,
    finding: Vec<usize>,
    kb: &'static KnowledgeBase,
}

/// A finding named in a text.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub finding: &'static Finding,
    pub start: usize,
    pub end: usize,
}

impl TopicIndex {
    pub fn builtin() -> Option<&'static TopicIndex> {
        static INDEX: OnceLock<Option<TopicIndex>> = OnceLock::new();
        INDEX
            .get_or_init(|| {
                let kb = KnowledgeBase::builtin();
                let mut patterns: Vec<String> = Vec::new();
                let mut finding = Vec::new();
                for (i, f) in kb.findings().iter().enumerate() {
                    for p in f.lay.iter().chain(std::iter::once(&f.name)) {
                        if p.chars().count() > 2 {
                            patterns.push(p.to_lowercase());
                            finding.push(i);
                        }
                    }
                }
                let words = AhoCorasick::builder()
                    .ascii_case_insensitive(true)
                    .match_kind(MatchKind::Standard)
                    .build(&patterns)
                    .ok()?;
                Some(TopicIndex { words, finding, kb })
            })
            .as_ref()
    }

    /// Findings named in the text, whole words only (a plural -s allowed).
    pub fn named(&self, text: &str) -> Vec<Named> {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let mut out = Vec::new();
        for m in self.words.find_overlapping_iter(text) {
            let rest = &text[m.end()..];
            let plural = rest.strip_prefix('s').unwrap_or(rest);
            if edge(text[..m.start()].chars().next_back()) && (edge(rest.chars().next()) || edge(plural.chars().next()))
            {
                let f = &self.kb.findings()[self.finding[m.pattern().as_usize()]];
                out.push(Named { finding: f, start: m.start(), end: m.end() });
            }
        }
        out
    }

    /// The best finding for a clause filed under a category: longest wording, the category's own kind first.
    pub fn best(&self, text: &str, category: Category) -> Option<Named> {
        let want = prefix(category);
        let mut best: Option<(usize, Named)> = None;
        for n in self.named(text) {
            let kind = prefix(n.finding.category);
            let ok = match category {
                Category::Exam | Category::Test => n.finding.category == category,
                Category::Family
                | Category::Pmh
                | Category::Surgical
                | Category::Allergy
                | Category::Medication
                | Category::Vaccination
                | Category::Demographic => kind == want,
                _ => !matches!(n.finding.category, Category::Exam | Category::Test | Category::Family),
            };
            if !ok {
                continue;
            }
            let own = usize::from(kind == want) * 4;
            let score = (n.end - n.start) + own;
            if best.is_none_or(|(s, b)| score > s || score == s && n.start < b.start) {
                best = Some((score, n));
            }
        }
        best.map(|(_, n)| n)
    }
}

fn prefix(category: Category) -> &'static str {
    match category {
        Category::Hpi | Category::Ros => "",
        Category::Pmh => "pmh_",
        Category::Surgical => "psh_",
        Category::Medication => "med_",
        Category::Allergy => "all_",
        Category::Family => "fh_",
        Category::Social => "soc_",
        Category::Obstetric => "ob_",
        Category::Psychiatric => "psy_",
        Category::Vaccination => "vax_",
        Category::Demographic => "dem_",
        Category::Exam => "ex_",
        Category::Test => "tst_",
    }
}

const EMPTY: &[&str] = &[
    "the",
    "a",
    "an",
    "and",
    "or",
    "of",
    "in",
    "on",
    "at",
    "to",
    "for",
    "with",
    "by",
    "from",
    "is",
    "was",
    "are",
    "were",
    "has",
    "had",
    "have",
    "been",
    "be",
    "he",
    "she",
    "his",
    "her",
    "him",
    "i",
    "my",
    "me",
    "patient",
    "patient's",
    "pt",
    "that",
    "this",
    "it",
    "its",
    "as",
    "any",
    "no",
    "not",
    "denies",
    "denied",
    "reports",
    "reported",
    "states",
    "notes",
    "history",
    "also",
    "but",
    "some",
    "very",
    "which",
    "who",
    "when",
    "there",
    "does",
    "did",
    "do",
    "known",
    "significant",
    "past",
    "medical",
    "family",
    "name",
    "date",
    "place",
    "years",
    "year",
    "days",
    "day",
    "weeks",
    "week",
    "months",
    "month",
    "ago",
    "old",
    "since",
    "nil",
    "none",
    "other",
    "about",
    "after",
    "than",
    "then",
    "so",
    "up",
    "out",
    "over",
    "they",
    "their",
    "if",
    "because",
    "takes",
    "complains",
    "presents",
    "without",
    "currently",
    "recently",
    "all",
    "findings",
    "revealed",
    "reveals",
    "shows",
    "showed",
    "endorses",
    "describes",
    "noted",
    "being",
    "having",
    "am",
    "you",
    "your",
    "s",
    "t",
    "only",
    "just",
    "into",
    "while",
    "during",
];

/// Words that carry meaning, lower case, numbers out.
pub(crate) fn content_words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|w| w.trim_matches('\'').to_lowercase())
        .filter(|w| w.len() > 1 && !EMPTY.contains(&w.as_str()))
}

/// A topic word of the record's own.
pub(crate) fn own_subject(text: &str, category: Category) -> String {
    let words: Vec<String> = content_words(text)
        .filter(|w| !w.chars().all(|c| c.is_ascii_digit()))
        .map(|w| w.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).collect::<String>())
        .filter(|w| !w.is_empty())
        .take(4)
        .collect();
    let stem = if words.is_empty() { "other".to_owned() } else { words.join("_") };
    let p = prefix(category);
    if stem.starts_with(p) { stem } else { format!("{p}{stem}") }
}

/// A topic for a clause, with the sentence's sensitivity.
pub(crate) fn topic(text: &str, category: Category) -> (Topic, Option<&'static Finding>) {
    match TopicIndex::builtin().and_then(|i| i.best(text, category)) {
        Some(n) => (Topic::new(n.finding.id.clone()), Some(n.finding)),
        None => (Topic::new(own_subject(text, category)), None),
    }
}
