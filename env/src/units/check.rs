//! Programs that decide a criterion over events and text.

use bedside_records::FactId;
use serde::{Deserialize, Serialize};

/// How the embedded verifier decides a criterion. Every variant returns evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Any of these facts was disclosed.
    Elicited(Vec<FactId>),
}
