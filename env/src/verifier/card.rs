//! From verdicts to a reward and to metrics.

use super::generator::AXES;
use super::healthbench;
use crate::rubric::{Outcome, Scorecard};
use crate::step::{Metrics, Reward, Unscored};

/// A sum over judged verdicts alone, with how much of the rubric it covers. Asked for by name, never returned as the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partial {
    /// `None` where the judged verdicts hold no positive points.
    pub score: Option<f64>,
    /// Judged share of all absolute points, 0..=1.
    pub coverage: f64,
    pub unjudged: usize,
}

impl Scorecard {
    /// HealthBench's example score: points met over positive points, never clipped. The reason where there is none.
    pub fn raw(&self) -> Result<f64, Unscored> {
        if self.unjudged() > 0 {
            return Err(Unscored::Unjudged);
        }
        let judged = self.verdicts.iter().filter_map(|v| Some((v.points, v.met()?)));
        healthbench::score(judged).ok_or(Unscored::NoPositivePoints)
    }

    /// The raw score, clipped to 0..=1.
    pub fn clipped(&self) -> Result<f64, Unscored> {
        self.raw().map(|s| s.clamp(0.0, 1.0))
    }

    /// What an episode is paid.
    pub fn reward(&self) -> Reward {
        match if self.clip { self.clipped() } else { self.raw() } {
            Ok(s) => Reward::Scored(s),
            Err(why) => Reward::Unscored(why),
        }
    }

    pub fn unjudged(&self) -> usize {
        self.verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Unjudged(_))).count()
    }

    /// The score over what was judged, and how much that is.
    pub fn over_judged(&self) -> Partial {
        let weight = |judged: bool| -> f64 {
            let of = self.verdicts.iter().filter(|v| v.met().is_some() || !judged);
            of.map(|v| f64::from(v.points.get().unsigned_abs())).sum()
        };
        let all = weight(false);
        Partial {
            score: healthbench::score(self.verdicts.iter().filter_map(|v| Some((v.points, v.met()?)))),
            coverage: if all > 0.0 { weight(true) / all } else { 1.0 },
            unjudged: self.unjudged(),
        }
    }

    /// Score over one tag's criteria; `None` where it has no positive points or something in it is unjudged.
    pub fn tag(&self, tag: &str) -> Option<f64> {
        let own = self.verdicts.iter().filter(|v| v.tags.iter().any(|t| t == tag));
        let judged = own.map(|v| Some((v.points, v.met()?))).collect::<Option<Vec<_>>>()?;
        healthbench::score(judged)
    }

    /// Fills the measures that a score defines; `score` is never clipped.
    pub fn fill(&self, metrics: &mut Metrics) {
        let f = &self.found;
        let top = |within: u32| {
            let right = f.diagnosis_at.is_some_and(|at| at <= within);
            (!f.diagnosis_unstated && (f.concluded || !f.fragment)).then_some(if right { 1.0 } else { 0.0 })
        };
        let coverage = (f.weight_available > 0).then(|| f64::from(f.weight) / f64::from(f.weight_available));
        let mut set = |key: &str, value| {
            let known = metrics.set(key, value);
            debug_assert!(known.is_ok(), "{known:?}");
        };
        set("score", self.raw().ok());
        for axis in AXES {
            set(&format!("axis:{axis}"), self.tag(&format!("axis:{axis}")));
        }
        set("diagnosis_top1", top(1));
        set("diagnosis_top5", top(5));
        set("facts_elicited", Some(f64::from(f.facts)));
        set("fact_coverage", coverage);
    }
}
