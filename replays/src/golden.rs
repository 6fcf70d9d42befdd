//! Golden playthroughs: transcripts kept in the repository, played again from their own text and compared line by line.
//!
//! `golden/records/*.json` are the records, `golden/*.txt` the playthroughs, at least one a record. A new one begins as the lines
//! `record`, `persona`, `seed` and the doctor's lines; `regenerate` fills in the rest.

use crate::transcript::{parse_action, render};
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{DoctorTurn, Env, EnvConfig, Gym, Persona, ResetOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// First line of every playthrough.
pub const TITLE: &str = "bedside playthrough 1";

/// What a playthrough's text says to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    pub record: String,
    pub persona: Persona,
    pub seed: Seed,
    pub turns: Vec<DoctorTurn>,
}

/// Reads what to play from a playthrough, whole or just begun.
pub fn parse(text: &str) -> Result<Script, String> {
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(format!("the first line is not `{TITLE}`"));
    }
    let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
    let mut turns = Vec::new();
    for line in lines {
        if let Some((_, action)) = line.split_once("] doctor ").filter(|(n, _)| n.starts_with('[')) {
            turns.push(parse_action(action)?);
        } else if let Some((key, value)) = line.split_once(' ').filter(|_| turns.is_empty()) {
            fields.entry(key).or_insert(value);
        }
    }
    let field = |name: &str| fields.get(name).copied().ok_or_else(|| format!("the line `{name} ...` is missing"));
    let record = field("record")?;
    Ok(Script {
        record: record.split_once(' ').map_or(record, |(id, _)| id).to_owned(),
        persona: field("persona")?.parse()?,
        seed: Seed(field("seed")?.parse().map_err(|e| format!("seed: {e}"))?),
        turns,
    })
}

/// Plays a script and tells it.
pub fn play(script: &Script, case: Arc<Case>, config: &EnvConfig) -> Result<String, String> {
    let mut gym = Gym::new(Arc::new(vec![case.clone()]), config.clone());
    let options = ResetOptions { persona: Some(script.persona), ..ResetOptions::default() };
    gym.reset(script.seed, &options).map_err(|e| e.to_string())?;
    for (i, turn) in script.turns.iter().enumerate() {
        gym.step(turn.clone().into()).map_err(|e| format!("turn {}: {e}", i + 1))?;
    }
    let log = gym.log().map_err(|e| e.to_string())?;
    let card = config.scorer.as_ref().map(|s| s.score(&case, &log.events));
    Ok(format!("{TITLE}\n{}", render(&case, &log.events, card.as_ref())))
}

/// What is wrong with a folder of playthroughs, a line each; empty if all is as it was.
pub fn check(folder: &Path, config: &EnvConfig) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    walk(folder, config, &mut wrong, |name, old, new, wrong| {
        if let Some((line, (was, is))) = first_changed_line(old, new) {
            wrong.push(format!("{name}, line {line}:\n  was: {was}\n  is:  {is}"));
        }
        Ok(())
    })?;
    Ok(wrong)
}

/// Plays every playthrough again and writes what came of it; returns the names of those that changed.
pub fn regenerate(folder: &Path, config: &EnvConfig) -> Result<Vec<String>, String> {
    let (mut wrong, mut changed) = (Vec::new(), Vec::new());
    walk(folder, config, &mut wrong, |name, old, new, _| {
        if old != new {
            fs::write(folder.join(name), new).map_err(|e| format!("{name}: {e}"))?;
            changed.push(name.to_owned());
        }
        Ok(())
    })?;
    if wrong.is_empty() { Ok(changed) } else { Err(wrong.join("\n")) }
}

fn walk(
    folder: &Path,
    config: &EnvConfig,
    wrong: &mut Vec<String>,
    mut each: impl FnMut(&str, &str, &str, &mut Vec<String>) -> Result<(), String>,
) -> Result<(), String> {
    let mut cases: BTreeMap<String, (Arc<Case>, usize)> = BTreeMap::new();
    for (name, text) in files(&folder.join("records"), "json")? {
        let record: bedside_records::PatientRecord = serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
        cases.insert(record.id.0.clone(), (Case::new(record), 0));
    }
    for (name, old) in files(folder, "txt")? {
        let script = parse(&old).map_err(|e| format!("{name}: {e}"))?;
        let Some((case, count)) = cases.get_mut(&script.record) else {
            wrong.push(format!("{name}: there is no record `{}`", script.record));
            continue;
        };
        *count += 1;
        match play(&script, case.clone(), config) {
            Ok(new) => each(&name, &old, &new, wrong)?,
            Err(e) => wrong.push(format!("{name}: {e}")),
        }
    }
    for (id, _) in cases.iter().filter(|(_, (_, count))| *count == 0) {
        wrong.push(format!("record `{id}` has no playthrough\nhint: begin golden/{id}.txt and regenerate"));
    }
    if cases.is_empty() {
        wrong.push(format!("{} holds no records", folder.join("records").display()));
    }
    Ok(())
}

/// Files with an extension, by name.
fn files(folder: &Path, extension: &str) -> Result<BTreeMap<String, String>, String> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|e| e == extension) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            out.insert(name, fs::read_to_string(&path).map_err(fail)?);
        }
    }
    Ok(out)
}

fn first_changed_line(old: &str, new: &str) -> Option<(usize, (String, String))> {
    let (mut a, mut b) = (old.lines(), new.lines());
    let end = || "(end)".to_owned();
    (1..).find_map(|n| match (a.next(), b.next()) {
        (None, None) => Some(None),
        (x, y) if x == y => None,
        (x, y) => Some(Some((n, (x.map_or_else(end, str::to_owned), y.map_or_else(end, str::to_owned))))),
    })?
}
