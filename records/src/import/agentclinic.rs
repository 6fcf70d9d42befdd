//! AgentClinic OSCE cases: JSON objects one after another, with an actor's script, an examination tree and a test tree.

use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::{ImportReport, Importer, SourceFile, each_value, flat_text, text_at};
use crate::fact::Category;

pub(super) struct AgentClinic;
static SOURCE: Source = Source { format: "agentclinic", licence: "MIT", version: 1 };

impl Importer for AgentClinic {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        for file in files {
            let stem =
                super::case::slug(file.name.rsplit(['/', '\\']).next().unwrap_or("").split('.').next().unwrap_or(""));
            each_value(&mut report, std::slice::from_ref(file), |report, i, v| {
                let id = format!("{stem}_{}", i + 1);
                report.judge(id.clone(), one(v, &id));
            });
        }
        report
    }
}

fn one(v: &serde_json::Value, id: &str) -> Result<Case, String> {
    let v = v.get("OSCE_Examination").ok_or("no `OSCE_Examination`")?;
    let diagnosis =
        text_at(v, &["Correct_Diagnosis"]).filter(|d| !d.trim().is_empty()).ok_or("no `Correct_Diagnosis`")?;
    let actor = v.get("Patient_Actor").ok_or("no `Patient_Actor`")?;
    let who = actor.get("Demographics").map(flat_text).unwrap_or_default();
    let mut case = Case::new(&SOURCE, id, demographics_of(&who), diagnosis);
    if let Some(primary) = text_at(actor, &["Symptoms", "Primary_Symptom"]) {
        case.complaints.push(primary.to_owned());
    }
    let at = |key: &str| actor.get(key).map(flat_text).filter(|t| !t.trim().is_empty());
    if !who.is_empty() {
        case.tell(&who, Section::Of(Category::Hpi));
    }
    for (key, section) in
        [("History", Section::Of(Category::Hpi)), ("Past_Medical_History", Section::Of(Category::Pmh))]
    {
        if let Some(text) = at(key) {
            case.tell(&text, section);
        }
    }
    for key in ["Primary_Symptom", "Secondary_Symptoms"] {
        if let Some(s) = actor.get("Symptoms").and_then(|s| s.get(key)) {
            case.tell(&flat_text(s), Section::Of(Category::Hpi));
        }
    }
    for (key, category) in [
        ("Medications", Category::Medication),
        ("Current_Medications", Category::Medication),
        ("Allergies", Category::Allergy),
        ("Family_History", Category::Family),
        ("Social_History", Category::Social),
        ("Review_of_Systems", Category::Ros),
    ] {
        if let Some(text) = at(key) {
            case.tell(&text, Section::Of(category));
        }
    }
    for (key, category) in [("Physical_Examination_Findings", Category::Exam), ("Test_Results", Category::Test)] {
        if let Some(tree) = v.get(key) {
            case.tree(tree, category);
        }
    }
    Ok(case)
}
