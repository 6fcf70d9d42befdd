//! The knowledge base's phrases as one automaton: which findings a text speaks of, and in which sense.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use bedside_records::KnowledgeBase;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What a phrase may speak of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// Finding, and the sense the phrase has by itself ("My breathing is fine" denies breathlessness); `None` leaves it to
    /// the words around it.
    pub findings: Vec<(u32, Option<bool>)>,
    /// It names a condition.
    pub condition: bool,
}

/// A phrase found in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mention<'l> {
    pub entry: &'l Entry,
    pub start: usize,
    pub end: usize,
}

pub(crate) struct Lexicon {
    automaton: Option<AhoCorasick>,
    entries: Vec<Entry>,
    ids: BTreeMap<String, u32>,
}

impl Lexicon {
    pub fn builtin() -> &'static Lexicon {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| Lexicon::new(KnowledgeBase::builtin()))
    }

    fn new(kb: &KnowledgeBase) -> Lexicon {
        let mut phrases: BTreeMap<String, Entry> = BTreeMap::new();
        let mut ids = BTreeMap::new();
        let mut add = |phrase: &str, finding: u32, sense: Option<bool>| {
            let key = phrase.trim().trim_end_matches('.').to_lowercase();
            if key.len() > 2 {
                let entry = phrases.entry(key).or_default();
                if !entry.findings.iter().any(|(f, s)| *f == finding && *s == sense) {
                    entry.findings.push((finding, sense));
                }
            }
        };
        for (i, f) in kb.findings().iter().enumerate() {
            ids.insert(f.id.clone(), i as u32);
            f.lay.iter().chain([&f.name]).for_each(|p| add(p, i as u32, None));
            f.yes.iter().for_each(|p| add(p, i as u32, Some(true)));
            f.no.iter().for_each(|p| add(p, i as u32, Some(false)));
        }
        for c in kb.conditions() {
            for name in c.synonyms.iter().chain([&c.name]) {
                phrases.entry(name.to_lowercase()).or_default().condition = true;
            }
        }
        let (patterns, entries): (Vec<String>, Vec<Entry>) = phrases.into_iter().unzip();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns)
            .ok();
        Lexicon { automaton, entries, ids }
    }

    pub fn finding(&self, id: &str) -> Option<u32> {
        self.ids.get(id).copied()
    }

    /// Phrases in `text` that begin and end at word borders, longest first where they overlap.
    pub fn mentions<'l>(&'l self, text: &'l str) -> impl Iterator<Item = Mention<'l>> {
        let bytes = text.as_bytes();
        let inside = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
        self.automaton.iter().flat_map(move |a| a.find_iter(text)).filter_map(move |m| {
            let before = m.start().checked_sub(1).and_then(|i| bytes.get(i));
            if inside(before) || inside(bytes.get(m.end())) {
                return None;
            }
            Some(Mention { entry: self.entries.get(m.pattern().as_usize())?, start: m.start(), end: m.end() })
        })
    }
}
