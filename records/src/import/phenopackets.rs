//! GA4GH phenopackets: features observed, and features looked for and absent.

use super::case::{Case, Source};
use super::narrative::Draft;
use super::narrative::topic::{sensitivity, topic};
use super::narrative::twice;
use super::narrative::voice::{article, lower_first};
use super::{ImportReport, Importer, SourceFile, each_value, text_at};
use crate::fact::{Aspect, Category, Polarity};
use crate::record::{Demographics, Sex};
use serde_json::Value;

pub(super) struct Phenopackets;
static SOURCE: Source = Source { format: "phenopackets", licence: "BSD-3-Clause", version: 1 };

impl Importer for Phenopackets {
    fn format(&self) -> &'static str {
        SOURCE.format
    }

    fn import(&self, files: &[SourceFile]) -> ImportReport {
        let mut report = ImportReport::new(SOURCE.format);
        let mut seen = std::collections::BTreeSet::new();
        each_value(&mut report, files, |report, i, v| {
            let id = text_at(v, &["id"]).map_or_else(|| format!("row_{}", i + 1), str::to_owned);
            let case = match seen.insert(super::case::slug(&id)) {
                true => one(v, &id),
                false => Err("this id was imported already".to_owned()),
            };
            report.judge(id, case);
        });
        report
    }
}

/// ISO 8601 duration in whole months.
fn months(iso: &str) -> Option<u32> {
    let mut total = 0u32;
    let mut n = String::new();
    for c in iso.strip_prefix('P')?.chars() {
        match c {
            '0'..='9' => n.push(c),
            'T' => break,
            unit => {
                let k: u32 = n.parse().ok()?;
                n.clear();
                total = total.checked_add(match unit {
                    'Y' => k.checked_mul(12)?,
                    'M' => k,
                    'W' => k / 4,
                    'D' => k / 30,
                    _ => return None,
                })?;
            }
        }
    }
    Some(total.min(1080))
}

/// Features that only an examiner or a laboratory can see, by their words.
fn seen_by(label: &str) -> Category {
    let l = label.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| l.contains(w));
    let test = [
        "circulating",
        "concentration",
        "level",
        "emia",
        "uria",
        "eeg",
        "mri",
        "electro",
        "qt interval",
        "pr interval",
        "ejection",
        "aminotransferase",
        "hemoglobin",
        "serum",
        "density",
        "white matter",
        "corpus callosum",
        "cerebell",
        "ventricul",
        "septal defect",
        "valve",
        "cardiomyopathy",
        "stenosis",
        "regurgitation",
        "cortical",
        "gyri",
        "cyst",
        "calcification",
        "agenesis",
        "aplasia",
        "acidosis",
        "alkalosis",
        "penia",
        "cytosis",
        "delayed myelination",
        "antibody",
        "immunoglobulin",
        "histolog",
        "biopsy",
        "fibers",
        "mitochondrial",
        "activity",
        "bone age",
        "dysplasia",
        "ossification",
        "vertebra",
        "intracranial",
        "ductus",
        "aort",
        "nerve conduction",
        "intraocular",
        "electroretino",
        "brain",
        "t-wave",
        "creatine kinase",
        "ratio",
        "count",
        "hypoplasia",
        "atrophy",
        "volume",
        "imaging",
    ];
    let exam = [
        "palpebral",
        "nasal",
        "nose",
        "philtrum",
        "palate",
        "ears",
        "ear",
        "eyebrow",
        "forehead",
        "face",
        "facial",
        "lip",
        "teeth",
        "dent",
        "chin",
        "gnathia",
        "telorism",
        "epicanth",
        "hairline",
        "webbed",
        "neck",
        "nipple",
        "intermamillary",
        "finger",
        "toe",
        "dactyly",
        "hand",
        "foot",
        "nail",
        "palm",
        "skin",
        "macul",
        "pigment",
        "stature",
        "cephaly",
        "reflex",
        "tonia",
        "spastic",
        "clonus",
        "babinski",
        "murmur",
        "megaly",
        "scoliosis",
        "kyphosis",
        "lordosis",
        "pectus",
        "chest",
        "contracture",
        "hypermobil",
        "strabismus",
        "ptosis",
        "nystagmus",
        "proptosis",
        "blood pressure",
        "rigidity",
        "babinski",
        "fundus",
        "retin",
        "optic",
        "cornea",
        "iris",
        "cataract",
        "coloboma",
        "head",
        "limb",
        "genital",
        "testi",
        "scrotum",
        "hypospadias",
        "dimple",
        "fontanel",
        "valgus",
        "varus",
        "eye",
        "mouth",
        "tongue",
        "supernumerary",
        "thumb",
        "umbilical",
        "cleft",
        "bulbous",
        "thin",
        "broad",
        "wide",
        "short ",
        "long ",
        "low",
        "narrow",
        "small",
        "large",
        "prominent",
        "deep",
        "flat",
        "high",
        "sparse",
        "thick",
        "gait",
    ];
    if any(&test) && !any(&["hematuria", "polyuria", "dysuria", "jaundice", "loss"]) {
        Category::Test
    } else if any(&exam)
        && !any(&[
            "pain",
            "ache",
            "loss of",
            "weakness",
            "fracture",
            "difficult",
            "intoleran",
            "seizure",
            "delay",
            "hearing",
            "infection",
        ])
    {
        Category::Exam
    } else {
        Category::Hpi
    }
}

fn onset_words(onset: &Value) -> Option<String> {
    if let Some(m) = text_at(onset, &["age", "iso8601duration"]).and_then(months) {
        return Some(match m {
            0 => "soon after birth".into(),
            1 => "at the age of 1 month".into(),
            2..=23 => format!("at the age of {m} months"),
            _ => format!("at the age of {}", m / 12),
        });
    }
    let label = text_at(onset, &["ontologyClass", "label"])?.to_lowercase();
    Some(
        match label.replace(" onset", "").as_str() {
            "congenital" | "neonatal" => "at birth or soon after",
            "antenatal" | "fetal" | "embryonal" => "before birth",
            "infantile" => "in the first year of life",
            "childhood" => "in childhood",
            "juvenile" => "between the ages of 5 and 15",
            "young adult" | "early young adult" | "intermediate young adult" | "late young adult" => {
                "in early adult life"
            }
            "middle age" => "in middle age",
            "late" => "after the age of 60",
            "adult" => "in adult life",
            _ => return None,
        }
        .into(),
    )
}

fn one(v: &Value, id: &str) -> Result<Case, String> {
    let from_list = || {
        v.get("diseases")
            .and_then(Value::as_array)?
            .iter()
            .find(|d| d.get("excluded").and_then(Value::as_bool) != Some(true))
            .and_then(|d| text_at(d, &["term", "label"]))
    };
    let from_interpretation = || {
        v.get("interpretations")
            .and_then(Value::as_array)?
            .iter()
            .find_map(|i| text_at(i, &["diagnosis", "disease", "label"]))
    };
    let disease =
        from_interpretation().or_else(from_list).filter(|d| !d.trim().is_empty()).ok_or("no disease is named")?;
    let sex = match text_at(v, &["subject", "sex"]) {
        Some("FEMALE") => Sex::Female,
        Some("MALE") => Sex::Male,
        Some("OTHER_SEX") => Sex::Other,
        _ => Sex::Unknown,
    };
    let age_months = text_at(v, &["subject", "timeAtLastEncounter", "age", "iso8601duration"]).and_then(months);
    let features = v.get("phenotypicFeatures").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let first_onset =
        || features.iter().filter_map(|f| text_at(f, &["onset", "age", "iso8601duration"]).and_then(months)).max();
    let who = Demographics { age_months: age_months.or_else(first_onset), sex, occupation: None };
    let mut case = Case::new(&SOURCE, id, who, disease);
    case.diagnosis.name = disease.split(';').next().unwrap_or(disease).trim().to_owned();
    for f in features {
        let Some(label) = text_at(f, &["type", "label"]).filter(|l| !l.trim().is_empty()) else { continue };
        let label = case.scrub(label);
        let absent = f.get("excluded").and_then(Value::as_bool) == Some(true);
        case.narrator.read.push(twice(label.clone()));
        let draft = feature(&case, &label, absent);
        if let Some(when) = f.get("onset").and_then(onset_words).filter(|_| !absent && draft.category == Category::Hpi)
        {
            let mut d = draft.clone();
            d.topic.aspect = Some(Aspect::Onset);
            d.statement = case.narrator.voice().sentence(&format!("the {} started {when}", lower_first(&label)));
            case.drafts.push(draft);
            case.drafts.push(d);
        } else {
            case.drafts.push(draft);
        }
        if !absent && case.drafts.last().is_some_and(|d| d.category == Category::Hpi) {
            case.complaints.push(label);
        }
    }
    // Somebody who only looks different was sent by somebody.
    if case.complaints.is_empty() {
        let observed = features.iter().any(|f| f.get("excluded").and_then(Value::as_bool) != Some(true));
        if !observed {
            return Err("no observed feature".into());
        }
        let voice = case.narrator.voice();
        case.own_words = Some(voice.sentence(if voice.parent {
            "we were sent because the doctor noticed that I look different from other children"
        } else {
            "I was sent here because of some findings at a check-up"
        }));
        let said = case.own_words.clone().unwrap_or_default();
        let draft = Draft {
            category: Category::Hpi,
            topic: crate::fact::Topic::new("reason_for_referral"),
            statement: said,
            polarity: Polarity::Present,
            sensitivity: 0,
            asked_as: Vec::new(),
            source: String::new(),
        };
        case.drafts.insert(0, draft);
    }
    Ok(case)
}

fn feature(case: &Case, label: &str, absent: bool) -> Draft {
    let category = seen_by(label);
    let (about, finding) = topic(label, category);
    let polarity = if absent { Polarity::Absent } else { Polarity::Present };
    let noun = lower_first(label);
    let voice = case.narrator.voice();
    let statement = match (category, absent) {
        (Category::Exam | Category::Test, false) => format!("{label}."),
        (Category::Exam | Category::Test, true) => format!("No {noun}."),
        (_, false) => voice.sentence(&format!("I've had {}", article(&noun))),
        (_, true) => voice.sentence(&format!("I haven't had any {noun}")),
    };
    let mut asked_as = Vec::new();
    if matches!(category, Category::Exam | Category::Test) {
        asked_as = super::tree::names_for(label, category);
        asked_as.extend(
            finding.iter().flat_map(|f| f.test_names.iter().cloned().chain(f.site.iter().map(|s| s.replace('_', " ")))),
        );
        if category == Category::Test && asked_as.is_empty() {
            asked_as.push(noun.clone());
        }
        super::tree::tidy(&mut asked_as, category);
    }
    Draft {
        category,
        topic: about,
        statement,
        polarity,
        sensitivity: sensitivity(label, category),
        asked_as,
        source: label.to_owned(),
    }
}
