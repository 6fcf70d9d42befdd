//! Train, validation or held out: decided by a hash of the id, so adding cases moves none.

use crate::record::PatientRecord;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Validation,
    HeldOut,
}

impl Split {
    /// Share of ids, in percent: train 80, validation 10, held out 10. A record whose condition the knowledge base holds out
    /// is held out whatever its id (`condition_held_out`).
    pub fn of(record: &PatientRecord, condition_held_out: impl Fn(&str) -> bool) -> Split {
        if record.diagnosis.condition.as_deref().is_some_and(condition_held_out) {
            return Split::HeldOut;
        }
        Split::of_id(&record.id.0)
    }

    pub fn of_id(id: &str) -> Split {
        let h = blake3::hash(format!("bedside split v1 {id}").as_bytes());
        match u16::from_le_bytes([h.as_bytes()[0], h.as_bytes()[1]]) % 100 {
            0..80 => Split::Train,
            80..90 => Split::Validation,
            _ => Split::HeldOut,
        }
    }
}
