//! `bedside play`: one consultation, watched or played.

use super::fail::Fail;
use super::out;
use super::patient::PatientArgs;
use super::source::{MOST, MOST_TURNS, Source, within};
use bedside::agents::Human;
use bedside::env::event::Event;
use bedside::env::{Outcome, Speaker};
use bedside::patient::Part;
use bedside::prelude::*;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside play                                  play the doctor yourself\n  \
                        bedside play --policy information-gain --seed 7 --show-truth")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// `human`, or a policy's name
    #[arg(long, default_value = "human")]
    policy: String,
    /// Position of the case among the records
    #[arg(long, default_value_t = 0, value_parser = within::<usize>(0, MOST - 1))]
    case: usize,
    /// What the persona, where none is named, and all draws follow from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Such as ENFP/university/high/comfortable/plain/calm/good; drawn from the seed by default
    #[arg(long)]
    persona: Option<String>,
    /// Doctor turns at most
    #[arg(long, default_value_t = 20, value_parser = within::<u32>(1, MOST_TURNS))]
    max_turns: u32,
    /// At the end show diagnosis and scorecard with evidence
    #[arg(long)]
    show_truth: bool,
    #[command(flatten)]
    patient: PatientArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let persona = match &args.persona {
        Some(p) => Some(p.parse::<Persona>().map_err(|e| Fail::usage(e, "see `bedside play --help` for an example"))?),
        None => None,
    };
    let mut config = EnvConfig::default();
    config.limits.max_turns = args.max_turns;
    let model = args.patient.play(&mut config)?;
    let cases = args.source.cases(Some(args.case + 1))?;
    let mut gym = Gym::new(cases, config.clone());
    let options = ResetOptions { case: Some(args.case), persona, label: args.policy.clone() };
    let seed = Seed(args.seed);
    let (mut o, info) = gym.reset(seed, &options)?;
    let truth = gym.privileged()?;
    let mut human = Human::new(std::io::BufReader::new(std::io::stdin()), std::io::stdout());
    let mut doctor = if args.policy == "human" { None } else { Some(doctor(&args.policy)?) };
    let mut shown = 0;
    let last = loop {
        let decision = match &mut doctor {
            None => match human.act(&[(&o, seed)]) {
                Ok(mut d) => d.swap_remove(0),
                // The input ended: nobody put words into the doctor's mouth, and nothing is scored.
                Err(e) => {
                    out::line(format!("\n{e}"))?;
                    break None;
                }
            },
            Some(d) => {
                shown = show(&o, shown)?;
                let mut decisions = match d {
                    Doctor::Fair(p) => p.act(&[(&o, seed)])?,
                    Doctor::Privileged(p) => p.act(&[(&o, &truth, seed)])?,
                };
                decisions.swap_remove(0)
            }
        };
        let step = gym.step(decision)?;
        o = step.observation.clone();
        if !step.status.is_running() {
            break Some(step);
        }
    };
    match doctor {
        None => human.show(&o)?,
        Some(_) => {
            show(&o, shown)?;
        }
    }
    let part = Part::of(&gym.log()?.events);
    let score = match (&last, part.absent()) {
        (_, Some(why)) => format!("none (patient model failed: {why})"),
        (Some(step), None) => score(step),
        (None, None) => "none (left open)".to_owned(),
    };
    let status = last.as_ref().map_or(Status::Running, |step| step.status);
    out::line(format!("\n{status:?} after {} turns; score {score}", o.turn))?;
    let ended = last.is_some() && args.policy == "human";
    if args.show_truth || ended {
        let record = truth.record();
        out::line(format!("diagnosis: {} ({}); persona {}", record.diagnosis.name, record.id, info.persona))?;
        let log = gym.log()?;
        if let Some(scorer) = config.scorer.as_ref().filter(|_| last.is_some() && part.absent().is_none()) {
            let case = gym.cases()[args.case].clone();
            let rubric = scorer.rubric(&case, &info.persona, &[]);
            for v in scorer.score(&case, &log.events).verdicts {
                let asked = rubric.criteria.iter().find(|c| c.id == v.criterion).map_or("", |c| c.criterion.as_str());
                let mark = match &v.outcome {
                    Outcome::Met => "met  ",
                    Outcome::Unmet => "unmet",
                    Outcome::Unjudged(_) => "?    ",
                };
                out::line(format!("  {mark} {:+3}  {asked} ({})", v.points.get(), v.explanation))?;
            }
        }
        let hidden = log.events.iter().filter(|e| matches!(e, Event::FactWithheld { .. })).count();
        if hidden > 0 {
            out::line(format!("  ({hidden} answers were kept back for want of trust)"))?;
        }
    }
    PatientArgs::settle(model)?;
    Ok(if part.absent().is_some() { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn score(step: &Step) -> String {
    match step.reward {
        Reward::Scored(s) => format!("{s:.3}"),
        Reward::Unscored(why) => format!("none ({why:?})"),
    }
}

/// Prints the lines after `from`, and returns how many there are now.
fn show(o: &Observation, from: usize) -> Result<usize, Fail> {
    if from == 0 {
        out::line(format!("Patient: {}", o.patient))?;
    }
    for l in &o.dialogue[from..] {
        let gap = if l.speaker == Speaker::Doctor { "\n" } else { "" };
        out::line(format!("{gap}{:>8}  {}", l.speaker.word(), l.text))?;
    }
    Ok(o.dialogue.len())
}
