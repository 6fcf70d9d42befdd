//! Whether two wordings name the same diagnosis, and whether a text advises a treatment.

use super::words::{Cue, content, cues, sentences};
use bedside_records::{Diagnosis, KnowledgeBase};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Words that a diagnosis may gain without becoming another one.
const MODIFIERS: &[&str] = &[
    "acute",
    "left",
    "right",
    "sided",
    "side",
    "severe",
    "mild",
    "moderate",
    "suspected",
    "suspect",
    "probable",
    "probably",
    "likely",
    "possible",
    "possibly",
    "presumed",
    "uncomplicated",
    "early",
    "disease",
    "disorder",
    "syndrome",
    "condition",
    "attack",
    "episode",
    "exacerbation",
    "flare",
    "up",
    "new",
    "onset",
    "most",
    "think",
    "diagnosis",
    "infection",
    "primary",
    "simple",
    "classic",
    "typical",
];
const DENIALS: &[&str] = &["not", "no", "without", "never", "exclude", "excluded", "unlikely"];

type Words = BTreeSet<String>;

fn core(words: &Words) -> Words {
    let left: Words = words.iter().filter(|w| !MODIFIERS.contains(&w.as_str())).cloned().collect();
    if left.is_empty() { words.clone() } else { left }
}

/// The accepted wordings of one diagnosis, ready to compare.
pub struct DiagnosisNames {
    condition: Option<String>,
    full: Vec<Words>,
    core: Vec<Words>,
}

impl DiagnosisNames {
    pub fn new(diagnosis: &Diagnosis) -> DiagnosisNames {
        let mut full: Vec<Words> =
            std::iter::once(&diagnosis.name).chain(&diagnosis.synonyms).map(|n| content(n)).collect();
        full.retain(|w| !w.is_empty());
        DiagnosisNames { condition: diagnosis.condition.clone(), core: full.iter().map(core).collect(), full }
    }

    /// Whether `named` is this diagnosis: the same words but for spelling, order and modifiers, or those words and at most two
    /// more, as long as they are not another condition's name.
    pub fn accept(&self, named: &str) -> bool {
        let words = content(named);
        if words.is_empty() || named.split_whitespace().any(|w| DENIALS.contains(&w.to_lowercase().as_str())) {
            return false;
        }
        if self.full.contains(&words) {
            return true;
        }
        if self.is_a_rival(&words) {
            return false;
        }
        let bare = core(&words);
        self.core.iter().any(|own| *own == bare || (own.is_subset(&bare) && bare.len() <= own.len() + 2))
    }

    /// Whether these very words name another condition of the knowledge base.
    fn is_a_rival(&self, words: &Words) -> bool {
        match (index().get(words), &self.condition) {
            (Some(ids), Some(own)) => !ids.contains(own),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Conditions of the knowledge base by their names' words.
fn index() -> &'static BTreeMap<Words, Vec<String>> {
    static INDEX: OnceLock<BTreeMap<Words, Vec<String>>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut index: BTreeMap<Words, Vec<String>> = BTreeMap::new();
        for c in KnowledgeBase::builtin().conditions() {
            for name in std::iter::once(&c.name).chain(&c.synonyms) {
                index.entry(content(name)).or_default().push(c.id.clone());
            }
        }
        index
    })
}

/// A differential as a list of single diagnoses: an entry that packs several ("gout or sepsis; stroke") is several, unless
/// the whole of it is one diagnosis's name ("pneumonia, community acquired").
fn unpacked<'a>(names: &DiagnosisNames, differential: &'a [String]) -> Vec<&'a str> {
    let mut out = Vec::new();
    for entry in differential.iter().map(|e| e.trim()).filter(|e| !e.is_empty()) {
        let one = !entry.contains([';', ',', '/', '\n']) && !entry.contains(" or ");
        if one || names.full.contains(&content(entry)) || index().contains_key(&content(entry)) {
            out.push(entry);
        } else {
            let parts = entry.split([';', ',', '/', '\n']).flat_map(|e| e.split(" or "));
            out.extend(parts.map(str::trim).filter(|e| !e.is_empty()));
        }
    }
    out
}

/// Place of the right diagnosis, from 1, and how many were named.
pub fn place(names: &DiagnosisNames, differential: &[String]) -> (Option<u32>, usize) {
    let all = unpacked(names, differential);
    let at = all.iter().position(|d| names.accept(d));
    (at.map(|i| i as u32 + 1), all.len())
}

/// Members of drug classes that records name by class.
#[rustfmt::skip]
const CLASSES: &[(&str, &[&str])] = &[
    ("penicillin", &["amoxicillin", "co-amoxiclav", "coamoxiclav", "flucloxacillin", "phenoxymethylpenicillin", "benzylpenicillin", "ampicillin", "piperacillin", "pivmecillinam"]),
    ("nsaid", &["ibuprofen", "naproxen", "diclofenac", "indomethacin", "ketorolac", "celecoxib", "meloxicam", "aspirin"]),
    ("sulfonamide", &["co-trimoxazole", "trimethoprim-sulfamethoxazole", "sulfasalazine", "sulfamethoxazole"]),
    ("triptan", &["sumatriptan", "rizatriptan", "zolmitriptan"]),
    ("benzodiazepine", &["diazepam", "lorazepam", "temazepam", "midazolam", "alprazolam"]),
    ("opioid", &["codeine", "morphine", "tramadol", "oxycodone", "fentanyl"]),
    ("anticoagulant", &["warfarin", "apixaban", "rivaroxaban", "dabigatran", "edoxaban", "heparin"]),
    ("antidepressant", &["sertraline", "fluoxetine", "citalopram", "mirtazapine", "venlafaxine", "amitriptyline"]),
    ("antipsychotic", &["haloperidol", "olanzapine", "risperidone", "quetiapine"]),
    ("contraceptive pill", &["combined oral contraceptive", "the pill"]),
];

/// Members of the class that a word names, without the class itself.
pub fn members(class: &str) -> &'static [&'static str] {
    CLASSES.iter().find(|(name, _)| *name == class).map_or(&[], |(_, list)| list)
}

/// A treatment to look for: any of its wordings, unless it comes with what makes it safe.
struct Wanted {
    words: Words,
    unless: Words,
}

fn wanted(treatment: &str) -> Vec<Wanted> {
    let mut out = Vec::new();
    let bare = treatment.split('(').next().unwrap_or(treatment);
    let (named, unless) = bare.split_once(" without ").unwrap_or((bare, ""));
    for one in named.split(" or ") {
        let words = content(one);
        let class = CLASSES.iter().find(|(name, _)| content(name).is_subset(&words));
        for member in class.map_or(&[][..], |(_, list)| list) {
            out.push(Wanted { words: content(member), unless: content(unless) });
        }
        if !words.is_empty() {
            out.push(Wanted { words, unless: content(unless) });
        }
    }
    out
}

/// Whether a sentence of `text` advises the treatment: all its words, none of them under a negation, no "unless".
pub fn advises(text: &str, treatment: &str) -> bool {
    let everything = content(text);
    wanted(treatment).iter().any(|w| {
        w.words.is_subset(&everything)
            && (w.unless.is_empty() || !w.unless.is_subset(&everything))
            && sentences(text).into_iter().any(|(a, b)| advised(&text[a..b], &w.words))
    })
}

fn advised(sentence: &str, words: &Words) -> bool {
    let clauses = sentence.split([',', ':']).filter(|c| words.is_subset(&content(c)));
    let mut clauses = clauses.peekable();
    if clauses.peek().is_none() {
        // The words are spread over the sentence: read it whole.
        return words.is_subset(&content(sentence)) && !denied(sentence);
    }
    clauses.any(|c| !denied(c)) && !sentence.to_lowercase().contains("unless")
}

fn denied(clause: &str) -> bool {
    clause.to_lowercase().contains("unless") || cues(clause).iter().any(|h| h.cue == Cue::Negation)
}

/// How much of a management step a text holds: shared words weighted by how rare they are among all steps, 0..=1.
pub fn step_share(step: &str, said: &Words) -> f64 {
    let words = content(step);
    let total: f64 = words.iter().map(|w| rarity(w)).sum();
    let shared: f64 = words.iter().filter(|w| said.contains(*w)).map(|w| rarity(w)).sum();
    if total > 0.0 { shared / total } else { 0.0 }
}

fn rarity(word: &str) -> f64 {
    static SEEN: OnceLock<(BTreeMap<String, u32>, f64)> = OnceLock::new();
    let (seen, steps) = SEEN.get_or_init(|| {
        let mut seen = BTreeMap::new();
        let mut steps = 0.0;
        for step in KnowledgeBase::builtin().conditions().iter().flat_map(|c| &c.management) {
            steps += 1.0;
            for w in content(step) {
                *seen.entry(w).or_insert(0) += 1;
            }
        }
        (seen, steps)
    });
    if word.chars().all(|c| c.is_ascii_digit()) {
        return 0.5;
    }
    libm::log((1.0 + steps) / (1.0 + f64::from(seen.get(word).copied().unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, synonyms: &[&str]) -> DiagnosisNames {
        DiagnosisNames::new(&Diagnosis {
            name: name.to_owned(),
            synonyms: synonyms.iter().map(|s| (*s).to_owned()).collect(),
            icd10: None,
            condition: None,
            differential: Vec::new(),
        })
    }

    #[test]
    fn a_diagnosis_is_known_by_its_words_not_their_order_or_spelling() {
        let n = names("Iron-deficiency anaemia", &["iron deficiency"]);
        for ok in
            ["iron deficiency anemia", "Anaemia, iron deficiency".replace(", ", " ").as_str(), "likely iron deficiency"]
        {
            assert!(n.accept(ok), "{ok}");
        }
        for no in ["anaemia", "iron overload", "not iron deficiency anaemia", "", "the correct diagnosis"] {
            assert!(!n.accept(no), "{no}");
        }
    }

    #[test]
    fn no_text_names_a_diagnosis_that_is_not_stated() {
        let n = names("", &[]);
        for no in ["", " ", "gout", "acute", "unknown", "diagnosis not stated"] {
            assert!(!n.accept(no), "{no:?}");
        }
        assert_eq!(place(&n, &["gout".to_owned(), String::new()]), (None, 1));
    }

    #[test]
    fn another_conditions_name_is_not_a_longer_wording_of_this_one() {
        let kb = KnowledgeBase::builtin();
        for c in kb.conditions() {
            let d = Diagnosis {
                name: c.name.clone(),
                synonyms: c.synonyms.clone(),
                icd10: None,
                condition: Some(c.id.clone()),
                differential: Vec::new(),
            };
            let n = DiagnosisNames::new(&d);
            assert!(n.accept(&c.name), "{}", c.name);
            for other in kb.conditions().iter().filter(|o| o.id != c.id) {
                let shared = other.synonyms.iter().chain([&other.name]).any(|a| content(a) == content(&c.name));
                assert!(shared || !n.accept(&other.name), "{} taken for {}", other.name, c.name);
            }
        }
    }

    #[test]
    fn a_packed_entry_is_several_diagnoses() {
        let n = names("gout", &[]);
        assert_eq!(place(&n, &["flu; asthma, gout".to_owned()]), (Some(3), 3));
        assert_eq!(place(&n, &["sepsis".to_owned(), "gout".to_owned()]), (Some(2), 2));
        assert_eq!(place(&n, &["sepsis".to_owned()]), (None, 1));
    }

    #[test]
    fn advising_is_told_from_forbidding() {
        for yes in ["Take ibuprofen 400 mg.", "Rest, and start naproxen.", "Ibuprofen or paracetamol for pain"] {
            assert!(advises(yes, "ibuprofen or another NSAID"), "{yes}");
        }
        for no in
            ["Avoid ibuprofen.", "Take paracetamol, not ibuprofen.", "Aspirin 300 mg at once unless allergic", "Rest."]
        {
            assert!(!advises(no, "ibuprofen or another NSAID"), "{no}");
        }
        assert!(advises("Prednisolone 40 mg a day.", "prednisolone without bone protection"));
        assert!(!advises("Prednisolone 40 mg with bone protection.", "prednisolone without bone protection"));
    }
}
