//! The embedded Interpreter.

use super::{Act, ActKind, DialogueContext, Interpreter, QuestionForm, Request, RequestKind, Understanding};
use bedside_records::{KnowledgeBase, Topic};

/// Understands doctors' English by the knowledge base's lexicon.
pub struct EmbeddedInterpreter;

impl EmbeddedInterpreter {
    pub fn new() -> Self {
        EmbeddedInterpreter
    }
}

impl Default for EmbeddedInterpreter {
    fn default() -> Self {
        Self::new()
    }
}

impl Interpreter for EmbeddedInterpreter {
    fn id(&self) -> &str {
        "embedded-interpreter/0"
    }

    fn interpret(&self, utterance: &str, _context: DialogueContext<'_>) -> Understanding {
        let lower = utterance.to_lowercase();
        let span = (0, utterance.len() as u32);
        let mut u = Understanding::default();
        for f in KnowledgeBase::builtin().findings() {
            if f.lay.iter().any(|l| lower.contains(l.as_str())) {
                u.requests.push(Request {
                    kind: RequestKind::History { topics: vec![Topic::new(f.id.clone())], categories: vec![f.category] },
                    span,
                    form: QuestionForm::Polar,
                });
            }
        }
        u.acts.push(Act { kind: if u.requests.is_empty() { ActKind::Other } else { ActKind::Ask }, span });
        u
    }
}
