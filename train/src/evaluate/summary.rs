//! From consultations to what is reported. [`Summary`] is also the line of `bedside eval --json`: keys are stable, a number that is
//! not defined is `null`, an interval is `{"mean", "lo", "hi", "n"}` over cases.

use crate::stats::{self, Interval};
use bedside_env::seed::Seed;
use bedside_env::step::Unscored;
use bedside_env::{Event, Reward, Status};
use bedside_records::KnowledgeBase;
use bedside_replays::Recording;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One consultation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub case: usize,
    pub record: String,
    pub seed: u64,
    /// What the consultation was paid; `None` where the verifier gave no score.
    pub score: Option<f64>,
    /// Why there is no score.
    pub unscored: Option<Unscored>,
    /// Score by axis; `None` where a rubric has nothing on it.
    pub axes: BTreeMap<String, Option<f64>>,
    /// 1 right, 0 wrong; `None` where the record states no diagnosis.
    pub diagnosis_top1: Option<f64>,
    /// Weight of the facts brought out, of all there were.
    pub fact_coverage: Option<f64>,
    pub turns: u32,
    /// Tokens of the doctor's replies; `None` of a doctor without tokens.
    pub tokens: Option<u64>,
    /// One of the 16 types.
    pub persona: Option<String>,
    /// Where the record came from.
    pub source: String,
    /// `known` or `held_out` from training; `unlisted` where the knowledge base does not have it.
    pub condition: String,
    /// How it ended: `diagnosis_given`, `farewell`, `turns`, ...
    pub ending: String,
}

impl Row {
    pub fn of(case: usize, seed: Seed, recording: &Recording, tokens: Option<u64>) -> Row {
        let (record, metrics) = (&recording.case.record, &recording.metrics);
        let kb = KnowledgeBase::builtin();
        let listed = record.diagnosis.condition.as_deref().and_then(|c| kb.condition(c));
        let axis = |(name, value): (&str, Option<f64>)| Some((name.strip_prefix("axis:")?.to_owned(), value));
        let persona = recording.log.events.iter().find_map(|e| match e {
            Event::ConsultationOpened(o) => Some(o.persona.mbti.to_string()),
            _ => None,
        });
        Row {
            case,
            record: record.id.to_string(),
            seed: seed.0,
            score: recording.reward.value(),
            unscored: match recording.reward {
                Reward::Scored(_) => None,
                Reward::Unscored(why) => Some(why),
            },
            axes: metrics.iter().filter_map(axis).collect(),
            diagnosis_top1: metrics.get("diagnosis_top1"),
            fact_coverage: metrics.get("fact_coverage"),
            turns: recording.log.events.last().map_or(0, Event::turn),
            tokens,
            persona,
            source: record.provenance.source.clone(),
            condition: listed.map_or("unlisted", |c| if c.held_out { "held_out" } else { "known" }).to_owned(),
            ending: match recording.status {
                Status::Running => "running",
                Status::Terminated(why) => why.word(),
                Status::Truncated(limit) => limit.word(),
            }
            .to_owned(),
        }
    }
}

/// A part of the consultations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub consultations: usize,
    pub unscored: usize,
    /// Over cases; its mean is the group's score.
    pub score: Option<Interval>,
}

/// Against the baseline, on the consultations that have a score on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub baseline: String,
    /// This policy minus the baseline, paired by case and seed.
    pub difference: Option<Interval>,
    /// How likely a run of this policy beats one of the baseline on the same case; 0.5 is none better.
    pub improvement: Option<Interval>,
    /// (case, seed) with a score on one side only; they are in neither number.
    pub unpaired: usize,
}

/// Score and ceiling that a policy's score is normalised by.
#[derive(Clone, Copy, Debug)]
pub struct Yardsticks<'a> {
    pub random: &'a [Row],
    pub oracle: &'a [Row],
}

/// How a policy did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// As it was asked for.
    pub policy: String,
    /// As it stands in logs: a model's name with the start of its files' hash.
    pub id: String,
    pub cases: usize,
    pub seeds: usize,
    pub consultations: usize,
    /// Consultations without a score: in no mean.
    pub unscored: usize,
    /// Mean over a case's seeds, then over cases.
    pub score: Option<Interval>,
    /// Interquartile mean over all cases and seeds, with the interval over both.
    pub iqm: Option<Interval>,
    /// Mean score of each seed, in the order of seeds.
    pub score_by_seed: Vec<Option<f64>>,
    /// `(policy - random) / (oracle - random)`: 0 is random, 1 the oracle.
    pub ons: Option<Interval>,
    /// Mean scores of the two it is normalised by.
    pub random: Option<f64>,
    pub oracle: Option<f64>,
    /// Share of consultations whose first diagnosis is right. Wilson's interval where each case was played once, else over cases.
    pub diagnosis_top1: Option<Interval>,
    pub fact_coverage: Option<Interval>,
    pub turns: Option<Interval>,
    /// Tokens of the doctor's replies, a consultation; `null` of a doctor without tokens.
    pub tokens: Option<Interval>,
    /// `null` of the baseline itself, or where there is none.
    pub versus: Option<Comparison>,
    /// Groups by what they share: `axis`, `condition`, `persona`, `source`, then the value.
    pub by: BTreeMap<String, BTreeMap<String, Group>>,
    /// Endings, with how many consultations ended so.
    pub endings: BTreeMap<String, usize>,
}

/// Values by case and seed; cells without a value are not there.
type Cells = BTreeMap<usize, BTreeMap<u64, f64>>;

fn cells<'a>(rows: impl IntoIterator<Item = &'a Row>, get: impl Fn(&Row) -> Option<f64>) -> Cells {
    let mut cells = Cells::new();
    for row in rows {
        if let Some(value) = get(row) {
            cells.entry(row.case).or_default().insert(row.seed, value);
        }
    }
    cells
}

fn by_case(cells: &Cells) -> Vec<Vec<f64>> {
    cells.values().map(|seeds| seeds.values().copied().collect()).collect()
}

fn case_means(cells: &Cells) -> Vec<f64> {
    by_case(cells).iter().filter_map(|c| stats::mean(c)).collect()
}

/// The cells that all of them have.
fn shared<const N: usize>(all: [&Cells; N]) -> [Cells; N] {
    let everywhere = |case: &usize, seed: &u64| all.iter().all(|c| c.get(case).is_some_and(|s| s.contains_key(seed)));
    all.map(|cells| {
        let mut kept = cells.clone();
        kept.iter_mut().for_each(|(case, seeds)| seeds.retain(|seed, _| everywhere(case, seed)));
        kept.retain(|_, seeds| !seeds.is_empty());
        kept
    })
}

fn over_cases<'a>(rows: impl IntoIterator<Item = &'a Row>, get: impl Fn(&Row) -> Option<f64>) -> Option<Interval> {
    stats::bootstrap(&case_means(&cells(rows, get)))
}

fn group(rows: &[&Row], get: impl Fn(&Row) -> Option<f64>) -> Group {
    Group {
        consultations: rows.len(),
        unscored: rows.iter().filter(|r| get(r).is_none()).count(),
        score: over_cases(rows.iter().copied(), get),
    }
}

/// Sums up one policy. `baseline` is another's name and rows on the same cases and seeds.
pub fn summarise(
    policy: &str,
    id: &str,
    rows: &[Row],
    baseline: Option<(&str, &[Row])>,
    yardsticks: Option<Yardsticks<'_>>,
) -> Summary {
    let score = |r: &Row| r.score;
    let scores = cells(rows, score);
    let mut seeds: Vec<u64> = rows.iter().map(|r| r.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let of_seed = |seed: &u64| {
        let values: Vec<f64> = rows.iter().filter(|r| r.seed == *seed).filter_map(score).collect();
        stats::mean(&values)
    };
    let (ons, random, oracle) = yardsticks.map_or((None, None, None), |y| {
        let (random, oracle) = (cells(y.random, score), cells(y.oracle, score));
        let [p, r, o] = shared([&scores, &random, &oracle]).map(|c| case_means(&c));
        let ends = [random, oracle].map(|c| stats::mean(&case_means(&c)));
        (stats::normalised_over(&p, &r, &o), ends[0], ends[1])
    });
    Summary {
        policy: policy.to_owned(),
        id: id.to_owned(),
        cases: cells(rows, |_| Some(0.0)).len(),
        seeds: seeds.len(),
        consultations: rows.len(),
        unscored: rows.iter().filter(|r| r.score.is_none()).count(),
        score: stats::bootstrap(&case_means(&scores)),
        iqm: stats::iqm_over(&by_case(&scores)),
        score_by_seed: seeds.iter().map(of_seed).collect(),
        ons,
        random,
        oracle,
        diagnosis_top1: right(rows, seeds.len()),
        fact_coverage: over_cases(rows, |r| r.fact_coverage),
        turns: over_cases(rows, |r| Some(f64::from(r.turns))),
        tokens: over_cases(rows, |r| r.tokens.map(|t| t as f64)),
        versus: baseline.map(|(name, other)| compare(&scores, name, &cells(other, score))),
        by: breakdown(rows),
        endings: rows.iter().fold(BTreeMap::new(), |mut all, r| {
            *all.entry(r.ending.clone()).or_default() += 1;
            all
        }),
    }
}

fn right(rows: &[Row], seeds: usize) -> Option<Interval> {
    if seeds > 1 {
        return over_cases(rows, |r| r.diagnosis_top1);
    }
    let stated: Vec<f64> = rows.iter().filter_map(|r| r.diagnosis_top1).collect();
    stats::wilson(stated.iter().filter(|v| **v > 0.5).count(), stated.len())
}

fn compare(scores: &Cells, name: &str, other: &Cells) -> Comparison {
    let [ours, theirs] = shared([scores, other]);
    let count = |cells: &Cells| cells.values().map(BTreeMap::len).sum::<usize>();
    Comparison {
        baseline: name.to_owned(),
        difference: stats::paired(&case_means(&ours), &case_means(&theirs)),
        improvement: stats::improvement_over(&by_case(&ours), &by_case(&theirs)),
        unpaired: count(scores) + count(other) - 2 * count(&ours),
    }
}

fn breakdown(rows: &[Row]) -> BTreeMap<String, BTreeMap<String, Group>> {
    let all: Vec<&Row> = rows.iter().collect();
    let axes = rows.first().map(|r| r.axes.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let of_axis = |axis: String| {
        let found = group(&all, |r| r.axes.get(&axis).copied().flatten());
        (axis, found)
    };
    let split = |key: &dyn Fn(&Row) -> String| {
        let mut parts: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        rows.iter().for_each(|r| parts.entry(key(r)).or_default().push(r));
        parts.into_iter().map(|(name, part)| (name, group(&part, |r| r.score))).collect()
    };
    BTreeMap::from([
        ("axis".to_owned(), axes.into_iter().map(of_axis).collect()),
        ("condition".to_owned(), split(&|r| r.condition.clone())),
        ("persona".to_owned(), split(&|r| r.persona.clone().unwrap_or_else(|| "none".to_owned()))),
        ("source".to_owned(), split(&|r| r.source.clone())),
    ])
}
