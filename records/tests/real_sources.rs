//! Every importer on the published files, where they are at hand.

#![allow(clippy::disallowed_methods)] // where the data lie is told by the environment

use bedside_records::import::{SourceFile, importer};
use bedside_records::parse_records;
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let dir = std::env::var_os("BEDSIDE_DATA").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: BEDSIDE_DATA not set");
    }
    dir
}

fn read(dir: &Path, names: &[&str]) -> Vec<SourceFile> {
    names
        .iter()
        .map(|n| SourceFile {
            name: (*n).into(),
            bytes: std::fs::read(dir.join(n)).unwrap_or_else(|e| panic!("{n}: {e}")),
        })
        .collect()
}

/// format, files, cases that must at least come through, share of the narrative that must be covered
const SOURCES: &[(&str, &[&str], usize, f64)] = &[
    ("agentclinic", &["agentclinic/agentclinic_medqa.jsonl"], 30, 0.95),
    ("mediq", &["mediq/imedqa.jsonl"], 50, 0.95),
    (
        "ddxplus",
        &["ddxplus/release_evidences.json", "ddxplus/release_conditions.json", "ddxplus/patients.csv"],
        1_800,
        0.95,
    ),
    (
        "aci_bench",
        &["aci_bench/sections.jsonl", "aci_bench/train_metadata.csv", "aci_bench/valid_metadata.csv"],
        84,
        0.95,
    ),
    ("primock57", &["primock57/consultations.jsonl"], 40, 0.95),
    ("medrbench", &["medrbench/treatment.json"], 96, 0.95),
    ("phenopackets", &["phenopackets/phenopackets.jsonl.gz"], 1_400, 0.95),
    (
        "fhir",
        &[
            "synthea/Jarod_Altenwerth_a4ff60c3.fhir.json.gz",
            "synthea/Marcia_Willms_0dc9757a.fhir.json.gz",
            "synthea/Stuart_Corkery_d49aa460.fhir.json.gz",
        ],
        1,
        0.95,
    ),
];

#[test]
fn every_source_comes_through_and_its_records_pass_the_strict_parser() {
    let Some(dir) = data() else { return };
    let only = std::env::var("BEDSIDE_FORMAT").ok();
    for (format, files, least, share) in SOURCES.iter().filter(|s| only.as_deref().is_none_or(|o| o == s.0)) {
        let report = importer(format).unwrap().import(&read(&dir, files));
        println!("{report}");
        for (id, why) in report
            .rejected
            .iter()
            .take(std::env::var("BEDSIDE_REJECTED").ok().and_then(|n| n.parse().ok()).unwrap_or(8))
        {
            println!("    rejected {id}: {why}");
        }
        let text = serde_json::to_string(&report.records).unwrap();
        if std::env::var_os("BEDSIDE_SHOW").is_some() {
            std::fs::write(format!("{}/{format}.json", std::env::var("BEDSIDE_SHOW").unwrap()), &text).unwrap();
        }
        if let Err(errors) = parse_records(format, &text) {
            panic!("{}", errors.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        assert!(report.records.len() >= *least, "{report}");
        assert!(report.covered() >= *share, "{report}");
    }
}
