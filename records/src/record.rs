//! One de-identified case, immutable in play.

use crate::fact::{Access, Category, Fact, FactId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a record in logs and on the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub String);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// FHIR's administrative gender, which is what the sources carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Female,
    Male,
    Other,
    Unknown,
}

impl Sex {
    pub fn word(self) -> &'static str {
        match self {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        }
    }
}

/// Who the patient is. Ages of 90 and over are stored as 90 (HIPAA Safe Harbor).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demographics {
    /// Age in completed months, 0..=1080; `None` where the source does not say.
    pub age_months: Option<u32>,
    pub sex: Sex,
    /// Trade or role, where the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupation: Option<String>,
}

impl Demographics {
    /// Completed years.
    pub fn years(&self) -> Option<u32> {
        self.age_months.map(|m| m / 12)
    }
    /// Under 12: a parent speaks.
    pub fn is_child(&self) -> bool {
        self.age_months.is_some_and(|m| m < 12 * 12)
    }
    /// "a 44-year-old woman", "a 5-month-old boy", "an adult".
    pub fn describe(&self) -> String {
        let noun = |child: bool| match (self.sex, child) {
            (Sex::Female, true) => "girl",
            (Sex::Male, true) => "boy",
            (Sex::Female, false) => "woman",
            (Sex::Male, false) => "man",
            (_, true) => "child",
            (_, false) => "person",
        };
        match self.age_months {
            None => format!("an adult {}", noun(false)),
            Some(m) if m < 24 => format!("a {m}-month-old {}", noun(true)),
            Some(m) => {
                let y = m / 12;
                let article = if y == 8 || y == 11 || y == 18 || (80..90).contains(&y) { "an" } else { "a" };
                format!("{article} {y}-year-old {}", noun(y < 18))
            }
        }
    }
}

/// What is wrong, and what else it might have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// Empty where the source does not state what is wrong: such a case is played, but no diagnosis is right or wrong in it.
    pub name: String,
    /// Wordings accepted as the same diagnosis.
    #[serde(default)]
    pub synonyms: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icd10: Option<String>,
    /// The knowledge base's condition, where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Other conditions a careful doctor would consider, most likely first.
    #[serde(default)]
    pub differential: Vec<String>,
}

impl Diagnosis {
    /// Whether the source says what is wrong; where it does not, nothing that hangs on the diagnosis is scored.
    pub fn is_stated(&self) -> bool {
        !self.name.trim().is_empty()
    }
}

/// A treatment this patient must not be given, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contraindication {
    pub treatment: String,
    pub why: String,
    /// The fact that makes it so, where the record holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<FactId>,
}

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    pub source: String,
    pub licence: String,
    /// The case's id in its source.
    pub source_id: String,
    /// What made the record, with its version: `import agentclinic/1`, `generate kb/2`.
    pub made_by: String,
}

/// One de-identified case. `records/data/SCHEMA.md` explains every field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientRecord {
    /// Version of this shape; [`PatientRecord::SCHEMA`].
    pub schema: u32,
    pub id: RecordId,
    pub demographics: Demographics,
    /// Why they came, in their own words; the first thing the doctor hears.
    pub chief_complaint: String,
    pub facts: Vec<Fact>,
    pub diagnosis: Diagnosis,
    /// Subjects of findings that must not be missed in this case.
    #[serde(default)]
    pub red_flags: Vec<String>,
    #[serde(default)]
    pub contraindications: Vec<Contraindication>,
    /// First-line management, short steps.
    #[serde(default)]
    pub management: Vec<String>,
    /// When to come back, as one would tell the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_net: Option<String>,
    pub provenance: Provenance,
}

impl PatientRecord {
    pub const SCHEMA: u32 = 1;

    pub fn fact(&self, id: &FactId) -> Option<&Fact> {
        self.facts.iter().find(|f| &f.id == id)
    }
    /// What the patient knows and can tell.
    pub fn history(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|f| matches!(f.access, Access::Volunteered | Access::OnAsk))
    }
    pub fn exam_findings(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|f| f.category == Category::Exam)
    }
    pub fn test_results(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|f| f.category == Category::Test)
    }

    /// A name for the content: any edit changes it. BLAKE3 over the canonical JSON (fields in declaration order).
    pub fn content_hash(&self) -> RecordHash {
        let json = serde_json::to_vec(self).unwrap_or_default();
        RecordHash(*blake3::hash(&json).as_bytes())
    }
}

/// BLAKE3 of a record's canonical JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordHash(pub [u8; 32]);

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({self})")
    }
}
