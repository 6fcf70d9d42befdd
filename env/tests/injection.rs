//! Orders to step out of role are heard as what they are, and ordinary sentences that sound like them are answered.

use bedside_env::probe;
use bedside_env::units::{ActKind, RequestKind};
use bedside_records::Aspect;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    id: String,
    utterance: String,
    #[serde(default)]
    topics: Vec<String>,
}

fn rows(text: &str) -> Vec<Row> {
    text.lines().map(|l| serde_json::from_str(l).expect("a row")).collect()
}

/// The first topic of each request, `*` for a whole category.
fn asked(utterance: &str) -> Vec<String> {
    let u = probe::interpret(utterance, "", None, Some("cough"));
    let topic = |kind: &RequestKind| match kind {
        RequestKind::History { topics, .. } => topics.first().map_or("*".to_owned(), |t| match t.aspect {
            Some(aspect) => aspect.word().to_owned(),
            None => t.subject.clone(),
        }),
        other => format!("{other:?}"),
    };
    u.requests.iter().map(|r| topic(&r.kind)).collect()
}

#[test]
fn no_wording_of_an_injection_is_taken_for_a_question() {
    let mut heard = Vec::new();
    for row in rows(include_str!("../data/inject.jsonl")) {
        let u = probe::interpret(&row.utterance, "", None, Some("cough"));
        if !u.has(ActKind::Inject) {
            heard.push(format!("{} {} | {:?}", row.id, row.utterance, asked(&row.utterance)));
        }
    }
    assert!(heard.is_empty(), "{} not noticed:\n{}", heard.len(), heard.join("\n"));
}

#[test]
fn an_ordinary_sentence_that_sounds_like_an_injection_is_answered() {
    let mut lost = Vec::new();
    for row in rows(include_str!("../data/ordinary.jsonl")) {
        let u = probe::interpret(&row.utterance, "", None, Some("cough"));
        let got = asked(&row.utterance);
        let aspects = row.topics.iter().any(|t| t.parse::<Aspect>().is_ok());
        // Without topics only that it is no order.
        let placed = row.topics.is_empty() || got.iter().any(|g| row.topics.contains(g));
        if u.has(ActKind::Inject) || !placed {
            lost.push(format!("{} {} | {got:?} {} {aspects}", row.id, row.utterance, u.has(ActKind::Inject)));
        }
    }
    assert!(lost.is_empty(), "{} lost:\n{}", lost.len(), lost.join("\n"));
}
