//! PriMock57: notes of mock general-practice consultations, in the shorthand of British notes.

use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::{ImportReport, Importer, SourceFile, each_value, text_at};
use crate::fact::Category;
use crate::pattern::compiled;
use crate::record::Sex;
use regex::Regex;
use std::sync::LazyLock;

pub(super) struct PriMock57;
static SOURCE: Source = Source { format: "primock57", licence: "CC BY 4.0", version: 1 };

impl Importer for PriMock57 {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        each_value(&mut report, files, |report, i, v| {
            // Checklists lie beside the notes.
            if v.get("items").is_none() {
                let id = text_at(v, &["id"]).map_or_else(|| format!("row_{}", i + 1), str::to_owned);
                report.judge(id.clone(), one(v, &id));
            }
        });
        report
    }
}

/// A head at the start of a line, and the rest of the line.
static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^\s*(pmhx?|past medical (?:history|hx)|dhx?|drug (?:history|hx)|meds|medications?|nkda|allerg(?:y|ies)|fhx?|family (?:history|hx)|shx?|social (?:history|hx)|pshx?|imp(?:ression)?|diagnosis|dx|plan|treatment|ice|hpc|pc|hx|history|o/e|examination|ros|advice|mx|management|differential|ddx)\b\s*[#:\-–,]*\s*(.*)$",
    )
});

fn one(v: &serde_json::Value, id: &str) -> Result<Case, String> {
    let note = text_at(v, &["note"]).filter(|n| !n.trim().is_empty()).ok_or("no note")?;
    let mut parts: Vec<(Option<Category>, String)> = vec![(Some(Category::Hpi), String::new())];
    let mut impression = None;
    for line in note.lines() {
        let caps = HEAD.captures(line);
        let (head, rest) = match &caps {
            Some(c) => (c[1].to_lowercase(), c.get(2).map_or("", |m| m.as_str())),
            None => (String::new(), line),
        };
        let verb = rest.to_lowercase().starts_with("of ") && head.starts_with('h');
        let category = match head.as_str() {
            _ if verb => None,
            "nkda" => {
                parts.push((Some(Category::Allergy), format!("No known drug allergies\n{rest}\n")));
                parts.push((Some(Category::Hpi), String::new()));
                continue;
            }
            h if h.starts_with("pmh") || h.starts_with("past") => Some(Some(Category::Pmh)),
            h if h.starts_with("psh") => Some(Some(Category::Surgical)),
            h if h.starts_with("dh") || h.starts_with("drug") || h.starts_with("med") => {
                Some(Some(Category::Medication))
            }
            h if h.starts_with("allerg") => Some(Some(Category::Allergy)),
            h if h.starts_with("fh") || h.starts_with("family") => Some(Some(Category::Family)),
            h if h.starts_with("sh") || h.starts_with("social") => Some(Some(Category::Social)),
            "o/e" | "examination" => Some(Some(Category::Exam)),
            "ros" => Some(Some(Category::Ros)),
            "imp" | "impression" | "diagnosis" | "dx" => {
                impression.get_or_insert_with(|| rest.to_owned());
                Some(None)
            }
            "plan" | "treatment" | "advice" | "mx" | "management" | "differential" | "ddx" => {
                if impression.is_none() && rest.to_lowercase().contains("likely") {
                    impression = rest.split_once(" is ").map(|(_, d)| d.to_owned());
                }
                Some(None)
            }
            "ice" | "hpc" | "pc" | "hx" | "history" => Some(Some(Category::Hpi)),
            _ => None,
        };
        match category {
            Some(c) => parts.push((c, format!("{rest}\n"))),
            None => {
                let blank_ends = line.trim().is_empty()
                    && parts.last().is_some_and(|(c, _)| !matches!(c, Some(Category::Hpi) | None));
                if blank_ends {
                    parts.push((Some(Category::Hpi), String::new()));
                } else if let Some((_, body)) = parts.last_mut() {
                    body.push_str(line);
                    body.push('\n');
                }
            }
        }
    }
    let first = impression.as_deref().and_then(clean_impression).unwrap_or_default();
    let talk: String = v
        .get("dialogue")
        .and_then(|d| d.as_array())
        .into_iter()
        .flatten()
        .filter_map(|u| text_at(u, &["text"]))
        .take(40)
        .collect::<Vec<_>>()
        .join(" ");
    let mut who = demographics_of(note);
    if who.age_months.is_none() {
        static AGE: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)\bI(?:'m| am) (\d{2})\b|\b(\d{2}) years? old"));
        who.age_months = AGE
            .captures(&talk)
            .and_then(|c| c.get(1).or(c.get(2)))
            .and_then(|m| m.as_str().parse::<u32>().ok())
            .map(|y| (y * 12).min(1080));
    }
    // "His mother" in a note says nothing of the patient.
    if !note.to_lowercase().contains("year") {
        let contraceptive = ["microgynon", "pregnan", "lmp", "period", "ovarian", "menopaus"]
            .iter()
            .any(|w| note.to_lowercase().contains(w));
        who.sex = if contraceptive { Sex::Female } else { Sex::Unknown };
    }
    let mut case = Case::new(&SOURCE, id, who, &first);
    case.own_words = text_at(v, &["presenting_complaint"]).filter(|p| p.split_whitespace().count() > 3).map(|p| {
        let p = p.trim();
        let mut c = p.chars();
        let head = c.next().map(|x| x.to_uppercase().collect::<String>()).unwrap_or_default();
        let end = if p.ends_with(['.', '?', '!']) { "" } else { "." };
        format!("{head}{}{end}", c.as_str())
    });
    case.complaints.extend(text_at(v, &["presenting_complaint"]).map(str::to_owned));
    for (category, body) in parts {
        if let Some(c) = category {
            let body: String = body
                .lines()
                .filter(|l| !l.trim_start().starts_with('(') && !l.to_lowercase().contains("confirm"))
                .collect::<Vec<_>>()
                .join("\n");
            case.tell(&body, Section::Of(c));
        }
    }
    Ok(case)
}

/// "exacerbation of asthma (viral?)" -> "exacerbation of asthma".
fn clean_impression(text: &str) -> Option<String> {
    let t = text.split(['.', '(', '\n', ',', ';']).next().unwrap_or_default();
    let t = t.split(" - ").next().unwrap_or(t).trim_matches(['?', ' ', ':', '-']);
    let t = t
        .trim_start_matches("likely ")
        .trim_start_matches("probable ")
        .trim_start_matches("possible ")
        .trim_start_matches("most likely ");
    let t = t.split('/').next().unwrap_or(t).trim();
    (!t.is_empty() && t.len() < 90).then(|| t.to_owned())
}
