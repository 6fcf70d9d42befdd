//! Promises of the trainer's core, a module each.
mod checkpoints;
mod credit;
mod differential;
mod golden;
mod groups;
mod rounds;
mod stages;
mod tensorboard;
