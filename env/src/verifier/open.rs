//! The rubric of a fragment: what is still open when it starts, and the price of stopping there.
//!
//! A fragment that pays for a lucky guess teaches the policy to guess: measured, a fragment rubric that priced an early guess
//! above a question collapsed a good policy to diagnosing in its first turn. So while much is open a diagnosis earns nothing
//! here, right or wrong, and costs more than the best question gains; once enough is known, or no turn is left, it is the
//! other way about.

use super::generator::{
    Drafts, GENERATOR, conclusion, conduct, contraindications, flags, manners, safety_net, things_of,
};
use super::key::KeyThing;
use super::scene::Scene;
use crate::event::Event;
use crate::persona::Persona;
use crate::rubric::Rubric;
use crate::units::{Case, Check};
use bedside_records::FactId;

/// Share of the key weight that must be known before concluding is the thing to do.
pub const ENOUGH: f64 = 0.6;

/// What a fragment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asking is worth more than stopping: even its best questions leave too much open.
    Gather,
    /// Enough is known or can be by its end, or the turns are used up.
    Conclude,
}

/// Where a consultation stands after some turns.
pub struct Standing {
    /// Key things that nothing has brought out yet, weightiest first.
    pub open: Vec<KeyThing>,
    /// All key things.
    pub all: Vec<KeyThing>,
    /// Share of the key weight that is known.
    pub known: f64,
    /// Red flags nobody has asked about.
    pub flags: Vec<String>,
    pub stage: Stage,
    /// The fragment holds the consultation's last turn.
    pub last: bool,
}

/// Where the consultation stands after `events`, with `turns` more to come.
pub fn standing(case: &Case, events: &[Event], turns: u32) -> Standing {
    let scene = Scene::new(case, events, 0);
    let all = things_of(&case.record);
    let known = |t: &KeyThing| scene.known_any(&t.facts, u32::MAX);
    let weight = |things: &mut dyn Iterator<Item = &KeyThing>| things.map(|t| f64::from(t.weight)).sum::<f64>();
    let total = weight(&mut all.iter());
    let share = if total > 0.0 { weight(&mut all.iter().filter(|t| known(t))) / total } else { 1.0 };
    let mut open: Vec<KeyThing> = all.iter().filter(|t| !known(t)).cloned().collect();
    open.sort_by_key(|t| std::cmp::Reverse(t.weight));
    let flags = flags(&case.record).into_iter().filter(|s| scene.asked_about(s).is_none()).collect();
    let taken = events.iter().map(Event::turn).max().unwrap_or(0);
    let limit = events.iter().find_map(|e| match e {
        Event::ConsultationOpened(o) => Some(o.limits.max_turns),
        _ => None,
    });
    let last = limit.is_some_and(|max| taken + turns >= max);
    // All turns but the last spent on the best things that are open, one each.
    let best = weight(&mut open.iter().take(turns.saturating_sub(1) as usize));
    let reach = if total > 0.0 { share + best / total } else { 1.0 };
    let stage = if reach >= ENOUGH || last || open.is_empty() { Stage::Conclude } else { Stage::Gather };
    Standing { open, all, known: share, flags, stage, last }
}

/// The rubric of the `turns` doctor turns after `events`.
pub fn fragment(case: &Case, persona: &Persona, events: &[Event], turns: u32) -> Rubric {
    let s = standing(case, events, turns);
    let record = &case.record;
    let mut d = Drafts::default();
    let groups: Vec<Vec<FactId>> = s.open.iter().map(|t| t.facts.clone()).collect();
    if let Some(top) = s.open.first().map(|t| t.weight) {
        let next: Vec<&KeyThing> = s.open.iter().take_while(|t| t.weight + 1 >= top).take(4).collect();
        let said: Vec<String> = next.iter().map(|t| t.sentence(record)).collect();
        let text = format!("Does one of the things most worth doing next: {}", said.join(" | "));
        let facts = next.iter().flat_map(|t| t.facts.iter().cloned()).collect();
        d.add(0, "next", 5, ("completeness", "next_question"), text, Check::Elicited(facts));
    }
    for i in 1..=(turns.clamp(1, 4) as u16).min(groups.len() as u16) {
        let text = format!("Brings out at least {i} of the key things still open");
        let check = Check::Gathered { groups: groups.clone(), at_least: i };
        d.add(1, &format!("open:{i}"), 4, ("completeness", "fact"), text, check);
    }
    if !s.flags.is_empty() {
        let text = format!("Looks for one of the red flags not asked about yet: {}", s.flags.join(", "));
        let check = Check::Asked { subjects: s.flags.clone(), at_least: 1 };
        d.add(1, "red_flag", 4, ("context_awareness", "red_flag"), text, check);
    }
    if s.stage == Stage::Gather {
        let text = "Asks something that was not asked before".to_owned();
        d.add(1, "anew", 2, ("instruction_following", "progress"), text, Check::AskedAnew);
    } else {
        conclusion(&mut d, record, 10);
        safety_net(&mut d, record);
        if record.diagnosis.is_stated() {
            let text = format!("Puts another diagnosis than {} first", record.diagnosis.name);
            d.add(0, "misdiagnosis", -8, ("accuracy", "misdiagnosis"), text, Check::Misdiagnosed);
        }
        manners(&mut d, persona);
    }
    if !s.last && !s.open.is_empty() {
        let groups: Vec<Vec<FactId>> = s.all.iter().map(|t| t.facts.clone()).collect();
        let fewer_than = libm::ceil(ENOUGH * groups.len() as f64) as u16;
        let text = format!(
            "Commits to a diagnosis with turns left and fewer than {fewer_than} of {} key things known",
            groups.len()
        );
        let check = Check::Premature { groups, fewer_than, facts: u16::MAX };
        d.add(0, "premature", -10, ("completeness", "premature"), text, check);
    }
    contraindications(&mut d, record);
    conduct(&mut d, record);
    d.rubric(format!("{GENERATOR}+fragment"))
}
