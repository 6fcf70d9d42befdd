//! Clinical narrative to atomic facts in the patient's own voice.
//!
//! A note is cut into sentences and clauses ([`cut`]), each clause is read as a denial, a report, an enumeration or a plain
//! sentence ([`clause`]), put into first person ([`voice`]) and lay words ([`lay`]), and filed under a topic ([`topic`]).

mod article;
mod clause;
mod cues;
pub(crate) mod cut;
mod deny;
mod fragment;
pub(crate) mod lay;
mod parent;
mod patterns;
mod predicate;
pub(crate) mod topic;
mod verbs;
pub(crate) mod voice;
mod whole;

use crate::fact::{Aspect, Category, Polarity, Topic};
use crate::record::Demographics;
use voice::Voice;

/// Where in a note a passage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// A vignette: everything in one paragraph.
    Mixed,
    Of(Category),
}

/// A fact before it has an id, a weight and an access.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub category: Category,
    pub topic: Topic,
    pub statement: String,
    pub polarity: Polarity,
    pub sensitivity: u8,
    pub asked_as: Vec<String>,
    pub source: String,
}

/// Reads the notes of one patient, in order.
pub(crate) struct Narrator {
    voice: Voice,
    /// The symptom last spoken of, for "it started yesterday".
    subject: Option<String>,
    /// In a vignette: history until an examination or a test begins.
    mode: Category,
    /// Passages read, each with the words its facts hold, for the coverage report.
    pub read: Vec<(String, String)>,
}

impl Narrator {
    pub fn new(demographics: &Demographics) -> Narrator {
        let voice = Voice { sex: demographics.sex, parent: demographics.is_child() };
        Narrator { voice, subject: None, mode: Category::Hpi, read: Vec::new() }
    }

    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// Facts of a passage.
    pub fn tell(&mut self, text: &str, section: Section) -> Vec<Draft> {
        let mut out = Vec::new();
        self.mode = Category::Hpi;
        for sentence in cut::sentences(text) {
            let sentence = without_heading(sentence, section);
            if nothing_said(sentence) {
                continue;
            }
            let before = out.len();
            let category = match section {
                Section::Of(c) => patterns::recategorise(sentence, c),
                Section::Mixed => {
                    self.mode = patterns::vignette_mode(sentence, self.mode);
                    if matches!(self.mode, Category::Exam | Category::Test) {
                        self.mode
                    } else {
                        patterns::recategorise(sentence, Category::Hpi)
                    }
                }
            };
            if matches!(category, Category::Exam | Category::Test) {
                out.extend(self.report(sentence, category));
            } else {
                for c in cut::clauses(sentence) {
                    out.extend(self.clause(c, category));
                }
            }
            let held: Vec<&str> = out[before..].iter().map(|d: &Draft| d.source.as_str()).collect();
            self.read.push((sentence.to_owned(), held.join(" ")));
        }
        out
    }

    /// A statement of the examination or the laboratory, as reported.
    pub fn report(&self, sentence: &str, category: Category) -> Option<Draft> {
        let words = patterns::report_style(sentence);
        let silent =
            ["none", "not done", "not performed", "not reported", "nil", "none reported", "none performed", "n/a"];
        if silent.contains(&words.to_lowercase().trim_end_matches('.')) {
            return None;
        }
        let (topic, finding) = topic::topic(&words, category);
        let mut asked_as = super::tree::names_for(&words, category);
        if let Some(f) = finding {
            asked_as.extend(f.test_names.iter().cloned());
            asked_as.extend(f.site.iter().map(|s| s.replace('_', " ")));
        }
        super::tree::tidy(&mut asked_as, category);
        let polarity = if super::tree::unremarkable(&words) { Polarity::Absent } else { Polarity::Present };
        let statement = super::tree::full_stop(&words);
        (!words.is_empty()).then(|| Draft {
            category,
            topic,
            statement,
            polarity,
            sensitivity: 0,
            asked_as,
            source: sentence.to_owned(),
        })
    }

    /// Files a spoken sentence.
    fn file(
        &mut self,
        spoken: &str,
        about: &str,
        source: &str,
        category: Category,
        polarity: Polarity,
        described: bool,
    ) -> Draft {
        let (mut topic, finding) = topic::topic(about, category);
        let mut category = category;
        if let Some(f) = finding
            && matches!(
                category,
                Category::Hpi | Category::Ros | Category::Social | Category::Psychiatric | Category::Obstetric
            )
            && !matches!(f.category, Category::Hpi | Category::Ros | Category::Exam | Category::Test)
        {
            category = f.category;
        }
        let symptom = matches!(category, Category::Hpi | Category::Ros);
        if symptom && polarity == Polarity::Present {
            let aspect = if described { topic::aspect(about) } else { None };
            match (finding, aspect, &self.subject) {
                (Some(_), a, _) => topic.aspect = a.filter(|a| !matches!(a, Aspect::Context)),
                (None, Some(a), Some(subject)) if described => topic = Topic::with_aspect(subject.clone(), a),
                (None, a, _) => topic.aspect = a.filter(|_| self.subject.is_none() && described),
            }
            if topic.aspect.is_none() && finding.is_some() || self.subject.is_none() {
                self.subject = Some(topic.subject.clone());
            }
        }
        let sensitivity = finding.map_or(0, |f| f.sensitivity.min(3)).max(topic::sensitivity(source, category));
        Draft {
            category,
            topic,
            statement: self.voice.sentence(spoken),
            polarity,
            sensitivity,
            asked_as: Vec::new(),
            source: source.to_owned(),
        }
    }
}

/// "Cardiovascular: Denies chest pain" -> "Denies chest pain"; kept in examination and results, where it says what was looked at.
fn without_heading(sentence: &str, section: Section) -> &str {
    if matches!(section, Section::Of(Category::Exam | Category::Test)) {
        return sentence;
    }
    match sentence.split_once(':') {
        Some((head, rest))
            if head.split_whitespace().count() <= 6
                && head.starts_with(char::is_uppercase)
                && !rest.trim().is_empty()
                && !rest.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            let head = head.to_lowercase();
            let telling = ["smok", "alcohol", "drug", "occupation", "tobacco", "allerg", "father", "mother"]
                .iter()
                .any(|w| head.contains(w));
            if telling { sentence } else { rest.trim() }
        }
        _ => sentence,
    }
}

fn nothing_said(sentence: &str) -> bool {
    let l = sentence.to_lowercase();
    let l = l.trim_matches(['.', ' ', '*', '(', ')']);
    let empty = [
        "not provided",
        "not reported",
        "not stated",
        "not applicable",
        "not specified",
        "information not provided",
        "n/a",
        "not mentioned",
        "unknown",
        "not available",
        "not documented",
        "not detailed",
        "not significant or contributory",
        "non-contributory data",
    ];
    let silent = l.split_whitespace().count() <= 7
        && (l.starts_with("not ") || l.starts_with("no ") || l.starts_with("no:"))
        && [
            "provided",
            "mentioned",
            "disclosed",
            "indicated",
            "specified",
            "detailed",
            "available",
            "given",
            "recorded",
        ]
        .iter()
        .any(|e| l.ends_with(e));
    silent || l.is_empty() || empty.iter().any(|e| l == *e || l.starts_with(e) && l.len() < e.len() + 32)
}

/// A passage that one fact holds whole.
pub(crate) fn twice(passage: impl Into<String>) -> (String, String) {
    let passage = passage.into();
    (passage.clone(), passage)
}
