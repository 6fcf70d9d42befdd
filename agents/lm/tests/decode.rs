//! What sampling computes is what training computes, whatever the batch around it.

use bedside_lm::testing::{lively, tiny};
use bedside_lm::{Decoder, HeadOptions, LmConfig, Model, Packed, Result, Trainable};
use candle_core::{DType, Device, Tensor};

fn model(family: &str, trainable: Trainable, dtype: DType) -> Result<Model> {
    Model::new(&lively(tiny(family), 3)?, trainable, dtype, &Device::Cpu, 1)
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().fold(f64::MIN, |m, x| m.max(*x as f64));
    let sum: f64 = logits.iter().map(|x| (*x as f64 - largest).exp()).sum();
    logits.iter().map(|x| *x as f64 - largest - sum.ln()).collect()
}

fn rows(logits: &Tensor) -> Vec<Vec<f32>> {
    logits.to_vec2().unwrap()
}

#[test]
fn sampling_and_training_agree_on_the_probability_of_every_token() -> Result<()> {
    let lora = Trainable::Lora { rank: 2, alpha: 4.0 };
    for (family, trainable, dtype, within) in [
        ("llama", Trainable::All, DType::F32, 1e-4),
        ("untied", Trainable::Nothing, DType::F32, 1e-4),
        ("qwen2", lora, DType::F32, 1e-4),
        ("qwen3", lora, DType::F32, 1e-4),
        ("llama", lora, DType::F64, 1e-5),
        ("qwen3", Trainable::All, DType::F64, 1e-5),
    ] {
        let model = model(family, trainable, dtype)?;
        for (i, (name, var)) in model.vars().iter().enumerate() {
            if name.contains("lora_B") {
                let values: Vec<f64> = (0..var.elem_count()).map(|j| 0.2 * ((i + j) as f64).cos()).collect();
                var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?.to_dtype(var.dtype())?)?;
            }
        }
        let prefix: Vec<u32> = (0..70).map(|i| i * 11 % 23).collect();
        let branches: [&[u32]; 3] = [&[4, 4, 8, 1, 0, 22], &[7], &[2, 9, 5]];
        let mut batch = Packed::default();
        batch.push_group(&prefix, &branches);
        let p = batch.predictions()?;
        let out = model.log_probs(&model.hidden(&batch)?, &p.rows, &p.targets, HeadOptions::default())?;
        let trained: Vec<f64> = out.log_probs.to_dtype(DType::F64)?.to_vec1()?;

        let decoder = model.decoder()?;
        let shared = decoder.prefix(&prefix)?;
        let mut cache = decoder.cache(3, 16)?;
        let mut next: Vec<Vec<f32>> = vec![shared.logits().to_vec(); 3];
        for row in 0..3 {
            cache.start(row, Some(shared.clone()))?;
        }
        let mut sampled = vec![Vec::new(); 3];
        for turn in 0..6 {
            let going: Vec<usize> = (0..3).filter(|r| turn < branches[*r].len()).collect();
            for r in &going {
                sampled[*r].push(log_softmax(&next[*r])[branches[*r][turn] as usize]);
            }
            let feeds: Vec<(usize, u32)> = going.iter().map(|r| (*r, branches[*r][turn])).collect();
            for (r, logits) in going.iter().zip(rows(&decoder.step(&mut cache, &feeds)?)) {
                next[*r] = logits;
            }
        }
        let trained = &trained[prefix.len() - 1..];
        for (s, t) in sampled.concat().iter().zip(trained) {
            assert!((s - t).abs() < within, "{family} {dtype:?}: sampled {s}, trained {t}");
        }
        assert_eq!(sampled.concat().len(), trained.len());
    }
    Ok(())
}

/// Feeds a sequence to a row token by token while other rows do other things, and returns all logits.
fn alone(decoder: &Decoder, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
    let mut cache = decoder.cache(1, 100)?;
    tokens.iter().map(|t| Ok(rows(&decoder.step(&mut cache, &[(0, *t)])?).remove(0))).collect()
}

/// Wide enough that products are shared out among threads.
fn wide() -> Result<Decoder> {
    let config = LmConfig {
        vocab_size: 300,
        hidden_size: 96,
        intermediate_size: 200,
        num_attention_heads: 6,
        num_key_value_heads: 2,
        head_dim: 16,
        ..tiny("llama")
    };
    Model::new(&lively(config, 9)?, Trainable::Nothing, DType::F32, &Device::Cpu, 0)?.decoder()
}

#[test]
fn a_rows_bits_do_not_depend_on_the_rows_beside_it() -> Result<()> {
    let decoder = wide()?;
    let tokens: Vec<u32> = (0..40).map(|i| i * 37 % 300).collect();
    let truth = alone(&decoder, &tokens)?;
    for batch in [2, 5, 33, 70] {
        let mut cache = decoder.cache(batch, 100)?;
        for (i, token) in tokens.iter().enumerate() {
            let feeds: Vec<(usize, u32)> =
                (0..batch).map(|r| (r, if r == 1 { *token } else { (i + r) as u32 })).collect();
            assert_eq!(rows(&decoder.step(&mut cache, &feeds)?)[1], truth[i], "batch {batch}, token {i}");
        }
    }
    Ok(())
}

#[test]
fn a_rows_bits_do_not_depend_on_how_it_was_fed_or_what_it_shares() -> Result<()> {
    let decoder = wide()?;
    let tokens: Vec<u32> = (0..60).map(|i| i * 53 % 300).collect();
    let truth = alone(&decoder, &tokens)?;
    for shared in [1, 7, 16, 33] {
        let prefix = decoder.prefix(&tokens[..shared])?;
        assert_eq!(prefix.logits(), truth[shared - 1]);
        let mut cache = decoder.cache(2, 100)?;
        cache.start(1, Some(prefix))?;
        let got = decoder.feed(&mut cache, &[(0, &tokens[..5]), (1, &tokens[shared..50])])?;
        assert_eq!(rows(&got)[1], truth[49], "after {shared} shared tokens");
        for i in 50..60 {
            assert_eq!(rows(&decoder.step(&mut cache, &[(1, tokens[i])])?)[0], truth[i]);
        }
    }
    Ok(())
}

#[test]
fn a_row_that_is_freed_and_filled_again_starts_afresh_while_others_go_on() -> Result<()> {
    let decoder = wide()?;
    let (first, second): (Vec<u32>, Vec<u32>) =
        ((0..30).map(|i| i * 7 % 300).collect(), (0..30).map(|i| i * 9 % 300).collect());
    let (a, b) = (alone(&decoder, &first)?, alone(&decoder, &second)?);
    let mut cache = decoder.cache(2, 30)?;
    decoder.feed(&mut cache, &[(0, &[5; 20]), (1, &first[..10])])?;
    cache.free(0);
    assert_eq!((cache.len(0), cache.len(1), cache.room(1)), (0, 10, 20));
    cache.start(0, None)?;
    for i in 0..20 {
        let got = rows(&decoder.step(&mut cache, &[(1, first[10 + i]), (0, second[i])])?);
        assert_eq!(got[0], a[10 + i]);
        assert_eq!(got[1], b[i]);
    }
    Ok(())
}

#[test]
fn a_snapshot_does_not_follow_the_model_it_was_taken_from() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let model = model("llama", Trainable::All, dtype)?;
        let decoder = model.decoder()?;
        let feed = |decoder: &Decoder| -> Result<Vec<Vec<f32>>> {
            Ok(rows(&decoder.feed(&mut decoder.cache(1, 4)?, &[(0, &[1, 2, 3])])?))
        };
        let before = feed(&decoder)?;
        for (_, var) in model.vars() {
            var.set(&(var.as_tensor() * 1.3)?)?;
        }
        model.refresh()?;
        assert_eq!(feed(&decoder)?, before);
        assert_ne!(feed(&model.decoder()?)?, before);
    }
    Ok(())
}

#[test]
fn a_cache_used_against_its_rules_is_an_error_and_unchanged() -> Result<()> {
    let decoder = wide()?;
    let mut cache = decoder.cache(2, 4)?;
    decoder.feed(&mut cache, &[(0, &[1, 2])])?;
    for (feeds, named) in [
        (vec![(0, &[1, 2, 3][..])], "room for 2"),
        (vec![(2, &[1][..])], "row 2"),
        (vec![(0, &[1][..]), (0, &[2][..])], "twice"),
        (vec![(1, &[][..])], "0 tokens"),
        (vec![(1, &[300][..])], "vocabulary of 300"),
        (vec![], "no rows"),
    ] {
        let error = decoder.feed(&mut cache, &feeds).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    assert_eq!((cache.len(0), cache.len(1)), (2, 0));
    assert!(cache.start(2, None).is_err());
    let other = Model::new(&lively(tiny("llama"), 3)?, Trainable::Nothing, DType::F64, &Device::Cpu, 1)?.decoder()?;
    assert!(cache.start(0, Some(other.prefix(&[1])?)).is_err());
    assert!(other.feed(&mut cache, &[(0, &[1])]).is_err());
    let mut far = decoder.cache(1, 1000)?;
    assert!(decoder.feed(&mut far, &[(0, &vec![1; 600])]).unwrap_err().to_string().contains("512 positions"));
    Ok(())
}
