//! Who played the patient of a logged consultation. Its opening names every unit with version, model, and digests of prompts and
//! sampling; here they are read back into the configuration that gives those units again. So a log needs no record beside it, and
//! logs written before this could be read tell it too.

use crate::config::{Patient, PatientConfig};
use bedside_chat::prompts::{PromptError, Prompts};
use bedside_env::Event;
use std::fmt;

/// A patient with models in it, by the ids of its units.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Played {
    pub patient: Patient,
    pub model: String,
    /// Beginnings of the digests of its prompts, a unit each.
    pub prompts: Vec<String>,
    ids: Vec<String>,
}

/// What an id says, where it is a model unit's: name, model, digest of prompts.
fn parts(id: &str) -> Option<(&str, &str, &str)> {
    let (rest, _) = id.rsplit_once(" sampling ")?;
    let (rest, prompts) = rest.rsplit_once(" prompts ")?;
    let (name, model) = rest.split_once(' ')?;
    name.starts_with("model-").then_some((name, model, prompts))
}

impl Played {
    /// `None` where no model had a part.
    pub fn of(unit_ids: &[String]) -> Option<Played> {
        let units: Vec<(&str, &str, &str)> = unit_ids.iter().filter_map(|id| parts(id)).collect();
        let unit = |kind: &str| units.iter().find(|(name, ..)| name.split('/').next() == Some(kind));
        let (_, model, _) = unit("model-affective")?;
        let patient = match unit("model-factual") {
            None => Patient::Voice,
            Some((_, told, _)) if told.strip_prefix("guarded ").is_some() => Patient::Guarded,
            Some(_) => Patient::Model,
        };
        let prompts = units.iter().map(|(.., p)| (*p).to_owned()).collect();
        Some(Played { patient, model: (*model).to_owned(), prompts, ids: unit_ids.to_vec() })
    }

    /// By the opening of a consultation; `None` where no model had a part, or where it has no opening.
    pub fn by(events: &[Event]) -> Option<Played> {
        match events.first() {
            Some(Event::ConsultationOpened(opening)) => Played::of(&opening.unit_ids),
            _ => None,
        }
    }

    /// The configuration whose units with these prompts are those of the log; `None` where there is none, since prompts, sampling
    /// or a unit's version changed.
    pub fn config(&self, prompts: &Prompts) -> Result<Option<PatientConfig>, PromptError> {
        for (select, feel) in [(false, false), (true, false), (false, true), (true, true)] {
            let config = PatientConfig { select, feel, ..PatientConfig::new(self.patient, self.model.clone()) };
            if config.units(prompts)?.ids() == self.ids {
                return Ok(Some(config));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}`, prompts {}", self.patient, self.model, self.prompts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_env::units::Units;

    #[test]
    fn every_patient_is_read_back_from_the_ids_of_its_units() {
        let prompts = Prompts::built_in();
        assert_eq!(Played::of(&Units::embedded().ids()), None);
        assert_eq!(Played::of(&["model-affective/1 half".to_owned()]), None);
        for patient in [Patient::Voice, Patient::Model, Patient::Guarded] {
            for (select, feel) in [(false, false), (true, false), (false, true), (true, true)] {
                let config = PatientConfig { select, feel, ..PatientConfig::new(patient, "org/model:q8") };
                let played = Played::of(&config.units(&prompts).expect("units").ids()).expect("a model");
                assert_eq!((played.patient, played.model.as_str()), (patient, "org/model:q8"));
                let back = played.config(&prompts).expect("prompts").expect("a configuration");
                assert_eq!(back.units(&prompts).expect("units").ids(), config.units(&prompts).expect("units").ids());
            }
        }
        // Other sampling is told as such, not passed off as the same.
        let mut config = PatientConfig::new(Patient::Voice, "m");
        let hot = crate::Sampling { temperature: 1.5, ..config.sampling(bedside_env::units::UnitKind::Voice) };
        config.sampling.insert(bedside_env::units::UnitKind::Voice, hot);
        let played = Played::of(&config.units(&prompts).expect("units").ids()).expect("a model");
        assert_eq!(played.config(&prompts), Ok(None));
    }
}
