//! Plain wording shared by the units: typed actions as speech, selections as flat statements, findings as chart lines.

use super::{Act, ActKind, PatientView, QuestionForm, Request, RequestKind, Selection, Understanding};
use crate::action::Action;
use crate::event::{Event, FactIx};
use bedside_records::{Category, KnowledgeBase, PatientRecord, Polarity, Topic};
use std::sync::Arc;

/// How a typed examination and a typed order begin when they are said.
const EXAMINES: &str = "I'd like to examine you: ";
const ORDERS: &str = "I'd like to order a test: ";

/// Sites that are not said as "the ...".
const SITES_SAID: [(&str, &str); 4] = [
    ("vitals", "your vital signs first"),
    ("general", "let me have a look at you in general"),
    ("gait", "please walk a few steps for me"),
    ("mental state", "a few questions about how your mind is working"),
];

/// A namespace for plain wording.
pub struct Phrasing;

impl Phrasing {
    /// A typed action as the doctor would say it, without control characters; bytes stay where they are.
    pub fn spoken(action: &Action) -> String {
        let said = Phrasing::worded(action);
        if said.chars().any(unspeakable) { printable(&said) } else { said }
    }

    fn worded(action: &Action) -> String {
        match action {
            Action::Say(text) => text.clone(),
            Action::Ask(what) => ask(what),
            Action::Examine(site) => match SITES_SAID.iter().find(|(name, _)| *name == site.trim()) {
                Some((_, said)) => format!("{EXAMINES}{said}."),
                None => format!("{EXAMINES}the {}.", site.trim().trim_start_matches("the ")),
            },
            Action::OrderTest(test) => format!("{ORDERS}{test}."),
            Action::Conclude { differential, plan } => {
                format!("My diagnosis is {}. {plan}", differential.join(", or else "))
            }
        }
    }

    /// Whether a line is a typed examination as [`Phrasing::spoken`] words it.
    pub fn is_examination(line: &str) -> bool {
        line.starts_with(EXAMINES)
    }

    /// The typed request whose wording ([`Phrasing::spoken`]) a text is, if it is that and nothing more.
    pub fn typed_as_spoken(text: &str) -> Option<Understanding> {
        let said = text.trim();
        // "H. pylori" is no end of a sentence.
        let ends = |part: &str| part.rsplit(' ').next().is_some_and(|last| last.chars().count() > 1);
        let one = |rest: &&str| {
            let ended = rest.match_indices(". ").any(|(i, _)| ends(&rest[..i]));
            !rest.trim().is_empty() && !rest.contains(['\n', '?', '!']) && !ended
        };
        if let Some(test) = said.strip_prefix(ORDERS).and_then(|r| r.strip_suffix('.')).filter(&one) {
            return Some(Phrasing::typed_test(test));
        }
        let rest = said.strip_prefix(EXAMINES).and_then(|r| r.strip_suffix('.')).filter(one)?;
        let site = match SITES_SAID.iter().find(|(_, said)| *said == rest) {
            Some((site, _)) => *site,
            None => rest.strip_prefix("the ")?,
        };
        Some(Phrasing::typed_exam(site))
    }

    /// A typed `Ask`: a topic (`chest_pain`, `chest_pain/onset`) or a category (`pmh`).
    pub fn typed_ask(what: &str) -> Option<Understanding> {
        let what = what.trim();
        let span = (0, ask(what).len() as u32);
        let (kind, form) = if let Ok(category) = what.parse::<Category>() {
            (RequestKind::History { topics: Vec::new(), categories: vec![category] }, QuestionForm::Open)
        } else {
            let topic: Topic = what.parse().ok()?;
            let finding = KnowledgeBase::builtin().finding(&topic.subject);
            let category =
                if topic.aspect.is_some() { Category::Hpi } else { finding.map_or(Category::Hpi, |f| f.category) };
            let form = if topic.aspect.is_some() { QuestionForm::Content } else { QuestionForm::Polar };
            (RequestKind::History { topics: vec![topic], categories: vec![category] }, form)
        };
        Some(Understanding {
            acts: vec![Act { kind: ActKind::Ask, span }],
            requests: vec![Request { kind, span, form }],
            ..Understanding::default()
        })
    }

    pub fn typed_exam(site: &str) -> Understanding {
        let kind = RequestKind::Exam { site: site.trim().to_lowercase() };
        one_request(ActKind::Examine, kind, Phrasing::spoken(&Action::Examine(site.to_owned())).len())
    }

    pub fn typed_test(test: &str) -> Understanding {
        let kind = RequestKind::Test { name: test.trim().to_lowercase() };
        one_request(ActKind::OrderTest, kind, Phrasing::spoken(&Action::OrderTest(test.to_owned())).len())
    }

    /// What was selected, in the record's own words and nothing else.
    pub fn flat(selection: &Selection, view: &PatientView<'_>) -> String {
        let mut said: Vec<String> = selection.told.iter().map(|(f, _)| view.case.fact(*f).statement.clone()).collect();
        if said.is_empty() {
            said.push(if !selection.unknown.is_empty() {
                "I don't know.".to_owned()
            } else if !selection.unclear.is_empty() {
                "What do you mean?".to_owned()
            } else {
                "All right.".to_owned()
            });
        }
        said.join(" ")
    }

    /// Examination findings and results as chart lines.
    pub fn chart(selection: &Selection, record: &PatientRecord, turn: u32) -> Vec<Event> {
        let fact = |ix: FactIx| &record.facts[ix.0 as usize];
        let mut events: Vec<Event> = selection
            .revealed
            .iter()
            .map(|(ix, _)| {
                let text: Arc<str> = fact(*ix).statement.as_str().into();
                match fact(*ix).category {
                    Category::Test => Event::ResultReturned { turn, text },
                    _ => Event::FindingRevealed { turn, text },
                }
            })
            .collect();
        for (what, _) in &selection.unremarkable {
            let text = Arc::from(format!("{}: no result on file.", printable(what).trim()));
            events.push(Event::ResultReturned { turn, text });
        }
        events
    }
}

/// A character that would steer a terminal or a log instead of being read.
fn unspeakable(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// Control characters as spaces, as many as they had bytes.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match unspeakable(c) {
            true => (0..c.len_utf8()).for_each(|_| out.push(' ')),
            false => out.push(c),
        }
        out
    })
}

fn one_request(act: ActKind, kind: RequestKind, len: usize) -> Understanding {
    let span = (0, len as u32);
    Understanding {
        acts: vec![Act { kind: act, span }],
        requests: vec![Request { kind, span, form: QuestionForm::Content }],
        ..Understanding::default()
    }
}

fn ask(what: &str) -> String {
    let kb = KnowledgeBase::builtin();
    match what.trim().parse::<Topic>() {
        Ok(Topic { subject, aspect: Some(aspect) }) => {
            let name = kb.finding(&subject).map_or_else(|| subject.replace('_', " "), |f| f.name.clone());
            format!("Tell me about the {name}: {}?", aspect.word())
        }
        Ok(Topic { subject, aspect: None }) => match kb.finding(&subject).and_then(|f| f.ask.first()) {
            Some(question) => question.clone(),
            None => format!("What about {}?", subject.replace('_', " ")),
        },
        Err(_) => what.to_owned(),
    }
}

/// With the Factual Unit off, a question about one thing brings out all that is filed beside it.
pub fn tell_whole_categories(selection: &mut Selection, understood: &Understanding, view: &PatientView<'_>) {
    for (i, request) in understood.requests.iter().enumerate() {
        let RequestKind::History { categories, .. } = &request.kind else { continue };
        let Some(category) = categories.first() else { continue };
        for ix in view.case.filed(*category) {
            let fact = view.case.fact(*ix);
            let new = view.disclosed[ix.0 as usize].is_none() && !selection.told.iter().any(|(f, _)| f == ix);
            if new && fact.polarity == Polarity::Present {
                selection.told.push((*ix, i as u16));
            }
        }
    }
    selection.withheld.clear();
}
