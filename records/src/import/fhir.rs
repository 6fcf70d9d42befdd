//! FHIR R4 bundles: one patient each. The latest encounter with a reason gives the complaint, its condition the diagnosis.

use super::case::{Case, Source};
use super::narrative::Draft;
use super::narrative::topic::{own_subject, sensitivity, topic};
use super::narrative::twice;
use super::narrative::voice::{article, lower_first};
use super::{ImportReport, Importer, SourceFile, text_at};
use crate::fact::{Category, Polarity, Topic};
use crate::record::{Demographics, Sex};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) struct Fhir;
static SOURCE: Source = Source { format: "fhir", licence: "as its source", version: 1 };

impl Importer for Fhir {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        for (i, file) in files.iter().enumerate() {
            let parsed = file.text().and_then(|t| {
                serde_json::from_str::<Value>(&t).map_err(|e| format!("{}: not valid JSON: {e}", file.name))
            });
            // A file name may be the patient's name: cases are numbered, and known by a hash of the patient's id.
            match parsed.and_then(|v| one(&v)) {
                Ok(case) => report.take(case),
                Err(why) => report.turn_away(format!("file {}", i + 1), why),
            }
        }
        report
    }
}

fn display(v: &Value) -> Option<String> {
    let coded = v.get("coding").and_then(Value::as_array).and_then(|c| c.iter().find_map(|c| text_at(c, &["display"])));
    let name = text_at(v, &["text"]).or(coded)?;
    let name = name.replace('_', " ");
    // "Acute bronchitis (disorder)": the terminology's tag is not part of the name.
    let name = match name.rsplit_once(" (") {
        Some((bare, tag))
            if [
                "disorder)",
                "finding)",
                "situation)",
                "procedure)",
                "organism)",
                "substance)",
                "regime/therapy)",
                "morphologic abnormality)",
            ]
            .contains(&tag) =>
        {
            bare.to_owned()
        }
        _ => name,
    };
    Some(name.trim().to_owned()).filter(|n| !n.is_empty())
}

/// Not an illness: the reason somebody keeps books.
fn clerical(name: &str) -> bool {
    let l = name.to_lowercase();
    [
        "medication review",
        "employment",
        "education",
        "housing",
        "social contact",
        "stress (finding)",
        "received higher",
        "labor force",
        "general examination",
        "reconciliation",
        "limited social",
        "criminal record",
        "risk activity",
        "documentation",
    ]
    .iter()
    .any(|w| l.contains(w))
}

fn one(bundle: &Value) -> Result<Case, String> {
    if text_at(bundle, &["resourceType"]) != Some("Bundle") {
        return Err("not a FHIR Bundle".into());
    }
    let resources: Vec<&Value> =
        bundle.get("entry").and_then(Value::as_array).into_iter().flatten().filter_map(|e| e.get("resource")).collect();
    let of =
        |kind: &'static str| resources.iter().copied().filter(move |r| text_at(r, &["resourceType"]) == Some(kind));
    let patients: Vec<&Value> = of("Patient").collect();
    let [patient] = patients[..] else { return Err(format!("expected one Patient, found {}", patients.len())) };
    let when = |r: &Value| {
        ["onsetDateTime", "recordedDate", "effectiveDateTime", "performedDateTime", "occurrenceDateTime", "authoredOn"]
            .iter()
            .find_map(|k| text_at(r, &[k]))
            .or_else(|| text_at(r, &["period", "start"]))
            .or_else(|| text_at(r, &["performedPeriod", "start"]))
            .unwrap_or_default()
            .to_owned()
    };

    let mut encounters: Vec<&Value> = of("Encounter").collect();
    encounters.sort_by_key(|e| when(e));
    let reason = |e: &Value| e.get("reasonCode").and_then(Value::as_array).and_then(|r| r.first()).and_then(display);
    let mut conditions: Vec<(&Value, String)> =
        of("Condition").filter_map(|c| Some((c, c.get("code").and_then(display)?))).collect();
    conditions.sort_by_key(|(c, _)| when(c));
    let visit = encounters.iter().rev().find(|e| reason(e).is_some_and(|r| !clerical(&r)));
    let at_visit = |e: &Value| {
        let id = text_at(e, &["id"]).unwrap_or_default().to_owned();
        conditions.iter().rev().find(|(c, n)| {
            !clerical(n) && !id.is_empty() && text_at(c, &["encounter", "reference"]).is_some_and(|r| r.ends_with(&id))
        })
    };
    let problem = visit.and_then(|e| at_visit(e)).or_else(|| conditions.iter().rev().find(|(_, n)| !clerical(n)));
    let Some((problem, diagnosis)) = problem else {
        return Err("no condition other than clerical ones, so nothing to diagnose".into());
    };

    let seen = visit.map(|e| when(e)).or_else(|| encounters.last().map(|e| when(e))).unwrap_or_else(|| when(problem));
    let sex = match text_at(patient, &["gender"]) {
        Some("female") => Sex::Female,
        Some("male") => Sex::Male,
        Some("other") => Sex::Other,
        _ => Sex::Unknown,
    };
    let born = text_at(patient, &["birthDate"]).unwrap_or_default();
    let who = Demographics { age_months: months_between(born, &seen), sex, occupation: None };
    let id = blake3::hash(text_at(patient, &["id"]).unwrap_or(born).as_bytes()).to_hex();
    let mut case = Case::new(&SOURCE, format!("patient_{}", &id.as_str()[..12]), who, diagnosis);
    for name in patient.get("name").and_then(Value::as_array).into_iter().flatten() {
        case.options.names.extend(text_at(name, &["family"]).map(str::to_owned));
        case.options.names.extend(
            name.get("given")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    }
    let voice = case.narrator.voice();
    let add = |case: &mut Case, category: Category, spoken: String, name: &str, polarity: Polarity| {
        let name = case.scrub(name);
        case.narrator.read.push(twice(name.clone()));
        let (about, _) = topic(&name, category);
        case.drafts.push(Draft {
            category,
            topic: about,
            statement: voice.sentence(&spoken),
            polarity,
            sensitivity: sensitivity(&name, category),
            asked_as: Vec::new(),
            source: name,
        });
    };

    if let Some(why) = visit.and_then(|e| reason(e)).filter(|w| !super::truth::gives_away(w, &case.diagnosis)) {
        case.complaints.push(why);
    }
    // A bundle codes the illness, not what it feels like: that is said as the knowledge base says it of this illness.
    let kb = crate::kb::KnowledgeBase::builtin();
    let named = diagnosis.to_lowercase();
    let lay = kb
        .conditions()
        .iter()
        .find(|c| c.name.to_lowercase() == named || c.synonyms.iter().any(|s| s.to_lowercase() == named))
        .or_else(|| kb.conditions().iter().find(|c| c.name.to_lowercase().ends_with(&format!(" {named}"))));
    let spoken = |phrase: &String| crate::kb::statement::sentence(phrase, voice.parent, sex);
    let felt = lay.and_then(|c| {
        let usual = c.presenting.iter().fold(("", 0.0), |b, (id, p)| if *p > b.1 { (id.as_str(), *p) } else { b }).0;
        Some((spoken(c.voice.complaint.first()?), kb.finding(usual)?))
    });
    case.own_words = Some(match (&felt, case.complaints.first()) {
        (Some((complaint, _)), _) => complaint.clone(),
        (None, Some(why)) => voice.sentence(&format!("I've come about {}", lower_first(why))),
        (None, None) => voice.sentence("I haven't been well"),
    });
    let opening = Draft {
        category: Category::Hpi,
        topic: Topic::new("reason_for_visit"),
        statement: case.own_words.clone().unwrap_or_default(),
        polarity: Polarity::Present,
        sensitivity: 0,
        asked_as: Vec::new(),
        source: String::new(),
    };
    case.drafts.push(opening);
    if let Some((_, finding)) = felt {
        case.drafts.push(Draft {
            category: Category::Hpi,
            topic: Topic::new(finding.id.clone()),
            statement: finding.yes.first().map(&spoken).unwrap_or_default(),
            polarity: Polarity::Present,
            sensitivity: finding.sensitivity,
            asked_as: Vec::new(),
            source: String::new(),
        });
    }
    let mut said: BTreeMap<String, ()> = BTreeMap::new();
    for (c, name) in &conditions {
        let active = text_at(c, &["abatementDateTime"]).is_none();
        let itself = std::ptr::eq(*c, *problem) || name == diagnosis;
        if clerical(name) || itself || when(c) > seen || said.insert(name.clone(), ()).is_some() {
            continue;
        }
        let noun = article(&lower_first(name));
        add(
            &mut case,
            Category::Pmh,
            if active { format!("I have {noun}") } else { format!("I had {noun} in the past") },
            name,
            Polarity::Present,
        );
    }
    for m in of("MedicationRequest").filter(|m| when(m) <= seen) {
        let Some(name) = m.get("medicationCodeableConcept").and_then(display) else { continue };
        if said.insert(name.clone(), ()).is_none() {
            let active = text_at(m, &["status"]) == Some("active");
            let noun = lower_first(&name);
            add(
                &mut case,
                Category::Medication,
                if active { format!("I take {noun}") } else { format!("I've been on {noun} before but not any more") },
                &name,
                Polarity::Present,
            );
        }
    }
    let mut allergic = false;
    for a in of("AllergyIntolerance") {
        if let Some(name) = a.get("code").and_then(display) {
            allergic = true;
            add(
                &mut case,
                Category::Allergy,
                format!("I'm allergic to {}", lower_first(&name)),
                &name,
                Polarity::Present,
            );
        }
    }
    if !allergic {
        add(
            &mut case,
            Category::Allergy,
            "I don't have any allergies that I know of".into(),
            "no known allergies",
            Polarity::Absent,
        );
    }
    for p in of("Procedure").filter(|p| when(p) <= seen) {
        if let Some(name) = p.get("code").and_then(display).filter(|n| !clerical(n))
            && said.insert(name.clone(), ()).is_none()
        {
            add(
                &mut case,
                Category::Surgical,
                format!("I've had {}", article(&lower_first(&name))),
                &name,
                Polarity::Present,
            );
        }
    }
    for i in of("Immunization").filter(|i| when(i) <= seen) {
        if let Some(name) = i.get("vaccineCode").and_then(display)
            && said.insert(name.clone(), ()).is_none()
        {
            add(&mut case, Category::Vaccination, format!("I've had the {name} vaccine"), &name, Polarity::Present);
        }
    }
    observations(&mut case, of("Observation").filter(|o| when(o) <= seen), &when);
    Ok(case)
}

/// The latest of each observation up to the visit.
fn observations<'a>(case: &mut Case, all: impl Iterator<Item = &'a Value>, when: &dyn Fn(&Value) -> String) {
    let mut latest: BTreeMap<String, (String, Category, String)> = BTreeMap::new();
    for o in all {
        let Some(name) = o.get("code").and_then(display) else { continue };
        let kind = o
            .get("category")
            .and_then(Value::as_array)
            .and_then(|c| c.first())
            .and_then(|c| c.get("coding")?.as_array()?.first()?.get("code")?.as_str())
            .unwrap_or("laboratory");
        let category = match kind {
            "vital-signs" | "exam" => Category::Exam,
            "social-history" => Category::Social,
            "survey" => continue,
            _ if name.to_lowercase().contains("blood pressure") => Category::Exam,
            _ => Category::Test,
        };
        let value = |v: &Value| -> Option<String> {
            let q = v
                .get("valueQuantity")
                .and_then(|q| Some(format!("{} {}", q.get("value")?, text_at(q, &["unit"]).unwrap_or_default())));
            q.or_else(|| v.get("valueCodeableConcept").and_then(display))
                .or_else(|| text_at(v, &["valueString"]).map(str::to_owned))
        };
        let parts = o
            .get("component")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|c| Some(format!("{} {}", c.get("code").and_then(display)?, value(c)?)))
            .collect::<Vec<_>>()
            .join(", ");
        let Some(text) = value(o).or(Some(parts).filter(|p| !p.is_empty())) else { continue };
        let at = when(o);
        if latest.get(&name).is_none_or(|(t, ..)| *t <= at) {
            latest.insert(name, (at, category, text.trim().to_owned()));
        }
    }
    for (name, (_, category, text)) in latest {
        let shown = format!("{name}: {text}");
        case.narrator.read.push(twice(shown.clone()));
        let (statement, asked_as) = if category == Category::Social {
            let never = text.to_lowercase().contains("never");
            if !name.to_lowercase().contains("smok") {
                continue;
            }
            (
                case.narrator.voice().sentence(if never {
                    "I've never smoked"
                } else if text.to_lowercase().contains("former") {
                    "I used to smoke"
                } else {
                    "I smoke"
                }),
                Vec::new(),
            )
        } else {
            let mut asked = super::tree::names_for(&name, category);
            asked.push(name.to_lowercase());
            super::tree::tidy(&mut asked, category);
            (super::tree::full_stop(&shown), asked)
        };
        let polarity = if statement.contains("never") { Polarity::Absent } else { Polarity::Present };
        let about = Topic::new(own_subject(&name, category));
        case.drafts.push(Draft {
            category,
            topic: about,
            statement,
            polarity,
            sensitivity: 0,
            asked_as,
            source: shown,
        });
    }
}

/// Completed months from a birth date to a day, both `YYYY-MM-DD...`.
fn months_between(born: &str, then: &str) -> Option<u32> {
    let part = |s: &str, from: usize, to: usize| s.get(from..to).and_then(|x| x.parse::<i32>().ok());
    let (y0, m0, d0) = (part(born, 0, 4)?, part(born, 5, 7).unwrap_or(1), part(born, 8, 10).unwrap_or(1));
    let (y1, m1, d1) = (part(then, 0, 4)?, part(then, 5, 7).unwrap_or(1), part(then, 8, 10).unwrap_or(1));
    let months = (y1 - y0).checked_mul(12)? + (m1 - m0) - i32::from(d1 < d0);
    u32::try_from(months).ok().map(|m| m.min(1080))
}
