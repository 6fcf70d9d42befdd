//! The case library: what a patient record is, where records come from, and the clinical knowledge behind generated ones.

#![forbid(unsafe_code)]

pub mod fact;
pub mod kb;
pub mod record;
pub mod seed;
pub mod split;

pub use fact::{Access, Aspect, Category, Fact, FactId, Polarity, Sensitivity, Topic};
pub use kb::KnowledgeBase;
pub use record::{Contraindication, Demographics, Diagnosis, PatientRecord, Provenance, RecordHash, RecordId, Sex};
pub use split::Split;
