//! HealthBench's arithmetic (arXiv 2505.08775, equations 1-4), to the letter: an example's score is never clipped, only means
//! are; a rubric without positive points has no score.

use crate::rubric::{Points, Scorecard};
use crate::seed::{Draw, Purpose, Seed};
use std::collections::{BTreeMap, BTreeSet};

/// Resamples behind an error bar.
pub const RESAMPLES: u32 = 1_000;
/// Marks the criteria that many physicians agreed on.
pub const CONSENSUS: &str = "level:cluster";

/// One judged criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    pub points: Points,
    pub met: bool,
    pub tags: Vec<String>,
}

/// One judged answer: its criteria, and the tags of the example as a whole (`theme:...`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    pub criteria: Vec<Graded>,
    pub tags: Vec<String>,
}

/// Why examples cannot be summed up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("example {0} has no positive points to divide by\nhint: give its rubric at least one desired behaviour")]
    NoPositivePoints(usize),
    #[error("example {example} carries the tag `{tag}` twice\nhint: an example's and a criterion's tags are sets")]
    DuplicateTag { example: usize, tag: String },
    #[error("example {example} has {axes} axis tags on one criterion\nhint: exactly one `axis:...` each")]
    AxisCount { example: usize, axes: usize },
}

/// A clipped mean with its bootstrap error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Mean of the examples, then clipped to 0..=1.
    pub mean: f64,
    /// Standard deviation of the clipped mean over [`RESAMPLES`] resamples.
    pub std: f64,
    /// Examples behind it.
    pub n: usize,
}

/// The figures of a run: all examples, and those each tag is defined for.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub overall: Summary,
    pub tags: BTreeMap<String, Summary>,
}

/// Points met over positive points. May be negative, never above 1; `None` where no positive points exist.
pub fn score(judged: impl IntoIterator<Item = (Points, bool)>) -> Option<f64> {
    let (mut met_points, mut positive) = (0i64, 0i64);
    for (points, met) in judged {
        let p = i64::from(points.get());
        met_points += if met { p } else { 0 };
        positive += p.max(0);
    }
    (positive > 0).then(|| met_points as f64 / positive as f64)
}

impl Example {
    pub fn score(&self) -> Option<f64> {
        score(self.criteria.iter().map(|c| (c.points, c.met)))
    }

    /// Score over the criteria with a tag; `None` where they hold no positive points.
    pub fn tag_score(&self, tag: &str) -> Option<f64> {
        score(self.criteria.iter().filter(|c| c.tags.iter().any(|t| t == tag)).map(|c| (c.points, c.met)))
    }

    /// The example that a fully judged card makes; `None` while anything is unjudged.
    pub fn of(card: &Scorecard, tags: Vec<String>) -> Option<Example> {
        let criteria = card
            .verdicts
            .iter()
            .map(|v| Some(Graded { points: v.points, met: v.met()?, tags: v.tags.clone() }))
            .collect::<Option<Vec<_>>>()?;
        Some(Example { criteria, tags })
    }

    /// Its consensus criteria alone; `None` where none of them is worth positive points.
    pub fn consensus(&self) -> Option<Example> {
        let of_many = |c: &&Graded| c.tags.iter().any(|t| t == CONSENSUS);
        let criteria: Vec<Graded> = self.criteria.iter().filter(of_many).cloned().collect();
        let any = criteria.iter().any(|c| c.points.get() > 0);
        any.then(|| Example { criteria, tags: self.tags.clone() })
    }

    fn check(&self, example: usize) -> Result<(), Malformed> {
        let lists = std::iter::once(&self.tags).chain(self.criteria.iter().map(|c| &c.tags));
        for tags in lists {
            let mut seen = BTreeSet::new();
            if let Some(tag) = tags.iter().find(|t| !seen.insert(*t)) {
                return Err(Malformed::DuplicateTag { example, tag: tag.clone() });
            }
        }
        for c in &self.criteria {
            let axes = c.tags.iter().filter(|t| t.starts_with("axis:")).count();
            if axes > 1 {
                return Err(Malformed::AxisCount { example, axes });
            }
        }
        // A tag of the example and of a criterion would meet in one column of the report.
        let own: BTreeSet<&String> = self.tags.iter().collect();
        match self.criteria.iter().flat_map(|c| &c.tags).find(|t| own.contains(t)) {
            Some(tag) => Err(Malformed::DuplicateTag { example, tag: tag.clone() }),
            None => Ok(()),
        }
    }
}

/// Sums up judged examples. Each example tag receives the example's overall score; each criterion tag the score over its own
/// criteria, where that is defined.
pub fn report(examples: &[Example], seed: Seed) -> Result<Report, Malformed> {
    let mut overall = Vec::with_capacity(examples.len());
    let mut by_tag: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (i, e) in examples.iter().enumerate() {
        e.check(i)?;
        let s = e.score().ok_or(Malformed::NoPositivePoints(i))?;
        overall.push(s);
        for tag in &e.tags {
            by_tag.entry(tag).or_default().push(s);
        }
        let own: BTreeSet<&str> = e.criteria.iter().flat_map(|c| &c.tags).map(String::as_str).collect();
        for tag in own {
            if let Some(s) = e.tag_score(tag) {
                by_tag.entry(tag).or_default().push(s);
            }
        }
    }
    let tags = by_tag.into_iter().map(|(t, scores)| (t.to_owned(), summary(&scores, seed, t))).collect();
    Ok(Report { overall: summary(&overall, seed, "overall"), tags })
}

/// Clipped mean and its bootstrap error. `name` separates the draws of different columns.
pub fn summary(scores: &[f64], seed: Seed, name: &str) -> Summary {
    if scores.is_empty() {
        return Summary { mean: 0.0, std: 0.0, n: 0 };
    }
    let means = resampled_means(scores, seed, name);
    let centre = means.iter().sum::<f64>() / means.len() as f64;
    let variance = means.iter().map(|m| (m - centre) * (m - centre)).sum::<f64>() / means.len() as f64;
    Summary { mean: clipped_mean(scores), std: libm::sqrt(variance), n: scores.len() }
}

/// The mean, clipped to 0..=1; 0 of nothing.
pub fn clipped_mean(scores: &[f64]) -> f64 {
    if scores.is_empty() { 0.0 } else { (scores.iter().sum::<f64>() / scores.len() as f64).clamp(0.0, 1.0) }
}

/// Middle `share` (0.95) of the resampled clipped means: low and high end.
pub fn interval(scores: &[f64], seed: Seed, name: &str, share: f64) -> Option<(f64, f64)> {
    if scores.is_empty() {
        return None;
    }
    let mut means = resampled_means(scores, seed, name);
    means.sort_by(f64::total_cmp);
    let tail = ((1.0 - share.clamp(0.0, 1.0)) / 2.0 * means.len() as f64) as usize;
    let last = means.len() - 1;
    Some((means[tail.min(last)], means[last - tail.min(last)]))
}

fn resampled_means(scores: &[f64], seed: Seed, name: &str) -> Vec<f64> {
    (0..RESAMPLES)
        .map(|r| {
            let mut draw = Draw::new(seed, name.as_bytes(), r, Purpose::Bootstrap);
            let sum: f64 = (0..scores.len()).map(|_| scores[draw.below(scores.len())]).sum();
            (sum / scores.len() as f64).clamp(0.0, 1.0)
        })
        .collect()
}

/// HealthBench Hard's rule: drop problems on which no model scored above 0, keep the `keep` lowest by average score. Takes
/// (id, score per model), returns ids; equal averages stand in id order.
pub fn hard<'a>(problems: &[(&'a str, Vec<f64>)], keep: usize) -> Vec<&'a str> {
    let mut left: Vec<(f64, &str)> = problems
        .iter()
        .filter(|(_, scores)| scores.iter().any(|s| *s > 0.0))
        .map(|(id, scores)| (scores.iter().sum::<f64>() / scores.len() as f64, *id))
        .collect();
    left.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    left.into_iter().take(keep).map(|(_, id)| id).collect()
}
