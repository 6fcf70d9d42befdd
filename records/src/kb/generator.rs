//! Samples consistent patients from the knowledge base, without end, each a function of its seed.

use super::network::{FindingIx, Person};
use super::population::{BANDS, Population, presents_with};
use super::{Condition, Finding, KnowledgeBase, statement};
use crate::fact::{Access, Aspect, Category, Fact, FactId, Polarity, Sensitivity, Topic};
use crate::record::{Contraindication, Demographics, Diagnosis, PatientRecord, Provenance, RecordId, Sex};
use crate::seed::{Draw, Purpose, Seed};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the generator; a change that changes records raises it.
pub const GENERATOR: &str = "generate kb/1";

/// Asked in every clerking, so in every record, whatever the condition.
const SCREENING: &[&str] = &[
    "fever",
    "weight_loss",
    "fatigue",
    "appetite_loss",
    "chest_pain",
    "dyspnoea",
    "cough",
    "palpitations",
    "abdominal_pain",
    "nausea",
    "vomiting",
    "diarrhoea",
    "constipation",
    "dysuria",
    "headache",
    "dizziness",
    "rash",
    "joint_pain",
    "low_mood",
    "sleep_problem",
    "pmh_hypertension",
    "pmh_diabetes_t2",
    "pmh_ihd",
    "pmh_asthma",
    "pmh_cancer",
    "pmh_depression",
    "pmh_epilepsy",
    "pmh_stroke_tia",
    "psh_abdominal_surgery",
    "psh_appendectomy",
    "med_nsaid",
    "med_anticoagulant",
    "med_steroid",
    "med_over_counter",
    "med_contraceptive_pill",
    "all_penicillin",
    "all_nsaid",
    "all_latex",
    "all_nuts",
    "fh_ihd_early",
    "fh_diabetes",
    "fh_stroke",
    "fh_cancer_bowel",
    "fh_cancer_breast",
    "soc_smoker",
    "soc_ex_smoker",
    "soc_alcohol_excess",
    "soc_alcohol_moderate",
    "soc_relationship",
    "soc_children",
    "pmh_hospital_admission",
    "prior_investigations",
    "soc_recreational_drugs",
    "soc_lives_alone",
    "soc_stress",
    "soc_unemployed",
    "soc_sedentary",
    "soc_poor_diet",
    "recent_travel",
    "sick_contact",
    "ob_pregnant",
    "vax_incomplete_childhood",
];

/// The generator over one knowledge base and population.
pub struct Generator<'a> {
    kb: &'a KnowledgeBase,
    population: Population,
    /// Every (condition, age band, sex) that occurs, with its share.
    strata: Vec<(usize, usize, Sex, f64)>,
}

impl<'a> Generator<'a> {
    pub fn new(kb: &'a KnowledgeBase, population: Population) -> Generator<'a> {
        let mut strata = Vec::new();
        for (i, c) in kb.conditions().iter().enumerate() {
            for band in 0..BANDS.len() {
                for sex in [Sex::Female, Sex::Male] {
                    let w = population.joint(c, band, sex);
                    if w > 0.0 {
                        strata.push((i, band, sex, w));
                    }
                }
            }
        }
        Generator { kb, population, strata }
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    /// The patient of this seed. `None` only where the population is empty.
    pub fn generate(&self, seed: Seed) -> Option<PatientRecord> {
        // Some strata cannot present at an age within their band; the next attempt is another count, not another state.
        (0..64).find_map(|attempt| self.attempt(seed, attempt))
    }

    fn attempt(&self, seed: Seed, attempt: u32) -> Option<PatientRecord> {
        let mut draw = Draw::new(seed, GENERATOR.as_bytes(), attempt, Purpose::Record);
        let (at, band, sex, _) = self.strata[pick(&mut draw, self.strata.iter().map(|s| s.3))?];
        let condition = &self.kb.conditions()[at];
        let (low, high) = BANDS[band];
        let years = low + draw.below((high - low + 1) as usize) as u32;
        if self.population.weight(condition, Some(years), sex) <= 0.0 {
            return None;
        }
        let months = years * 12 + draw.below(12) as u32;
        let complaints: Vec<(&String, f64)> = condition
            .presenting
            .keys()
            .map(|id| (id, presents_with(self.kb, condition, id, Some(years), sex)))
            .collect();
        let complaint = complaints[pick(&mut draw, complaints.iter().map(|c| c.1))?].0;
        let person =
            Person { kb: self.kb, condition, years: Some(years), sex, complaint: self.kb.finding_index(complaint) };
        let values = self.sample(&person, &mut draw);
        Writer { kb: self.kb, person, values, months, draw }.record(seed, &self.population)
    }

    /// Which findings this patient has. What is drawn depends on the complaint, age and sex alone, so that what a record
    /// leaves open says nothing about the condition.
    fn sample(&self, person: &Person<'_>, draw: &mut Draw) -> BTreeMap<FindingIx, bool> {
        let kb = self.kb;
        let Some(came_with) = person.complaint else { return BTreeMap::new() };
        let complaint = &kb.findings()[came_with].id;
        let mut wanted: BTreeSet<FindingIx> = SCREENING.iter().filter_map(|id| kb.finding_index(id)).collect();
        wanted.insert(came_with);
        for c in kb.conditions() {
            let rival = Population { pool: super::Pool::All, temper: 1.0 };
            if rival.weight(c, person.years, person.sex) > 0.0
                && presents_with(kb, c, complaint, person.years, person.sex) > 0.0
            {
                let ids = c.findings.keys().chain(&c.red_flags).chain(c.discriminators.iter().map(|d| &d.ask));
                wanted.extend(ids.filter_map(|id| kb.finding_index(id)));
                wanted.extend(c.contraindicated.iter().filter_map(|x| kb.finding_index(&x.when)));
            }
        }
        // Parents are drawn too, and answered: nothing of the network stays open.
        let mut todo: Vec<FindingIx> = wanted.iter().copied().collect();
        while let Some(i) = todo.pop() {
            for p in kb.network().parents(i) {
                if wanted.insert(p) {
                    todo.push(p);
                }
            }
        }
        wanted.retain(|i| kb.findings()[*i].possible(person.years, person.sex));
        let mut values = BTreeMap::new();
        for i in kb.network().in_order(wanted.into_iter().collect()) {
            let p = person.given_parents(i, |q| values.get(&q).copied().unwrap_or(false));
            values.insert(i, draw.unit() < p);
        }
        values
    }
}

/// Index drawn with these weights; `None` when they sum to nothing.
fn pick(draw: &mut Draw, weights: impl Iterator<Item = f64> + Clone) -> Option<usize> {
    let total: f64 = weights.clone().sum();
    let mut x = draw.unit() * total;
    let mut last = None;
    for (i, w) in weights.enumerate().filter(|(_, w)| *w > 0.0) {
        last = Some(i);
        if x < w {
            return last;
        }
        x -= w;
    }
    last
}

/// Turns sampled values into a record.
struct Writer<'a> {
    kb: &'a KnowledgeBase,
    person: Person<'a>,
    values: BTreeMap<FindingIx, bool>,
    months: u32,
    draw: Draw,
}

impl Writer<'_> {
    fn record(mut self, seed: Seed, population: &Population) -> Option<PatientRecord> {
        let came_with = self.person.complaint?;
        let c = self.person.condition;
        let child = self.months < 12 * 12;
        let complaint = &self.kb.findings()[came_with];
        let described = main_complaint(c) == complaint.id;
        let opening = if described && !c.voice.complaint.is_empty() { &c.voice.complaint } else { &complaint.yes };
        let chief_complaint = statement::sentence(&self.choose(opening), child, self.person.sex);
        let mut facts = vec![self.fact(complaint, true, Access::Volunteered)];
        self.describe(complaint, described, child, &mut facts);
        let values: Vec<(FindingIx, bool)> = self.values.iter().map(|(i, v)| (*i, *v)).collect();
        for (i, present) in values.into_iter().filter(|(i, _)| *i != came_with) {
            let finding = &self.kb.findings()[i];
            facts.push(self.fact(finding, present, access(finding)));
            if present {
                self.drugs(finding, child, &mut facts);
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

    fn choose(&mut self, from: &[String]) -> String {
        self.draw.pick(from).cloned().unwrap_or_default()
    }

    fn fact(&mut self, finding: &Finding, present: bool, access: Access) -> Fact {
        let child = self.months < 12 * 12;
        let words = self.choose(if present { &finding.yes } else { &finding.no });
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
    fn describe(&mut self, complaint: &Finding, described: bool, child: bool, facts: &mut Vec<Fact>) {
        let c = self.person.condition;
        let (min, max) = (c.onset.min.min(c.onset.max), c.onset.min.max(c.onset.max));
        let n = min + self.draw.below((max - min + 1) as usize) as u32;
        // Nothing began before birth.
        let n = if c.onset.unit == "months" { n.min(self.months.max(1)) } else { n };
        let n = if c.onset.unit == "years" { n.min((self.months / 12).max(1)) } else { n };
        // Nobody counts 32 hours.
        let (n, unit) = match c.onset.unit.as_str() {
            "hours" if n >= 24 => ((n + 12) / 24, "days"),
            "days" if n >= 21 => ((n + 3) / 7, "weeks"),
            "weeks" if n >= 10 => ((n * 7 + 15) / 30, "months"),
            "months" if n >= 24 => ((n + 6) / 12, "years"),
            unit => (n, unit),
        };
        let unit = if n == 1 { unit.trim_end_matches('s') } else { unit };
        let none = Vec::new();
        let v = &c.voice;
        let mut said =
            vec![(Aspect::Duration, vec![format!("It started {n} {unit} ago"), format!("I've had it for {n} {unit}")])];
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
            (a, if described || general { s.clone() } else { none.clone() })
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

    /// Regular medicines that go with a past condition.
    fn drugs(&mut self, finding: &Finding, child: bool, facts: &mut Vec<Fact>) {
        if finding.drugs.is_empty() || self.draw.chance(20) {
            return;
        }
        let drug = self.choose(&finding.drugs);
        let name: String = drug.split_whitespace().next().unwrap_or("drug").to_lowercase();
        let subject: String =
            format!("drug_{name}").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        facts.push(Fact {
            id: FactId(subject.clone()),
            category: Category::Medication,
            topic: Topic::new(subject),
            statement: statement::sentence(&format!("I take {drug}"), child, self.person.sex),
            polarity: Polarity::Present,
            weight: 6,
            access: Access::OnAsk,
            sensitivity: Sensitivity(0),
            names_diagnosis: false,
            asked_as: Vec::new(),
            source_text: None,
        });
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
