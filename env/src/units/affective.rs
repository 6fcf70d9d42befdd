//! The embedded Affective Unit.

use super::{Affect, AffectiveUnit, Answer, PatientView, Phrasing, Selection, Understanding};
use crate::persona::Persona;

/// Speaks in persona by rules and a grammar.
pub struct EmbeddedAffective;

impl EmbeddedAffective {
    pub fn new() -> Self {
        EmbeddedAffective
    }
}

impl Default for EmbeddedAffective {
    fn default() -> Self {
        Self::new()
    }
}

impl AffectiveUnit for EmbeddedAffective {
    fn id(&self) -> &str {
        "embedded-affective/0"
    }
    fn temper(&self, _persona: &Persona) -> Affect {
        Affect { trust: 50, anxiety: 30, patience: 80 }
    }
    fn feel(&self, _understood: &Understanding, _selection: &Selection, view: &PatientView<'_>) -> Affect {
        view.affect
    }
    fn open(&self, view: &PatientView<'_>) -> String {
        view.case.chief_complaint.to_string()
    }
    fn voice(&self, _understood: &Understanding, selection: &Selection, view: &PatientView<'_>) -> Answer<String> {
        Answer::Ready(Phrasing::flat(selection, view))
    }
}
