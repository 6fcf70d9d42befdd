//! The strict door for our own JSON: every error at once, each with its place and a hint; nothing half-loaded.

use crate::fact::{Aspect, Category, Sensitivity, Topic};
use crate::record::PatientRecord;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// More facts than this is a broken export, and fact numbers fit in 16 bits.
pub const MAX_FACTS: usize = 65_535;
const MAX_WEIGHT: u64 = 10;
const MAX_AGE_MONTHS: u64 = 1080;

/// One thing wrong with a file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub file: String,
    /// JSON path, `$.facts[3].weight`; in JSON Lines after the line: `line 4: $.facts[3].weight`.
    pub path: String,
    pub expected: String,
    pub found: String,
    pub hint: String,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordError { file, path, expected, found, hint } = self;
        write!(f, "{file}: at {path}, expected {expected}, found {found}.\nhint: {hint}")
    }
}

impl std::error::Error for RecordError {}

/// Parses one record, an array of records, or JSON Lines. All records or all errors.
pub fn parse_records(file: &str, text: &str) -> Result<Vec<PatientRecord>, Vec<RecordError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser { file: file.to_owned(), errors: Vec::new(), records: Vec::new() };
    match serde_json::from_str::<Value>(text) {
        _ if has_lines(file, text) => parser.lines(text),
        Ok(Value::Array(items)) => parser.array(text, &items),
        Ok(value) => parser.one(text, &value, "$"),
        Err(e) => parser.syntax("$", &e),
    }
    if parser.errors.is_empty() && parser.records.is_empty() {
        parser.push("$", "at least one record", "an empty file", "write a record as records/data/SCHEMA.md describes");
    }
    parser.repeated_ids();
    if parser.errors.is_empty() { Ok(parser.records) } else { Err(parser.errors) }
}

/// Whether a file has a record a line: by its name, or by its first line.
pub(crate) fn has_lines(file: &str, text: &str) -> bool {
    [".jsonl", ".ndjson"].iter().any(|end| file.ends_with(end)) || is_concatenated(text)
}

/// A first line that is a whole object, followed by more: JSON Lines under another name.
fn is_concatenated(text: &str) -> bool {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let first_whole = lines.next().is_some_and(|l| serde_json::from_str::<Map<String, Value>>(l).is_ok());
    first_whole && lines.next().is_some()
}

struct Parser {
    file: String,
    errors: Vec<RecordError>,
    records: Vec<PatientRecord>,
}

/// What a value is, in words, short enough for a message.
fn describe(v: &Value) -> String {
    let cut =
        |s: &str| if s.chars().count() > 40 { s.chars().take(40).collect::<String>() + "…" } else { s.to_owned() };
    match v {
        Value::Null => "null".into(),
        Value::Bool(b) => format!("{b}"),
        Value::Number(n) => format!("{n}"),
        Value::String(s) => format!("\"{}\"", cut(&s.escape_debug().to_string())),
        Value::Array(a) => format!("an array of {}", a.len()),
        Value::Object(o) => format!("an object of {} fields", o.len()),
    }
}

type Check = fn(&mut Parser, &Value, &str);

/// A field's name, whether it must be there, and what it must hold.
struct Field(&'static str, bool, Check);

const RECORD: &[Field] = &[
    Field("schema", true, Parser::schema_version),
    Field("id", true, Parser::text),
    Field("demographics", true, |p, v, at| p.object(v, at, DEMOGRAPHICS)),
    Field("chief_complaint", true, Parser::text),
    Field("facts", true, Parser::facts),
    Field("diagnosis", true, |p, v, at| p.object(v, at, DIAGNOSIS)),
    Field("red_flags", false, |p, v, at| p.list(v, at, Parser::subject)),
    Field("contraindications", false, |p, v, at| p.list(v, at, |p, v, at| p.object(v, at, CONTRAINDICATION))),
    Field("management", false, |p, v, at| p.list(v, at, Parser::text)),
    Field("safety_net", false, Parser::optional_text),
    Field("provenance", true, |p, v, at| p.object(v, at, PROVENANCE)),
];
const DEMOGRAPHICS: &[Field] = &[
    Field("age_months", true, Parser::age),
    Field("sex", true, |p, v, at| p.word(v, at, &["female", "male", "other", "unknown"])),
    Field("occupation", false, Parser::optional_text),
];
const DIAGNOSIS: &[Field] = &[
    Field("name", true, Parser::diagnosis_name),
    Field("synonyms", false, |p, v, at| p.list(v, at, Parser::text)),
    Field("icd10", false, Parser::optional_text),
    Field("condition", false, Parser::optional_text),
    Field("differential", false, |p, v, at| p.list(v, at, Parser::text)),
];
const CONTRAINDICATION: &[Field] = &[
    Field("treatment", true, Parser::text),
    Field("why", true, Parser::text),
    Field("because", false, Parser::optional_text),
];
const PROVENANCE: &[Field] = &[
    Field("source", true, Parser::text),
    Field("licence", true, Parser::text),
    Field("source_id", true, Parser::text),
    Field("made_by", true, Parser::text),
];
const FACT: &[Field] = &[
    Field("id", true, Parser::text),
    Field("category", true, |p, v, at| p.word(v, at, &Category::ALL.map(Category::word))),
    Field("topic", true, Parser::topic),
    Field("statement", true, Parser::text),
    Field("polarity", true, |p, v, at| p.word(v, at, &["present", "absent"])),
    Field("weight", true, |p, v, at| p.integer(v, at, MAX_WEIGHT, "0 matters to nobody, 10 must not be missed")),
    Field("access", true, |p, v, at| p.word(v, at, &["volunteered", "on_ask", "on_exam", "on_test"])),
    Field("sensitivity", false, |p, v, at| {
        p.integer(v, at, u64::from(Sensitivity::MAX), "0 is told to anyone, 3 only to somebody trusted")
    }),
    Field("names_diagnosis", false, Parser::boolean),
    Field("asked_as", false, |p, v, at| p.list(v, at, Parser::text)),
    Field("source_text", false, Parser::optional_text),
];

impl Parser {
    fn push(&mut self, path: &str, expected: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(RecordError {
            file: self.file.clone(),
            path: path.to_owned(),
            expected: expected.into(),
            found: found.into(),
            hint: hint.into(),
        });
    }

    fn syntax(&mut self, path: &str, e: &serde_json::Error) {
        let hint = format!("look at line {}, column {}", e.line(), e.column());
        self.push(path, "valid JSON", e.to_string(), hint);
    }

    fn one(&mut self, text: &str, value: &Value, path: &str) {
        let before = self.errors.len();
        self.object(value, path, RECORD);
        self.relations(value, path);
        if self.errors.len() > before {
            return;
        }
        // The walk above sees values; reading the text itself also notices a key written twice.
        match serde_json::from_str::<PatientRecord>(text) {
            Ok(record) => self.records.push(record),
            Err(e) => self.syntax(path, &e),
        }
    }

    fn array(&mut self, text: &str, items: &[Value]) {
        let before = self.errors.len();
        for (i, item) in items.iter().enumerate() {
            let path = format!("$[{i}]");
            self.object(item, &path, RECORD);
            self.relations(item, &path);
        }
        if self.errors.len() > before {
            return;
        }
        match serde_json::from_str::<Vec<PatientRecord>>(text) {
            Ok(records) => self.records.extend(records),
            Err(e) => self.syntax("$", &e),
        }
    }

    fn lines(&mut self, text: &str) {
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let path = format!("line {}: $", i + 1);
            match serde_json::from_str::<Value>(line) {
                Ok(value) => self.one(line, &value, &path),
                Err(e) => self.syntax(&path, &e),
            }
        }
    }

    fn repeated_ids(&mut self) {
        let mut seen = BTreeSet::new();
        let twice: Vec<String> =
            self.records.iter().filter(|r| !seen.insert(&r.id)).map(|r| r.id.to_string()).collect();
        for id in twice {
            self.push("$", "each record id once", format!("\"{id}\" again"), "give every record an id of its own");
        }
    }

    fn object(&mut self, v: &Value, path: &str, fields: &[Field]) {
        let Some(map) = v.as_object() else {
            return self.push(path, "an object", describe(v), "see records/data/SCHEMA.md for its fields");
        };
        for Field(name, required, check) in fields {
            let at = format!("{path}.{name}");
            match map.get(*name) {
                Some(value) => check(self, value, &at),
                None if *required => self.push(&at, "this field", "nothing", format!("add `{name}`")),
                None => {}
            }
        }
        for key in map.keys().filter(|k| !fields.iter().any(|f| f.0 == k.as_str())) {
            let known: Vec<&str> = fields.iter().map(|f| f.0).collect();
            let hint = match known.iter().find(|k| alike(k, key)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; the fields here are {}", known.join(", ")),
            };
            let shown: String = key.escape_debug().take(60).collect();
            self.push(path, "only known fields", format!("the field `{shown}`"), hint);
        }
    }

    fn list(&mut self, v: &Value, path: &str, check: Check) {
        match v.as_array() {
            Some(items) => items.iter().enumerate().for_each(|(i, x)| check(self, x, &format!("{path}[{i}]"))),
            None => self.push(path, "an array", describe(v), "write [] where there is none"),
        }
    }

    fn text(&mut self, v: &Value, path: &str) {
        let Some(s) = v.as_str() else {
            return self.push(path, "a text", describe(v), "put it in double quotes");
        };
        if s.trim().is_empty() {
            self.push(path, "a text that says something", describe(v), "write it out, or leave the whole entry away");
        }
        if let Some(c) = s.chars().find(|c| c.is_control()) {
            let found = format!("the control character U+{:04X}", u32::from(c));
            self.push(path, "one line of plain text", found, "replace line breaks and tabs with spaces");
        }
    }

    /// `""` says that the source does not state the diagnosis; `relations` looks at what then hangs in the air.
    fn diagnosis_name(&mut self, v: &Value, path: &str) {
        if v.as_str() != Some("") {
            self.text(v, path);
        }
    }

    fn optional_text(&mut self, v: &Value, path: &str) {
        if !v.is_null() {
            self.text(v, path);
        }
    }

    fn boolean(&mut self, v: &Value, path: &str) {
        if !v.is_boolean() {
            self.push(path, "true or false", describe(v), "write it without quotes");
        }
    }

    fn integer(&mut self, v: &Value, path: &str, max: u64, hint: &str) {
        if v.as_u64().is_none_or(|n| n > max) {
            self.push(path, format!("a whole number from 0 to {max}"), describe(v), hint);
        }
    }

    fn age(&mut self, v: &Value, path: &str) {
        if !v.is_null() {
            let hint = "age in completed months; 90 years and over is written 1080; null where unknown";
            self.integer(v, path, MAX_AGE_MONTHS, hint);
        }
    }

    fn schema_version(&mut self, v: &Value, path: &str) {
        if v.as_u64() != Some(u64::from(PatientRecord::SCHEMA)) {
            let hint = "this build reads that version only; export the record again with it";
            self.push(path, format!("schema version {}", PatientRecord::SCHEMA), describe(v), hint);
        }
    }

    fn word(&mut self, v: &Value, path: &str, words: &[&str]) {
        if !v.as_str().is_some_and(|s| words.contains(&s)) {
            self.push(path, "one of the known words", describe(v), format!("use one of {}", words.join(", ")));
        }
    }

    fn subject(&mut self, v: &Value, path: &str) {
        if !v.as_str().is_some_and(|s| s.parse::<Topic>().is_ok_and(|t| t.aspect.is_none())) {
            self.push(path, "a topic's subject in snake_case", describe(v), "for example \"chest_pain\"");
        }
    }

    fn topic(&mut self, v: &Value, path: &str) {
        if v.as_str().is_none_or(|s| s.parse::<Topic>().is_err()) {
            let aspects: Vec<&str> = Aspect::ALL.iter().map(|a| a.word()).collect();
            let hint = format!("\"chest_pain\" or \"chest_pain/onset\"; aspects are {}", aspects.join(", "));
            self.push(path, "a topic", describe(v), hint);
        }
    }

    fn facts(&mut self, v: &Value, path: &str) {
        if let Some(n) = v.as_array().map(Vec::len).filter(|n| *n > MAX_FACTS) {
            let hint = "split the case, or drop facts nobody would ask for";
            return self.push(path, format!("at most {MAX_FACTS} facts"), format!("{n}"), hint);
        }
        self.list(v, path, |p, v, at| p.object(v, at, FACT));
    }

    /// What no single field shows: ids used twice, ids that lead nowhere, access that contradicts category, other names of
    /// a diagnosis that is not stated.
    fn relations(&mut self, record: &Value, path: &str) {
        self.unstated_diagnosis(record.get("diagnosis"), path);
        let facts = record.get("facts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, fact) in facts.iter().enumerate().take(MAX_FACTS + 1) {
            let word = |key: &str| fact.get(key).and_then(Value::as_str);
            if let Some(id) = word("id")
                && let Some(earlier) = first.insert(id, i)
            {
                let hint = format!("{path}.facts[{earlier}] has it already; number the facts f1, f2, ...");
                self.push(&format!("{path}.facts[{i}].id"), "an id of its own", describe(&fact["id"]), hint);
            }
            for (category, access) in [("exam", "on_exam"), ("test", "on_test")] {
                if word("access").is_some() && (word("category") == Some(category)) != (word("access") == Some(access))
                {
                    let at = format!("{path}.facts[{i}].access");
                    let expected = format!("`{access}` for category `{category}`, and for no other");
                    self.push(&at, expected, describe(&fact["access"]), "make access and category agree");
                }
            }
        }
        let contras = record.get("contraindications").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (i, c) in contras.iter().enumerate() {
            if let Some(because) = c.get("because").and_then(Value::as_str)
                && !first.contains_key(because)
            {
                let at = format!("{path}.contraindications[{i}].because");
                self.push(
                    &at,
                    "the id of one of the facts",
                    describe(&c["because"]),
                    "leave it out if no fact holds it",
                );
            }
        }
    }

    fn unstated_diagnosis(&mut self, diagnosis: Option<&Value>, path: &str) {
        let Some(d) = diagnosis.filter(|d| d.get("name").and_then(Value::as_str) == Some("")) else { return };
        for key in ["synonyms", "icd10", "condition"] {
            let held = d.get(key).filter(|v| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty()));
            if let Some(v) = held {
                let at = format!("{path}.diagnosis.{key}");
                let hint = "write the diagnosis in `name`, or leave this empty where the source does not state one";
                self.push(&at, "nothing, as `name` is empty", describe(v), hint);
            }
        }
    }
}

/// A slip of the pen: same letters but for case, separators, a plural, or one letter.
fn alike(known: &str, written: &str) -> bool {
    let plain = |s: &str| -> Vec<char> {
        s.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).take(40).collect()
    };
    let (a, b) = (plain(known), plain(written));
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    a.len().max(b.len()) - start - end <= 1
}
