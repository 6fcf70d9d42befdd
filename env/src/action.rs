//! What the doctor does.

use serde::{Deserialize, Serialize};

/// A doctor action: free text, or one of the typed actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Anything said aloud. Questions, wishes to examine, orders and conclusions are understood from the text.
    Say(String),
    /// Ask about one topic, `chest_pain` or `chest_pain/onset`, or about a whole category, `pmh`.
    Ask(String),
    /// Examine a site ("chest", "abdomen"), as in "let me listen to your chest".
    Examine(String),
    /// Order a test by name ("ECG").
    OrderTest(String),
    /// End the consultation: diagnoses, most likely first, and what happens next, told to the patient.
    Conclude { differential: Vec<String>, plan: String },
}

/// One doctor turn: the action, and the reasoning behind it, which the patient never sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorTurn {
    pub action: Action,
    pub reasoning: Option<String>,
}

impl From<Action> for DoctorTurn {
    fn from(action: Action) -> Self {
        DoctorTurn { action, reasoning: None }
    }
}

impl Action {
    pub fn say(text: impl Into<String>) -> Action {
        Action::Say(text.into())
    }
}

/// What a policy returns for one observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub turn: DoctorTurn,
    /// What a language model sampled, for training; `None` for the others.
    pub trace: Option<TokenTrace>,
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        Decision { turn: action.into(), trace: None }
    }
}

/// Sampled tokens of one decision, kept from sampling and never re-tokenised. The last three have one entry a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenTrace {
    /// Tokens the model was shown.
    pub prompt_ids: Vec<u32>,
    pub ids: Vec<u32>,
    /// Natural log of the probability under the sampling distribution.
    pub log_probs: Vec<f32>,
    /// 1 sampled, 0 forced; only sampled tokens are trained on.
    pub mask: Vec<u8>,
}
