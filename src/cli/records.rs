//! `bedside records`: the case library from the command line.

use super::fail::Fail;
use super::out;
use super::source::{MOST, Source, within};
use bedside::prelude::*;
use bedside::records::import::{ImportReport, SourceFile, importer};
use bedside::records::{Category, DeidOptions, Polarity, deid};
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside records list --limit 5\n  \
                        bedside records import --format agentclinic --out cases/ agentclinic_medqa.jsonl\n  \
                        bedside run --records cases/ --policy checklist")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Turn published cases into records
    #[command(
        after_help = "Example:\n  bedside records import --format agentclinic --out cases/ agentclinic_medqa.jsonl"
    )]
    Import(ImportArgs),
    /// Sample patients from the knowledge base
    #[command(after_help = "Example:\n  bedside records generate --cases 100 --out cases/")]
    Generate(GenerateArgs),
    /// One line a record
    #[command(after_help = "Example:\n  bedside records list --records cases/ --json")]
    List(ListArgs),
    /// One record in full, for its owner's eyes
    #[command(after_help = "Example:\n  bedside records show kb1-train-50-00000003")]
    Show(ShowArgs),
    /// Remove names, dates, places and other identifiers from text
    #[command(after_help = "Example:\n  bedside records deid note.txt --report")]
    Deid(DeidArgs),
}

#[derive(clap::Args)]
struct ImportArgs {
    /// agentclinic, mediq, ddxplus, aci_bench, primock57, medrbench, phenopackets, fhir or bedside
    #[arg(long)]
    format: String,
    /// Folder the records are written to, one JSON file each
    #[arg(long)]
    out: PathBuf,
    /// Source files; side files (DDXPlus's evidences and conditions) in the same call
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// JSON lines: one per rejected case, then the sums
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct GenerateArgs {
    #[command(flatten)]
    source: Source,
    /// How many
    #[arg(long, default_value_t = 100, value_parser = within::<usize>(1, MOST))]
    cases: usize,
    /// Folder the records are written to, one JSON file each
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
struct ListArgs {
    #[command(flatten)]
    source: Source,
    /// At most this many; 20 of the builtin ones by default
    #[arg(long, value_parser = within::<usize>(0, MOST))]
    limit: Option<usize>,
    /// One JSON object per record
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    source: Source,
    /// The record's id
    id: String,
    /// The record as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct DeidArgs {
    /// Text file; `-` is standard input
    #[arg(default_value = "-")]
    file: String,
    /// Names known to occur, such as the patient's own
    #[arg(long, value_delimiter = ',')]
    names: Vec<String>,
    /// Print what was removed, a JSON line each, instead of the text
    #[arg(long)]
    report: bool,
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    match args.what {
        What::Import(a) => import(a),
        What::Generate(a) => generate(a),
        What::List(a) => list(a),
        What::Show(a) => show(a),
        What::Deid(a) => deidentify(a),
    }
}

/// Reads a file, or says which one failed and why.
pub fn read(path: &Path) -> Result<Vec<u8>, Fail> {
    std::fs::read(path)
        .map_err(|e| Fail::trouble(format!("{}: {e}", path.display()), "check the path and its permissions"))
}

fn import(a: ImportArgs) -> Result<ExitCode, Fail> {
    let importer = importer(&a.format).map_err(Fail::Usage)?;
    let mut files = Vec::new();
    for path in &a.files {
        files.push(SourceFile { name: path.display().to_string(), bytes: read(path)? });
    }
    let report = importer.import(&files);
    write_all(&a.out, &report.records)?;
    summary(&report, a.json)?;
    // A case that the importer declines is no failure; a source that cannot be read to its end is.
    let whole = !report.records.is_empty() && report.broken == 0;
    Ok(ExitCode::from(u8::from(!whole)))
}

fn summary(report: &ImportReport, json: bool) -> Result<(), Fail> {
    if json {
        for (id, why) in &report.rejected {
            out::json(&json!({"rejected": id, "why": why}))?;
        }
        let coverage = (!report.records.is_empty()).then(|| report.covered());
        return out::json(&json!({
            "format": report.format, "read": report.read, "imported": report.records.len(), "rejected": report.rejected.len(),
            "broken": report.broken, "facts_per_case": report.facts_per_case(), "coverage": coverage,
        }));
    }
    for (id, why) in report.rejected.iter().take(10) {
        out::line(format!("rejected {id}: {why}"))?;
    }
    if report.rejected.len() > 10 {
        out::line(format!("... and {} more; --json lists all", report.rejected.len() - 10))?;
    }
    out::line(report)
}

/// A diagnosis as people read it.
fn stated(name: &str) -> &str {
    if name.is_empty() { "no diagnosis stated" } else { name }
}

/// One file a record, named by its id; what cannot stand in a file name becomes `_`.
fn write_all(dir: &Path, records: &[PatientRecord]) -> Result<(), Fail> {
    let trouble = |path: &Path, e: std::io::Error| {
        Fail::trouble(format!("{}: {e}", path.display()), "choose a folder that can be written to with --out")
    };
    std::fs::create_dir_all(dir).map_err(|e| trouble(dir, e))?;
    let bar = out::progress(records.len() as u64, "writing");
    for record in records {
        let name: String = record
            .id
            .0
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' })
            .collect();
        let path = dir.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(record)?;
        std::fs::File::create(&path).and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| trouble(&path, e))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn generate(a: GenerateArgs) -> Result<ExitCode, Fail> {
    let records = a.source.load(Some(a.cases))?;
    write_all(&a.out, &records)?;
    out::line(format!("{} records written to {}", records.len(), a.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn list(a: ListArgs) -> Result<ExitCode, Fail> {
    let limit = a.limit.or((a.source.records == "builtin").then_some(20));
    let records = a.source.load(limit)?;
    if a.json {
        for r in &records {
            out::json(&json!({
                "id": r.id.0, "age_months": r.demographics.age_months, "sex": r.demographics.sex.word(),
                "facts": r.facts.len(), "complaint": r.chief_complaint, "source": r.provenance.source,
            }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["record", "who", "facts", "complaint"].map(str::to_owned).to_vec()];
    rows.extend(records.iter().map(|r| {
        let complaint: String = r.chief_complaint.chars().take(60).collect();
        vec![r.id.0.clone(), r.demographics.describe(), r.facts.len().to_string(), complaint]
    }));
    out::line(out::table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

fn show(a: ShowArgs) -> Result<ExitCode, Fail> {
    let limit = (a.source.records == "builtin").then_some(2_000);
    let records = a.source.load(limit)?;
    let Some(r) = records.iter().find(|r| r.id.0 == a.id) else {
        let hint = "ids are listed by `bedside records list`";
        return Err(Fail::usage(format!("there is no record `{}` in {}", a.id, a.source.records), hint));
    };
    if a.json {
        out::json(&serde_json::to_value(r)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format!("{}: {}; {}", r.id, r.demographics.describe(), stated(&r.diagnosis.name)))?;
    out::line(format!("\"{}\"", r.chief_complaint))?;
    for category in Category::ALL {
        for f in r.facts.iter().filter(|f| f.category == category) {
            let sign = if f.polarity == Polarity::Present { '+' } else { '-' };
            out::line(format!(
                "  {:>11} {sign} [{:>2}] {:<28} {}",
                category.word(),
                f.weight,
                f.topic.to_string(),
                f.statement
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn deidentify(a: DeidArgs) -> Result<ExitCode, Fail> {
    let mut bytes = Vec::new();
    if a.file == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = read(Path::new(&a.file))?;
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        Fail::trouble(format!("{}: not UTF-8 at byte {}", a.file, e.utf8_error().valid_up_to()), "convert it first")
    })?;
    let done = deid(&text, &DeidOptions { names: a.names });
    if !a.report {
        out::line(done.text.trim_end_matches('\n'))?;
        return Ok(ExitCode::SUCCESS);
    }
    for r in &done.removed {
        out::json(&json!({"class": r.class.word(), "start": r.span.start, "end": r.span.end, "text": r.original}))?;
    }
    Ok(ExitCode::SUCCESS)
}
