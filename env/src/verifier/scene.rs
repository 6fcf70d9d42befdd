//! A consultation as the judge sees it: what was asked, what that earned, what was said, what was concluded. Built once per
//! score from the events alone.

use super::names::{self, DiagnosisNames};
use super::words::{Cue, Hit, cues, sentence_at};
use crate::action::Action;
use crate::event::{Because, Event, FactIx};
use crate::rubric::Findings;
use crate::units::{ActKind, Case, Phrasing, RequestKind, Understanding};
use bedside_records::{Access, Category, FactId, Topic};
use std::collections::BTreeSet;

/// Requests of one turn that can earn something: who asks everything at once is heard for the first four.
pub const HEARD: u16 = 4;

/// One doctor turn that was played, not rejected.
pub(crate) struct Turn<'a> {
    pub number: u32,
    /// Event number of the action.
    pub event: u32,
    /// What was said freely: the text, or the plan of a conclusion. Typed requests say nothing of their own.
    pub text: &'a str,
    pub typed: bool,
    pub hits: Vec<Hit>,
    pub understood: Option<&'a Understanding>,
    /// Where `text` begins in the utterance that `understood` has spans of.
    offset: usize,
}

/// A fact that a request brought out.
#[derive(Clone, Copy)]
pub(crate) struct Earned {
    pub fact: FactIx,
    pub turn: u32,
    pub event: u32,
}

/// The conclusion.
pub(crate) struct Assessment<'a> {
    pub turn: u32,
    pub event: u32,
    pub differential: &'a [String],
    pub plan: &'a str,
    /// Place of the right diagnosis, from 1.
    pub right_at: Option<u32>,
    /// Diagnoses named, packed entries counted one by one.
    pub named: usize,
}

/// The whole.
pub(crate) struct Scene<'a> {
    pub case: &'a Case,
    /// Only what comes after this doctor turn is judged; what came before is known.
    pub after: u32,
    pub turns: Vec<Turn<'a>>,
    pub earned: Vec<Earned>,
    pub unknown: Vec<(&'a Topic, u32, u32)>,
    withheld: BTreeSet<(u32, FactIx)>,
    pub assessment: Option<Assessment<'a>>,
}

impl<'a> Scene<'a> {
    pub fn new(case: &'a Case, events: &'a [Event], after: u32) -> Scene<'a> {
        let mut s = Scene {
            case,
            after,
            turns: Vec::new(),
            earned: Vec::new(),
            unknown: Vec::new(),
            withheld: BTreeSet::new(),
            assessment: None,
        };
        for (i, event) in events.iter().enumerate() {
            s.take(i as u32, event);
        }
        s
    }

    fn take(&mut self, i: u32, event: &'a Event) {
        match event {
            Event::ActionTaken { turn, action, .. } => {
                let (text, typed) = match &action.action {
                    Action::Say(text) => (text.as_str(), false),
                    Action::Conclude { plan, .. } => (plan.as_str(), false),
                    _ => ("", true),
                };
                // A conclusion is understood as it is spoken: the diagnoses first, then the plan.
                let offset = match &action.action {
                    Action::Conclude { .. } => Phrasing::spoken(&action.action).len() - text.len(),
                    _ => 0,
                };
                self.turns.push(Turn {
                    number: *turn,
                    event: i,
                    text,
                    typed,
                    hits: Vec::new(),
                    understood: None,
                    offset,
                });
            }
            // A turn that could not be played earns nothing by its words either.
            Event::ActionRejected { turn, .. } => self.turns.retain(|t| t.number != *turn),
            Event::UtteranceUnderstood { turn, understanding } => {
                if let Some(t) = self.turns.last_mut().filter(|t| t.number == *turn) {
                    t.understood = Some(understanding);
                    t.hits = cues(t.text);
                }
            }
            Event::FactDisclosed { turn, fact, because: Because::Request(request) }
                if *request < HEARD && (fact.0 as usize) < self.case.record.facts.len() =>
            {
                self.earned.push(Earned { fact: *fact, turn: *turn, event: i });
            }
            Event::TopicUnknown { turn, topic } => self.unknown.push((topic, *turn, i)),
            Event::FactWithheld { turn, fact } => {
                self.withheld.insert((*turn, *fact));
            }
            Event::AssessmentGiven { turn, differential, plan } if !differential.is_empty() => {
                let right = DiagnosisNames::new(&self.case.record.diagnosis);
                let (right_at, named) = names::place(&right, differential);
                self.assessment = Some(Assessment { turn: *turn, event: i, right_at, named, differential, plan });
            }
            _ => {}
        }
    }

    /// Turns that are judged.
    pub fn judged(&self) -> impl Iterator<Item = &Turn<'a>> {
        self.turns.iter().filter(|t| t.number > self.after)
    }

    /// The first disclosure of one of these facts, within what is judged.
    pub fn earned_any(&self, ids: &[FactId]) -> Option<u32> {
        self.earned.iter().filter(|e| e.turn > self.after).find(|e| ids.contains(self.id(e.fact))).map(|e| e.event)
    }

    /// Whether one of these facts is known at all, from before or since.
    pub fn known_any(&self, ids: &[FactId], by: u32) -> bool {
        self.earned.iter().any(|e| e.turn <= by && ids.contains(self.id(e.fact)))
    }

    pub fn id(&self, fact: FactIx) -> &FactId {
        &self.case.fact(fact).id
    }

    /// Cues of a kind in what is judged, outside sentences that only claim; with their turns.
    pub fn said(&self, cue: Cue) -> impl Iterator<Item = (&Turn<'a>, &Hit)> {
        self.judged().flat_map(move |t| {
            let real = move |h: &&Hit| h.cue == cue && !t.claims(h.at.0);
            t.hits.iter().filter(real).map(move |h| (t, h))
        })
    }

    /// Acts of a kind in what is judged, with the text they stand in; claims left out.
    pub fn acted(&self, kind: ActKind) -> impl Iterator<Item = (&Turn<'a>, &'a str)> {
        self.judged().flat_map(move |t| {
            let acts = t.understood.map_or(&[][..], |u| &u.acts);
            acts.iter().filter(move |a| a.kind == kind).filter_map(move |a| {
                let (from, to) = (a.span.0 as usize, a.span.1 as usize);
                let text = t.text.get(from.checked_sub(t.offset)?..to.checked_sub(t.offset)?.min(t.text.len()))?;
                let claim =
                    t.hits.iter().any(|h| h.cue == Cue::Claim && h.at.0 < to - t.offset && h.at.1 > from - t.offset);
                (!claim && !text.trim().is_empty()).then_some((t, text))
            })
        })
    }

    /// Whether enough was found out for manners to count.
    pub fn worked(&self) -> bool {
        let available =
            self.case.record.facts.iter().filter(|f| f.access != Access::Volunteered && f.weight > 0).count();
        self.earned.len() >= available.min(2)
    }

    pub fn findings(&self, fragment: bool) -> Findings {
        let weight = |f: FactIx| u32::from(self.case.fact(f).weight);
        let unasked = self.case.record.facts.iter().filter(|f| f.access != Access::Volunteered);
        Findings {
            facts: self.earned.len() as u32,
            weight: self.earned.iter().map(|e| weight(e.fact)).sum(),
            weight_available: unasked.map(|f| u32::from(f.weight)).sum(),
            concluded: self.assessment.is_some(),
            diagnosis_at: self.assessment.as_ref().and_then(|a| a.right_at),
            diagnosis_unstated: !self.case.record.diagnosis.is_stated(),
            fragment,
        }
    }

    /// Questions put again although they had been put and answered, and lines said over again: event numbers.
    pub fn repeats(&self) -> Vec<u32> {
        let mut asked: BTreeSet<String> = BTreeSet::new();
        let mut lines: BTreeSet<String> = BTreeSet::new();
        let mut out = Vec::new();
        for t in &self.turns {
            let keys: BTreeSet<String> = t.requests().filter_map(|r| self.key(r, t.number)).collect();
            let again = keys.iter().any(|k| asked.contains(k));
            let line: String = t.text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            let parrot = line.len() > 12 && !lines.insert(line);
            if (again || parrot) && t.number > self.after {
                out.push(t.event);
            }
            asked.extend(keys);
        }
        out
    }

    /// Turns that asked something new and understood.
    pub fn asked_anew(&self) -> Option<u32> {
        let mut asked: BTreeSet<String> = BTreeSet::new();
        for t in &self.turns {
            let keys: Vec<String> = t.requests().filter_map(|r| self.key(r, t.number)).collect();
            if t.number > self.after && keys.iter().any(|k| !asked.contains(k)) {
                return Some(t.event);
            }
            asked.extend(keys);
        }
        None
    }

    /// What a request asks for, in one word; `None` where asking again is no fault: open questions, unclear ones, and what
    /// the patient kept back.
    fn key(&self, request: &RequestKind, turn: u32) -> Option<String> {
        match request {
            RequestKind::Open | RequestKind::Unclear => None,
            RequestKind::Exam { site } => Some(format!("exam {site}")),
            RequestKind::Test { name } => Some(format!("test {name}")),
            RequestKind::History { topics, categories } => {
                let Some(topic) = topics.first() else { return categories.first().map(|c| c.word().to_owned()) };
                let kept = self.case.about(&topic.subject).iter().any(|f| self.withheld.contains(&(turn, *f)));
                (!kept).then(|| topic.to_string())
            }
        }
    }

    /// The first judged request for history of a category.
    pub fn covered(&self, category: Category) -> Option<u32> {
        let hit = |r: &RequestKind| match r {
            RequestKind::History { topics, categories } => match topics.first() {
                Some(topic) => {
                    self.case.about(&topic.subject).iter().any(|f| self.case.fact(*f).category == category)
                        || categories.first() == Some(&category)
                }
                None => categories.first() == Some(&category),
            },
            _ => false,
        };
        self.judged().find(|t| t.requests().any(hit)).map(|t| t.event)
    }

    /// Where a subject was asked about in what is judged: told, found, or not known to the patient.
    pub fn asked_about(&self, subject: &str) -> Option<u32> {
        let told =
            self.earned.iter().filter(|e| e.turn > self.after && self.case.fact(e.fact).topic.subject == subject);
        let unknown = self.unknown.iter().filter(|(t, turn, _)| *turn > self.after && t.subject == subject);
        told.map(|e| e.event).chain(unknown.map(|(_, _, event)| *event)).min()
    }
}

impl<'a> Turn<'a> {
    /// Requests that were heard.
    pub fn requests(&self) -> impl Iterator<Item = &'a RequestKind> {
        self.understood.map_or(&[][..], |u| &u.requests).iter().take(HEARD as usize).map(|r| &r.kind)
    }

    pub fn has(&self, cue: Cue) -> usize {
        self.hits.iter().filter(|h| h.cue == cue).count()
    }

    /// Whether the sentence around a byte speaks of the doctor's own conduct.
    pub fn claims(&self, at: usize) -> bool {
        self.has(Cue::Claim) > 0 && {
            let (from, to) = sentence_at(self.text, at);
            self.hits.iter().any(|h| h.cue == Cue::Claim && h.at.0 < to && h.at.1 > from)
        }
    }
}
