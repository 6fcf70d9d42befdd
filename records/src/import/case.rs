//! From drafts to a record: ids, weights, access, what gives the diagnosis away, and how much of the source was used.

use super::narrative::topic::content_words;
use super::narrative::{Draft, Narrator, Section};
use super::truth::{condition_of, described, gives_away};
use crate::deid::{DeidOptions, deid};
use crate::fact::{Access, Category, Fact, FactId, Polarity, Sensitivity};
use crate::kb::{Condition, KnowledgeBase};
use crate::pattern::compiled;
use crate::record::{Contraindication, Demographics, Diagnosis, PatientRecord, Provenance, RecordId, Sex};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Where a source's records come from.
pub(super) struct Source {
    pub format: &'static str,
    pub licence: &'static str,
    pub version: u32,
}

/// One case on its way in.
pub(super) struct Case {
    source: &'static Source,
    pub source_id: String,
    pub demographics: Demographics,
    pub narrator: Narrator,
    pub options: DeidOptions,
    pub drafts: Vec<Draft>,
    pub diagnosis: Diagnosis,
    /// Candidates for the opening line, best first, in the source's words.
    pub complaints: Vec<String>,
    /// Words already the patient's own.
    pub own_words: Option<String>,
}

/// Content words of the narrative, and how many of them a fact holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub words: usize,
    pub covered: usize,
}

impl Case {
    pub fn new(
        source: &'static Source,
        source_id: impl Into<String>,
        demographics: Demographics,
        diagnosis: &str,
    ) -> Case {
        let narrator = Narrator::new(&demographics);
        let diagnosis = described(diagnosis);
        Case {
            source,
            source_id: source_id.into(),
            demographics,
            narrator,
            options: DeidOptions::default(),
            drafts: Vec::new(),
            diagnosis,
            complaints: Vec::new(),
            own_words: None,
        }
    }

    pub fn scrub(&self, text: &str) -> String {
        deid(text, &self.options).text
    }

    /// Reads a passage, identifiers out first.
    pub fn tell(&mut self, text: &str, section: Section) {
        let clean = self.scrub(text);
        self.learn_initials(&clean);
        let drafts = self.narrator.tell(&clean, section);
        self.drafts.extend(drafts);
    }

    /// "Extramammary Paget's disease (EMPD)": what the source shortens the diagnosis to is a name of it too.
    fn learn_initials(&mut self, text: &str) {
        static SHORT: LazyLock<Regex> = LazyLock::new(|| compiled(r"([\p{L}'’ -]{6,90}) \(([A-Z][A-Za-z0-9-]{1,7})\)"));
        for caps in SHORT.captures_iter(text) {
            let short = caps[2].to_owned();
            let capitals = short.chars().filter(char::is_ascii_uppercase).count();
            let known = self.diagnosis.synonyms.contains(&short) || self.diagnosis.name == short;
            // The name must be what the bracket follows, not a word somewhere before it.
            let tail: Vec<&str> = caps[1].split_whitespace().rev().take(capitals + 1).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join(" ");
            if capitals > 1 && !known && self.diagnosis.is_stated() && gives_away(&tail, &self.diagnosis) {
                self.diagnosis.synonyms.push(short);
            }
        }
    }

    pub fn tree(&mut self, value: &serde_json::Value, category: Category) {
        let options = self.options.clone();
        let drafts = self.narrator.tree(value, category, &|t| deid(t, &options).text);
        self.drafts.extend(drafts);
    }

    pub fn finish(mut self) -> Result<(PatientRecord, Coverage), String> {
        self.drop_repeats();
        let condition = condition_of(&self.diagnosis);
        if let Some(c) = condition {
            self.diagnosis.condition = Some(c.id.clone());
            self.diagnosis.icd10.get_or_insert_with(|| c.icd10.clone());
            self.diagnosis.synonyms.extend(std::iter::once(&c.name).chain(&c.synonyms).cloned());
            self.diagnosis.synonyms.retain(|s| !s.eq_ignore_ascii_case(&self.diagnosis.name));
            self.diagnosis.synonyms.dedup();
            if self.diagnosis.differential.is_empty() {
                let kb = KnowledgeBase::builtin();
                self.diagnosis.differential =
                    c.differentials.iter().filter_map(|id| kb.condition(id)).map(|d| d.name.clone()).collect();
            }
        }
        let red: BTreeSet<&str> =
            condition.iter().flat_map(|c| &c.red_flags).map(String::as_str).chain(ALARMS.iter().copied()).collect();
        let tellable = |d: &Draft| !matches!(d.category, Category::Exam | Category::Test | Category::Demographic);
        if !self.drafts.iter().any(tellable) {
            return Err("no history the patient could tell".into());
        }
        if self.drafts.len() < if self.diagnosis.is_stated() { FEWEST } else { FEWEST_UNSTATED } {
            return Err(format!("with {} facts there is too little to find out", self.drafts.len()));
        }
        let chief_complaint = self.chief_complaint();
        self.open_with(&chief_complaint);
        let mut facts = Vec::new();
        let mut unasked = 0;
        for d in &self.drafts {
            let access = match d.category {
                Category::Exam => Access::OnExam,
                Category::Test => Access::OnTest,
                // The complaint itself, and what an open question is answered with.
                _ if unasked < UNASKED && self.opens(d) && (unasked == 0 || d.sensitivity == 0) => {
                    unasked += 1;
                    Access::Volunteered
                }
                _ => Access::OnAsk,
            };
            facts.push(Fact {
                id: FactId(format!("f{}", facts.len() + 1)),
                category: d.category,
                topic: d.topic.clone(),
                statement: one_line(&d.statement),
                polarity: d.polarity,
                weight: weight(d, red.contains(d.topic.subject.as_str())),
                access,
                sensitivity: Sensitivity(d.sensitivity.min(Sensitivity::MAX)),
                names_diagnosis: gives_away(&d.statement, &self.diagnosis),
                asked_as: d.asked_as.iter().map(|a| one_line(a)).filter(|a| !a.is_empty()).collect(),
                source_text: Some(one_line(&d.source)).filter(|s| !s.is_empty()),
            });
        }
        facts.retain(|f| !f.statement.trim_matches(['.', ' ']).is_empty());
        let coverage = self.coverage();
        let red_flags = condition.map(|c| c.red_flags.clone()).unwrap_or_else(|| {
            let named: BTreeSet<&str> =
                facts.iter().map(|f| f.topic.subject.as_str()).filter(|s| ALARMS.contains(s)).collect();
            named.into_iter().map(str::to_owned).collect()
        });
        let contraindications = contraindications(&facts, condition);
        let record = PatientRecord {
            schema: PatientRecord::SCHEMA,
            id: RecordId(format!("{}-{}", self.source.format, slug(&self.source_id))),
            demographics: self.demographics,
            chief_complaint,
            facts,
            diagnosis: self.diagnosis,
            red_flags,
            contraindications,
            management: condition.map(|c| c.management.clone()).unwrap_or_default(),
            safety_net: condition.map(|c| c.safety_net.clone()),
            provenance: Provenance {
                source: self.source.format.into(),
                licence: self.source.licence.into(),
                source_id: self.source_id,
                made_by: format!("import {}/{}", self.source.format, self.source.version),
            },
        };
        Ok((record, coverage))
    }

    /// The same thing said in two sections of the source is one fact; its sources are kept together.
    fn drop_repeats(&mut self) {
        let mut at: BTreeMap<(Category, String), usize> = BTreeMap::new();
        let mut kept: Vec<Draft> = Vec::new();
        for d in std::mem::take(&mut self.drafts) {
            let group = if d.category == Category::Ros { Category::Hpi } else { d.category };
            let key = (group, d.statement.to_lowercase());
            match at.get(&key) {
                Some(i) => {
                    let old: &mut Draft = &mut kept[*i];
                    old.source = format!("{} | {}", old.source, d.source);
                }
                None => {
                    at.insert(key, kept.len());
                    kept.push(d);
                }
            }
        }
        self.drafts = kept;
    }

    fn coverage(&self) -> Coverage {
        let mut c = Coverage::default();
        for (passage, held) in &self.narrator.read {
            let mut left: BTreeMap<String, usize> = BTreeMap::new();
            for w in content_words(held) {
                *left.entry(w).or_default() += 1;
            }
            for w in content_words(passage) {
                c.words += 1;
                if let Some(n) = left.get_mut(&w).filter(|n| **n > 0) {
                    *n -= 1;
                    c.covered += 1;
                }
            }
        }
        c
    }
}

/// Facts told without being asked for: the complaint, and two more when the doctor asks openly.
const UNASKED: usize = 3;

/// Facts without which there is nothing to find out; where no diagnosis rewards it, more are wanted.
const FEWEST: usize = 3;
const FEWEST_UNSTATED: usize = 5;

/// Findings that must not be missed whatever the case.
const ALARMS: &[&str] = &[
    "chest_pain",
    "syncope",
    "haemoptysis",
    "haematemesis",
    "melaena",
    "weight_loss",
    "night_sweats",
    "suicidal_ideation",
    "suicidal_thoughts",
    "confusion",
    "neck_stiffness",
    "thunderclap_headache",
    "limb_weakness",
    "saddle_anaesthesia",
    "urinary_retention",
    "visual_loss",
    "rectal_bleeding",
    "postmenopausal_bleeding",
    "dysphagia",
    "seizure",
    "dyspnoea",
];

/// Weights follow the share of facts that clinicians called critical: history of the complaint 83 %, past history 84 %,
/// drugs 82 %, family 55 %, social 38 %. A denial weighs less than a finding, a red flag more.
fn weight(d: &Draft, red_flag: bool) -> u8 {
    let w: u8 = match d.category {
        Category::Hpi | Category::Pmh | Category::Medication | Category::Allergy => 8,
        Category::Surgical | Category::Obstetric | Category::Psychiatric => 6,
        Category::Ros | Category::Family => 5,
        Category::Exam | Category::Test => 6,
        Category::Social | Category::Vaccination => 4,
        Category::Demographic => 1,
    };
    let w = if d.polarity == Polarity::Absent { w.saturating_sub(4).max(1) } else { w };
    if red_flag { (w + 2).min(10) } else { w }
}

pub(super) fn one_line(s: &str) -> String {
    let clean: String = s.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn slug(s: &str) -> String {
    let mut out = String::new();
    for c in s.chars().take(80) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    out.trim_end_matches('_').to_owned()
}

fn contraindications(facts: &[Fact], condition: Option<&Condition>) -> Vec<Contraindication> {
    let mut out: Vec<Contraindication> = Vec::new();
    for f in facts.iter().filter(|f| f.category == Category::Allergy && f.polarity == Polarity::Present) {
        if let Some((_, to)) = f.statement.split_once("allergic to ") {
            let treatment = to.trim_end_matches('.').to_owned();
            out.push(Contraindication { why: format!("{treatment} allergy"), treatment, because: Some(f.id.clone()) });
        }
    }
    for c in condition.iter().flat_map(|c| &c.contraindicated) {
        let because = facts.iter().find(|f| f.topic.subject == c.when && f.polarity == Polarity::Present);
        if let Some(f) = because {
            out.push(Contraindication {
                treatment: c.treatment.clone(),
                why: c.why.clone(),
                because: Some(f.id.clone()),
            });
        }
    }
    out
}

/// "26-year-old female nurse", "2-week-old female newborn", "54-year-old Chinese man".
pub(super) fn demographics_of(text: &str) -> Demographics {
    static AGE: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)\b(\d{1,3})(?:\.\d+)?[- ]?(year|yr|month|week|day|hour)s?[- ]?(?:old|of age)|\b(\d{1,3}) ?(?:y/o|yo\b)|\bage[d:]?\s*(\d{1,3})",
        )
    });
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)\b(female|woman|girl|lady|mother|primigravid\w*|gravida|she|her)\b|\b(male|man|boy|gentleman|he|his)\b",
        )
    });
    static WORK: LazyLock<Regex> = LazyLock::new(|| {
        compiled(r"(?i)\b(?:female|male|woman|man),? ([a-z][a-z -]{3,30}(?:er|or|ist|ian|nurse|student|ant|clerk))$")
    });
    let age_months = AGE.captures(text).and_then(|c| {
        let n: u32 = c.get(1).or(c.get(3)).or(c.get(4))?.as_str().parse().ok()?;
        let months = match c.get(2).map(|u| u.as_str().to_lowercase()).as_deref() {
            Some("month") => n,
            Some("week") => n * 7 / 30,
            Some("day" | "hour") => 0,
            _ => n * 12,
        };
        Some(months.min(1080))
    });
    let age_months = age_months
        .or_else(|| text.contains("90 or over").then_some(1080))
        .or_else(|| text.to_lowercase().contains("newborn").then_some(0));
    let sex = match WORDS.captures(text) {
        Some(c) if c.get(1).is_some() => Sex::Female,
        Some(_) => Sex::Male,
        None => Sex::Unknown,
    };
    let occupation = WORK.captures(text.trim()).map(|c| c[1].to_lowercase()).filter(|o| o != "newborn");
    Demographics { age_months, sex, occupation }
}
