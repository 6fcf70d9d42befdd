//! From the doctor's words to the patient's: what is answered, asked back and left alone.

mod common;

use bedside_env::event::Event;
use bedside_env::seed::Seed;
use bedside_env::units::{
    Case, DialogueContext, Interpreter, RequestKind, Selection, interpreter::EmbeddedInterpreter,
};
use bedside_env::{Action, Env, EnvConfig, Gym, ResetOptions};
use bedside_records::{Category, Polarity, Topic};
use common::*;
use std::sync::Arc;

/// Says `text` to the patient of a scene.
fn say(s: &mut Scene, text: &str) -> (Selection, String) {
    let complaint = s.case.complaint.clone().map(|t| t.subject);
    let context = DialogueContext {
        last_reply: s.last_reply.as_deref(),
        focus: s.focus.as_ref(),
        complaint: complaint.as_deref(),
    };
    let u = EmbeddedInterpreter::new().interpret(text, context);
    let last = u.requests.iter().rev().find_map(|r| match &r.kind {
        RequestKind::History { topics, .. } => topics.first().cloned(),
        _ => None,
    });
    s.focus = last.or(s.focus.take());
    s.turn(&u)
}

fn told(s: &Scene, selection: &Selection) -> Vec<String> {
    selection.told.iter().map(|(f, _)| s.case.fact(*f).topic.to_string()).collect()
}

#[test]
fn pain_and_worry_are_not_asked_of_the_smoking() {
    for id in ["heart_attack", "appendicitis"] {
        let case = patients().into_iter().find(|c| c.record.id.0 == id).expect("there");
        for text in
            ["Any pain today?", "Are you in pain?", "When did the pain start?", "What are you most worried about?"]
        {
            let mut s = Scene::new(&case, plain(), 1);
            s.focus = Some(Topic::new("soc_smoker"));
            let (selection, reply) = say(&mut s, text);
            let told = told(&s, &selection);
            assert!(told.iter().all(|t| !t.starts_with("soc_")), "{text}: {told:?} {reply}");
            assert!(selection.unknown.iter().all(|(t, _)| !t.subject.starts_with("soc_")), "{text}: {selection:?}");
        }
    }
}

#[test]
fn pain_asked_of_a_patient_with_a_cough_is_not_the_cough() {
    let u = bedside_env::probe::interpret("Any pain?", "", Some(&Topic::new("cough")), Some("cough"));
    let RequestKind::History { topics, .. } = &u.requests[0].kind else { panic!("{u:?}") };
    assert_eq!(topics[0].to_string(), "pain");
    let u = bedside_env::probe::interpret("Does it hurt?", "", Some(&Topic::new("cough")), Some("fever"));
    let RequestKind::History { topics, .. } = &u.requests[0].kind else { panic!("{u:?}") };
    assert_eq!(topics[0].subject, "cough");
}

#[test]
fn allergies_that_the_record_denies_are_denied_once_in_one_plain_sentence() {
    let mut tried = 0;
    for seed in 0..40 {
        let case = generated(seed);
        let facts: Vec<_> = case.record.facts.iter().filter(|f| f.category == Category::Allergy).collect();
        if facts.iter().any(|f| f.polarity == Polarity::Present) {
            continue;
        }
        tried += 1;
        let mut s = Scene::new(&case, persona(&case, seed), seed);
        let (_, reply) = say(&mut s, "Any allergies?");
        let plain =
            ["None that I know of", "No, none that I know of", "Not that I know of", "No, nothing that I know of"];
        assert!(plain.iter().any(|p| reply.contains(p)), "{reply}");
        assert!(facts.iter().all(|f| !reply.contains(f.statement.trim_end_matches('.'))), "{reply}");
    }
    assert!(tried >= 10, "{tried}");
}

#[test]
fn a_small_childs_smoking_is_denied_and_the_households_is_not() {
    let denials = ["No, of course not.", "nothing like that at this age", "no question of that", "No, certainly not."];
    let denied = |reply: &str| denials.iter().any(|d| reply.contains(d));
    let mut children = 0;
    for seed in 0..400 {
        let case = generated(seed);
        let age = case.record.demographics.age_months.unwrap_or(999);
        let on_file = |id: &str| case.record.facts.iter().any(|f| f.topic.subject.starts_with(id));
        if !(12..96).contains(&age) || on_file("soc_smoker") || on_file("soc_alcohol") || on_file("soc_ex_smoker") {
            continue;
        }
        children += 1;
        for text in ["Does he smoke?", "Does she drink any alcohol?", "Is he sexually active?"] {
            let mut s = Scene::new(&case, persona(&case, seed), seed);
            let (_, reply) = say(&mut s, text);
            assert!(denied(&reply), "{text} -> {reply}");
        }
        let mut s = Scene::new(&case, persona(&case, seed), seed);
        let (_, reply) = say(&mut s, "Does anyone smoke at home?");
        assert!(!denied(&reply), "{reply}");
    }
    assert!(children >= 3, "{children}");
}

#[test]
fn routine_bloods_bring_the_routine_results_beside_the_tracing() {
    let p = bedside_env::probe::understand("I'd like to order blood tests and an ECG.", "");
    assert_eq!(p.topics, ["test:blood_tests", "test:ecg"]);
    let p = bedside_env::probe::understand("let me listen to your chest and feel your tummy", "");
    assert_eq!(p.topics, ["exam:chest", "exam:abdomen"]);
    let mut brought = 0;
    for seed in 0..20 {
        let case = generated(seed);
        let mut s = Scene::new(&case, plain(), seed);
        let (selection, _) = say(&mut s, "I'd like to order some blood tests.");
        let tests = selection.revealed.iter().filter(|(f, _)| case.fact(*f).category == Category::Test).count();
        assert_eq!(tests, selection.revealed.len());
        brought += usize::from(tests > 0);
    }
    assert!(brought > 0);
}

fn gym() -> Gym {
    let cases: Vec<Arc<Case>> = (0..4).map(generated).collect();
    Gym::new(Arc::new(cases), EnvConfig { scorer: None, ..EnvConfig::default() })
}

#[test]
fn what_is_no_language_is_asked_back() {
    let odd = [
        "????",
        "...",
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}[31mDo you smoke?\u{1b}[0m",
        "Any pain?\u{0}\u{7}\u{8}",
        "هل لديك حمى أو سعال؟",
        "你发烧了吗？咳嗽吗？",
        "Есть ли у вас боль в груди?",
        "\u{9b}31m",
    ];
    let mut gym = gym();
    for case in 0..4 {
        for text in odd {
            gym.reset(Seed(case as u64), &ResetOptions { case: Some(case), ..ResetOptions::default() })
                .expect("resets");
            let step = gym.step(Action::say(text).into()).expect("steps");
            let log = gym.log().expect("open");
            let understood = log.events.iter().find_map(|e| match e {
                Event::UtteranceUnderstood { understanding, .. } => Some(understanding.clone()),
                _ => None,
            });
            let understood = understood.expect("understood");
            assert!(understood.requests.iter().all(|r| r.kind == RequestKind::Unclear), "{text:?}: {understood:?}");
            let after = log.events.iter().skip_while(|e| !matches!(e, Event::ActionTaken { .. }));
            assert!(!after.into_iter().any(|e| matches!(e, Event::FactDisclosed { .. })), "{text:?}");
            let reply = &step.observation.dialogue.last().expect("a line").text;
            assert!(!reply.chars().any(char::is_control), "{reply:?}");
        }
    }
}

#[test]
fn accents_and_line_breaks_are_language() {
    for text in [
        "Do you drink café crème, José?",
        "Any fever?\nAny cough?",
        "1. Any fever?\t2. Any cough?",
        "发烧? Any fever or cough?",
    ] {
        let u = bedside_env::probe::interpret(text, "", None, None);
        assert!(u.requests.iter().any(|r| r.kind != RequestKind::Unclear), "{text}");
    }
}

#[test]
fn no_line_hands_on_the_control_characters_of_an_order() {
    let mut gym = gym();
    let orders = [
        Action::OrderTest("serum\u{0} \u{1b}[31mrhubarb\u{7}".into()),
        Action::Examine("left\u{0}\u{9b} antenna".into()),
        Action::Ask("chest_pain\u{0}\u{1b}".into()),
    ];
    for order in orders {
        gym.reset(Seed(1), &ResetOptions { case: Some(0), ..ResetOptions::default() }).expect("resets");
        let step = gym.step(order.clone().into()).expect("steps");
        for line in step.observation.dialogue.iter() {
            assert!(!line.text.chars().any(char::is_control), "{order:?}: {:?}", line.text);
        }
    }
}
