//! Rule tasks with a tiny random model: what is paid is learnt, a control learns nothing, and a run does not depend on how it was
//! cut.

use bedside_env::seed::Seed;
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::testing::{lively, tiny};
use bedside_lm::tokens::train_bpe;
use bedside_lm::{ChatTemplate, LmConfig, Message, Role};
use bedside_train::grpo::GrpoConfig;
use bedside_train::policy_folder::PolicyFolder;
use bedside_train::rules::Asked;
use bedside_train::rules::instructions::Instruction;
use bedside_train::rules::{Check, Set, Task, instructions};
use bedside_train::stage::state::bits;
use bedside_train::stage::{Guard, Guarded, Pace, RuleConfig, RuleTasks, RunFolder, RunRecord, Stage, drive};
use bedside_train::texts::{Document, lessons};
use candle_core::Device;
use std::path::Path;
use std::sync::Arc;

/// A policy of some thousand random parameters.
fn policy() -> PolicyFolder {
    let config = LmConfig { vocab_size: 270, max_position_embeddings: 512, ..tiny("llama") };
    let texts = ["Use at most 12 words.", "Tell a patient how to rest.", "Answer: B", "Answer: 7"];
    PolicyFolder {
        weights: lively(config, 5).expect("weights"),
        tokenizer: Arc::new(train_bpe(texts, 270).expect("trains")),
        chat: Arc::new(ChatTemplate::chatml()),
        config: LmPolicyConfig::stream(),
    }
}

/// Eight questions, and the same thing asked of every reply.
fn tasks(asked: Instruction) -> Vec<Task> {
    let task = |i: usize| Task {
        set: Set::Instructions,
        id: i.to_string(),
        family: i.to_string(),
        messages: vec![Message::new(Role::User, format!("{i}?"))],
        check: Check::Instructions(vec![asked.clone()]),
    };
    (0..8).map(task).collect()
}

/// What a random model says is short now and then.
fn short() -> Vec<Task> {
    tasks(Instruction::AtMostWords(3))
}

/// The opposite.
fn long() -> Vec<Task> {
    tasks(Instruction::AtLeastWords(4))
}

fn config(lr: f64) -> RuleConfig {
    let mut grpo = GrpoConfig {
        group_size: 8,
        groups_per_step: 4,
        max_completion: 16,
        length_bonus: None,
        steps: 6,
        seed: 3,
        ..GrpoConfig::m2()
    };
    grpo.schedule.lr = lr;
    RuleConfig { held_every: 3, ..RuleConfig::new(grpo) }
}

fn stage(config: RuleConfig, tasks: Vec<Task>) -> RuleTasks {
    let held = tasks[..2].to_vec();
    RuleTasks::new(config, policy(), tasks[2..].to_vec(), held, &Device::Cpu).expect("begins")
}

fn driven(folder: &Path, until: Option<u64>) -> Vec<u32> {
    let mut stage = stage(config(1e-3), short());
    let record = RunRecord::new("rules", 3, &config(1e-3), None);
    let mut run = RunFolder::open(folder, record, folder.join("run.json").exists(), 2).expect("a folder");
    drive(&mut stage, &mut run, Pace { checkpoint_every: 2, until }, |_, _, _| ()).expect("driven");
    bits(stage.learner()).expect("parameters")
}

#[test]
fn rule_tasks_that_were_stopped_and_resumed_end_at_the_same_bits() {
    let [whole, cut] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let at_once = driven(whole.path(), None);
    driven(cut.path(), Some(3));
    assert!(at_once == driven(cut.path(), None), "parameters differ");
    let lines = |folder: &Path| std::fs::read_to_string(folder.join("metrics.jsonl")).expect("read");
    assert_eq!(lines(whole.path()), lines(cut.path()));
    for name in ["\"rules/accuracy\":", "\"rules/unparsed\":", "\"held/accuracy\":", "\"rewards/rule/mean\":"] {
        assert!(lines(whole.path()).contains(name), "{name}");
    }
}

/// By how much accuracy rises from the first rounds of a run to the last.
fn rise(asked: Vec<Task>, seed: u64, control: Option<u64>) -> f64 {
    let mut c = RuleConfig { shuffle_rewards: control, held_every: 0, ..config(1e-2) };
    (c.grpo.steps, c.grpo.seed) = (40, seed);
    let mut stage = stage(c, asked);
    let of = |stage: &mut RuleTasks| stage.step().expect("a round").metrics.get("rules/accuracy").expect("checked");
    let all: Vec<f64> = (0..40).map(|_| of(&mut stage)).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    mean(&all[32..]) - mean(&all[..8])
}

#[test]
fn replies_that_keep_the_rule_become_frequent_and_a_control_learns_nothing() {
    let mean = |asked: fn() -> Vec<Task>, control| (0..3).map(|seed| rise(asked(), seed, control)).sum::<f64>() / 3.0;
    let paid = [mean(short, None), mean(long, None)];
    assert!(paid.iter().all(|r| *r > 0.2), "{paid:?}");
    // A control drifts; against a rule and its opposite alike, what it earns stays small.
    let dealt_out = (mean(short, Some(7)) + mean(long, Some(7))) / 2.0;
    assert!(dealt_out < 0.25 * (paid[0] + paid[1]), "{dealt_out}, paid {paid:?}");
}

/// A run of the control drifts one way or the other, so that few of them say little: many seeds, a rule and its opposite each.
#[test]
fn over_many_seeds_a_control_rises_no_more_than_its_spread_allows() {
    let seeds: u64 = if std::env::var_os("BEDSIDE_FULL").is_some() { 40 } else { 4 };
    let pair = |seed| (rise(short(), seed, Some(seed)) + rise(long(), seed, Some(seed))) / 2.0;
    let rises: Vec<f64> = (100..100 + seeds).map(pair).collect();
    let n = seeds as f64;
    let mean = rises.iter().sum::<f64>() / n;
    let error = (rises.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    println!("control: {mean:+.3} with a standard error of {error:.3} over {seeds} seeds");
    assert!(mean.abs() < 4.0 * error + 0.02, "{mean}, standard error {error}: {rises:?}");
}

#[test]
fn a_group_whose_check_cannot_be_made_is_no_score_and_moves_nothing() {
    let mut tasks = short();
    tasks.iter_mut().for_each(|t| t.check = Check::Number(f64::NAN));
    let mut stage = stage(config(1e-2), tasks);
    let before = bits(stage.learner()).expect("bits");
    let report = stage.step().expect("a round");
    assert_eq!(report.metrics.get("rules/unchecked"), Some(1.0));
    assert_eq!(report.metrics.get("rules/accuracy"), None);
    assert_eq!(report.metrics.get("reward"), None);
    assert_eq!(report.metrics.get("update/skipped"), Some(1.0));
    assert!(before == bits(stage.learner()).expect("bits"));
}

#[test]
fn a_random_model_answers_no_question_and_every_reply_is_counted_as_unparsed() {
    let mut tasks = short();
    tasks.iter_mut().for_each(|t| t.check = Check::Number(7.0));
    let report = stage(config(1e-3), tasks).step().expect("a round");
    assert_eq!(report.metrics.get("rules/unparsed"), Some(1.0));
    assert_eq!((report.metrics.get("rules/accuracy"), report.metrics.get("reward")), (Some(0.0), Some(0.0)));
    assert_eq!(report.metrics.get("frac_reward_zero_std"), Some(1.0));
}

#[test]
fn tasks_too_long_for_the_model_are_left_out_and_counted() {
    let mut tasks = short();
    tasks[0].messages[0].content = "long ".repeat(600);
    tasks[5].messages[0].content = "long ".repeat(600);
    let s = stage(config(1e-3), tasks.clone());
    assert_eq!((s.left_out, s.tasks()), ((1, 1), (5, 1)));
    tasks.iter_mut().for_each(|t| t.messages[0].content = "long ".repeat(600));
    let refused = RuleTasks::new(config(1e-3), policy(), tasks, Vec::new(), &Device::Cpu).err().expect("no room");
    assert!(refused.to_string().contains("hint: "), "{refused}");
}

#[test]
fn generated_instructions_train_too() {
    let mut c = config(1e-3);
    c.grpo.steps = 1;
    let report = stage(c, instructions::tasks(Seed(1), 20)).step().expect("a round");
    assert_eq!(report.metrics.get("rules/unchecked"), Some(0.0));
    assert!(report.metrics.get("rules/accuracy/instructions").is_some());
}

/// A stage guarded by a text, and by short replies, which it gives at first.
fn guarded(lr: f64, seed: u64, paid: Vec<Task>) -> Guarded {
    let folder = policy();
    let text = [Document::new("a", "Use at most 12 words. Tell a patient how to rest.")];
    let (tasks, left_out) = Asked::all(short(), &folder.chat, &folder.tokenizer, 512, 16).expect("asked");
    assert_eq!(left_out, 0);
    let guard = Guard {
        text: lessons(&text, &folder.tokenizer, 64, None).expect("lessons"),
        tasks,
        reply: 16,
        tokenizer: folder.tokenizer.clone(),
        every: 2,
    };
    let mut c = config(lr);
    c.grpo.seed = seed;
    Guarded::new(Box::new(stage(c, paid)), guard)
}

/// Names of the alarms of a run, and its metrics.
fn guarded_run(folder: &Path, mut stage: Guarded, until: Option<u64>) -> (Vec<&'static str>, String) {
    let mut run =
        RunFolder::open(folder, RunRecord::new("rules", 3, &"guarded", None), folder.join("run.json").exists(), 2)
            .expect("a folder");
    let mut raised = Vec::new();
    drive(&mut stage, &mut run, Pace { checkpoint_every: 2, until }, |_, _, alarms| {
        raised.extend(alarms.iter().map(|a| a.name));
    })
    .expect("driven");
    (raised, std::fs::read_to_string(folder.join("metrics.jsonl")).expect("metrics"))
}

#[test]
fn a_guard_sees_what_is_forgotten_and_raises_an_alarm() {
    let dir = tempfile::tempdir().expect("a folder");
    // Paid for the opposite of what it could do, at a rate that is far too high.
    let (raised, lines) = guarded_run(dir.path(), guarded(0.1, 3, long()), None);
    for name in ["perplexity of the guard's text over its first", "fall of accuracy on the guard's tasks"] {
        assert!(raised.contains(&name), "{name}: {raised:?}\n{lines}");
    }
    for name in ["guard/perplexity", "guard/perplexity_ratio", "guard/accuracy", "guard/accuracy_drop"] {
        assert!(lines.contains(&format!("\"{name}\":")), "{name}: {lines}");
    }
}

#[test]
fn a_guard_changes_nothing_of_the_run() {
    let mut plain = stage(config(1e-2), short());
    let mut watched = guarded(1e-2, 3, short());
    (0..3).for_each(|_| drop((plain.step().expect("a round"), watched.step().expect("a round"))));
    assert!(bits(plain.learner()).expect("bits") == bits(watched.learner()).expect("bits"));
}

#[test]
fn a_guarded_run_that_was_stopped_and_resumed_remembers_what_it_saw_first() {
    let [whole, cut] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let run = |folder: &Path, until| guarded_run(folder, guarded(1e-2, 3, short()), until).1;
    let at_once = run(whole.path(), None);
    run(cut.path(), Some(3));
    assert_eq!(at_once, run(cut.path(), None));
}

#[test]
fn a_policy_that_does_not_move_is_as_good_as_it_was() {
    let mut stage = guarded(0.0, 3, long());
    let last = (0..6).map(|_| stage.step().expect("a round")).last().expect("one");
    assert_eq!(last.metrics.get("guard/perplexity_ratio"), Some(1.0));
    assert_eq!(last.metrics.get("guard/accuracy_drop"), Some(0.0));
}
