use super::*;

/// A generator of its own, so that the second implementations share nothing with the first.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
    fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}

/// Percentiles of a statistic of resampled row numbers, the plain way.
fn naive(n: usize, seed: u64, statistic: impl Fn(&[usize], &mut Lcg) -> f64) -> (f64, f64) {
    let mut lcg = Lcg(seed);
    let mut values: Vec<f64> = (0..20_000)
        .map(|_| {
            let rows: Vec<usize> = (0..n).map(|_| lcg.below(n)).collect();
            statistic(&rows, &mut lcg)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    (values[500], values[19_500])
}

fn close(i: Interval, ends: (f64, f64), within: f64) {
    assert!((i.lo - ends.0).abs() < within && (i.hi - ends.1).abs() < within, "{i:?} against {ends:?}");
}

fn scores(cases: usize, seeds: usize, shift: f64) -> Vec<Vec<f64>> {
    let mut lcg = Lcg(cases as u64 * 31 + seeds as u64);
    (0..cases)
        .map(|_| {
            let level = lcg.unit();
            (0..seeds).map(|_| level + shift + 0.3 * lcg.unit()).collect()
        })
        .collect()
}

#[test]
fn intervals_hold_their_mean_and_are_the_same_twice() {
    let values: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
    let i = bootstrap(&values).expect("values");
    assert!(i.lo < i.mean && i.mean < i.hi);
    assert_eq!(Some(i), bootstrap(&values));
    assert_eq!(bootstrap(&[]), None);
    assert_eq!(bootstrap(&[2.0, 2.0]).map(|i| (i.lo, i.hi)), Some((2.0, 2.0)));
}

#[test]
fn the_bootstrap_agrees_with_a_naive_one_and_with_the_normal_law() {
    let values: Vec<f64> = scores(200, 1, 0.0).concat();
    let i = bootstrap(&values).expect("values");
    let plain = naive(values.len(), 3, |rows, _| rows.iter().map(|r| values[*r]).sum::<f64>() / rows.len() as f64);
    close(i, plain, 0.006);
    let m = mean(&values).expect("values");
    let sd = (values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / 199.0).sqrt();
    let half = 1.96 * sd / 200.0f64.sqrt();
    close(i, (m - half, m + half), 0.006);
}

#[test]
fn a_paired_difference_ignores_what_cases_have_in_common() {
    // Cases differ by 1000, policies by exactly 1.
    let b: Vec<f64> = (0..20).map(|i| f64::from(i) * 1_000.0).collect();
    let a: Vec<f64> = b.iter().map(|x| x + 1.0).collect();
    let i = paired(&a, &b).expect("values");
    assert_eq!((i.mean, i.lo, i.hi, i.n), (1.0, 1.0, 1.0, 20));
}

#[test]
fn the_stratified_bootstrap_draws_seeds_within_cases_or_cases_too() {
    let cases = scores(60, 4, 0.0);
    let of_means = |drawn: &[Vec<f64>]| mean(&drawn.iter().filter_map(|c| mean(c)).collect::<Vec<_>>());
    let seeds = stratified(&cases, Redraw::Seeds, of_means).expect("defined");
    let both = stratified(&cases, Redraw::CasesAndSeeds, of_means).expect("defined");
    assert_eq!(Some(seeds), stratified(&cases, Redraw::Seeds, of_means));
    let one = |case: &[f64], lcg: &mut Lcg| (0..4).map(|_| case[lcg.below(4)]).sum::<f64>() / 4.0;
    let plain = |fixed: bool| {
        naive(60, 9, |rows, lcg| (0..60).map(|i| one(&cases[if fixed { i } else { rows[i] }], lcg)).sum::<f64>() / 60.0)
    };
    close(seeds, plain(true), 0.002);
    close(both, plain(false), 0.012);
    assert!(both.hi - both.lo > 4.0 * (seeds.hi - seeds.lo), "cases differ more than seeds do: {both:?} {seeds:?}");
    // A case without any score is no stratum; without cases there is no number.
    let mut holes = cases.clone();
    holes.push(Vec::new());
    assert_eq!(stratified(&holes, Redraw::Seeds, of_means), Some(seeds));
    assert_eq!(stratified(&[], Redraw::Seeds, of_means), None);
    assert_eq!(stratified(&cases, Redraw::Seeds, |_| None), None);
}

#[test]
fn the_interquartile_mean_cuts_a_quarter_at_each_end() {
    assert_eq!(iqm(&[]), None);
    assert_eq!(iqm(&[5.0]), Some(5.0));
    // Of three values none is cut: 3 / 4 rounds down to 0.
    assert_eq!(iqm(&[1.0, 2.0, 6.0]), Some(3.0));
    // Of eight, two at each end: (3 + 4 + 5 + 6) / 4.
    assert_eq!(iqm(&[8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0]), Some(4.5));
    // Of six, one at each end; an outlier does not move it.
    assert_eq!(iqm(&[0.0, 1.0, 2.0, 3.0, 4.0, 1e9]), Some(2.5));
    let i = iqm_over(&[vec![1.0, 2.0], vec![3.0, 4.0]]).expect("values");
    assert_eq!(i.mean, 2.5);
    assert!((1.0..=2.5).contains(&i.lo) && (2.5..=4.0).contains(&i.hi) && i.n == 2, "{i:?}");
}

#[test]
fn the_probability_of_improvement_counts_pairs_with_ties_as_half() {
    // First case: 2 beats 1 and ties 2, 3 beats both: (1 + 0.5 + 2) / 4. Second: lost.
    let (a, b) = (vec![vec![2.0, 3.0], vec![0.0]], vec![vec![1.0, 2.0], vec![1.0, 1.0]]);
    assert_eq!(improvement(&a, &b), Some((0.875 + 0.0) / 2.0));
    assert_eq!(improvement(&a, &a), Some(0.5));
    assert_eq!(improvement(&[vec![], vec![1.0]], &[vec![1.0], vec![]]), None);
    let (x, y) = (scores(80, 3, 0.05), scores(80, 2, 0.0));
    let slow: f64 = x
        .iter()
        .zip(&y)
        .map(|(x, y)| {
            let mut won = 0.0;
            for x in x {
                for y in y {
                    won += match x.total_cmp(y) {
                        std::cmp::Ordering::Less => 0.0,
                        std::cmp::Ordering::Equal => 0.5,
                        _ => 1.0,
                    };
                }
            }
            won / 6.0
        })
        .sum::<f64>()
        / 80.0;
    let i = improvement_over(&x, &y).expect("defined");
    assert!((i.mean - slow).abs() < 1e-12 && i.lo < i.mean && i.mean < i.hi, "{i:?} {slow}");
}

#[test]
fn the_normalised_score_is_zero_at_random_and_one_at_the_oracle() {
    assert_eq!(normalised(0.5, 0.25, 0.75), Some(0.5));
    assert_eq!(normalised(0.25, 0.25, 0.75), Some(0.0));
    assert_eq!(normalised(0.75, 0.25, 0.75), Some(1.0));
    assert_eq!(normalised(0.5, 0.7, 0.7), None, "no way to go");
    let (p, r, o) = (scores(90, 1, 0.4).concat(), scores(90, 2, 0.0), scores(90, 3, 1.0));
    let (r, o): (Vec<f64>, Vec<f64>) = (r.iter().map(|c| c[0]).collect(), o.iter().map(|c| c[0]).collect());
    let i = normalised_over(&p, &r, &o).expect("defined");
    let plain = naive(90, 17, |rows, _| {
        let m = |v: &[f64]| rows.iter().map(|x| v[*x]).sum::<f64>() / 90.0;
        (m(&p) - m(&r)) / (m(&o) - m(&r))
    });
    close(i, plain, 0.015);
    assert_eq!(normalised_over(&r, &r, &o).map(|i| (i.mean, i.lo, i.hi)), Some((0.0, 0.0, 0.0)));
    assert_eq!(normalised_over(&[], &[], &[]), None);
}

#[test]
fn wilson_agrees_with_the_textbook() {
    // 8 of 10: 0.490 to 0.943.
    let i = wilson(8, 10).expect("trials");
    assert!((i.lo - 0.4902).abs() < 1e-3 && (i.hi - 0.9433).abs() < 1e-3, "{i:?}");
    for n in 1..300 {
        let (none, all) = (wilson(0, n).expect("trials"), wilson(n, n).expect("trials"));
        assert!(none.lo >= 0.0 && all.hi <= 1.0, "{n}: {none:?} {all:?}");
    }
}
