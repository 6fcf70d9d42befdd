//! Programs that decide a criterion over a case and the events of a consultation. Data only; the verifier runs them.

use bedside_records::{Category, FactId};
use serde::{Deserialize, Serialize};

/// How the embedded verifier decides a criterion. Each returns the events it saw. What a doctor says about itself ("I have
/// asked everything") is no evidence for any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Any of these facts was brought out by a question, an examination or a test.
    Elicited(Vec<FactId>),
    /// At least so many of these groups had a fact brought out.
    Gathered { groups: Vec<Vec<FactId>>, at_least: u16 },
    /// At least so many of these subjects were asked about, whether or not the patient knew.
    Asked { subjects: Vec<String>, at_least: u16 },
    /// History of every one of these categories was asked for.
    Covered(Vec<Category>),
    /// Something was asked that had not been asked before, and was understood.
    AskedAnew,
    /// History, then examination, then tests, then a conclusion.
    InOrder,
    /// The record's diagnosis stands among the first so many of the conclusion.
    Diagnosed { within: u16 },
    /// The conclusion puts another diagnosis first.
    Misdiagnosed,
    /// The conclusion names more diagnoses than this.
    Shotgun { more_than: u16 },
    /// A conclusion came before this many of these groups were known.
    Premature { groups: Vec<Vec<FactId>>, fewer_than: u16 },
    /// The plan holds at least so many of the record's first-line steps, under the right diagnosis.
    Managed { at_least: u16 },
    /// One of these treatments was advised.
    Treated(Vec<String>),
    /// When and where to come back was said.
    SafetyNet,
    /// At most so many unexplained medical words.
    Plain { at_most: u16 },
    /// A feeling was acknowledged, outside mere flattery.
    Empathy,
    /// The doctor said who they are.
    Introduced,
    /// The patient was invited to ask or to say what they fear.
    Invited,
    /// A reason was given for the conclusion.
    Reasoned,
    /// What was heard or agreed was said back.
    Recapped,
    /// Cost or affordability was spoken of.
    CostRaised,
    /// At least so many questions were put that had been put and answered before, or lines said over again.
    Repeated { at_least: u16 },
    /// One turn held at least so many requests.
    Compound { at_least: u16 },
    /// All was promised to be well.
    Reassured,
    /// The patient was told to step out of role.
    Injected,
}
