//! The loss against a second implementation that was written from the formulae, padded and slow, and its gradient against finite
//! differences of that. What must not matter (padding, order, micro-batches) does not.

use bedside_train::grpo::config::{Count, Level, LossType};
use bedside_train::grpo::{Credit, GrpoConfig, Importance, ImportanceMode, Over, Sequence, Tally, loss};
use proptest::prelude::*;

const LOSSES: [LossType; 8] = [
    LossType::Grpo,
    LossType::Bnpo,
    LossType::DrGrpo,
    LossType::Dapo,
    LossType::Cispo,
    LossType::Sapo,
    LossType::Vespo,
    LossType::Luspo,
];

/// A batch as padded rows.
struct Padded {
    now: Vec<Vec<f64>>,
    old: Vec<Vec<f64>>,
    sampling: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
    mask: Vec<Vec<f64>>,
    advantage: Vec<Vec<f64>>,
}

fn padded(batch: &[Sequence]) -> Padded {
    let width = batch.iter().map(Sequence::len).max().unwrap_or(0) + 2;
    let rows = |f: &dyn Fn(&Sequence, usize) -> f64| -> Vec<Vec<f64>> {
        batch.iter().map(|s| (0..width).map(|t| if t < s.len() { f(s, t) } else { 0.0 }).collect()).collect()
    };
    Padded {
        now: rows(&|s, t| s.logp[t]),
        old: rows(&|s, t| s.old.as_ref().expect("off-policy")[t]),
        sampling: rows(&|s, t| s.sampling.as_ref().expect("sampled")[t]),
        reference: rows(&|s, t| s.reference.as_ref().expect("reference")[t]),
        mask: rows(&|s, t| if s.trained && s.mask[t] { 1.0 } else { 0.0 }),
        advantage: rows(&|s, t| match &s.credit {
            Credit::Sequence(a) => *a,
            Credit::Tokens(a) => a[t],
        }),
    }
}

/// The loss at `at`; whatever carries no gradient is taken from `b.now`.
fn naive(c: &GrpoConfig, b: &Padded, at: &[Vec<f64>]) -> f64 {
    let (rows, width) = (b.mask.len(), b.mask.first().map_or(0, Vec::len));
    let n = |i: usize| b.mask[i].iter().sum::<f64>();
    let sum = |i: usize, f: &dyn Fn(usize) -> f64| (0..width).filter(|t| b.mask[i][*t] > 0.0).map(f).sum::<f64>();
    let gap = |logp: &[Vec<f64>], i: usize, u: usize| {
        (logp[i][u] - b.old[i][u]).max(-c.log_ratio_limit).min(c.log_ratio_limit)
    };
    let ratio = |logp: &[Vec<f64>], i: usize, t: usize| match c.level {
        Level::Token => gap(logp, i, t).exp(),
        Level::Sequence => (sum(i, &|u| gap(logp, i, u)) / n(i)).exp(),
        // The value of the sequence, the gradient of the token.
        Level::SequenceToken => (sum(i, &|u| gap(&b.now, i, u)) / n(i)).exp() * (logp[i][t] - b.now[i][t]).exp(),
    };
    let weight = |i: usize, t: usize| {
        let Some(mode) = c.importance.mode else { return 1.0 };
        let (lo, hi) = (c.importance.min, c.importance.max);
        let token = (b.old[i][t] - b.sampling[i][t]).exp();
        let whole = sum(i, &|u| b.old[i][u] - b.sampling[i][u]).exp();
        let inside = |w: f64| if w < lo || w > hi { 0.0 } else { w };
        match mode {
            ImportanceMode::TokenTruncate => token.clamp(lo, hi),
            ImportanceMode::TokenMask => inside(token),
            ImportanceMode::SequenceTruncate => whole.clamp(lo, hi),
            ImportanceMode::SequenceMask => inside(whole),
        }
    };
    let counts = |i: usize, t: usize| b.mask[i][t] > 0.0 && (c.count == Count::All || weight(i, t) > 0.0);
    let counted: Vec<f64> = (0..rows).map(|i| (0..width).filter(|t| counts(i, *t)).count() as f64).collect();
    let sequences = counted.iter().filter(|m| c.count == Count::All || **m > 0.0).count() as f64;
    let tokens = counted.iter().sum::<f64>();

    let mut total = 0.0;
    for i in (0..rows).filter(|i| n(*i) > 0.0) {
        let mean_a = sum(i, &|t| b.advantage[i][t]) / n(i);
        let stale = sum(i, &|t| b.sampling[i][t] - b.now[i][t]) / n(i);
        let kept = c.off_policy_mask.is_none_or(|bound| mean_a >= 0.0 || stale <= bound);
        let mut row = 0.0;
        for t in (0..width).filter(|t| b.mask[i][*t] > 0.0) {
            if c.count == Count::Trained && weight(i, t) == 0.0 {
                continue;
            }
            let (a, r, fixed) = (b.advantage[i][t], ratio(at, i, t), ratio(&b.now, i, t));
            let mut cost = match c.loss_type {
                LossType::Cispo => -fixed.min(c.cispo_cap) * a * at[i][t],
                LossType::Sapo => {
                    let tau = if a > 0.0 { c.sapo_tau_pos } else { c.sapo_tau_neg };
                    -4.0 * a / (tau * (1.0 + (tau - tau * r).exp()))
                }
                LossType::Vespo => {
                    let corrected = |u: usize| if c.importance.mode.is_some() { weight(i, u).max(1e-8) } else { 1.0 };
                    let w = sum(i, &|u| b.now[i][u] - b.old[i][u] + corrected(u).ln()).exp().clamp(1e-8, 20f64.exp());
                    let (k, l) = if a >= 0.0 {
                        (c.vespo.k_pos, c.vespo.lambda_pos)
                    } else {
                        (c.vespo.k_neg, c.vespo.lambda_neg)
                    };
                    -(w.powf(k) * (l - l * w).exp()) * a * at[i][t]
                }
                _ => {
                    let capped = c.delta.map_or(r, |d| r.min(d));
                    -(capped * a).min(r.max(1.0 - c.epsilon_low).min(1.0 + c.epsilon_high) * a)
                }
            };
            if !kept {
                cost = 0.0;
            }
            if c.loss_type != LossType::Vespo {
                cost *= weight(i, t);
            }
            let x = b.reference[i][t] - at[i][t];
            cost += c.beta * (x.exp() - x - 1.0) * if c.kl_bias_correction { r } else { 1.0 };
            row += cost;
        }
        total += match c.loss_type {
            LossType::Grpo | LossType::Sapo => row / counted[i].max(1.0) / sequences.max(1.0),
            LossType::DrGrpo => row / (sequences.max(1.0) * c.max_completion as f64),
            LossType::Luspo => row / sequences.max(1.0),
            _ => row / tokens.max(1.0),
        };
    }
    total
}

/// Whether a step of finite size would cross one of the loss's kinks.
fn near_a_kink(c: &GrpoConfig, s: &Sequence, t: usize) -> bool {
    let active: Vec<usize> = s.active_tokens().collect();
    let mean = |f: &dyn Fn(usize) -> f64| active.iter().map(|&u| f(u)).sum::<f64>() / active.len() as f64;
    let log = |u: usize| (s.logp[u] - s.old_at(u)).clamp(-c.log_ratio_limit, c.log_ratio_limit);
    let at_limit = ((s.logp[t] - s.old_at(t)).abs() - c.log_ratio_limit).abs() < 1e-4;
    let r = if c.level == Level::Token { log(t) } else { mean(&log) }.exp();
    let edges = [1.0 - c.epsilon_low, 1.0 + c.epsilon_high, c.delta.unwrap_or(f64::MAX)];
    at_limit || edges.iter().any(|e| (r - e).abs() < 1e-4)
}

fn sequence() -> impl Strategy<Value = Sequence> {
    let gap = prop_oneof![Just(0.0), -0.4..0.4f64, -1.5..1.5f64];
    let token = (-4.0..0.0f64, gap.clone(), gap.clone(), gap, any::<bool>(), -2.0..2.0f64);
    let advantage = prop_oneof![Just(0.0), -2.0..2.0f64];
    (prop::collection::vec(token, 0..7), prop::option::of(advantage), prop::bool::weighted(0.9)).prop_map(
        |(tokens, whole, trained)| Sequence {
            logp: tokens.iter().map(|t| t.0).collect(),
            old: Some(tokens.iter().map(|t| t.0 + t.1).collect()),
            sampling: Some(tokens.iter().map(|t| t.0 + t.1 + t.2).collect()),
            reference: Some(tokens.iter().map(|t| t.0 + t.3).collect()),
            mask: tokens.iter().map(|t| t.4).collect(),
            credit: whole.map_or_else(|| Credit::Tokens(tokens.iter().map(|t| t.5).collect()), Credit::Sequence),
            trained,
        },
    )
}

fn config() -> impl Strategy<Value = GrpoConfig> {
    let modes = [
        None,
        Some(ImportanceMode::TokenTruncate),
        Some(ImportanceMode::TokenMask),
        Some(ImportanceMode::SequenceTruncate),
        Some(ImportanceMode::SequenceMask),
    ];
    let shape = (
        prop::sample::select(&LOSSES[..]),
        prop::sample::select(vec![Level::Token, Level::Sequence, Level::SequenceToken]),
        prop::sample::select(vec![Count::All, Count::Trained]),
        prop::sample::select(modes.to_vec()),
    );
    let numbers = (
        prop::option::of(1.4..3.0f64),
        prop_oneof![Just(0.0), Just(0.04)],
        any::<bool>(),
        prop::option::of(-0.3..0.5f64),
        prop_oneof![Just(20.0), Just(0.7)],
    );
    (shape, numbers).prop_map(
        |((loss_type, level, count, mode), (delta, beta, kl_bias_correction, off_policy_mask, log_ratio_limit))| {
            GrpoConfig {
                loss_type,
                level,
                count,
                delta,
                beta,
                kl_bias_correction,
                off_policy_mask,
                log_ratio_limit,
                cispo_cap: 1.3,
                max_completion: 8,
                importance: Importance { mode, min: 0.7, max: 1.6 },
                ..GrpoConfig::m2()
            }
        },
    )
}

fn whole(c: &GrpoConfig, batch: &[Sequence]) -> (f64, Vec<Vec<f64>>, Tally) {
    let out = loss(c, batch, Over::step(c, batch)).expect("a sound batch");
    (out.loss, out.dlogp, out.tally)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

fn batch() -> impl Strategy<Value = Vec<Sequence>> {
    prop::collection::vec(sequence(), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_loss_and_its_gradient_are_those_of_the_slow_implementation(c in config(), batch in batch()) {
        let (found, dlogp, _) = whole(&c, &batch);
        let b = padded(&batch);
        let expected = naive(&c, &b, &b.now);
        prop_assert!(close(found, expected, 1e-12), "{found} is not {expected}");
        for (i, s) in batch.iter().enumerate() {
            for t in (0..s.len()).filter(|t| !s.active(*t) || !near_a_kink(&c, s, *t)) {
                let h = 1e-5;
                let moved = |by: f64| {
                    let mut at = b.now.clone();
                    at[i][t] += by;
                    naive(&c, &b, &at)
                };
                let numeric = (moved(h) - moved(-h)) / (2.0 * h);
                prop_assert!(close(dlogp[i][t], numeric, 1e-7), "{i} {t}: {} is not {numeric}", dlogp[i][t]);
            }
        }
    }

    #[test]
    fn padding_order_and_micro_batches_do_not_matter(
        c in config(),
        batch in batch(),
        cuts in prop::collection::vec(any::<bool>(), 6),
    ) {
        let (expected, dlogp, tally) = whole(&c, &batch);

        // Padding, with numbers that would spoil any sum they entered.
        let mut wide = batch.clone();
        for s in &mut wide {
            for values in [Some(&mut s.logp), s.old.as_mut(), s.sampling.as_mut(), s.reference.as_mut()].into_iter().flatten() {
                values.splice(0..0, [f64::NAN, f64::NEG_INFINITY]);
                values.push(f64::INFINITY);
            }
            s.mask.splice(0..0, [false, false]);
            s.mask.push(false);
            if let Credit::Tokens(each) = &mut s.credit {
                each.splice(0..0, [f64::NAN; 2]);
                each.push(f64::NAN);
            }
        }
        let (found, wide_dlogp, _) = whole(&c, &wide);
        prop_assert_eq!(found, expected);
        for (wide, narrow) in wide_dlogp.iter().zip(&dlogp) {
            prop_assert_eq!(&wide[2..wide.len() - 1], &narrow[..]);
        }

        let mut turned = batch.clone();
        turned.reverse();
        let (found, turned_dlogp, _) = whole(&c, &turned);
        prop_assert!(close(found, expected, 1e-12));
        for (x, y) in turned_dlogp.iter().rev().flatten().zip(dlogp.iter().flatten()) {
            prop_assert!(close(*x, *y, 1e-12));
        }

        let over = Over::step(&c, &batch);
        let (mut sum, mut parts, mut merged) = (0.0, Vec::new(), Tally::default());
        for part in batch.chunk_by({ let mut k = 0; move |_, _| { k += 1; !cuts[k - 1] } }) {
            let out = loss(&c, part, over).expect("a sound part");
            sum += out.loss;
            parts.extend(out.dlogp);
            merged.merge(&out.tally);
        }
        prop_assert!(close(sum, expected, 1e-12), "{sum} is not {expected}");
        prop_assert_eq!(parts, dlogp);
        prop_assert_eq!(merged.metrics(&c).len(), tally.metrics(&c).len());
        for (name, value) in merged.metrics(&c) {
            prop_assert!(close(value, tally.metrics(&c)[&name], 1e-12), "{name}");
        }
    }
}

#[test]
fn an_unsound_batch_is_refused_with_the_place() {
    let c = GrpoConfig::m2();
    let refused = |s: Sequence, c: &GrpoConfig| {
        let batch = [Sequence::on_policy(vec![-1.0], 0.5), s];
        loss(c, &batch, Over { sequences: 2.0, tokens: 2.0 }).expect_err("unsound").to_string()
    };
    let sound = || Sequence::on_policy(vec![-1.0, -2.0], 1.0);
    let text = refused(Sequence { logp: vec![-1.0, f64::NEG_INFINITY], ..sound() }, &c);
    assert!(text.contains("sequence 1, token 1: logp is -inf") && text.contains("hint:"), "{text}");
    assert!(refused(Sequence { credit: Credit::Sequence(f64::NAN), ..sound() }, &c).contains("advantage is NaN"));
    assert!(refused(Sequence { mask: vec![true], ..sound() }, &c).contains("mask has 1 entries, logp has 2"));
    let kl = GrpoConfig { beta: 0.1, ..c.clone() };
    let all = Sequence { reference: Some(vec![-1.0]), ..Sequence::on_policy(vec![-1.0], 0.5) };
    let e = loss(&kl, &[all, sound()], Over { sequences: 2.0, tokens: 2.0 }).expect_err("no reference");
    assert!(e.to_string().contains("reference is needed and missing"), "{e}");
}

#[test]
fn on_policy_the_gradient_is_minus_the_advantage_and_shuffling_rewards_of_a_flat_group_does_nothing() {
    let c = GrpoConfig { max_completion: 4, ..GrpoConfig::m2() };
    let batch = [Sequence::on_policy(vec![-1.0, -0.1], 0.5), Sequence::on_policy(vec![-3.0], -0.5)];
    let (_, dlogp, _) = whole(&c, &batch);
    assert_eq!(dlogp, [vec![-0.0625, -0.0625], vec![0.0625]]);
    let flat = [Sequence::on_policy(vec![-1.0, -0.1], 0.0), Sequence::on_policy(vec![-3.0], 0.0)];
    assert!(whole(&c, &flat).1.iter().flatten().all(|d| *d == 0.0));
}
