//! How far written criteria are those that experts chose. The paper calls two rubrics consistent if dimension and intent are the
//! same, whatever the wording, and reports 92.7% by a model as referee; of what (rubrics or criteria, found or kept) it does not
//! say. Here are all of them: recall and precision, each criterion counted for any partner and one to one, dimensions, and
//! whether the points agree. A figure means little without its referee, so the referee is named beside it.

use crate::dimension::Dimension;
use bedside_env::rubric::Criterion;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::verifier::compare::spearman;
use serde::Serialize;
use std::collections::BTreeSet;

mod referee;
pub use referee::{Embedded, ModelReferee, RefereeError};

/// One criterion, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// `None` where nobody says.
    pub dimension: Option<Dimension>,
    pub text: String,
    /// -10..=10; 0 where an expert gave none.
    pub points: i8,
}

impl Stated {
    pub fn of(c: &Criterion) -> Stated {
        Stated { dimension: Dimension::of(c), text: c.criterion.clone(), points: c.points.get() }
    }
}

/// What a referee says of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Same {
    Yes,
    No,
    /// The referee failed. Counted beside the figures, never as a no.
    Unjudged(String),
}

/// Decides whether two criteria are of one dimension and one intent.
pub trait Referee {
    /// Name and version, printed beside every figure.
    fn id(&self) -> &str;
    /// One decision a pair, in order. An error is about the referee as a whole.
    fn same(&self, pairs: &[(&Stated, &Stated)]) -> Result<Vec<Same>, RefereeError>;
}

/// One case compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Theirs that some one of ours says; those a failure leaves open are not among them.
    pub theirs_found: usize,
    pub theirs: usize,
    pub ours_found: usize,
    pub ours: usize,
    /// Pairs one to one, as many as can be: (ours, theirs).
    pub pairs: Vec<(usize, usize)>,
    /// Points of those pairs.
    pub points: Vec<(i8, i8)>,
    /// Dimensions of theirs that ours have too.
    pub dimensions_found: usize,
    pub dimensions: usize,
    /// Criteria, of either side, that failures leave open: they stand in no denominator.
    pub unjudged: usize,
}

/// Compares one case's criteria with an expert's.
pub fn compare(ours: &[Stated], theirs: &[Stated], referee: &dyn Referee) -> Result<Compared, RefereeError> {
    let all: Vec<(&Stated, &Stated)> = ours.iter().flat_map(|o| theirs.iter().map(move |t| (o, t))).collect();
    let said = referee.same(&all)?;
    let at = |o: usize, t: usize| said.get(o * theirs.len() + t);
    let yes = |o: usize, t: usize| at(o, t) == Some(&Same::Yes);
    let open = |o: usize, t: usize| !matches!(at(o, t), Some(Same::Yes | Same::No));
    let mut c = Compared::default();
    for t in 0..theirs.len() {
        let found = (0..ours.len()).any(|o| yes(o, t));
        let unjudged = !found && (0..ours.len()).any(|o| open(o, t));
        c.theirs_found += usize::from(found);
        c.theirs += usize::from(!unjudged);
        c.unjudged += usize::from(unjudged);
    }
    for o in 0..ours.len() {
        let found = (0..theirs.len()).any(|t| yes(o, t));
        let unjudged = !found && (0..theirs.len()).any(|t| open(o, t));
        c.ours_found += usize::from(found);
        c.ours += usize::from(!unjudged);
        c.unjudged += usize::from(unjudged);
    }
    c.pairs = matching(ours.len(), theirs.len(), yes);
    c.points = c.pairs.iter().map(|(o, t)| (ours[*o].points, theirs[*t].points)).filter(|(_, t)| *t != 0).collect();
    let dimensions = |list: &[Stated]| -> BTreeSet<Dimension> { list.iter().filter_map(|s| s.dimension).collect() };
    let (mine, their) = (dimensions(ours), dimensions(theirs));
    (c.dimensions_found, c.dimensions) = (their.intersection(&mine).count(), their.len());
    Ok(c)
}

/// A largest set of pairs in which nobody stands twice (Kuhn's augmenting paths, in order).
fn matching(ours: usize, theirs: usize, yes: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    fn place(
        o: usize,
        theirs: usize,
        yes: &impl Fn(usize, usize) -> bool,
        tried: &mut [bool],
        of: &mut [Option<usize>],
    ) -> bool {
        for t in 0..theirs {
            if !yes(o, t) || std::mem::replace(&mut tried[t], true) {
                continue;
            }
            if of[t].is_none_or(|other| place(other, theirs, yes, tried, of)) {
                of[t] = Some(o);
                return true;
            }
        }
        false
    }
    let mut of: Vec<Option<usize>> = vec![None; theirs];
    for o in 0..ours {
        place(o, theirs, &yes, &mut vec![false; theirs], &mut of);
    }
    let mut pairs: Vec<(usize, usize)> = of.iter().enumerate().filter_map(|(t, o)| Some(((*o)?, t))).collect();
    pairs.sort_unstable();
    pairs
}

/// Agreement over cases, with the referee that found it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Consistency {
    pub referee: String,
    pub cases: usize,
    /// Share of the experts' criteria that ours say: the paper's figure, if its denominator is their criteria.
    pub recall: Option<f64>,
    /// 95% of resamples of the cases lie within; so with the other intervals. `None` of fewer than two cases.
    pub recall_interval: Option<(f64, f64)>,
    pub precision: Option<f64>,
    pub precision_interval: Option<(f64, f64)>,
    pub recall_one_to_one: Option<f64>,
    pub precision_one_to_one: Option<f64>,
    /// Share of the experts' dimensions that ours have: the mildest reading of the paper's figure.
    pub dimensions: Option<f64>,
    /// Of the pairs, those whose points have one sign.
    pub signs: Option<f64>,
    pub signs_interval: Option<(f64, f64)>,
    /// Rank correlation of the pairs' points.
    pub spearman: Option<f64>,
    pub spearman_interval: Option<(f64, f64)>,
    /// Cohen's kappa with quadratic weights, over ORBIT's six bands of points.
    pub kappa: Option<f64>,
    pub kappa_interval: Option<(f64, f64)>,
    pub pairs: usize,
    pub unjudged: usize,
}

/// Sums cases up.
pub fn agreement(cases: &[Compared], referee: &dyn Referee) -> Consistency {
    let all: Vec<&Compared> = cases.iter().collect();
    let pairs = sum(&all, |c| c.pairs.len());
    let interval = |of: fn(&[&Compared]) -> Option<f64>| interval(cases, 1_000, of);
    Consistency {
        referee: referee.id().to_owned(),
        cases: cases.len(),
        recall: recall(&all),
        recall_interval: interval(recall),
        precision: precision(&all),
        precision_interval: interval(precision),
        recall_one_to_one: share(pairs, sum(&all, |c| c.theirs)),
        precision_one_to_one: share(pairs, sum(&all, |c| c.ours)),
        dimensions: share(sum(&all, |c| c.dimensions_found), sum(&all, |c| c.dimensions)),
        signs: signs(&all),
        signs_interval: interval(signs),
        spearman: ranks(&all),
        spearman_interval: interval(ranks),
        kappa: bands(&all),
        kappa_interval: interval(bands),
        pairs,
        unjudged: sum(&all, |c| c.unjudged),
    }
}

fn sum(cases: &[&Compared], f: fn(&Compared) -> usize) -> usize {
    cases.iter().map(|c| f(c)).sum()
}

fn share(n: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| n as f64 / of as f64)
}

fn recall(cases: &[&Compared]) -> Option<f64> {
    share(sum(cases, |c| c.theirs_found), sum(cases, |c| c.theirs))
}

fn precision(cases: &[&Compared]) -> Option<f64> {
    share(sum(cases, |c| c.ours_found), sum(cases, |c| c.ours))
}

fn points<'a>(cases: &'a [&Compared]) -> impl Iterator<Item = (i8, i8)> + 'a {
    cases.iter().flat_map(|c| c.points.iter().copied())
}

fn signs(cases: &[&Compared]) -> Option<f64> {
    share(points(cases).filter(|(a, b)| (*a > 0) == (*b > 0)).count(), points(cases).count())
}

fn ranks(cases: &[&Compared]) -> Option<f64> {
    spearman(&points(cases).map(|(a, b)| (f64::from(a), f64::from(b))).collect::<Vec<_>>())
}

fn bands(cases: &[&Compared]) -> Option<f64> {
    weighted_kappa(&points(cases).map(|(a, b)| (band(a), band(b))).collect::<Vec<_>>(), 6)
}

/// The middle 95% of a figure over resampled cases, of those resamples that have it; `None` of fewer than two cases.
fn interval(cases: &[Compared], resamples: u32, of: fn(&[&Compared]) -> Option<f64>) -> Option<(f64, f64)> {
    if cases.len() < 2 {
        return None;
    }
    let mut figures: Vec<f64> = (0..resamples)
        .filter_map(|i| {
            let mut draw = Draw::new(Seed(0), b"consistency", i, Purpose::Bootstrap);
            let drawn: Vec<&Compared> = (0..cases.len()).filter_map(|_| draw.pick(cases)).collect();
            of(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |q: f64| figures.get((q * (figures.len().max(1) - 1) as f64).round() as usize).copied();
    Some((at(0.025)?, at(0.975)?))
}

/// Bands of points: a life in danger, significant harm, a small fault; good to have, much better, a life.
pub fn band(points: i8) -> usize {
    match points {
        ..=-8 => 0,
        -7..=-4 => 1,
        -3..=0 => 2,
        1..=3 => 3,
        4..=7 => 4,
        8.. => 5,
    }
}

/// Cohen's kappa with quadratic weights; `None` where chance alone would agree fully or there are no pairs.
pub fn weighted_kappa(pairs: &[(usize, usize)], classes: usize) -> Option<f64> {
    let n = pairs.len() as f64;
    let far = |a: usize, b: usize| {
        let d = a.abs_diff(b) as f64 / (classes.max(2) - 1) as f64;
        d * d
    };
    let observed: f64 = pairs.iter().map(|(a, b)| far(*a, *b)).sum::<f64>() / n;
    let count =
        |side: fn(&(usize, usize)) -> usize, class: usize| pairs.iter().filter(|p| side(p) == class).count() as f64;
    let mut expected = 0.0;
    for a in 0..classes {
        for b in 0..classes {
            expected += count(|p| p.0, a) * count(|p| p.1, b) / (n * n) * far(a, b);
        }
    }
    (expected > 0.0 && n > 0.0).then(|| 1.0 - observed / expected)
}

#[cfg(test)]
mod tests;
