//! `bedside check`: the promises at small size, a line each.

use super::fail::Fail;
use super::out;
use super::source::{MOST, Source, within};
use bedside::promises::{Promise, all};
use serde_json::json;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside check\n  bedside check --records cases/\n\n\
                        One line a promise: promise, holds, figure. Exit code 0 only if all hold.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Cases used
    #[arg(long, default_value_t = 24, value_parser = within::<usize>(1, MOST))]
    cases: usize,
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let cases = args.source.cases(Some(args.cases))?;
    let mut held = true;
    let bar = out::progress(5, "checking");
    for promise in all(&cases, args.source.records == "builtin") {
        let Promise { name, holds, figure } = promise()?;
        held &= holds;
        bar.inc(1);
        bar.suspend(|| out::json(&json!({"promise": name, "holds": holds, "figure": figure})))?;
    }
    bar.finish_and_clear();
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
