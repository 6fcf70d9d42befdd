//! Fold, re-execute, fork, diff, rescore.

use crate::fixtures::*;
use bedside_env::rubric::Points;
use bedside_env::units::{ActKind, DialogueContext, Interpreter, Understanding};
use bedside_env::{Env, Event, Reward, Verdict};
use bedside_replays::recording::StoredCard;
use bedside_replays::{
    Log, Mode, Outcome, Recording, ReplayConfig, diff, open_fork, prove_forks, replay_all, rescore, side_by_side,
};
use std::sync::Arc;

fn filled(count: usize) -> (Log, Vec<Recording>) {
    let log = Log::in_memory();
    let all = recordings(count);
    record_all(&log, &all);
    (log, all)
}

#[test]
fn both_readings_give_back_every_digest_state_and_reward_on_one_thread_and_on_two() {
    let (log, all) = filled(12);
    for mode in [Mode::Fold, Mode::ReExecute] {
        let mut config = ReplayConfig::new(mode, units());
        config.scorer = Some(Arc::new(TurnScorer("turns/1")));
        let one = replay_all(&log, &config).expect("replayed");
        config.threads = 2;
        let two = replay_all(&log, &config).expect("replayed");
        assert_eq!(one, two);
        assert_eq!(one.len(), all.len());
        for r in &one {
            assert_eq!(r.outcome, Outcome::Same, "{:?}", r.outcome);
            let played = all.iter().find(|p| p.episode() == r.episode).expect("recorded");
            assert_eq!((r.digest, r.state), (played.digest, played.state));
            assert_eq!(r.reward, played.reward.value().map(f64::to_bits));
        }
    }
}

/// Understands everything as a greeting.
struct Deaf;
impl Interpreter for Deaf {
    fn id(&self) -> &str {
        units_id()
    }
    fn interpret(&self, _: &str, _: DialogueContext<'_>) -> Understanding {
        Understanding {
            acts: vec![bedside_env::units::Act { kind: ActKind::Greet, span: (0, 1) }],
            ..Understanding::default()
        }
    }
}

fn units_id() -> &'static str {
    static ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ID.get_or_init(|| units().interpreter.id().to_owned())
}

#[test]
fn a_unit_that_changed_behind_its_version_is_named_with_episode_event_and_field() {
    let (log, _) = filled(1);
    let mut changed = units();
    changed.interpreter = Arc::new(Deaf);
    let replayed = replay_all(&log, &ReplayConfig::new(Mode::ReExecute, changed)).expect("read");
    let Outcome::Diverged(d) = &replayed[0].outcome else { panic!("{:?}", replayed[0].outcome) };
    assert_eq!((d.event, d.name.as_str()), (4, "utterance_understood"));
    assert!(d.field.starts_with("/utterance_understood/"), "{d}");
    assert!(d.likely_cause.contains("Interpreter"), "{d}");
    assert_ne!(d.logged, d.replayed);
    let folded = replay_all(&log, &ReplayConfig::new(Mode::Fold, units())).expect("read");
    assert_eq!(folded[0].outcome, Outcome::Same);
}

#[test]
fn a_reward_that_is_one_bit_off_is_found() {
    let all: Vec<Recording> = [0.1 + 0.2, f64::MIN_POSITIVE, -0.0, 1.0]
        .iter()
        .enumerate()
        .map(|(i, v)| with_reward(recording(&cases()[0], i as u64, "r", 2, false), Reward::Scored(*v)))
        .collect();
    let log = Log::in_memory();
    record_all(&log, &all);
    for (r, got) in all.iter().map(|r| (r, log.read(r.episode()).expect("whole"))) {
        let bits = |r: Reward| r.value().map(f64::to_bits);
        assert_eq!(bits(got.head.seal.reward), bits(r.reward));
    }
    // A card that was stored for another reward.
    let mut wrong = recording(&cases()[0], 9, "wrong", 2, false);
    let log = Log::in_memory();
    record_all(&log, std::slice::from_ref(&wrong));
    wrong.card.as_mut().expect("a card").verdicts.push(Verdict {
        criterion: "extra".to_owned(),
        points: Points::new(1).expect("1"),
        tags: Vec::new(),
        outcome: bedside_env::Outcome::Met,
        evidence: Vec::new(),
        explanation: String::new(),
    });
    let other = Log::in_memory();
    record_all(&other, &[wrong]);
    let mut config = ReplayConfig::new(Mode::Fold, units());
    config.scorer = Some(Arc::new(TurnScorer("turns/1")));
    assert_eq!(replay_all(&log, &config).expect("read")[0].outcome, Outcome::Same);
    let Outcome::Diverged(d) = &replay_all(&other, &config).expect("read")[0].outcome else { panic!("not noticed") };
    assert_eq!((d.name.as_str(), d.field.as_str()), ("seal", "/scorecard/verdicts/3"));
}

#[test]
fn a_fork_at_every_turn_has_the_parents_prefix_and_the_same_action_brings_the_same_events() {
    let (log, all) = filled(6);
    let mut forks = 0;
    for r in &all {
        let logged = log.read(r.episode()).expect("whole");
        forks += prove_forks(&logged, &r.case, &units()).expect("every fork holds");
    }
    assert!(forks >= 12, "{forks}");
}

#[test]
fn a_fork_and_a_fork_of_it_are_logged_replayed_and_forked_again() {
    let (log, all) = filled(4);
    let mut parent = all[3].episode();
    for depth in 1..3u32 {
        let (mut gym, seen) = open_fork(&log, parent, depth, "again", Some(2), config()).expect("a fork");
        assert_eq!(seen.turn, depth);
        gym.step(bedside_env::Action::say("Do you smoke?").into()).expect("a turn");
        let last = gym.step(bedside_env::Action::say("Any allergies?").into()).expect("a turn");
        assert!(last.status.truncated());
        let case = gym.cases()[0].clone();
        let scorer = TurnScorer("turns/1");
        let r = Recording::of_gym(&mut gym, case.clone(), &last, "fork", Some(&scorer), Vec::new()).expect("sealed");
        record_all(&log, std::slice::from_ref(&r));
        prove_forks(&log.read(r.episode()).expect("whole"), &case, &units()).expect("every fork holds");
        parent = r.episode();
    }
    for mode in [Mode::Fold, Mode::ReExecute] {
        for r in replay_all(&log, &ReplayConfig::new(mode, units())).expect("read") {
            assert_eq!(r.outcome, Outcome::Same, "{:?}", r.outcome);
        }
    }
    assert!(bedside_replays::verify(&log, 1).is_sound());
    let too_late = open_fork(&log, parent, 99, "x", None, config()).map(drop).expect_err("refused").to_string();
    assert!(too_late.contains("hint:"), "{too_late}");
}

#[test]
fn a_diff_names_the_first_event_that_parts_and_tells_both_stories() {
    let (a, b) = (recording(&cases()[0], 1, "a", 3, false), recording(&cases()[0], 1, "b", 4, false));
    let d = diff(&a.log, &b.log);
    assert_eq!(d.shared_turns, 3);
    let first = d.first.expect("they differ");
    assert_eq!((first.turn, first.left_event.as_str()), (4, "action_taken"));
    let text = side_by_side(&a.log, &b.log, 48);
    assert!(text.contains(" | "), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 48 * 2 + 3), "{text}");
    assert_eq!(diff(&a.log, &a.log).first, None);
}

#[test]
fn the_same_scorer_gives_the_same_cards_and_a_new_one_adds_its_own() {
    let (log, all) = filled(5);
    let ids = log.episode_ids().expect("listed");
    let again = rescore(&log, &ids, &TurnScorer("turns/1"), 2);
    let cards: Vec<StoredCard> = again.into_iter().map(|r| r.expect("scored").card).collect();
    for card in &cards {
        let head = log.head(card.episode).expect("read").expect("sealed");
        assert_eq!(log.sealed_card(card.episode, &head).expect("read").as_ref(), Some(card));
    }
    let before = log.tip().expect("tip");
    log.add_cards(&cards).expect("nothing new");
    assert_eq!(log.tip().expect("tip"), before);
    let new: Vec<StoredCard> =
        rescore(&log, &ids, &TurnScorer("turns/2"), 1).into_iter().map(|r| r.expect("scored").card).collect();
    log.add_cards(&new).expect("added");
    assert_eq!(log.cards(all[0].episode()).expect("read").len(), 2);
    assert!(bedside_replays::verify(&log, 1).is_sound());
    let mut forged = new[0].clone();
    forged.card.verdicts.clear();
    assert!(log.add_cards(&[forged]).is_err());
    let opened = |e: &Event| matches!(e, Event::ConsultationOpened(_));
    assert!(all.iter().all(|r| opened(&r.log.events[0])));
}
