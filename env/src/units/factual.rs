//! The embedded Factual Unit.

use super::{FactualUnit, PatientView, Phrasing, RequestKind, Selection, Understanding, Violation};

/// Tells what was asked, checks what was said.
pub struct EmbeddedFactual;

impl EmbeddedFactual {
    pub fn new() -> Self {
        EmbeddedFactual
    }
}

impl Default for EmbeddedFactual {
    fn default() -> Self {
        Self::new()
    }
}

impl FactualUnit for EmbeddedFactual {
    fn id(&self) -> &str {
        "embedded-factual/0"
    }

    fn select(&self, understood: &Understanding, view: &PatientView<'_>) -> Selection {
        let mut s = Selection::default();
        for (i, r) in understood.requests.iter().enumerate() {
            let i = i as u16;
            match &r.kind {
                RequestKind::History { topics, .. } => {
                    let Some(topic) = topics.first() else { continue };
                    let facts = view.case.about(&topic.subject);
                    match facts.iter().find(|f| view.case.fact(**f).topic.aspect == topic.aspect) {
                        Some(ix) => s.told.push((*ix, i)),
                        None => s.unknown.push((topic.clone(), i)),
                    }
                }
                RequestKind::Open | RequestKind::Unclear => s.unclear.push(i),
                RequestKind::Exam { site } | RequestKind::Test { name: site } => {
                    let hit = view
                        .case
                        .record
                        .facts
                        .iter()
                        .position(|f| f.asked_as.iter().any(|a| a.eq_ignore_ascii_case(site)));
                    match hit {
                        Some(ix) => s.revealed.push((crate::event::FactIx(ix as u16), i)),
                        None => s.unremarkable.push((site.clone(), i)),
                    }
                }
            }
        }
        s
    }

    fn check(&self, _draft: &str, _selection: &Selection, _view: &PatientView<'_>) -> Vec<Violation> {
        Vec::new()
    }

    fn repair(&self, _draft: &str, _violations: &[Violation], selection: &Selection, view: &PatientView<'_>) -> String {
        Phrasing::flat(selection, view)
    }
}
