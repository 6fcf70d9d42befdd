//! Vital signs: normal for the age, or within the range the condition gives.

use super::Vitals;
use crate::fact::{Access, Category, Fact, FactId, Polarity, Sensitivity, Topic};
use crate::seed::Draw;

/// Normal heart rate, respiratory rate and systolic pressure by age (APLS-like bands).
fn normal(years: u32) -> ([f64; 2], [f64; 2], [f64; 2]) {
    match years {
        0 => ([110.0, 150.0], [30.0, 40.0], [75.0, 95.0]),
        1 => ([100.0, 140.0], [25.0, 35.0], [80.0, 98.0]),
        2..=4 => ([95.0, 130.0], [22.0, 30.0], [85.0, 100.0]),
        5..=11 => ([80.0, 115.0], [18.0, 25.0], [90.0, 110.0]),
        12..=17 => ([62.0, 95.0], [14.0, 20.0], [102.0, 122.0]),
        18..=64 => ([60.0, 88.0], [12.0, 17.0], [110.0, 134.0]),
        _ => ([60.0, 88.0], [12.0, 18.0], [118.0, 144.0]),
    }
}

/// Conditions give adult ranges; below 12 years the same deviation is taken from the child's own normal.
fn for_age(range: [f64; 2], adult: [f64; 2], child: [f64; 2], years: u32) -> [f64; 2] {
    if years >= 12 {
        return range;
    }
    [range[0] / adult[0] * child[0], (range[1] / adult[1] * child[1]).min(child[1] * 1.5)]
}

/// Five facts, examined together as `vitals`.
pub(super) fn facts(v: &Vitals, years: u32, draw: &mut Draw) -> Vec<Fact> {
    let (hr, rr, sys) = normal(years);
    let mut within = |range: Option<[f64; 2]>, usual: [f64; 2]| {
        let [low, high] = range.unwrap_or(usual);
        (low + draw.unit() * (high - low), range.is_some())
    };
    let (t, t_off) = within(v.temperature, [36.3, 37.2]);
    let (h, h_off) = within(v.heart_rate.map(|x| for_age(x, [60.0, 88.0], hr, years)), hr);
    let (r, r_off) = within(v.respiratory_rate.map(|x| for_age(x, [12.0, 17.0], rr, years)), rr);
    let (s, s_off) = within(v.systolic.map(|x| for_age(x, [110.0, 134.0], sys, years)), sys);
    let (d, d_off) = within(v.diastolic, [s * 0.58, s * 0.66]);
    let (o, o_off) = within(v.oxygen, [96.0, 99.0]);
    let d = d.min(s - 15.0);
    let fact = |subject: &str, statement: String, off: bool, names: &[&str]| Fact {
        id: FactId(subject.to_owned()),
        category: Category::Exam,
        topic: Topic::new(subject),
        statement,
        polarity: if off { Polarity::Present } else { Polarity::Absent },
        weight: if off { 4 } else { 0 },
        access: Access::OnExam,
        sensitivity: Sensitivity(0),
        names_diagnosis: false,
        asked_as: names.iter().map(|n| (*n).to_owned()).collect(),
        source_text: None,
    };
    vec![
        fact("ex_vital_temperature", format!("Temperature {t:.1} °C."), t_off, &["vitals", "temperature"]),
        fact(
            "ex_vital_heart_rate",
            format!("Heart rate {h:.0} per minute."),
            h_off,
            &["vitals", "pulse", "heart rate"],
        ),
        fact(
            "ex_vital_respiratory_rate",
            format!("Respiratory rate {r:.0} per minute."),
            r_off,
            &["vitals", "respiratory rate", "breathing rate"],
        ),
        fact(
            "ex_vital_blood_pressure",
            format!("Blood pressure {s:.0}/{d:.0} mmHg."),
            s_off || d_off,
            &["vitals", "blood pressure"],
        ),
        fact(
            "ex_vital_oxygen",
            format!("Oxygen saturation {o:.0} % on air."),
            o_off,
            &["vitals", "oxygen saturation", "sats"],
        ),
    ]
}
