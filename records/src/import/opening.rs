//! How a consultation opens: the line, the fact it tells, and what is kept for the doctor's opening question.

use super::case::{Case, one_line};
use super::narrative::topic::{TopicIndex, content_words, topic};
use super::narrative::voice::{article, lower_first};
use super::narrative::{Draft, Narrator, Section};
use super::truth::gives_away;
use crate::fact::{Category, Polarity};
use std::collections::BTreeSet;

impl Case {
    /// What may be told unasked: a symptom that is there and does not name the diagnosis.
    pub(super) fn opens(&self, d: &Draft) -> bool {
        matches!(d.category, Category::Hpi | Category::Ros)
            && d.polarity == Polarity::Present
            && !gives_away(&d.statement, &self.diagnosis)
    }

    /// The opening line; never the diagnosis, one of its names or its initials.
    pub(super) fn chief_complaint(&self) -> String {
        let own = self.own_words.iter().map(|w| one_line(&self.scrub(w)));
        let said = self.complaints.iter().map(|c| self.spoken_complaint(&self.scrub(c)));
        let told = self.drafts.iter().filter(|d| self.opens(d)).map(|d| one_line(&d.statement));
        let found = own.chain(said).chain(told).find(|c| c.len() > 4 && !gives_away(c, &self.diagnosis));
        found.unwrap_or_else(|| self.narrator.voice().sentence("I haven't been well"))
    }

    /// Puts the fact that the opening line tells first, so that what is still untold answers the doctor's opening question. A
    /// line that no fact holds becomes one.
    pub(super) fn open_with(&mut self, complaint: &str) {
        let words: BTreeSet<String> = content_words(complaint).collect();
        let (about, finding) = topic(complaint, Category::Hpi);
        let shared = |d: &Draft| {
            let same = finding.is_some() && d.topic.subject == about.subject && d.topic.aspect.is_none();
            let held = content_words(&d.statement).filter(|w| words.contains(w)).collect::<BTreeSet<_>>().len();
            if same { words.len().max(held) } else { held }
        };
        let best = (0..self.drafts.len())
            .filter(|i| self.opens(&self.drafts[*i]) && shared(&self.drafts[*i]) * 2 > words.len())
            .max_by_key(|i| (shared(&self.drafts[*i]), std::cmp::Reverse(*i)));
        let first = match best {
            Some(i) => self.drafts.remove(i),
            None => Draft {
                category: Category::Hpi,
                topic: about,
                statement: complaint.to_owned(),
                polarity: Polarity::Present,
                sensitivity: 0,
                asked_as: Vec::new(),
                source: String::new(),
            },
        };
        self.drafts.insert(0, first);
    }

    /// "Confusion" -> "I've been confused", as the knowledge base says it, or "I've had ...".
    fn spoken_complaint(&self, text: &str) -> String {
        let voice = self.narrator.voice();
        let text = text.trim().trim_end_matches('.').split(['\n', ';']).next().unwrap_or_default().trim();
        let named = TopicIndex::builtin().and_then(|t| t.best(text, Category::Hpi)).filter(|n| {
            matches!(n.finding.category, Category::Hpi | Category::Ros) && n.end - n.start + 3 >= text.len()
        });
        match named.and_then(|n| n.finding.yes.first()) {
            Some(yes) if !voice.parent => format!("{yes}."),
            _ => {
                let lower = text.to_lowercase();
                let visit = [
                    "exam",
                    "follow",
                    "check",
                    "visit",
                    "evaluation",
                    "physical",
                    "labs",
                    "consult",
                    "referral",
                    "review",
                    "problems",
                    "establish",
                    "refill",
                ];
                if visit.iter().any(|w| lower.contains(w)) {
                    let noun = lower_first(&voice.first(text));
                    let bare = ["annual", "follow-up", "checkup", "routine", "yearly", "general"]
                        .iter()
                        .any(|w| noun.starts_with(w))
                        && !noun.ends_with('s');
                    return voice.sentence(&format!(
                        "I've come for {}{noun}",
                        if !bare {
                            ""
                        } else if noun.starts_with('a') {
                            "an "
                        } else {
                            "a "
                        }
                    ));
                }
                let first_person = ["i ", "i'", "my "].iter().any(|p| lower.starts_with(p));
                if first_person {
                    return voice.sentence(text);
                }
                // Read as any other line of the note.
                let read = Narrator::new(&self.demographics).tell(text, Section::Of(Category::Hpi));
                let symptom = read.into_iter().find(|d| {
                    d.polarity == Polarity::Present
                        && !matches!(d.category, Category::Exam | Category::Test | Category::Demographic)
                });
                symptom.map_or_else(
                    || voice.sentence(&format!("I've had {}", article(&lower_first(&voice.first(text))))),
                    |d| d.statement,
                )
            }
        }
    }
}
