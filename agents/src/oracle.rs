//! The ceiling: knows the record and does what the record makes worth doing.

use crate::information::already;
use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, Observation, PolicyError, PrivilegedPolicy, PrivilegedView};
use bedside_records::{Access, Fact, PatientRecord};
use std::collections::BTreeMap;

/// Asks for the weightiest hidden facts first, examines and tests where findings lie, and concludes with the truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Oracle;

const OPENING: &str = "Hello, I'm the doctor looking after you today. I'm sorry you're going through this, it must be worrying. \
                       Can you tell me more about it?";

impl Oracle {
    fn turn(record: &PatientRecord, o: &Observation) -> Action {
        if o.turn == 0 && o.turns_left > 1 {
            return Action::say(OPENING);
        }
        if o.turns_left > 1
            && let Some(action) = worth_most(record, o)
        {
            return action;
        }
        let d = &record.diagnosis;
        let known = std::iter::once(&d.name).chain(d.differential.iter().take(4));
        let mut differential: Vec<String> = known.filter(|n| !n.trim().is_empty()).cloned().collect();
        if differential.is_empty() {
            // The source states no diagnosis, so there is none to know.
            differential.push("undifferentiated illness".to_owned());
        }
        let allowed = |step: &&String| {
            let step = step.to_lowercase();
            !record.contraindications.iter().any(|c| step.contains(&c.treatment.to_lowercase()))
        };
        let steps: Vec<&str> = record.management.iter().filter(allowed).map(String::as_str).collect();
        let net = record.safety_net.clone().unwrap_or_else(|| "Come back at once if you get worse".to_owned());
        let plan = format!(
            "I know this may be a lot to take in, and I'm sorry. {}. {}. Does that make sense, and do you have any questions?",
            steps.join(". "),
            net.trim_end_matches('.')
        );
        Action::Conclude { differential, plan }
    }
}

/// The request that brings out the most weight that is still hidden. Findings of one site, and results of one test, come together.
fn worth_most(record: &PatientRecord, o: &Observation) -> Option<Action> {
    let hidden =
        |f: &&Fact| f.weight > 2 && !o.told.iter().any(|t| t.topic == f.topic) && !o.unknown.contains(&f.topic);
    let mut worth: BTreeMap<String, (u32, Action)> = BTreeMap::new();
    for f in record.facts.iter().filter(hidden) {
        let action = request(f);
        let key = format!("{action:?}");
        worth.entry(key).or_insert((0, action)).0 += u32::from(f.weight);
    }
    worth.into_values().filter(|(_, a)| !already(o, a)).max_by_key(|(w, _)| *w).map(|(_, a)| a)
}

fn request(f: &Fact) -> Action {
    let named = f.asked_as.first().cloned();
    match (f.access, named) {
        (Access::OnExam, Some(site)) => Action::Examine(site),
        (Access::OnTest, Some(test)) => Action::OrderTest(test),
        _ => Action::Ask(f.topic.to_string()),
    }
}

impl PrivilegedPolicy for Oracle {
    fn name(&self) -> String {
        "oracle".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, &PrivilegedView, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        Ok(turns.iter().map(|(o, truth, _)| Oracle::turn(truth.record(), o).into()).collect())
    }
}
