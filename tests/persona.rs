//! A persona changes how and how readily things are told, never what is true.

use crate::fixtures::{cases, size};
use bedside_env::persona::{LanguageStyle, Mbti};
use bedside_env::seed::Seed;
use bedside_env::units::{Case, QuestionForm, Units};
use bedside_env::{Action, Env, EnvConfig, Event, Gym, Persona, ResetOptions, simulator_metrics};
use bedside_records::{Access, Polarity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const QUESTIONS: [&str; 12] = [
    "Hello, I'm the doctor. What brings you in today?",
    "When did it start?",
    "Have you had a fever?",
    "Are you short of breath?",
    "Do you have any chest pain?",
    "Have you been sick or felt nauseous?",
    "Do you have any medical conditions?",
    "Do you take any medicines?",
    "Are you allergic to anything?",
    "Do you smoke?",
    "Does anything run in the family?",
    "Have you lost weight?",
];

/// 16 types x 3 styles, otherwise alike.
fn personas() -> Vec<Persona> {
    let styles = [LanguageStyle::Plain, LanguageStyle::Terse, LanguageStyle::Rambling];
    Mbti::all().flat_map(|mbti| styles.map(|style| Persona { mbti, style, ..Persona::PLAIN })).collect()
}

fn interview(gym: &mut Gym, case: usize, persona: Persona) -> Vec<Event> {
    let options = ResetOptions { case: Some(case), persona: Some(persona), ..ResetOptions::default() };
    gym.reset(Seed(7), &options).expect("resets");
    for question in QUESTIONS {
        if !gym.step(Action::say(question).into()).expect("steps").status.is_running() {
            break;
        }
    }
    gym.log().expect("open").events.to_vec()
}

/// What was asked, told and said in one turn.
#[derive(Default)]
struct Exchange {
    /// The turn held one request, and it was a yes-or-no question.
    polar: bool,
    told: Vec<usize>,
    reply: String,
}

fn exchanges(events: &[Event]) -> BTreeMap<u32, Exchange> {
    let mut out: BTreeMap<u32, Exchange> = BTreeMap::new();
    for e in events.iter().filter(|e| e.turn() > 0) {
        let x = out.entry(e.turn()).or_default();
        match e {
            Event::UtteranceUnderstood { understanding, .. } => {
                x.polar = matches!(&understanding.requests[..], [one] if one.form == QuestionForm::Polar);
            }
            Event::FactDisclosed { fact, .. } => x.told.push(usize::from(fact.0)),
            Event::PatientReplied { text, .. } => x.reply = text.to_string(),
            _ => {}
        }
    }
    out
}

fn words(text: &str) -> Vec<String> {
    let plain = text.to_lowercase().replace('\u{2019}', "'");
    plain.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn denies(reply: &str) -> bool {
    const NO: [&str; 10] = ["no", "not", "nope", "never", "none", "nothing", "neither", "without", "nobody", "nor"];
    words(reply).iter().any(|w| NO.contains(&w.as_str()) || w.ends_with("n't"))
}

/// Contradictions between the replies and the record, by a reader that knows nothing of how replies are made.
fn contradictions(case: &Case, events: &[Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    for x in exchanges(events).values().filter(|x| x.polar) {
        let [one] = x.told[..] else { continue };
        let fact = &case.record.facts[one];
        if matches!(fact.access, Access::OnExam | Access::OnTest) {
            continue;
        }
        let opens = words(&x.reply).into_iter().next().unwrap_or_default();
        let yes = ["yes", "yeah", "yep"].contains(&opens.as_str());
        let no = ["no", "nope"].contains(&opens.as_str());
        let contradicts = match fact.polarity {
            Polarity::Present => no,
            // Some denials are told without a no ("My breathing is fine."); the reply then need not have one either.
            Polarity::Absent => yes || denies(&fact.statement) && !denies(&x.reply),
        };
        if contradicts {
            wrong.push(format!("{:?} of {:?} ({:?})", x.reply, fact.statement, fact.polarity));
        }
    }
    wrong
}

#[test]
fn no_type_and_no_style_contradicts_the_record() {
    let shared = cases(size("cases under each of 48 personas", 3, 24) as u64);
    let factual = Units::embedded().factual;
    let mut gym = Gym::new(shared.clone(), EnvConfig { scorer: None, ..EnvConfig::default() });
    let (mut replies, mut answered) = (0, BTreeSet::new());
    for (i, case) in shared.iter().enumerate() {
        for persona in personas() {
            let events = interview(&mut gym, i, persona);
            let told = exchanges(&events);
            answered.extend(told.values().flat_map(|x| x.told.iter().map(|f| case.record.facts[*f].polarity as u8)));
            replies += told.len();
            assert_eq!(contradictions(case, &events), Vec::<String>::new(), "{} as {persona}", case.record.id);
            let conduct = simulator_metrics::measure(case, &events, &*factual).expect("opened");
            for (key, ideal) in [("fact_score", 1.0), ("unprompted_disclosure", 0.0)] {
                let value = conduct.measures.get(key).copied().flatten();
                assert_eq!(value, Some(ideal), "{key} of {} as {persona}", case.record.id);
            }
        }
    }
    println!("{replies} replies");
    assert_eq!(answered.len(), 2, "both present and absent facts were told");
}

#[test]
fn what_is_told_is_the_records_own_and_its_wording_is_the_personas() {
    let shared: Arc<Vec<Arc<Case>>> = cases(3);
    let mut gym = Gym::new(shared.clone(), EnvConfig { scorer: None, ..EnvConfig::default() });
    for (i, case) in shared.iter().enumerate() {
        let (mut wordings, mut facts) = (BTreeMap::new(), BTreeMap::new());
        for persona in personas() {
            let exchanges = exchanges(&interview(&mut gym, i, persona));
            let said: Vec<String> = exchanges.values().map(|x| x.reply.clone()).collect();
            wordings.entry(persona.mbti).or_insert_with(BTreeSet::new).insert(said);
            for f in exchanges.into_values().flat_map(|x| x.told) {
                *facts.entry(f).or_insert(0) += 1;
            }
        }
        assert!(wordings.values().all(|w| w.len() == 3), "{}: two styles sound alike", case.record.id);
        let all: BTreeSet<&Vec<String>> = wordings.values().flatten().collect();
        assert!(all.len() >= 12, "{}: 48 personas have {} ways to say it", case.record.id, all.len());
        // Readiness differs between personas; what a plain question asks for is told by most of them.
        let most = facts.values().filter(|n| **n >= 40).count();
        assert!(most >= 4 && !facts.is_empty(), "{}: {facts:?}", case.record.id);
    }
}
