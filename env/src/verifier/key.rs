//! What is worth finding out in a case: its weighty facts, near-identical ones grouped, weightiest first.

use super::words::{content, jaccard};
use bedside_records::{Access, Aspect, Fact, FactId, KnowledgeBase, PatientRecord, Polarity};

/// How a thing is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Ask,
    Examine,
    Test,
}

/// One thing worth finding out: any fact of the group will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyThing {
    pub facts: Vec<FactId>,
    /// The weightiest fact's.
    pub weight: u8,
    pub way: Way,
    /// Part of the complaint's own story: since when, what like, where.
    pub story: bool,
    group: String,
    /// Position of the weightiest fact in the record.
    lead: usize,
}

impl KeyThing {
    /// A sentence that says what doing it well looks like.
    pub fn sentence(&self, record: &PatientRecord) -> String {
        record.facts.get(self.lead).map_or_else(String::new, sentence)
    }
}

/// Weight below which a fact is not worth a criterion.
const WORTH: u8 = 4;

/// Things worth finding out, weightiest first; equal weights in record order.
pub fn key_things(record: &PatientRecord, most: usize) -> Vec<KeyThing> {
    let worth = |(_, f): &(usize, &Fact)| f.access != Access::Volunteered && f.weight > 0;
    let mut facts: Vec<(usize, &Fact)> = record.facts.iter().enumerate().filter(worth).collect();
    facts.sort_by_key(|(_, f)| std::cmp::Reverse(f.weight));
    // A record that weighs nothing highly still has its best.
    let floor = facts.get(2).map_or(1, |(_, third)| WORTH.min(third.weight));
    let mut things: Vec<KeyThing> = Vec::new();
    let mut said: Vec<(std::collections::BTreeSet<String>, Polarity)> = Vec::new();
    for (lead, f) in facts.into_iter().take_while(|(_, f)| f.weight >= floor) {
        let group = group(f);
        if let Some(t) = things.iter_mut().find(|t| t.group == group) {
            t.facts.push(f.id.clone());
            continue;
        }
        let words = content(&f.statement);
        let twin = said.iter().position(|(w, p)| *p == f.polarity && jaccard(w, &words) >= 0.6);
        if let Some(t) = twin.and_then(|i| things.get_mut(i)).filter(|t| t.way == way(f)) {
            t.facts.push(f.id.clone());
            continue;
        }
        if things.len() >= most {
            continue;
        }
        things.push(KeyThing {
            facts: vec![f.id.clone()],
            weight: f.weight,
            way: way(f),
            story: f.topic.aspect.is_some(),
            group,
            lead,
        });
        said.push((words, f.polarity));
    }
    things
}

fn way(f: &Fact) -> Way {
    match f.access {
        Access::OnExam => Way::Examine,
        Access::OnTest => Way::Test,
        _ => Way::Ask,
    }
}

/// One examination shows all of its site, one test all of its results, and some aspects of a symptom are one question.
fn group(f: &Fact) -> String {
    match (way(f), f.asked_as.first()) {
        (Way::Examine, Some(site)) => format!("exam {}", site.to_lowercase()),
        (Way::Test, Some(test)) => format!("test {}", test.to_lowercase()),
        _ => match f.topic.aspect {
            None => f.topic.subject.clone(),
            Some(a) => {
                let side = match a {
                    Aspect::Onset | Aspect::Duration => "onset",
                    Aspect::Character | Aspect::Severity => "character",
                    Aspect::Location | Aspect::Radiation => "location",
                    Aspect::Aggravating | Aspect::Relieving => "modifiers",
                    Aspect::Timing | Aspect::Progression | Aspect::Episodes => "course",
                    other => other.word(),
                };
                format!("{}/{side}", f.topic.subject)
            }
        },
    }
}

/// A subject in words.
pub(crate) fn subject_name(subject: &str) -> String {
    KnowledgeBase::builtin().finding(subject).map_or_else(|| subject.replace('_', " "), |f| f.name.to_lowercase())
}

fn sentence(f: &Fact) -> String {
    let name = subject_name(&f.topic.subject);
    let heard = f.statement.trim();
    let asked = f.asked_as.first().map_or(name.as_str(), String::as_str);
    match (way(f), f.polarity, f.topic.aspect) {
        (Way::Examine, ..) => format!("Examines ({asked}) and so finds: \"{heard}\""),
        (Way::Test, ..) => format!("Orders {asked} and so learns: \"{heard}\""),
        (Way::Ask, _, Some(aspect)) => format!("Asks about the {name} ({}) and so learns: \"{heard}\"", aspect.word()),
        (Way::Ask, Polarity::Present, None) => format!("Asks about {name} and so learns: \"{heard}\""),
        (Way::Ask, Polarity::Absent, None) => format!("Asks about {name} and so rules it out: \"{heard}\""),
    }
}
