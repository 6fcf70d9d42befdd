//! What makes consultations comparable: the members of a group start from one world and answer to one rubric.

use super::{Scorer, fragment_of};
use crate::event::Event;
use crate::hash::Digest;
use crate::persona::Persona;
use crate::seed::Seed;
use crate::step::Limits;
use crate::units::{Case, UnitSwitches};
use crate::world::chain;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that members of a group share, each under its own name so that a mix can be named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCertificate {
    /// Chained digest of the shared events: the prefix of a fork, the opening of a whole consultation.
    pub prefix: Digest,
    /// Doctor turns that are shared.
    pub at_turn: u32,
    pub fragment_turns: Option<u32>,
    pub case: Digest,
    pub persona: Persona,
    pub seed: Seed,
    pub limits: Limits,
    pub units: UnitSwitches,
    pub unit_ids: Vec<String>,
    pub engine: u32,
    pub rubric: Digest,
    pub scorer: String,
}

/// Why consultations are no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mixed {
    #[error("a group needs members\nhint: fork one point several times")]
    Empty,
    #[error("member {0} has no opening event\nhint: pass whole logs")]
    NotOpened(usize),
    #[error(
        "member {member} differs from the first in {field}: {first} and {other}\nhint: group by certificate digest"
    )]
    Differs { member: usize, field: &'static str, first: String, other: String },
}

impl GroupCertificate {
    /// The certificate of one log; `None` where it has no opening event.
    pub fn of(case: &Arc<Case>, events: &[Event], scorer: &dyn Scorer) -> Option<GroupCertificate> {
        let Some(Event::ConsultationOpened(opening)) = events.first() else { return None };
        let fork = fragment_of(events);
        // A whole consultation shares what happened before the doctor's first turn.
        let start = events.iter().position(|e| e.turn() > 0).unwrap_or(events.len());
        let shared = fork.map_or(&events[..start], |(at, _)| &events[..at]);
        let fragment = fork.filter(|(_, f)| f.fragment_turns.is_some() && f.at_turn > 0);
        let context = fragment.map_or(&[][..], |(at, _)| &events[..=at]);
        Some(GroupCertificate {
            prefix: chain(Digest::ZERO, shared),
            at_turn: fork.map_or(0, |(_, f)| f.at_turn),
            fragment_turns: fork.and_then(|(_, f)| f.fragment_turns),
            case: case.hash,
            persona: opening.persona,
            seed: opening.seed,
            limits: opening.limits,
            units: opening.units,
            unit_ids: opening.unit_ids.clone(),
            engine: opening.engine,
            rubric: Digest::of("rubric", &scorer.rubric(case, &opening.persona, context)),
            scorer: scorer.id(),
        })
    }

    /// One name for all of it.
    pub fn digest(&self) -> Digest {
        Digest::of("group", self)
    }

    /// The first field in which two certificates differ, with both values.
    fn difference(&self, other: &GroupCertificate) -> Option<(&'static str, String, String)> {
        macro_rules! first_of {
            ($($field:ident),+) => {
                $(if self.$field != other.$field {
                    return Some((stringify!($field), format!("{:?}", self.$field), format!("{:?}", other.$field)));
                })+
            };
        }
        // Causes before consequences: another persona changes the prefix too.
        first_of!(
            case,
            persona,
            seed,
            limits,
            units,
            unit_ids,
            engine,
            at_turn,
            fragment_turns,
            prefix,
            scorer,
            rubric
        );
        None
    }
}

/// Refuses a mixed group and names the field that differs.
pub fn check_group(members: &[GroupCertificate]) -> Result<Digest, Mixed> {
    let first = members.first().ok_or(Mixed::Empty)?;
    for (member, other) in members.iter().enumerate().skip(1) {
        if let Some((field, a, b)) = first.difference(other) {
            return Err(Mixed::Differs { member, field, first: a, other: b });
        }
    }
    Ok(first.digest())
}

/// Certificates of whole logs on one case, checked.
pub fn certify(case: &Arc<Case>, logs: &[&[Event]], scorer: &dyn Scorer) -> Result<Digest, Mixed> {
    let each = |(i, log): (usize, &&[Event])| GroupCertificate::of(case, log, scorer).ok_or(Mixed::NotOpened(i));
    check_group(&logs.iter().enumerate().map(each).collect::<Result<Vec<_>, _>>()?)
}
