//! Promises of the patient played by models.

mod adversaries;
#[path = "../examples/adversaries/doctors.rs"]
mod doctors;
mod fixtures;
mod playing;
mod prompts;
mod replaying;
mod routes;
mod server;
