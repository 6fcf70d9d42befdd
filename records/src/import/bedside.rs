//! Our own JSON, through the strict parser.

use super::{ImportReport, Importer, SourceFile};
use crate::parse::parse_records;

pub(super) struct Bedside;

impl Importer for Bedside {
    fn format(&self) -> &'static str {
        "bedside"
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(self.format());
        for file in files {
            match file.text().map(|t| parse_records(file.name.trim_end_matches(".gz"), &t)) {
                Ok(Ok(records)) => {
                    for r in records {
                        report.read += 1;
                        if report.records.iter().any(|x| x.id == r.id) {
                            report.reject(r.id.0, "another file has a record of this id");
                        } else {
                            report.records.push(r);
                        }
                    }
                }
                Ok(Err(errors)) => {
                    report.read += 1;
                    errors.iter().for_each(|e| report.reject(&file.name, e.to_string()));
                }
                Err(e) => report.turn_away(&file.name, e),
            }
        }
        report
    }
}
