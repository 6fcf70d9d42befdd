//! What became of the model's part in one consultation, by its events alone.

use bedside_env::Event;
use bedside_env::units::EffectResult;
use std::ops::AddAssign;

/// The asks of one consultation, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub asks: u64,
    /// Asks that the embedded unit answered, since no answer of the model could be used.
    pub fallbacks: u64,
    /// Of these, calls that brought no answer: no server, no such model, no time left. Who answers so is not there, and the
    /// consultation is not one with that patient.
    pub failed: u64,
    /// Drafts that the check replaced.
    pub repaired: u64,
    /// Why the first of the failed calls failed.
    pub why: Option<String>,
}

/// How the driver begins the reason where the model did answer, but not so that it could be used.
const ANSWERED: [&str; 2] = ["unreadable: ", "unfinished: "];

impl Part {
    /// All zero where no model had a part.
    pub fn of(events: &[Event]) -> Part {
        let mut part = Part::default();
        for event in events {
            match event {
                Event::EffectSupplied { result, .. } => {
                    part.asks += 1;
                    if let EffectResult::Failed(why) = &**result {
                        part.fallbacks += 1;
                        if !ANSWERED.iter().any(|a| why.starts_with(a)) {
                            part.failed += 1;
                            part.why.get_or_insert_with(|| why.clone());
                        }
                    }
                }
                Event::ReplyRepaired { .. } => part.repaired += 1,
                _ => {}
            }
        }
        part
    }

    /// The reason why this is no consultation with the patient that was asked for.
    pub fn absent(&self) -> Option<&str> {
        (self.failed > 0).then(|| self.why.as_deref().unwrap_or("no reason was told"))
    }
}

impl AddAssign<&Part> for Part {
    fn add_assign(&mut self, other: &Part) {
        self.asks += other.asks;
        self.fallbacks += other.fallbacks;
        self.failed += other.failed;
        self.repaired += other.repaired;
        self.why = self.why.take().or_else(|| other.why.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_call_without_an_answer_is_told_from_an_answer_that_cannot_be_used() {
        let supplied = |result| Event::EffectSupplied { turn: 1, result: Arc::new(result) };
        let failed = |why: &str| supplied(EffectResult::Failed(why.to_owned()));
        let said = supplied(EffectResult::Text("It hurts.".to_owned()));
        let repaired = Event::ReplyRepaired { turn: 1, draft: "I have gout.".into(), violations: Vec::new() };
        let there = Part::of(&[said.clone(), failed("unreadable: no JSON"), failed("unfinished: no tokens"), repaired]);
        assert_eq!((there.asks, there.fallbacks, there.failed, there.repaired), (3, 2, 0, 1));
        assert_eq!(there.absent(), None);
        let gone = Part::of(&[said, failed("connection: refused"), failed("timeout: 3 s")]);
        assert_eq!((gone.asks, gone.failed, gone.absent()), (3, 2, Some("connection: refused")));
        let mut both = there;
        both += &gone;
        assert_eq!((both.asks, both.fallbacks, both.absent()), (6, 4, Some("connection: refused")));
        assert_eq!(Part::of(&[]), Part::default());
    }
}
