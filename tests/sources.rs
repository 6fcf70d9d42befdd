//! Imported cases to try promises on: the published files under BEDSIDE_DATA, or the importers' own small fixtures.

use bedside_env::units::Case;
use bedside_records::import::{SourceFile, formats, importer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// format, published files, hand-written fixtures
const SOURCES: [(&str, &[&str], &[&str]); 8] = [
    ("agentclinic", &["agentclinic/agentclinic_medqa.jsonl"], &["agentclinic.jsonl"]),
    ("mediq", &["mediq/imedqa.jsonl"], &["mediq.jsonl"]),
    (
        "ddxplus",
        &["ddxplus/release_evidences.json", "ddxplus/release_conditions.json", "ddxplus/patients.csv"],
        &["ddxplus_evidences.json", "ddxplus_conditions.json", "ddxplus_patients.csv"],
    ),
    (
        "aci_bench",
        &["aci_bench/sections.jsonl", "aci_bench/train_metadata.csv", "aci_bench/valid_metadata.csv"],
        &["aci_bench.jsonl", "aci_bench_metadata.csv"],
    ),
    ("primock57", &["primock57/consultations.jsonl"], &["primock57.jsonl"]),
    ("medrbench", &["medrbench/treatment.json"], &["medrbench.json"]),
    ("phenopackets", &["phenopackets/phenopackets.jsonl.gz"], &["phenopackets.jsonl"]),
    (
        "fhir",
        &[
            "synthea/Jarod_Altenwerth_a4ff60c3.fhir.json.gz",
            "synthea/Marcia_Willms_0dc9757a.fhir.json.gz",
            "synthea/Stuart_Corkery_d49aa460.fhir.json.gz",
        ],
        &["fhir.json"],
    ),
];

/// At most `most` cases of every source, spread over it; each source with its name.
pub fn imported(most: usize) -> Vec<(&'static str, Arc<Vec<Arc<Case>>>)> {
    let data = std::env::var_os("BEDSIDE_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("published sources skipped: BEDSIDE_DATA not set; the importers' fixtures stand in");
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../records/tests/fixtures");
    let source = |(format, published, small): (&'static str, &[&str], &[&str])| {
        let (folder, names) = data.as_deref().map_or((fixtures.as_path(), small), |d| (d, published));
        let read = |n: &&str| SourceFile {
            name: (*n).to_owned(),
            bytes: std::fs::read(folder.join(n)).unwrap_or_else(|e| panic!("{n}: {e}")),
        };
        let files: Vec<SourceFile> = names.iter().map(read).collect();
        let records = importer(format).expect("a format").import(&files).records;
        let stride = records.len().div_ceil(most).max(1);
        (format, Arc::new(records.into_iter().step_by(stride).map(Case::new).collect()))
    };
    SOURCES.into_iter().map(source).collect()
}

#[test]
fn every_format_has_a_source_here_and_no_source_is_empty() {
    let known: Vec<&str> = SOURCES.iter().map(|s| s.0).collect();
    for format in formats().filter(|f| *f != "bedside") {
        assert!(known.contains(&format), "{format} is missing");
    }
    for (format, cases) in imported(1) {
        assert_eq!(cases.len(), 1, "{format}");
    }
}
