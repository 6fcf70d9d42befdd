//! SmolLM2-135M against an implementation that shares nothing with this one (`reference.py` beside this file).

use bedside_lm::{HeadOptions, Model, Packed, Result, Trainable, Weights};
use candle_core::{DType, Device};

#[test]
fn logits_of_smollm2_are_those_of_an_independent_implementation() -> Result<()> {
    let Ok(path) = std::env::var("BEDSIDE_SMOLLM2_GGUF") else {
        println!("skipped: BEDSIDE_SMOLLM2_GGUF not set");
        return Ok(());
    };
    let golden: serde_json::Value = serde_json::from_str(include_str!("smollm2_golden.json")).unwrap();
    let tokens: Vec<u32> = golden["tokens"].as_array().unwrap().iter().map(|t| t.as_u64().unwrap() as u32).collect();
    let truth: Vec<f64> = golden["log_probs"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
    let weights = Weights::from_gguf(path.as_ref())?;
    let model = Model::new(&weights, Trainable::Nothing, DType::F32, &Device::Cpu, 0)?;
    let mut batch = Packed::default();
    batch.push(&tokens);
    let p = batch.predictions()?;
    let out = model.log_probs(&model.hidden(&batch)?, &p.rows, &p.targets, HeadOptions::default())?;
    let mut worst = 0f64;
    for (a, b) in out.log_probs.to_vec1::<f32>()?.iter().zip(&truth) {
        worst = worst.max((*a as f64 - b).abs());
    }
    let decoder = model.decoder()?;
    let logits = decoder.feed(&mut decoder.cache(1, tokens.len())?, &[(0, &tokens)])?.squeeze(0)?.to_vec1::<f32>()?;
    let mut worst_logit = 0f64;
    for (token, truth) in golden["last_logits"].as_object().unwrap() {
        worst_logit = worst_logit.max((logits[token.parse::<usize>().unwrap()] as f64 - truth.as_f64().unwrap()).abs());
    }
    println!("largest gap: log-probability {worst:.2e}, decoded logit {worst_logit:.2e}");
    assert!(worst < 1e-3 && worst_logit < 1e-3, "{worst} {worst_logit}");
    Ok(())
}
