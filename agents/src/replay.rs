//! Plays again what a log holds.

use bedside_env::seed::Seed;
use bedside_env::{Decision, Event, Observation, Policy, PolicyError};

/// The doctor turns of one logged consultation, in order; then it has nothing more to say.
#[derive(Clone, Debug)]
pub struct Replay {
    turns: Vec<Decision>,
}

impl Replay {
    pub fn of(events: &[Event]) -> Replay {
        let turns = events
            .iter()
            .filter_map(|e| match e {
                Event::ActionTaken { action, .. } => Some(Decision::from((**action).clone())),
                _ => None,
            })
            .collect();
        Replay { turns }
    }
}

impl Policy for Replay {
    fn name(&self) -> String {
        "replay".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        turns
            .iter()
            .map(|(o, _)| {
                self.turns.get(o.turn as usize).cloned().ok_or_else(|| PolicyError {
                    message: format!("the log has {} doctor turns, turn {} was wanted", self.turns.len(), o.turn + 1),
                    hint: "the consultation went another way than the logged one; compare them with `bedside diff`"
                        .to_owned(),
                })
            })
            .collect()
    }
}
