//! What rubrics are written for: consultations on records, scenarios made of them, questions of a knowledge base.

use crate::cli::fail::Fail;
use crate::cli::source::{MOST, Source, within};
use bedside::prelude::*;
use bedside::rubrics::CasePrompt;
use bedside::rubrics::source::{Scenario, of_knowledge, of_record, of_scenario};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which prompts.
#[derive(clap::Args, Clone, Debug)]
pub struct PromptArgs {
    #[command(flatten)]
    pub source: Source,
    /// How many cases; all of a folder, 100 generated ones
    #[arg(long, value_parser = within::<usize>(1, MOST))]
    pub cases: Option<usize>,
    /// record (a consultation on each case), knowledge (questions on conditions), scenario (all kinds) or one kind of scenario:
    /// inpatient_note, check_up, triage, clinical_question; comma-separated
    #[arg(long, value_delimiter = ',', default_value = "record", value_name = "KINDS")]
    pub from: Vec<String>,
    /// Folder of a knowledge base (findings/*.toml, conditions/*.toml, links.toml), or the one that ships
    #[arg(long, default_value = "builtin", value_name = "DIR|builtin")]
    pub knowledge: String,
    /// Ids of the conditions that --from knowledge asks about, comma-separated; all by default
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    pub conditions: Vec<String>,
    /// Who the patient is, such as ENFP/university/high/comfortable/plain/calm/good; a plain person by default
    #[arg(long)]
    pub persona: Option<String>,
}

/// One kind of prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Record,
    Knowledge,
    Scenario(Scenario),
}

fn kinds(words: &[String]) -> Result<Vec<Kind>, Fail> {
    let mut kinds: Vec<Kind> = Vec::new();
    for word in words {
        let these = match word.trim() {
            "record" => vec![Kind::Record],
            "knowledge" => vec![Kind::Knowledge],
            "scenario" => Scenario::ALL.map(Kind::Scenario).to_vec(),
            "inpatient_note" => vec![Kind::Scenario(Scenario::InpatientNote)],
            "check_up" => vec![Kind::Scenario(Scenario::CheckUp)],
            "triage" => vec![Kind::Scenario(Scenario::Triage)],
            "clinical_question" => vec![Kind::Scenario(Scenario::ClinicalQuestion)],
            other => {
                let hint = "record, knowledge, scenario, inpatient_note, check_up, triage or clinical_question";
                return Err(Fail::usage(format!("rubrics are not written for `{other}`"), hint));
            }
        };
        these.into_iter().for_each(|k| {
            if !kinds.contains(&k) {
                kinds.push(k)
            }
        });
    }
    Ok(kinds)
}

impl PromptArgs {
    pub fn persona(&self) -> Result<Persona, Fail> {
        let hint = "write seven words such as ENFP/university/high/comfortable/plain/calm/good";
        self.persona.as_ref().map_or(Ok(Persona::PLAIN), |p| p.parse().map_err(|e: String| Fail::usage(e, hint)))
    }

    /// Whether the embedded generator, which knows consultations alone, could write for all of them.
    pub fn consultations(&self) -> Result<bool, Fail> {
        Ok(kinds(&self.from)?.iter().all(|k| *k == Kind::Record))
    }

    /// The prompts, in order of kind and case.
    pub fn prompts(&self) -> Result<Vec<CasePrompt>, Fail> {
        let (kinds, persona) = (kinds(&self.from)?, self.persona()?);
        let about_cases = kinds.iter().any(|k| *k != Kind::Knowledge);
        let cases: Arc<Vec<Arc<Case>>> = if about_cases { self.source.cases(self.cases)? } else { Arc::default() };
        let mut prompts = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Record => prompts.extend(cases.iter().map(|c| of_record(c, persona))),
                Kind::Scenario(s) => prompts.extend(cases.iter().filter_map(|c| of_scenario(c, persona, s))),
                Kind::Knowledge => self.questions(&mut prompts)?,
            }
        }
        match prompts.is_empty() {
            true => Err(Fail::usage(
                "no record has what such a scenario is made of",
                "records with results and findings have; or name another kind with --from",
            )),
            false => Ok(prompts),
        }
    }

    fn questions(&self, prompts: &mut Vec<CasePrompt>) -> Result<(), Fail> {
        let read;
        let kb = match self.knowledge.as_str() {
            "builtin" => KnowledgeBase::builtin(),
            folder => {
                read = knowledge(Path::new(folder))?;
                &read
            }
        };
        if let Some(unknown) = self.conditions.iter().find(|c| kb.condition(c).is_none()) {
            let some: Vec<&str> = kb.conditions().iter().take(3).map(|c| c.id.as_str()).collect();
            let hint = format!("ids are those of the knowledge base, such as {}", some.join(", "));
            return Err(Fail::usage(format!("there is no condition `{unknown}`"), hint));
        }
        let wanted = |id: &String| self.conditions.is_empty() || self.conditions.contains(id);
        kb.conditions().iter().filter(|c| wanted(&c.id)).for_each(|c| prompts.extend(of_knowledge(kb, c)));
        Ok(())
    }
}

/// A knowledge base from a folder laid out as `records/data/kb` is.
fn knowledge(folder: &Path) -> Result<KnowledgeBase, Fail> {
    let hint =
        "it has findings/*.toml, conditions/*.toml and links.toml; records/data/kb/SCHEMA.md says what is in them";
    let wrong = |path: &Path, why: String| Fail::trouble(format!("{}: {why}", path.display()), hint);
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| wrong(path, e.to_string()));
    let files = |name: &str| -> Result<Vec<(String, String)>, Fail> {
        let folder = folder.join(name);
        let listed = std::fs::read_dir(&folder).map_err(|e| wrong(&folder, e.to_string()))?;
        let mut paths = Vec::new();
        for entry in listed {
            paths.push(entry?.path());
        }
        paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
        paths.sort();
        paths.iter().map(|p| Ok((p.display().to_string(), read(p)?))).collect()
    };
    let (findings, conditions, links) = (files("findings")?, files("conditions")?, read(&folder.join("links.toml"))?);
    fn pairs(list: &[(String, String)]) -> Vec<(&str, &str)> {
        list.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect()
    }
    KnowledgeBase::parse(&pairs(&findings), &pairs(&conditions), &links)
        .map_err(|errors| wrong(folder, errors.first().cloned().unwrap_or_default() + &more(errors.len())))
}

fn more(n: usize) -> String {
    if n > 1 { format!(" (and {} more)", n - 1) } else { String::new() }
}
