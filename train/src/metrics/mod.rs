//! What a run writes down about itself: [`monitors`] measure a step, [`habits`] whether the policy plays tricks, [`alarms`] say what is wrong with it and what to do,
//! [`jsonl`] and [`tensorboard`] keep it.

pub mod alarms;
pub mod habits;
pub mod jsonl;
pub mod monitors;
pub mod tensorboard;

pub use alarms::{Alarm, AlarmConfig, Alarms};
pub use habits::Habits;
pub use jsonl::JsonlWriter;
pub use monitors::{Episode, measure};
pub use tensorboard::EventWriter;

use std::collections::BTreeMap;

/// Named numbers of one step, in the order of their names. Where a number is not defined it is `None`, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, Option<f64>>);

impl Metrics {
    /// Sets a number; NaN and infinities are kept as "not defined".
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Option<f64>>) {
        self.0.insert(name.into(), value.into().filter(|v| v.is_finite()));
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        *self.0.get(name)?
    }

    pub fn extend(&mut self, values: impl IntoIterator<Item = (String, f64)>) {
        values.into_iter().for_each(|(name, value)| self.set(name, value));
    }

    /// Takes over what another measured; what it could not define replaces nothing that is defined here.
    pub fn set_all(&mut self, other: &Metrics) {
        for (name, value) in other.iter() {
            if value.is_some() || self.get(name).is_none() {
                self.set(name, value);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}
