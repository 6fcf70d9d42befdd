//! `bedside verify --repair`: what is whole of a damaged log, or of a damaged file of calls, in a new one.

use super::fail::Fail;
use super::out;
use bedside::chat::{Access, CallStore, FileStore, StoreError};
use bedside::replays::{Log, salvage};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Consultations shown that were left behind; --json has all.
const SHOWN: usize = 10;

/// Copies a log.
pub fn log(from: &Path, new: &Path, json: bool) -> Result<ExitCode, Fail> {
    if new.exists() {
        let what = format!("{} is there already", new.display());
        return Err(Fail::usage(what, "name a folder that is not there yet: nothing is repaired in place"));
    }
    let source = Log::open_existing(from)?;
    let into = Log::open(new)?;
    let done = salvage(&source, &into)?;
    for (n, (id, why)) in done.left.iter().enumerate() {
        match json {
            true => out::json(&json!({"episode": id.to_string(), "left": why}))?,
            false if n < SHOWN => out::line(format!("left behind: episode {id}: {why}"))?,
            false => {}
        }
    }
    if json {
        out::json(&json!({
            "copied": done.episodes, "cards": done.cards, "left": done.left.len(), "cards_left": done.cards_left,
            "into": new.display().to_string(),
        }))?;
    } else {
        if done.left.len() > SHOWN {
            out::line(format!("... and {} more; --json lists all", done.left.len() - SHOWN))?;
        }
        out::line(format!(
            "{} consultations and {} scorecards are whole and copied into {}; {} consultations and {} scorecards are not",
            done.episodes,
            done.cards,
            new.display(),
            done.left.len(),
            done.cards_left
        ))?;
    }
    let all = done.left.is_empty() && done.cards_left == 0;
    Ok(ExitCode::from(u8::from(!all)))
}

/// Looks a file of calls over, or copies it.
pub fn calls(from: &Path, new: Option<&Path>, json: bool) -> Result<ExitCode, Fail> {
    let Some(new) = new else {
        let (calls, why) = match FileStore::open(from, Access::Read) {
            Ok(store) => (store.len(), None),
            Err(e @ StoreError::Damaged { .. }) => (0, Some(e.to_string())),
            Err(e) => return Err(e.into()),
        };
        match (json, &why) {
            (true, _) => out::json(&json!({"sound": why.is_none(), "calls": calls, "why": why}))?,
            (false, None) => out::line(format!("sound: {calls} calls"))?,
            (false, Some(why)) => out::line(format!("NOT SOUND: {why}"))?,
        }
        return Ok(ExitCode::from(u8::from(why.is_some())));
    };
    let done = FileStore::repair(from, new)?;
    let why = done.why.map(|w| w.to_string());
    let why = why.as_deref().and_then(|w| w.lines().next());
    if json {
        let new = new.display().to_string();
        out::json(&json!({"copied": done.calls, "left": done.lost, "cut": done.cut, "why": why, "into": new}))?;
    } else {
        if let Some(why) = why {
            out::line(why)?;
        }
        let rest = if done.cut { ", and nothing behind the last of them could be found" } else { "" };
        out::line(format!(
            "{} calls are whole and copied into {}; {} entries are lost{rest}",
            done.calls,
            new.display(),
            done.lost
        ))?;
    }
    Ok(ExitCode::from(u8::from(done.lost > 0)))
}
