//! MediQ: an exam vignette sentence by sentence. The answer is the diagnosis only where the question asks for one; other
//! vignettes are cases whose diagnosis is not stated.

use super::ailment::is_condition;
use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::{ImportReport, Importer, SourceFile, each_value, text_at};
use crate::pattern::compiled;
use crate::record::Sex;
use regex::Regex;
use std::sync::LazyLock;

pub(super) struct MediQ;
static SOURCE: Source = Source { format: "mediq", licence: "CC BY 4.0", version: 1 };

impl Importer for MediQ {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        each_value(&mut report, files, |report, i, v| {
            let id =
                v.get("id").map_or_else(|| format!("row {}", i + 1), |x| x.to_string().trim_matches('"').to_owned());
            report.judge(id.clone(), one(v, &id));
        });
        report
    }
}

/// Whether the answer to this question may be what the patient has.
fn asks_for_diagnosis(question: &str) -> bool {
    static YES: LazyLock<Regex> = LazyLock::new(|| {
        compiled(concat!(
            r"(?i)\bdiagnos[ie]s\b|what does (?:this|the) patient have",
            r"|most likely (?:underlying )?(?:cause|explanation|condition|disorder|disease|etiology|aetiology)",
            r"|underlying (?:condition|disorder|disease|cause)",
            r"|(?:condition|disorder|disease|defect|syndrome)s? (?:is|are|would be|could be|could|would|does|most|likely)\b",
            r"|(?:cause|explanation) of (?:this|the|his|her|their) ",
            r"|responsible for (?:this|the|his|her) |consistent with (?:this|the) patient|explains? (?:this|the) patient",
            r"|which of the following (?:\w+ )?(?:conditions|disorders|diseases|syndromes|infections|defects)\b"
        ))
    });
    let q = question.to_lowercase();
    let no = [
        "pathogens",
        "mechanism",
        "management",
        "treatment",
        "tests ",
        "next step",
        "enzyme",
        "mutat",
        "confirm",
        "organism",
        "structure",
        "result",
        "culture",
        "vector",
        "complication",
        "increased risk",
        "associated with which",
    ];
    YES.is_match(&q) && !no.iter().any(|n| q.contains(n))
}

/// The question proper: what stands before it are more of the case's results.
fn last_sentence(question: &str) -> &str {
    let q = question.trim().trim_matches('"');
    q.rsplit(" | ").next().unwrap_or(q)
}

fn one(v: &serde_json::Value, id: &str) -> Result<Case, String> {
    let question = last_sentence(text_at(v, &["question"]).unwrap_or_default());
    let answer = text_at(v, &["answer"]).filter(|a| !a.trim().is_empty()).ok_or("no answer")?;
    let stated = asks_for_diagnosis(question) && is_condition(answer);
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
    if who.age_months.is_none() && who.sex == Sex::Unknown {
        return Err("it is about no patient".into());
    }
    let mut case = Case::new(&SOURCE, id, who, if stated { answer } else { "" });
    // The other options of any other question are no diagnoses.
    if let Some(options) = v.get("options").and_then(|o| o.as_object()).filter(|_| stated) {
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
