//! The floor: asks at random, stops at random, guesses at random.

use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::{Action, Decision, Observation, Policy, PolicyError};
use bedside_records::KnowledgeBase;
use bedside_records::kb::Finding;

/// Asks any question of the knowledge base; one turn in twelve ends with any diagnosis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Policy for Random {
    fn name(&self) -> String {
        "random".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        let kb = KnowledgeBase::builtin();
        Ok(turns
            .iter()
            .map(|(o, seed)| {
                let mut draw = Draw::new(*seed, b"random", o.turn, Purpose::Policy);
                if draw.below(12) == 0 || o.turns_left <= 1 {
                    let guess = draw.pick(kb.conditions()).map_or_else(String::new, |c| c.name.clone());
                    return Action::Conclude { differential: vec![guess], plan: String::new() }.into();
                }
                let finding = draw.pick(kb.findings());
                finding.and_then(|f: &Finding| draw.pick(&f.ask)).map_or(Action::say("Hello."), Action::say).into()
            })
            .collect())
    }
}
