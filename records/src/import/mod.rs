//! Doors for other people's cases: one importer per format, all through the same narrator and de-identification.

mod aci_bench;
mod agentclinic;
mod ailment;
mod bedside;
mod case;
mod ddxplus;
mod fhir;
mod mediq;
mod medrbench;
mod narrative;
mod opening;
mod phenopackets;
mod primock57;
mod tree;
mod truth;

use crate::record::PatientRecord;
use case::Case;
pub use case::Coverage;
use std::fmt;
use std::io::Read;

/// One file as it was handed over.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl SourceFile {
    /// The text, unpacked where the file is gzip.
    pub fn text(&self) -> Result<String, String> {
        let mut out = String::new();
        let read = if self.bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::MultiGzDecoder::new(self.bytes.as_slice()).take(MAX_UNPACKED).read_to_string(&mut out)
        } else {
            self.bytes.as_slice().read_to_string(&mut out)
        };
        read.map_err(|e| format!("{}: not readable as UTF-8 text ({e})", self.name))?;
        Ok(out.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(out))
    }
}

const MAX_UNPACKED: u64 = 1 << 30;

/// What became of a source.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    pub format: &'static str,
    /// Cases found in the files.
    pub read: usize,
    pub records: Vec<PatientRecord>,
    /// Cases left out: id in the source (or file and line), and why.
    pub rejected: Vec<(String, String)>,
    /// Of these, what could not be read at all: lines that are no JSON, files that are no text.
    pub broken: usize,
    /// Content words of the narratives of the imported cases, and how many a fact holds.
    pub coverage: Coverage,
}

impl ImportReport {
    fn new(format: &'static str) -> ImportReport {
        ImportReport { format, ..ImportReport::default() }
    }

    fn reject(&mut self, id: impl Into<String>, why: impl Into<String>) {
        self.rejected.push((id.into(), why.into()));
    }

    /// A case, or why it is none.
    fn judge(&mut self, id: impl Into<String>, case: Result<Case, String>) {
        match case {
            Ok(case) => self.take(case),
            Err(why) => self.turn_away(id, why),
        }
    }

    fn take(&mut self, case: Case) {
        self.read += 1;
        let id = case.source_id.clone();
        match case.finish() {
            Ok((record, c)) if self.records.iter().all(|r| r.id != record.id) => {
                self.coverage.words += c.words;
                self.coverage.covered += c.covered;
                self.records.push(record);
            }
            Ok(_) => self.reject(id, "this id was imported already"),
            Err(why) => self.reject(id, why),
        }
    }

    fn turn_away(&mut self, id: impl Into<String>, why: impl Into<String>) {
        self.read += 1;
        self.reject(id, why);
    }

    fn broken(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.broken += 1;
        self.turn_away(place, why);
    }

    pub fn facts_per_case(&self) -> f64 {
        let n: usize = self.records.iter().map(|r| r.facts.len()).sum();
        if self.records.is_empty() { 0.0 } else { n as f64 / self.records.len() as f64 }
    }

    /// Share of the narrative's content words that some fact holds.
    pub fn covered(&self) -> f64 {
        if self.coverage.words == 0 { 1.0 } else { self.coverage.covered as f64 / self.coverage.words as f64 }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, rejected) = (self.records.len(), self.rejected.len());
        write!(f, "{}: {} cases read, {n} imported, {rejected} rejected", self.format, self.read)?;
        if self.broken > 0 {
            write!(f, " ({} could not be read)", self.broken)?;
        }
        if n == 0 {
            return Ok(());
        }
        let covered = self.covered() * 100.0;
        write!(f, ", {:.1} facts per case, {covered:.1} % of the narrative covered", self.facts_per_case())
    }
}

/// Reads one format.
pub trait Importer: Sync {
    /// The name on the command line.
    fn format(&self) -> &'static str;
    /// Reads files that belong together. Broken input is reported, never a panic.
    fn import(&self, files: &[SourceFile]) -> ImportReport;
}

const IMPORTERS: &[&dyn Importer] = &[
    &agentclinic::AgentClinic,
    &mediq::MediQ,
    &ddxplus::DdxPlus,
    &aci_bench::AciBench,
    &primock57::PriMock57,
    &medrbench::MedRBench,
    &phenopackets::Phenopackets,
    &fhir::Fhir,
    &bedside::Bedside,
];

/// The formats there are.
pub fn formats() -> impl Iterator<Item = &'static str> {
    IMPORTERS.iter().map(|i| i.format())
}

/// The importer of a format; the error names those there are.
pub fn importer(format: &str) -> Result<&'static dyn Importer, String> {
    IMPORTERS.iter().copied().find(|i| i.format() == format).ok_or_else(|| {
        format!("`{format}` is not a format.\nhint: use one of {}", formats().collect::<Vec<_>>().join(", "))
    })
}

/// A value of a file, or the place of what is none, and why.
type Found = Result<serde_json::Value, (String, String)>;

/// JSON values of a text: one, an array's items, one after another, or one a line. A line that is none costs itself alone, and
/// keeps its number, so that the values behind it are called as they would be without it.
fn json_values(name: &str, text: &str) -> Vec<Found> {
    let mut values = Vec::new();
    for v in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        match v {
            Ok(v) => spread(v, &mut values),
            Err(e) => {
                return json_lines(name, text).unwrap_or_else(|| {
                    let place = format!("{name}:{}", e.line());
                    values.push(Err((place, format!("not valid JSON: {e}"))));
                    values
                });
            }
        }
    }
    values
}

fn spread(v: serde_json::Value, into: &mut Vec<Found>) {
    match v {
        serde_json::Value::Array(items) => into.extend(items.into_iter().map(Ok)),
        v => into.push(Ok(v)),
    }
}

/// The same line by line, where the file is one of lines: by its name, or since most of them are whole.
fn json_lines(name: &str, text: &str) -> Option<Vec<Found>> {
    let (mut values, mut whole, mut all) = (Vec::new(), 0usize, 0usize);
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        all += 1;
        match serde_json::from_str(line) {
            Ok(v) => {
                whole += 1;
                spread(v, &mut values);
            }
            Err(e) => values.push(Err((format!("{name}:{}", i + 1), format!("not valid JSON: {e}")))),
        }
    }
    let named = [".jsonl", ".ndjson"].iter().any(|end| name.trim_end_matches(".gz").ends_with(end));
    (whole * 2 >= all || named && whole > 0).then_some(values)
}

/// Hands every JSON value of every file to `row` with its position; what cannot be read is turned away.
fn each_value(
    report: &mut ImportReport,
    files: &[SourceFile],
    mut row: impl FnMut(&mut ImportReport, usize, &serde_json::Value),
) {
    for file in files {
        let values = match file.text() {
            Ok(text) => json_values(&file.name, &text),
            Err(why) => vec![Err((file.name.clone(), why))],
        };
        for (i, v) in values.into_iter().enumerate() {
            match v {
                Ok(v) => row(report, i, &v),
                Err((place, why)) => report.broken(place, why),
            }
        }
    }
}

/// The text at a path of keys.
fn text_at<'a>(v: &'a serde_json::Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(v, |v, key| v.get(key)).and_then(serde_json::Value::as_str)
}

/// All text below a value, one line per leaf.
fn flat_text(v: &serde_json::Value) -> String {
    match v {
        serde_json::Value::String(s) => s.clone(),
        serde_json::Value::Array(a) => a.iter().map(flat_text).collect::<Vec<_>>().join("\n"),
        serde_json::Value::Object(o) => o.values().map(flat_text).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}
