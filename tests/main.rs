//! Promises that cross crates, a module each. Names are sentences; `README.md` says how to run them.

mod cli;
mod compile_fail;
mod conformance;
mod determinism;
mod fixtures;
mod layering;
