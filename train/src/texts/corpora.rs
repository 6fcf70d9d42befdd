//! Public corpora as published, from `DIR/<name>/`. Notes and transcripts of people go through the de-identifier first.

use super::{Document, TextError, files};
use bedside_records::deid::{DeidOptions, deid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corpus {
    /// Clinicians' notes of visits.
    AciBench,
    /// Sections of notes.
    MtsDialog,
    /// Transcripts of interviews.
    OsceFareez,
    /// Notes of a general practice.
    Primock57,
    /// Summaries of case reports.
    Medrbench,
    /// Abstracts, without their conclusions: those answer the questions of the set.
    Pubmedqa,
    /// Sums in words with their solutions: the general text of M2's mixture.
    Gsm8k,
}

impl Corpus {
    pub const ALL: [Corpus; 7] = [
        Corpus::AciBench,
        Corpus::MtsDialog,
        Corpus::OsceFareez,
        Corpus::Primock57,
        Corpus::Medrbench,
        Corpus::Pubmedqa,
        Corpus::Gsm8k,
    ];

    /// As on the command line, and as its folder is called.
    pub fn name(self) -> &'static str {
        match self {
            Corpus::AciBench => "aci_bench",
            Corpus::MtsDialog => "mts_dialog",
            Corpus::OsceFareez => "osce_fareez",
            Corpus::Primock57 => "primock57",
            Corpus::Medrbench => "medrbench",
            Corpus::Pubmedqa => "pubmedqa",
            Corpus::Gsm8k => "gsm8k",
        }
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Corpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Corpus, String> {
        let names = Corpus::ALL.map(Corpus::name).join(", ");
        let found = Corpus::ALL.into_iter().find(|c| c.name() == text.trim());
        found.ok_or_else(|| format!("there is no corpus `{text}`; one of {names}"))
    }
}

/// The texts of a corpus.
pub fn read(corpus: Corpus, data: &Path) -> Result<Vec<Document>, TextError> {
    let folder = data.join(corpus.name());
    let mut out = match corpus {
        Corpus::AciBench => aci_bench(&folder)?,
        Corpus::MtsDialog => table(&folder.join("MTS-Dialog-TrainingSet.csv"), "ID", "section_text", &BTreeMap::new())?,
        Corpus::OsceFareez => files::read(&folder, "text")?.into_iter().map(|d| clean(d, &[])).collect(),
        Corpus::Primock57 => {
            let notes = files::read(&folder.join("consultations.jsonl"), "note")?;
            notes.into_iter().map(|d| clean(d, &[])).collect()
        }
        Corpus::Medrbench => medrbench(&folder)?,
        Corpus::Pubmedqa => pubmedqa(&folder)?,
        Corpus::Gsm8k => gsm8k(&folder)?,
    };
    out.retain(|d| !d.text.trim().is_empty());
    out.iter_mut().for_each(|d| d.name = format!("{corpus}/{}", d.name));
    if out.is_empty() { Err(TextError::Empty(folder)) } else { Ok(out) }
}

/// Without what tells who it is about.
fn clean(document: Document, names: &[String]) -> Document {
    let options = DeidOptions { names: names.to_vec() };
    Document { text: deid(&document.text, &options).text, ..document }
}

/// A column of a CSV file, by another column; names by that other column are taken out.
fn table(
    path: &Path,
    id: &str,
    column: &str,
    names: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<Document>, TextError> {
    let rows = rows(path)?;
    let wrong =
        || TextError::Corpus { path: path.to_owned(), message: format!("there is no column `{column}` or `{id}`") };
    let one = |row: &BTreeMap<String, String>| {
        let (id, text) = (row.get(id).ok_or_else(wrong)?, row.get(column).ok_or_else(wrong)?);
        Ok(clean(Document::new(id, text), names.get(id).map_or(&[][..], Vec::as_slice)))
    };
    rows.iter().map(one).collect()
}

fn rows(path: &Path) -> Result<Vec<BTreeMap<String, String>>, TextError> {
    let wrong = |e: csv::Error| TextError::Corpus { path: path.to_owned(), message: e.to_string() };
    let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(wrong)
}

/// Only the training file; patients' names stand in the metadata.
fn aci_bench(folder: &Path) -> Result<Vec<Document>, TextError> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&folder.join("train_metadata.csv"))? {
        let of = |key: &str| row.get(key).map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
        if let Some(id) = of("encounter_id") {
            names.insert(id, ["patient_firstname", "patient_familyname"].iter().filter_map(|k| of(k)).collect());
        }
    }
    table(&folder.join("train.csv"), "encounter_id", "note", &names)
}

fn json(path: PathBuf) -> Result<Value, TextError> {
    let text = std::fs::read_to_string(&path).map_err(|source| TextError::Io { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|e| TextError::Corpus { path, message: e.to_string() })
}

fn medrbench(folder: &Path) -> Result<Vec<Document>, TextError> {
    let cases = json(folder.join("treatment.json"))?;
    let cases = cases.as_object().into_iter().flatten();
    let text = |case: &Value| case["generate_case"]["case_summary"].as_str().map(str::to_owned);
    Ok(cases.filter_map(|(id, case)| Some(clean(Document::new(id, text(case)?), &[]))).collect())
}

fn pubmedqa(folder: &Path) -> Result<Vec<Document>, TextError> {
    let rows = json(folder.join("train.json"))?;
    let text = |row: &Value| {
        let parts: Vec<&str> = row["CONTEXTS"].as_array()?.iter().filter_map(Value::as_str).collect();
        Some(parts.join("\n"))
    };
    let rows = rows.as_object().into_iter().flatten();
    Ok(rows.filter_map(|(id, row)| Some(Document::new(id, text(row)?))).collect())
}

/// Rows that the rule tasks hold out are left out here too: their solutions are the answers.
fn gsm8k(folder: &Path) -> Result<Vec<Document>, TextError> {
    let path = folder.join("train.jsonl");
    let text = std::fs::read_to_string(&path).map_err(|source| TextError::Io { path, source })?;
    let task = crate::rules::readers::read_text(crate::rules::Set::Gsm8k, "train.jsonl", &text);
    let held: Vec<String> = task.tasks.into_iter().filter(|t| t.held_out(HELD_PERCENT)).map(|t| t.family).collect();
    let held: std::collections::BTreeSet<String> = held.into_iter().collect();
    let rows = text.lines().enumerate().filter_map(|(i, l)| Some((i, serde_json::from_str::<Value>(l).ok()?)));
    let one = |(i, row): (usize, Value)| {
        let (question, answer) = (row["question"].as_str()?.trim(), row["answer"].as_str()?.trim());
        let keep = !held.contains(question);
        keep.then(|| Document::new(format!("{}", i + 1), format!("{question}\n{}", without_calculator(answer))))
    };
    Ok(rows.filter_map(one).collect())
}

/// The greatest share of a set that may be held out, in per cent: no text repeats a row that such a split would look at.
pub const HELD_PERCENT: u32 = 20;

/// Without the `<<48/4=12>>` between the words.
fn without_calculator(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("<<") {
        out.push_str(before);
        rest = after.split_once(">>").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn hand_written_folders_in_the_published_formats_are_read_and_names_taken_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let d = dir.path();
        write(
            d,
            "aci_bench/train.csv",
            "dataset,encounter_id,dialogue,note\nx,D1,\"[doctor] hi\",\"CHIEF COMPLAINT\nZora Quill has a cough.\"\n",
        );
        write(d, "aci_bench/train_metadata.csv", "encounter_id,patient_firstname,patient_familyname\nD1,Zora,Quill\n");
        write(
            d,
            "mts_dialog/MTS-Dialog-TrainingSet.csv",
            "ID,section_header,section_text,dialogue\n0,CC,Cough for two days.,Doctor: Hi\n",
        );
        write(d, "osce_fareez/A.txt", "D: What brings you in?\nP: A cough.");
        write(d, "primock57/consultations.jsonl", "{\"id\": \"c1\", \"note\": \"Cough. No fever.\"}\n");
        write(
            d,
            "medrbench/treatment.json",
            "{\"P1\": {\"generate_case\": {\"case_summary\": \"- Chief Complaint: cough\"}}}",
        );
        write(
            d,
            "pubmedqa/train.json",
            "{\"7\": {\"QUESTION\": \"Q?\", \"CONTEXTS\": [\"One.\", \"Two.\"], \"LONG_ANSWER\": \"So it is.\"}}",
        );
        let sums: Vec<String> = (0..40)
            .map(|i| {
                format!(
                    "{{\"question\": \"What is {i} and 2?\", \"answer\": \"{i}+2=<<{i}+2={}>>{}\\n#### {}\"}}",
                    i + 2,
                    i + 2,
                    i + 2
                )
            })
            .collect();
        write(d, "gsm8k/train.jsonl", &sums.join("\n"));
        for corpus in Corpus::ALL {
            let all = read(corpus, d).unwrap_or_else(|e| panic!("{corpus}: {e}"));
            let text: String = all.iter().map(|d| d.text.as_str()).collect();
            assert!(all.iter().all(|d| d.name.starts_with(corpus.name())), "{all:?}");
            assert!(!text.contains("Zora") && !text.contains("Quill") && !text.contains("So it is"), "{text}");
            assert_eq!(corpus.name().parse(), Ok(corpus));
        }
        let sums = read(Corpus::Gsm8k, d).expect("reads");
        assert!((20..40).contains(&sums.len()) && sums.iter().all(|d| !d.text.contains("<<")), "{}", sums.len());
        let said = read(Corpus::Gsm8k, &d.join("nowhere")).expect_err("nothing there").to_string();
        assert!(said.contains("hint: "), "{said}");
    }

    #[test]
    fn published_corpora_are_read_whole() {
        let Ok(data) = std::env::var("BEDSIDE_DATA") else {
            println!("skipped: BEDSIDE_DATA not set");
            return;
        };
        for (corpus, least) in [
            (Corpus::AciBench, 60),
            (Corpus::MtsDialog, 1000),
            (Corpus::OsceFareez, 15),
            (Corpus::Primock57, 40),
            (Corpus::Medrbench, 90),
            (Corpus::Pubmedqa, 400),
            (Corpus::Gsm8k, 2000),
        ] {
            let all = read(corpus, Path::new(&data)).unwrap_or_else(|e| panic!("{corpus}: {e}"));
            assert!(all.len() >= least, "{corpus}: {}", all.len());
        }
    }
}
