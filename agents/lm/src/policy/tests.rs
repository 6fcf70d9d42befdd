use super::*;
use crate::generate::tests::Toy;
use crate::prompt::tests::seen;
use crate::tokens::tests::small;
use bedside_env::units::Case;
use bedside_env::{Action, Env, EnvConfig, Gym, ResetOptions, check_policy};
use bedside_records::kb::{Generator, KnowledgeBase, Population};

fn policy(config: LmPolicyConfig) -> LmPolicy<Toy> {
    let (model, tokenizer) = (Toy::new(4, 256), Arc::new(small()));
    LmPolicy::new("toy 1", model, tokenizer, Arc::new(ChatTemplate::chatml()), config).expect("it fits")
}

fn short() -> LmPolicyConfig {
    LmPolicyConfig { max_new_tokens: 12, ..LmPolicyConfig::compact() }
}

fn observations() -> Vec<Observation> {
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    (0..3).flat_map(|s| seen(generator.generate(Seed(s)).expect("a patient"), 3)).collect()
}

#[test]
fn it_keeps_the_contract_of_a_policy() {
    for config in [short(), LmPolicyConfig { max_new_tokens: 12, ..LmPolicyConfig::full() }] {
        let violations = check_policy(|| Box::new(policy(config.clone())), &observations());
        let text: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(text.is_empty(), "{}", text.join("\n\n"));
    }
}

#[test]
fn a_decision_carries_the_tokens_it_was_made_of() {
    let seen = observations();
    let turns: Vec<(&Observation, Seed)> = seen.iter().map(|o| (o, Seed(8))).collect();
    let mut policy = policy(short());
    let replies = policy.reply(&turns).expect("decides");
    let (mut prompt_tokens, mut reply_tokens) = (0, 0);
    for (reply, o) in replies.iter().zip(&seen) {
        let trace = reply.decision.trace.as_ref().expect("a language model leaves one");
        assert_eq!(trace.prompt_ids, short().prompt.ids(o, &ChatTemplate::chatml(), &small()).expect("fits"));
        assert!(
            !trace.ids.is_empty() && trace.ids.len() == trace.log_probs.len() && trace.ids.len() == trace.mask.len()
        );
        assert!(trace.mask.iter().all(|m| *m == 1));
        // What is played is what these tokens say, up to the stop string.
        let said = small().decode(&trace.ids);
        assert_eq!(parse_reply(said.split('\n').next().unwrap_or_default()), reply.decision.turn);
        prompt_tokens += trace.prompt_ids.len() as u64;
        reply_tokens += trace.ids.len() as u64;
    }
    let truncated = replies.iter().filter(|r| r.finish == Finish::Length).count() as u64;
    assert!(truncated > 0, "twelve random tokens are mostly cut");
    assert_eq!(policy.tally(), Tally { decisions: seen.len() as u64, prompt_tokens, reply_tokens, truncated });
}

#[test]
fn members_of_a_group_differ_by_their_seed_and_turns_by_their_number() {
    let o = &observations()[0];
    let turns: Vec<(&Observation, Seed)> = (0..8).map(|s| (o, Seed(s))).collect();
    let mut texts: Vec<Vec<u32>> =
        policy(short()).act(&turns).expect("decides").into_iter().filter_map(|d| Some(d.trace?.ids)).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 8);
    assert_ne!(turn_seed(Seed(1), 1), turn_seed(Seed(1), 2));
}

#[test]
fn the_last_turn_can_be_made_to_conclude_and_what_was_forced_is_masked() {
    let mut o = observations()[0].clone();
    let mut policy = policy(LmPolicyConfig { force_conclusion: true, max_new_tokens: 40, ..short() });
    o.turns_left = 2;
    let free = policy.act(&[(&o, Seed(1))]).expect("decides").remove(0);
    assert!(free.trace.expect("a trace").mask.iter().all(|m| *m == 1));
    o.turns_left = 1;
    let last = policy.act(&[(&o, Seed(1))]).expect("decides").remove(0);
    assert!(matches!(last.turn.action, Action::Conclude { .. }), "{:?}", last.turn);
    let trace = last.trace.expect("a trace");
    let forced = small().encode("DIAGNOSIS READY: [").expect("encodes");
    assert!(trace.ids.starts_with(&forced) && trace.ids.len() > forced.len());
    let masked = trace.mask.iter().filter(|m| **m == 0).count();
    assert_eq!(masked, forced.len());
    assert!(trace.mask[..masked].iter().all(|m| *m == 0));
}

#[test]
fn whatever_it_writes_is_played_to_the_end() {
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let case = Case::new(generator.generate(Seed(5)).expect("a patient"));
    let mut gym = Gym::new(Arc::new(vec![case]), EnvConfig::default());
    let mut policy = policy(short());
    let (mut o, _) = gym.reset(Seed(1), &ResetOptions::default()).expect("opens");
    let mut turns = 0;
    loop {
        let decision = policy.act(&[(&o, Seed(1))]).expect("decides").remove(0);
        let step = gym.step(decision).expect("noise is an action");
        turns += 1;
        o = step.observation;
        if !step.status.is_running() {
            break;
        }
    }
    assert_eq!(policy.tally().decisions, turns);
}

#[test]
fn a_budget_that_the_model_cannot_hold_is_refused_at_once() {
    let new = |config| {
        LmPolicy::new("toy", Toy::new(1, 64), Arc::new(small()), Arc::new(ChatTemplate::chatml()), config)
            .err()
            .expect("refused")
            .message
    };
    assert!(new(LmPolicyConfig { max_new_tokens: 65, ..short() }).contains("a row's 64"));
    let prompt = PromptConfig { max_tokens: 4_090, ..PromptConfig::compact() };
    assert!(new(LmPolicyConfig { prompt, ..short() }).contains("4096 positions"));
}
