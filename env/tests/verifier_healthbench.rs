//! HealthBench's formulae against golden vectors, laws, and a second implementation written another way.

use bedside_env::rubric::Points;
use bedside_env::seed::Seed;
use bedside_env::verifier::healthbench::{self, Example, Graded, Malformed, report};
use bedside_env::verifier::reliability::{Answered, agreement, win_rate, worst_at_k, worst_at_k_over};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn example(points: &[i8], met: &[bool]) -> Example {
    let graded = |(p, m): (&i8, &bool)| Graded { points: Points::new(*p).expect("legal"), met: *m, tags: Vec::new() };
    Example { criteria: points.iter().zip(met).map(graded).collect(), tags: Vec::new() }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn scores_equal_the_golden_vectors() {
    assert_eq!(example(&[7, 5, 10, -6], &[true, false, true, true]).score(), Some(0.5));
    assert_eq!(example(&[-6, -2], &[true, false]).score(), None);
    assert_eq!(example(&[5, -10], &[false, true]).score(), Some(-2.0));
}

#[test]
fn agreement_equals_the_golden_vector() {
    let others: [&[bool]; 3] = [&[true, true, false], &[true, false], &[false]];
    let a = agreement([true, false, true].into_iter().zip(others));
    let is = |s: healthbench_share::Share, v: f64, n: usize| s.n == n && s.value.is_some_and(|x| close(x, v));
    assert!(is(a.precision_met, 0.5, 4) && is(a.precision_unmet, 0.5, 2));
    assert!(is(a.recall_met, 2.0 / 3.0, 3) && is(a.recall_unmet, 1.0 / 3.0, 3));
    assert!(close(a.f1_met.unwrap(), 4.0 / 7.0) && close(a.f1_unmet.unwrap(), 0.4));
    assert!(close(a.balanced.unwrap(), (4.0 / 7.0 + 0.4) / 2.0));
}

mod healthbench_share {
    pub use bedside_env::verifier::reliability::Share;
}

#[test]
fn a_rater_who_agrees_with_nobody_in_particular_scores_one_half() {
    let items: Vec<(bool, Vec<bool>)> = (0..400u32).map(|i| (i % 2 == 0, vec![i % 4 < 2, i % 8 < 4])).collect();
    let a = agreement(items.iter().map(|(own, others)| (*own, &others[..])));
    assert!(close(a.balanced.unwrap(), 0.5));
    let same = agreement([true, false].iter().map(|own| (*own, std::slice::from_ref(own))));
    assert_eq!(same.balanced, Some(1.0));
    assert_eq!(agreement([(true, &[true][..])]).balanced, None, "no unmet pair: the macro mean is not defined");
}

#[test]
fn worst_at_k_equals_the_golden_vector() {
    let scores = [0.9, 0.2, 0.5, 0.75];
    for (k, want) in [(1, 0.5875), (2, 0.391_666_666_666_666_7), (3, 0.275), (4, 0.2)] {
        assert!(close(worst_at_k(&scores, k).unwrap(), want), "k = {k}");
    }
    assert_eq!(worst_at_k(&scores, 0), None);
    assert_eq!(worst_at_k(&scores, 5), None);
    assert_eq!(worst_at_k_over(&[vec![-1.0, -2.0], vec![0.5, 0.5]], 2), Some(0.0), "clipped after the mean");
}

#[test]
fn only_the_mean_is_clipped() {
    let r = report(&[example(&[5, -10], &[false, true]), example(&[5], &[true])], Seed(1)).unwrap();
    assert_eq!(r.overall.mean, 0.0, "(-2 + 1) / 2 is below 0");
    let r = report(&[example(&[5, -2], &[true, true]), example(&[5], &[true])], Seed(1)).unwrap();
    assert!(close(r.overall.mean, 0.8));
}

#[test]
fn tags_that_occur_twice_and_rubrics_without_positive_points_are_refused() {
    let mut twice = example(&[5], &[true]);
    twice.criteria[0].tags = vec!["axis:accuracy".to_owned(); 2];
    assert!(matches!(report(&[twice], Seed(1)), Err(Malformed::DuplicateTag { example: 0, .. })));
    let mut both = example(&[5], &[true]);
    both.tags = vec!["x".to_owned()];
    both.criteria[0].tags = vec!["x".to_owned()];
    assert!(matches!(report(&[both], Seed(1)), Err(Malformed::DuplicateTag { .. })));
    let fine = example(&[5], &[true]);
    assert_eq!(report(&[fine, example(&[-5], &[true])], Seed(1)), Err(Malformed::NoPositivePoints(1)));
}

#[test]
fn an_example_tag_receives_the_overall_score_and_an_axis_its_own() {
    let mut e = example(&[4, 6, -5], &[true, false, true]);
    e.tags = vec!["theme:hedging".to_owned()];
    for (c, axis) in e.criteria.iter_mut().zip(["axis:accuracy", "axis:completeness", "axis:completeness"]) {
        c.tags = vec![axis.to_owned()];
    }
    let r = report(&[e], Seed(1)).unwrap();
    assert_eq!(r.tags["theme:hedging"].mean, 0.0, "-1 of 10, clipped");
    assert_eq!(r.tags["axis:accuracy"].mean, 1.0);
    assert_eq!(r.tags["axis:completeness"].mean, 0.0);
}

#[test]
fn an_axis_of_negative_items_alone_is_not_defined() {
    let mut e = example(&[4, -5], &[true, true]);
    e.criteria[0].tags = vec!["axis:accuracy".to_owned()];
    e.criteria[1].tags = vec!["axis:completeness".to_owned()];
    let r = report(&[e], Seed(1)).unwrap();
    assert!(!r.tags.contains_key("axis:completeness"));
}

#[test]
fn consensus_and_hard_follow_their_rules() {
    let mut e = example(&[4, 5], &[true, false]);
    assert_eq!(e.consensus(), None);
    e.criteria[0].tags.push(healthbench::CONSENSUS.to_owned());
    assert_eq!(e.consensus().and_then(|c| c.score()), Some(1.0));
    let problems = vec![
        ("a", vec![0.0, -0.5]),
        ("b", vec![0.1, -0.5]),
        ("c", vec![0.9, 0.9]),
        ("d", vec![0.2, 0.2]),
        ("e", vec![0.3, 0.1]),
    ];
    assert_eq!(healthbench::hard(&problems, 3), ["b", "d", "e"], "a: nobody scored; ties stand in id order");
}

#[test]
fn ties_count_for_nobody_and_long_answers_are_set_apart() {
    let a = |score, chars| Answered { score, chars };
    let w = win_rate(&[(vec![a(0.9, 1_000), a(0.5, 100)], vec![a(0.5, 105), a(0.4, 100)])], 0.1);
    assert_eq!((w.raw.value, w.raw.n), (Some(1.0), 3));
    assert_eq!(w.length_controlled.n, 1);
    let none = win_rate(&[(vec![a(0.5, 10)], vec![a(0.5, 10)])], 0.1);
    assert_eq!((none.raw.value, none.raw.n), (None, 0));
}

#[test]
fn the_bootstrap_error_is_the_standard_error_and_depends_on_the_seed_alone() {
    let scores: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 0.3 } else { 0.7 }).collect();
    let s = healthbench::summary(&scores, Seed(3), "overall");
    assert!((s.std - 0.2 / 20.0).abs() < 0.001, "{}", s.std);
    assert_eq!(s, healthbench::summary(&scores, Seed(3), "overall"));
    let (low, high) = healthbench::interval(&scores, Seed(3), "overall", 0.95).unwrap();
    assert!(low < 0.5 && high > 0.5 && high - low < 0.05);
}

/// The same formulae as one reads them, a table at a time.
mod naive {
    use super::*;

    pub fn score(e: &Example, tag: Option<&str>) -> Option<f64> {
        let rows: Vec<(f64, f64)> = e
            .criteria
            .iter()
            .filter(|c| tag.is_none_or(|t| c.tags.contains(&t.to_owned())))
            .map(|c| (f64::from(c.points.get()), if c.met { 1.0 } else { 0.0 }))
            .collect();
        let possible: f64 = rows.iter().filter(|r| r.0 > 0.0).map(|r| r.0).sum();
        if possible == 0.0 {
            return None;
        }
        Some(rows.iter().map(|r| r.0 * r.1).sum::<f64>() / possible)
    }

    pub fn means(examples: &[Example]) -> BTreeMap<String, f64> {
        let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for e in examples {
            let all = score(e, None).expect("positive points");
            columns.entry("overall".to_owned()).or_default().push(all);
            for t in &e.tags {
                columns.entry(t.clone()).or_default().push(all);
            }
            let mut tags: Vec<&String> = e.criteria.iter().flat_map(|c| &c.tags).collect();
            tags.sort();
            tags.dedup();
            for t in tags {
                if let Some(s) = score(e, Some(t)) {
                    columns.entry(t.clone()).or_default().push(s);
                }
            }
        }
        let mean = |v: Vec<f64>| (v.iter().sum::<f64>() / v.len() as f64).clamp(0.0, 1.0);
        columns.into_iter().map(|(k, v)| (k, mean(v))).collect()
    }

    pub fn worst(scores: &[f64], k: usize) -> f64 {
        let n = scores.len();
        let minima: Vec<f64> = (0u32..1 << n)
            .filter(|set| set.count_ones() as usize == k)
            .map(|set| (0..n).filter(|i| set & (1 << i) != 0).map(|i| scores[i]).fold(f64::INFINITY, f64::min))
            .collect();
        minima.iter().sum::<f64>() / minima.len() as f64
    }
}

fn criterion() -> impl Strategy<Value = Graded> {
    let points = prop_oneof![1i8..=10, -10i8..=-1];
    let axis = prop::sample::select(vec!["axis:accuracy", "axis:completeness", "axis:context_awareness"]);
    (points, any::<bool>(), axis, any::<bool>()).prop_map(|(p, met, axis, cluster)| {
        let mut tags = vec![axis.to_owned()];
        if cluster {
            tags.push(healthbench::CONSENSUS.to_owned());
        }
        Graded { points: Points::new(p).expect("legal"), met, tags }
    })
}

fn examples() -> impl Strategy<Value = Vec<Example>> {
    let theme = prop::sample::select(vec!["theme:hedging", "theme:communication"]);
    let one = (prop::collection::vec(criterion(), 0..12), theme).prop_map(|(mut criteria, theme)| {
        // At least one desired behaviour, as the formula asks.
        criteria.push(Graded { points: Points::new(3).expect("legal"), met: true, tags: Vec::new() });
        Example { criteria, tags: vec![theme.to_owned()] }
    });
    prop::collection::vec(one, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_score_is_never_above_one(items in prop::collection::vec(criterion(), 0..30)) {
        let e = Example { criteria: items, tags: Vec::new() };
        prop_assert_eq!(e.score().is_some(), e.criteria.iter().any(|c| c.points.get() > 0));
        prop_assert!(e.score().is_none_or(|s| s <= 1.0));
    }

    #[test]
    fn order_does_not_matter((items, shuffled) in prop::collection::vec(criterion(), 1..20)
        .prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())))
    {
        let of = |criteria| Example { criteria, tags: Vec::new() };
        prop_assert_eq!(of(items).score(), of(shuffled).score());
    }

    #[test]
    fn both_implementations_agree(all in examples()) {
        let ours = report(&all, Seed(9)).expect("well formed");
        let theirs = naive::means(&all);
        prop_assert!(close(ours.overall.mean, theirs["overall"]));
        prop_assert_eq!(ours.tags.len() + 1, theirs.len());
        for (tag, s) in &ours.tags {
            prop_assert!(close(s.mean, theirs[tag]), "{}", tag);
        }
    }

    #[test]
    fn the_closed_form_equals_every_subset(scores in prop::collection::vec(-1.0f64..1.0, 1..9), k in 1usize..9) {
        if let Some(w) = worst_at_k(&scores, k) {
            prop_assert!((w - naive::worst(&scores, k)).abs() < 1e-9);
        } else {
            prop_assert!(k > scores.len());
        }
    }
}
