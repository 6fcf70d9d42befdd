//! Intervals: a seeded bootstrap over cases, so that a table is the same on every machine.

use bedside_env::seed::{Draw, Purpose, Seed};

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub lo: f64,
    pub hi: f64,
    /// Values the mean is over.
    pub n: usize,
}

/// Resamples of the percentile bootstrap.
pub const RESAMPLES: usize = 2_000;

/// Mean and 95 % percentile bootstrap interval. `None` of no values.
pub fn bootstrap(values: &[f64]) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let mean = |sum: f64| sum / values.len() as f64;
    let mut draw = Draw::new(Seed(2025), b"interval", values.len() as u32, Purpose::Bootstrap);
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| mean((0..values.len()).map(|_| values[draw.below(values.len())]).sum())).collect();
    means.sort_by(f64::total_cmp);
    let at = |q: f64| means[((RESAMPLES - 1) as f64 * q).round() as usize];
    Some(Interval { mean: mean(values.iter().sum()), lo: at(0.025), hi: at(0.975), n: values.len() })
}

/// The interval of paired differences `a[i] - b[i]`.
pub fn paired(a: &[f64], b: &[f64]) -> Option<Interval> {
    let differences: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    bootstrap(&differences)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn wilson_agrees_with_the_textbook() {
        // 8 of 10: 0.490 to 0.943.
        let i = wilson(8, 10).expect("trials");
        assert!((i.lo - 0.4902).abs() < 1e-3 && (i.hi - 0.9433).abs() < 1e-3, "{i:?}");
        for n in 1..300 {
            let (none, all) = (wilson(0, n).expect("trials"), wilson(n, n).expect("trials"));
            assert!(none.lo >= 0.0 && all.hi <= 1.0, "{n}: {none:?} {all:?}");
        }
    }
}
