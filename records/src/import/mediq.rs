//! MediQ: an exam vignette sentence by sentence. Only questions that ask for the diagnosis make a case.

use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::{ImportReport, Importer, SourceFile, json_values, text_at};
use crate::record::Sex;

pub(super) struct MediQ;
static SOURCE: Source = Source { format: "mediq", licence: "CC BY 4.0", version: 1 };

impl Importer for MediQ {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        for file in files {
            let text = match file.text() {
                Ok(t) => t,
                Err(e) => {
                    report.turn_away(&file.name, e);
                    continue;
                }
            };
            let (rows, broken) = json_values(&file.name, &text);
            for (i, v) in rows.iter().enumerate() {
                let id = v
                    .get("id")
                    .map_or_else(|| format!("row {}", i + 1), |x| x.to_string().trim_matches('"').to_owned());
                match one(v, &id) {
                    Ok(case) => report.take(case),
                    Err(why) => report.turn_away(id, why),
                }
            }
            if let Some(why) = broken {
                report.turn_away(format!("row {}", rows.len() + 1), why);
            }
        }
        report
    }
}

/// Whether the answer to this question is what the patient has.
fn asks_for_diagnosis(question: &str) -> bool {
    let q = question.to_lowercase();
    let yes = [
        "diagnosis",
        "what does this patient have",
        "most likely cause",
        "likely responsible for this patient.s presentation",
        "most likely explanation for",
        "explains this patient",
        "most likely underlying cause",
        "disorders is most consistent",
        "conditions is most likely",
        "which of the following conditions",
        "most likely condition",
        "disorder is most",
        "consistent with this patient",
    ];
    let no = [
        "pathogens",
        "mechanism",
        "management",
        "treatment",
        "tests ",
        "next step",
        "enzyme",
        "mutation",
        "confirm",
        "organism",
        "structure",
        "result",
        "culture",
        "vector",
        "complication",
    ];
    yes.iter().any(|y| q.contains(y)) && !no.iter().any(|n| q.contains(n))
}

fn one(v: &serde_json::Value, id: &str) -> Result<Case, String> {
    let question = text_at(v, &["question"]).unwrap_or_default();
    if !asks_for_diagnosis(question) {
        return Err("its question does not ask for a diagnosis, so what the patient has is not known".into());
    }
    let answer = text_at(v, &["answer"]).filter(|a| !a.trim().is_empty()).ok_or("no answer")?;
    let lines: Vec<&str> =
        v.get("context").and_then(|c| c.as_array()).into_iter().flatten().filter_map(|x| x.as_str()).collect();
    if lines.is_empty() {
        return Err("no context".into());
    }
    let vignette = lines.join(" ").replace(" | ", "\n");
    let patient = |key: &str| {
        v.get("patient")
            .and_then(|p| p.get(key))
            .map(|x| x.to_string().trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let mut who = demographics_of(lines[0]);
    if who.age_months.is_none() {
        let age = patient("age");
        who.age_months =
            demographics_of(&if age.chars().all(|c| c.is_ascii_digit()) { format!("{age} years old") } else { age })
                .age_months;
    }
    if who.sex == Sex::Unknown {
        who.sex = demographics_of(&patient("gender")).sex;
    }
    let mut case = Case::new(&SOURCE, id, who, answer);
    if let Some(options) = v.get("options").and_then(|o| o.as_object()) {
        case.diagnosis.differential = options
            .values()
            .filter_map(|o| o.as_str())
            .filter(|o| *o != answer && !o.trim().is_empty())
            .map(|o| o.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
    }
    case.tell(&vignette, Section::Mixed);
    Ok(case)
}
