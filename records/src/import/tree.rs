//! Examination and test trees: one fact per leaf, named as a doctor would ask for it.

use super::narrative::topic::{own_subject, topic};
use super::narrative::twice;
use super::narrative::{Draft, Narrator};
use crate::fact::{Category, Polarity};
use serde_json::Value;

/// What a word in a heading or a finding says was examined.
const SITES: &[(&str, &[&str])] = &[
    (
        "vitals",
        &[
            "vital",
            "temperature",
            "blood pressure",
            "heart rate",
            "pulse",
            "respiratory rate",
            "respirations",
            "oxygen saturation",
            "spo2",
            "bmi",
            "weight",
            "height",
        ],
    ),
    ("general", &["general appearance", "general", "constitutional", "appearance"]),
    ("skin", &["skin", "dermat", "rash", "lesion", "integument"]),
    ("eyes", &["eye", "ophthalm", "pupil", "fundosc", "visual", "conjunctiv", "retina", "slit lamp", "ocular"]),
    ("ears", &["ear", "tympanic", "otosc", "hearing"]),
    ("nose", &["nose", "nasal"]),
    ("throat", &["throat", "pharyn", "tonsil", "heent"]),
    ("mouth", &["mouth", "oral", "tongue", "dental", "mucous", "mucosa", "intraoral"]),
    ("neck", &["neck", "thyroid", "carotid", "jvp", "jugular"]),
    ("lymph_nodes", &["lymph"]),
    ("heart", &["heart", "cardiac", "cardiovascular", "murmur", "precordi", "apical"]),
    ("chest", &["chest", "lung", "respiratory exam", "pulmonary", "breath sounds", "respiratory", "crackles", "wheez"]),
    (
        "abdomen",
        &["abdom", "gastrointestinal", "bowel sounds", "hepatomegaly", "splenomegaly", "liver", "spleen", "flank"],
    ),
    ("back", &["back", "cva tenderness", "costovertebral"]),
    ("spine", &["spine", "spinal", "lumbar"]),
    (
        "joints",
        &["joint", "knee", "hip", "shoulder", "elbow", "wrist", "musculoskeletal", "msk", "range of motion", "ankle"],
    ),
    ("limbs", &["limb", "extremit", "leg", "arm", "thigh", "calf", "edema"]),
    ("hands", &["hand", "finger", "nail", "thumb", "palm"]),
    ("feet", &["foot", "feet", "toe", "heel"]),
    (
        "nervous_system",
        &["neuro", "reflex", "strength", "sensation", "sensory", "motor", "coordination", "tone", "power"],
    ),
    ("cranial_nerves", &["cranial nerve", "facial"]),
    ("gait", &["gait", "walk", "balance", "romberg"]),
    ("mental_state", &["mental", "psychiatric", "mood", "affect", "orient", "cognit", "consciousness", "alert", "gcs"]),
    ("pelvis", &["pelvi", "cervix", "uterus", "adnexa", "vaginal", "speculum", "gynecolog", "obstetric", "bimanual"]),
    ("genitalia", &["genital", "scrot", "testic", "penis", "genitourinary", "vulva", "urogenital"]),
    ("rectum", &["rectal", "rectum", "anal", "prostate"]),
    ("breast", &["breast", "nipple"]),
    ("vessels", &["vascular", "pulses", "bruit", "capillary"]),
    ("fetus", &["fetal", "fetus", "fundal"]),
];

/// Tests and the names doctors call them by.
const TESTS: &[(&str, &[&str])] = &[
    ("complete blood count", &["CBC", "full blood count", "FBC", "blood count", "blood tests"]),
    ("hemoglobin", &["CBC", "complete blood count", "blood tests"]),
    ("leukocyte", &["CBC", "white cell count", "blood tests"]),
    ("platelet", &["CBC", "complete blood count", "blood tests"]),
    ("hematocrit", &["CBC", "complete blood count", "blood tests"]),
    ("wbc", &["CBC", "white cell count", "blood tests"]),
    ("white blood", &["CBC", "white cell count", "blood tests"]),
    ("electrolyte", &["basic metabolic panel", "BMP", "U&E", "blood tests"]),
    ("sodium", &["basic metabolic panel", "BMP", "electrolytes", "blood tests"]),
    ("potassium", &["basic metabolic panel", "BMP", "electrolytes", "blood tests"]),
    ("creatinine", &["basic metabolic panel", "BMP", "renal function", "kidney function", "blood tests"]),
    ("urea", &["basic metabolic panel", "BMP", "renal function", "blood tests"]),
    ("bun", &["basic metabolic panel", "BMP", "renal function", "blood tests"]),
    ("glucose", &["blood sugar", "glucose", "basic metabolic panel", "blood tests"]),
    ("metabolic panel", &["BMP", "CMP", "electrolytes", "blood tests"]),
    ("serum", &["blood tests", "bloods"]),
    ("laboratory", &["blood tests", "labs"]),
    ("lab ", &["blood tests", "labs"]),
    ("blood test", &["bloods", "labs"]),
    ("liver", &["LFT", "liver function tests", "blood tests"]),
    ("bilirubin", &["LFT", "liver function tests", "blood tests"]),
    ("alt", &["LFT", "liver function tests"]),
    ("ast", &["LFT", "liver function tests"]),
    ("alkaline phosphatase", &["LFT", "liver function tests"]),
    ("thyroid", &["TFT", "thyroid function", "TSH"]),
    ("tsh", &["thyroid function", "TFT"]),
    ("urinalysis", &["urine test", "urine dipstick", "UA", "urine analysis"]),
    ("urine", &["urine test", "urinalysis"]),
    ("ecg", &["ECG", "EKG", "electrocardiogram", "heart tracing"]),
    ("ekg", &["ECG", "EKG", "electrocardiogram"]),
    ("electrocardiogram", &["ECG", "EKG"]),
    ("echocardiogra", &["echo", "echocardiogram", "heart ultrasound"]),
    ("chest x-ray", &["CXR", "chest radiograph", "chest X-ray"]),
    ("chest_x", &["CXR", "chest X-ray"]),
    ("x-ray", &["X-ray", "radiograph", "plain film"]),
    ("x ray", &["X-ray", "radiograph"]),
    ("radiograph", &["X-ray", "plain film"]),
    ("ct", &["CT", "CT scan", "computed tomography"]),
    ("mri", &["MRI", "magnetic resonance imaging"]),
    ("ultraso", &["ultrasound", "sonogram"]),
    ("pet", &["PET scan", "PET-CT"]),
    ("biops", &["biopsy", "histology", "pathology"]),
    ("histo", &["biopsy", "histology"]),
    ("patholog", &["biopsy", "histology"]),
    ("culture", &["culture"]),
    ("csf", &["lumbar puncture", "LP", "spinal tap"]),
    ("cerebrospinal", &["lumbar puncture", "LP", "spinal tap"]),
    ("troponin", &["cardiac enzymes", "troponin"]),
    ("cardiac enzyme", &["troponin"]),
    ("crp", &["CRP", "inflammatory markers"]),
    ("c-reactive", &["CRP", "inflammatory markers"]),
    ("esr", &["ESR", "inflammatory markers"]),
    ("sedimentation", &["ESR", "inflammatory markers"]),
    ("antibod", &["antibodies", "serology", "autoimmune screen"]),
    ("serolog", &["serology"]),
    ("ana", &["autoimmune screen"]),
    ("hba1c", &["HbA1c", "glycated haemoglobin"]),
    ("a1c", &["HbA1c"]),
    ("lipid", &["cholesterol", "lipid panel"]),
    ("genetic", &["genetic testing", "gene panel"]),
    ("karyotyp", &["genetic testing", "karyotype"]),
    ("mutation", &["genetic testing"]),
    ("pregnancy", &["hCG", "pregnancy test"]),
    ("hcg", &["pregnancy test"]),
    ("spirometry", &["pulmonary function tests", "PFT"]),
    ("eeg", &["EEG", "electroencephalogram"]),
    ("endoscop", &["endoscopy"]),
    ("colonoscop", &["colonoscopy"]),
    ("angiogra", &["angiography"]),
    ("arterial blood gas", &["ABG", "blood gas"]),
    ("blood gas", &["ABG"]),
    ("coagulation", &["clotting", "INR", "PT/PTT"]),
    ("inr", &["clotting"]),
    ("smear", &["blood film", "peripheral smear"]),
    ("marrow", &["bone marrow biopsy"]),
];

/// Names a doctor may use for what a statement is about.
pub(crate) fn names_for(words: &str, category: Category) -> Vec<String> {
    let lower = words.to_lowercase();
    let starts = |key: &str| {
        lower.match_indices(key).any(|(i, _)| {
            let before = lower[..i].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let after = lower[i + key.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric());
            before && (key.len() > 4 || after)
        })
    };
    match category {
        Category::Exam => SITES
            .iter()
            .filter(|(_, keys)| {
                keys.iter().any(|k| {
                    starts(k) || (k.len() > 3 && lower.split(|c: char| !c.is_alphabetic()).any(|w| w.starts_with(k)))
                })
            })
            .map(|(site, _)| site.replace('_', " "))
            .collect(),
        _ => TESTS
            .iter()
            .filter(|(key, _)| starts(key))
            .flat_map(|(key, names)| std::iter::once((*key).to_owned()).chain(names.iter().map(|n| (*n).to_owned())))
            .collect(),
    }
}

/// No name twice, and never none at all.
pub(crate) fn tidy(names: &mut Vec<String>, category: Category) {
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|n| !n.trim().is_empty() && seen.insert(n.to_lowercase()));
    if names.is_empty() {
        names.push(if category == Category::Exam { "general".into() } else { "blood tests".into() });
    }
}

/// A finding that says all is well, or that something is not there.
pub(crate) fn unremarkable(words: &str) -> bool {
    let value = words.rsplit(": ").next().unwrap_or(words).to_lowercase();
    let starts = [
        "normal",
        "negative",
        "no ",
        "none",
        "unremarkable",
        "within normal",
        "intact",
        "clear",
        "not ",
        "non-",
        "absent",
        "nil",
        "regular",
        "soft",
        "supple",
        "symmetric",
        "undetect",
        "nonreactive",
    ];
    let ends =
        ["normal", "unremarkable", "within normal limits", "negative", "intact", "normal limits", "not detected"];
    let value = value.trim_end_matches('.').trim();
    starts.iter().any(|s| value.starts_with(s))
        || ends.iter().any(|e| value.ends_with(e)) && !value.contains("abnormal") && !value.contains("but")
}

pub(crate) fn full_stop(s: &str) -> String {
    format!("{}.", s.trim().trim_end_matches(['.', ',', ';', ' ']))
}

/// "Complete_Blood_Count" -> "Complete blood count".
pub(crate) fn words_of(key: &str) -> String {
    let spaced = key.replace('_', " ");
    spaced
        .split_whitespace()
        .enumerate()
        .map(|(i, w)| {
            let acronym = w.chars().filter(|c| c.is_uppercase()).count() > 1 || w.chars().any(|c| c.is_ascii_digit());
            if i == 0 || acronym { w.to_owned() } else { w.to_lowercase() }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl Narrator {
    /// Facts of a tree of findings; `scrub` takes identifiers out of each leaf.
    pub fn tree(&mut self, value: &Value, category: Category, scrub: &dyn Fn(&str) -> String) -> Vec<Draft> {
        let mut out = Vec::new();
        self.branch(value, &mut Vec::new(), category, scrub, &mut out);
        out
    }

    fn branch(
        &mut self,
        value: &Value,
        path: &mut Vec<String>,
        category: Category,
        scrub: &dyn Fn(&str) -> String,
        out: &mut Vec<Draft>,
    ) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(words_of(key));
                    self.branch(inner, path, category, scrub, out);
                    path.pop();
                }
            }
            Value::Array(items) => items.iter().for_each(|x| self.branch(x, path, category, scrub, out)),
            Value::Null => {}
            leaf => {
                let text = leaf.as_str().map_or_else(|| leaf.to_string(), scrub);
                let text = text.trim().to_owned();
                let lower = text.to_lowercase();
                if text.is_empty()
                    || lower.starts_with("not provided")
                    || lower.starts_with("not performed")
                    || lower.starts_with("non-applicable")
                    || lower.starts_with("not applicable")
                    || lower == "n/a"
                    || lower.starts_with("not available")
                {
                    return;
                }
                self.read.push(twice(text.clone()));
                out.push(leaf_fact(path, &text, category));
            }
        }
    }
}

fn leaf_fact(path: &[String], text: &str, category: Category) -> Draft {
    let shown: Vec<&str> =
        path.iter().map(String::as_str).filter(|p| !["Findings", "Result", "Results", "Finding"].contains(p)).collect();
    let mut head = shown.join(", ");
    if let Some(c) = head.chars().next() {
        head = c.to_uppercase().collect::<String>()
            + &head[c.len_utf8()..]
                .replace(", Inspection", ", inspection")
                .replace(", Palpation", ", palpation")
                .replace(", Auscultation", ", auscultation")
                .replace(", Percussion", ", percussion")
                .replace(", General", ", general");
    }
    let statement = if head.is_empty() { full_stop(text) } else { full_stop(&format!("{head}: {text}")) };
    let mut asked_as: Vec<String> = shown.iter().map(|p| p.to_lowercase()).collect();
    asked_as.extend(
        shown
            .iter()
            .map(|p| p.to_lowercase())
            .filter_map(|p| p.strip_suffix(" examination").or(p.strip_suffix(" exam")).map(str::to_owned)),
    );
    // A subject of the path's own words keeps siblings apart; a finding of the knowledge base names it where it is there.
    let positive = !unremarkable(text);
    let (mut about, finding) = topic(text, category);
    match finding {
        Some(f) if positive && !text.to_lowercase().contains("no ") => {
            asked_as.extend(f.test_names.iter().cloned());
            asked_as.extend(f.site.iter().map(|s| s.replace('_', " ")));
        }
        _ => about = crate::fact::Topic::new(own_subject(&shown.join(" "), category)),
    }
    let mut keys = names_for(&shown.join(" "), category);
    if keys.is_empty() {
        keys = names_for(text, category);
    }
    asked_as.extend(keys);
    tidy(&mut asked_as, category);
    Draft {
        category,
        topic: about,
        statement,
        polarity: if positive { Polarity::Present } else { Polarity::Absent },
        sensitivity: 0,
        asked_as,
        source: text.to_owned(),
    }
}
