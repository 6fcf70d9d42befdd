//! What a turn is worth is what a consultation loses without it.

use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::verifier::group::GroupCertificate;
use bedside_env::verifier::{EmbeddedScorer, Scorer};
use bedside_env::{Action, Env, EnvConfig, Event, Gym, Outcome, Persona, ResetOptions, Rubric, Scorecard, TokenTrace};
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use bedside_train::grpo::{CertifiedGroup, GrpoConfig, TurnCredit, TurnSource};
use bedside_train::reward::TurnRewards;
use bedside_train::rollout::{Played, Start, Taken};
use bedside_train::stage::turn_rewards::turn_rewards;
use std::sync::{Arc, OnceLock};

/// Pays for words: the first criterion is met by speaking of allergies, the second by speaking of smoking, and of the rest none.
struct Words {
    /// Cannot judge a consultation in which nobody spoke of allergies.
    fails: bool,
}

impl Scorer for Words {
    fn id(&self) -> String {
        "words".to_owned()
    }
    fn rubric(&self, case: &Arc<Case>, persona: &Persona, events: &[Event]) -> Rubric {
        EmbeddedScorer::default().rubric(case, persona, events)
    }
    fn score(&self, case: &Arc<Case>, events: &[Event]) -> Scorecard {
        let said = |word: &str| {
            events
                .iter()
                .any(|e| matches!(e, Event::ActionTaken { action, .. } if format!("{action:?}").contains(word)))
        };
        let mut card = EmbeddedScorer::default().score(case, events);
        card.verdicts.retain(|v| v.points.get() > 0);
        for (i, v) in card.verdicts.iter_mut().enumerate() {
            let met = ["allerg", "smoke"].get(i).is_some_and(|word| said(word));
            v.outcome = match (met, self.fails && !said("allerg")) {
                (_, true) => Outcome::Unjudged("gone".to_owned()),
                (true, _) => Outcome::Met,
                (false, _) => Outcome::Unmet,
            };
        }
        card
    }
}

fn cases() -> &'static Arc<Vec<Arc<Case>>> {
    static CASES: OnceLock<Arc<Vec<Arc<Case>>>> = OnceLock::new();
    CASES.get_or_init(|| {
        let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
        Arc::new((0..6).filter_map(|s| generator.generate(Seed(s))).map(Case::new).collect())
    })
}

fn env(scorer: impl Scorer + 'static) -> EnvConfig {
    EnvConfig { scorer: Some(Arc::new(scorer)), ..EnvConfig::default() }
}

/// A group of one that said these things, from its start.
fn said(env: &EnvConfig, start: &Start, lines: &[&str]) -> CertifiedGroup<Played> {
    let mut gym = Gym::new(cases().clone(), env.clone());
    match start {
        Start::Session { case, seed } => {
            let options = ResetOptions { case: Some(*case), ..ResetOptions::default() };
            drop(gym.reset(*seed, &options).expect("opens"));
        }
        Start::Fragment { case, log, at_turn, turns } => {
            drop(gym.fork(*case, log, *at_turn, "test", Some(*turns)).expect("forks"));
        }
    }
    let step = lines.iter().map(|line| gym.step(Action::say(*line).into()).expect("plays")).last().expect("a line");
    let log = gym.log().expect("a log");
    let scorer = env.scorer.clone().expect("one");
    let certificate = GroupCertificate::of(&cases()[start.case()], &log.events, scorer.as_ref()).expect("opened");
    let turns = lines.iter().map(|_| Taken { trace: TokenTrace::default(), truncated: false }).collect();
    let played = Played { turns, last: step, card: None, log };
    CertifiedGroup::new(vec![(certificate, played)]).expect("one member")
}

fn worth(env: &EnvConfig, starts: &[Start], groups: &[CertifiedGroup<Played>], threads: usize) -> TurnRewards {
    turn_rewards(TurnSource::Counterfactual, cases(), env, starts, groups, threads).expect("played again")
}

const SESSION: Start = Start::Session { case: 0, seed: Seed(4) };
const LINES: [&str; 4] = ["Right, I see.", "Do you have any allergies?", "Do you smoke?", "Thank you."];

/// Share of all points that each of the two paid criteria is.
fn shares(env: &EnvConfig, group: &CertifiedGroup<Played>) -> [f64; 2] {
    let card = env.scorer.as_ref().expect("one").score(&cases()[0], &group.members()[0].log.events);
    let points: Vec<f64> = card.verdicts.iter().map(|v| f64::from(v.points.get())).collect();
    [points[0] / points.iter().sum::<f64>(), points[1] / points.iter().sum::<f64>()]
}

fn near(a: &[Option<f64>], b: &[f64]) {
    let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_some_and(|a| (a - b).abs() < 1e-12));
    assert!(same, "{a:?} is not {b:?}");
}

#[test]
fn a_turn_that_earned_a_criterion_gets_its_points_and_one_that_told_nothing_gets_none() {
    let env = env(Words { fails: false });
    let group = said(&env, &SESSION, &LINES);
    let [allergies, smoking] = shares(&env, &group);
    let found = worth(&env, &[SESSION], std::slice::from_ref(&group), 1);
    near(&found[0][0], &[0.0, allergies, smoking, 0.0]);
    // Of a question that was asked twice neither alone was needed.
    let twice = said(&env, &SESSION, &["Any allergies?", "Do you smoke?", "No allergies at all?"]);
    near(&worth(&env, &[SESSION], &[twice], 1)[0][0], &[0.0, smoking, 0.0]);
    // As credit they stand as they are, and a turn's tokens share its turn's.
    let credit = TurnCredit::counterfactual(1.0);
    let a = credit.advantages(&found[0]);
    assert_eq!(a[0], found[0][0].iter().map(|v| v.expect("scored")).collect::<Vec<_>>());
    GrpoConfig { turn_credit: credit, ..GrpoConfig::m2() }.validate().expect("sound");
    let twice_counted = TurnCredit { discount: 0.5, ..credit };
    assert!(GrpoConfig { turn_credit: twice_counted, ..GrpoConfig::m2() }.validate().is_err());
}

#[test]
fn a_fork_that_no_judge_scored_is_missing_and_not_zero() {
    let env = env(Words { fails: true });
    let group = said(&env, &SESSION, &LINES);
    let found = worth(&env, &[SESSION], &[group], 1);
    // Without the second turn there is nothing to judge; without another there is.
    let known: Vec<bool> = found[0][0].iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, true, true]);
    assert_eq!(TurnCredit::counterfactual(1.0).advantages(&found[0])[0][1], 0.0, "unknown teaches nothing");
    let unscored = said(&env, &SESSION, &["Right, I see.", "Thank you."]);
    assert_eq!(worth(&env, &[SESSION], &[unscored], 1)[0][0], [None, None]);
}

#[test]
fn turns_of_a_fragment_answer_to_the_fragments_rubric_and_its_context_is_nobodys_credit() {
    let env = env(Words { fails: false });
    let whole = said(&env, &SESSION, &LINES);
    let log = Arc::new(whole.members()[0].log.clone());
    let start = Start::Fragment { case: 0, log, at_turn: 1, turns: 3 };
    let group = said(&env, &start, &["Do you smoke?", "I see.", "Any allergies?"]);
    let [allergies, smoking] = shares(&env, &group);
    near(&worth(&env, &[start], &[group], 1)[0][0], &[smoking, 0.0, allergies]);
}

#[test]
fn the_embedded_judge_pays_questions_and_not_small_talk() {
    let env = env(EmbeddedScorer::default());
    let lines = [
        "Hello, can you tell me more about what has brought you in?",
        "When did it start?",
        "Hmm.",
        "Do you have any medical conditions?",
        "Do you take any regular medicines?",
        "Are you allergic to anything?",
    ];
    let starts: Vec<Start> = (0..cases().len()).map(|case| Start::Session { case, seed: Seed(9) }).collect();
    let groups: Vec<_> = starts.iter().map(|s| said(&env, s, &lines)).collect();
    let found = worth(&env, &starts, &groups, 2);
    let mut paid = 0;
    for (case, group) in found.iter().enumerate() {
        assert_eq!(group[0][2], Some(0.0), "small talk with case {case}: {group:?}");
        paid += group[0].iter().filter(|v| v.is_some_and(|v| v > 0.0)).count();
    }
    assert!(paid >= cases().len(), "{paid} of {} turns: {found:?}", cases().len() * lines.len());
    for threads in [1, 3, 16] {
        assert_eq!(worth(&env, &starts, &groups, threads), found, "{threads} threads");
    }
}
