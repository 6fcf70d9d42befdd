//! The clinical knowledge base: findings anyone may ask for, and how probable each is given each condition.
//!
//! `data/kb/SCHEMA.md` describes the files. The model is a prior over conditions by age and sex, one presenting complaint, and
//! independent findings given the condition, so the posterior given any answers is exact.

use crate::fact::Category;
use crate::record::Sex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

mod drugs;
mod elapsed;
mod generator;
pub mod network;
pub mod population;
mod posterior;
pub mod statement;
mod vitals;
mod writer;

pub use generator::{GENERATOR, Generator};
use network::Network;
pub use population::{Pool, Population, presents_with};
pub use posterior::Posterior;

mod files {
    include!(concat!(env!("OUT_DIR"), "/kb_files.rs"));
}

/// Something a doctor may ask for, examine or order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub id: String,
    pub name: String,
    pub category: Category,
    pub system: String,
    /// Probability in a person who consults for something else.
    pub base: f64,
    pub lay: Vec<String>,
    pub ask: Vec<String>,
    pub yes: Vec<String>,
    pub no: Vec<String>,
    #[serde(default)]
    pub sensitivity: u8,
    #[serde(default)]
    pub sex: Option<Sex>,
    /// Years in which it can occur, both ends included.
    #[serde(default)]
    pub age: Option<[u32; 2]>,
    /// Regular medicines that go with a past condition.
    #[serde(default)]
    pub drugs: Vec<String>,
    /// The same for a child under 12: by weight or by the children's product. None are told where this is empty.
    #[serde(default)]
    pub drugs_child: Vec<String>,
    /// Findings that cannot be true beside this one.
    #[serde(default)]
    pub implies_no: Vec<String>,
    /// What must be examined for it.
    #[serde(default)]
    pub site: Option<String>,
    /// What must be ordered for it.
    #[serde(default)]
    pub test: Option<String>,
    #[serde(default)]
    pub test_names: Vec<String>,
    /// US dollars, roughly.
    #[serde(default)]
    pub price: Option<u32>,
}

impl Finding {
    /// Whether a person of this age and sex can have it.
    pub fn possible(&self, years: Option<u32>, sex: Sex) -> bool {
        let sex_ok = !matches!((self.sex, sex), (Some(Sex::Female), Sex::Male) | (Some(Sex::Male), Sex::Female));
        let age_ok = match (self.age, years) {
            (Some([low, high]), Some(y)) => (low..=high).contains(&y),
            _ => true,
        };
        sex_ok && age_ok
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    Emergency,
    Urgent,
    Soon,
    Routine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    Sudden,
    Progressive,
    Intermittent,
    Constant,
    Improving,
}

/// How long ago it began.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnsetRange {
    pub min: u32,
    pub max: u32,
    /// hours, days, weeks, months or years.
    pub unit: String,
}

/// New consultations per 10,000 people a year, ages 0-4, 5-17, 18-44, 45-64, 65 and over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prevalence {
    pub female: [f64; 5],
    pub male: [f64; 5],
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discriminator {
    pub against: String,
    pub ask: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contraindicated {
    pub treatment: String,
    /// The finding that makes it so.
    pub when: String,
    pub why: String,
}

/// How the presenting complaint is described, by aspect; sentences without a full stop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Voice {
    pub complaint: Vec<String>,
    pub onset: Vec<String>,
    pub character: Vec<String>,
    pub location: Vec<String>,
    pub radiation: Vec<String>,
    pub severity: Vec<String>,
    pub aggravating: Vec<String>,
    pub relieving: Vec<String>,
    pub timing: Vec<String>,
    pub progression: Vec<String>,
}

/// Ranges of vital signs that differ from normal for the age.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vitals {
    pub temperature: Option<[f64; 2]>,
    pub heart_rate: Option<[f64; 2]>,
    pub respiratory_rate: Option<[f64; 2]>,
    pub systolic: Option<[f64; 2]>,
    pub diastolic: Option<[f64; 2]>,
    pub oxygen: Option<[f64; 2]>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub id: String,
    pub name: String,
    pub synonyms: Vec<String>,
    pub icd10: String,
    pub specialty: String,
    pub urgency: Urgency,
    #[serde(default)]
    pub held_out: bool,
    pub prevalence: Prevalence,
    /// Years within which it occurs at all, where the age bands are too coarse to say so; both ends included.
    #[serde(default)]
    pub age: Option<[u32; 2]>,
    /// Finding and probability of coming with it; sums to 1.
    pub presenting: BTreeMap<String, f64>,
    pub onset: OnsetRange,
    pub pattern: Pattern,
    /// P(finding | condition).
    pub findings: BTreeMap<String, f64>,
    pub red_flags: Vec<String>,
    pub differentials: Vec<String>,
    pub discriminators: Vec<Discriminator>,
    pub management: Vec<String>,
    #[serde(default)]
    pub contraindicated: Vec<Contraindicated>,
    pub safety_net: String,
    pub sources: Vec<String>,
    pub voice: Voice,
    #[serde(default)]
    pub vitals: Vitals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingFile {
    finding: Vec<Finding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionFile {
    condition: Vec<Condition>,
}

/// Findings and conditions, both in id order.
#[derive(Debug)]
pub struct KnowledgeBase {
    findings: Vec<Finding>,
    conditions: Vec<Condition>,
    finding_at: BTreeMap<String, usize>,
    condition_at: BTreeMap<String, usize>,
    network: Network,
    /// Whether a finding is another's parent or ruled out by it.
    has_kinds: Vec<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Links {
    kind_of: BTreeMap<String, String>,
}

impl KnowledgeBase {
    /// The one that ships.
    ///
    /// # Panics
    /// If the embedded files are broken, which this crate's tests rule out.
    pub fn builtin() -> &'static KnowledgeBase {
        static KB: OnceLock<KnowledgeBase> = OnceLock::new();
        KB.get_or_init(|| {
            KnowledgeBase::parse(files::FINDING_FILES, files::CONDITION_FILES, include_str!("../../data/kb/links.toml"))
                .unwrap_or_else(|errors| panic!("embedded knowledge base: {}", errors.join("; ")))
        })
    }

    /// Parses `(file name, TOML)` pairs; all errors at once, each with its file.
    pub fn parse(
        findings: &[(&str, &str)],
        conditions: &[(&str, &str)],
        links: &str,
    ) -> Result<KnowledgeBase, Vec<String>> {
        let mut errors = Vec::new();
        let mut f: Vec<Finding> = Vec::new();
        for (name, text) in findings {
            match toml::from_str::<FindingFile>(text) {
                Ok(file) => f.extend(file.finding),
                Err(e) => errors.push(format!("{name}: {e}")),
            }
        }
        let mut c: Vec<Condition> = Vec::new();
        for (name, text) in conditions {
            match toml::from_str::<ConditionFile>(text) {
                Ok(file) => c.extend(file.condition),
                Err(e) => errors.push(format!("{name}: {e}")),
            }
        }
        f.sort_by(|a, b| a.id.cmp(&b.id));
        c.sort_by(|a, b| a.id.cmp(&b.id));
        for w in f.windows(2).filter(|w| w[0].id == w[1].id) {
            errors.push(format!("finding `{}` is defined twice", w[0].id));
        }
        for w in c.windows(2).filter(|w| w[0].id == w[1].id) {
            errors.push(format!("condition `{}` is defined twice", w[0].id));
        }
        let kind_of = match toml::from_str::<Links>(links) {
            Ok(links) => links.kind_of,
            Err(e) => {
                errors.push(format!("links.toml: {e}"));
                BTreeMap::new()
            }
        };
        let mut kb = KnowledgeBase {
            network: Network::default(),
            has_kinds: Vec::new(),
            finding_at: f.iter().enumerate().map(|(i, x)| (x.id.clone(), i)).collect(),
            condition_at: c.iter().enumerate().map(|(i, x)| (x.id.clone(), i)).collect(),
            findings: f,
            conditions: c,
        };
        kb.network = Network::compile(&kb, &kind_of, &mut errors);
        kb.has_kinds = vec![false; kb.findings.len()];
        for i in 0..kb.findings.len() {
            let parents: Vec<usize> = kb.network.parents(i).collect();
            parents.into_iter().for_each(|p| kb.has_kinds[p] = true);
        }
        kb.check(&mut errors);
        if errors.is_empty() { Ok(kb) } else { Err(errors) }
    }

    /// Dangling ids and impossible numbers.
    fn check(&self, errors: &mut Vec<String>) {
        for f in &self.findings {
            if !(f.base > 0.0 && f.base < 1.0) {
                errors.push(format!("finding `{}`: base {} is not inside (0, 1)", f.id, f.base));
            }
            if let Some(dose) = f.drugs_child.iter().find(|d| drugs::adult_dose(d)) {
                errors.push(format!("finding `{}`: `{dose}` is an adult's dose", f.id));
            }
            if f.yes.is_empty() || f.no.is_empty() {
                errors.push(format!("finding `{}` cannot be said: `yes` and `no` need a sentence each", f.id));
            }
        }
        for c in &self.conditions {
            let ids = c.presenting.keys().chain(c.findings.keys()).chain(&c.red_flags);
            let more = c.discriminators.iter().map(|d| &d.ask).chain(c.contraindicated.iter().map(|x| &x.when));
            for id in ids.chain(more).filter(|id| !self.finding_at.contains_key(*id)) {
                errors.push(format!("condition `{}` names the unknown finding `{id}`", c.id));
            }
            for (id, p) in c.findings.iter().filter(|(_, p)| !(**p > 0.0 && **p < 1.0)) {
                errors.push(format!("condition `{}`: P({id}) = {p} is not inside (0, 1)", c.id));
            }
            let sum: f64 = c.presenting.values().sum();
            if (sum - 1.0).abs() > 1e-6 {
                errors.push(format!("condition `{}`: presenting complaints sum to {sum}, not 1", c.id));
            }
        }
    }

    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.finding_at.get(id).map(|i| &self.findings[*i])
    }
    pub fn condition(&self, id: &str) -> Option<&Condition> {
        self.condition_at.get(id).map(|i| &self.conditions[*i])
    }

    /// Position of a finding in [`KnowledgeBase::findings`].
    pub fn finding_index(&self, id: &str) -> Option<network::FindingIx> {
        self.finding_at.get(id).copied()
    }
    pub fn network(&self) -> &Network {
        &self.network
    }
    /// Whether other findings depend on this one.
    pub(crate) fn has_kinds(&self, i: network::FindingIx) -> bool {
        self.has_kinds[i]
    }
}
