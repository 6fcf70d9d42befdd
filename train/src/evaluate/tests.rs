use super::*;
use crate::policy_folder::PolicyFolder;
use crate::stage::NumberFormat;
use bedside_env::EnvConfig;
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_lm::testing::{lively, tiny};
use bedside_lm::tokens::train_bpe;
use bedside_lm::{ChatTemplate, LmConfig, LmPolicyConfig};
use bedside_records::kb::{Generator, KnowledgeBase, Pool, Population};
use bedside_replays::replay::{Mode, Outcome as Replay, ReplayConfig, replay_all};
use bedside_replays::{Log, WriterPolicy};
use std::collections::BTreeMap;
use std::sync::Arc;

fn course(cases: usize, seeds: u64, threads: usize) -> Course {
    let generator = Generator::new(KnowledgeBase::builtin(), Population { pool: Pool::All, ..Population::default() });
    let records = (0..).filter_map(|s| generator.generate(Seed(s))).take(cases);
    let mut config = EnvConfig::default();
    config.limits.max_turns = 8;
    Course { cases: Arc::new(records.map(Case::new).collect()), config, seeds: (0..seeds).map(Seed).collect(), threads }
}

fn scripted(course: &Course, name: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut who = Contestant::find(name, &LmSettings::default()).expect("known");
    compete(course, &mut who, |p| rows.push(p.row)).expect("played");
    rows
}

fn row(case: usize, seed: u64, score: Option<f64>) -> Row {
    Row {
        case,
        record: format!("r{case}"),
        seed,
        score,
        unscored: score.is_none().then_some(bedside_env::step::Unscored::Unjudged),
        axes: BTreeMap::from([("accuracy".to_owned(), score), ("completeness".to_owned(), None)]),
        diagnosis_top1: Some(f64::from(u8::from(case == 0))),
        fact_coverage: None,
        turns: 4,
        tokens: None,
        persona: Some(if case == 0 { "ENFP" } else { "ISTJ" }.to_owned()),
        source: "made up".to_owned(),
        condition: if case == 0 { "known" } else { "held_out" }.to_owned(),
        ending: "diagnosis_given".to_owned(),
    }
}

#[test]
fn the_rows_do_not_depend_on_threads_and_come_in_the_order_cases_x_seeds() {
    let one = scripted(&course(9, 3, 1), "random");
    let four = scripted(&course(9, 3, 4), "random");
    assert_eq!(one, four);
    let order: Vec<(usize, u64)> = one.iter().map(|r| (r.case, r.seed)).collect();
    let wanted: Vec<(usize, u64)> = (0..9).flat_map(|c| (0..3).map(move |s| (c, s))).collect();
    assert_eq!(order, wanted);
}

#[test]
fn the_oracle_beats_random_on_the_same_cases_and_is_one_where_random_is_zero() {
    let course = course(24, 2, 2);
    let (random, oracle, middle) =
        (scripted(&course, "random"), scripted(&course, "oracle"), scripted(&course, "information-gain"));
    assert!(random.iter().zip(&oracle).all(|(a, b)| (a.case, a.seed, &a.persona) == (b.case, b.seed, &b.persona)));
    let yard = Some(Yardsticks { random: &random, oracle: &oracle });
    let of = |rows: &[Row]| summarise("p", "p", rows, Some(("random", &random[..])), yard);
    assert_eq!(of(&random).ons.map(|i| (i.mean, i.lo, i.hi)), Some((0.0, 0.0, 0.0)));
    assert_eq!(of(&oracle).ons.map(|i| (i.mean, i.lo, i.hi)), Some((1.0, 1.0, 1.0)));
    let middle = of(&middle);
    let ons = middle.ons.expect("defined");
    assert!(0.0 < ons.lo && ons.lo < ons.mean && ons.mean < 1.0, "{ons:?}");
    let versus = middle.versus.expect("a baseline");
    assert!(versus.difference.is_some_and(|d| d.lo > 0.0) && versus.improvement.is_some_and(|i| i.lo > 0.5));
    assert_eq!((middle.cases, middle.seeds, middle.consultations, middle.tokens), (24, 2, 48, None));
    let parts: usize = middle.by["condition"].values().map(|g| g.consultations).sum();
    assert_eq!(parts, 48);
    assert_eq!(middle.by["axis"].len(), 5);
    assert!(middle.by["persona"].len() > 5, "{:?}", middle.by["persona"].keys());
}

#[test]
fn an_unscored_consultation_is_counted_and_is_in_no_number() {
    let a = [row(0, 0, Some(1.0)), row(0, 1, None), row(1, 0, Some(0.5)), row(1, 1, Some(0.7))];
    let b = [row(0, 0, Some(0.4)), row(0, 1, Some(0.0)), row(1, 0, None), row(1, 1, Some(0.2))];
    let s = summarise("a", "a", &a, Some(("b", &b)), None);
    assert_eq!((s.consultations, s.unscored), (4, 1));
    // Case 0 is 1.0, case 1 is 0.6; the unscored one is no 0.
    assert!(s.score.is_some_and(|i| (i.mean - 0.8).abs() < 1e-12 && i.n == 2), "{:?}", s.score);
    assert_eq!(s.score_by_seed, [Some(0.75), Some(0.7)]);
    let versus = s.versus.expect("a baseline");
    // Both sides have (0, 0): 0.6, and (1, 1): 0.5.
    assert!(versus.difference.is_some_and(|d| (d.mean - 0.55).abs() < 1e-12 && d.n == 2), "{versus:?}");
    assert_eq!(versus.unpaired, 2);
    assert_eq!(versus.improvement.map(|i| i.mean), Some(1.0));
    assert_eq!((s.by["condition"]["known"].unscored, s.by["condition"]["held_out"].unscored), (1, 0));
    assert_eq!((&s.by["axis"]["completeness"].score, s.ons, s.random), (&None, None, None));
    assert_eq!(s.diagnosis_top1.map(|i| i.mean), Some(0.5));
    let none = summarise("n", "n", &[row(0, 0, None)], None, None);
    assert_eq!((none.score, none.iqm, none.unscored), (None, None, 1));
    let json = serde_json::to_value(&none).expect("JSON");
    assert!(json["score"].is_null() && json["versus"].is_null());
    let back: Summary = serde_json::from_value(json).expect("the same shape");
    assert_eq!(back, none);
}

/// A tiny model with random weights, as a folder.
fn folder(at: &std::path::Path) {
    let corpus = ["The pain is worse at night. When did the pain start?", "DIAGNOSIS READY: [gout]"];
    let tokenizer = train_bpe(corpus, 270).expect("trains");
    let config = LmConfig { vocab_size: 270, max_position_embeddings: 1024, ..tiny("llama") };
    let config_play = LmPolicyConfig { max_new_tokens: 6, ..LmPolicyConfig::stream() };
    PolicyFolder {
        weights: lively(config, 5).expect("weights"),
        tokenizer: Arc::new(tokenizer),
        chat: Arc::new(ChatTemplate::chatml()),
        config: config_play,
    }
    .save(at)
    .expect("saved");
}

#[test]
fn a_model_of_a_folder_plays_the_same_at_any_batch_and_its_log_replays() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path().join("tiny");
    folder(&at);
    let course = course(3, 2, 2);
    let play = |rows: usize, log: Option<&Log>| {
        let settings = LmSettings { rows, ..LmSettings::default() };
        let mut who = Contestant::find(at.to_str().expect("utf-8"), &settings).expect("a policy");
        assert!(who.id().starts_with("tiny@"), "{}", who.id());
        let writer = log.map(|l| l.writer(WriterPolicy::default()));
        let mut rows = Vec::new();
        compete(&course, &mut who, |p| {
            if let Some(w) = &writer {
                drop(w.record(&p.recording).expect("recorded"));
            }
            rows.push(p.row);
        })
        .expect("played");
        if let Some(w) = writer {
            w.close().expect("closed");
        }
        rows
    };
    let log = Log::in_memory();
    let rows = play(4, Some(&log));
    assert_eq!(rows, play(1, None));
    assert!(rows.iter().all(|r| r.tokens.is_some_and(|t| t > 0)), "{rows:?}");
    let config = ReplayConfig {
        scorer: course.config.scorer.clone(),
        ..ReplayConfig::new(Mode::ReExecute, course.config.units.clone())
    };
    let replayed = replay_all(&log, &config).expect("replayed");
    assert_eq!(replayed.len(), 6);
    assert!(replayed.iter().all(|r| matches!(r.outcome, Replay::Same)), "{:?}", replayed[0].outcome);
    let other = LmSettings { sampling: Some(bedside_lm::Sampling::GREEDY), ..LmSettings::default() };
    let greedy = Contestant::of_folder(&at, &other).expect("a policy");
    let plain = Contestant::of_folder(&at, &LmSettings::default()).expect("a policy");
    assert_ne!(greedy.id(), plain.id(), "how it samples is part of its name");
}

#[test]
fn nobody_of_this_name_is_an_error_with_a_hint() {
    let e = Contestant::find("house", &LmSettings::default()).err().expect("unknown").to_string();
    assert!(e.contains("`house`") && e.contains("hint: ") && e.contains("oracle"), "{e}");
}

#[test]
fn a_model_in_another_number_format_is_another_contestant() {
    let id = |dtype| {
        let settings = LmSettings { dtype, rows: 2, ..LmSettings::default() };
        Contestant::find(PolicyFolder::EMBEDDED, &settings).expect("embedded").id()
    };
    let (full, half) = (id(NumberFormat::F32), id(NumberFormat::Bf16));
    assert!(full != half && half.starts_with("embedded@"), "{full} and {half}");
    let wider = LmSettings { rows: 7, ..LmSettings::default() };
    assert_eq!(Contestant::find(PolicyFolder::EMBEDDED, &wider).expect("embedded").id(), full);
}
