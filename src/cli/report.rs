//! `bedside report`: runs and an evaluation as Markdown with plots.

use super::fail::Fail;
use super::out;
use bedside::train::report::{Report, Run, read_evaluation};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  bedside eval --policy runs/a --cases 100 --json > eval.jsonl\n  \
                        bedside report --run runs/a,runs/b --eval eval.jsonl --out report")]
pub struct Args {
    /// Folders with a metrics.jsonl, or such files, comma-separated: seeds of one setting
    #[arg(long, value_delimiter = ',', value_name = "DIR|FILE")]
    run: Vec<PathBuf>,
    /// What `bedside eval --json` printed
    #[arg(long, value_name = "FILE")]
    eval: Vec<PathBuf>,
    /// Where report.md and plots/ go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The heading of report.md
    #[arg(long, default_value = "Report")]
    title: String,
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let runs = args.run.iter().map(|p| Run::read(p)).collect::<Result<_, _>>()?;
    let mut evaluation = Vec::new();
    for file in &args.eval {
        evaluation.extend(read_evaluation(file)?);
    }
    let report = Report { title: args.title, notes: Vec::new(), runs, evaluation };
    out::line(report.write(&args.out)?.display())?;
    Ok(ExitCode::SUCCESS)
}
