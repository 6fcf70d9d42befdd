//! Mid-training with a tiny random model: texts become likelier, masks are kept, and a KL term holds what is not read.

use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::testing::{lively, tiny};
use bedside_lm::tokens::train_bpe;
use bedside_lm::{ChatTemplate, LmConfig, Model, Trainable};
use bedside_train::adamw::AdamW;
use bedside_train::learner::{LearnError, Learner, Parts, Weighted};
use bedside_train::policy_folder::PolicyFolder;
use bedside_train::stage::state::bits;
use bedside_train::stage::{Lora, MidConfig, MidTraining, Pace, Readings, RunFolder, RunRecord, Stage, drive};
use bedside_train::texts::{Document, Notes, lessons};
use candle_core::{DType, Device};
use std::path::Path;
use std::sync::Arc;

const TEXT: &str = "The heart has four chambers. Blood leaves it by the aorta.";
const NOTED: &str =
    "Pain on effort. <note>Think of the heart.</note> Ask when it began. <note>Sudden pain is urgent.</note>";
const GENERAL: &str = "A train leaves at noon. Ann has three apples and gives one away.";

fn policy() -> PolicyFolder {
    let config = LmConfig { vocab_size: 320, max_position_embeddings: 128, ..tiny("llama") };
    PolicyFolder {
        weights: lively(config, 5).expect("weights"),
        tokenizer: Arc::new(train_bpe([TEXT, NOTED, GENERAL], 320).expect("trains")),
        chat: Arc::new(ChatTemplate::chatml()),
        config: LmPolicyConfig::stream(),
    }
}

fn readings(notes: Notes) -> Readings {
    let t = policy().tokenizer;
    let of = |text: &str, notes| lessons(&[Document::new("a", text.repeat(4))], &t, 24, notes).expect("lessons");
    Readings { text: of(TEXT, None), notes: of(NOTED, Some(notes)), general: of(GENERAL, None) }
}

fn config() -> MidConfig {
    MidConfig { epochs: 4, batch: 5, window: 24, lr: 3e-3, warmup: 0, held_every: 3, ..MidConfig::default() }
}

fn stage(config: MidConfig, readings: Readings) -> MidTraining {
    let held = self::readings(config.notes);
    MidTraining::new(config, policy(), readings, held, &Device::Cpu).expect("begins")
}

/// Held-out numbers at the end of a run.
fn ended(config: MidConfig, readings: Readings) -> impl Fn(&str) -> f64 {
    let mut stage = stage(config, readings);
    let mut last = None;
    while stage.done() < stage.total() {
        last = Some(stage.step().expect("a step"));
    }
    let metrics = last.expect("a step").metrics;
    move |name: &str| metrics.get(name).unwrap_or_else(|| panic!("{name} in {metrics:?}"))
}

#[test]
fn what_is_read_becomes_likelier_and_the_divergence_term_holds_the_rest() {
    let mut begun = stage(config(), readings(Notes::Only));
    let before = begun.learner().evaluate(&readings(Notes::Only).text).expect("a loss").0;
    let first = begun.step().expect("a step").metrics;
    // Before the first update the policy is the reference.
    assert!(first.get("loss/kl").expect("measured").abs() < 1e-6, "{first:?}");
    let of = |kl_weight: f64, general: bool| {
        let mut readings = readings(Notes::Only);
        if !general {
            readings.general.clear();
        }
        ended(MidConfig { epochs: 12, kl_weight, ..config() }, readings)
    };
    let (free, held) = (of(0.0, true), of(3.0, true));
    for of in [&free, &held] {
        assert!(of("held/text_loss") < before - 0.8, "{} {before}", of("held/text_loss"));
    }
    assert!(held("held/kl") < 0.5 * free("held/kl"), "{} {}", held("held/kl"), free("held/kl"));
    assert!((held("held/text_perplexity") - held("held/text_loss").exp()).abs() < 1e-9);
    assert!(of(1.0, false)("held/notes_loss").is_finite());
}

#[test]
fn low_rank_training_has_the_policy_itself_without_corrections_for_a_reference() {
    let lora = Some(Lora { rank: 2, alpha: 4.0 });
    let of = |kl_weight| ended(MidConfig { lora, kl_weight, lr: 2e-2, epochs: 12, ..config() }, readings(Notes::Only));
    let (free, held) = (of(0.0), of(10.0));
    assert!(
        free("held/kl") > 0.3 && held("held/kl") < 0.2 * free("held/kl"),
        "{} {}",
        held("held/kl"),
        free("held/kl")
    );
}

fn learner() -> Learner {
    let model = Model::new(&policy().weights, Trainable::All, DType::F32, &Device::Cpu, 1).expect("a model");
    Learner::new(model, AdamW::default(), None)
}

const ALL: Weighted = Weighted { text: 1.0, notes: 1.0, kl: 1.0 };

#[test]
fn masked_tokens_have_no_part_in_loss_or_gradient() {
    // The same window: once with other tokens in the masked place after the last learnt one, once as it is.
    let notes = readings(Notes::Only).notes;
    let last = |mut lesson: bedside_train::lesson::Lesson, changed: bool| {
        let turn = &mut lesson.turns[0];
        let end = turn.mask.iter().rposition(|m| *m == 1).expect("one is learnt") + 1;
        if changed {
            turn.ids[end..].iter_mut().for_each(|id| *id = 7);
        }
        assert!(end < turn.ids.len(), "something is masked after it");
        lesson
    };
    let window = notes.iter().find(|l| l.turns[0].mask.ends_with(&[0]) && l.turns[0].mask.contains(&1)).expect("one");
    let after = |changed: bool| {
        let mut learner = learner();
        let notes = [last(window.clone(), changed)];
        let m = learner.absorb(Parts { notes: &notes, ..Parts::default() }, ALL, None, 1e-2).expect("a step");
        (m.get("loss/notes"), bits(&learner).expect("bits"))
    };
    let (plain, changed) = (after(false), after(true));
    assert_eq!(plain.0, changed.0);
    let worst = plain.1.iter().zip(&changed.1).map(|(a, b)| (f32::from_bits(*a) - f32::from_bits(*b)).abs());
    assert!(worst.fold(0.0, f32::max) < 1e-6);
    let mut learner = learner();
    let text = readings(Notes::All).notes;
    let all = learner.absorb(Parts { notes: &text, ..Parts::default() }, ALL, None, 0.0).expect("a step");
    assert_ne!(all.get("loss/notes"), plain.0);
}

#[test]
fn a_step_is_the_weighted_sum_of_its_parts_whatever_the_batches() {
    let r = readings(Notes::Only);
    let reference = Model::new(&policy().weights, Trainable::Nothing, DType::F32, &Device::Cpu, 1).expect("a model");
    let weights = Weighted { text: 0.5, notes: 2.0, kl: 3.0 };
    let after = |batch_tokens: usize, chunk: usize| {
        let mut learner = learner();
        // Away from the reference first, where the divergence has a slope.
        let parts = Parts { text: &r.text, ..Parts::default() };
        learner.absorb(parts, ALL, None, 1e-2).expect("a step");
        (learner.batch_tokens, learner.head_chunk) = (batch_tokens, chunk);
        let parts = Parts { text: &r.text, notes: &r.notes, general: &r.general };
        let m = learner.absorb(parts, weights, Some(&reference), 1e-3).expect("a step");
        let of = |name: &str| m.get(name).expect(name);
        assert!(of("loss/kl") > 1e-3);
        let sum = 0.5 * of("loss/text") + 2.0 * of("loss/notes") + 3.0 * of("loss/kl");
        assert!((of("loss") - sum).abs() < 1e-9);
        (of("loss"), of("grad_norm"))
    };
    let whole = after(8192, 256);
    for (tokens, chunk) in [(1, 1), (60, 7)] {
        let cut = after(tokens, chunk);
        assert!((cut.0 - whole.0).abs() < 1e-5 && (cut.1 / whole.1 - 1.0).abs() < 1e-3, "{cut:?} {whole:?}");
    }
    let nothing = learner().absorb(Parts::default(), ALL, None, 1e-3);
    assert!(matches!(nothing, Err(LearnError::Nothing)));
}

fn driven(folder: &Path, until: Option<u64>) -> Vec<u32> {
    let mut stage = stage(config(), readings(Notes::Only));
    let record = RunRecord::new("mid", 0, &config(), None);
    let mut run = RunFolder::open(folder, record, folder.join("run.json").exists(), 2).expect("a folder");
    drive(&mut stage, &mut run, Pace { checkpoint_every: 2, until }, |_, _, _| ()).expect("driven");
    bits(stage.learner()).expect("parameters")
}

#[test]
fn mid_training_that_was_stopped_and_resumed_ends_at_the_same_bits() {
    let [whole, cut] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let at_once = driven(whole.path(), None);
    driven(cut.path(), Some(3));
    assert!(at_once == driven(cut.path(), None), "parameters differ");
    let lines = |folder: &Path| std::fs::read_to_string(folder.join("metrics.jsonl")).expect("read");
    assert_eq!(lines(whole.path()), lines(cut.path()));
}

#[test]
fn windows_beyond_the_model_and_nothing_to_read_are_refused_with_a_hint() {
    let begin = |config, readings| MidTraining::new(config, policy(), readings, Readings::default(), &Device::Cpu);
    for (c, r) in [
        (MidConfig { window: 4096, ..config() }, readings(Notes::Only)),
        (config(), Readings::default()),
        (MidConfig { kl_weight: -1.0, ..config() }, readings(Notes::Only)),
        (MidConfig { text_weight: 0.0, notes_weight: 0.0, kl_weight: 0.0, ..config() }, readings(Notes::Only)),
    ] {
        let said = begin(c, r).err().expect("refused").to_string();
        assert!(said.contains("hint: "), "{said}");
    }
}
