//! How far a rubric's facts are the ones clinicians call critical: recall of their facts among ours, precision of ours, and
//! whether our weights put their critical facts on top.

use super::words::{content, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// One line of a clinician's checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClinicianFact {
    pub text: String,
    pub critical: bool,
}

/// One fact of ours, with its weight or points.
#[derive(Clone, Debug, PartialEq)]
pub struct OurFact {
    pub statement: String,
    pub weight: f64,
}

/// Two wordings are one fact from this overlap on.
pub const MATCH: f64 = 0.5;

/// Agreement of one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Critical facts of theirs that one of ours covers.
    pub critical_found: usize,
    pub critical: usize,
    /// All facts of theirs, critical or not.
    pub found: usize,
    pub facts: usize,
    /// Facts of ours that some fact of theirs covers.
    pub ours_found: usize,
    pub ours: usize,
    /// (our weight, whether the clinicians' fact it matched best is critical), for the facts of ours that match.
    pub weighed: Vec<(f64, bool)>,
}

/// Agreement over cases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    pub critical_recall: Option<f64>,
    pub recall: Option<f64>,
    pub precision: Option<f64>,
    /// Probability that a critical fact weighs more than another one; 0.5 is chance.
    pub auc: Option<f64>,
    /// Rank correlation of weight and being critical.
    pub spearman: Option<f64>,
    pub matched: usize,
}

/// Compares one case. `common` are words that carry little in this collection, see [`common_words`].
pub fn compare(theirs: &[ClinicianFact], ours: &[OurFact], common: &BTreeSet<String>) -> Comparison {
    let words = |text: &str| -> BTreeSet<String> {
        let all = content(text);
        let rare: BTreeSet<String> = all.difference(common).cloned().collect();
        if rare.is_empty() { all } else { rare }
    };
    let their_words: Vec<_> = theirs.iter().map(|f| words(&f.text)).collect();
    let our_words: Vec<_> = ours.iter().map(|f| words(&f.statement)).collect();
    let hit = |w: &BTreeSet<String>, all: &[BTreeSet<String>]| all.iter().any(|o| overlap(w, o) >= MATCH);
    let mut c = Comparison { facts: theirs.len(), ours: ours.len(), ..Comparison::default() };
    for (f, w) in theirs.iter().zip(&their_words) {
        let found = hit(w, &our_words);
        c.found += usize::from(found);
        c.critical += usize::from(f.critical);
        c.critical_found += usize::from(found && f.critical);
    }
    for (f, w) in ours.iter().zip(&our_words) {
        let best = their_words
            .iter()
            .enumerate()
            .map(|(i, t)| (overlap(w, t), i))
            .filter(|(o, _)| *o >= MATCH)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        if let Some((_, i)) = best {
            c.ours_found += 1;
            c.weighed.push((f.weight, theirs[i].critical));
        }
    }
    c
}

/// Sums cases up.
pub fn agreement(cases: &[Comparison]) -> Agreement {
    let sum = |f: fn(&Comparison) -> usize| cases.iter().map(f).sum::<usize>();
    let share = |a: usize, n: usize| (n > 0).then(|| a as f64 / n as f64);
    let weighed: Vec<(f64, bool)> = cases.iter().flat_map(|c| c.weighed.iter().copied()).collect();
    Agreement {
        critical_recall: share(sum(|c| c.critical_found), sum(|c| c.critical)),
        recall: share(sum(|c| c.found), sum(|c| c.facts)),
        precision: share(sum(|c| c.ours_found), sum(|c| c.ours)),
        auc: auc(&weighed),
        spearman: spearman(&weighed.iter().map(|(w, c)| (*w, f64::from(u8::from(*c)))).collect::<Vec<_>>()),
        matched: weighed.len(),
    }
}

/// Overlap coefficient over content words: shared words over the shorter wording. A checklist line is a few words long
/// ("left side"), a statement a sentence.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let both = a.intersection(b).count();
    let short = a.len().min(b.len());
    if short == 0 { 0.0 } else { both as f64 / short as f64 }
}

/// Words that occur in more than `share` of the texts.
pub fn common_words<'a>(texts: impl IntoIterator<Item = &'a str>, share: f64) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut n = 0usize;
    for text in texts {
        n += 1;
        for w in tokens(text).collect::<BTreeSet<_>>() {
            *seen.entry(w).or_insert(0) += 1;
        }
    }
    seen.into_iter().filter(|(_, k)| *k as f64 > share * n as f64).map(|(w, _)| w).collect()
}

/// Area under the ROC curve of weight for critical, ties counted half; `None` where one class is missing.
pub fn auc(weighed: &[(f64, bool)]) -> Option<f64> {
    let (mut wins, mut pairs) = (0.0, 0usize);
    for (a, _) in weighed.iter().filter(|w| w.1) {
        for (b, _) in weighed.iter().filter(|w| !w.1) {
            pairs += 1;
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    (pairs > 0).then(|| wins / pairs as f64)
}

/// Spearman's rank correlation with mean ranks for ties; `None` where a side does not vary.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let a = ranks(&pairs.iter().map(|p| p.0).collect::<Vec<_>>());
    let b = ranks(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
    let n = pairs.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| (p - mean) * (q - mean)).sum::<f64>();
    let spread = libm::sqrt(dot(&a, &a) * dot(&b, &b));
    (spread > 0.0).then(|| dot(&a, &b) / spread)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .map(|v| {
            let below = values.iter().filter(|o| *o < v).count();
            let equal = values.iter().filter(|o| *o == v).count();
            below as f64 + (equal as f64 + 1.0) / 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(lines: &[(&str, bool)]) -> Vec<ClinicianFact> {
        lines.iter().map(|(t, c)| ClinicianFact { text: (*t).to_owned(), critical: *c }).collect()
    }

    fn ours(lines: &[(&str, f64)]) -> Vec<OurFact> {
        lines.iter().map(|(s, w)| OurFact { statement: (*s).to_owned(), weight: *w }).collect()
    }

    #[test]
    fn a_short_checklist_line_meets_the_sentence_that_says_it() {
        let theirs = theirs(&[("bloody stools", true), ("works shifts", false), ("no fever", true)]);
        let ours = ours(&[
            ("There's been blood, the stools are bloody.", 9.0),
            ("I work shifts at the moment.", 3.0),
            ("I swim twice a week.", 1.0),
        ]);
        let c = compare(&theirs, &ours, &BTreeSet::new());
        assert_eq!((c.critical_found, c.critical, c.found, c.facts), (1, 2, 2, 3));
        assert_eq!((c.ours_found, c.ours), (2, 3));
        let a = agreement(&[c]);
        assert_eq!((a.critical_recall, a.auc, a.spearman), (Some(0.5), Some(1.0), Some(1.0)));
    }

    #[test]
    fn weights_that_say_nothing_rank_at_chance() {
        assert_eq!(auc(&[(5.0, true), (5.0, false)]), Some(0.5));
        assert_eq!(auc(&[(5.0, true)]), None);
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 0.0)]), None);
        assert_eq!(spearman(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
    }

    #[test]
    fn words_that_stand_everywhere_match_nothing() {
        let common = common_words(["I have pain", "pain today", "some pain"], 0.5);
        assert_eq!(common, BTreeSet::from(["pain".to_owned()]));
        let c = compare(&theirs(&[("chest pain", true)]), &ours(&[("I have knee pain.", 5.0)]), &common);
        assert_eq!(c.critical_found, 0);
    }
}
