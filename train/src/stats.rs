//! Intervals and aggregates of scores, seeded, so that a table is the same on every machine.
//!
//! Cases are the unit: what is resampled is cases, and, where each was played with several seeds, the seeds within each case. Two
//! policies are compared on the same cases and seeds. `None` stands where a number is not defined; it never becomes 0.

use bedside_env::seed::{Draw, Purpose, Seed};

#[cfg(test)]
mod tests;

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The mean, or what else was estimated.
    pub mean: f64,
    pub lo: f64,
    pub hi: f64,
    /// Values (cases) it is over.
    pub n: usize,
}

/// Resamples of the percentile bootstrap.
pub const RESAMPLES: usize = 2_000;

/// The 2.5 % and 97.5 % percentiles: the nearest of the sorted values.
fn ends(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get((values.len().checked_sub(1)? as f64 * q).round() as usize).copied();
    Some((at(0.025)?, at(0.975)?))
}

/// `None` of no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean and 95 % percentile bootstrap interval. `None` of no values.
pub fn bootstrap(values: &[f64]) -> Option<Interval> {
    let of_all = mean(values)?;
    let mut draw = Draw::new(Seed(2025), b"interval", values.len() as u32, Purpose::Bootstrap);
    let one = |draw: &mut Draw| (0..values.len()).map(|_| values[draw.below(values.len())]).sum::<f64>();
    let means = (0..RESAMPLES).map(|_| one(&mut draw) / values.len() as f64).collect();
    let (lo, hi) = ends(means)?;
    Some(Interval { mean: of_all, lo, hi, n: values.len() })
}

/// The interval of paired differences `a[i] - b[i]`.
pub fn paired(a: &[f64], b: &[f64]) -> Option<Interval> {
    let differences: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    bootstrap(&differences)
}

/// What a stratified bootstrap draws anew. The strata are cases, the values within one its seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redraw {
    /// The seeds within each case: how far the number would move on these very cases.
    Seeds,
    /// The cases, then the seeds within each: how far it would move on others of their kind.
    CasesAndSeeds,
}

/// A statistic over seeds x cases with its 95 % interval. `cases[i]` holds the scores of case `i`, one a seed; empty ones are left
/// out. `statistic` sees the drawn cases, and returns `None` where it is not defined. `None` where it is not defined on what
/// was measured, or on fewer than half of the resamples.
pub fn stratified(
    cases: &[Vec<f64>],
    redraw: Redraw,
    statistic: impl Fn(&[Vec<f64>]) -> Option<f64>,
) -> Option<Interval> {
    let cases: Vec<&Vec<f64>> = cases.iter().filter(|c| !c.is_empty()).collect();
    let owned: Vec<Vec<f64>> = cases.iter().map(|c| (*c).clone()).collect();
    let of_all = statistic(&owned)?;
    let mut draw = Draw::new(Seed(2025), b"strata", cases.len() as u32, Purpose::Bootstrap);
    let mut drawn = owned;
    let mut values = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for (i, slot) in drawn.iter_mut().enumerate() {
            let from = match redraw {
                Redraw::Seeds => cases[i],
                Redraw::CasesAndSeeds => cases[draw.below(cases.len())],
            };
            slot.clear();
            slot.extend((0..from.len()).map(|_| from[draw.below(from.len())]));
        }
        values.extend(statistic(&drawn));
    }
    if values.len() * 2 < RESAMPLES {
        return None;
    }
    let (lo, hi) = ends(values)?;
    Some(Interval { mean: of_all, lo, hi, n: cases.len() })
}

/// Interquartile mean: a quarter of the values, rounded down, is cut off at each end (scipy's `trim_mean(x, 0.25)`, which rliable
/// uses). `None` of no values.
pub fn iqm(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    let cut = sorted.len() / 4;
    if cut > 0 {
        // The sum must not depend on the order in which the values came, so the middle is sorted, not only selected.
        sorted.sort_by(f64::total_cmp);
    }
    mean(&sorted[cut..sorted.len() - cut])
}

/// IQM over all seeds and cases, with the interval of the stratified bootstrap over cases and seeds.
pub fn iqm_over(cases: &[Vec<f64>]) -> Option<Interval> {
    stratified(cases, Redraw::CasesAndSeeds, |drawn| iqm(&drawn.concat()))
}

/// How likely a run of `a` beats a run of `b` on a case: pairs won, ties half, averaged over cases (rliable's probability of
/// improvement). Cases without a score on either side are left out; `None` where none is left.
pub fn improvement(a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<f64> {
    mean(&wins(a, b))
}

/// The same with its interval over cases.
pub fn improvement_over(a: &[Vec<f64>], b: &[Vec<f64>]) -> Option<Interval> {
    bootstrap(&wins(a, b))
}

/// Share of pairs that `a` wins, by case.
fn wins(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
    let both = a.iter().zip(b).filter(|(a, b)| !a.is_empty() && !b.is_empty());
    both.map(|(a, b)| {
        let points = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
        let won: f64 = points.map(|(x, y)| if x > y { 1.0 } else { f64::from(u8::from(x == y)) / 2.0 }).sum();
        won / (a.len() * b.len()) as f64
    })
    .collect()
}

/// How far from random to oracle a policy has come: `(policy - random) / (oracle - random)`; 0 is random, 1 the oracle. `None`
/// where the oracle is not above random, so that there is no way to go.
pub fn normalised(policy: f64, random: f64, oracle: f64) -> Option<f64> {
    let way = oracle - random;
    (way > 1e-9).then(|| (policy - random) / way)
}

/// The oracle-normalised score of case means, paired by case, with its bootstrap interval over cases.
pub fn normalised_over(policy: &[f64], random: &[f64], oracle: &[f64]) -> Option<Interval> {
    let rows: Vec<Vec<f64>> = policy.iter().zip(random).zip(oracle).map(|((p, r), o)| vec![*p, *r, *o]).collect();
    let of = |rows: &mut dyn Iterator<Item = &Vec<f64>>| {
        let mut sums = [0.0; 3];
        let mut n = 0.0;
        for row in rows {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            n += 1.0;
        }
        if n == 0.0 { None } else { normalised(sums[0] / n, sums[1] / n, sums[2] / n) }
    };
    let of_all = of(&mut rows.iter())?;
    let mut draw = Draw::new(Seed(2025), b"normalised", rows.len() as u32, Purpose::Bootstrap);
    let mut values = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        values.extend(of(&mut (0..rows.len()).map(|_| &rows[draw.below(rows.len())])));
    }
    if values.len() * 2 < RESAMPLES {
        return None;
    }
    let (lo, hi) = ends(values)?;
    Some(Interval { mean: of_all, lo, hi, n: rows.len() })
}

/// Wilson's 95 % interval of a share. `None` of no trials.
pub fn wilson(successes: usize, n: usize) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let (z, n_f) = (1.959_963_984_540_054_f64, n as f64);
    let p = successes as f64 / n_f;
    let centre = p + z * z / (2.0 * n_f);
    let spread = z * (p * (1.0 - p) / n_f + z * z / (4.0 * n_f * n_f)).sqrt();
    let scale = 1.0 + z * z / n_f;
    // Rounding must not carry a share out of its range.
    let share = |x: f64| (x / scale).clamp(0.0, 1.0);
    Some(Interval { mean: p, lo: share(centre - spread), hi: share(centre + spread), n })
}
