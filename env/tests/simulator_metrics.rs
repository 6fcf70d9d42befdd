//! The measures of the simulator, on consultations whose values are known.

mod common;

use bedside_env::event::{Event, Opening};
use bedside_env::persona::{Education, LanguageStyle, Mbti, Means};
use bedside_env::seed::Seed;
use bedside_env::simulator_metrics::{Conduct, KEYS, measure, summarise};
use bedside_env::units::{Case, UnitSwitches, Units};
use bedside_env::{Action, Digest, EpisodeId, Limits, Persona, Ward};
use common::*;
use std::sync::Arc;

fn opening(case: &Arc<Case>, persona: Persona, seed: u64) -> Opening {
    Opening {
        record: case.record.id.clone(),
        record_hash: case.hash,
        persona,
        seed: Seed(seed),
        limits: Limits { max_turns: 40, ..Limits::default() },
        units: UnitSwitches::default(),
        unit_ids: Vec::new(),
        rubric_hash: Digest::ZERO,
        engine: 1,
    }
}

fn play(case: &Arc<Case>, persona: Persona, seed: u64, actions: &[Action]) -> Vec<Event> {
    let mut ward = Ward::new(Units::embedded());
    let slot = ward.admit(EpisodeId(u128::from(seed)), case.clone(), opening(case, persona, seed));
    for action in actions {
        if ward.act(vec![(slot, action.clone().into(), None)]).is_err() {
            break;
        }
    }
    ward.events(slot).expect("the slot is there").to_vec()
}

/// A courteous interview of about 20 turns.
fn interview(case: &Case, seed: u64) -> Vec<Action> {
    let say = |s: &str| Action::Say(s.to_owned());
    let mut actions = vec![
        say("Hello, I'm Dr Shah, one of the doctors here. What brings you in today?"),
        say("I'm sorry to hear that, it must be hard for you. Can you tell me more about it?"),
        say("When did it start?"),
    ];
    let history: Vec<_> = case.record.history().collect();
    for k in 0..10u64 {
        actions.push(Action::Ask(history[((seed * 5 + k * 11) % history.len() as u64) as usize].topic.to_string()));
    }
    actions.extend(["pmh", "medication", "allergy", "family", "social"].map(|c| Action::Ask(c.to_owned())));
    actions.push(Action::Examine("chest".into()));
    actions.push(Action::OrderTest("full blood count".into()));
    actions.push(say("That sounds really frightening, I understand how worrying this is."));
    actions.push(say("Let me explain what I think is happening and what we can do next."));
    actions.push(say("I'd advise you to rest and drink plenty of fluids."));
    actions.push(Action::Conclude { differential: vec!["migraine".into()], plan: "Rest and see me in a week.".into() });
    actions
}

fn value(c: &Conduct, key: &str) -> f64 {
    c.measures.get(key).copied().flatten().unwrap_or(f64::NAN)
}

#[test]
fn the_embedded_patient_neither_leaks_nor_invents() {
    let factual = Units::embedded().factual;
    let mut conducts = Vec::new();
    let cases: Vec<_> = patients().into_iter().chain((0..24).map(generated)).collect();
    for case in &cases {
        for seed in 0..6u64 {
            let events = play(case, persona(case, seed), seed, &interview(case, seed));
            let c = measure(case, &events, &*factual).expect("it was opened");
            let shown = |e: &Event| match e {
                Event::PatientReplied { text, .. } => Some(text.to_string()),
                _ => None,
            };
            let replies: Vec<String> = events.iter().filter_map(shown).collect();
            assert_eq!(value(&c, "fact_score"), 1.0, "{replies:#?}");
            assert_eq!(value(&c, "unprompted_disclosure"), 0.0, "{replies:#?}");
            assert_eq!((value(&c, "early_stop"), value(&c, "late_stop")), (0.0, 0.0));
            assert!(!events.iter().any(|e| matches!(e, Event::ReplyRepaired { .. })), "{replies:#?}");
            conducts.push(c);
        }
    }
    let summary = summarise(&conducts, Seed(1));
    println!("{} consultations on {} cases", conducts.len(), cases.len());
    for key in KEYS {
        match summary[key] {
            Some(i) => println!("{key:24} {:.3} [{:.3}, {:.3}] n={}", i.mean, i.lo, i.hi, i.n),
            None => println!("{key:24} not defined"),
        }
    }
    assert!(summary["personification"].expect("defined").mean > 0.8);
    assert_eq!(summary, summarise(&conducts, Seed(1)), "the bootstrap is seeded");
}

#[test]
fn planted_replies_count_exactly() {
    let factual = Units::embedded().factual;
    let case = patients().remove(2);
    let actions: Vec<Action> =
        ["nausea", "vomiting", "leg_swelling", "own_metformin"].map(|t| Action::Ask(t.to_owned())).to_vec();
    let events = play(&case, plain(), 3, &actions);
    let with = |turn: u32, said: &str| {
        let mut e = events.clone();
        for event in &mut e {
            if let Event::PatientReplied { turn: t, text } = event
                && *t == turn
            {
                *text = said.into();
            }
        }
        measure(&case, &e, &*factual).expect("opened")
    };
    let leak = with(2, "No, I haven't vomited. I took sildenafil last night.");
    assert_eq!((value(&leak, "unprompted_disclosure"), value(&leak, "pii_disclosure")), (0.25, 0.25));
    assert_eq!((value(&leak, "fact_score"), value(&leak, "over_informativeness")), (1.0, 0.25));
    let lie = with(1, "No, I don't feel queasy.");
    assert_eq!((value(&lie, "fact_score"), value(&lie, "privacy_score")), (0.75, 1.0));
    let phone = with(3, "No. My number is 0207 946 0018.");
    assert_eq!(value(&phone, "pii_disclosure"), 0.25);
    let clean = with(9, "");
    assert_eq!((value(&clean, "fact_score"), value(&clean, "over_informativeness")), (1.0, 0.0));
}

#[test]
fn the_wrong_persona_scores_lower() {
    let factual = Units::embedded().factual;
    let case = generated(5);
    let loud = Persona {
        mbti: Mbti { extravert: true, sensing: false, thinking: false, judging: true },
        education: Education::University,
        means: Means::Constrained,
        style: LanguageStyle::Rambling,
        ..plain()
    };
    let quiet = Persona {
        mbti: Mbti { extravert: false, sensing: true, thinking: true, judging: false },
        education: Education::Primary,
        means: Means::Comfortable,
        style: LanguageStyle::Terse,
        ..plain()
    };
    let (mut right, mut wrong) = (0.0, 0.0);
    for seed in 0..10 {
        let mut events = play(&case, loud, seed, &interview(&case, seed));
        right += value(&measure(&case, &events, &*factual).expect("opened"), "personification");
        if let Some(Event::ConsultationOpened(o)) = events.first_mut() {
            o.persona = quiet;
        }
        wrong += value(&measure(&case, &events, &*factual).expect("opened"), "personification");
    }
    assert!(right > wrong + 4.0, "right {right}, wrong {wrong}");
}
