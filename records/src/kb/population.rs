//! Who consults, and with what: the prior shared by the generator and the posterior.

use super::{Condition, Finding, KnowledgeBase};
use crate::record::Sex;

/// Which conditions occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// All but those held out of training.
    Train,
    /// Only those held out.
    HeldOut,
    All,
}

/// A population of consultations. Generator and posterior must be given the same one for the posterior to be exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Population {
    pub pool: Pool,
    /// Prevalence is raised to this power: 1 is nature, 0 makes all conditions equally common, 0.5 is between.
    pub temper: f64,
}

impl Default for Population {
    fn default() -> Self {
        Population { pool: Pool::Train, temper: 0.5 }
    }
}

/// Lower and upper years of the five age bands.
pub const BANDS: [(u32, u32); 5] = [(0, 4), (5, 17), (18, 44), (45, 64), (65, 89)];

/// Share of consultations by age band (ours, near those of a general practice).
const SHARE: [f64; 5] = [0.07, 0.13, 0.33, 0.25, 0.22];

/// The band of an age in years; adults of unknown age are counted as 18-44.
pub fn band(years: Option<u32>) -> usize {
    match years {
        None => 2,
        Some(y) => BANDS.iter().position(|(_, high)| y <= *high).unwrap_or(4),
    }
}

impl Population {
    pub fn has(&self, c: &Condition) -> bool {
        match self.pool {
            Pool::Train => !c.held_out,
            Pool::HeldOut => c.held_out,
            Pool::All => true,
        }
    }

    /// Prior weight of a condition in such a person; 0 where it does not occur.
    pub fn weight(&self, c: &Condition, years: Option<u32>, sex: Sex) -> f64 {
        let outside = matches!((c.age, years), (Some([low, high]), Some(y)) if y < low || y > high);
        if !self.has(c) || outside {
            return 0.0;
        }
        let b = band(years);
        let p = match sex {
            Sex::Female => c.prevalence.female[b],
            Sex::Male => c.prevalence.male[b],
            _ => (c.prevalence.female[b] + c.prevalence.male[b]) / 2.0,
        };
        if p > 0.0 { libm::pow(p, self.temper) } else { 0.0 }
    }

    /// Weight of (condition, band, sex) among all consultations.
    pub(super) fn joint(&self, c: &Condition, band: usize, sex: Sex) -> f64 {
        // Any age of the band that the condition allows; ages it does not allow are drawn again.
        let (low, high) = BANDS[band];
        let years = c.age.map_or(low, |[first, _]| first.clamp(low, high));
        SHARE[band] * self.weight(c, Some(years), sex)
    }
}

/// P(this presenting complaint | condition) in such a person: `presenting` over the complaints age and sex allow.
pub fn presents_with(kb: &KnowledgeBase, c: &Condition, complaint: &str, years: Option<u32>, sex: Sex) -> f64 {
    let possible = |id: &str| kb.finding(id).is_some_and(|f: &Finding| f.possible(years, sex));
    let all: f64 = c.presenting.iter().filter(|(id, _)| possible(id)).map(|(_, p)| p).sum();
    match c.presenting.get(complaint) {
        Some(p) if all > 0.0 && possible(complaint) => p / all,
        _ => 0.0,
    }
}
