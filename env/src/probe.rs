//! What the units make of one utterance, as words: for the command line and for tests of understanding.

use crate::units::gate::EmbeddedGate;
use crate::units::interpreter::EmbeddedInterpreter;
use crate::units::{DialogueContext, Interpreter, RequestKind, Understanding};
use bedside_records::{Category, Topic};

/// An understanding in the label guide's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    pub acts: Vec<String>,
    /// Best first.
    pub categories: Vec<String>,
    /// Best first; exam sites as `exam:site`, tests as `test:name`, `*` for a whole category.
    pub topics: Vec<String>,
    pub diagnoses: Vec<String>,
}

/// Understands `text` said after the patient's line `previous` (empty: none).
pub fn understand(text: &str, previous: &str) -> Probed {
    words(&interpret(text, previous, None, None))
}

/// The reason `text` gives to end the consultation, in words.
pub fn gate(text: &str, previous: &str) -> Option<&'static str> {
    EmbeddedGate::reason(text, &interpret(text, previous, None, None)).map(|e| e.word())
}

/// The embedded interpreter on `text`.
pub fn interpret(text: &str, previous: &str, focus: Option<&Topic>, complaint: Option<&str>) -> Understanding {
    let last_reply = (!previous.is_empty()).then_some(previous);
    EmbeddedInterpreter::new().interpret(text, DialogueContext { last_reply, focus, complaint })
}

/// An understanding as words.
pub fn words(u: &Understanding) -> Probed {
    let mut out = Probed::default();
    let mut add = |list: fn(&mut Probed) -> &mut Vec<String>, word: String| {
        let list = list(&mut out);
        if !list.contains(&word) {
            list.push(word);
        }
    };
    for a in &u.acts {
        add(|p| &mut p.acts, act_word(a.kind));
    }
    for r in &u.requests {
        match &r.kind {
            RequestKind::History { topics, categories } => {
                categories.iter().for_each(|c| add(|p| &mut p.categories, c.word().to_owned()));
                topics.iter().for_each(|t| add(|p| &mut p.topics, t.to_string()));
                if topics.is_empty() && !categories.is_empty() {
                    add(|p| &mut p.topics, "*".to_owned());
                }
            }
            RequestKind::Exam { site } => {
                add(|p| &mut p.categories, Category::Exam.word().to_owned());
                add(|p| &mut p.topics, format!("exam:{site}"));
            }
            RequestKind::Test { name } => {
                add(|p| &mut p.categories, Category::Test.word().to_owned());
                add(|p| &mut p.topics, format!("test:{name}"));
            }
            RequestKind::Open | RequestKind::Unclear => {}
        }
    }
    for d in u.diagnoses.iter() {
        add(|p| &mut p.diagnoses, format!("{}{}", if d.committed { "" } else { "?" }, d.text));
    }
    out
}

fn act_word(kind: crate::units::ActKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
