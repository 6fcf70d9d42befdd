//! The control: the same scaffolding without the reach compiles.

use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, Observation, Policy, PolicyError};

struct Honest;

impl Policy for Honest {
    fn name(&self) -> String {
        "honest".to_owned()
    }
    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        Ok(turns.iter().map(|(o, _)| Action::say(o.chief_complaint.to_string()).into()).collect())
    }
}

fn main() {
    let _: Box<dyn Policy> = Box::new(Honest);
    let _: Box<dyn Policy> = Box::new(bedside_agents::Random);
}
