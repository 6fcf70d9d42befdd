//! Published question sets, as published: every `.json` and `.jsonl` of the set's folder. A row that cannot become a task is a
//! miss with a reason, counted and never guessed at.

use super::answer::{self, MARK};
use super::check::{Check, Unchecked};
use super::{Set, Task};
use bedside_lm::{Message, Role};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What a set's folder holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    pub tasks: Vec<Task>,
    pub missed: Vec<Missed>,
}

/// A row that is no task.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{file}, row {row}: {why}")]
pub struct Missed {
    pub file: String,
    /// From 1.
    pub row: usize,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Why {
    #[error("no JSON: {0}")]
    Json(String),
    #[error("`{0}` is missing or is no text")]
    Field(&'static str),
    #[error("the right answer `{0}` cannot be read")]
    Answer(String),
    #[error(transparent)]
    Unchecked(#[from] Unchecked),
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(
        "{path}: {source}\nhint: --data names the folder that holds the sets' folders, such as DIR/gsm8k/train.jsonl"
    )]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0} holds no .json or .jsonl file\nhint: put the set's file there as published")]
    Empty(PathBuf),
    #[error("none of the {rows} rows of {path} is a task; the first: {first}\nhint: check that it is this set's file")]
    NoTask { path: PathBuf, rows: usize, first: Box<Missed> },
}

/// Reads `DIR/<set>/`. A set of our own needs no folder and has no rows here.
pub fn read(set: Set, data: &Path) -> Result<Read, ReadError> {
    let folder = data.join(set.name());
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError::Io { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(io(&folder))? {
        let path = entry.map_err(io(&folder))?.path();
        if path.extension().is_some_and(|e| e == "json" || e == "jsonl") {
            files.push(path);
        }
    }
    // A listing has no order of its own.
    files.sort();
    if files.is_empty() {
        return Err(ReadError::Empty(folder));
    }
    let mut out = Read::default();
    for path in files {
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = read_text(set, &file, &text);
        out.tasks.extend(read.tasks);
        out.missed.extend(read.missed);
    }
    match out.missed.first() {
        Some(first) if out.tasks.is_empty() => {
            Err(ReadError::NoTask { path: folder, rows: out.missed.len(), first: Box::new(first.clone()) })
        }
        _ => Ok(out),
    }
}

/// The rows of one file: a JSON object of rows by id, a JSON list of rows, or a row a line.
pub fn read_text(set: Set, file: &str, text: &str) -> Read {
    let text = text.trim_start_matches('\u{feff}');
    let mut out = Read::default();
    let mut take = |row: usize, id: String, value: Result<Value, Why>| {
        let task = value.and_then(|v| one(set, id, &v)).and_then(|t| Ok(t.check.sound().map(|()| t)?));
        match task {
            Ok(task) => out.tasks.push(task),
            Err(why) => out.missed.push(Missed { file: file.to_owned(), row, why }),
        }
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(rows)) => {
            rows.into_iter().enumerate().for_each(|(i, v)| take(i + 1, format!("{file}:{}", i + 1), Ok(v)));
        }
        // An object whose values are objects holds rows by their ids; any other is a row itself.
        Ok(Value::Object(rows)) if rows.values().all(Value::is_object) => {
            rows.into_iter().enumerate().for_each(|(i, (id, v))| take(i + 1, id, Ok(v)));
        }
        _ => {
            for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
                let value = serde_json::from_str(line).map_err(|e| Why::Json(e.to_string()));
                take(i + 1, format!("{file}:{}", i + 1), value);
            }
        }
    }
    out
}

fn one(set: Set, id: String, row: &Value) -> Result<Task, Why> {
    match set {
        Set::Medmcqa => medmcqa(id, row),
        Set::Pubmedqa => pubmedqa(id, row),
        Set::Gsm8k => gsm8k(id, row),
        Set::Medcalc => medcalc(id, row),
        Set::Instructions => Err(Why::Field("nothing to read: instructions are generated")),
    }
}

fn field<'a>(row: &'a Value, name: &'static str) -> Result<&'a str, Why> {
    row[name].as_str().map(str::trim).filter(|t| !t.is_empty()).ok_or(Why::Field(name))
}

/// A text, or a number as text.
fn shown(row: &Value, name: &'static str) -> Result<String, Why> {
    match &row[name] {
        Value::Number(n) => Ok(n.to_string()),
        _ => field(row, name).map(str::to_owned),
    }
}

fn task(set: Set, id: String, family: &str, question: String, form: &str, check: Check) -> Task {
    let prompt = format!("{question}\n\nEnd with one line that reads `{MARK} ` and then {form}.");
    Task { set, id, family: family.to_owned(), messages: vec![Message::new(Role::User, prompt)], check }
}

fn medmcqa(id: String, row: &Value) -> Result<Task, Why> {
    let question = field(row, "question")?;
    let given = row["options"].as_object().ok_or(Why::Field("options"))?;
    let mut options: Vec<(char, String)> = Vec::with_capacity(given.len());
    for (letter, text) in given {
        let mut chars = letter.chars();
        match (chars.next(), chars.next(), text.as_str()) {
            (Some(l), None, Some(text)) if l.is_ascii_uppercase() => options.push((l, text.trim().to_owned())),
            _ => return Err(Why::Field("options")),
        }
    }
    options.sort();
    let answer = field(row, "answer_idx")?;
    let mut chars = answer.chars();
    let (Some(right), None) = (chars.next(), chars.next()) else { return Err(Why::Answer(answer.to_owned())) };
    let listed: Vec<String> = options.iter().map(|(l, t)| format!("{l}. {t}")).collect();
    let letters: Vec<String> = options.iter().map(|(l, _)| l.to_string()).collect();
    let form = format!("the letter of the one best option ({})", letters.join(", "));
    let check = Check::Letter { right, options };
    Ok(task(Set::Medmcqa, id, question, format!("{question}\n{}", listed.join("\n")), &form, check))
}

fn pubmedqa(id: String, row: &Value) -> Result<Task, Why> {
    let question = field(row, "QUESTION")?;
    let contexts: Option<Vec<&str>> = row["CONTEXTS"].as_array().and_then(|c| c.iter().map(Value::as_str).collect());
    let contexts = contexts.filter(|c| !c.is_empty()).ok_or(Why::Field("CONTEXTS"))?;
    // The conclusion (LONG_ANSWER) would give the answer away.
    let check = Check::Word {
        right: field(row, "final_decision")?.to_lowercase(),
        among: ["yes", "no", "maybe"].map(str::to_owned).to_vec(),
    };
    let asked = format!("{}\n\nQuestion: {question}", contexts.join("\n"));
    Ok(task(Set::Pubmedqa, id, question, asked, "yes, no or maybe", check))
}

fn gsm8k(id: String, row: &Value) -> Result<Task, Why> {
    let question = field(row, "question")?;
    let solution = field(row, "answer")?;
    let right = solution.rsplit_once("####").map(|(_, r)| r.trim()).ok_or_else(|| Why::Answer(last_line(solution)))?;
    let number = answer::number(right).ok_or_else(|| Why::Answer(right.to_owned()))?;
    Ok(task(Set::Gsm8k, id, question, question.to_owned(), "one number", Check::Number(number)))
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

fn medcalc(id: String, row: &Value) -> Result<Task, Why> {
    let (note, question) = (field(row, "Patient Note")?, field(row, "Question")?);
    let right = shown(row, "Ground Truth Answer")?;
    let unreadable = || Why::Answer(right.clone());
    let (check, form) = if let Some((weeks, days)) = answer::weeks_days(&right) {
        (Check::WeeksDays(weeks, days), "the weeks and days as (W weeks, D days)")
    } else if let Some((y, m, d)) = answer::date(&right) {
        (Check::Date(y, m, d), "the date as MM/DD/YYYY")
    } else {
        let limit = |name| shown(row, name)?.parse::<f64>().map_err(|_| Why::Field(name));
        let right: f64 = right.parse().map_err(|_| unreadable())?;
        // Five per cent of a negative number below it is above it.
        let (a, b) = (limit("Lower Limit")?, limit("Upper Limit")?);
        let (low, high) = (a.min(b), a.max(b));
        if !(low..=high).contains(&right) {
            return Err(unreadable());
        }
        (Check::Within { low, high }, "one number")
    };
    Ok(task(Set::Medcalc, id, note, format!("Patient note: {note}\n\n{question}"), form, check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Verdict, split};

    const MCQ: &str = r#"{"question": "Which organ makes insulin?", "realidx": "x1", "options": {"B": "Spleen", "A": "Pancreas"}, "answer_idx": "A", "answer": "Pancreas"}"#;
    const SUM: &str = r#"{"question": "Ann has 600 pills and buys twice as many. How many has she?", "answer": "600 * 3 = <<600*3=1800>>1800\n#### 1,800"}"#;
    const ABSTRACT: &str = r#"{"77": {"QUESTION": "Do walks help?", "CONTEXTS": ["We asked 20 people.", "18 felt better."], "LABELS": ["A", "B"], "LONG_ANSWER": "Walks helped.", "final_decision": "yes"}}"#;
    const CALC: &str = r#"{"Row Number": 3, "Patient Note": "A man of 70 kg and 175 cm.", "Question": "What is his body mass index in kg/m^2?", "Ground Truth Answer": "22.857", "Lower Limit": "21.714", "Upper Limit": "24.0"}
{"Patient Note": "Last period on 01/02/2023.", "Question": "When is the child due?", "Ground Truth Answer": "10/09/2023", "Lower Limit": "10/09/2023", "Upper Limit": "10/09/2023"}
{"Patient Note": "Last period on 01/02/2023; today is 01/30/2023.", "Question": "How old is the pregnancy?", "Ground Truth Answer": "('4 weeks', '0 days')", "Lower Limit": "('4 weeks', '0 days')", "Upper Limit": "('4 weeks', '0 days')"}
{"Patient Note": "Sodium 140.", "Question": "The gap?", "Ground Truth Answer": -6, "Lower Limit": -5.7, "Upper Limit": -6.3}"#;

    #[test]
    fn hand_written_rows_in_the_published_formats_become_tasks() {
        for (set, text, n, right) in [
            (Set::Medmcqa, MCQ, 1, "Answer: A. Pancreas"),
            (Set::Gsm8k, SUM, 1, "Answer: 1800 pills"),
            (Set::Pubmedqa, ABSTRACT, 1, "Answer: yes"),
            (Set::Medcalc, CALC, 4, "Answer: 22.9 kg/m^2"),
        ] {
            let read = read_text(set, "rows", text);
            assert_eq!((read.tasks.len(), &read.missed), (n, &Vec::new()), "{set}");
            assert_eq!(read.tasks[0].check.judge(right), Ok(Verdict::Right), "{set}");
            for task in &read.tasks {
                let example = task.check.example().expect("one");
                assert_eq!(task.check.judge(&example), Ok(Verdict::Right), "{example}");
                assert_eq!(task.check.judge("I do not know."), Ok(Verdict::Unparsed));
                let prompt = &task.messages[0].content;
                assert!(prompt.contains("`Answer: `") && !prompt.contains("Walks helped"), "{prompt}");
            }
        }
        let read = read_text(Set::Medcalc, "rows", CALC);
        let kinds: Vec<&Check> = read.tasks.iter().map(|t| &t.check).collect();
        assert_eq!(kinds[1..3], [&Check::Date(2023, 10, 9), &Check::WeeksDays(4, 0)]);
        assert_eq!(*kinds[3], Check::Within { low: -6.3, high: -5.7 });
    }

    #[test]
    fn rows_that_are_no_tasks_are_misses_with_a_reason() {
        for (set, row, reason) in [
            (Set::Gsm8k, "{\"question\": \"How many?\", \"answer\": \"Four.\"}", "`Four.` cannot be read"),
            (Set::Gsm8k, "{\"question\": \"How many?\", \"answer\": \"#### 4 or 5\"}", "cannot be read"),
            (Set::Gsm8k, "{\"answer\": \"#### 4\"}", "`question` is missing"),
            (Set::Gsm8k, "{\"question\": ", "no JSON"),
            (
                Set::Medmcqa,
                &MCQ.replace("\"answer_idx\": \"A\"", "\"answer_idx\": \"D\"")[..],
                "none of the options: D",
            ),
            (Set::Medmcqa, &MCQ.replace("\"B\": \"Spleen\"", "\"B\": 5")[..], "`options`"),
            (Set::Pubmedqa, &ABSTRACT.replace("\"yes\"", "\"perhaps\"")[..], "none of the options: perhaps"),
            (Set::Medcalc, &CALC.lines().next().unwrap_or_default().replace("21.714", "n/a")[..], "`Lower Limit`"),
            (Set::Medcalc, &CALC.lines().next().unwrap_or_default().replace("22.857", "25")[..], "`25` cannot be read"),
        ] {
            let read = read_text(set, "rows", row);
            assert!(read.tasks.is_empty(), "{row}");
            let said = read.missed[0].to_string();
            assert!(said.contains(reason) && said.contains("row 1"), "{said}");
        }
    }

    #[test]
    fn families_stay_on_one_side_of_the_split() {
        let rows: Vec<String> = (0..400)
            .map(|i| CALC.lines().next().unwrap_or_default().replace("70 kg", &format!("{} kg", i / 4)))
            .collect();
        let read = read_text(Set::Medcalc, "rows", &rows.join("\n"));
        let (learnt, held) = split(read.tasks, 20);
        assert!((40..120).contains(&held.len()) && held.len() % 4 == 0, "{}", held.len());
        assert!(held.iter().all(|h| learnt.iter().all(|l| l.family != h.family)));
    }

    #[test]
    fn published_rows_all_become_tasks_that_their_own_answer_solves() {
        let Ok(data) = std::env::var("BEDSIDE_DATA") else {
            println!("skipped: BEDSIDE_DATA not set");
            return;
        };
        for (set, least) in [(Set::Medmcqa, 1000), (Set::Pubmedqa, 300), (Set::Gsm8k, 2000), (Set::Medcalc, 500)] {
            let read = read(set, Path::new(&data)).expect("reads");
            assert!(read.tasks.len() >= least && read.missed.is_empty(), "{set}: {:?}", read.missed.first());
            for task in &read.tasks {
                let example = task.check.example().expect("one");
                assert_eq!(task.check.judge(&example), Ok(Verdict::Right), "{set} {}: {example}", task.id);
            }
        }
    }

    #[test]
    fn a_folder_that_is_not_there_or_holds_another_set_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = read(Set::Gsm8k, folder.path()).expect_err("nothing there").to_string();
        assert!(said.contains("hint: "), "{said}");
        let of = folder.path().join("gsm8k");
        fs::create_dir(&of).expect("made");
        assert!(matches!(read(Set::Gsm8k, folder.path()), Err(ReadError::Empty(_))));
        fs::write(of.join("train.jsonl"), MCQ).expect("written");
        let said = read(Set::Gsm8k, folder.path()).expect_err("another set").to_string();
        assert!(said.contains("`answer`") || said.contains("cannot be read"), "{said}");
    }
}
