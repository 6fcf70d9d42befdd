//! GRPO and the stages before it.

#![forbid(unsafe_code)]

pub mod adamw;
pub mod checkpoint;
pub mod grpo;
pub mod metrics;
pub mod learner;
pub mod lesson;
pub mod reward;
pub mod rollout;
pub mod schedule;
pub mod teaching;
