//! Samples consistent patients from the knowledge base, without end, each a function of its seed.

use super::KnowledgeBase;
use super::network::{FindingIx, Person};
use super::population::{BANDS, Population, presents_with};
use super::writer::Writer;
use crate::record::{PatientRecord, Sex};
use crate::seed::{Draw, Purpose, Seed};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the generator; a change that changes records raises it.
pub const GENERATOR: &str = "generate kb/2";

/// What the draws are keyed by; ids of patients begin with `kb1-` for it. It stays when the version rises, so that a seed keeps its
/// age, sex, condition, findings and split. What a record says is told by its hash.
const KEY: &[u8] = b"generate kb/1";

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
        let mut draw = Draw::new(seed, KEY, attempt, Purpose::Record);
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
