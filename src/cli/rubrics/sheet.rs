//! Files that `rubrics write` adds to, a whole line at a time.

use super::read;
use crate::cli::fail::Fail;
use bedside::env::Rubric;
use bedside::rubrics::CasePrompt;
use bedside::rubrics::file;
use bedside::rubrics::generate::Report;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The file of rubrics: what is in it stays, and only whole lines are added.
pub struct Sheet {
    path: PathBuf,
    file: File,
    /// Prompts that have a rubric.
    pub known: BTreeSet<String>,
    /// What made those, with the line of the first.
    makers: BTreeMap<String, usize>,
}

impl Sheet {
    pub fn open(path: &Path) -> Result<Sheet, Fail> {
        let name = path.display();
        let trouble = |e: std::io::Error| Fail::trouble(format!("{name}: {e}"), "choose a file that can be written");
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| other(path, 1, "it is not UTF-8"))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(trouble(e)),
        };
        let whole = text.rfind('\n').map_or(0, |i| i + 1);
        let (lines, rest) = text.split_at(whole);
        let contents = read(lines);
        if let Some(u) = contents.unread.first() {
            return Err(other(path, u.line, &u.fault));
        }
        // A line that was being written when the power went.
        let torn = !rest.trim().is_empty() && read(rest).entries.is_empty();
        if torn && !rest.starts_with("{\"prompt_id\":") {
            return Err(other(path, lines.lines().count() + 1, "its last line is no rubric"));
        }
        let mut entries = contents.entries;
        if !torn {
            entries.extend(read(rest).entries);
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(trouble)?;
        if torn {
            eprintln!("note: the last line of {name} was cut off; its rubric is written again");
            file.set_len(whole as u64).map_err(trouble)?;
        } else if !rest.is_empty() {
            file.write_all(b"\n").map_err(trouble)?;
        }
        let mut makers = BTreeMap::new();
        for e in &entries {
            makers.entry(e.rubric.made_by.clone()).or_insert(e.line);
        }
        Ok(Sheet { path: path.to_owned(), file, known: entries.into_iter().map(|e| e.id).collect(), makers })
    }

    /// Whose rubrics these are: files of two makers would be compared as one.
    pub fn by(&self, maker: &str) -> Result<(), Fail> {
        match self.makers.iter().find(|(m, _)| *m != maker) {
            None => Ok(()),
            Some((m, line)) => Err(Fail::usage(
                format!("{}:{line} was written by `{m}`, and this would be by `{maker}`", self.path.display()),
                "choose another --out, or repeat the command that began this one",
            )),
        }
    }

    pub fn add(&mut self, prompt: &CasePrompt, rubric: &Rubric) -> Result<(), Fail> {
        Ok(self.file.write_all((file::line(prompt, rubric) + "\n").as_bytes())?)
    }

    pub fn sync(&self) -> Result<(), Fail> {
        Ok(self.file.sync_data()?)
    }
}

fn other(path: &Path, line: usize, why: impl std::fmt::Display) -> Fail {
    Fail::trouble(
        format!("{}:{line}: {why}", path.display()),
        "--out is a file of rubrics, or a new one; nothing was written into this",
    )
}

/// The file of what was refused. A prompt that is tried again does not stand in it twice.
pub struct Refusals {
    file: File,
    known: BTreeSet<String>,
}

impl Refusals {
    pub fn open(path: &Path) -> Result<Refusals, Fail> {
        let trouble = |e: std::io::Error| {
            Fail::trouble(format!("{}: {e}", path.display()), "choose a file that can be written with --refused")
        };
        let text = match std::fs::read_to_string(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(trouble)?,
        };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(trouble)?;
        Ok(Refusals { file, known: text.lines().map(str::to_owned).collect() })
    }

    pub fn add(&mut self, prompt: &CasePrompt, report: &Report) -> Result<(), Fail> {
        for r in &report.refused {
            let line = json!({
                "prompt_id": prompt.id, "dimension": r.dimension.word(), "text": r.text, "guard": r.fault.kind(),
                "why": r.fault.to_string(),
            })
            .to_string();
            if self.known.insert(line.clone()) {
                self.file.write_all((line + "\n").as_bytes())?;
            }
        }
        Ok(())
    }
}
