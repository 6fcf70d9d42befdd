//! A sampled patient written down: the opening, what is said of the complaint, every answer, the regular medicines.

use super::drugs::Medicines;
use super::elapsed::{self, Elapsed};
use super::generator::GENERATOR;
use super::network::{FindingIx, Person};
use super::population::Population;
use super::{Condition, Finding, KnowledgeBase, statement};
use crate::fact::{Access, Aspect, Category, Fact, FactId, Polarity, Sensitivity, Topic};
use crate::record::{Contraindication, Demographics, Diagnosis, PatientRecord, Provenance, RecordId};
use crate::seed::{Draw, Seed};
use std::collections::BTreeMap;

/// Turns sampled values into a record.
pub(super) struct Writer<'a> {
    pub kb: &'a KnowledgeBase,
    pub person: Person<'a>,
    pub values: BTreeMap<FindingIx, bool>,
    pub months: u32,
    pub draw: Draw,
}

impl Writer<'_> {
    pub fn record(mut self, seed: Seed, population: &Population) -> Option<PatientRecord> {
        let came_with = self.person.complaint?;
        let c = self.person.condition;
        let child = self.months < 12 * 12;
        let complaint = &self.kb.findings()[came_with];
        let elapsed = Elapsed::draw(&c.onset, self.months, self.floor(came_with), &mut self.draw);
        let described = main_complaint(c) == complaint.id;
        let spoken = if described { elapsed.of(&c.voice.complaint) } else { Vec::new() };
        let plain = elapsed.of(&complaint.yes);
        let opening = [&spoken, &plain, &complaint.yes].into_iter().find(|o| !o.is_empty());
        let opening = opening.map(|o| self.choose(o)).unwrap_or_default();
        let chief_complaint = statement::sentence(&opening, child, self.person.sex);
        let told = if plain.is_empty() { &complaint.yes } else { &plain };
        let words = self.choose(told);
        let mut facts = vec![self.fact(complaint, words, true, Access::Volunteered)];
        self.describe(complaint, described, elapsed, child, &mut facts);
        let drawn = self.values.clone();
        // What is said of a medicine itself comes first: a past condition's drug is told only beside it.
        let mut medicines = Medicines::new(self.kb, &drawn);
        for by_name in [true, false] {
            for (i, present) in drawn.iter().filter(|(i, _)| **i != came_with) {
                let finding = &self.kb.findings()[*i];
                if by_name != (finding.category == Category::Medication) {
                    continue;
                }
                let words = self.words(finding, *present);
                let drug = if *present { medicines.of(finding, &words, child, &mut self.draw) } else { None };
                match drug {
                    // "I take atorvastatin" and its dose are one fact.
                    Some(drug) if medicines.named_in(&words, &drug) => {
                        facts.push(self.fact(finding, format!("I take {}", drug.dose), true, access(finding)));
                    }
                    Some(drug) => {
                        facts.push(self.fact(finding, words, *present, access(finding)));
                        facts.push(drug.fact(child, self.person.sex));
                    }
                    None => facts.push(self.fact(finding, words, *present, access(finding))),
                }
            }
        }
        facts.extend(super::vitals::facts(&c.vitals, self.months / 12, &mut self.draw));
        facts.sort_by(|a, b| (order(a), &a.id).cmp(&(order(b), &b.id)));
        facts.dedup_by(|a, b| a.id == b.id);
        let contraindications = c
            .contraindicated
            .iter()
            .filter(|x| self.kb.finding_index(&x.when).is_some_and(|i| self.values.get(&i) == Some(&true)))
            .map(|x| Contraindication {
                treatment: x.treatment.clone(),
                why: x.why.clone(),
                because: Some(FactId(x.when.clone())),
            })
            .collect();
        let name = |id: &String| self.kb.condition(id).map_or_else(|| id.replace('_', " "), |c| c.name.clone());
        Some(PatientRecord {
            schema: PatientRecord::SCHEMA,
            id: RecordId(
                format!("kb1-{:?}-{}-{:08x}", population.pool, (population.temper * 100.0) as u32, seed.0)
                    .to_lowercase(),
            ),
            demographics: Demographics { age_months: Some(self.months), sex: self.person.sex, occupation: None },
            chief_complaint,
            facts,
            diagnosis: Diagnosis {
                name: c.name.clone(),
                synonyms: c.synonyms.clone(),
                icd10: Some(c.icd10.clone()),
                condition: Some(c.id.clone()),
                differential: c.differentials.iter().map(name).collect(),
            },
            red_flags: c.red_flags.clone(),
            contraindications,
            management: c.management.clone(),
            safety_net: Some(c.safety_net.clone()),
            provenance: Provenance {
                source: "bedside knowledge base".to_owned(),
                licence: "Apache-2.0".to_owned(),
                source_id: format!("{:08x}", seed.0),
                made_by: GENERATOR.to_owned(),
            },
        })
    }

    /// Hours that what is present says the complaint has lasted at least: "fever for five days" of who comes with fever.
    fn floor(&self, came_with: FindingIx) -> f64 {
        let of_complaint = |i: FindingIx| i == came_with || self.kb.network().kind_of(i) == Some(came_with);
        let named = |i: &FindingIx| self.kb.findings()[*i].id.starts_with(&self.kb.findings()[came_with].id);
        let present = self.values.iter().filter(|(_, v)| **v).map(|(i, _)| i);
        present
            .filter(|i| of_complaint(**i) || named(i))
            .map(|i| self.kb.findings()[*i].yes.iter().map(|s| elapsed::implied(s).0).fold(0.0, f64::max))
            .fold(0.0, f64::max)
    }

    fn choose(&mut self, from: &[String]) -> String {
        self.draw.pick(from).cloned().unwrap_or_default()
    }

    /// A finding's answer: of its sentences one that somebody of this age can have lived long enough to say.
    fn words(&mut self, finding: &Finding, present: bool) -> String {
        let all = if present { &finding.yes } else { &finding.no };
        let life = f64::from(elapsed::lived(self.months));
        let lived: Vec<String> = all.iter().filter(|s| elapsed::implied(s).0 <= life).cloned().collect();
        self.choose(if lived.is_empty() { all } else { &lived })
    }

    fn fact(&self, finding: &Finding, words: String, present: bool, access: Access) -> Fact {
        let child = self.months < 12 * 12;
        let reported = matches!(finding.category, Category::Exam | Category::Test);
        let asked_as = match (&finding.site, &finding.test) {
            (Some(site), _) => vec![site.replace('_', " ")],
            (_, Some(test)) => {
                std::iter::once(test.replace('_', " ")).chain(finding.test_names.iter().cloned()).collect()
            }
            _ => Vec::new(),
        };
        Fact {
            id: FactId(finding.id.clone()),
            category: finding.category,
            topic: Topic::new(finding.id.clone()),
            statement: if reported {
                format!("{}.", words.trim_end_matches('.'))
            } else {
                statement::sentence(&words, child, self.person.sex)
            },
            polarity: if present { Polarity::Present } else { Polarity::Absent },
            weight: weight(self.person.condition, finding, present),
            access,
            sensitivity: Sensitivity(finding.sensitivity.min(Sensitivity::MAX)),
            names_diagnosis: reported && statement::names(&words, self.person.condition),
            asked_as,
            source_text: None,
        }
    }

    /// OLDCARTS of the presenting complaint.
    fn describe(&mut self, complaint: &Finding, described: bool, elapsed: Elapsed, child: bool, facts: &mut Vec<Fact>) {
        let c = self.person.condition;
        let ago = elapsed.words();
        let none = Vec::new();
        let v = &c.voice;
        let mut said =
            vec![(Aspect::Duration, vec![format!("It started {ago} ago"), format!("I've had it for {ago}")])];
        let aspects: [(Aspect, &Vec<String>); 9] = [
            (Aspect::Onset, &v.onset),
            (Aspect::Character, &v.character),
            (Aspect::Location, &v.location),
            (Aspect::Radiation, &v.radiation),
            (Aspect::Severity, &v.severity),
            (Aspect::Aggravating, &v.aggravating),
            (Aspect::Relieving, &v.relieving),
            (Aspect::Timing, &v.timing),
            (Aspect::Progression, &v.progression),
        ];
        // The sentences describe the main complaint; for another one only what is true of any of them is told.
        said.extend(aspects.into_iter().map(|(a, s)| {
            let general = matches!(a, Aspect::Onset | Aspect::Progression);
            let dated = matches!(a, Aspect::Onset | Aspect::Progression | Aspect::Timing);
            let told = if dated { elapsed.of(s) } else { s.clone() };
            (a, if described || general { told } else { none.clone() })
        }));
        for (aspect, sentences) in said.into_iter().filter(|(_, s)| !s.is_empty()) {
            let topic = Topic::with_aspect(complaint.id.clone(), aspect);
            let words = self.choose(&sentences);
            let absent = aspect == Aspect::Radiation && words.to_lowercase().starts_with("no");
            facts.push(Fact {
                id: FactId(topic.to_string()),
                category: Category::Hpi,
                topic,
                statement: statement::sentence(&words, child, self.person.sex),
                polarity: if absent { Polarity::Absent } else { Polarity::Present },
                weight: match aspect {
                    Aspect::Onset | Aspect::Duration | Aspect::Character => 7,
                    Aspect::Timing | Aspect::Progression => 4,
                    _ => 5,
                },
                // Asked openly, people say how long and what it is like.
                access: match aspect {
                    Aspect::Duration | Aspect::Character => Access::Volunteered,
                    _ => Access::OnAsk,
                },
                sensitivity: Sensitivity(0),
                names_diagnosis: false,
                asked_as: Vec::new(),
                source_text: None,
            });
        }
    }
}

/// The complaint that `voice` describes: the most usual one, the first in id order among equals.
fn main_complaint(c: &Condition) -> &str {
    c.presenting.iter().fold(("", 0.0), |best, (id, p)| if *p > best.1 { (id.as_str(), *p) } else { best }).0
}

fn access(f: &Finding) -> Access {
    match f.category {
        Category::Exam => Access::OnExam,
        Category::Test => Access::OnTest,
        _ => Access::OnAsk,
    }
}

/// The complaint first, then what is said about it, then the rest by category.
fn order(f: &Fact) -> (u8, u8, Category) {
    (u8::from(f.access != Access::Volunteered), u8::from(f.topic.aspect.is_some()), f.category)
}

/// How much eliciting it matters: clinicians' shares by heading (PriMock57: complaint 83 %, past history 84 %, drugs 82 %,
/// family 55 %, social 38 %), raised for red flags and for what separates the diagnosis from its rivals.
fn weight(c: &Condition, f: &Finding, present: bool) -> u8 {
    let listed = c.findings.get(&f.id).copied().unwrap_or(0.0);
    let red_flag = c.red_flags.contains(&f.id);
    let separates = c.discriminators.iter().any(|d| d.ask == f.id);
    let category = match f.category {
        Category::Hpi | Category::Pmh | Category::Medication | Category::Exam | Category::Test => 8,
        Category::Allergy => 7,
        Category::Ros | Category::Surgical | Category::Obstetric | Category::Psychiatric => 6,
        Category::Family | Category::Vaccination => 5,
        Category::Social | Category::Demographic => 4,
    };
    match (present, red_flag, separates) {
        (true, true, _) => 10,
        (true, _, true) => 9,
        (true, ..) if listed >= 0.05 => category,
        (true, ..) => 2,
        (false, true, _) => 6,
        (false, _, true) => 5,
        (false, ..) => 0,
    }
}
