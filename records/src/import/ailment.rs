//! Whether a short text names something a patient can have, rather than a drug, a finding, a mechanism or a step to take.

use super::truth::{described, has_entry};

/// Last words of names of illnesses.
const HEADS: &[&str] = &[
    "abscess",
    "abruption",
    "abuse",
    "allergy",
    "anaphylaxis",
    "aneurysm",
    "appendicitis",
    "arrest",
    "asthma",
    "atresia",
    "bleed",
    "cancer",
    "cataract",
    "cirrhosis",
    "concussion",
    "contusion",
    "crisis",
    "cyst",
    "defect",
    "deficiency",
    "dependence",
    "dementia",
    "depression",
    "diabetes",
    "disease",
    "dislocation",
    "disorder",
    "dissection",
    "eczema",
    "embolism",
    "failure",
    "fever",
    "fibrillation",
    "flutter",
    "fracture",
    "gout",
    "haemorrhage",
    "hemorrhage",
    "haemorrhoids",
    "hemorrhoids",
    "hernia",
    "hypertension",
    "hypotension",
    "infarction",
    "infection",
    "influenza",
    "injury",
    "insufficiency",
    "intoxication",
    "intussusception",
    "ischaemia",
    "ischemia",
    "lupus",
    "malaria",
    "migraine",
    "obstruction",
    "overdose",
    "palsy",
    "pneumonia",
    "pneumothorax",
    "poisoning",
    "pregnancy",
    "psoriasis",
    "pulmonale",
    "reaction",
    "reflux",
    "regurgitation",
    "rupture",
    "sclerosis",
    "sepsis",
    "shock",
    "sprain",
    "stenosis",
    "stroke",
    "syndrome",
    "syphilis",
    "tamponade",
    "tear",
    "tetanus",
    "thrombosis",
    "torsion",
    "toxicity",
    "tuberculosis",
    "tumor",
    "tumour",
    "ulcer",
    "withdrawal",
];

/// Endings that only names of illnesses have.
const ENDINGS: &[&str] =
    &["itis", "oma", "omas", "osis", "pathy", "pathies", "emia", "aemia", "uria", "plegia", "algia", "phobia", "iasis"];

/// Words that make it a finding, a mechanism, or an act.
const NOT: &[&str] = &[
    "absence",
    "absent",
    "abnormality",
    "accumulation",
    "activation",
    "administer",
    "apoptosis",
    "benign",
    "colonization",
    "cytosis",
    "decrease",
    "decreased",
    "deletion",
    "deposition",
    "elevated",
    "expression",
    "high",
    "impaired",
    "increase",
    "increased",
    "inhibition",
    "level",
    "levels",
    "loss",
    "low",
    "mitosis",
    "mutation",
    "necrosis",
    "no",
    "normal",
    "perform",
    "phagocytosis",
    "presence",
    "production",
    "reduced",
    "secretion",
    "start",
    "synthesis",
    "therapy",
    "treatment",
];

/// Where the qualification of a name begins.
const JOINS: &[&str] =
    &[" of ", " with ", " due to ", " caused by ", " secondary to ", " from ", " in ", " by ", " type ", " mellitus"];

/// Whether the text is the name of a condition: one of the knowledge base's, or one that its head noun gives away.
pub(super) fn is_condition(text: &str) -> bool {
    if has_entry(&described(text)) {
        return true;
    }
    let lower = text.trim().trim_end_matches('.').to_lowercase();
    let lower = lower.split(" (").next().unwrap_or_default();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
    if words.len() > 8 || words.iter().any(|w| NOT.contains(w)) {
        return false;
    }
    // "Diabetes mellitus type 2" is diabetes.
    let bare = JOINS.iter().fold(lower, |s, j| s.split(j).next().unwrap_or(s));
    let head = bare.rsplit(|c: char| !c.is_alphanumeric()).find(|w| w.chars().any(char::is_alphabetic));
    head.is_some_and(|h| HEADS.contains(&h) || h.len() > 4 && ENDINGS.iter().any(|e| h.ends_with(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_from_drugs_findings_and_steps() {
        for yes in [
            "Hemolytic-uremic syndrome",
            "Infection with Pseudomonas aeruginosa",
            "Atrial septal defect",
            "IgA deficiency",
            "Acute pancreatitis",
            "Malignant melanoma",
            "Tear of the medial meniscus",
            "Diabetes mellitus type 2",
        ] {
            assert!(is_condition(yes), "{yes}");
        }
        for no in [
            "Furosemide",
            "Menin",
            "Normal saline and intravenous dexamethasone",
            "Increased left ventricular end diastolic volume",
            "Accumulation of N-acetyl-p-benzoquinone imine in the liver",
            "Vascular abnormality",
            "Surface ectoderm",
            "Administer polyethylene glycol",
            "High methylmalonic acid and high homocysteine levels",
            "",
        ] {
            assert!(!is_condition(no), "{no}");
        }
    }
}
