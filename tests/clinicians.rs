//! The embedded rubric against what clinicians call critical: PriMock57's checklists.

use bedside_env::Persona;
use bedside_env::units::Case;
use bedside_env::verifier::compare::{ClinicianFact, OurFact, agreement, common_words, compare};
use bedside_env::verifier::{EmbeddedScorer, Scorer};
use bedside_records::import::{SourceFile, importer};
use std::path::PathBuf;

#[test]
fn the_embedded_rubric_is_compared_with_clinicians_critical_facts() {
    let Some(data) = std::env::var_os("BEDSIDE_DATA").map(PathBuf::from) else {
        println!("skipped: BEDSIDE_DATA not set");
        return;
    };
    let read = |name: &str| std::fs::read(data.join("primock57").join(name)).expect("the folder holds PriMock57");
    let file = SourceFile { name: "consultations.jsonl".to_owned(), bytes: read("consultations.jsonl") };
    let records = importer("primock57").expect("a format").import(&[file]).records;
    let checklists = String::from_utf8(read("checklists.jsonl")).expect("UTF-8");
    let (mut of_record, mut of_rubric, mut cases) = (Vec::new(), Vec::new(), 0);
    for line in checklists.lines() {
        let list: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let id = format!("day{}_consultation{:02}", list["day"], list["consultation"].as_u64().expect("a number"));
        let Some(record) = records.iter().find(|r| r.provenance.source_id == id) else { continue };
        cases += 1;
        let theirs: Vec<ClinicianFact> = list["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter(|i| i["rating"] != "unrated" && i["category"] != "opening")
            .map(|i| ClinicianFact {
                text: i["text"].as_str().expect("text").to_owned(),
                critical: i["rating"] == "critical",
            })
            .collect();
        let facts: Vec<OurFact> = record
            .facts
            .iter()
            .map(|f| OurFact {
                statement: format!("{} {}", f.statement, f.source_text.as_deref().unwrap_or_default()),
                weight: f64::from(f.weight),
            })
            .collect();
        let case = Case::new(record.clone());
        let rubric = EmbeddedScorer::default().rubric(&case, &Persona::PLAIN, &[]);
        let positive = rubric.criteria.iter().filter(|c| c.points.get() > 0);
        let criteria: Vec<OurFact> =
            positive.map(|c| OurFact { statement: c.criterion.clone(), weight: f64::from(c.points.get()) }).collect();
        let common = common_words(theirs.iter().map(|t| t.text.as_str()), 0.3);
        of_record.push(compare(&theirs, &facts, &common));
        of_rubric.push(compare(&theirs, &criteria, &common));
    }
    let show = |name: &str, a: bedside_env::verifier::compare::Agreement| {
        let n = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        println!(
            "{name}: critical recall {}, recall {}, precision {}, AUC of weights {}, Spearman {} ({} matched, {cases} cases)",
            n(a.critical_recall),
            n(a.recall),
            n(a.precision),
            n(a.auc),
            n(a.spearman),
            a.matched
        );
    };
    let (record, rubric) = (agreement(&of_record), agreement(&of_rubric));
    let recall = record.critical_recall;
    show("facts of the record", record);
    show("criteria of the rubric", rubric);
    assert!(cases >= 4, "only {cases} checklists have a record");
    assert!(recall.is_some_and(|r| r > 0.3), "{recall:?}");
}
