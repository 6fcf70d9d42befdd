//! The case library: what a patient record is, where records come from, and the clinical knowledge behind generated ones.

#![forbid(unsafe_code)]

pub mod deid;
pub mod fact;
pub mod import;
pub mod kb;
pub mod library;
pub mod parse;
mod pattern;
pub mod record;
pub mod seed;
pub mod split;

pub use deid::{DeidOptions, Deidentified, Removed, deid};
pub use fact::{Access, Aspect, Category, Fact, FactId, Polarity, Sensitivity, Topic};
pub use kb::KnowledgeBase;
pub use library::{Library, LibraryError};
pub use parse::{RecordError, parse_records};
pub use record::{Contraindication, Demographics, Diagnosis, PatientRecord, Provenance, RecordHash, RecordId, Sex};
pub use split::Split;
