//! The clerking every student learns: the complaint by OLDCARTS, then past history, drugs, allergies, family, social, systems;
//! then the best diagnosis those answers allow. It examines nothing and orders nothing.

use crate::told;
use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, Observation, Policy, PolicyError};
use bedside_records::KnowledgeBase;
use bedside_records::kb::{Pool, Population};

/// Fixed questions in a fixed order, in plain words.
pub const QUESTIONS: [&str; 17] = [
    "Hello, I'm the doctor looking after you today. Can you tell me more about what has brought you in?",
    "I'm sorry to hear that. When did it start?",
    "Where exactly do you feel it?",
    "What does it feel like?",
    "Does it go anywhere else?",
    "Does anything make it worse?",
    "Does anything make it better?",
    "Does it come and go, or is it there all the time?",
    "How bad is it, on a scale of one to ten?",
    "Have you noticed anything else along with it?",
    "Do you have any medical conditions?",
    "Do you take any regular medicines?",
    "Are you allergic to anything?",
    "Does anything run in your family?",
    "Do you smoke or drink alcohol?",
    "Any fever, weight loss or tiredness?",
    "Have you ever had an operation?",
];

/// OLDCARTS, past history, drugs, allergies, family, social, systems; then its best diagnosis.
#[derive(Clone, Copy, Debug)]
pub struct Checklist {
    population: Population,
}

impl Default for Checklist {
    fn default() -> Self {
        Checklist { population: Population { pool: Pool::All, ..Population::default() } }
    }
}

impl Policy for Checklist {
    fn name(&self) -> String {
        "checklist".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        let kb = KnowledgeBase::builtin();
        Ok(turns
            .iter()
            .map(|(o, _)| match QUESTIONS.get(o.turn as usize) {
                Some(question) if o.turns_left > 1 => Action::say(*question).into(),
                _ => told::conclude(kb, told::belief(kb, &self.population, o).as_ref(), o).into(),
            })
            .collect())
    }
}
