//! How findings depend on each other beyond the condition: a kind needs its parent, and some exclude others.
//!
//! Both are directed from lower to higher rank, so the findings of one patient form a small Bayesian network per condition.
//! Most nodes stand alone; exact inference only ever enumerates the unobserved ancestors of what was observed.

use super::{Condition, KnowledgeBase};
use crate::record::Sex;
use std::collections::{BTreeMap, BTreeSet};

/// Position of a finding in [`KnowledgeBase::findings`].
pub type FindingIx = usize;

/// The dependencies, compiled.
#[derive(Debug, Default)]
pub struct Network {
    /// Parent a kind needs.
    gate: Vec<Option<FindingIx>>,
    /// Findings that are a kind of this one.
    kinds: Vec<Vec<FindingIx>>,
    /// Earlier findings that rule this one out.
    excluders: Vec<Vec<FindingIx>>,
    /// Position in an order that respects both.
    rank: Vec<usize>,
}

impl Network {
    /// Compiles `kind_of` pairs and the findings' `implies_no` lists. Pairs of unknown findings are reported, not followed.
    pub(super) fn compile(kb: &KnowledgeBase, kind_of: &BTreeMap<String, String>, errors: &mut Vec<String>) -> Network {
        let n = kb.findings().len();
        let mut gate = vec![None; n];
        for (child, parent) in kind_of {
            match (kb.finding_index(child), kb.finding_index(parent)) {
                (Some(c), Some(p)) if c != p => gate[c] = Some(p),
                _ => errors.push(format!("links.toml: `{child} = \"{parent}\"` names an unknown finding")),
            }
        }
        let mut kinds = vec![Vec::new(); n];
        for (child, parent) in gate.iter().enumerate() {
            if let Some(p) = parent {
                kinds[*p].push(child);
            }
        }
        let depth = |mut i: FindingIx| {
            let mut d = 0;
            while let Some(p) = gate[i].filter(|_| d <= n) {
                (i, d) = (p, d + 1);
            }
            d
        };
        let mut order: Vec<FindingIx> = (0..n).collect();
        order.sort_by_key(|i| (depth(*i), *i));
        let mut rank = vec![0; n];
        for (r, i) in order.iter().enumerate() {
            rank[*i] = r;
        }
        let mut excluders = vec![Vec::new(); n];
        for (i, f) in kb.findings().iter().enumerate() {
            for other in f.implies_no.iter().filter_map(|id| kb.finding_index(id)).filter(|o| *o != i) {
                let (first, second) = if rank[i] < rank[other] { (i, other) } else { (other, i) };
                // A kind cannot be ruled out by its own parent.
                if gate[second] != Some(first) && !excluders[second].contains(&first) {
                    excluders[second].push(first);
                }
            }
        }
        for e in &mut excluders {
            e.sort_unstable();
        }
        Network { gate, kinds, excluders, rank }
    }

    /// Findings in an order in which every parent comes first.
    pub fn in_order(&self, mut findings: Vec<FindingIx>) -> Vec<FindingIx> {
        findings.sort_by_key(|i| self.rank[*i]);
        findings
    }

    pub fn parents(&self, i: FindingIx) -> impl Iterator<Item = FindingIx> + '_ {
        self.gate[i].into_iter().chain(self.excluders[i].iter().copied())
    }

    /// The finding this one is a kind of.
    pub fn kind_of(&self, i: FindingIx) -> Option<FindingIx> {
        self.gate[i]
    }

    fn ancestors(&self, start: impl IntoIterator<Item = FindingIx>) -> BTreeSet<FindingIx> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<FindingIx> = start.into_iter().collect();
        while let Some(i) = todo.pop() {
            if seen.insert(i) {
                todo.extend(self.parents(i));
            }
        }
        seen
    }
}

/// The distribution of findings in one kind of person with one condition and one presenting complaint.
pub struct Person<'a> {
    pub kb: &'a KnowledgeBase,
    pub condition: &'a Condition,
    pub years: Option<u32>,
    pub sex: Sex,
    /// Certain, as it is what they came with; so is what it is a kind of. `None` where that is no finding one presents with.
    pub complaint: Option<FindingIx>,
}

impl Person<'_> {
    /// P(finding | condition) before dependencies; 0 where age or sex rule it out, 1 for the complaint.
    pub fn marginal(&self, i: FindingIx) -> f64 {
        let f = &self.kb.findings()[i];
        if self.complaint == Some(i) || self.gates_complaint(i) {
            1.0
        } else if !f.possible(self.years, self.sex) {
            0.0
        } else {
            let own = self.condition.findings.get(&f.id).copied().unwrap_or(f.base);
            // Who has the kind has the parent: it cannot be rarer than a kind the condition lists.
            self.kb.network().kinds[i].iter().map(|k| self.listed(*k)).fold(own, f64::max)
        }
    }

    /// The largest probability the condition gives to a finding or to a kind of it; 0 where it lists none.
    fn listed(&self, i: FindingIx) -> f64 {
        let f = &self.kb.findings()[i];
        let own =
            self.condition.findings.get(&f.id).copied().filter(|_| f.possible(self.years, self.sex)).unwrap_or(0.0);
        self.kb.network().kinds[i].iter().map(|k| self.listed(*k)).fold(own, f64::max)
    }

    fn gates_complaint(&self, i: FindingIx) -> bool {
        let mut at = self.complaint;
        while let Some(parent) = at.and_then(|child| self.kb.network().kind_of(child)) {
            if parent == i {
                return true;
            }
            at = Some(parent);
        }
        false
    }

    /// P(finding present | condition, values of its parents).
    pub fn given_parents(&self, i: FindingIx, value: impl Fn(FindingIx) -> bool) -> f64 {
        let own = self.marginal(i);
        if own >= 1.0 {
            return 1.0;
        }
        let net = self.kb.network();
        if net.excluders[i].iter().any(|e| value(*e)) {
            return 0.0;
        }
        match net.gate[i] {
            Some(parent) if !value(parent) => 0.0,
            Some(parent) => {
                let p = self.marginal(parent);
                if p > 0.0 { (own / p).min(1.0) } else { 0.0 }
            }
            None => own,
        }
    }

    /// Log of P(evidence | condition, complaint), exact: sums over the unobserved ancestors of the evidence, component by
    /// component. Negative infinity where the evidence is impossible.
    pub fn log_likelihood(&self, evidence: &BTreeMap<FindingIx, bool>) -> f64 {
        let nodes = self.kb.network().ancestors(evidence.keys().copied());
        let mut left = nodes.clone();
        let mut total = 0.0;
        while let Some(start) = left.first().copied() {
            let component = self.component(start, &nodes);
            for i in &component {
                left.remove(i);
            }
            let p = self.component_probability(&component, evidence);
            if p <= 0.0 {
                return f64::NEG_INFINITY;
            }
            total += libm::log(p);
        }
        total
    }

    fn component(&self, start: FindingIx, nodes: &BTreeSet<FindingIx>) -> Vec<FindingIx> {
        let net = self.kb.network();
        let mut inside = BTreeSet::from([start]);
        loop {
            let before = inside.len();
            for i in nodes {
                let touches = net.parents(*i).any(|p| inside.contains(&p));
                if inside.contains(i) {
                    inside.extend(net.parents(*i).filter(|p| nodes.contains(p)));
                } else if touches {
                    inside.insert(*i);
                }
            }
            if inside.len() == before {
                return net.in_order(inside.into_iter().collect());
            }
        }
    }

    fn component_probability(&self, component: &[FindingIx], evidence: &BTreeMap<FindingIx, bool>) -> f64 {
        let mut values: BTreeMap<FindingIx, bool> = BTreeMap::new();
        self.sum(component, evidence, &mut values)
    }

    /// Sum over the values of the first unobserved node, then the rest, in parent-first order.
    fn sum(
        &self,
        rest: &[FindingIx],
        evidence: &BTreeMap<FindingIx, bool>,
        values: &mut BTreeMap<FindingIx, bool>,
    ) -> f64 {
        let Some((i, rest)) = rest.split_first() else { return 1.0 };
        let p = self.given_parents(*i, |q| values.get(&q).copied().unwrap_or(false));
        let mut total = 0.0;
        for (value, weight) in [(true, p), (false, 1.0 - p)] {
            if weight > 0.0 && evidence.get(i).is_none_or(|v| *v == value) {
                values.insert(*i, value);
                total += weight * self.sum(rest, evidence, values);
            }
        }
        values.remove(i);
        total
    }
}
