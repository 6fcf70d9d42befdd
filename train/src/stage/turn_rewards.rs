//! What single turns earn: each turn of what a member played, judged as the fragment it is, in the light of what came before.

use crate::grpo::CertifiedGroup;
use crate::reward::TurnRewards;
use crate::rollout::{Played, Start};
use bedside_env::units::Case;
use bedside_env::verifier::fragments::Fragment;
use std::sync::Arc;

/// By group, member and turn; `None` where the judge failed.
pub fn turn_rewards(cases: &[Arc<Case>], starts: &[Start], groups: &[CertifiedGroup<Played>]) -> TurnRewards {
    let of_group = |(start, group): (&Start, &CertifiedGroup<Played>)| {
        let (case, first) = match start {
            Start::Session { case, .. } => (&cases[*case], 0),
            Start::Fragment { case, at_turn, .. } => (&cases[*case], *at_turn),
        };
        let turn =
            |p: &Played, k: u32| Fragment { log: &p.log, at_turn: first + k, turns: 1 }.score(case).reward().value();
        group.members().iter().map(|p| (0..p.turns.len() as u32).map(|k| turn(p, k)).collect()).collect()
    };
    starts.iter().zip(groups).map(of_group).collect()
}
