//! Records at hand: a folder of JSON read once, then looked up by id. The crate's one file-system call is here.

use crate::kb::KnowledgeBase;
use crate::parse::{RecordError, parse_records};
use crate::record::{PatientRecord, RecordId};
use crate::split::Split;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Everything wrong with a folder of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryError {
    pub errors: Vec<RecordError>,
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, e) in self.errors.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{e}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LibraryError {}

/// Records in id order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    records: BTreeMap<RecordId, PatientRecord>,
}

impl Library {
    /// Reads every `.json` and `.jsonl` file of a folder, in name order.
    pub fn from_dir(path: impl AsRef<Path>) -> Result<Library, LibraryError> {
        let dir = path.as_ref();
        let trouble = |file: &Path, expected: &str, e: &std::io::Error, hint: &str| RecordError {
            file: file.display().to_string(),
            path: "$".into(),
            expected: expected.into(),
            found: e.to_string(),
            hint: hint.into(),
        };
        let mut files = Vec::new();
        let mut errors = Vec::new();
        match std::fs::read_dir(dir) {
            Ok(entries) => files.extend(entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| {
                p.is_file() && p.extension().is_some_and(|x| x == "json" || x == "jsonl" || x == "ndjson")
            })),
            Err(e) => errors.push(trouble(dir, "a folder of records", &e, "make one with `bedside records import`")),
        }
        files.sort();
        let mut texts = Vec::new();
        for file in &files {
            match std::fs::read_to_string(file) {
                Ok(text) => texts.push((file.display().to_string(), text)),
                Err(e) => errors.push(trouble(file, "a readable UTF-8 file", &e, "check permissions and encoding")),
            }
        }
        match Library::from_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))) {
            Ok(library) if errors.is_empty() => Ok(library),
            Ok(_) => Err(LibraryError { errors }),
            Err(more) => {
                errors.extend(more.errors);
                Err(LibraryError { errors })
            }
        }
    }

    /// The same from texts already in memory: `(file name, content)`.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Library, LibraryError> {
        let mut errors = Vec::new();
        let mut found: Vec<(String, PatientRecord)> = Vec::new();
        for (name, text) in texts {
            match parse_records(name, text) {
                Ok(records) => found.extend(records.into_iter().map(|r| (name.to_owned(), r))),
                Err(e) => errors.extend(e),
            }
        }
        let mut records = BTreeMap::new();
        let mut home: BTreeMap<RecordId, String> = BTreeMap::new();
        for (file, record) in found {
            if let Some(other) = home.insert(record.id.clone(), file.clone()) {
                errors.push(RecordError {
                    file,
                    path: "$.id".into(),
                    expected: "an id that no other record has".into(),
                    found: format!("\"{}\", which {other} has too", record.id),
                    hint: "remove one of the two records or rename it".into(),
                });
            }
            records.insert(record.id.clone(), record);
        }
        if errors.is_empty() { Ok(Library { records }) } else { Err(LibraryError { errors }) }
    }

    pub fn get(&self, id: &RecordId) -> Option<&PatientRecord> {
        self.records.get(id)
    }
    pub fn ids(&self) -> impl Iterator<Item = &RecordId> {
        self.records.keys()
    }
    /// Records in id order.
    pub fn records(&self) -> impl Iterator<Item = &PatientRecord> {
        self.records.values()
    }
    /// The records of one split, in id order.
    pub fn split(&self, kb: &KnowledgeBase, which: Split) -> Vec<&PatientRecord> {
        let held_out = |id: &str| kb.condition(id).is_some_and(|c| c.held_out);
        self.records.values().filter(|r| Split::of(r, held_out) == which).collect()
    }
    pub fn len(&self) -> usize {
        self.records.len()
    }
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
