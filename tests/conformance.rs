//! The public checkers, run on our own environment, policies and verifier.

use crate::fixtures::{cases, gym, play};
use bedside_agents::{Doctor, POLICIES, doctor};
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::verifier::EmbeddedScorer;
use bedside_env::{Env, EnvConfig, Event, Gym, Persona, ResetOptions, check_env, check_policy, check_verifier};
use std::sync::Arc;

fn passes(violations: Vec<bedside_env::Violation>) {
    let text: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "{}", text.join("\n\n"));
}

#[test]
fn the_gym_keeps_the_contract_of_an_environment() {
    let shared = cases(5);
    passes(check_env(|| Box::new(Gym::new(shared.clone(), EnvConfig::default()))));
}

#[test]
fn every_scripted_policy_keeps_the_contract_of_a_policy() {
    let mut gym = gym(4);
    let mut seen = Vec::new();
    for case in 0..4 {
        let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
        seen.push(gym.reset(Seed(case as u64), &options).expect("resets").0);
        seen.push(play(&mut gym, "checklist", case, Seed(1)).1.observation);
    }
    for name in POLICIES {
        if let Ok(Doctor::Fair(_)) = doctor(name) {
            passes(check_policy(
                || match doctor(name) {
                    Ok(Doctor::Fair(p)) => p,
                    _ => unreachable!("asked above"),
                },
                &seen,
            ));
        }
    }
}

#[test]
fn the_embedded_scorer_keeps_the_contract_of_a_verifier() {
    let mut gym = gym(6);
    let mut episodes: Vec<(Arc<Case>, Persona, Vec<Event>)> = Vec::new();
    for (case, policy) in
        ["random", "checklist", "information-gain", "oracle", "probe-stall", "probe-shotgun"].iter().enumerate()
    {
        let (log, _) = play(&mut gym, policy, case, Seed(3));
        let Some(Event::ConsultationOpened(o)) = log.events.first() else { panic!("opens") };
        episodes.push((gym.cases()[case].clone(), o.persona, log.events.to_vec()));
    }
    passes(check_verifier(&EmbeddedScorer::default(), &episodes));
}
