//~ error[E0599]: no method named `record` found for reference `&&Observation` in the current scope
//! An observation has no way to its record.

use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, Observation, Policy, PolicyError};

struct Peek;

impl Policy for Peek {
    fn name(&self) -> String {
        "peek".to_owned()
    }
    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        Ok(turns.iter().map(|(o, _)| Action::say(o.record().diagnosis.name.clone()).into()).collect())
    }
}

fn main() {
    let _ = Peek;
}
