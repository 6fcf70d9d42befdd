//! The loss against numbers that TRL 1.16.0 itself computed (`golden/grpo_golden.json`: its `GRPOTrainer._compute_loss` run on
//! fixed tensors in f64, 23 configurations; numbers alone), and against cases other libraries worked by hand.

use bedside_train::grpo::config::{Count, Level, LossType};
use bedside_train::grpo::{
    AdvantageConfig, Credit, GrpoConfig, Importance, ImportanceMode, LossOutput, Over, RewardScale, Sequence,
    advantages, loss,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/grpo_golden.json")).expect("JSON")
}

fn rows(v: &Value) -> Vec<Vec<f64>> {
    v.as_array().expect("rows").iter().map(numbers).collect()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("number")).collect()
}

/// TRL's defaults with what a case sets.
fn config(case: &Value) -> GrpoConfig {
    let c = &case["config"];
    let number = |key: &str| c[key].as_f64();
    let loss_type: LossType = serde_json::from_value(c["loss_type"].clone()).expect("a loss");
    let scale = match c["scale"].as_str() {
        Some("group") => RewardScale::Group,
        Some("batch") => RewardScale::Batch,
        _ => RewardScale::None,
    };
    let epsilon_low = number("eps").unwrap_or(0.2);
    GrpoConfig {
        loss_type,
        level: if c["level"] == "sequence" { Level::Sequence } else { Level::Token },
        epsilon_low,
        // TRL's one `epsilon_high` is CISPO's cap and everyone else's distance from 1.
        epsilon_high: number("eps_high").unwrap_or(epsilon_low),
        cispo_cap: number("eps_high").unwrap_or(5.0),
        // TRL chooses between its two temperatures with `torch.where`, which makes them f32.
        sapo_tau_neg: f64::from(1.05f32),
        delta: number("delta_"),
        beta: number("beta").unwrap_or(0.0),
        kl_bias_correction: c["bias_kl"].as_bool().unwrap_or(true),
        max_completion: number("lmax").unwrap_or(8.0) as usize,
        importance: Importance {
            mode: c["is_mode"].as_str().map(|m| serde_json::from_value(Value::from(m)).expect("a mode")),
            min: number("cmin").unwrap_or(0.0),
            max: number("cmax").unwrap_or(3.0),
        },
        off_policy_mask: number("opsm"),
        count: Count::All,
        advantage: AdvantageConfig { scale, ..AdvantageConfig::default() },
        length_bonus: None,
        ..GrpoConfig::m2()
    }
}

/// The file's batch; `round` is applied to every log-probability.
fn batch(file: &Value, case: &Value, config: &GrpoConfig, round: impl Fn(f64) -> f64) -> Vec<Sequence> {
    let get = |key: &str| rows(&file[key]);
    let (logp, old, reference, sampling) = (get("cur_logp"), get("old_logp"), get("ref_logp"), get("sampling_logp"));
    let (completion, tool) = (get("completion_mask"), get("tool_mask"));
    let use_tool = case["config"]["use_tool"].as_bool().unwrap_or(false);
    let rewards: Vec<Vec<Option<f64>>> =
        numbers(&file["rewards"]).chunks(2).map(|g| g.iter().copied().map(Some).collect()).collect();
    let a: Vec<f64> = advantages(&config.advantage, &rewards).values.concat();
    let rounded = |row: &[f64]| row.iter().map(|x| round(*x)).collect::<Vec<f64>>();
    (0..a.len())
        .map(|i| Sequence {
            logp: rounded(&logp[i]),
            old: Some(rounded(&old[i])),
            sampling: Some(rounded(&sampling[i])),
            reference: Some(rounded(&reference[i])),
            mask: completion[i].iter().zip(&tool[i]).map(|(c, t)| *c > 0.0 && (*t > 0.0 || !use_tool)).collect(),
            credit: Credit::Sequence(a[i]),
            trained: true,
        })
        .collect()
}

fn run(case: &Value, config: &GrpoConfig, batch: &[Sequence]) -> LossOutput {
    let tokens: usize = batch.iter().map(|s| s.active_tokens().count()).sum();
    let whole = |key: &str| case["config"][key].as_u64().unwrap_or(1) as usize;
    let over = Over::trl(config, batch, whole("gas"), whole("spg"), tokens as f64);
    loss(config, batch, over).expect("a sound batch")
}

/// Greatest difference of loss, gradient and metrics from the file.
fn check(round: impl Fn(f64) -> f64 + Copy, tolerance: f64) {
    let file = golden();
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 23);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let config = config(case);
        let batch = batch(&file, case, &config, round);
        let out = run(case, &config, &batch);
        let near = |what: String, found: f64, expected: f64| {
            assert!((found - expected).abs() <= tolerance, "{name}, {what}: {found} is not {expected}");
        };
        near("loss".to_owned(), out.loss, case["loss"].as_f64().expect("a loss"));
        for (i, (found, expected)) in out.dlogp.iter().zip(rows(&case["dlogp"])).enumerate() {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).enumerate().for_each(|(t, (f, e))| near(format!("dlogp {i} {t}"), *f, e));
        }
        let metrics = out.tally.metrics(&config);
        for (key, expected) in case["metrics"].as_object().expect("metrics") {
            near(key.clone(), metrics[key], expected.as_f64().expect("a number"));
        }
    }
}

#[test]
fn all_golden_losses_gradients_and_metrics_agree_in_f64() {
    check(|x| x, 1e-10);
}

#[test]
fn all_golden_losses_and_gradients_agree_from_f32_inputs() {
    check(|x| f64::from(x as f32), 1e-5);
}

#[test]
fn the_golden_advantages_agree() {
    let file = golden();
    let rewards: Vec<Vec<Option<f64>>> =
        numbers(&file["rewards"]).chunks(2).map(|g| g.iter().copied().map(Some).collect()).collect();
    for (name, scale) in [("none", RewardScale::None), ("group", RewardScale::Group), ("batch", RewardScale::Batch)] {
        let found = advantages(&AdvantageConfig { scale, ..Default::default() }, &rewards).values.concat();
        for (f, e) in found.iter().zip(numbers(&file["advantages"][name])) {
            assert!((f - e).abs() < 1e-12, "{name}: {f} is not {e}");
        }
    }
}

/// One token a sequence with a given ratio and advantage, summed over the tokens given.
fn mean_loss(config: &GrpoConfig, pairs: &[(f64, f64)]) -> f64 {
    let one = |(a, r): &(f64, f64)| Sequence { old: Some(vec![-1.0]), ..Sequence::on_policy(vec![-1.0 + r.ln()], *a) };
    let batch: Vec<Sequence> = pairs.iter().map(one).collect();
    loss(config, &batch, Over::step(config, &batch)).expect("a sound batch").loss
}

fn token_mean() -> GrpoConfig {
    GrpoConfig { loss_type: LossType::Bnpo, ..GrpoConfig::m2() }
}

#[test]
fn single_tokens_cost_what_was_worked_by_hand() {
    let dual = GrpoConfig { delta: Some(10.0), ..token_mean() };
    let cases = [(1.0, 1.5, -1.28), (1.0, 0.5, -0.5), (-1.0, 1.5, 1.5), (-1.0, 0.5, 0.8), (-1.0, 12.0, 10.0)];
    for (a, r, expected) in cases {
        let found = mean_loss(&dual, &[(a, r)]);
        assert!((found - expected).abs() < 1e-12, "A {a}, r {r}: {found} is not {expected}");
    }
}

#[test]
fn nemo_rls_hand_cases_agree() {
    // PPO clip 0.2: (-0.5 + 1 - 2.4) / 3; dual clip 3: (-0.5 + 1 + 12) / 3.
    let plain = GrpoConfig { epsilon_high: 0.2, ..token_mean() };
    let found = mean_loss(&plain, &[(1.0, 0.5), (-1.0, 1.0), (2.0, 1.5)]);
    assert!((found - -0.633_333_333).abs() < 1e-8, "{found}");
    let dual = GrpoConfig { delta: Some(3.0), ..plain };
    let found = mean_loss(&dual, &[(1.0, 0.5), (-1.0, 1.0), (-4.0, 10.0)]);
    assert!((found - 4.166_666_667).abs() < 1e-8, "{found}");
}

#[test]
fn verls_four_ways_to_add_up_agree() {
    // Two sequences of 2 and 3 tokens, each token costs 1 on-policy (A = -1, r = 1).
    let batch = [Sequence::on_policy(vec![-1.0; 2], -1.0), Sequence::on_policy(vec![-1.0; 3], -1.0)];
    let of = |loss_type| {
        let c = GrpoConfig { loss_type, max_completion: 10, ..GrpoConfig::m2() };
        loss(&c, &batch, Over::step(&c, &batch)).expect("sound").loss
    };
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    near(of(LossType::Dapo), 1.0); // token-mean: 5 / 5
    near(of(LossType::Grpo), 1.0); // seq-mean-token-mean: (1 + 1) / 2
    near(of(LossType::Luspo), 2.5); // seq-mean-token-sum: (2 + 3) / 2
    near(of(LossType::DrGrpo), 0.25); // the same over l_max; verl's own norm divides the sum and has no 1/2
}

#[test]
fn a_rejected_token_leaves_the_count_or_shrinks_the_rest_as_asked() {
    let s = Sequence {
        old: Some(vec![-1.0; 2]),
        sampling: Some(vec![-1.0, -4.0]),
        ..Sequence::on_policy(vec![-1.0; 2], -1.0)
    };
    let importance = Importance { mode: Some(ImportanceMode::TokenMask), min: 0.5, max: 2.0 };
    let of = |count| {
        let c = GrpoConfig { importance, count, ..token_mean() };
        let out = loss(&c, std::slice::from_ref(&s), Over::step(&c, std::slice::from_ref(&s))).expect("sound");
        (out.loss, out.dlogp[0].clone())
    };
    assert_eq!(of(Count::All), (0.5, vec![0.5, 0.0]));
    assert_eq!(of(Count::Trained), (1.0, vec![1.0, 0.0]));
}

#[test]
fn a_stale_sequence_with_a_negative_advantage_is_masked_and_a_positive_one_is_not() {
    let stale = |a| Sequence { old: Some(vec![-1.0; 2]), ..Sequence::on_policy(vec![-2.0; 2], a) };
    let c = GrpoConfig { off_policy_mask: Some(0.5), ..token_mean() };
    let batch = [stale(-1.0), stale(1.0)];
    let out = loss(&c, &batch, Over::step(&c, &batch)).expect("sound");
    assert_eq!(out.dlogp[0], [0.0, 0.0]);
    assert!(out.dlogp[1][0] < 0.0);
    assert_eq!(out.tally.metrics(&c)["off_policy_masked_ratio"], 0.5);
}
