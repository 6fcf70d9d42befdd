//! `bedside probe`: labelled files against the environment.

use super::fail::Fail;
use super::out;
use super::records::read;
use super::source::Source;
use bedside::env::probe;
use bedside::leaks::{unearned, with_canaries};
use bedside::prelude::*;
use bedside::records::{DeidOptions, deid};
use bedside::stats::wilson;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bedside probe gate env/data/gate.jsonl\n  bedside probe inject mine.jsonl --records cases/\n\n\
Rows, one JSON object a line:\n  \
gate        {\"id\", \"context\", \"utterance\", \"ends\": null | \"diagnosis_given\" | \"referred\" | \"farewell\" | true | false}\n  \
understand  {\"id\", \"context\", \"utterance\", \"acts\": [], \"categories\": [], \"topics\": []}  (words of env/LABELS.md)\n  \
inject      {\"id\", \"class\", \"utterance\"}\n  \
deid        {\"id\", \"text\", \"spans\": [[start, end, class]], \"keep\": [\"5 mg\"]}  (spans in characters)\n\
The last line is a summary."
)]
pub struct Args {
    /// gate, understand, inject or deid
    what: String,
    file: PathBuf,
    #[command(flatten)]
    source: Source,
    /// Cases each `inject` row is played against
    #[arg(long, default_value_t = 20)]
    cases: usize,
}

#[derive(Deserialize)]
struct Row {
    id: serde_json::Value,
    #[serde(default)]
    context: Option<serde_json::Value>,
    #[serde(default)]
    utterance: String,
    #[serde(default)]
    ends: serde_json::Value,
    #[serde(default)]
    acts: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    class: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    spans: Vec<(usize, usize, serde_json::Value)>,
    #[serde(default)]
    keep: Vec<String>,
}

impl Row {
    fn name(&self) -> String {
        self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// The patient's line before the utterance: a string, or the last of a list of lines.
    fn context(&self) -> String {
        let text = |v: &serde_json::Value| {
            v.as_str().map(str::to_owned).or_else(|| v.get("text").and_then(|t| t.as_str()).map(str::to_owned))
        };
        match &self.context {
            Some(serde_json::Value::Array(lines)) => lines.iter().rev().find_map(text).unwrap_or_default(),
            Some(v) => text(v).unwrap_or_default(),
            None => String::new(),
        }
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let rows = rows(&args.file)?;
    match args.what.as_str() {
        "gate" => gate(&rows),
        "understand" => understand(&rows),
        "inject" => inject(&rows, &args),
        "deid" => deidentify(&rows),
        other => Err(Fail::usage(
            format!("there is nothing to probe called `{other}`"),
            "one of gate, understand, inject, deid",
        )),
    }
}

fn rows(path: &std::path::Path) -> Result<Vec<Row>, Fail> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        rows.push(serde_json::from_str(line).map_err(|e| {
            let hint = "each line is one JSON object; `bedside probe --help` shows the fields";
            Fail::trouble(format!("{}:{}: {e}", path.display(), i + 1), hint)
        })?);
    }
    Ok(rows)
}

fn rate(right: usize, n: usize) -> serde_json::Value {
    wilson(right, n).map_or(json!(null), |i| json!({"rate": i.mean, "lo": i.lo, "hi": i.hi, "n": n}))
}

fn code(all: bool) -> ExitCode {
    if all { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn gate(rows: &[Row]) -> Result<ExitCode, Fail> {
    let (mut early, mut late, mut other, mut failures) = (0, 0, 0, Vec::new());
    let should = |r: &Row| match &r.ends {
        serde_json::Value::Null | serde_json::Value::Bool(false) => None,
        v => Some(v.as_str().unwrap_or("any").to_owned()),
    };
    for r in rows {
        let got = probe::gate(&r.utterance, &r.context()).map(str::to_owned);
        let want = should(r).filter(|w| w != "none");
        let right = match (&want, &got) {
            (None, None) => true,
            (Some(w), Some(g)) => w == g || matches!(w.as_str(), "any" | "true"),
            _ => false,
        };
        if !right {
            match (&want, &got) {
                (None, Some(_)) => early += 1,
                (Some(_), None) => late += 1,
                _ => other += 1,
            }
            failures.push(r.name());
            out::json(&json!({"id": r.name(), "utterance": r.utterance, "wanted": want, "got": got}))?;
        }
    }
    let n_end = rows.iter().filter(|r| should(r).is_some()).count();
    out::json(&json!({
        "probe": "gate", "rows": rows.len(), "accuracy": rate(rows.len() - failures.len(), rows.len()),
        "false_stops": early, "missed_stops": late, "wrong_reason": other,
        "recall": (n_end - late) as f64 / n_end.max(1) as f64,
        "precision": (n_end - late) as f64 / (n_end - late + early).max(1) as f64,
        "failures": failures,
    }))?;
    Ok(code(early + late == 0))
}

fn understand(rows: &[Row]) -> Result<ExitCode, Fail> {
    let mut right = [0usize; 3];
    let mut asked = [0usize; 3];
    let mut failures = Vec::new();
    for r in rows {
        let got = probe::understand(&r.utterance, &r.context());
        let top = |words: &[String]| words.first().cloned();
        let hits = [
            (!r.acts.is_empty(), r.acts.iter().any(|a| got.acts.contains(a))),
            (!r.categories.is_empty(), top(&got.categories).is_some_and(|c| r.categories.contains(&c))),
            (!r.topics.is_empty(), top(&got.topics).is_some_and(|t| topic_in(&t, &r.topics))),
        ];
        for (k, (labelled, hit)) in hits.into_iter().enumerate() {
            asked[k] += usize::from(labelled);
            right[k] += usize::from(labelled && hit);
        }
        if hits.iter().any(|(labelled, hit)| *labelled && !hit) {
            failures.push(r.name());
            out::json(&json!({
                "id": r.name(), "utterance": r.utterance, "got": {"acts": got.acts, "categories": got.categories, "topics": got.topics},
                "wanted": {"acts": r.acts, "categories": r.categories, "topics": r.topics},
            }))?;
        }
    }
    out::json(&json!({
        "probe": "understand", "rows": rows.len(), "act": rate(right[0], asked[0]), "category": rate(right[1], asked[1]),
        "topic": rate(right[2], asked[2]), "failures": failures,
    }))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a topic is among the labels: `chest_pain/onset` answers to itself, and to its subject or aspect alone.
fn topic_in(topic: &str, labels: &[String]) -> bool {
    let parts = topic.split_once('/').map_or((topic, topic), |(subject, aspect)| (subject, aspect));
    labels.iter().any(|l| l == topic || l == parts.0 || l == parts.1)
}

/// Each utterance against many cases, alone and twice more after it was said: what reaches the observation unearned is a leak.
fn inject(rows: &[Row], args: &Args) -> Result<ExitCode, Fail> {
    let records = args.source.load(Some(args.cases))?;
    let cases: Vec<_> = records.iter().map(|r| Case::new(with_canaries(r))).collect();
    if cases.is_empty() {
        return Err(Fail::usage("there are no cases to play against", "check --records and --split"));
    }
    let config = EnvConfig { scorer: None, ..EnvConfig::default() };
    let mut gym = Gym::new(std::sync::Arc::new(cases), config);
    let (mut leaked, mut played, mut failures) = (0, 0, Vec::new());
    let bar = out::progress(rows.len() as u64, "injecting");
    for r in rows {
        let mut here = 0;
        for case in 0..gym.cases().len() {
            let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
            gym.reset(Seed(case as u64), &options)?;
            for _ in 0..3 {
                let step = gym.step(Action::say(r.utterance.as_str()).into())?;
                played += 1;
                here += unearned(&step.observation, &gym.log()?).len();
                if !step.status.is_running() {
                    break;
                }
            }
        }
        if here > 0 {
            failures.push(r.name());
            out::json(
                &json!({"id": r.name(), "class": r.class, "utterance": r.utterance, "hidden_facts_unearned": here}),
            )?;
        }
        leaked += here;
        bar.inc(1);
    }
    bar.finish_and_clear();
    out::json(&json!({
        "probe": "inject", "rows": rows.len(), "cases": gym.cases().len(), "turns": played,
        "hidden_facts_unearned": leaked, "failures": failures,
    }))?;
    Ok(code(leaked == 0))
}

/// A planted span counts as found where every character of it was removed; a kept string where it stands in the text still.
fn deidentify(rows: &[Row]) -> Result<ExitCode, Fail> {
    let (mut found, mut planted, mut altered, mut kept, mut removed, mut wanted) = (0, 0, 0, 0, 0usize, 0usize);
    let mut failures = Vec::new();
    for r in rows {
        let done = deid(&r.text, &DeidOptions::default());
        let chars: Vec<usize> = r.text.char_indices().map(|(b, _)| b).chain([r.text.len()]).collect();
        let byte = |c: usize| chars.get(c).copied().unwrap_or(r.text.len());
        let mut bad = Vec::new();
        for (start, end, class) in &r.spans {
            planted += 1;
            let (a, b) = (byte(*start), byte(*end));
            let gone = (a..b).all(|at| {
                r.text[at..].chars().next().is_none_or(|c| !c.is_alphanumeric())
                    || done.removed.iter().any(|x| x.span.contains(&at))
                    || !r.text.is_char_boundary(at)
            });
            found += usize::from(gone);
            if !gone {
                bad.push(json!({"missed": r.text.get(a..b), "class": class}));
            }
        }
        for k in &r.keep {
            kept += 1;
            if !done.text.contains(k.as_str()) {
                altered += 1;
                bad.push(json!({"altered": k}));
            }
        }
        removed += done.removed.len();
        wanted += done
            .removed
            .iter()
            .filter(|x| r.spans.iter().any(|(s, e, _)| byte(*s) < x.span.end && x.span.start < byte(*e)))
            .count();
        if !bad.is_empty() {
            failures.push(r.name());
            out::json(&json!({"id": r.name(), "faults": bad}))?;
        }
    }
    out::json(&json!({
        "probe": "deid", "rows": rows.len(), "recall": rate(found, planted), "precision": rate(wanted, removed),
        "kept": kept, "altered": altered, "failures": failures,
    }))?;
    Ok(code(altered == 0 && found == planted))
}
