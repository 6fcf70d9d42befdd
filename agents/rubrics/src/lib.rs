#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod action;
mod by_case;
pub mod check;
pub mod cluster;
pub mod consistency;
pub mod dimension;
mod exemplars;
pub mod file;
pub mod generate;
pub mod guards;
pub mod programs;
pub mod prompts;
pub mod read;
pub mod retrieve;
pub mod score;
pub mod select;
pub mod source;

pub use by_case::{ByCase, NoRubric};
pub use consistency::{Consistency, Referee, Same};
pub use dimension::Dimension;
pub use exemplars::{Exemplar, Library};
pub use generate::{Config, Failed, Generated, Generator, Why};
pub use guards::{Candidate, Fault, Guards, Refused};
pub use select::{Dropped, Selected, Traits, select};
pub use source::{CasePrompt, Scenario, Source};
