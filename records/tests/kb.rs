//! What the knowledge base, its generator and its posterior promise.

use bedside_records::kb::network::Person;
use bedside_records::kb::{Generator, KnowledgeBase, Pool, Population, Posterior};
use bedside_records::seed::Seed;
use bedside_records::{Access, Polarity, Sex};
use std::collections::{BTreeMap, BTreeSet};

const TOY_FINDINGS: &str = r#"
[[finding]]
id = "ache"
name = "ache"
category = "hpi"
system = "general"
base = 0.1
lay = ["ache"]
ask = ["Any ache?"]
yes = ["I ache"]
no = ["No ache"]
[[finding]]
id = "dull_ache"
name = "dull ache"
category = "hpi"
system = "general"
base = 0.05
lay = ["dull ache"]
ask = ["Is it dull?"]
yes = ["It's dull"]
no = ["It isn't dull"]
implies_no = ["sharp_ache"]
[[finding]]
id = "sharp_ache"
name = "sharp ache"
category = "hpi"
system = "general"
base = 0.05
lay = ["sharp ache"]
ask = ["Is it sharp?"]
yes = ["It's sharp"]
no = ["It isn't sharp"]
[[finding]]
id = "cold"
name = "cold"
category = "ros"
system = "general"
base = 0.2
lay = ["cold"]
ask = ["Cold?"]
yes = ["I'm cold"]
no = ["I'm not cold"]
"#;

const TOY_LINKS: &str = "[kind_of]\ndull_ache = \"ache\"\nsharp_ache = \"ache\"\n";

fn toy_condition(id: &str, ache: f64, dull: f64, sharp: f64, cold: f64) -> String {
    format!(
        r#"
[[condition]]
id = "{id}"
name = "{id}"
synonyms = []
icd10 = "Z00"
specialty = "general"
urgency = "routine"
prevalence = {{ female = [1, 1, 1, 1, 1], male = [1, 1, 1, 1, 1] }}
presenting = {{ cold = 1.0 }}
onset = {{ min = 1, max = 3, unit = "days" }}
pattern = "constant"
findings = {{ cold = {cold}, ache = {ache}, dull_ache = {dull}, sharp_ache = {sharp} }}
red_flags = []
differentials = []
discriminators = []
management = []
safety_net = "x"
sources = []
[condition.voice]
"#
    )
}

fn toy() -> KnowledgeBase {
    let conditions = toy_condition("one", 0.6, 0.3, 0.2, 0.9) + &toy_condition("two", 0.3, 0.2, 0.1, 0.5);
    KnowledgeBase::parse(&[("f", TOY_FINDINGS)], &[("c", &conditions)], TOY_LINKS).expect("the toy parses")
}

/// A second, naive implementation: sums the joint over all 2^n worlds.
fn brute_force(kb: &KnowledgeBase, condition: &str, evidence: &BTreeMap<usize, bool>) -> f64 {
    let person = Person {
        kb,
        condition: kb.condition(condition).expect("known"),
        years: Some(40),
        sex: Sex::Male,
        complaint: kb.finding_index("cold"),
    };
    let n = kb.findings().len();
    (0..1u32 << n)
        .map(|world| {
            let value = |i: usize| world >> i & 1 == 1;
            if evidence.iter().any(|(i, v)| value(*i) != *v) {
                return 0.0;
            }
            (0..n)
                .map(|i| {
                    let p = person.given_parents(i, value);
                    if value(i) { p } else { 1.0 - p }
                })
                .product::<f64>()
        })
        .sum()
}

#[test]
fn the_posterior_equals_a_sum_over_all_worlds_for_every_set_of_answers() {
    let kb = toy();
    let population = Population { pool: Pool::All, temper: 1.0 };
    let n = kb.findings().len();
    let mut checked = 0;
    for code in 0..3usize.pow(n as u32) {
        let digits: Vec<usize> = (0..n).map(|i| code / 3usize.pow(i as u32) % 3).collect();
        let evidence: BTreeMap<usize, bool> =
            digits.iter().enumerate().filter(|(_, d)| **d < 2).map(|(i, d)| (i, *d == 1)).collect();
        let (one, two) = (brute_force(&kb, "one", &evidence), brute_force(&kb, "two", &evidence));
        if one + two == 0.0 {
            continue;
        }
        let mut posterior = Posterior::new(&kb, &population, Some(40), Sex::Male, "cold").expect("presents so");
        for (i, v) in &evidence {
            assert!(posterior.observe(&kb.findings()[*i].id, *v));
        }
        let p = posterior.probabilities().iter().find(|(c, _)| c.id == "one").map_or(0.0, |x| x.1);
        assert!((p - one / (one + two)).abs() < 1e-12, "{evidence:?}: {p} against {}", one / (one + two));
        checked += 1;
    }
    assert!(checked > 20, "only {checked} evidence sets were possible");
}

#[test]
fn the_knowledge_base_is_as_large_as_promised() {
    let kb = KnowledgeBase::builtin();
    let specialties: BTreeSet<&str> = kb.conditions().iter().map(|c| c.specialty.as_str()).collect();
    assert!(kb.conditions().len() >= 120, "{} conditions", kb.conditions().len());
    assert!(specialties.len() >= 15, "{specialties:?}");
    assert!(kb.findings().len() >= 500, "{} findings", kb.findings().len());
    assert!(kb.conditions().iter().filter(|c| c.held_out).count() >= 20);
    for c in kb.conditions() {
        assert!(!c.sources.is_empty(), "{} cites no source", c.id);
        for d in c.differentials.iter().chain(c.discriminators.iter().map(|d| &d.against)) {
            assert!(kb.condition(d).is_some(), "{} names the unknown condition {d}", c.id);
        }
    }
}

#[test]
fn a_seed_names_one_patient_and_held_out_conditions_never_reach_training() {
    let kb = KnowledgeBase::builtin();
    let train = Generator::new(kb, Population::default());
    let test = Generator::new(kb, Population { pool: Pool::HeldOut, ..Population::default() });
    for s in 0..150 {
        let record = train.generate(Seed(s)).expect("a patient");
        assert_eq!(Some(&record), train.generate(Seed(s)).as_ref());
        let condition = |r: &bedside_records::PatientRecord| {
            kb.condition(r.diagnosis.condition.as_deref().expect("generated")).expect("known").held_out
        };
        assert!(!condition(&record));
        assert!(condition(&test.generate(Seed(s)).expect("a patient")));
    }
}

#[test]
fn generated_patients_are_consistent() {
    let kb = KnowledgeBase::builtin();
    let generator = Generator::new(kb, Population { pool: Pool::All, temper: 0.3 });
    for s in 0..300 {
        let r = generator.generate(Seed(s)).expect("a patient");
        let present: BTreeSet<&str> = r
            .facts
            .iter()
            .filter(|f| f.polarity == Polarity::Present && f.topic.aspect.is_none())
            .map(|f| f.topic.subject.as_str())
            .collect();
        for id in &present {
            let Some(f) = kb.finding(id) else { continue };
            assert!(f.possible(r.demographics.years(), r.demographics.sex), "{}: {id} in {:?}", r.id, r.demographics);
            for other in &f.implies_no {
                assert!(!present.contains(other.as_str()), "{}: {id} beside {other}", r.id);
            }
        }
        let ids: BTreeSet<_> = r.facts.iter().map(|f| &f.id).collect();
        assert_eq!(ids.len(), r.facts.len(), "{}: fact ids repeat", r.id);
        assert!(r.facts[0].access == Access::Volunteered && r.facts[0].topic.aspect.is_none(), "{}", r.id);
        for f in &r.facts {
            assert!(f.statement.ends_with(['.', '?', '!']) && f.statement.len() > 3, "{}: {}", f.id, f.statement);
        }
        assert!(!r.chief_complaint.to_lowercase().contains(&r.diagnosis.name.to_lowercase()), "{}", r.id);
    }
}

#[test]
fn the_posterior_is_calibrated_on_generated_patients() {
    // What is believed at 70-90 % after ten answers must be true about that often.
    let kb = KnowledgeBase::builtin();
    let generator = Generator::new(kb, Population::default());
    let (mut believed, mut right, mut n) = (0.0, 0.0, 0.0);
    for s in 0..600 {
        let r = generator.generate(Seed(10_000 + s)).expect("a patient");
        let complaint = r.facts.iter().find(|f| f.access == Access::Volunteered).expect("one");
        let (years, sex) = (r.demographics.years(), r.demographics.sex);
        let mut p = Posterior::new(kb, generator.population(), years, sex, &complaint.topic.subject).expect("presents");
        for f in r.facts.iter().filter(|f| f.topic.aspect.is_none()).skip(1).step_by(9).take(10) {
            p.observe(&f.topic.subject, f.polarity == Polarity::Present);
        }
        for (c, q) in p.probabilities().into_iter().filter(|(_, q)| (0.5..0.95).contains(q)) {
            believed += q;
            n += 1.0;
            right += f64::from(u8::from(r.diagnosis.condition.as_deref() == Some(&c.id)));
        }
    }
    let (believed, right) = (believed / n, right / n);
    let margin = 3.0 * (right * (1.0 - right) / n).sqrt();
    assert!(n > 60.0 && (believed - right).abs() < margin, "believed {believed:.3}, true {right:.3}, n {n}");
}
