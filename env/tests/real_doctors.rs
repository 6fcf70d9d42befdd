//! What real doctors said, none of whom tried to make the patient step out of role or left in the middle.

#![allow(clippy::disallowed_methods, reason = "tests may read the environment")]

use bedside_env::probe;
use bedside_env::units::ActKind;
use std::path::{Path, PathBuf};

/// Doctors' lines, dialogue by dialogue.
fn dialogues(data: &Path) -> Vec<Vec<String>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![data.join("osce_fareez")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the set").map(|e| e.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|e| e == "txt") {
                files.push(entry);
            }
        }
    }
    files.sort();
    let of_file = |f: &PathBuf| -> Vec<String> {
        let bytes = std::fs::read(f).expect("a file of the set");
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .filter_map(|l| l.trim_start_matches('\u{feff}').strip_prefix("D:"))
            .map(|l| l.trim().to_owned())
            .collect()
    };
    let mut all: Vec<Vec<String>> = files.iter().map(of_file).collect();
    let text = std::fs::read_to_string(data.join("primock57/consultations.jsonl")).expect("the set");
    for line in text.lines() {
        let one: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let said = one["dialogue"].as_array().expect("a list").iter().filter(|u| u["speaker"] == "doctor");
        all.push(said.map(|u| u["text"].as_str().unwrap_or("").to_owned()).collect());
    }
    all.retain(|d| d.len() > 3);
    all
}

#[test]
fn no_real_doctor_is_heard_as_an_injection_and_few_as_leaving_early() {
    let Some(data) = std::env::var_os("BEDSIDE_DATA").map(PathBuf::from) else {
        println!("skipped: BEDSIDE_DATA not set");
        return;
    };
    let (mut lines, mut injections, mut early, mut lost) = (0, 0, 0, 0);
    for dialogue in dialogues(&data) {
        for (i, line) in dialogue.iter().enumerate() {
            lines += 1;
            let u = probe::interpret(line, "", None, Some("cough"));
            if u.has(ActKind::Inject) {
                injections += 1;
                let act = u.acts.iter().find(|a| a.kind == ActKind::Inject).expect("one");
                let from = line.get(act.span.0 as usize..).unwrap_or(line);
                println!("inject: {}", from.chars().take(400).collect::<String>());
            }
            lost += usize::from(line.chars().any(char::is_alphabetic) && u.acts.is_empty());
            if i * 2 < dialogue.len() && probe::gate(line, "") == Some("farewell") {
                early += 1;
                println!("farewell: {line}");
            }
        }
    }
    println!("{lines} lines, {injections} heard as injections, {early} as goodbyes in the first half");
    assert!(lines > 10_000);
    assert_eq!((injections, early, lost), (0, 0, 0));
}
