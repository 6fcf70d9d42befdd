//! Train, validation and held out stay what they are, whatever is added.

use crate::fixtures::size;
use bedside_env::Persona;
use bedside_env::persona::Mbti;
use bedside_env::seed::Seed;
use bedside_records::kb::{Generator, KnowledgeBase, Pool, Population};
use bedside_records::{Library, PatientRecord, RecordId, Split};
use std::collections::BTreeSet;

fn held_out(condition: &str) -> bool {
    KnowledgeBase::builtin().condition(condition).is_some_and(|c| c.held_out)
}

fn generated(pool: Pool, seeds: std::ops::Range<u64>) -> Vec<PatientRecord> {
    let generator = Generator::new(KnowledgeBase::builtin(), Population { pool, ..Population::default() });
    seeds.filter_map(|s| generator.generate(Seed(s))).collect()
}

fn library(records: &[PatientRecord]) -> Library {
    let text = serde_json::to_string(records).expect("encodes");
    Library::from_texts([("all.json", text.as_str())]).expect("a library")
}

#[test]
fn adding_cases_moves_none() {
    let many = generated(Pool::All, 0..size("records", 120, 1_000) as u64);
    let few = library(&many[..many.len() / 3]);
    let all = library(&many.iter().rev().cloned().collect::<Vec<_>>());
    let kb = KnowledgeBase::builtin();
    let mut seen = 0;
    for split in [Split::Train, Split::Validation, Split::HeldOut] {
        let after: BTreeSet<&RecordId> = all.split(kb, split).into_iter().map(|r| &r.id).collect();
        for r in few.split(kb, split) {
            assert!(after.contains(&r.id), "{} left {split:?}", r.id);
            seen += 1;
        }
    }
    assert_eq!(seen, few.len(), "every record is in exactly one split");
}

#[test]
fn splits_are_fixed_by_name_and_have_their_shares() {
    // Written down once: a changed hash or prefix would move every case of every published run.
    let of = |ids: &[&str]| ids.iter().map(|i| Split::of_id(i)).collect::<Vec<_>>();
    assert_eq!(of(&["a", "b", "c", "d", "e"]), [Split::Train; 5]);
    assert_eq!(of(&["case-2", "case-5", "case-20"]), [Split::Validation; 3]);
    assert_eq!(of(&["case-30", "case-35", "case-44"]), [Split::HeldOut; 3]);
    let count = |which| (0..10_000).filter(|i| Split::of_id(&format!("case-{i}")) == which).count();
    for (which, share) in [(Split::Train, 8_000), (Split::Validation, 1_000), (Split::HeldOut, 1_000)] {
        assert!(count(which).abs_diff(share) < 200, "{which:?}: {}", count(which));
    }
}

#[test]
fn held_out_conditions_never_reach_training() {
    let n = size("seeds", 150, 3_000) as u64;
    for r in generated(Pool::Train, 0..n) {
        assert!(!r.diagnosis.condition.as_deref().is_some_and(held_out), "{} has {}", r.id, r.diagnosis.name);
    }
    let kept = generated(Pool::HeldOut, 0..n);
    assert!(!kept.is_empty());
    for r in kept {
        assert_eq!(Split::of(&r, held_out), Split::HeldOut, "{} has {}", r.id, r.diagnosis.name);
    }
}

#[test]
fn two_of_the_sixteen_types_are_held_out_whatever_else_a_persona_is() {
    let of = |mbti| Persona { mbti, ..Persona::PLAIN };
    let out: Vec<String> = Mbti::all().filter(|m| of(*m).held_out()).map(|m| m.to_string()).collect();
    assert_eq!(out, ["INTP", "ESFJ"]);
}

#[test]
fn personas_held_out_never_reach_training_and_are_drawn_when_asked_for() {
    use bedside_env::{Env, EnvConfig, Gym, ResetOptions, seed::Seed};
    let cases = crate::fixtures::cases(5);
    for held_out_personas in [false, true] {
        let mut gym = Gym::new(cases.clone(), EnvConfig { held_out_personas, ..EnvConfig::default() });
        for seed in 0..100 {
            let (_, info) = gym.reset(Seed(seed), &ResetOptions::default()).expect("resets");
            assert_eq!(info.persona.held_out(), held_out_personas, "{}", info.persona);
        }
    }
}
