//! Whatever a doctor says and whatever lies in a file: a turn, or an error with a hint, and never a panic.

use crate::fixtures::{cases, play, size};
use bedside_agents::QUESTIONS;
use bedside_env::seed::Seed;
use bedside_env::units::{Case, Units};
use bedside_env::{Action, DoctorTurn, Env, EnvConfig, Event, Gym, ResetOptions};
use bedside_records::parse_records;
use bedside_replays::codec::{Kind, decode_chunk, decode_sheet};
use bedside_replays::recording::{Head, StoredCard, StoredTrace};
use bedside_replays::{
    Log, MemStore, Mode, Outcome, Recording, ReplayConfig, WriterPolicy, golden, heads, replay_all, transcript, verify,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;

/// Tries `test` on inputs of `strategy`; a failure prints the smallest input found.
fn try_all<S: Strategy>(
    what: &str,
    (small, full): (usize, usize),
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let cases = size(what, small, full) as u32;
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    if let Err(e) = TestRunner::new(config).run(strategy, test) {
        panic!("{e}");
    }
}

/// Anything that can be said: any Unicode, control characters, real questions with slips in them, and 10 kB at once.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,120}",
        proptest::collection::vec(any::<char>(), 0..80).prop_map(String::from_iter),
        "[\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{200f}\u{202a}-\u{202e}\u{feff} ]{0,60}",
        (any::<Index>(), any::<Index>(), any::<char>()).prop_map(|(q, at, c)| {
            let mut text: Vec<char> = QUESTIONS[q.index(QUESTIONS.len())].chars().collect();
            text.insert(at.index(text.len()), c);
            text.into_iter().collect()
        }),
        proptest::collection::vec(any::<Index>(), 2..6).prop_map(|qs| {
            qs.into_iter().map(|q| QUESTIONS[q.index(QUESTIONS.len())]).collect::<Vec<_>>().join(" and ")
        }),
        "[\\PC\n]{1,12}".prop_map(|s| s.chars().cycle().take(10_000).collect()),
        (any::<Index>(), any::<char>()).prop_map(|(q, c)| {
            let text = format!("{}{c}", QUESTIONS[q.index(QUESTIONS.len())]);
            text.chars().cycle().take(3_900).collect()
        }),
    ]
}

fn any_turn() -> impl Strategy<Value = DoctorTurn> {
    let action = prop_oneof![
        4 => anything().prop_map(Action::Say),
        1 => anything().prop_map(Action::Ask),
        1 => anything().prop_map(Action::Examine),
        1 => anything().prop_map(Action::OrderTest),
        1 => (proptest::collection::vec(anything(), 0..3), anything())
            .prop_map(|(differential, plan)| Action::Conclude { differential, plan }),
    ];
    (action, proptest::option::of(anything())).prop_map(|(action, reasoning)| DoctorTurn { action, reasoning })
}

#[test]
fn whatever_a_doctor_says_costs_a_turn_and_is_replayed_to_the_same_bits() {
    let shared = cases(3);
    let config = EnvConfig::default();
    let input = (proptest::collection::vec(any_turn(), 1..5), 0..3usize, any::<u64>());
    try_all("conversations", (48, 2_000), &input, |(turns, case, seed)| {
        let mut gym = Gym::new(shared.clone(), config.clone());
        let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
        gym.reset(Seed(seed), &options).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut last = None;
        for (i, turn) in turns.into_iter().enumerate() {
            let step = gym.step(turn.into()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(step.observation.turn as usize, i + 1);
            let over = !step.status.is_running();
            last = Some(step);
            if over {
                break;
            }
        }
        let Some(last) = last else { return Ok(()) };
        let fail = |e: &dyn std::fmt::Display| TestCaseError::fail(e.to_string());
        let scorer = config.scorer.as_deref();
        let recording = Recording::of_gym(&mut gym, shared[case].clone(), &last, "fuzz", scorer, Vec::new());
        let log = Log::in_memory();
        let writer = log.writer(WriterPolicy::default());
        drop(writer.record(&recording.map_err(|e| fail(&e))?).map_err(|e| fail(&e))?);
        writer.close().map_err(|e| fail(&e))?;
        let done = replay_all(&log, &ReplayConfig::new(Mode::ReExecute, Units::embedded())).map_err(|e| fail(&e))?;
        prop_assert_eq!(&done[0].outcome, &Outcome::Same);
        Ok(())
    });
}

#[test]
fn arbitrary_bytes_where_a_log_should_be_are_errors() {
    let input = (proptest::collection::vec(any::<u8>(), 0..400), 0..4usize);
    try_all("byte strings", (500, 50_000), &input, |(mut bytes, magic)| {
        let magics = [Kind::Head, Kind::Trace, Kind::Card, Kind::Record].map(Kind::magic);
        for with_magic in [false, true] {
            if with_magic {
                bytes.splice(0..0, magics[magic].bytes());
            }
            prop_assert!(decode_chunk(&bytes).is_err());
            prop_assert!(decode_sheet::<Head>(Kind::Head, b"key", &bytes).is_err());
            prop_assert!(decode_sheet::<StoredTrace>(Kind::Trace, b"key", &bytes).is_err());
            prop_assert!(decode_sheet::<StoredCard>(Kind::Card, b"key", &bytes).is_err());
            let _ = heads::decode(&bytes);
            let text = String::from_utf8_lossy(&bytes);
            let _ = golden::parse(&text);
            let _ = transcript::parse_action(&text);
            prop_assert!(serde_json::from_slice::<Vec<Event>>(&bytes).is_err() || bytes.starts_with(b"["));
        }
        Ok(())
    });
}

#[test]
fn a_value_of_a_log_overwritten_by_anything_is_reported() {
    let mut gym = Gym::new(cases(1), EnvConfig::default());
    let (_, last) = play(&mut gym, "random", 0, Seed(1));
    let case = gym.cases()[0].clone();
    let scorer = EnvConfig::default().scorer;
    let recording =
        Recording::of_gym(&mut gym, case, &last, "random", scorer.as_deref(), Vec::new()).expect("a recording");
    let input = (any::<Index>(), proptest::collection::vec(any::<u8>(), 0..200));
    try_all("overwritten values", (100, 5_000), &input, |(which, bytes)| {
        let mut store = MemStore::default();
        let prepared = recording.prepare().map_err(|e| TestCaseError::fail(e.to_string()))?;
        prepared.stage(&mut store).map_err(|e| TestCaseError::fail(e.to_string()))?;
        bedside_replays::EventStore::commit(&mut store).map_err(|e| TestCaseError::fail(e.to_string()))?;
        {
            let mut values = store.values_mut();
            let at = which.index(values.len());
            *values[at] = bytes;
        }
        let log = Log::over(store);
        prop_assert!(!verify(&log, 1).is_sound());
        let _ = replay_all(&log, &ReplayConfig::new(Mode::Fold, Units::embedded()));
        Ok(())
    });
}

#[test]
fn arbitrary_bytes_where_records_should_be_are_errors_with_a_hint() {
    let input = (proptest::collection::vec(any::<u8>(), 0..300), "[a-z]{1,4}\\.(json|jsonl)");
    try_all("byte strings", (500, 50_000), &input, |(bytes, name)| {
        let errors = parse_records(&name, &String::from_utf8_lossy(&bytes)).err().unwrap_or_default();
        prop_assert!(!errors.is_empty() && errors.iter().all(|e| !e.hint.is_empty()));
        Ok(())
    });
}

/// JSON pointers of all values below `v`.
fn pointers(v: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match v {
        Value::Object(map) => map.iter().for_each(|(k, v)| pointers(v, &format!("{at}/{k}"), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), out)),
        _ => {}
    }
}

/// Changes one value: any text where a text was (so that many pass the parser), else anything.
fn mutate(record: &mut Value, at: Index, texts_only: bool, text: &str, other: usize) {
    let mut all = Vec::new();
    pointers(record, "", &mut all);
    all.remove(0);
    if texts_only {
        let spoken = ["statement", "chief_complaint", "name", "why", "treatment", "safety_net"];
        let is_text = |p: &String| {
            spoken.iter().any(|s| p.ends_with(s))
                || ["/synonyms/", "/asked_as/", "/management/"].iter().any(|s| p.contains(s))
        };
        all.retain(is_text);
    }
    let Some(value) = record.pointer_mut(&all[at.index(all.len())]) else { return };
    let anything = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!([]),
        json!({}),
        json!(["x", {"y": 1}]),
    ];
    *value = if texts_only { json!(text) } else { anything[other % anything.len()].clone() };
}

#[test]
fn a_mutated_record_is_refused_or_plays_to_its_end() {
    let generated = cases(6);
    let originals: Vec<Value> = generated.iter().map(|c| serde_json::to_value(&c.record).expect("encodes")).collect();
    let text = prop_oneof!["\\PC{1,80}", "[A-Za-z,.;'’\\- ]{1,60}", "\\PC{1,6}".prop_map(|s| s.repeat(500))];
    let change = (any::<Index>(), proptest::bool::weighted(0.85), text, any::<usize>());
    let input = (0..6usize, proptest::collection::vec(change, 1..5), any::<u64>());
    let (accepted, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    try_all("mutated records", (40, 1_500), &input, |(which, changes, seed)| {
        let mut record = originals[which].clone();
        for (at, texts_only, text, other) in changes {
            mutate(&mut record, at, texts_only, &text, other);
        }
        let Ok(records) = parse_records("mutated.json", &record.to_string()) else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        accepted.set(accepted.get() + 1);
        let shared = Arc::new(records.into_iter().map(Case::new).collect::<Vec<_>>());
        let mut gym = Gym::new(shared, EnvConfig::default());
        let policy = ["checklist", "random", "information-gain", "oracle", "probe-shotgun"][(seed % 5) as usize];
        let (_, last) = play(&mut gym, policy, 0, Seed(seed));
        prop_assert!(!last.status.is_running());
        prop_assert!(last.reward.value().is_none_or(f64::is_finite));
        Ok(())
    });
    println!("{} accepted and played, {} refused", accepted.get(), refused.get());
    assert!(accepted.get() > 0 && refused.get() > 0);
}
