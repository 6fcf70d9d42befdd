//! The canary test: every hidden string of a record becomes a word that occurs nowhere else, and no such word may reach an
//! observation before a question has earned it.

use bedside_env::event::{Because, Event, FactIx};
use bedside_env::units::ActKind;
use bedside_env::{EpisodeLog, Observation};
use bedside_records::PatientRecord;

/// The canary of the `i`-th fact.
pub fn canary(i: usize) -> String {
    format!("zq{i:04}x")
}

/// The same record with every statement, the diagnosis and all that hangs on it replaced by canaries. Topics, categories and
/// what is asked for stay, so it plays like the original.
pub fn with_canaries(record: &PatientRecord) -> PatientRecord {
    let mut r = record.clone();
    for (i, fact) in r.facts.iter_mut().enumerate() {
        let word = canary(i);
        fact.statement = format!("It is {word} and {word}.");
        fact.source_text = fact.source_text.as_ref().map(|_| word);
    }
    let base = r.facts.len();
    let hidden = std::iter::once(&mut r.diagnosis.name)
        .chain(&mut r.diagnosis.synonyms)
        .chain(&mut r.diagnosis.differential)
        .chain(&mut r.management)
        .chain(&mut r.safety_net)
        .chain(r.contraindications.iter_mut().flat_map(|c| [&mut c.treatment, &mut c.why]));
    for (i, text) in hidden.enumerate() {
        *text = canary(base + i);
    }
    r
}

/// Canary numbers in a text, each once, in order of first appearance.
pub fn canaries_in(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("zq") {
        rest = &rest[at + 2..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if digits.len() >= 4
            && rest[digits.len()..].starts_with('x')
            && let Ok(n) = digits.parse()
            && !found.contains(&n)
        {
            found.push(n);
        }
    }
    found
}

/// Canaries the observation holds that no question has earned: never disclosed, or disclosed to something that was no question.
pub fn unearned(o: &Observation, log: &EpisodeLog) -> Vec<usize> {
    let text: String = o
        .dialogue
        .iter()
        .map(|l| &*l.text)
        .chain(o.told.iter().map(|t| t.statement.as_str()))
        .chain([&*o.chief_complaint, &*o.patient])
        .collect::<Vec<_>>()
        .join("\n")
        .to_lowercase();
    canaries_in(&text).into_iter().filter(|i| !earned(*i, log)).collect()
}

/// Whether some question, examination or order earned this fact.
fn earned(i: usize, log: &EpisodeLog) -> bool {
    let disclosure = log.events.iter().find_map(|e| match e {
        Event::FactDisclosed { turn, fact: FactIx(f), because } if *f as usize == i => Some((*turn, *because)),
        _ => None,
    });
    match disclosure {
        None => false,
        Some((_, Because::Opening)) => true,
        Some((turn, Because::Request(r))) => log.events.iter().any(|e| match e {
            Event::UtteranceUnderstood { turn: t, understanding } if *t == turn => {
                let Some(request) = understanding.requests.get(r as usize) else { return false };
                let overlaps = |(a, b): (u32, u32)| a < request.span.1 && request.span.0 < b;
                !understanding.acts.iter().any(|a| a.kind == ActKind::Inject && overlaps(a.span))
            }
            _ => false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_found_wherever_they_stand() {
        assert_eq!(canaries_in("it is zq0004x, and zq0012x zq0004x zq12x zqx"), vec![4, 12]);
    }
}
