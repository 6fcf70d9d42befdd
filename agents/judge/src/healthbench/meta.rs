//! The judge held against physicians: the published meta-evaluation file, one (answer, criterion) a line with the physicians'
//! labels: `prompt`, `prompt_id`, `completion`, `rubric`, `category`, `binary_labels`, and who gave them
//! (`anonymized_physician_ids`).

use super::data::{RawTurn, ReadError, Turn, lines, sha256, turns};
use crate::model::judge_all;
use crate::ruling::{Judge, Judged, Tally};
use crate::task::{Conversation, Line, Task};
use bedside_chat::prompts::Span;
use bedside_env::Criterion;
use bedside_env::rubric::Points;
use bedside_env::verifier::reliability::{Agreement, agreement};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    pub prompt_id: String,
    pub prompt: Vec<Turn>,
    pub completion: String,
    pub criterion: String,
    pub category: String,
    pub labels: Vec<bool>,
    /// One a label, or none at all.
    pub physicians: Vec<String>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaFile {
    pub sha256: String,
    pub lines: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Raw {
    prompt: Vec<RawTurn>,
    prompt_id: String,
    completion: String,
    rubric: String,
    category: String,
    binary_labels: Vec<bool>,
    #[serde(default)]
    anonymized_physician_ids: Vec<String>,
}

impl MetaFile {
    pub fn open(path: &Path) -> Result<MetaFile, ReadError> {
        let bytes = std::fs::read(path)
            .map_err(|e| ReadError::File { path: path.display().to_string(), why: e.to_string() })?;
        MetaFile::read(&bytes).map_err(|e| e.of(path))
    }

    pub fn read(bytes: &[u8]) -> Result<MetaFile, ReadError> {
        let all = lines(bytes)?
            .map(|(line, text)| {
                let wrong = |why: String| ReadError::Line { line, why };
                let raw: Raw = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
                let (labels, physicians) = (raw.binary_labels, raw.anonymized_physician_ids);
                if labels.is_empty() {
                    return Err(wrong("no physician labelled it".to_owned()));
                }
                if !physicians.is_empty() && physicians.len() != labels.len() {
                    return Err(wrong(format!("{} labels by {} physicians", labels.len(), physicians.len())));
                }
                Ok(Labelled {
                    prompt_id: raw.prompt_id,
                    prompt: turns(raw.prompt).map_err(wrong)?,
                    completion: raw.completion,
                    criterion: raw.rubric,
                    category: raw.category,
                    labels,
                    physicians,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() { Err(ReadError::Empty) } else { Ok(MetaFile { sha256: sha256(bytes), lines: all }) }
    }
}

impl Labelled {
    /// The criterion alone, as physicians saw it; the consensus criteria are all positive.
    pub fn task(&self) -> Result<Task, String> {
        let given = self.prompt.iter().map(|t| Line { speaker: t.role.clone(), text: t.text.clone() });
        let last = Line { speaker: Cow::Borrowed("assistant"), text: self.completion.as_str().into() };
        let conversation = Conversation {
            lines: given.chain([last]).collect(),
            speaker: Cow::Borrowed("assistant"),
            span: Span::Last,
            given: 0,
        };
        let criterion = Criterion {
            id: "1".to_owned(),
            criterion: self.criterion.clone(),
            points: Points::new(1)?,
            tags: Vec::new(),
            check: None,
        };
        Ok(Task { name: self.prompt_id.clone(), conversation, criteria: vec![criterion] })
    }
}

/// Macro-F1 of the judge, overall and by category, and the physicians' own as a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetaReport {
    pub benchmark: &'static str,
    pub data_sha256: String,
    pub judge: String,
    pub lines: usize,
    pub unjudged: usize,
    pub overall: Figures,
    pub categories: BTreeMap<String, Figures>,
    pub tally: Tally,
}

/// One column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    pub macro_f1: Option<f64>,
    pub f1_met: Option<f64>,
    pub f1_unmet: Option<f64>,
    /// Labels that the judge was compared with.
    pub labels: usize,
    /// Mean macro-F1 of physicians, each against the others on the same lines.
    pub physicians: Option<f64>,
    /// Share of these physicians whose macro-F1 is below the judge's.
    pub above: Option<f64>,
}

/// Asks the judge about every line; `done` hears of each as it ends. Lines that it did not judge are counted and compared with
/// nothing.
pub async fn evaluate(
    file: &MetaFile,
    judge: &dyn Judge,
    at_once: usize,
    mut done: impl FnMut(&Judged),
) -> Result<MetaReport, String> {
    let tasks = file.lines.iter().map(Labelled::task).collect::<Result<Vec<_>, _>>()?;
    let judged = judge_all(judge, &tasks, at_once, |_, j| done(j)).await;
    let verdicts: Vec<Option<bool>> = judged.iter().map(|j| j.rulings.first().and_then(|r| r.met())).collect();
    let mut tally = Tally::default();
    judged.iter().for_each(|j| tally.add(&j.tally));
    Ok(report(file, judge.id(), &verdicts, tally))
}

/// The figures of verdicts, one a line.
pub fn report(file: &MetaFile, judge: String, verdicts: &[Option<bool>], tally: Tally) -> MetaReport {
    let rows: Vec<(&Labelled, Option<bool>)> = file.lines.iter().zip(verdicts.iter().copied()).collect();
    let mut by: BTreeMap<String, Vec<(&Labelled, Option<bool>)>> = BTreeMap::new();
    for row in &rows {
        by.entry(row.0.category.clone()).or_default().push(*row);
    }
    MetaReport {
        benchmark: "HealthBench meta-evaluation",
        data_sha256: file.sha256.clone(),
        judge,
        lines: rows.len(),
        unjudged: rows.iter().filter(|(_, v)| v.is_none()).count(),
        overall: figures(&rows),
        categories: by.into_iter().map(|(name, rows)| (name, figures(&rows))).collect(),
        tally,
    }
}

fn figures(rows: &[(&Labelled, Option<bool>)]) -> Figures {
    let judge: Agreement = agreement(rows.iter().filter_map(|(l, v)| Some(((*v)?, l.labels.as_slice()))));
    let mut each: BTreeMap<&str, Vec<(bool, Vec<bool>)>> = BTreeMap::new();
    for (l, _) in rows {
        for (i, who) in l.physicians.iter().enumerate() {
            let others = l.labels.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, v)| *v).collect();
            each.entry(who).or_default().push((l.labels[i], others));
        }
    }
    let physicians: Vec<f64> = each
        .values()
        .filter_map(|own| agreement(own.iter().map(|(v, others)| (*v, others.as_slice()))).balanced)
        .collect();
    let n = physicians.len() as f64;
    Figures {
        macro_f1: judge.balanced,
        f1_met: judge.f1_met,
        f1_unmet: judge.f1_unmet,
        labels: rows.iter().filter(|(_, v)| v.is_some()).map(|(l, _)| l.labels.len()).sum(),
        physicians: (!physicians.is_empty()).then(|| physicians.iter().sum::<f64>() / n),
        above: judge
            .balanced
            .filter(|_| !physicians.is_empty())
            .map(|own| physicians.iter().filter(|p| **p < own).count() as f64 / n),
    }
}
