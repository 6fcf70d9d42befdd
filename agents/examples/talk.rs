//! Plays one consultation of a named policy on a generated case and prints it: `talk POLICY SEED`.
use bedside_agents::{Doctor, doctor};
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{Env, EnvConfig, Gym, ResetOptions};
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let policy = args.next().unwrap_or_else(|| "checklist".to_owned());
    let seed = Seed(args.next().map_or(Ok(0), |s| s.parse())?);
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let record = generator.generate(seed).ok_or("no patient")?;
    let mut gym = Gym::new(Arc::new(vec![Case::new(record)]), EnvConfig::default());
    let (mut o, info) = gym.reset(seed, &ResetOptions::default())?;
    let truth = gym.privileged()?;
    println!("{}; persona {}; {}", o.patient, info.persona, truth.record().diagnosis.name);
    let mut who = doctor(&policy)?;
    let step = loop {
        let mut decisions = match &mut who {
            Doctor::Fair(p) => p.act(&[(&o, seed)])?,
            Doctor::Privileged(p) => p.act(&[(&o, &truth, seed)])?,
        };
        let step = gym.step(decisions.swap_remove(0))?;
        o = step.observation.clone();
        if !step.status.is_running() {
            break step;
        }
    };
    for l in o.dialogue.iter() {
        println!("{:>8}  {}", l.speaker.word(), l.text);
    }
    println!("{:?} {:?} told {} unknown {:?}", step.status, step.reward, o.told.len(), o.unknown.len());
    Ok(())
}
