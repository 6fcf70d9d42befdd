//! The exact posterior over conditions given any set of answers: the oracle that generated cases allow.

use super::network::{FindingIx, Person};
use super::{Condition, KnowledgeBase, Population};
use crate::record::Sex;
use std::collections::BTreeMap;

/// Belief about one patient. Starts from who they are and what they came with.
#[derive(Clone)]
pub struct Posterior<'a> {
    kb: &'a KnowledgeBase,
    years: Option<u32>,
    sex: Sex,
    complaint: Option<FindingIx>,
    evidence: BTreeMap<FindingIx, bool>,
    /// Conditions that can present so, with the log of prior times P(complaint | condition).
    prior: Vec<(&'a Condition, f64)>,
    /// The same with the evidence in, up to a constant.
    joint: Vec<f64>,
}

impl<'a> Posterior<'a> {
    /// `complaint` is the finding they came with. Where it is none that any condition presents with (an imported case),
    /// or unknown, the belief starts from the prior alone and the complaint is evidence like any other. `None` only where
    /// no condition occurs in such a person.
    pub fn new(
        kb: &'a KnowledgeBase,
        population: &Population,
        years: Option<u32>,
        sex: Sex,
        complaint: &str,
    ) -> Option<Posterior<'a>> {
        let start = |complaint: Option<FindingIx>, factor: &dyn Fn(&Condition) -> f64| {
            let weigh = |c: &'a Condition| {
                let p = population.weight(c, years, sex) * factor(c);
                (p > 0.0).then(|| (c, libm::log(p)))
            };
            let prior: Vec<(&Condition, f64)> = kb.conditions().iter().filter_map(weigh).collect();
            let joint = prior.iter().map(|(_, l)| *l).collect();
            let evidence = BTreeMap::new();
            (!prior.is_empty()).then_some(Posterior { kb, years, sex, complaint, evidence, prior, joint })
        };
        let presented = kb
            .finding_index(complaint)
            .and_then(|at| start(Some(at), &|c| super::presents_with(kb, c, complaint, years, sex)));
        presented.or_else(|| {
            let mut open = start(None, &|_| 1.0)?;
            open.observe(complaint, true);
            Some(open)
        })
    }

    fn person(&self, condition: &'a Condition) -> Person<'a> {
        Person { kb: self.kb, condition, years: self.years, sex: self.sex, complaint: self.complaint }
    }

    /// Takes an answer in. Unknown findings, and answers no condition allows, are ignored (`false`).
    pub fn observe(&mut self, finding: &str, present: bool) -> bool {
        let Some(i) = self.kb.finding_index(finding) else { return false };
        if self.evidence.get(&i) == Some(&present) {
            return true;
        }
        let mut evidence = self.evidence.clone();
        let fresh = evidence.insert(i, present).is_none();
        let joint: Vec<f64> = if fresh && self.stands_alone(i) {
            // Independent of everything but the condition: one more factor.
            let factor = |c| {
                let p = self.person(c).marginal(i);
                libm::log(if present { p } else { 1.0 - p })
            };
            self.prior.iter().zip(&self.joint).map(|((c, _), l)| l + factor(c)).collect()
        } else {
            self.prior.iter().map(|(c, l)| l + self.person(c).log_likelihood(&evidence)).collect()
        };
        if joint.iter().all(|l| *l == f64::NEG_INFINITY) {
            return false;
        }
        self.evidence = evidence;
        self.joint = joint;
        true
    }

    fn stands_alone(&self, i: FindingIx) -> bool {
        self.kb.network().parents(i).next().is_none() && !self.kb.has_kinds(i)
    }

    /// Conditions and their probabilities, most probable first; ties in id order. Sums to 1.
    pub fn probabilities(&self) -> Vec<(&'a Condition, f64)> {
        let mut out: Vec<_> = self.prior.iter().map(|(c, _)| *c).zip(normalise(&self.joint)).collect();
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.id.cmp(&b.0.id)));
        out
    }

    /// Entropy of the belief in nats.
    pub fn entropy(&self) -> f64 {
        entropy(&normalise(&self.joint))
    }

    /// P(finding present | all answers so far).
    pub fn probability_of(&self, finding: &str) -> Option<f64> {
        let i = self.kb.finding_index(finding)?;
        let belief = normalise(&self.joint);
        Some(self.predictive(i, &belief).iter().zip(&belief).map(|(p, b)| p * b).sum())
    }

    /// Expected fall of the entropy, in nats, from hearing whether the finding is present.
    pub fn information(&self, finding: &str) -> Option<f64> {
        let i = self.kb.finding_index(finding)?;
        if self.evidence.contains_key(&i) {
            return Some(0.0);
        }
        let belief = normalise(&self.joint);
        let given = self.predictive(i, &belief);
        let yes: f64 = given.iter().zip(&belief).map(|(p, b)| p * b).sum();
        let side = |share: f64, f: &dyn Fn(f64) -> f64| {
            if share <= 0.0 {
                return 0.0;
            }
            let after: Vec<f64> = given.iter().zip(&belief).map(|(p, b)| f(*p) * b / share).collect();
            share * entropy(&after)
        };
        Some(entropy(&belief) - side(yes, &|p| p) - side(1.0 - yes, &|p| 1.0 - p))
    }

    /// P(finding | condition, answers) for each condition that still has weight.
    fn predictive(&self, i: FindingIx, belief: &[f64]) -> Vec<f64> {
        let alone = self.stands_alone(i);
        let mut with = self.evidence.clone();
        with.insert(i, true);
        self.prior
            .iter()
            .zip(belief)
            .zip(&self.joint)
            .map(|(((c, prior), b), joint)| {
                if *b < 1e-6 {
                    0.0
                } else if alone {
                    self.person(c).marginal(i)
                } else {
                    libm::exp((prior + self.person(c).log_likelihood(&with) - joint).min(0.0))
                }
            })
            .collect()
    }

    /// Answers taken in so far.
    pub fn evidence(&self) -> impl Iterator<Item = (&'a str, bool)> + '_ {
        self.evidence.iter().map(|(i, v)| (self.kb.findings()[*i].id.as_str(), *v))
    }
}

fn normalise(log: &[f64]) -> Vec<f64> {
    let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = log.iter().map(|l| libm::exp(l - top)).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|r| r / sum).collect()
}

fn entropy(p: &[f64]) -> f64 {
    p.iter().filter(|x| **x > 0.0).map(|x| -x * libm::log(*x)).sum()
}
