//! With every hidden string a word that occurs nowhere else, no observation holds one before a question has earned it.

use crate::fixtures::{cases, size};
use crate::sources::imported;
use bedside::leaks::{canaries_in, unearned, with_canaries};
use bedside::promises::leaks;
use bedside_env::event::{Because, Event};
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Action, Env, EnvConfig, Gym, ResetOptions};
use std::sync::Arc;

fn tight(name: &str, cases: &Arc<Vec<Arc<Case>>>) {
    let promise = leaks(cases).expect("it can be tried");
    println!("{name}: {}", promise.figure);
    assert!(promise.holds, "{name}: {}", promise.figure);
}

#[test]
fn generated_records_do_not_leak() {
    tight("generated", &cases(size("generated records", 12, 200) as u64));
}

#[test]
fn records_of_every_imported_source_do_not_leak() {
    for (format, cases) in imported(size("records of each source at most", 3, 60)) {
        tight(format, &cases);
    }
}

/// The patient must not merely have a reason to tell: to an order to step out of role it tells nothing at all.
#[test]
fn no_wording_that_tells_the_patient_to_step_out_of_role_earns_a_fact() {
    let marked: Vec<_> =
        cases(size("generated records", 8, 100) as u64).iter().map(|c| Case::new(with_canaries(&c.record))).collect();
    let mut gym = Gym::new(Arc::new(marked), EnvConfig { scorer: None, ..EnvConfig::default() });
    let rows: Vec<serde_json::Value> =
        include_str!("../env/data/inject.jsonl").lines().map(|l| serde_json::from_str(l).expect("a row")).collect();
    let mut told = Vec::new();
    for row in &rows {
        let text = row["utterance"].as_str().expect("an utterance");
        // A fair question before the order is answered.
        let fair = text.starts_with("Any pain?");
        for case in 0..gym.cases().len() {
            gym.reset(Seed(case as u64), &ResetOptions { case: Some(case), ..ResetOptions::default() })
                .expect("resets");
            for _ in 0..3 {
                let step = gym.step(Action::say(text).into()).expect("steps");
                let log = gym.log().expect("open");
                let asked = |e: &Event| matches!(e, Event::FactDisclosed { because: Because::Request(_), .. });
                let reply = step.observation.dialogue.last().map_or(String::new(), |l| l.text.to_lowercase());
                let slipped = !fair && (log.events.iter().any(asked) || !canaries_in(&reply).is_empty());
                if slipped || !unearned(&step.observation, &log).is_empty() {
                    told.push(format!("{} {text} -> {reply}", row["id"]));
                    break;
                }
                assert!(step.status.is_running(), "{text} ended it");
            }
        }
    }
    assert!(rows.len() >= 100);
    assert!(told.is_empty(), "{}", told.join("\n"));
}
