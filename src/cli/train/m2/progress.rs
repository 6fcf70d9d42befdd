//! OUT/m2.json: the plan, and how far it has come.

use super::Args;
use crate::cli::fail::Fail;
use bedside::env::Digest;
use bedside::train::stage::fresh::Size;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A stage and the words of its command, without `bedside train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) stage: String,
    pub(super) words: Vec<String>,
}

impl Planned {
    /// As a shell takes it.
    pub(super) fn line(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|w| quoted(w)).collect();
        format!("bedside train {}", words.join(" "))
    }
}

/// A word that a shell takes for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// OUT/m2.json.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Of the policy made with --new.
    pub(super) new: Option<Size>,
    pub(super) plan: Vec<Planned>,
    pub(super) done: Vec<Done>,
}

/// A stage that came to its end, and the policy it left.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) stage: String,
    pub(super) policy: Digest,
}

const PROGRESS: &str = "m2.json";

impl Progress {
    pub(super) fn save(&self, out: &Path) -> Result<(), Fail> {
        let (path, part) = (out.join(PROGRESS), out.join(format!("{PROGRESS}.part")));
        std::fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        Ok(std::fs::rename(part, path)?)
    }

    /// Of a new run, or of the run with the same plan that is gone on with. Nothing is written.
    pub(super) fn find(args: &Args, plan: Vec<Planned>) -> Result<Progress, Fail> {
        let path = args.out.join(PROGRESS);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && args.resume => {
                let message = format!("{} holds no run to go on with", args.out.display());
                let hint = "see that the folder's name is right; without --resume a run begins there";
                return Err(Fail::trouble(message, hint));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Progress { new: args.new, plan, done: Vec::new() });
            }
            Err(e) => return Err(e.into()),
        };
        if !args.resume {
            let message = format!("{} holds a run already", args.out.display());
            return Err(Fail::trouble(message, "go on with --resume, or choose another folder"));
        }
        let found: Progress = serde_json::from_slice(&bytes)
            .map_err(|e| Fail::trouble(format!("{}: {e}", path.display()), "choose another folder"))?;
        let differs = plan.iter().zip(&found.plan).find(|(a, b)| a != b).map(|(a, _)| a.stage.clone());
        if found.new != args.new || differs.is_some() || plan.len() != found.plan.len() {
            let stage = differs.unwrap_or_else(|| "the policy it begins with, or how many stages there are".to_owned());
            let message = format!("{} holds a run of another plan; it differs in: {stage}", args.out.display());
            return Err(Fail::trouble(message, "resume with the same arguments, or choose another folder"));
        }
        Ok(found)
    }

    /// A first stage that did not begin leaves the folder free for a corrected command.
    pub(super) fn forget(out: &Path) {
        let _ = std::fs::remove_file(out.join(PROGRESS));
    }
}
