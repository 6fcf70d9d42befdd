//! What routing by prefix spares two real servers: prompt tokens that they find cached, by route and by chance, for the same prompts.
//!
//! `eval "$(scripts/llama-server)" && cargo run -p bedside-patient --example affinity [-- --consultations 16 --turns 6 --at-once 8
//! --patient guarded --rounds 2 --server-flags "--cache-ram 0"]` starts two llama-servers for each arm and ends them after it, so that
//! none profits from what another computed; every second round plays the arms in the other order. With `--at URL,URL#MODEL` it plays on
//! servers that run already, with their caches as they are: start them anew for each `--arms route` or `--arms chance`.
//!
//! Consultations of the patient's units with one interviewer. A call asks for one token, which nobody can read, so the embedded unit
//! answers in its place: both arms ask for the same prompts to the byte, and nearly all of the time is the prompts'. Tokens are as the
//! servers count them.

mod play;
mod servers;

use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_patient::Patient;
use play::{Arm, Played, play};
use servers::Servers;
use std::process::ExitCode;

/// How it is measured.
pub struct Plan {
    pub consultations: usize,
    pub turns: usize,
    pub at_once: usize,
    pub patient: Patient,
    rounds: usize,
    arms: Vec<Arm>,
    /// Addresses and model of servers that run already.
    at: Option<(Vec<String>, String)>,
    flags: Vec<String>,
}

const USAGE: &str = "usage: affinity [--consultations N] [--turns N] [--at-once N] [--patient voice|model|guarded] [--rounds N] \
                     [--arms route,chance] [--server-flags \"FLAGS\"] [--at URL,URL#MODEL]";

fn plan(mut words: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut out = Plan {
        consultations: 16,
        turns: 6,
        at_once: 8,
        patient: Patient::Guarded,
        rounds: 2,
        arms: vec![Arm::Route, Arm::Chance],
        at: None,
        flags: Vec::new(),
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} wants a value"))?;
        let number = || value.parse::<usize>().ok().filter(|n| *n > 0).ok_or(format!("`{value}` is not above 0"));
        match word.as_str() {
            "--consultations" => out.consultations = number()?,
            "--turns" => out.turns = number()?,
            "--at-once" => out.at_once = number()?,
            "--rounds" => out.rounds = number()?,
            "--patient" => out.patient = value.parse()?,
            "--arms" => out.arms = value.split(',').map(str::parse).collect::<Result<_, String>>()?,
            "--server-flags" => out.flags = value.split_whitespace().map(str::to_owned).collect(),
            "--at" => {
                let (urls, model) = value.split_once('#').ok_or("the model's name is missing: URL,URL#MODEL")?;
                out.at = Some((urls.split(',').map(str::to_owned).collect(), model.to_owned()));
            }
            other => return Err(format!("`{other}` is unknown")),
        }
    }
    match out.patient {
        Patient::Embedded => Err("the embedded patient asks no model".to_owned()),
        _ => Ok(out),
    }
}

/// Mean, and a 95 % interval by drawing consultations again.
fn interval(values: &[f64]) -> (f64, f64, f64) {
    let mean = |sum: f64| sum / values.len().max(1) as f64;
    let mut draw = Draw::new(Seed(1), b"affinity", 0, Purpose::Bootstrap);
    let mut means: Vec<f64> =
        (0..1_000).map(|_| mean((0..values.len()).map(|_| values[draw.below(values.len())]).sum())).collect();
    means.sort_by(f64::total_cmp);
    (mean(values.iter().sum()), means[24], means[974])
}

fn run(plan: &Plan) -> Result<(), String> {
    let mut all: Vec<(usize, Arm, Played)> = Vec::new();
    println!(
        "| round | arm | calls a server | prompt tokens | cached | share of a consultation's tokens cached | seconds |"
    );
    println!("|---|---|---|---|---|---|---|");
    for round in 0..plan.rounds {
        let mut arms = plan.arms.clone();
        if round % 2 == 1 {
            arms.reverse();
        }
        for arm in arms {
            let servers = match &plan.at {
                Some((urls, model)) => Servers::running(urls, model)?,
                None => Servers::start(2, &plan.flags)?,
            };
            let played = play(plan, arm, &servers)?;
            if round == 0 && all.is_empty() {
                eprintln!("servers: {}\nthe first body's usage: {}", servers.told, played.usage);
            }
            let (mean, lo, hi) = interval(&played.rates());
            println!(
                "| {} | {arm} | {} | {} | {} | {mean:.3} [{lo:.3}, {hi:.3}] | {:.0} |",
                round + 1,
                played.calls.iter().map(u64::to_string).collect::<Vec<_>>().join(" + "),
                played.prompt(),
                played.cached(),
                played.seconds
            );
            all.push((round, arm, played));
        }
    }
    let of = |arm: Arm| all.iter().filter(|(_, a, _)| *a == arm).map(|(.., p)| p.rates()).collect::<Vec<_>>();
    let (routed, chance) = (of(Arm::Route), of(Arm::Chance));
    if !routed.is_empty() && routed.len() == chance.len() {
        let mut prompts = all.iter().map(|(.., p)| p.prompt());
        let first = prompts.next();
        if prompts.any(|n| Some(n) != first) {
            return Err("the arms did not ask for the same prompts; a server answered what could be read?".to_owned());
        }
        let mean = |rounds: &[Vec<f64>], i: usize| rounds.iter().map(|r| r[i]).sum::<f64>() / rounds.len() as f64;
        let gains: Vec<f64> = (0..plan.consultations).map(|i| mean(&routed, i) - mean(&chance, i)).collect();
        let (gain, lo, hi) = interval(&gains);
        println!("\nby route {gain:+.3} [{lo:+.3}, {hi:+.3}] over {} consultations, paired", gains.len());
    }
    Ok(())
}

fn main() -> ExitCode {
    let done = plan(std::env::args().skip(1)).map_err(|why| format!("{why}\n{USAGE}")).and_then(|plan| run(&plan));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
