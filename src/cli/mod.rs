//! The command line: one file a command. Errors are sentences with a hint; results go to standard output, progress to
//! standard error.

mod backend;
mod bench;
mod bench_lm;
mod check;
mod clinic;
mod eval;
mod experiment;
mod fail;
mod healthbench;
mod lab;
mod log;
mod models;
mod out;
mod panel;
mod patient;
mod play;
mod probe;
mod probe_simulator;
mod quickstart;
mod records;
mod replay;
mod report;
mod rescore;
mod rubric_prompts;
mod rubrics;
mod run;
mod source;
mod train;

use clap::{Parser, Subcommand};
use fail::Fail;
use std::process::ExitCode;

/// A gym for medical consultations: play, log, score, replay and compare doctor policies.
#[derive(Parser)]
#[command(name = "bedside", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  bedside run --policy checklist,information-gain --cases 50 --seeds 2 --log runs/first\n\n\
                        A research tool, not a medical device."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Baselines, GRPO on fragments, held-out comparison, replay and report, in minutes
    Quickstart(quickstart::Args),
    /// Play one consultation, yourself or with a policy, and watch it
    Play(play::Args),
    /// Play policies x cases x seeds, log them, and print a table with intervals
    Run(run::Args),
    /// Evaluate policies, scripted ones and language models, on held-out cases
    Eval(Box<eval::Args>),
    /// Pull, import and list language models
    Models(models::Args),
    /// Compare recipes of training at equal generated tokens
    Experiment(experiment::Args),
    /// Write a training run and its evaluation as Markdown with plots
    Report(report::Args),
    /// Replay a log: fold its events, then run the engine again and compare
    Replay(replay::Args),
    /// Check every hash of a log and name what does not fit
    Verify(log::VerifyArgs),
    /// Go on from turn k of a logged consultation with another policy
    Fork(log::ForkArgs),
    /// Show two logged consultations side by side, and where they part
    Diff(log::DiffArgs),
    /// Score a log again, without playing
    Rescore(Box<rescore::Args>),
    /// Write a log as chat JSONL or Parquet
    Export(log::ExportArgs),
    /// Train a language-model doctor: imitate, then reinforce
    Train(Box<train::Args>),
    /// Write rubrics for cases, look a file of them over, and compare them with experts'
    Rubrics(rubrics::Args),
    /// Import, generate, list, show and de-identify patient records
    Records(records::Args),
    /// Try a labelled file on the gate, the interpreter, the leak guard or the de-identifier
    Probe(probe::Args),
    /// Check the promises at small size, a line each
    Check(check::Args),
    /// Measure speed and memory on this machine
    Bench(bench::Args),
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no failure; a closed pipe is nobody's.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Quickstart(a) => quickstart::run(a),
        Command::Play(a) => play::run(a),
        Command::Run(a) => run::run(a),
        Command::Eval(a) => eval::run(*a),
        Command::Models(a) => models::run(a),
        Command::Experiment(a) => experiment::run(a),
        Command::Report(a) => report::run(a),
        Command::Replay(a) => replay::run(a),
        Command::Verify(a) => log::verify(a),
        Command::Fork(a) => log::fork(a),
        Command::Diff(a) => log::diff(a),
        Command::Rescore(a) => rescore::run(*a),
        Command::Export(a) => log::export(a),
        Command::Train(a) => train::run(*a),
        Command::Rubrics(a) => rubrics::run(a),
        Command::Records(a) => records::run(a),
        Command::Probe(a) => probe::run(a),
        Command::Check(a) => check::run(a),
        Command::Bench(a) => bench::run(a),
    };
    match done {
        Ok(code) => code,
        Err(Fail::BrokenPipe) => ExitCode::SUCCESS,
        Err(fail) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {fail}");
            ExitCode::from(fail.code())
        }
    }
}
