//! What an examination or a test brings to light.

use super::select::Selecting;
use super::tokens::{Stem, Tokens};
use crate::event::FactIx;
use bedside_records::{Category, Fact, KnowledgeBase, Polarity};

/// "I'd like some blood tests", without saying which: the ones that are always taken.
const BLOODS: &str = "blood_tests";
const ROUTINE_BLOODS: [&str; 5] = ["fbc", "u_and_e", "lft", "crp", "glucose"];

impl Selecting<'_, '_> {
    pub(super) fn exam(&mut self, i: u16, site: &str) {
        let site = site.trim();
        let kb = KnowledgeBase::builtin();
        let at_site = |f: &Fact| {
            kb.finding(&f.topic.subject).and_then(|k| k.site.as_deref()).is_some_and(|s| same(s, site))
                || f.asked_as.iter().any(|a| same(a, site))
        };
        let of = |c: Category, f: &dyn Fn(&Fact) -> bool| -> Vec<FactIx> {
            let filed = self.view.case.filed(c).iter().copied();
            filed.filter(|ix| !self.fact(*ix).names_diagnosis && f(self.fact(*ix))).collect()
        };
        let mut hits = of(Category::Exam, &at_site);
        if hits.is_empty() {
            hits = of(Category::Exam, &|f| named(f, site));
        }
        // What was found first, then the normal results that the record holds, the weightiest few.
        hits.sort_by_key(|ix| {
            (self.fact(*ix).polarity == Polarity::Absent, std::cmp::Reverse(self.fact(*ix).weight), ix.0)
        });
        let present = hits.iter().filter(|ix| self.fact(**ix).polarity == Polarity::Present).count();
        self.reveal(hits.into_iter().take(present + 6).collect(), site, i);
    }

    pub(super) fn test(&mut self, i: u16, name: &str) {
        let name = name.trim();
        let kb = KnowledgeBase::builtin();
        let by_test = |f: &Fact| {
            kb.finding(&f.topic.subject).is_some_and(|k| {
                k.test.as_deref().is_some_and(|t| same(t, name)) || k.test_names.iter().any(|n| same(n, name))
            }) || f.asked_as.iter().any(|a| same(a, name))
                || same(&f.topic.subject, name)
        };
        let filed = self.view.case.filed(Category::Test);
        let routine = |f: &Fact| {
            same(name, BLOODS)
                && kb
                    .finding(&f.topic.subject)
                    .and_then(|k| k.test.as_deref())
                    .is_some_and(|t| ROUTINE_BLOODS.contains(&t))
        };
        let mut hits: Vec<FactIx> =
            filed.iter().copied().filter(|ix| by_test(self.fact(*ix)) || routine(self.fact(*ix))).collect();
        if hits.is_empty() {
            let loose = |ix: &FactIx| !self.fact(*ix).names_diagnosis && named(self.fact(*ix), name);
            hits = filed.iter().copied().filter(loose).collect();
        }
        hits.sort_by_key(|ix| {
            (self.fact(*ix).polarity == Polarity::Absent, std::cmp::Reverse(self.fact(*ix).weight), ix.0)
        });
        self.reveal(hits, name, i);
    }

    fn reveal(&mut self, hits: Vec<FactIx>, what: &str, i: u16) {
        if hits.is_empty() {
            self.out.unremarkable.push((what.to_owned(), i));
        }
        for ix in hits {
            if !self.out.revealed.iter().any(|(f, _)| *f == ix) {
                self.out.revealed.push((ix, i));
            }
        }
    }
}

/// Equal but for case, spaces, hyphens and underscores.
fn same(a: &str, b: &str) -> bool {
    let letters = |s: &'_ str| -> Vec<u8> {
        s.bytes().filter(|b| !matches!(b, b' ' | b'-' | b'_')).map(|b| b.to_ascii_lowercase()).collect()
    };
    a.eq_ignore_ascii_case(b) || (a.len().abs_diff(b.len()) < 6 && letters(a) == letters(b))
}

/// The doctor's words for it hold all of one of the fact's names, or its topic's or a name holds all of theirs.
fn named(fact: &Fact, asked: &str) -> bool {
    let stems = |s: &str| -> Vec<Stem> { Tokens::of(s).tokens.iter().map(|t| t.stem).collect() };
    let asked = stems(asked);
    let topic = fact.topic.subject.replace('_', " ");
    !asked.is_empty()
        && fact.asked_as.iter().map(String::as_str).chain([topic.as_str()]).any(|name| {
            let name = stems(name);
            !name.is_empty() && (name.iter().all(|s| asked.contains(s)) || asked.iter().all(|s| name.contains(s)))
        })
}
