//! GRPO and the stages before it.

#![forbid(unsafe_code)]

pub mod adamw;
pub mod checkpoint;
pub mod grpo;
pub mod metrics;
pub mod schedule;
