//! Plays every scripted doctor and probe on generated cases and prints mean scores with 95 % bootstrap intervals.
//!
//! `cargo run -p bedside-agents --example order -- [CASES] [POLICY,...]`

use bedside_agents::{Doctor, POLICIES, doctor};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::units::Case;
use bedside_env::verifier::healthbench::interval;
use bedside_env::{Decision, Env, EnvConfig, EnvError, Gym, PolicyError, ResetOptions, Reward};
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use std::collections::BTreeMap;
use std::sync::Arc;

const METRICS: [&str; 6] = ["score", "diagnosis_top1", "diagnosis_top5", "facts_elicited", "fact_coverage", "turns"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let cases: u64 = args.next().map_or(Ok(200), |n| n.parse())?;
    let named = args.next();
    let policies: Vec<&str> = named.as_deref().map_or(POLICIES.to_vec(), |list| list.split(',').collect());
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let cases: Vec<Arc<Case>> = (0..cases).filter_map(|s| generator.generate(Seed(s))).map(Case::new).collect();
    let gym_cases = Arc::new(cases);
    println!("{:18} {:>7}  {:15}  {}", "policy", "reward", "95 %", METRICS.map(|m| format!("{m:>14}")).join(" "));
    for name in policies {
        let mut gym = Gym::new(gym_cases.clone(), EnvConfig::default());
        let mut rewards = Vec::new();
        let mut sums = [(0.0, 0u32); METRICS.len()];
        let mut met: BTreeMap<String, (u32, u32, i32)> = BTreeMap::new();
        for case in 0..gym_cases.len() {
            let mut who = doctor(name)?;
            let step = play(&mut gym, case, &mut who)?;
            if let Reward::Scored(r) = step.reward {
                rewards.push(r);
            }
            for (sum, key) in sums.iter_mut().zip(METRICS) {
                if let Some(v) = step.metrics.get(key) {
                    *sum = (sum.0 + v, sum.1 + 1);
                }
            }
            let card = bedside_env::verifier::Scorer::score(
                &bedside_env::verifier::EmbeddedScorer::default(),
                &gym_cases[case],
                &gym.log()?.events,
            );
            for v in &card.verdicts {
                let kind = v.tags.iter().find_map(|t| t.strip_prefix("kind:")).unwrap_or("?");
                let e = met.entry(kind.to_owned()).or_default();
                *e = (e.0 + u32::from(v.met() == Some(true)), e.1 + 1, e.2 + i32::from(v.points.get()));
            }
        }
        let mean = rewards.iter().sum::<f64>() / rewards.len().max(1) as f64;
        let (lo, hi) = interval(&rewards, Seed(0), name, 0.95).unwrap_or((0.0, 0.0));
        let rest: Vec<String> = sums.iter().map(|(s, n)| format!("{:>14.3}", s / f64::from((*n).max(1)))).collect();
        println!("{name:18} {mean:>7.3}  [{lo:.3}, {hi:.3}]  {}", rest.join(" "));
        if named.is_some() {
            for (kind, (yes, all, points)) in met {
                println!(
                    "    {kind:18} met {:>5.1} % of {all:>5}, {:>5.1} points each",
                    100.0 * f64::from(yes) / f64::from(all),
                    f64::from(points) / f64::from(all)
                );
            }
        }
    }
    Ok(())
}

fn play(gym: &mut Gym, case: usize, who: &mut Doctor) -> Result<bedside_env::Step, Box<dyn std::error::Error>> {
    let seed = Seed(case as u64);
    let options = ResetOptions { case: Some(case), label: who.name(), ..ResetOptions::default() };
    let (mut o, _) = gym.reset(seed, &options)?;
    loop {
        let own = Seed(Draw::new(seed, who.name().as_bytes(), o.turn, Purpose::Policy).next_u64());
        let mut decisions: Vec<Decision> = match who {
            Doctor::Fair(p) => p.act(&[(&o, own)])?,
            Doctor::Privileged(p) => {
                let truth = gym.privileged()?;
                p.act(&[(&o, &truth, own)])?
            }
        };
        let decision = decisions.pop().ok_or(PolicyError {
            message: "no decision came back".to_owned(),
            hint: "return one per observation".to_owned(),
        })?;
        let step = gym.step(decision).map_err(|e: EnvError| e)?;
        if !step.status.is_running() {
            return Ok(step);
        }
        o = step.observation;
    }
}
