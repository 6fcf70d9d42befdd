//! DDXPlus: patients as lists of evidence codes. Needs `release_evidences.json` and `release_conditions.json` beside the
//! patients. The world is closed: what a patient does not list is denied.

mod wording;

use super::case::{Case, Source};
use super::narrative::Draft;
use super::narrative::topic::{content_words, own_subject, sensitivity, topic};
use super::narrative::twice;
use super::{ImportReport, Importer, SourceFile};
use crate::fact::{Aspect, Category, Polarity, Topic};
use crate::record::{Demographics, Sex};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use wording::statement;

pub(super) struct DdxPlus;
static SOURCE: Source = Source { format: "ddxplus", licence: "CC BY 4.0", version: 1 };

impl Importer for DdxPlus {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        let mut evidences: Option<Map<String, Value>> = None;
        let mut conditions: Option<Map<String, Value>> = None;
        let mut tables = Vec::new();
        for file in files {
            match file.text() {
                Ok(text) if file.name.contains(".json") => match serde_json::from_str::<Map<String, Value>>(&text) {
                    Ok(map) if map.values().any(|v| v.get("question_en").is_some()) => evidences = Some(map),
                    Ok(map) if map.values().any(|v| v.get("symptoms").is_some()) => conditions = Some(map),
                    Ok(_) => report.turn_away(&file.name, "neither evidences nor conditions"),
                    Err(e) => report.turn_away(&file.name, format!("not valid JSON: {e}")),
                },
                Ok(text) => tables.push((file.name.clone(), text)),
                Err(e) => report.turn_away(&file.name, e),
            }
        }
        let Some(evidences) = evidences else {
            report.turn_away(
                "release_evidences.json",
                "missing; hand it over together with the patients and release_conditions.json",
            );
            return report;
        };
        let book = Book { evidences, conditions: conditions.unwrap_or_default() };
        for (name, text) in tables {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
            let heads = reader.headers().cloned().unwrap_or_default();
            let stem = super::case::slug(name.rsplit(['/', '\\']).next().unwrap_or("").split('.').next().unwrap_or(""));
            for (i, row) in reader.records().enumerate() {
                let id = format!("{stem}_{}", i + 1);
                let made = row.map_err(|e| e.to_string()).and_then(|row| {
                    let cells: BTreeMap<String, &str> =
                        heads.iter().map(|h| h.to_lowercase()).zip(row.iter()).collect();
                    one(&book, &cells, &id)
                });
                match made {
                    Ok(case) => report.take(case),
                    Err(why) => report.turn_away(id, why),
                }
            }
        }
        report
    }
}

struct Book {
    evidences: Map<String, Value>,
    conditions: Map<String, Value>,
}

impl Book {
    fn question(&self, code: &str) -> Option<&str> {
        self.evidences.get(code)?.get("question_en")?.as_str()
    }
    fn antecedent(&self, code: &str) -> bool {
        self.evidences.get(code).and_then(|e| e.get("is_antecedent")).and_then(Value::as_bool).unwrap_or(false)
    }
    fn meaning<'a>(&'a self, code: &str, value: &'a str) -> &'a str {
        self.evidences.get(code).and_then(|e| e.get("value_meaning")?.get(value)?.get("en")?.as_str()).unwrap_or(value)
    }
    fn default_value(&self, code: &str) -> String {
        self.evidences
            .get(code)
            .and_then(|e| e.get("default_value"))
            .map(|d| d.to_string().trim_matches('"').to_owned())
            .unwrap_or_default()
    }
    fn binary(&self, code: &str) -> bool {
        self.evidences.get(code).and_then(|e| e.get("data_type")).and_then(Value::as_str) == Some("B")
    }
    /// Evidences a condition is told by.
    fn of_condition(&self, name: &str) -> impl Iterator<Item = &str> {
        let c = self.conditions.get(name).or_else(|| {
            self.conditions.values().find(|c| c.get("cond-name-eng").and_then(Value::as_str) == Some(name))
        });
        c.into_iter().flat_map(|c| {
            ["symptoms", "antecedents"]
                .into_iter()
                .filter_map(|k| c.get(k)?.as_object())
                .flat_map(|m| m.keys().map(String::as_str))
        })
    }
}

/// Quoted strings of a Python list: `['E_1', "it's"]`.
fn quoted(list: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut open: Option<(char, String)> = None;
    for c in list.chars() {
        match &mut open {
            Some((q, s)) if c == *q => {
                out.push(std::mem::take(s));
                open = None;
            }
            Some((_, s)) => s.push(c),
            None if c == '\'' || c == '"' => open = Some((c, String::new())),
            None => {}
        }
    }
    out
}

fn one(book: &Book, row: &BTreeMap<String, &str>, id: &str) -> Result<Case, String> {
    let cell = |keys: &[&str]| keys.iter().find_map(|k| row.get(*k)).map(|s| s.trim()).filter(|s| !s.is_empty());
    let diagnosis = cell(&["diagnosis", "pathology"]).ok_or("no diagnosis")?;
    let age = cell(&["age"]).and_then(|a| a.parse::<u32>().ok());
    let sex = match cell(&["sex"]) {
        Some("M") => Sex::Male,
        Some("F") => Sex::Female,
        _ => Sex::Unknown,
    };
    let listed = quoted(cell(&["features", "evidences"]).ok_or("no evidences")?);
    let who = Demographics { age_months: age.map(|a| (a * 12).min(1080)), sex, occupation: None };
    let mut case = Case::new(&SOURCE, id, who, diagnosis);
    let ranked = quoted(cell(&["top5_diagnoses", "differential_diagnosis"]).unwrap_or_default());
    case.diagnosis.differential = ranked.iter().filter(|d| *d != diagnosis).take(4).cloned().collect();
    case.diagnosis.icd10 =
        book.conditions.get(diagnosis).and_then(|c| c.get("icd10-id")).and_then(Value::as_str).map(str::to_uppercase);

    // Code -> its values, in the patient's order.
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for e in &listed {
        let (code, value) = match e.split_once("_@_") {
            Some((c, v)) => (c, Some(v.to_owned())),
            None => (e.as_str(), None),
        };
        if !book.evidences.contains_key(code) {
            return Err(format!("the evidences file does not know `{code}`"));
        }
        match told.iter_mut().find(|(c, _)| c == code) {
            Some((_, values)) => values.extend(value),
            None => told.push((code.to_owned(), value.into_iter().collect())),
        }
    }
    let first = cell(&["feature_id", "initial_evidence"]).map(|f| f.split("_@_").next().unwrap_or(f).to_owned());
    told.sort_by_key(|(c, _)| (Some(c) != first.as_ref(), book.antecedent(c)));
    let mut had: BTreeSet<&str> = BTreeSet::new();
    let pain = told
        .iter()
        .find(|(c, _)| c == "E_55")
        .map(|(_, v)| v.iter().map(|x| place(book.meaning("E_55", x))).collect::<Vec<_>>());
    for (code, values) in &told {
        had.insert(code);
        let Some(q) = book.question(code) else { continue };
        let read: String = values.iter().map(|v| book.meaning(code, v)).collect::<Vec<_>>().join(", ");
        case.narrator.read.push(twice(format!("{q} {read}")));
        case.drafts.extend(positive(book, &case, code, q, values));
    }
    // Closed world: whatever tells the likeliest diagnoses apart and is not listed was asked for and denied.
    for d in ranked.iter().take(5).map(String::as_str).chain([diagnosis]) {
        for code in book.of_condition(d) {
            if book.binary(code)
                && had.insert(code)
                && let Some(q) = book.question(code)
                && possible(q, sex, age)
            {
                case.drafts.push(spoken(&case, q, book.antecedent(code), false));
            }
        }
    }
    if let Some((code, _)) = told.first() {
        let q = book.question(code).unwrap_or_default();
        let d = if code == "E_53" || code == "E_55" {
            pain.map(|p| case.narrator.voice().sentence(&format!("I've got pain in {}", wording::listed(&p))))
        } else {
            Some(spoken(&case, q, false, true).statement)
        };
        case.own_words = d;
    }
    Ok(case)
}

fn possible(q: &str, sex: Sex, age: Option<u32>) -> bool {
    let l = q.to_lowercase();
    let womens = ["pregnan", "menstrua", "vaginal", "breastfed"].iter().any(|w| l.contains(w));
    !(womens && (sex == Sex::Male || age.is_some_and(|a| a < 12)))
}

fn place(en: &str) -> String {
    let (spot, side) = match en.trim_end_matches(')').split_once('(') {
        Some((s, "R")) => (s, "right "),
        Some((s, "L")) => (s, "left "),
        Some((s, _)) => (s, ""),
        None => (en, ""),
    };
    format!("my {side}{}", wording::spot(spot.trim()))
}

fn positive(book: &Book, case: &Case, code: &str, q: &str, values: &[String]) -> Vec<Draft> {
    if values.is_empty() {
        return vec![spoken(case, q, book.antecedent(code), true)];
    }
    let voice = case.narrator.voice();
    let default = book.default_value(code);
    let meant: Vec<&str> = values.iter().map(|v| book.meaning(code, v)).collect();
    let none = values.iter().all(|v| *v == default) && values.len() == 1;
    let lower = q.to_lowercase();
    let source = format!("{q} {}", meant.join(", "));
    let rash = lower.contains("rash") || lower.contains("lesion") || lower.contains("itch") || lower.contains("region");
    let subject = if rash {
        "rash"
    } else if lower.contains("swelling") {
        "swelling"
    } else {
        "pain"
    };
    let it = if rash { "the rash" } else { "the pain" };
    let number = meant.first().and_then(|m| m.parse::<u32>().ok());
    let yes_no = matches!(meant.first(), Some(&"Y" | &"N" | &"yes" | &"no"));
    let affirmed = matches!(meant.first(), Some(&"Y" | &"yes"));
    let places = || wording::listed(&meant.iter().map(|m| place(m)).collect::<Vec<_>>());
    let (said, topic, absent) = if lower.contains("travel") {
        let where_to = meant.join(", ");
        if none || where_to == "N" {
            ("I haven't been abroad in the last 4 weeks".to_owned(), Topic::new("soc_travel"), true)
        } else {
            (format!("I've been to {where_to} in the last 4 weeks"), Topic::new("soc_travel"), false)
        }
    } else if lower.contains("radiate") {
        if none {
            ("The pain doesn't go anywhere else".into(), Topic::with_aspect(subject, Aspect::Radiation), true)
        } else {
            (format!("the pain goes to {}", places()), Topic::with_aspect(subject, Aspect::Radiation), false)
        }
    } else if lower.contains("where is") || lower.contains("somewhere") || lower.contains("located") && number.is_none()
    {
        if none {
            (format!("there's no {subject} anywhere"), Topic::new(subject), true)
        } else if subject == "pain" {
            (format!("I've got pain in {}", places()), Topic::with_aspect(subject, Aspect::Location), false)
        } else {
            (format!("the {subject} is on {}", places()), Topic::with_aspect(subject, Aspect::Location), false)
        }
    } else if lower.contains("characterize") {
        (
            format!(
                "the pain feels {}",
                meant
                    .join(" and ")
                    .replace("a knife stroke", "like a knife stroke")
                    .replace("tugging", "like something tugging")
            ),
            Topic::with_aspect(subject, Aspect::Character),
            false,
        )
    } else if lower.contains("color") || lower.contains("colour") {
        (format!("the rash is {}", meant.join(" and ")), Topic::with_aspect("rash", Aspect::Character), false)
    } else if lower.contains("how fast") {
        let n = number.unwrap_or(0);
        (
            if n >= 6 {
                format!("the pain came on fast, about {n} out of 10 for speed")
            } else {
                format!("the pain came on gradually, about {n} out of 10 for speed")
            },
            Topic::with_aspect(subject, Aspect::Onset),
            false,
        )
    } else if lower.contains("how intense") {
        (
            format!("{it} {} about {} out of 10", if rash { "hurts" } else { "is" }, number.unwrap_or(0)),
            Topic::with_aspect(subject, Aspect::Severity),
            number == Some(0),
        )
    } else if lower.contains("precisely") {
        let n = number.unwrap_or(0);
        (
            if n >= 6 {
                format!("I can point to where it hurts with one finger, about {n} out of 10 for how exact")
            } else {
                format!("I can't say exactly where it hurts, about {n} out of 10 for how exact")
            },
            Topic::with_aspect(subject, Aspect::Location),
            false,
        )
    } else if lower.contains("swollen") {
        (
            format!("the rash is about {} out of 10 for swelling", number.unwrap_or(0)),
            Topic::new("rash_swelling"),
            number == Some(0),
        )
    } else if lower.contains("itching") {
        (
            format!("the itching is about {} out of 10", number.unwrap_or(0)),
            Topic::with_aspect("itching", Aspect::Severity),
            number == Some(0),
        )
    } else if lower.contains("larger than") {
        (
            format!("the spots are {} than 1 cm", if affirmed { "bigger" } else { "smaller" }),
            Topic::new("rash_size"),
            !affirmed,
        )
    } else if lower.contains("peel") {
        (
            if affirmed { "the skin is peeling off" } else { "the skin isn't peeling" }.into(),
            Topic::new("rash_peeling"),
            !affirmed,
        )
    } else if yes_no {
        return vec![spoken(case, q, book.antecedent(code), affirmed)];
    } else {
        (format!("{}: {}", statement(q, true), meant.join(", ")), Topic::new(own_subject(q, Category::Hpi)), none)
    };
    let category = if lower.contains("travel") { Category::Social } else { Category::Hpi };
    vec![Draft {
        category,
        topic,
        statement: voice.sentence(&said),
        polarity: if absent { Polarity::Absent } else { Polarity::Present },
        sensitivity: 0,
        asked_as: Vec::new(),
        source,
    }]
}

fn spoken(case: &Case, q: &str, antecedent: bool, yes: bool) -> Draft {
    let category = filed(q, antecedent);
    let (about, finding) = topic(q, category);
    let polarity = if yes { Polarity::Present } else { Polarity::Absent };
    let statement = case.narrator.voice().sentence(&statement(q, yes));
    let private = finding.map_or(0, |f| f.sensitivity).max(sensitivity(q, category));
    let source = if yes { q.to_owned() } else { content_words(q).collect::<Vec<_>>().join(" ") };
    Draft { category, topic: about, statement, polarity, sensitivity: private, asked_as: Vec::new(), source }
}

fn filed(q: &str, antecedent: bool) -> Category {
    let l = q.to_lowercase();
    let any = |w: &[&str]| w.iter().any(|w| l.contains(w));
    if !antecedent {
        Category::Hpi
    } else if any(&["family", "mother", "relatives"]) {
        Category::Family
    } else if any(&[
        "smok",
        "alcohol",
        "drugs?",
        "stimulant drugs",
        "work in",
        "live with",
        "live in",
        "exercise",
        "coffee",
        "energy drink",
        "diet",
        "sex",
        "daycare",
        "intravenous drugs",
        "partner",
        "rural",
        "suburb",
        "descent",
    ]) {
        Category::Social
    } else if any(&[
        "taking",
        "medication",
        "take corticosteroids",
        "hormones",
        "anti-inflammatory",
        "decongestants",
        "treated with an oral antibiotic",
        "antibiotic",
    ]) {
        Category::Medication
    } else if any(&["surgery"]) {
        Category::Surgical
    } else if any(&["allerg"]) {
        Category::Allergy
    } else if any(&["vaccin"]) {
        Category::Vaccination
    } else if any(&["pregnan", "menstrual", "breastfed"]) {
        Category::Obstetric
    } else if any(&[
        "in contact",
        "cold in the last",
        "viral infection",
        "feel anxious",
        "before the reaction",
        "consulting because",
    ]) {
        Category::Hpi
    } else {
        Category::Pmh
    }
}
