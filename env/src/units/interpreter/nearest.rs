//! The nearest topic by meaning, for questions whose words the lexicon does not hold.

use super::lexicon::Lexicon;
use crate::units::encoder::{Embedding, Encoder, StaticEncoder};
use bedside_records::{Aspect, Category, KnowledgeBase};
use std::sync::OnceLock;

/// Less alike than this (thousandths) is not alike.
pub(crate) const ALIKE: i32 = 660;

/// What a prototype stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearest {
    Topic(u16),
    Aspect(Aspect),
    Category(Category),
}

pub(crate) struct Prototypes {
    all: Vec<(Embedding, Nearest)>,
}

impl Prototypes {
    pub fn builtin() -> &'static Prototypes {
        static PROTOTYPES: OnceLock<Prototypes> = OnceLock::new();
        PROTOTYPES.get_or_init(|| {
            let (lexicon, encoder) = (Lexicon::builtin(), StaticEncoder::builtin());
            let mut all = Vec::new();
            for f in KnowledgeBase::builtin().findings() {
                if let Some(at) = lexicon.topic(&f.id) {
                    for text in f.ask.iter().chain(&f.lay).chain([&f.name]) {
                        all.push((encoder.embed(text), Nearest::Topic(at)));
                    }
                }
            }
            for (aspect, text) in super::lexicon::aspect_phrases() {
                all.push((encoder.embed(text), Nearest::Aspect(aspect)));
            }
            for (category, text) in super::lexicon::category_phrases() {
                all.push((encoder.embed(text), Nearest::Category(category)));
            }
            Prototypes { all }
        })
    }

    /// The most alike prototypes of different things, best first, at most `n`.
    pub fn nearest(&self, text: &str, n: usize) -> Vec<(i32, Nearest)> {
        let e = StaticEncoder::builtin().embed(text);
        let mut best: Vec<(i32, Nearest)> = Vec::new();
        if e.is_empty() {
            return best;
        }
        for (p, what) in &self.all {
            let s = e.similarity(p);
            if best.len() == n && best.last().is_some_and(|b| s <= b.0) {
                continue;
            }
            match best.iter().position(|(_, w)| w == what) {
                Some(i) => best[i].0 = best[i].0.max(s),
                None => best.push((s, *what)),
            }
            best.sort_by_key(|b| -b.0);
            best.truncate(n);
        }
        best
    }
}
