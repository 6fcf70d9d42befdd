//! Many consultations as one row: means, with intervals over cases.

use super::{Conduct, KEYS};
use crate::seed::{Draw, Purpose, Seed};
use serde::Serialize;
use std::collections::BTreeMap;

/// A mean over consultations with its 95 % interval by resampling cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub mean: f64,
    pub lo: f64,
    pub hi: f64,
    /// Consultations in which it is defined.
    pub n: u32,
}

/// Means and intervals of every measure; `None` where no consultation defines it. Cases, not turns or consultations, are
/// drawn again, 1,000 times, by `seed`.
pub fn summarise(conducts: &[Conduct], seed: Seed) -> BTreeMap<&'static str, Option<Interval>> {
    KEYS.into_iter().map(|key| (key, interval(conducts, key, seed))).collect()
}

fn interval(conducts: &[Conduct], key: &'static str, seed: Seed) -> Option<Interval> {
    let mut cases: BTreeMap<&str, (f64, u32)> = BTreeMap::new();
    for c in conducts {
        if let Some(Some(value)) = c.measures.get(key) {
            let slot = cases.entry(&c.case).or_default();
            *slot = (slot.0 + value, slot.1 + 1);
        }
    }
    let cases: Vec<(f64, u32)> = cases.into_values().collect();
    let mean = |sum: (f64, u32)| sum.0 / f64::from(sum.1);
    let add = |a: (f64, u32), b: &(f64, u32)| (a.0 + b.0, a.1 + b.1);
    let total = cases.iter().fold((0.0, 0), add);
    if total.1 == 0 {
        return None;
    }
    let mut draw = Draw::new(seed, key.as_bytes(), 0, Purpose::Bootstrap);
    let mut means: Vec<f64> = (0..1000)
        .map(|_| mean((0..cases.len()).fold((0.0, 0), |sum, _| add(sum, &cases[draw.below(cases.len())]))))
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Interval { mean: mean(total), lo: means[24], hi: means[974], n: total.1 })
}
