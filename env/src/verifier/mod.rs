//! Scores: a rubric made for the case, judged over the events, summed by HealthBench's formulae.

use crate::event::Event;
use crate::hash::Digest;
use crate::persona::Persona;
use crate::rubric::{Rubric, Scorecard};
use crate::step::{Metrics, Reward, Unscored};
use crate::units::Case;
use crate::world::{Slot, Ward, WardError};
use std::sync::Arc;

/// Makes the rubric of a case and scores a consultation by it. Pure: the same events give the same card.
pub trait Scorer: Send + Sync {
    /// Name and version of rubric maker and judge.
    fn id(&self) -> String;
    fn rubric(&self, case: &Arc<Case>, persona: &Persona, events: &[Event]) -> Rubric;
    /// Digest of the rubric an episode on this case and persona starts with.
    fn rubric_hash(&self, case: &Arc<Case>, persona: &Persona) -> Digest {
        Digest::of("rubric", &self.rubric(case, persona, &[]))
    }
    fn score(&self, case: &Arc<Case>, events: &[Event]) -> Scorecard;
}

/// The embedded rubric generator and verifier.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedScorer;

impl Scorer for EmbeddedScorer {
    fn id(&self) -> String {
        "embedded-scorer/0".to_owned()
    }
    fn rubric(&self, _case: &Arc<Case>, _persona: &Persona, _events: &[Event]) -> Rubric {
        Rubric { made_by: "embedded/0".to_owned(), criteria: Vec::new() }
    }
    fn score(&self, _case: &Arc<Case>, _events: &[Event]) -> Scorecard {
        Scorecard { judge: self.id(), verdicts: Vec::new() }
    }
}

impl Scorecard {
    pub fn reward(&self) -> Reward {
        Reward::Unscored(Unscored::NoPositivePoints)
    }
    pub fn fill(&self, _metrics: &mut Metrics) {}
}

/// Measures that need no rubric.
pub(crate) fn measure(ward: &Ward, slot: Slot, metrics: &mut Metrics) -> Result<(), WardError> {
    let affect = ward.affect(slot)?;
    let known = [
        ("turns", f64::from(ward.turn(slot)?)),
        ("trust", f64::from(affect.trust)),
        ("anxiety", f64::from(affect.anxiety)),
        ("patience", f64::from(affect.patience)),
    ];
    for (key, value) in known {
        metrics.set(key, Some(value)).map_err(|_| WardError::NoSuchSlot)?;
    }
    Ok(())
}
