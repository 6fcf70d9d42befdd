//! The embedded Termination Gate.

use super::{ActKind, PatientView, TerminationGate, Understanding};
use crate::step::Ending;

/// Ends on a committed diagnosis, a referral or a farewell.
pub struct EmbeddedGate;

impl TerminationGate for EmbeddedGate {
    fn id(&self) -> &str {
        "embedded-gate/0"
    }

    fn decide(&self, _utterance: &str, understood: &Understanding, _view: &PatientView<'_>) -> Option<Ending> {
        if understood.has(ActKind::Diagnose) {
            Some(Ending::DiagnosisGiven)
        } else if understood.has(ActKind::Farewell) {
            Some(Ending::Farewell)
        } else {
            None
        }
    }
}
