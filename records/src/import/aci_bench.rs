//! ACI-Bench: notes of ambulatory visits. `sections.jsonl` holds a note cut into sections; the CSV holds notes whole, with
//! names and ages in the metadata file beside it.

use super::ailment::is_condition;
use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::narrative::cut::sentences;
use super::{ImportReport, Importer, SourceFile, json_values, text_at};
use crate::fact::Category;
use crate::pattern::compiled;
use crate::record::{Demographics, Sex};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) struct AciBench;
static SOURCE: Source = Source { format: "aci_bench", licence: "CC BY 4.0", version: 1 };

/// A note's heads and where they lead; assessment, plan and instructions are withheld.
fn section(head: &str) -> Option<Option<Section>> {
    let h = head.trim().trim_end_matches(':').to_lowercase();
    let of = |c| Some(Some(Section::Of(c)));
    match h.as_str() {
        "chief_complaint" | "chief complaint" | "cc" | "reason for visit" => Some(None),
        "hpi"
        | "history of present illness"
        | "history of present illness (hpi)"
        | "subjective"
        | "interval history" => of(Category::Hpi),
        "ros" | "review of systems" => of(Category::Ros),
        "past_history" | "past history" | "medical history" | "past medical history" | "pmh" => of(Category::Pmh),
        "surgical history" | "past surgical history" => of(Category::Surgical),
        "medication" | "medications" | "current medications" => of(Category::Medication),
        "allergies" | "allergy" => of(Category::Allergy),
        "family" | "family history" => of(Category::Family),
        "social" | "social history" => of(Category::Social),
        "exam" | "physical exam" | "physical examination" | "vitals" | "vitals reviewed" | "vital signs" => {
            of(Category::Exam)
        }
        "results" | "labs" | "imaging" | "laboratory" => of(Category::Test),
        "assessment_plan"
        | "assessment"
        | "plan"
        | "assessment and plan"
        | "impression"
        | "instructions"
        | "medical reasoning" => Some(None),
        _ => None,
    }
}

impl Importer for AciBench {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        let mut rows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for file in files {
            let text = match file.text() {
                Ok(t) => t,
                Err(e) => {
                    report.broken(&file.name, e);
                    continue;
                }
            };
            if file.name.contains(".csv") {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
                let heads = reader.headers().cloned().unwrap_or_default();
                for row in reader.records().filter_map(Result::ok) {
                    let cells: BTreeMap<String, String> = heads
                        .iter()
                        .zip(row.iter())
                        .filter(|(h, v)| !v.trim().is_empty() && *h != "dialogue")
                        .map(|(h, v)| (h.trim().to_owned(), v.trim().to_owned()))
                        .collect();
                    if let Some(id) = cells.get("encounter_id").cloned() {
                        rows.entry(id).or_default().extend(cells);
                    } else {
                        report.turn_away(&file.name, "a row without `encounter_id`");
                    }
                }
            } else {
                for v in json_values(&file.name, &text) {
                    let v = match &v {
                        Ok(v) => v,
                        Err((place, why)) => {
                            report.broken(place, why);
                            continue;
                        }
                    };
                    let Some(id) = text_at(v, &["encounter_id"]) else {
                        report.turn_away(&file.name, "a row without `encounter_id`");
                        continue;
                    };
                    let row = rows.entry(id.to_owned()).or_default();
                    for (from, to) in [("sex", "patient_gender"), ("age", "patient_age"), ("cc", "cc")] {
                        if let Some(x) = v.get(from).filter(|x| !x.is_null()) {
                            row.insert(to.into(), x.to_string().trim_matches('"').to_owned());
                        }
                    }
                    for (head, body) in v.get("sections").and_then(|s| s.as_object()).into_iter().flatten() {
                        if let Some(body) = body.as_str() {
                            row.insert(format!("section {head}"), body.to_owned());
                        }
                    }
                }
            }
        }
        for (id, row) in &rows {
            match one(id, row) {
                Ok(case) => report.take(case),
                Err(why) => report.turn_away(id, why),
            }
        }
        report
    }
}

fn one(id: &str, row: &BTreeMap<String, String>) -> Result<Case, String> {
    let mut parts: Vec<(String, String)> =
        row.iter().filter_map(|(k, v)| Some((k.strip_prefix("section ")?.to_owned(), v.clone()))).collect();
    if parts.is_empty() {
        parts = cut_note(row.get("note").ok_or("no note")?);
    }
    let plan = parts
        .iter()
        .find(|(h, _)| {
            let h = h.to_lowercase();
            h.starts_with("assessment") || h.starts_with("impression")
        })
        .or_else(|| parts.iter().find(|(h, _)| h.eq_ignore_ascii_case("plan")));
    let names: Vec<String> = ["patient_firstname", "patient_familyname", "doctor_name"]
        .iter()
        .filter_map(|k| row.get(*k))
        .filter(|n| n.chars().all(|c| c.is_alphabetic() || " '-".contains(c)))
        .cloned()
        .collect();
    let diagnosis = plan.and_then(|(_, text)| assessed(text)).ok_or("its assessment names no problem")?;
    let story = parts.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>().join(" ");
    let mut who = demographics_of(&story);
    if let Some(age) = row.get("patient_age").and_then(|a| a.trim().parse::<u32>().ok()) {
        who.age_months = Some((age * 12).min(1080));
    }
    match row.get("patient_gender").map(String::as_str) {
        Some("female") => who.sex = Sex::Female,
        Some("male") => who.sex = Sex::Male,
        _ => {}
    }
    let mut case = Case::new(&SOURCE, id, Demographics { occupation: None, ..who }, &diagnosis);
    case.options.names = names;
    // The doctor's own heading may be the diagnosis; the scheduler's reason seldom is.
    case.complaints.extend(row.get("cc").cloned());
    case.complaints.extend(
        parts
            .iter()
            .filter(|(h, _)| matches!(h.to_lowercase().as_str(), "chief_complaint" | "chief complaint" | "cc"))
            .filter_map(|(_, t)| sentences(t).first().map(|s| (*s).to_owned())),
    );
    let order = [
        "hpi",
        "history of present",
        "subjective",
        "past",
        "medical",
        "surg",
        "medic",
        "current",
        "allerg",
        "family",
        "social",
        "ros",
        "review",
    ];
    parts.sort_by_key(|(h, _)| order.iter().position(|o| h.to_lowercase().starts_with(o)).unwrap_or(order.len()));
    for (head, body) in &parts {
        if let Some(Some(section)) = section(head) {
            case.tell(body, section);
        }
    }
    Ok(case)
}

/// Sections of a whole note: lines that are a known head.
fn cut_note(note: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in note.lines() {
        let head = line.trim().trim_end_matches(':');
        if section(head).is_some() && (line.chars().all(|c| !c.is_lowercase()) || line.trim().ends_with(':')) {
            out.push((head.to_owned(), String::new()));
        } else if let Some((_, body)) = out.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    out
}

/// The first problem an assessment names, without its reasoning.
fn assessed(plan: &str) -> Option<String> {
    for line in plan.lines() {
        let line = line.trim().trim_start_matches(|c: char| c.is_ascii_digit() || "•-–*.) ".contains(c)).trim();
        let first = sentences(line).first().copied().unwrap_or_default();
        let first = first.split(" - ").next().unwrap_or(first).trim_end_matches(':').trim();
        let l = first.to_lowercase();
        let words = first.split_whitespace().count();
        let told = [
            "year-old",
            "patient ",
            "presents",
            "i ",
            "we ",
            "medical reasoning",
            "assessment",
            "plan",
            "today",
            "she ",
            "he ",
        ];
        if words > 0 && words <= 12 && !told.iter().any(|t| l.contains(t) && (t.len() > 3 || l.starts_with(t))) {
            return Some(first.split(", ").next().unwrap_or(first).to_owned());
        }
    }
    // "The patient presents today with newly diagnosed melanoma."
    static NAMED: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?i)\b(?:newly|recently) diagnosed (?:with )?([a-z][a-z' -]{3,60})"));
    let named = NAMED.captures(plan)?.get(1)?.as_str().trim();
    is_condition(named).then(|| named.to_owned())
}
