//! Every parameter that should learn gets a gradient, and it is the right one.

use bedside_lm::testing::{lively, tiny};
use bedside_lm::{Frozen, Gradients, HeadOptions, Model, Packed, Result, Trainable};
use candle_core::{D, DType, Device, Tensor, Var};

/// Compares gradients with central differences of the loss in every single number of every variable, relative to the largest
/// in the variable; says what is wrong.
fn check(
    vars: &[(String, Var)],
    gradients: &[Option<Tensor>],
    step: f64,
    within: f64,
    loss: &dyn Fn() -> f64,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((name, var), gradient) in vars.iter().zip(gradients) {
        let Some(gradient) = gradient else {
            wrong.push(format!("{name}: no gradient"));
            continue;
        };
        let values: Vec<f64> = numbers(var.as_tensor());
        let gradient = numbers(gradient);
        let set = |values: &[f64]| {
            let t = Tensor::from_slice(values, var.dims(), &Device::Cpu).unwrap().to_dtype(var.dtype()).unwrap();
            var.set(&t).unwrap();
        };
        let mut slopes = Vec::with_capacity(values.len());
        for i in 0..values.len() {
            let mut moved = values.clone();
            moved[i] = values[i] + step;
            set(&moved);
            let above = loss();
            moved[i] = values[i] - step;
            set(&moved);
            slopes.push((above - loss()) / (2.0 * step));
        }
        set(&values);
        let size = slopes.iter().fold(0f64, |m, s| m.max(s.abs()));
        let gap = slopes.iter().zip(&gradient).fold(0f64, |m, (s, g)| m.max((s - g).abs()));
        if gap > within * size || size == 0.0 || !gap.is_finite() {
            wrong.push(format!("{name}: off by {gap:.3e} where the largest slope is {size:.3e}"));
        }
    }
    wrong
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn model(family: &str, trainable: Trainable, dtype: DType) -> Result<Model> {
    let model = Model::new(&lively(tiny(family), 7)?, trainable, dtype, &Device::Cpu, 11)?;
    // A fresh correction is zero and so are half of its gradients; move it first.
    for (i, (name, var)) in model.vars().iter().enumerate() {
        if name.contains("lora_B") {
            let n = var.elem_count();
            let values: Vec<f64> = (0..n).map(|j| 0.3 * ((i * 31 + j * 17) as f64).sin()).collect();
            var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?.to_dtype(var.dtype())?)?;
        }
    }
    model.refresh()?;
    Ok(model)
}

fn batch() -> Packed {
    let mut packed = Packed::default();
    packed.push(&[3, 1, 4, 1, 5]);
    packed.push_group(&[9, 2, 6], &[&[5, 3], &[5, 8, 9]]);
    packed
}

/// Not linear in the log-probabilities, and each counts differently.
fn loss(model: &Model, batch: &Packed, options: HeadOptions) -> Result<Tensor> {
    let p = batch.predictions()?;
    let logp = model.log_probs(&model.hidden(batch)?, &p.rows, &p.targets, options)?.log_probs;
    let weigh: Vec<f64> = (0..p.targets.len()).map(|i| ((p.targets[i] * 7) as f64).sin()).collect();
    let weigh = Tensor::from_vec(weigh, p.targets.len(), &Device::Cpu)?.to_dtype(logp.dtype())?;
    Ok(((&logp * weigh)? + (logp.sqr()? * 0.1)?)?.sum_all()?)
}

fn number(t: &Tensor) -> f64 {
    t.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn matches_differences(family: &str, trainable: Trainable) -> Result<()> {
    let model = model(family, trainable, DType::F64)?;
    let options = HeadOptions { chunk: 3, temperature: 0.8, entropy: true };
    let gradients = model.backward(&loss(&model, &batch(), options)?)?;
    let gradients: Vec<Option<Tensor>> = gradients.0.into_iter().map(Some).collect();
    assert_eq!(gradients.len(), model.vars().len());
    let wrong = check(model.vars(), &gradients, 1e-5, 1e-3, &|| number(&loss(&model, &batch(), options).unwrap()));
    assert!(wrong.is_empty(), "{family} {trainable:?}: {wrong:#?}");
    Ok(())
}

const LORA: Trainable = Trainable::Lora { rank: 2, alpha: 3.0 };

#[test]
fn llama_matches_finite_differences() -> Result<()> {
    matches_differences("llama", Trainable::All)
}

#[test]
fn llama_with_a_head_of_its_own_matches_finite_differences() -> Result<()> {
    matches_differences("untied", Trainable::All)
}

#[test]
fn qwen2_with_biases_matches_finite_differences() -> Result<()> {
    matches_differences("qwen2", Trainable::All)
}

#[test]
fn qwen3_with_query_and_key_norms_matches_finite_differences() -> Result<()> {
    matches_differences("qwen3", Trainable::All)
}

#[test]
fn low_rank_corrections_match_finite_differences_in_every_family() -> Result<()> {
    ["llama", "untied", "qwen2", "qwen3"].iter().try_for_each(|family| matches_differences(family, LORA))
}

/// Divergence from a reference, each row counting differently, beside a term in the log-probabilities.
fn divergence(model: &Model, reference: &Model, batch: &Packed, options: HeadOptions) -> Result<Tensor> {
    let p = batch.predictions()?;
    let hidden = model.hidden(batch)?;
    let own = std::ptr::eq(model, reference);
    let frozen = if own { reference.reference_hidden(batch)? } else { reference.hidden(batch)? };
    let kl = model.kl(&hidden, Frozen { model: reference, hidden: &frozen }, &p.rows, options)?;
    let weigh: Vec<f64> = (0..p.rows.len()).map(|i| 1.0 + ((i * 7) as f64).sin()).collect();
    let weigh = Tensor::from_vec(weigh, p.rows.len(), &Device::Cpu)?.to_dtype(kl.dtype())?;
    let logp = model.log_probs(&hidden, &p.rows, &p.targets, options)?.log_probs;
    Ok(((kl * weigh)?.sum_all()? - (logp.sum_all()? * 0.1)?)?)
}

#[test]
fn the_divergence_from_a_frozen_reference_matches_finite_differences() -> Result<()> {
    let options = HeadOptions { chunk: 3, temperature: 0.8, entropy: false };
    for family in ["llama", "untied"] {
        let other = Model::new(&lively(tiny(family), 99)?, Trainable::Nothing, DType::F64, &Device::Cpu, 0)?;
        for trainable in [Trainable::All, LORA] {
            let model = model(family, trainable, DType::F64)?;
            // Under low-rank training the model without its corrections is the reference.
            let reference = if trainable == LORA { &model } else { &other };
            let of = || divergence(&model, reference, &batch(), options);
            let gradients: Vec<Option<Tensor>> = model.backward(&of()?)?.0.into_iter().map(Some).collect();
            let wrong = check(model.vars(), &gradients, 1e-5, 1e-3, &|| number(&of().unwrap()));
            assert!(wrong.is_empty(), "{family} {trainable:?}: {wrong:#?}");
        }
    }
    Ok(())
}

#[test]
fn a_model_does_not_diverge_from_itself_and_refuses_a_reference_of_another_vocabulary() -> Result<()> {
    let model = model("llama", Trainable::All, DType::F64)?;
    let (hidden, p) = (model.hidden(&batch())?, batch().predictions()?);
    let same = Model::new(&model.to_weights()?, Trainable::Nothing, DType::F64, &Device::Cpu, 0)?;
    let frozen = same.hidden(&batch())?;
    let kl = model.kl(&hidden, Frozen { model: &same, hidden: &frozen }, &p.rows, HeadOptions::default())?;
    assert!(numbers(&kl).iter().all(|k| k.abs() < 1e-12), "{kl}");
    let config = bedside_lm::LmConfig { vocab_size: 24, ..tiny("llama") };
    let other = Model::new(&lively(config, 1)?, Trainable::Nothing, DType::F64, &Device::Cpu, 0)?;
    let frozen = other.hidden(&batch())?;
    assert!(model.kl(&hidden, Frozen { model: &other, hidden: &frozen }, &p.rows, HeadOptions::default()).is_err());
    assert!(model.kl(&hidden, Frozen { model: &same, hidden: &hidden }, &[99], HeadOptions::default()).is_err());
    Ok(())
}

/// The check would have seen what it is there for: with candle's own kernels the parameters before them get no gradient, no
/// error is raised, and the loss still falls because the last matrix learns.
#[test]
fn the_same_check_fails_on_candles_stock_kernels() -> Result<()> {
    let var = |stream: usize, shape: &[usize]| -> Var {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| ((stream * 100 + i * 13) as f32).sin() * 1.5 + 0.2).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
    };
    let (tokens, width) = (5, 4);
    let vars: Vec<(String, Var)> = [
        ("embedding", var(0, &[1, 1, tokens, width])),
        ("norm", var(1, &[width])),
        ("query", var(2, &[width, width])),
        ("value", var(3, &[width, width])),
        ("head", var(4, &[width, 7])),
    ]
    .map(|(name, v)| (name.to_string(), v))
    .into();
    let angles: Vec<f32> = (0..tokens * width / 2).map(|i| i as f32 * 0.3).collect();
    let angles = Tensor::from_vec(angles, (tokens, width / 2), &Device::Cpu)?;
    let (cos, sin) = (angles.cos()?, angles.sin()?);
    let times = |x: &Tensor, w: &Var| -> Result<Tensor> { Ok(x.broadcast_matmul(w)?) };
    let forward = |stock: bool| -> Result<Tensor> {
        let [x, norm, query, value, head] = [0, 1, 2, 3, 4].map(|i| &vars[i].1);
        let y = match stock {
            true => candle_nn::ops::rms_norm(x, norm, 1e-5)?,
            false => candle_nn::ops::rms_norm_slow(x, norm, 1e-5)?,
        };
        let q = times(&y, query)?;
        let q = match stock {
            true => candle_nn::rotary_emb::rope(&q.contiguous()?, &cos, &sin)?,
            false => candle_nn::rotary_emb::rope_slow(&q, &cos, &sin)?,
        };
        let scores = q.matmul(&q.t()?)?;
        let p = match stock {
            true => candle_nn::ops::softmax_last_dim(&scores)?,
            false => candle_nn::ops::softmax(&scores, D::Minus1)?,
        };
        let logits = times(&p.matmul(&times(&y, value)?)?, head)?;
        Ok(candle_nn::ops::log_softmax(&logits, D::Minus1)?.sqr()?.mean_all()?)
    };
    for (stock, named) in [(true, vec!["embedding", "norm", "query"]), (false, vec![])] {
        let store = forward(stock)?.backward()?;
        let gradients: Vec<Option<Tensor>> = vars.iter().map(|(_, v)| store.get(v).cloned()).collect();
        let wrong = check(&vars, &gradients, 2e-2, 0.05, &|| number(&forward(stock).unwrap()));
        for name in &named {
            assert!(wrong.iter().any(|w| w == &format!("{name}: no gradient")), "{name} in {wrong:?}");
        }
        assert_eq!(named.is_empty(), wrong.is_empty(), "{wrong:?}");
    }
    Ok(())
}

fn close(a: &Gradients, b: &Gradients, within: f64) {
    for (a, b) in a.0.iter().zip(&b.0) {
        let (a, b) = (numbers(a), numbers(b));
        let size = a.iter().fold(1e-3, |m: f64, x| m.max(x.abs()));
        let gap = a.iter().zip(&b).fold(0f64, |m, (x, y)| m.max((x - y).abs()));
        assert!(gap <= within * size, "{gap:e} of {size:e}");
    }
}

#[test]
fn loss_and_gradients_do_not_depend_on_how_the_head_is_chunked() -> Result<()> {
    for (family, trainable) in [("llama", Trainable::All), ("untied", Trainable::All), ("qwen2", LORA)] {
        let model = model(family, trainable, DType::F32)?;
        let with = |chunk| loss(&model, &batch(), HeadOptions { chunk, ..HeadOptions::default() });
        let whole = with(1000)?;
        let gradients = model.backward(&whole)?;
        for chunk in [1, 2, 5] {
            let part = with(chunk)?;
            assert!((number(&whole) - number(&part)).abs() < 1e-4);
            close(&gradients, &model.backward(&part)?, 1e-4);
        }
    }
    Ok(())
}

#[test]
fn packing_is_only_a_way_of_storing_sequences() -> Result<()> {
    let sequences: [&[u32]; 4] = [&[3, 1, 4, 1, 5], &[9, 2], &[6, 5, 3, 5, 8, 9, 7, 9], &[2]];
    for (family, trainable) in [("llama", Trainable::All), ("qwen3", Trainable::All), ("qwen2", LORA)] {
        let model = model(family, trainable, DType::F32)?;
        let mut together = Packed::default();
        let (mut apart, mut sum): (f64, Option<Gradients>) = (0.0, None);
        for tokens in sequences {
            together.push(tokens);
            let mut one = Packed::default();
            one.push(tokens);
            if tokens.len() < 2 {
                continue;
            }
            let l = loss(&model, &one, HeadOptions::default())?;
            apart += number(&l);
            let g = model.backward(&l)?;
            match &mut sum {
                Some(sum) => sum.add(&g)?,
                None => sum = Some(g),
            }
        }
        let l = loss(&model, &together, HeadOptions::default())?;
        assert!((number(&l) - apart).abs() < 1e-4, "{} {apart}", number(&l));
        close(&sum.unwrap(), &model.backward(&l)?, 1e-4);
    }
    Ok(())
}

#[test]
fn a_shared_prefix_counts_like_one_repeated_for_each_branch() -> Result<()> {
    let prefix: Vec<u32> = (0..90).map(|i| i * 5 % 23).collect();
    let branches: [&[u32]; 3] = [&[5, 3, 1], &[8], &[9, 7, 9, 3, 2]];
    for (family, trainable) in [("llama", Trainable::All), ("qwen3", Trainable::All), ("untied", LORA)] {
        let model = model(family, trainable, DType::F32)?;
        let mut shared = Packed::default();
        shared.push_group(&prefix, &branches);
        let mut repeated = Packed::default();
        for branch in branches {
            repeated.push(&[&prefix[..], branch].concat());
        }
        // The loss of the branches alone: the prefix is predicted once in one batch and three times in the other.
        let of_branches = |batch: &Packed| -> Result<(Tensor, Gradients)> {
            let all = batch.predictions()?;
            let mine: Vec<usize> = (0..all.of.len()).filter(|i| batch.positions[all.of[*i] as usize] >= 90).collect();
            let rows: Vec<u32> = mine.iter().map(|i| all.rows[*i]).collect();
            let targets: Vec<u32> = mine.iter().map(|i| all.targets[*i]).collect();
            let logp = model.log_probs(&model.hidden(batch)?, &rows, &targets, HeadOptions::default())?.log_probs;
            let loss = logp.sqr()?.sum_all()?;
            Ok((logp.detach(), model.backward(&loss)?))
        };
        let (a, b) = (of_branches(&shared)?, of_branches(&repeated)?);
        for (x, y) in numbers(&a.0).iter().zip(numbers(&b.0)) {
            assert!((x - y).abs() < 1e-5, "{x} {y}");
        }
        close(&a.1, &b.1, 1e-4);
    }
    Ok(())
}

#[test]
fn blocks_computed_again_give_the_same_bits() -> Result<()> {
    for (family, trainable) in [("llama", Trainable::All), ("qwen3", LORA)] {
        let model = model(family, trainable, DType::F32)?;
        let kept = model.backward(&loss(&model, &batch(), HeadOptions::default())?)?;
        model.recompute_blocks(true);
        let again = model.backward(&loss(&model, &batch(), HeadOptions::default())?)?;
        for (a, b) in kept.0.iter().zip(&again.0) {
            assert_eq!(numbers(a), numbers(b));
        }
    }
    Ok(())
}

#[test]
fn a_loss_that_misses_parameters_is_an_error_that_names_them() -> Result<()> {
    let model = model("llama", Trainable::All, DType::F32)?;
    let batch = batch();
    let p = batch.predictions()?;
    let cut = model.hidden(&batch)?.detach();
    let loss = model.log_probs(&cut, &p.rows, &p.targets, HeadOptions::default())?.log_probs.sum_all()?;
    let error = model.backward(&loss).unwrap_err().to_string();
    assert!(error.contains("model.norm.weight"), "{error}");
    Ok(())
}

#[test]
fn half_precision_computes_in_copies_of_wide_parameters() -> Result<()> {
    for trainable in [Trainable::All, LORA] {
        let (wide, half) = (model("llama", trainable, DType::F32)?, model("llama", trainable, DType::BF16)?);
        let of = |m: &Model| loss(m, &batch(), HeadOptions::default());
        let (a, b) = (number(&of(&wide)?), number(&of(&half)?));
        assert!((a - b).abs() < 0.02 * a.abs() && a != b, "{a} {b}");
        let (a, b) = (wide.backward(&of(&wide)?)?, half.backward(&of(&half)?)?);
        let (mut gap, mut size) = (0.0, 0.0);
        for (a, b) in a.0.iter().zip(&b.0) {
            gap += numbers(a).iter().zip(numbers(b)).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
            size += numbers(a).iter().map(|x| x * x).sum::<f64>();
        }
        assert!(gap > 0.0 && gap < 0.1 * 0.1 * size, "{gap} of {size}");
        assert!(b.0.iter().zip(half.vars()).all(|(g, (_, v))| g.dtype() == DType::F32 && v.dtype() == DType::F32));
        // A change is seen once it has been carried over.
        let before = number(&of(&half)?);
        for (_, var) in half.vars() {
            var.set(&(var.as_tensor() * 1.5)?)?;
        }
        assert_eq!(number(&of(&half)?), before);
        half.refresh()?;
        assert!((number(&of(&half)?) - before).abs() > 1e-3);
    }
    Ok(())
}

#[test]
fn the_reference_of_a_corrected_model_is_the_model_it_corrects() -> Result<()> {
    let corrected = model("qwen2", LORA, DType::F32)?;
    let plain = Model::new(&lively(tiny("qwen2"), 7)?, Trainable::Nothing, DType::F32, &Device::Cpu, 0)?;
    let reference = corrected.reference_hidden(&batch())?;
    assert_eq!(numbers(&reference), numbers(&plain.hidden(&batch())?));
    assert_ne!(numbers(&reference), numbers(&corrected.hidden(&batch())?));
    // Merged, the correction becomes part of the weights.
    let merged = Model::new(&corrected.to_weights()?, Trainable::Nothing, DType::F32, &Device::Cpu, 0)?;
    for (a, b) in numbers(&merged.hidden(&batch())?).iter().zip(numbers(&corrected.hidden(&batch())?)) {
        assert!((a - b).abs() < 1e-4);
    }
    Ok(())
}

#[test]
fn entropy_is_that_of_the_softmax() -> Result<()> {
    let model = model("llama", Trainable::Nothing, DType::F64)?;
    let mut packed = Packed::default();
    packed.push(&[1, 2, 3]);
    let hidden = model.hidden(&packed)?;
    let options = HeadOptions { entropy: true, temperature: 0.7, chunk: 2 };
    let row = |target: u32| -> Result<(f64, f64)> {
        let out = model.log_probs(&hidden, &[1], &[target], options)?;
        Ok((numbers(&out.log_probs)[0], numbers(&out.entropy.unwrap())[0]))
    };
    let all: Vec<(f64, f64)> = (0..23).map(row).collect::<Result<_>>()?;
    let total: f64 = all.iter().map(|(l, _)| l.exp()).sum();
    let entropy: f64 = all.iter().map(|(l, _)| -l * l.exp()).sum();
    assert!((total - 1.0).abs() < 1e-12 && (entropy - all[0].1).abs() < 1e-12, "{total} {entropy}");
    Ok(())
}
