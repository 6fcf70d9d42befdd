//! Two thousand generated patients hold together: one beginning, each medicine once, doses and habits that fit the age.

use bedside_records::kb::{Generator, KnowledgeBase, Pool, Population};
use bedside_records::seed::Seed;
use bedside_records::{Aspect, Category, Fact, PatientRecord, Polarity};
use std::collections::BTreeSet;

fn patients() -> impl Iterator<Item = PatientRecord> {
    let kb = KnowledgeBase::builtin();
    // Half as nature has them, half with rare conditions and ages drawn more often.
    [(Pool::Train, 0.5), (Pool::All, 0.1)].into_iter().flat_map(move |(pool, temper)| {
        let generator = Generator::new(kb, Population { pool, temper });
        (0..1000).map(move |s| generator.generate(Seed(s)).expect("a patient"))
    })
}

fn hours(unit: &str) -> f64 {
    match unit.trim_end_matches('s') {
        "hour" => 1.0,
        "day" => 24.0,
        "week" => 168.0,
        "month" => 730.0,
        "year" => 8760.0,
        other => panic!("{other} is no unit"),
    }
}

/// What people mean by these words, in hours, written down apart from the generator's own reading of them.
const MEANT: &[(&str, f64, f64)] = &[
    ("a few days ago", 36.0, 216.0),
    ("days ago", 36.0, 500.0),
    ("a week or so ago", 72.0, 450.0),
    ("a few weeks ago", 200.0, 1700.0),
    ("some weeks ago", 250.0, 2200.0),
    ("weeks ago", 0.0, 2200.0),
    ("some months ago", 1200.0, 10_000.0),
    ("many months ago", 2000.0, f64::INFINITY),
    ("within the last day", 0.0, 30.0),
    ("in the last few days", 0.0, 200.0),
    ("in the last few days or weeks", 0.0, 2200.0),
    ("over the last few weeks or months", 0.0, 9000.0),
    ("over the last few days", 0.0, 200.0),
    ("over the last day or", 0.0, 200.0),
    ("over the last few weeks", 0.0, 2200.0),
    ("over the past few weeks", 0.0, 1300.0),
    ("for weeks", 300.0, 2200.0),
    ("been weeks", 300.0, f64::INFINITY),
    ("for months", 1400.0, f64::INFINITY),
    ("for many months", 2000.0, f64::INFINITY),
    ("for years", 17_000.0, f64::INFINITY),
    ("for days", 40.0, 340.0),
    ("over the years", 17_000.0, f64::INFINITY),
    ("week by week", 300.0, f64::INFINITY),
    ("every week", 300.0, f64::INFINITY),
    ("by the day", 40.0, f64::INFINITY),
    ("each day", 40.0, f64::INFINITY),
    ("over a few weeks", 300.0, f64::INFINITY),
    ("over some weeks", 300.0, f64::INFINITY),
    ("over months", 1400.0, f64::INFINITY),
    ("over many months", 2000.0, f64::INFINITY),
    ("today", 0.0, 30.0),
    ("five days or more", 119.0, f64::INFINITY),
];

#[test]
fn what_is_said_of_the_beginning_agrees_with_the_time_it_has_lasted() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for r in patients() {
        let lasted =
            r.facts.iter().find(|f| f.topic.aspect == Some(Aspect::Duration)).expect("every complaint has one");
        let words: Vec<&str> = lasted.statement.trim_end_matches('.').split(' ').collect();
        let at = words.iter().position(|w| w.parse::<f64>().is_ok()).expect("a number");
        let truth = words[at].parse::<f64>().expect("checked") * hours(words[at + 1]);
        let complaint = &lasted.topic.subject;
        if let Some(months) = r.demographics.age_months {
            let lived = if months == 0 { 15.0 * 24.0 } else { f64::from(months + 1) * 731.0 };
            assert!(truth <= lived, "{}: {} at {months} months", r.id, lasted.statement);
        }
        let dated = |f: &&Fact| {
            f.topic.subject == *complaint
                && matches!(f.topic.aspect, None | Some(Aspect::Onset | Aspect::Progression | Aspect::Timing))
        };
        let said = r.facts.iter().filter(dated).map(|f| f.statement.as_str()).chain([r.chief_complaint.as_str()]);
        for s in said {
            let lower = s.to_lowercase();
            if ["each", "a bout", "or less", "at most", "less than"].iter().any(|w| lower.contains(w) && *w != "each") {
                continue;
            }
            // The longest wording that fits is the one that is meant.
            let meant = MEANT.iter().filter(|(w, ..)| lower.contains(w)).max_by_key(|(w, ..)| w.len());
            if let Some((w, low, high)) = meant.filter(|_| !lower.contains("longer") && !lower.contains("than when")) {
                compared += 1;
                if !(*low..=*high).contains(&truth) {
                    wrong.push(format!("{}: {} beside {s} ({w})", r.id, lasted.statement));
                }
            }
        }
    }
    assert!(compared > 300, "only {compared} sentences were compared");
    assert!(wrong.is_empty(), "{} of {compared}: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}

#[test]
fn no_medicine_is_told_twice_denied_and_taken_or_taken_in_spite_of_an_allergy() {
    let names = [
        "amlodipine",
        "ramipril",
        "metformin",
        "gliclazide",
        "aspirin",
        "bisoprolol",
        "atorvastatin",
        "furosemide",
        "apixaban",
        "clopidogrel",
        "beclometasone",
        "salbutamol",
        "tiotropium",
        "sertraline",
        "propranolol",
        "levetiracetam",
        "levothyroxine",
        "carbimazole",
        "allopurinol",
        "paracetamol",
        "methotrexate",
        "omeprazole",
        "lansoprazole",
        "mesalazine",
        "sumatriptan",
        "cetirizine",
        "prednisolone",
        "ibuprofen",
        "lithium",
        "olanzapine",
        "alendronic",
        "codeine",
        "phenoxymethylpenicillin",
    ];
    let kinds: [(&str, &[&str]); 9] = [
        ("med_statin", &["atorvastatin"]),
        ("med_ace_inhibitor", &["ramipril"]),
        ("med_beta_blocker", &["bisoprolol", "propranolol"]),
        ("med_ssri", &["sertraline"]),
        ("med_ppi", &["omeprazole", "lansoprazole"]),
        ("med_anticoagulant", &["apixaban"]),
        ("med_antihistamine", &["cetirizine"]),
        ("all_penicillin", &["phenoxymethylpenicillin"]),
        ("all_nsaid", &["ibuprofen", "aspirin"]),
    ];
    let (mut taken, mut patients_with_some) = (0, 0);
    for r in patients() {
        let told: Vec<&Fact> =
            r.facts.iter().filter(|f| f.category == Category::Medication && f.polarity == Polarity::Present).collect();
        let with = |n: &str| told.iter().filter(|f| f.statement.to_lowercase().contains(n)).count();
        let mut any = false;
        for n in names {
            let times = with(n);
            assert!(
                times <= 1,
                "{}: {n} {times} times in {:?}",
                r.id,
                told.iter().map(|f| &f.statement).collect::<Vec<_>>()
            );
            taken += times;
            any |= times > 0;
        }
        patients_with_some += usize::from(any);
        for (finding, of_kind) in kinds {
            let Some(f) = r.facts.iter().find(|f| f.id.0 == finding) else { continue };
            let clash = if finding.starts_with("all_") { Polarity::Present } else { Polarity::Absent };
            let n: usize = of_kind.iter().map(|n| with(n)).sum();
            assert!(f.polarity != clash || n == 0, "{}: {} beside {of_kind:?}", r.id, f.statement);
            assert!(n <= 1 || finding.starts_with("all_"), "{}: {n} of {of_kind:?}", r.id);
        }
    }
    assert!(taken > 300 && patients_with_some > 200, "{taken} medicines in {patients_with_some} patients");
}

#[test]
fn no_child_under_twelve_takes_an_adults_dose() {
    let (mut children, mut medicines) = (0, 0);
    for r in patients().filter(|r| r.demographics.age_months.is_some_and(|m| m < 144)) {
        children += 1;
        for f in r.facts.iter().filter(|f| f.category == Category::Medication && f.polarity == Polarity::Present) {
            medicines += 1;
            let words: Vec<&str> = f.statement.split(' ').collect();
            let dose = words.windows(2).find(|w| {
                w[0].parse::<f64>().is_ok() && ["mg", "g", "units"].contains(&w[1].trim_end_matches([',', '.']))
            });
            assert!(dose.is_none(), "{}, {:?} months: {}", r.id, r.demographics.age_months, f.statement);
        }
    }
    assert!(children > 100 && medicines > 30, "{children} children, {medicines} medicines");
}

#[test]
fn habits_work_and_family_fit_the_age() {
    // Youngest age in years at which the statement makes sense when it is present, and when it is denied.
    let from: &[(&str, u32, u32)] = &[
        ("soc_smoker", 14, 10),
        ("soc_ex_smoker", 18, 10),
        ("soc_vaping", 13, 10),
        ("soc_alcohol_excess", 16, 10),
        ("soc_alcohol_moderate", 16, 10),
        ("soc_recreational_drugs", 14, 10),
        ("alcohol_stopped_recently", 16, 10),
        ("soc_sexual_activity", 16, 14),
        ("unprotected_sex", 14, 14),
        ("new_partner", 14, 14),
        ("soc_relationship", 16, 14),
        ("soc_children", 18, 16),
        ("ob_nulliparous", 16, 20),
        ("ob_multiparous", 18, 14),
        ("ob_pregnant", 12, 12),
        ("soc_occupation", 16, 16),
        ("soc_desk_work", 16, 16),
        ("soc_manual_work", 16, 16),
        ("soc_healthcare_worker", 17, 16),
        ("soc_unemployed", 16, 16),
        ("soc_asbestos_dust", 25, 16),
        ("soc_drives", 17, 16),
        ("soc_lives_alone", 17, 16),
        ("soc_caffeine_excess", 13, 10),
    ];
    let mut checked = BTreeSet::new();
    for r in patients() {
        let years = r.demographics.years().expect("generated patients have an age");
        for f in &r.facts {
            if let Some((id, present, denied)) = from.iter().find(|(id, ..)| *id == f.id.0) {
                let least = if f.polarity == Polarity::Present { present } else { denied };
                assert!(years >= *least, "{}, {years} years: {}", r.id, f.statement);
                checked.insert(id);
            }
            let lower = f.statement.to_lowercase();
            if years < 16 && f.category == Category::Social {
                for word in
                    ["my partner", "bills", "debts i", "sunbed", "at work", "nobody else at home", "sleeping rough"]
                {
                    let own = lower.contains(word) && !lower.contains("at home, the bills");
                    assert!(!own, "{}, {years} years: {}", r.id, f.statement);
                }
            }
            if years < 2 {
                assert!(!lower.contains("for years") && !lower.contains("years ago"), "{}: {}", r.id, f.statement);
            }
        }
    }
    assert!(checked.len() >= 20, "only {checked:?} came up");
}
