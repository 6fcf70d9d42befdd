//! Regular medicines: one of each kind at most, none that the patient denies or cannot take, and a child's dose for a child.

use super::network::FindingIx;
use super::{Finding, KnowledgeBase, statement};
use crate::fact::{Access, Category, Fact, FactId, Polarity, Sensitivity, Topic};
use crate::pattern::compiled;
use crate::record::Sex;
use crate::seed::Draw;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A medicine with its dose: "atorvastatin 20 mg once a day".
pub(super) struct Drug {
    pub name: String,
    pub dose: String,
}

impl Drug {
    fn new(dose: &str) -> Drug {
        let name = dose.split([' ', ',']).next().unwrap_or("drug").to_lowercase();
        Drug { name, dose: dose.to_owned() }
    }

    pub fn fact(&self, child: bool, sex: Sex) -> Fact {
        let safe = self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
        let subject = format!("drug_{safe}");
        Fact {
            id: FactId(subject.clone()),
            category: Category::Medication,
            topic: Topic::new(subject),
            statement: statement::sentence(&format!("I take {}", self.dose), child, sex),
            polarity: Polarity::Present,
            weight: 6,
            access: Access::OnAsk,
            sensitivity: Sensitivity(0),
            names_diagnosis: false,
            asked_as: Vec::new(),
            source_text: None,
        }
    }
}

/// What one patient takes, as it is told.
pub(super) struct Medicines<'a> {
    kb: &'a KnowledgeBase,
    values: &'a BTreeMap<FindingIx, bool>,
    /// Names and kinds told already.
    told: BTreeSet<String>,
}

/// Allergies and the names they rule out.
const ALLERGIES: [(&str, &[&str]); 3] = [
    ("all_penicillin", &["cillin"]),
    ("all_nsaid", &["ibuprofen", "aspirin", "naproxen"]),
    ("all_sulfonamide", &["sulfasalazine", "trimoxazole"]),
];

impl<'a> Medicines<'a> {
    pub fn new(kb: &'a KnowledgeBase, values: &'a BTreeMap<FindingIx, bool>) -> Medicines<'a> {
        Medicines { kb, values, told: BTreeSet::new() }
    }

    fn value(&self, id: &str) -> Option<bool> {
        self.kb.finding_index(id).and_then(|i| self.values.get(&i).copied())
    }

    /// The findings that ask for medicines of this kind: `med_statin` for atorvastatin.
    fn kinds(&self, name: &str) -> impl Iterator<Item = &'a Finding> {
        let name = name.to_owned();
        let asks = move |f: &&Finding| {
            let mut said = f.lay.iter().chain(&f.yes).chain(&f.drugs);
            f.category == Category::Medication && f.id != SHOP && said.any(|l| holds(l, &name))
        };
        self.kb.findings().iter().filter(asks)
    }

    /// What goes with a finding that is present and was answered in these words; one time in five nothing.
    pub fn of(&mut self, finding: &Finding, words: &str, child: bool, draw: &mut Draw) -> Option<Drug> {
        let listed = if child { &finding.drugs_child } else { &finding.drugs };
        let spoken: Vec<&String> = listed.iter().filter(|d| self.fits(finding, &Drug::new(d), words)).collect();
        let silent = finding.drugs.is_empty() || draw.chance(20);
        let drug = draw.pick(&spoken).filter(|_| !silent).map(|d| Drug::new(d));
        if finding.category == Category::Medication {
            self.told.insert(finding.id.clone());
        }
        if let Some(d) = &drug {
            let kinds: Vec<String> = self.kinds(&d.name).map(|f| f.id.clone()).collect();
            self.told.extend(kinds);
            self.told.insert(d.name.clone());
        }
        drug
    }

    fn fits(&self, finding: &Finding, drug: &Drug, words: &str) -> bool {
        let allergic = ALLERGIES
            .iter()
            .any(|(id, names)| self.value(id) == Some(true) && names.iter().any(|n| drug.name.contains(n)));
        let told = self.told.contains(&drug.name);
        // A kind is denied, or another of it was told; the finding that is itself that kind stands for it.
        let clash = self.kinds(&drug.name).any(|f| {
            f.id != finding.id
                && (self.told.contains(&f.id)
                    || self.kb.finding_index(&f.id).and_then(|i| self.values.get(&i)) == Some(&false))
        });
        let other = finding.category == Category::Medication && names_another(finding, &drug.name, words);
        !allergic && !told && !clash && !other
    }

    /// Whether the answer names the medicine already.
    pub fn named_in(&self, words: &str, drug: &Drug) -> bool {
        holds(words, &drug.name)
    }
}

/// Bought without a prescription: asks for what one does, not for a kind of medicine.
const SHOP: &str = "med_over_counter";

/// "I'm on lansoprazole every day" beside omeprazole.
fn names_another(finding: &Finding, name: &str, words: &str) -> bool {
    !holds(words, name) && finding.lay.iter().any(|l| !l.contains(' ') && drug_like(l) && holds(words, l))
}

/// Endings that generic names have.
fn drug_like(word: &str) -> bool {
    ["pril", "statin", "azole", "olol", "pine", "lone", "fen", "proxen", "ine", "ban", "arin", "amol", "ide", "mide"]
        .iter()
        .any(|e| word.ends_with(e))
}

fn holds(text: &str, word: &str) -> bool {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|w| w == word)
}

/// A fixed dose by mouth: under 12 it goes by weight.
pub(super) fn adult_dose(drug: &str) -> bool {
    static DOSE: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)\b\d[\d.]* ?(?:mg|g|units)\b"));
    DOSE.is_match(drug)
}
