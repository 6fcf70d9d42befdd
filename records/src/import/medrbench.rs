//! MedR-Bench: published case reports as Markdown under fixed heads.

use super::case::{Case, Source, demographics_of};
use super::narrative::Section;
use super::narrative::cut::sentences;
use super::{ImportReport, Importer, SourceFile, text_at};
use crate::fact::Category;
use crate::pattern::compiled;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

pub(super) struct MedRBench;
static SOURCE: Source = Source { format: "medrbench", licence: "CC BY-SA", version: 1 };

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:[-*#\d.) ]*)\**\s*(patient (?:demographics|information)|chief complaint|history of present illness|past medical history|allergies|family history|social history|physical exam(?:ination)?|lab(?:oratory)?(?: events| results| findings)?|imaging(?: events| results| findings)?|laboratory ?/ ?imaging|final diagnos(?:is|tic results)|medications?)\**\s*:\**\s*(.*)$",
    )
});

impl Importer for MedRBench {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        for file in files {
            let parsed = file.text().and_then(|t| {
                serde_json::from_str::<Value>(&t).map_err(|e| format!("{}: not valid JSON: {e}", file.name))
            });
            match parsed {
                Ok(Value::Object(map)) => {
                    for (id, v) in &map {
                        match one(v, id) {
                            Ok(case) => report.take(case),
                            Err(why) => report.turn_away(id, why),
                        }
                    }
                }
                Ok(_) => report.turn_away(&file.name, "expected an object of cases by article id"),
                Err(why) => report.turn_away(&file.name, why),
            }
        }
        report
    }
}

fn one(v: &Value, id: &str) -> Result<Case, String> {
    let summary = text_at(v, &["generate_case", "case_summary"]).ok_or("no `generate_case.case_summary`")?;
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in summary.lines() {
        let top = !line.starts_with([' ', '\t']);
        match HEAD.captures(line).filter(|_| top) {
            Some(c) => parts.push((c[1].to_lowercase(), format!("{}\n", &c[2]))),
            None => {
                if let Some((_, body)) = parts.last_mut() {
                    body.push_str(&line.replace("**", ""));
                    body.push('\n');
                }
            }
        }
    }
    let body = |head: &str| {
        parts.iter().find(|(h, _)| h.starts_with(head)).map(|(_, b)| b.trim().to_owned()).filter(|b| !b.is_empty())
    };
    let diagnosis = text_at(v, &["generate_case", "final_diagnosis"])
        .map(str::to_owned)
        .or_else(|| body("final").and_then(|b| diagnosed(&b, true)))
        .or_else(|| rare(v))
        .or_else(|| body("final").and_then(|b| diagnosed(&b, false).or_else(|| first_named(&b))))
        .unwrap_or_default();
    let who = body("patient").unwrap_or_default();
    let mut case = Case::new(&SOURCE, id, demographics_of(&who.replace("Age:", "age").replace('\n', " ")), &diagnosis);
    for d in v.get("checked_rare_disease").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        case.diagnosis.synonyms.push(d.to_owned());
    }
    case.diagnosis.synonyms.retain(|s| !s.eq_ignore_ascii_case(&diagnosis));
    if let Some(cc) = body("chief") {
        case.complaints.extend(sentences(&cc).first().map(|s| (*s).to_owned()));
    }
    for (head, body) in &parts {
        let section = match head.as_str() {
            h if h.starts_with("patient") || h.starts_with("chief") || h.starts_with("history") => Category::Hpi,
            h if h.starts_with("past") => Category::Pmh,
            h if h.starts_with("medic") => Category::Medication,
            h if h.starts_with("allerg") => Category::Allergy,
            h if h.starts_with("family") => Category::Family,
            h if h.starts_with("social") => Category::Social,
            h if h.starts_with("physical") => Category::Exam,
            // "Final diagnostic results" are the pathologist's, but they begin with the answer.
            h if h.starts_with("final") => continue,
            _ => Category::Test,
        };
        case.tell(body, Section::Of(section));
    }
    Ok(case)
}

fn rare(v: &Value) -> Option<String> {
    v.get("checked_rare_disease")?.as_array()?.first()?.as_str().map(str::to_owned)
}

/// "Diagnosis: X" when it must be explicit, else also "confirmed X", "consistent with X".
fn diagnosed(text: &str, explicit: bool) -> Option<String> {
    static HEADED: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?i)\bdiagnos(?:is|ed)(?: confirmed)?(?: as| of| with)?:? ([^.;\n(]{4,110})"));
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)(?:confirm(?:ed|ing|s)(?: the)?(?: diagnosis of)?|consistent with|indicative of|compatible with|suggestive of)[: ]+([^.;\n(]{4,110})",
        )
    });
    let re = if explicit { &HEADED } else { &NAMED };
    let d = re.captures(text)?.get(1)?.as_str();
    let cut = [" with ", " confirmed", " based on", " by ", " via ", " through ", " was ", " is ", " after "];
    let d = cut.iter().fold(d, |d, c| d.split(c).next().unwrap_or(d)).trim_matches([' ', ',', ':', '*', '"']);
    let first = d.split_whitespace().next().unwrap_or("").to_lowercase();
    let loose = [
        "by",
        "through",
        "via",
        "was",
        "is",
        "on",
        "in",
        "at",
        "after",
        "made",
        "confirmed",
        "established",
        "and",
        "based",
        "revealed",
        "from",
        "shifted",
        "included",
        "as",
    ]
    .contains(&first.as_str());
    (!loose && d.split_whitespace().count() <= 14 && d.len() > 3).then(|| d.to_owned())
}

/// "Discoid meniscus with early degeneration." -> "Discoid meniscus"; results that are findings rather than names are not taken.
fn first_named(text: &str) -> Option<String> {
    let first = sentences(text).first().copied()?;
    let first = first.split_once(": ").map_or(first, |(_, rest)| rest);
    let finding = [
        "identified",
        "showed",
        "negative",
        "normal",
        "revealed",
        "demonstrated",
        "positive",
        "culture",
        "performed",
        "result",
        "noted",
        "no ",
    ];
    if finding.iter().any(|f| first.to_lowercase().contains(f)) {
        return None;
    }
    let cut = [
        " with ",
        " causing ",
        " confirmed",
        " requiring ",
        " associated with ",
        " based on",
        " diagnosed",
        " attributed",
        " due to ",
        " secondary to ",
        " (",
        " needing ",
        ",",
    ];
    let d = cut.iter().fold(first, |d, c| d.split(c).next().unwrap_or(d)).trim_matches([' ', ',', ':', '*', '"']);
    (d.len() > 3 && d.split_whitespace().count() <= 10).then(|| d.to_owned())
}
