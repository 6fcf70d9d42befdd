//! Our own JSON, through the strict parser.

use super::{ImportReport, Importer, SourceFile};
use crate::parse::{RecordError, has_lines, parse_records};
use crate::record::PatientRecord;
use std::collections::BTreeSet;

pub(super) struct Bedside;

impl Importer for Bedside {
    fn format(&self) -> &'static str {
        "bedside"
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(self.format());
        let mut ids = BTreeSet::new();
        let mut take = |report: &mut ImportReport, records: Vec<PatientRecord>| {
            for r in records {
                report.read += 1;
                if ids.insert(r.id.clone()) {
                    report.records.push(r);
                } else {
                    report.reject(r.id.0, "this id was imported already");
                }
            }
        };
        for file in files {
            let text = match file.text() {
                Ok(text) => text,
                Err(why) => {
                    report.broken(&file.name, why);
                    continue;
                }
            };
            let name = file.name.trim_end_matches(".gz");
            if has_lines(name, &text) {
                // A line that is no record costs itself alone.
                for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
                    let place = format!("{}:{}", file.name, i + 1);
                    match parse_records(&place, line) {
                        Ok(records) => take(&mut report, records),
                        Err(errors) if serde_json::from_str::<serde::de::IgnoredAny>(line).is_err() => {
                            report.broken(place, told(&errors));
                        }
                        Err(errors) => report.turn_away(place, told(&errors)),
                    }
                }
                continue;
            }
            match parse_records(name, &text) {
                Ok(records) => take(&mut report, records),
                Err(errors) => {
                    report.read += 1;
                    errors.iter().for_each(|e| report.reject(&file.name, e.to_string()));
                }
            }
        }
        report
    }
}

/// The first error of a line, and how many more there are.
fn told(errors: &[RecordError]) -> String {
    let Some(RecordError { path, expected, found, hint, .. }) = errors.first() else { return String::new() };
    let more = errors.len() - 1;
    let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
    format!("at {path}, expected {expected}, found {found}{more}; {hint}")
}
