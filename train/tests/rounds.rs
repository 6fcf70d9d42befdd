//! Rounds of reinforcement: with and without overlap, with and without a restart, and what the looks in between say.

use crate::stages::{FRAGMENTS, Scene, config, interrupted_is_whole, reinforcement, rounds, scene, taught};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::{LmPolicy, Model, Rows, Trainable};
use bedside_train::grpo::config::Restart;
use bedside_train::grpo::{GrpoConfig, ImportanceMode};
use bedside_train::learner::Learner;
use bedside_train::metrics::Metrics;
use bedside_train::reward::pay;
use bedside_train::rollout::{Rollouts, Start};
use bedside_train::stage::starts::{Pool, StartFrom, session};
use bedside_train::stage::state::bits;
use bedside_train::stage::{Reinforcement, RlConfig, Stage};
use candle_core::{DType, Device};

fn overlapping(start: StartFrom) -> RlConfig {
    let mut c = config(start, 1e-2);
    c.overlap = true;
    c.grpo.importance.mode = Some(ImportanceMode::TokenTruncate);
    c
}

fn measured(mut stage: Reinforcement, n: usize) -> (Vec<Metrics>, Vec<u32>) {
    let metrics = (0..n).map(|_| stage.step().expect("a round").metrics).collect();
    let bits = bits(stage.learner()).expect("parameters");
    (metrics, bits)
}

/// The rounds by hand: play, pay, learn, hand over; `late` is by how many rounds the player's weights are older than the learner's.
fn by_hand(c: &RlConfig, n: u64, late: usize) -> Vec<u32> {
    let Scene { world, policy, .. } = scene();
    let grpo = &c.grpo;
    let model = |seed| Model::new(&policy.weights, Trainable::All, DType::F32, &Device::Cpu, seed).expect("a model");
    let mut learner = Learner::new(model(grpo.seed), grpo.optimizer, grpo.clip_norm);
    let play = LmPolicyConfig { max_new_tokens: grpo.max_completion, ..policy.config.clone() };
    let rows = Rows::new(learner.model.decoder().expect("a decoder"), 8, grpo.max_completion).expect("rows");
    let mut player = LmPolicy::new("policy", rows, policy.tokenizer.clone(), policy.chat.clone(), play).expect("plays");
    let mut rollouts = Rollouts::new(world.cases.clone(), world.env.clone());
    let seed = |what: &[u8]| Seed(Draw::new(Seed(grpo.seed), what, 0, Purpose::Policy).next_u64());
    let pool = (c.start == FRAGMENTS).then(|| Pool::new(taught(), 1).expect("fragments"));
    let mut handed = vec![learner.model.decoder().expect("a decoder")];
    for round in 0..n {
        let groups = grpo.groups_per_step as u64;
        let start = |i| match &pool {
            Some(pool) => pool.start(seed(b"starts"), i),
            None => session(world.cases.len(), seed(b"starts"), i),
        };
        let starts: Vec<Start> = (round * groups..(round + 1) * groups).map(start).collect();
        // Decoders of rounds that were played are taken; the first serves as long as there is no other.
        if handed.len() > late {
            player.model_mut().replace(handed.remove(0)).expect("fits");
        }
        let played = rollouts.play(&mut player, &starts, grpo.group_size, seed(b"members"), round * groups);
        let paid = pay(grpo, &played.expect("played"), None);
        learner.reinforce(grpo, &paid.lessons, grpo.schedule.at(round + 1)).expect("learns");
        handed.push(learner.model.decoder().expect("a decoder"));
    }
    bits(&learner).expect("parameters")
}

#[test]
fn without_overlap_every_round_is_played_by_the_policy_it_teaches() {
    for start in [FRAGMENTS, StartFrom::Session] {
        let c = config(start, 1e-2);
        let (metrics, end) = measured(reinforcement(c.clone()), 4);
        assert!(end == by_hand(&c, 4, 0), "{start:?}");
        for m in &metrics {
            assert!(m.get("sampling/sampling_logp_difference/max") < Some(1e-3), "{m:?}");
            assert_eq!(m.get("sampling/importance_sampling_ratio/mean"), None, "nothing is corrected");
        }
    }
}

#[test]
fn with_overlap_the_player_is_one_round_behind_and_the_ratio_corrects_it() {
    let c = overlapping(FRAGMENTS);
    let (metrics, end) = measured(reinforcement(c.clone()), 5);
    assert!(end == by_hand(&c, 5, 1), "always one step old, whatever the threads do");
    assert!(end != rounds(reinforcement(RlConfig { overlap: false, ..c.clone() }), 5));
    let gap = |m: &Metrics| m.get("sampling/sampling_logp_difference/max").expect("measured");
    assert!(gap(&metrics[0]) < 1e-3, "the first round has no older weights");
    for m in &metrics[1..] {
        let ratio = |what: &str| m.get(&format!("sampling/importance_sampling_ratio/{what}")).expect("measured");
        assert!(gap(m) > 1e-3 && ratio("min") < ratio("max"), "{m:?}");
        assert!(ratio("max") <= 3.0 && m.get("sampling/ess") > Some(0.5), "{m:?}");
    }
    // Without the correction the same rollouts teach something else.
    let mut uncorrected = c.clone();
    uncorrected.grpo.importance.mode = None;
    let Scene { world, policy, .. } = scene();
    let refused = Reinforcement::new(uncorrected, world.clone(), policy.clone(), taught(), &Device::Cpu).map(drop);
    assert!(refused.expect_err("refused").to_string().contains("importance.mode"));
}

#[test]
fn overlap_that_was_stopped_and_resumed_ends_at_the_same_bits() {
    let sampled = |start| {
        let mut c = overlapping(start);
        c.held_every = 3;
        c
    };
    interrupted_is_whole(|| reinforcement(sampled(FRAGMENTS)), Reinforcement::learner);
    interrupted_is_whole(|| reinforcement(sampled(StartFrom::Session)), Reinforcement::learner);
}

/// Restarts as often as it may: no window is ever good enough.
fn restless(overlap: bool) -> RlConfig {
    let c = if overlap { overlapping(FRAGMENTS) } else { config(FRAGMENTS, 1e-2) };
    let restart = Restart { window: 1, gain: 10.0, ..Restart::default() };
    RlConfig { grpo: GrpoConfig { restart: Some(restart), ..c.grpo }, held_every: 1, ..c }
}

#[test]
fn a_restart_goes_back_to_the_best_parameters_and_on_hotter() {
    let mut stage = reinforcement(restless(false));
    let (mut best, mut restarts) = ((f64::MIN, Vec::new()), 0);
    for step in 1..=6u64 {
        let before = stage.learner().optimizer.to_bytes();
        let m = stage.step().expect("a round").metrics;
        let held = m.get("held/score").expect("looked at");
        let heat = 1.1f64.powi(restarts).min(1.2);
        match m.get("restart/now") {
            Some(1.0) => {
                restarts += 1;
                let from = m.get("restart/from_step").expect("named");
                assert_eq!(step % 2, 0, "two windows are needed to compare");
                // From this step itself there is nothing to go back to.
                if from < step as f64 {
                    assert!(held <= best.0);
                    assert!(bits(stage.learner()).expect("bits") == best.1, "step {step} from {from}");
                } else {
                    assert!(held > best.0);
                }
                assert_eq!(m.get("restart/temperature"), Some(1.1f64.powi(restarts).min(1.2)));
            }
            now => {
                assert_eq!((now, m.get("restart/temperature")), (Some(0.0), Some(heat)), "step {step}");
                assert!(before != stage.learner().optimizer.to_bytes());
            }
        }
        if held > best.0 {
            best = (held, bits(stage.learner()).expect("bits"));
        }
    }
    assert_eq!(restarts, 2, "1.0, 1.1, and 1.2 is the ceiling");
}

#[test]
fn a_run_with_restarts_that_was_stopped_and_resumed_ends_at_the_same_bits() {
    for overlap in [false, true] {
        interrupted_is_whole(|| reinforcement(restless(overlap)), Reinforcement::learner);
    }
}

#[test]
fn a_look_measures_the_policy_the_probes_and_the_policys_habits() {
    let mut c = config(FRAGMENTS, 1e-3);
    c.held_every = 2;
    let (metrics, _) = measured(reinforcement(c), 2);
    assert_eq!(metrics[0].get("probes/margin"), None);
    let get = |name: &str| metrics[1].get(name).unwrap_or_else(|| panic!("{name} in {:?}", metrics[1]));
    assert!((get("probes/margin") - (get("held/score") - get("probes/best"))).abs() < 1e-12);
    for habit in bedside_train::metrics::habits::HABITS {
        assert!((0.0..=1.0).contains(&get(&format!("habits/{habit}"))));
    }
    for m in &metrics {
        // The embedded patient keeps to its record in every round.
        assert!(m.get("simulator/fact_score") > Some(0.9) && m.get("simulator/kept_score") > Some(0.9), "{m:?}");
    }
}
