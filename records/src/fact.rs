//! The smallest disclosable unit of a record, and the vocabulary it is filed under.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Stable within one record; shown nowhere but in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactId(pub String);

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where history-taking files a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// History of the presenting complaint.
    Hpi,
    /// Review of systems: symptoms asked about one by one.
    Ros,
    /// Past medical history.
    Pmh,
    Surgical,
    Medication,
    Allergy,
    Family,
    Social,
    Obstetric,
    Psychiatric,
    Vaccination,
    /// Who the patient is: age, sex, occupation as identity.
    Demographic,
    /// An examination finding; told by the examination, never by the patient.
    Exam,
    /// A test result; told by the laboratory, never by the patient.
    Test,
}

impl Category {
    pub const ALL: [Category; 14] = [
        Category::Hpi,
        Category::Ros,
        Category::Pmh,
        Category::Surgical,
        Category::Medication,
        Category::Allergy,
        Category::Family,
        Category::Social,
        Category::Obstetric,
        Category::Psychiatric,
        Category::Vaccination,
        Category::Demographic,
        Category::Exam,
        Category::Test,
    ];

    /// The label word used in files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Category::Hpi => "hpi",
            Category::Ros => "ros",
            Category::Pmh => "pmh",
            Category::Surgical => "surgical",
            Category::Medication => "medication",
            Category::Allergy => "allergy",
            Category::Family => "family",
            Category::Social => "social",
            Category::Obstetric => "obstetric",
            Category::Psychiatric => "psychiatric",
            Category::Vaccination => "vaccination",
            Category::Demographic => "demographic",
            Category::Exam => "exam",
            Category::Test => "test",
        }
    }
}

impl FromStr for Category {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Category::ALL.into_iter().find(|c| c.word() == s).ok_or_else(|| {
            let words: Vec<_> = Category::ALL.iter().map(|c| c.word()).collect();
            format!("`{s}` is not a category; one of {}", words.join(", "))
        })
    }
}

/// A side of a symptom (OLDCARTS and its neighbours) that a question may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    Onset,
    Duration,
    Location,
    Radiation,
    Character,
    Severity,
    /// Constant or intermittent, how often, at what time of day.
    Timing,
    Aggravating,
    Relieving,
    Progression,
    /// What else came with it, asked openly.
    Associated,
    /// What the patient was doing; what may have set it off.
    Context,
    /// Earlier episodes of the same.
    Episodes,
    /// Effect on life and work.
    Impact,
    /// What was tried, and whether it helped.
    Treatment,
    /// How much, how many, which dose.
    Amount,
    /// Ideas, concerns and expectations.
    Concern,
}

impl Aspect {
    pub const ALL: [Aspect; 17] = [
        Aspect::Onset,
        Aspect::Duration,
        Aspect::Location,
        Aspect::Radiation,
        Aspect::Character,
        Aspect::Severity,
        Aspect::Timing,
        Aspect::Aggravating,
        Aspect::Relieving,
        Aspect::Progression,
        Aspect::Associated,
        Aspect::Context,
        Aspect::Episodes,
        Aspect::Impact,
        Aspect::Treatment,
        Aspect::Amount,
        Aspect::Concern,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Aspect::Onset => "onset",
            Aspect::Duration => "duration",
            Aspect::Location => "location",
            Aspect::Radiation => "radiation",
            Aspect::Character => "character",
            Aspect::Severity => "severity",
            Aspect::Timing => "timing",
            Aspect::Aggravating => "aggravating",
            Aspect::Relieving => "relieving",
            Aspect::Progression => "progression",
            Aspect::Associated => "associated",
            Aspect::Context => "context",
            Aspect::Episodes => "episodes",
            Aspect::Impact => "impact",
            Aspect::Treatment => "treatment",
            Aspect::Amount => "amount",
            Aspect::Concern => "concern",
        }
    }
}

impl FromStr for Aspect {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Aspect::ALL.into_iter().find(|a| a.word() == s).ok_or_else(|| format!("`{s}` is not an aspect"))
    }
}

/// What a fact is about: a subject (a finding of the knowledge base, or a word of the record's own) and, for a described
/// symptom, the aspect. Written `chest_pain` or `chest_pain/onset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic {
    pub subject: String,
    pub aspect: Option<Aspect>,
}

impl Topic {
    pub fn new(subject: impl Into<String>) -> Self {
        Topic { subject: subject.into(), aspect: None }
    }
    pub fn with_aspect(subject: impl Into<String>, aspect: Aspect) -> Self {
        Topic { subject: subject.into(), aspect: Some(aspect) }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.aspect {
            Some(a) => write!(f, "{}/{}", self.subject, a.word()),
            None => f.write_str(&self.subject),
        }
    }
}

impl FromStr for Topic {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (subject, aspect) = match s.split_once('/') {
            Some((subject, aspect)) => (subject, Some(aspect.parse::<Aspect>()?)),
            None => (s, None),
        };
        let ok =
            !subject.is_empty() && subject.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !ok {
            return Err(format!("`{s}` is not a topic; write snake_case, optionally `/aspect`"));
        }
        Ok(Topic { subject: subject.to_owned(), aspect })
    }
}

impl TryFrom<String> for Topic {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<Topic> for String {
    fn from(t: Topic) -> String {
        t.to_string()
    }
}

/// A pertinent negative is a fact too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Polarity {
    Present,
    Absent,
}

/// What it takes to hear a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Told unasked, with the chief complaint or at the first open question.
    Volunteered,
    OnAsk,
    OnExam,
    OnTest,
}

/// How private a fact is: 0 told to anyone .. 3 told only to somebody trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitivity(pub u8);

impl Sensitivity {
    pub const MAX: u8 = 3;
}

/// The smallest disclosable unit of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    pub id: FactId,
    pub category: Category,
    pub topic: Topic,
    /// In the patient's own voice, a whole sentence ("I've had a cough for two weeks."); for exam and test facts what the
    /// clinician or the laboratory reports.
    pub statement: String,
    pub polarity: Polarity,
    /// How much eliciting it matters for this case, 0..=10.
    pub weight: u8,
    pub access: Access,
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// The statement gives the diagnosis away (a biopsy report): never told by anyone before that test is ordered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_diagnosis: bool,
    /// For exam and test facts: names a doctor may use to ask for it ("ECG", "heart tracing"); empty for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_as: Vec<String>,
    /// The words of the source this fact was made from, kept for audit; never voiced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_text: Option<String>,
}
