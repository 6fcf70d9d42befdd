//! Examinations and tests a clause wishes for.

use super::lexicon::Entry;
use super::read::{Clause, Found};
use super::requests::{Asker, longest, push_once};
use crate::units::{QuestionForm, Request, RequestKind};

impl Asker<'_, '_> {
    /// Examinations and tests wished for in a clause, asked or stated.
    pub fn wishes(&self, c: &Clause) -> Vec<Request> {
        let r = self.read;
        let (from, to) = (c.from, c.to);
        let mut out = Vec::new();
        let w = &r.lexicon.words;
        let s = r.start(from, to);
        let asks_past = s < to && {
            let first = r.tokens[s].id;
            first == w.have || first == w.negative || (w.wh.contains(&first) && c.question)
        };
        let about_you = s + 1 < to
            && w.auxiliary.contains(&r.tokens[s].id)
            && r.tokens[s + 1].id == w.you
            && !r.within(s, (s + 3).min(to)).any(|f| f.entry == Entry::Intent);
        let intent = r.within(from, to).find(|f| f.entry == Entry::Intent).copied();
        let Some(intent) = intent else { return out };
        if asks_past || about_you && c.question {
            return out;
        }
        let mut tests: Vec<Found> = longest(r.within(from, to).filter(|f| matches!(f.entry, Entry::Test(_))));
        // "Take your blood pressure" takes no blood.
        let measured = |t: &Found| {
            r.within(from, to)
                .any(|f| matches!(f.entry, Entry::Site(_)) && (t.from..t.to).contains(&f.from) && f.to > t.to)
        };
        tests.retain(|t| !measured(t));
        tests.retain(|f| f.from >= intent.from && r.has(intent.from, f.to, Entry::Order));
        for f in &tests {
            if let Entry::Test(i) = f.entry {
                let kind = RequestKind::Test { name: r.lexicon.tests[i as usize].clone() };
                push_once(&mut out, Request { kind, span: r.span(f.from, f.to), form: QuestionForm::Content });
            }
        }
        let exam = r.within(intent.from, to).find(|f| f.entry == Entry::Exam).copied();
        if let Some(exam) = exam {
            let sites = longest(r.within(intent.from, to).filter(|f| matches!(f.entry, Entry::Site(_))));
            for f in
                sites.iter().filter(|f| f.from >= exam.from && !tests.iter().any(|t| t.from < f.to && f.from < t.to))
            {
                if let Entry::Site(i) = f.entry {
                    let kind = RequestKind::Exam { site: r.lexicon.sites[i as usize].clone() };
                    push_once(&mut out, Request { kind, span: r.span(f.from, f.to), form: QuestionForm::Content });
                }
            }
        }
        out
    }
}
