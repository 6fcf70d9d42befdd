//! Cases and consultations that the promises are tried on.

use bedside_agents::{Doctor, doctor};
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Decision, Env, EnvConfig, EpisodeLog, Gym, Observation, PrivilegedView, ResetOptions, Step};
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use std::sync::Arc;

/// `n` generated cases of the training population.
pub fn cases(n: u64) -> Arc<Vec<Arc<Case>>> {
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    Arc::new((0..n).map(|s| Case::new(generator.generate(Seed(s)).expect("a patient"))).collect())
}

/// One decision of a doctor, fair or not.
pub fn decide(doctor: &mut Doctor, o: &Observation, truth: &PrivilegedView, seed: Seed) -> Decision {
    let mut decisions = match doctor {
        Doctor::Fair(p) => p.act(&[(o, seed)]),
        Doctor::Privileged(p) => p.act(&[(o, truth, seed)]),
    }
    .expect("scripted doctors decide");
    decisions.swap_remove(0)
}

/// Plays one consultation to its end.
pub fn play(gym: &mut Gym, policy: &str, case: usize, seed: Seed) -> (EpisodeLog, Step) {
    let mut who = doctor(policy).expect("a known policy");
    let options = ResetOptions { case: Some(case), label: policy.to_owned(), ..ResetOptions::default() };
    let (mut o, _) = gym.reset(seed, &options).expect("resets");
    let truth = gym.privileged().expect("open");
    loop {
        let step = gym.step(decide(&mut who, &o, &truth, seed)).expect("steps");
        o = step.observation.clone();
        if !step.status.is_running() {
            return (gym.log().expect("open"), step);
        }
    }
}

pub fn gym(n: u64) -> Gym {
    Gym::new(cases(n), EnvConfig::default())
}

/// How much of a promise is tried: `small` on any day, `full` where BEDSIDE_FULL is set. Printed, since a promise is worth
/// its size.
pub fn size(what: &str, small: usize, full: usize) -> usize {
    let n = if std::env::var_os("BEDSIDE_FULL").is_some() { full } else { small };
    println!("{n} {what} (BEDSIDE_FULL=1: {full})");
    n
}
