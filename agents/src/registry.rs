//! Policies by name, for the command line.

use crate::{Checklist, InformationGain, Oracle, Probe, ProbeKind, Random, Teacher};
use bedside_env::{Policy, PrivilegedPolicy};

/// A doctor that plays fair, or one that knows the truth.
pub enum Doctor {
    Fair(Box<dyn Policy>),
    Privileged(Box<dyn PrivilegedPolicy>),
}

impl Doctor {
    pub fn name(&self) -> String {
        match self {
            Doctor::Fair(p) => p.name(),
            Doctor::Privileged(p) => p.name(),
        }
    }
}

/// Names that [`doctor`] knows, weakest first; the `probe-` ones try to score without doing the work.
pub const POLICIES: [&str; 12] = [
    "random",
    "teacher",
    "checklist",
    "information-gain",
    "oracle",
    "probe-stall",
    "probe-shotgun",
    "probe-flatter",
    "probe-copy-rubric",
    "probe-keywords",
    "probe-at-once",
    "probe-injection",
];

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy `{name}`\nhint: one of {}", POLICIES.join(", "))]
pub struct UnknownPolicy {
    pub name: String,
}

/// The policy of this name.
pub fn doctor(name: &str) -> Result<Doctor, UnknownPolicy> {
    let fair = |p: Box<dyn Policy>| Ok(Doctor::Fair(p));
    match name {
        "random" => fair(Box::new(Random)),
        "teacher" => fair(Box::<Teacher>::default()),
        "checklist" => fair(Box::<Checklist>::default()),
        "information-gain" => fair(Box::<InformationGain>::default()),
        "oracle" => Ok(Doctor::Privileged(Box::new(Oracle))),
        _ => match ProbeKind::ALL.into_iter().find(|k| k.name() == name) {
            Some(kind) => fair(Box::new(Probe::new(kind))),
            None => Err(UnknownPolicy { name: name.to_owned() }),
        },
    }
}
