//! A real (tiny, random) model as the doctor: the policy's contract, and the sampler against the trainer.

use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Action, Env, EnvConfig, Gym, Observation, ResetOptions, check_policy};
use bedside_lm::generate::{Decode, DecodeError, Start};
use bedside_lm::testing::{lively, tiny};
use bedside_lm::tokens::train_bpe;
use bedside_lm::{
    ChatTemplate, HeadOptions, LmConfig, LmPolicy, LmPolicyConfig, Model, Packed, Rows, Sampling, Tokenizer, Trainable,
};
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use candle_core::{DType, Device};
use std::collections::BTreeMap;
use std::sync::Arc;

const CORPUS: [&str; 2] =
    ["The pain is worse at night, and better when I rest. When did the pain start?", "DIAGNOSIS READY: [gout]"];

fn tokenizer() -> Arc<Tokenizer> {
    Arc::new(train_bpe(CORPUS, 270).expect("trains"))
}

fn model(family: &str) -> Model {
    let config = LmConfig { vocab_size: 270, max_position_embeddings: 1_024, ..tiny(family) };
    let weights = lively(config, 5).expect("weights");
    Model::new(&weights, Trainable::Nothing, DType::F32, &Device::Cpu, 0).expect("a model")
}

/// Natural logs of all next-token probabilities, by the trainer's path: no cache, one sequence.
fn next(model: &Model, tokens: &[u32]) -> bedside_lm::Result<Vec<f32>> {
    let mut batch = Packed::default();
    batch.push(tokens);
    let hidden = model.hidden(&batch)?;
    let vocab = model.config.vocab_size as u32;
    let (rows, targets) = (vec![tokens.len() as u32 - 1; vocab as usize], (0..vocab).collect::<Vec<_>>());
    Ok(model.log_probs(&hidden, &rows, &targets, HeadOptions::default())?.log_probs.to_vec1()?)
}

/// Decodes without a cache, by reading everything again for each token: slow, and plainly right.
struct Rereading {
    model: Model,
    rows: usize,
    seen: BTreeMap<usize, Vec<u32>>,
}

impl Rereading {
    fn new(family: &str, rows: usize) -> Rereading {
        Rereading { model: model(family), rows, seen: BTreeMap::new() }
    }
}

impl Decode for Rereading {
    fn rows(&self) -> usize {
        self.rows
    }
    fn room(&self) -> usize {
        256
    }
    fn positions(&self) -> usize {
        self.model.config.max_position_embeddings
    }
    fn start(&mut self, prompts: &[Start<'_>]) -> Result<Vec<Vec<f32>>, DecodeError> {
        for start in prompts {
            self.seen.extend(start.rows.iter().map(|row| (*row, start.prompt.to_vec())));
        }
        prompts.iter().map(|s| Ok(next(&self.model, s.prompt)?)).collect()
    }
    fn step(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let mut logits = Vec::new();
        for (row, token) in tokens {
            let seen = self.seen.entry(*row).or_default();
            seen.push(*token);
            logits.push(next(&self.model, seen)?);
        }
        Ok(logits)
    }
    fn free(&mut self, row: usize) {
        self.seen.remove(&row);
    }
}

fn config() -> LmPolicyConfig {
    LmPolicyConfig { max_new_tokens: 10, ..LmPolicyConfig::compact() }
}

fn policy<D: Decode>(model: D, config: LmPolicyConfig) -> LmPolicy<D> {
    LmPolicy::new("tiny", model, tokenizer(), Arc::new(ChatTemplate::chatml()), config).expect("it fits")
}

/// Openings of cases, and what two questions in brought.
fn observations(cases: u64) -> Vec<Observation> {
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let all = (0..cases).map(|s| Case::new(generator.generate(Seed(s)).expect("a patient"))).collect();
    let mut gym = Gym::new(Arc::new(all), EnvConfig::default());
    let mut seen = Vec::new();
    for case in 0..cases as usize {
        let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
        seen.push(gym.reset(Seed(1), &options).expect("opens").0);
        gym.step(Action::say("When did it start?").into()).expect("plays");
        seen.push(gym.step(Action::Examine("chest".to_owned()).into()).expect("plays").observation);
    }
    seen
}

#[test]
fn a_tiny_random_model_keeps_the_contract_of_a_policy() {
    for family in ["llama", "qwen3"] {
        let violations = check_policy(|| Box::new(policy(Rereading::new(family, 3), config())), &observations(2));
        let text: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(text.is_empty(), "{}", text.join("\n\n"));
    }
}

#[test]
fn the_trainer_finds_the_log_probabilities_that_the_sampler_kept() {
    for temperature in [1.0, 0.7] {
        let sampling = Sampling { temperature, top_p: 0.9, ..Sampling::default() };
        let mut policy = policy(Rereading::new("llama", 4), LmPolicyConfig { sampling, ..config() });
        let seen = observations(2);
        // A group of four on each observation: one prefix, four branches.
        for o in &seen {
            let turns: Vec<(&Observation, Seed)> = (0..4).map(|s| (o, Seed(s))).collect();
            let traces: Vec<_> =
                policy.reply(&turns).expect("decides").into_iter().filter_map(|r| r.decision.trace).collect();
            let mut batch = Packed::default();
            let branches: Vec<&[u32]> = traces.iter().map(|t| t.ids.as_slice()).collect();
            batch.push_group(&traces[0].prompt_ids, &branches);
            let model = model("llama");
            let hidden = model.hidden(&batch).expect("runs");
            let p = batch.predictions().expect("whole");
            let options = HeadOptions { temperature: f64::from(temperature), ..HeadOptions::default() };
            let all: Vec<f32> =
                model.log_probs(&hidden, &p.rows, &p.targets, options).expect("runs").log_probs.to_vec1().expect("f32");
            let trained = &all[traces[0].prompt_ids.len() - 1..];
            let sampled: Vec<f32> = traces.iter().flat_map(|t| t.log_probs.clone()).collect();
            assert_eq!(trained.len(), sampled.len());
            for (a, b) in trained.iter().zip(&sampled) {
                assert!((a - b).abs() <= 1e-4, "{a} trained, {b} sampled");
            }
        }
    }
}

/// What a policy says to all observations, in the company of a group on the first one.
fn said<D: Decode>(model: D) -> Vec<bedside_env::TokenTrace> {
    let seen = observations(2);
    let mut turns: Vec<(&Observation, Seed)> = seen.iter().map(|o| (o, Seed(7))).collect();
    turns.extend((0..4).map(|s| (&seen[0], Seed(s))));
    policy(model, config()).reply(&turns).expect("decides").into_iter().filter_map(|r| r.decision.trace).collect()
}

#[test]
fn rereading_says_the_same_at_any_number_of_rows() {
    let one = said(Rereading::new("llama", 1));
    assert_eq!(one.len(), 8);
    assert_eq!(said(Rereading::new("llama", 3)), one);
    assert_eq!(said(Rereading::new("llama", 8)), one);
}

#[test]
fn cached_rows_say_the_same_at_any_number_and_what_rereading_says() {
    for family in ["llama", "qwen2", "qwen3", "untied"] {
        let cached = |rows| Rows::new(model(family).decoder().expect("a decoder"), rows, 64).expect("a cache");
        let one = said(cached(1));
        assert_eq!(said(cached(3)), one, "{family}: 3 rows, to the bit");
        assert_eq!(said(cached(8)), one, "{family}: 8 rows, to the bit");
        for (a, b) in said(Rereading::new(family, 8)).iter().zip(&one) {
            assert_eq!((&a.prompt_ids, &a.ids, &a.mask), (&b.prompt_ids, &b.ids, &b.mask), "{family}");
            assert!(a.log_probs.iter().zip(&b.log_probs).all(|(x, y)| (x - y).abs() <= 1e-4), "{family}");
        }
        let violations = check_policy(|| Box::new(policy(cached(3), config())), &observations(2));
        assert!(violations.is_empty(), "{family}: {}", violations[0]);
    }
}
