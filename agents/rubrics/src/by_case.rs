//! Rubrics of a file as an environment's scorer: each case by its own.

use crate::file::Entry;
use bedside_env::event::Event;
use bedside_env::units::Case;
use bedside_env::verifier::Scorer;
use bedside_env::verifier::judge::{JUDGE, judge};
use bedside_env::{Digest, Persona, Rubric, Scorecard};
use bedside_records::RecordId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a case has no rubric here, or a file is not to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRubric {
    #[error("case {0} has no rubric")]
    Case(RecordId),
    /// The record was changed after the rubric was written, or the other way round.
    #[error("the rubric of case {0} was written for another version of its record")]
    Record(RecordId),
    #[error("lines {0} and {1} are both about case {2}")]
    Twice(usize, usize, String),
    #[error("no line of it says which case it is about")]
    Nothing,
    #[error("the rubric on line {0} has no positive points, so there is no score")]
    Negative(usize),
}

/// Whole consultations by the rubrics of a file. As a [`Scorer`] by itself it lets the embedded programs decide what they can;
/// what has no program stays unjudged, and with it the consultation. A judge that reads takes it as `Rubrics::By`.
#[derive(Clone, Debug)]
pub struct ByCase {
    rubrics: BTreeMap<String, (Option<String>, Arc<Rubric>)>,
    id: String,
}

impl ByCase {
    /// Lines that name no case are left out.
    pub fn new(entries: &[Entry]) -> Result<ByCase, NoRubric> {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rubrics = BTreeMap::new();
        // A scenario made of a case is not a consultation on it.
        for e in entries.iter().filter(|e| !e.id.starts_with("scenario/")) {
            let Some(case) = &e.case else { continue };
            if let Some(other) = lines.insert(case, e.line) {
                return Err(NoRubric::Twice(other, e.line, case.clone()));
            }
            if !e.rubric.criteria.iter().any(|c| c.points.get() > 0) {
                return Err(NoRubric::Negative(e.line));
            }
            rubrics.insert(case.clone(), (e.record.clone(), Arc::new(e.rubric.clone())));
        }
        if rubrics.is_empty() {
            return Err(NoRubric::Nothing);
        }
        let id = format!("rubrics/1 {}", Digest::of("bedside rubrics by case 1", &rubrics));
        Ok(ByCase { rubrics, id })
    }

    /// Cases that have a rubric.
    pub fn len(&self) -> usize {
        self.rubrics.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rubrics.is_empty()
    }

    /// Criteria, and how many of them have no program.
    pub fn criteria(&self) -> (usize, usize) {
        let all = || self.rubrics.values().flat_map(|(_, r)| &r.criteria);
        (all().count(), all().filter(|c| c.check.is_none()).count())
    }

    /// The rubric of a record, by id and digest.
    pub fn of(&self, case: &RecordId, record: Digest) -> Result<&Arc<Rubric>, NoRubric> {
        match self.rubrics.get(&case.0) {
            None => Err(NoRubric::Case(case.clone())),
            Some((Some(hash), _)) if *hash != record.hex() => Err(NoRubric::Record(case.clone())),
            Some((_, rubric)) => Ok(rubric),
        }
    }
}

impl Scorer for ByCase {
    fn id(&self) -> String {
        format!("{} {JUDGE}", self.id)
    }

    /// Empty where the file has none: nothing is scored by it. It has none of fragments.
    fn rubric(&self, case: &Arc<Case>, _: &Persona, events: &[Event]) -> Rubric {
        let found = self.of(&case.record.id, case.hash).ok().filter(|_| events.iter().all(|e| e.turn() == 0));
        found.map_or_else(|| Rubric { made_by: "nobody".to_owned(), criteria: Vec::new() }, |r| (**r).clone())
    }

    fn score(&self, case: &Arc<Case>, events: &[Event]) -> Scorecard {
        let fragment = events.iter().rev().find_map(|e| match e {
            Event::ConsultationForked(f) => Some(f.fragment_turns.is_some() && f.at_turn > 0),
            _ => None,
        });
        // The rubric of what comes after some turns, of which there is none.
        let given = if fragment == Some(true) { events } else { &[] };
        let card = judge(&self.rubric(case, &Persona::PLAIN, given), case, events, 0);
        Scorecard { clip: true, judge: self.id(), ..card }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{line, read};
    use crate::source::of_record;
    use bedside_env::verifier::EmbeddedScorer;
    use bedside_env::verifier::generator::whole;
    use bedside_records::KnowledgeBase;
    use bedside_records::kb::{Generator, Population};
    use bedside_records::seed::Seed;

    #[test]
    fn a_case_is_scored_by_its_own_line_and_another_by_none() {
        let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
        let case = |seed| Case::new(generator.generate(Seed(seed)).expect("a patient"));
        let (a, b) = (case(1), case(2));
        let text = line(&of_record(&a, Persona::PLAIN), &whole(&a, &Persona::PLAIN));
        let by = ByCase::new(&read(&text).entries).expect("rubrics");
        assert_eq!(by.rubric(&a, &Persona::PLAIN, &[]), whole(&a, &Persona::PLAIN));
        let embedded = EmbeddedScorer::default();
        assert_eq!(by.score(&a, &[]).reward(), embedded.score(&a, &[]).reward());
        assert_eq!(by.score(&b, &[]).reward().value(), None);
        assert_eq!(by.of(&b.record.id, b.hash), Err(NoRubric::Case(b.record.id.clone())));
        assert_eq!(by.of(&a.record.id, b.hash), Err(NoRubric::Record(a.record.id.clone())));
        let twice = read(&format!("{text}\n{text}"));
        assert!(matches!(ByCase::new(&twice.entries), Err(NoRubric::Twice(1, 2, _))));
        // The id is of what they say: another sentence is another scorer.
        let other = ByCase::new(&read(&text.replace("\"points\":3", "\"points\":4")).entries).expect("rubrics");
        assert_ne!(other.id(), by.id());
    }
}
