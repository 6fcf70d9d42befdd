//! The Termination Gate stops on a diagnosis, a referral or a farewell, and on nothing else.

use bedside_env::probe;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    id: String,
    context: String,
    utterance: String,
    ends: Option<String>,
}

/// False stops, missed stops, wrong reasons, and rows.
fn faults(name: &str, text: &str) -> (usize, usize, usize, usize) {
    let (mut stopped, mut missed, mut wrong, mut rows) = (0, 0, 0, 0);
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        rows += 1;
        let got = probe::gate(&row.utterance, &row.context);
        match (row.ends.as_deref(), got) {
            (want, got) if want == got => continue,
            (None, Some(_)) => stopped += 1,
            (Some(_), None) => missed += 1,
            _ => wrong += 1,
        }
        let u = probe::words(&probe::interpret(&row.utterance, &row.context, None, None));
        println!("{} {} | want {:?} got {got:?} | {:?} {:?}", row.id, row.utterance, row.ends, u.acts, u.diagnoses);
    }
    println!("{name}: {rows} utterances, {stopped} false stops, {missed} missed, {wrong} wrong reasons");
    (stopped, missed, wrong, rows)
}

#[test]
fn the_gate_neither_stops_early_nor_misses_an_end() {
    let (stopped, missed, wrong, rows) = faults("gate", include_str!("../data/gate.jsonl"));
    assert!(rows >= 130);
    assert_eq!((stopped, missed, wrong), (0, 0, 0));
}

#[test]
fn utterances_written_before_the_gate_was_tuned_are_decided_too() {
    let (stopped, missed, wrong, rows) = faults("blind", include_str!("../data/gate_blind.jsonl"));
    assert!(rows >= 40);
    assert!(stopped + missed + wrong <= 4, "{stopped} {missed} {wrong}");
}

#[test]
fn goodbyes_that_are_names_lists_that_are_no_verdict_and_quiet_endings_are_told_apart() {
    let (stopped, missed, wrong, rows) = faults("unseen", include_str!("../data/gate_unseen.jsonl"));
    assert!(rows >= 60);
    assert_eq!((stopped, missed, wrong), (0, 0, 0));
}
