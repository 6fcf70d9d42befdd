//! How fast a model trains and samples: tokens a second forward and backward over packed sequences, and decode steps of many
//! rows. Prints one line of JSON for each.
//!
//! cargo run --release -p bedside-lm --example speed [tokens trained at a time] [rows decoded] [folder of a model]

use bedside_lm::{HeadOptions, LmConfig, Model, Packed, Trainable, Weights};
use candle_core::{DType, Device};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let count = |i: usize, or: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (tokens, rows) = (count(0, 4096), count(1, 64));
    let weights = match args.get(2) {
        Some(path) if path.ends_with(".gguf") => Weights::from_gguf(path.as_ref())?,
        Some(path) => Weights::from_folder(path.as_ref())?,
        None => Weights::random(small(), 1)?,
    };
    let vocab = weights.config.vocab_size as u32;
    println!(r#"{{"parameters": {}}}"#, weights.config.parameters());
    for (name, trainable) in [("all", Trainable::All), ("lora 16", Trainable::Lora { rank: 16, alpha: 32.0 })] {
        let model = Model::new(&weights, trainable, DType::F32, &Device::Cpu, 1)?;
        let mut batch = Packed::default();
        let length = tokens.min(256);
        for s in 0..tokens / length {
            let sequence: Vec<u32> = (0..length as u32).map(|i| (i * 31 + s as u32 * 97) % vocab).collect();
            batch.push(&sequence);
        }
        let p = batch.predictions()?;
        let mut spent = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            let hidden = model.hidden(&batch)?;
            let body = start.elapsed().as_secs_f64();
            let loss =
                model.log_probs(&hidden, &p.rows, &p.targets, HeadOptions::default())?.log_probs.mean_all()?.neg()?;
            let forward = start.elapsed().as_secs_f64();
            model.backward(&loss)?;
            spent.push([start.elapsed().as_secs_f64(), body, forward]);
        }
        spent.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [all, body, forward] = spent[2];
        println!(
            r#"{{"train": "{name}", "tokens": {}, "seconds": {all:.4}, "body_forward": {body:.4}, "head_forward": {:.4}, "backward": {:.4}, "tokens_per_second": {:.0}}}"#,
            batch.len(),
            forward - body,
            all - forward,
            batch.len() as f64 / all
        );
    }
    let decoder = Model::new(&weights, Trainable::Nothing, DType::F32, &Device::Cpu, 1)?.decoder()?;
    for rows in [1, rows] {
        let prompt: Vec<u32> = (0..192).map(|i| i * 13 % vocab).collect();
        let mut cache = decoder.cache(rows, 128)?;
        let start = Instant::now();
        let prefix = decoder.prefix(&prompt)?;
        let prefill = start.elapsed().as_secs_f64();
        for row in 0..rows {
            cache.start(row, Some(prefix.clone()))?;
        }
        let start = Instant::now();
        let steps = 64;
        for i in 0..steps {
            let feeds: Vec<(usize, u32)> = (0..rows).map(|r| (r, (i * 7 + r as u32) % vocab)).collect();
            decoder.step(&mut cache, &feeds)?;
        }
        let all = start.elapsed().as_secs_f64();
        println!(
            r#"{{"decode_rows": {rows}, "context": "192..256", "prefill_tokens_per_second": {:.0}, "milliseconds_per_step": {:.3}, "tokens_per_second": {:.0}}}"#,
            prompt.len() as f64 / prefill,
            all / steps as f64 * 1e3,
            rows as f64 * steps as f64 / all
        );
    }
    Ok(())
}

fn small() -> LmConfig {
    LmConfig {
        vocab_size: 2048,
        hidden_size: 128,
        intermediate_size: 384,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 32,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        qkv_bias: false,
        qk_norm: false,
        max_position_embeddings: 2048,
    }
}
