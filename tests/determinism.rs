//! Same log, same bits: alone or in a batch, on one thread or two, forked or moved.

use crate::fixtures::{cases, gym, play};
use bedside_env::seed::Seed;
use bedside_env::world::{chain, prefix};
use bedside_env::{
    Action, AutoresetMode, Decision, Digest, DoctorTurn, Env, EnvConfig, EpisodeLog, Event, Gym, ResetOptions, VecEnv,
};

/// Something to say in each turn, the same for a seed.
fn script(seed: u64, turn: u32) -> Decision {
    const LINES: [&str; 8] = [
        "Hello, what brings you in today?",
        "When did it start?",
        "Do you have any fever or a cough?",
        "Do you take any regular medicines?",
        "Are you allergic to anything?",
        "Let me listen to your chest.",
        "Do you smoke?",
        "I'm sorry to hear that. Does anything make it worse?",
    ];
    Action::say(LINES[((seed.wrapping_mul(31) + u64::from(turn) * 7) % 8) as usize]).into()
}

fn turns_of(events: &[Event]) -> Vec<DoctorTurn> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::ActionTaken { action, .. } => Some((**action).clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_seed_alone_equals_the_same_seed_in_a_batch_of_4096_in_shuffled_order() {
    let (shared, slots, turns) = (cases(40), 4096usize, 4u32);
    // 2741 is odd, so this visits every slot once, far from in order.
    let shuffled: Vec<usize> = (0..slots).map(|i| (i * 2741 + 17) % slots).collect();
    let mut batch = VecEnv::new(shared.clone(), EnvConfig::default(), slots, 2, AutoresetMode::Disabled);
    let which = shuffled.iter().map(|i| (*i, Seed(*i as u64), ResetOptions::default())).collect();
    batch.reset_slots(which).expect("resets");
    for turn in 1..=turns {
        for answer in batch.step((0..slots).map(|i| Some(script(i as u64, turn))).collect()).expect("steps") {
            // An episode that ended early refuses the next step; its log is compared all the same.
            let _ = answer;
        }
    }
    let mut alone = Gym::new(shared, EnvConfig::default());
    for i in (0..slots).step_by(61) {
        alone.reset(Seed(i as u64), &ResetOptions::default()).expect("resets");
        for turn in 1..=turns {
            if !alone.step(script(i as u64, turn)).expect("steps").status.is_running() {
                break;
            }
        }
        assert_eq!(alone.log().expect("open"), batch.log(i).expect("open"), "slot {i}");
    }
}

#[test]
fn a_fork_at_every_turn_has_its_parents_prefix_and_its_parents_future() {
    let mut gym = gym(12);
    let mut forks = 0;
    for case in 0..12 {
        let (log, _) = play(&mut gym, ["checklist", "random", "information-gain"][case % 3], case, Seed(5));
        let parent_state = gym.checksum().expect("open");
        let turns = turns_of(&log.events);
        for at in 0..turns.len() as u32 {
            gym.fork(case, &log, at, "same", None).expect("forks");
            let point = gym.fork_point().expect("a fork says where it came from");
            assert_eq!(point.prefix, chain(Digest::ZERO, prefix(&log.events, at)));
            for turn in &turns[at as usize..] {
                gym.step(turn.clone().into()).expect("steps");
            }
            let fork = gym.log().expect("open");
            let without: Vec<&Event> =
                fork.events.iter().filter(|e| !matches!(e, Event::ConsultationForked(_))).collect();
            assert_eq!(without, log.events.iter().collect::<Vec<_>>(), "case {case}, fork at {at}");
            assert_eq!(gym.checksum().expect("open"), parent_state);
            forks += 1;
        }
    }
    assert!(forks > 60, "only {forks} forks were tried");
}

#[test]
fn an_episode_moved_as_bytes_goes_on_as_if_it_had_stayed() {
    let mut here = gym(3);
    let options = ResetOptions { case: Some(1), ..ResetOptions::default() };
    here.reset(Seed(8), &options).expect("resets");
    here.step(script(8, 1)).expect("steps");
    here.step(script(8, 2)).expect("steps");
    let bytes = serde_json::to_vec(&here.log().expect("open")).expect("encodes");
    let moved: EpisodeLog = serde_json::from_slice(&bytes).expect("decodes");
    let mut there = gym(3);
    let case = there.cases()[1].clone();
    there.resume(case, &moved).expect("resumes");
    here.step(script(8, 3)).expect("steps");
    there.step(script(8, 3)).expect("steps");
    assert_eq!(here.log().expect("open"), there.log().expect("open"));
    assert_eq!(here.checksum().expect("open"), there.checksum().expect("open"));
}

#[test]
fn a_retried_step_returns_the_recorded_reply_and_plays_nothing() {
    let mut gym = gym(2);
    gym.reset(Seed(1), &ResetOptions::default()).expect("resets");
    let first = gym.step_at(1, script(1, 1)).expect("steps");
    let _ = gym.step_at(2, script(1, 2)).expect("steps");
    let before = gym.log().expect("open");
    let again = gym.step_at(1, script(1, 1)).expect("recalls");
    assert_eq!(again.observation, first.observation);
    assert_eq!(gym.log().expect("open"), before);
    let conflict = gym.step_at(1, Action::say("something else").into());
    assert!(conflict.is_err_and(|e| e.to_string().contains("another action")));
    assert!(gym.step_at(7, script(1, 7)).is_err());
}
