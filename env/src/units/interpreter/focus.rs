//! What "it" is: whose side, which pain, what was talked about last.

use super::lexicon::Entry;
use super::read::{Clause, Found, Read};
use super::requests::{ALTERNATIVES, Asker};
use crate::units::RequestKind;
use bedside_records::{Aspect, Category, Topic};

/// Subjects heard so far in this utterance, for "when did it start?" after "you mentioned chest pain".
#[derive(Clone, Default)]
pub(crate) struct Heard {
    pub subject: Option<String>,
}

impl Asker<'_, '_> {
    /// A statement's subject, for the questions after it.
    pub fn hear(&self, c: &Clause, heard: &mut Heard) {
        let lexicon = self.read.lexicon;
        // "I'm sorry to hear that" says nothing about hearing.
        let polite = |f: &Found| {
            let mut acts = self.read.within(c.from, c.to).filter(|g| matches!(g.entry, Entry::Act(_)));
            acts.any(|g| g.from < f.to && f.from < g.to)
        };
        let named = self.read.within(c.from, c.to).find_map(|f| match f.entry {
            Entry::Topic(i) if !polite(f) => {
                Some(&lexicon.topics[i as usize]).filter(|t| matches!(t.category, Category::Hpi | Category::Ros))
            }
            _ => None,
        });
        if let Some(t) = named {
            heard.subject = Some(t.id.clone());
        }
    }

    /// An aspect without a subject of its own is about what was talked about last.
    pub(super) fn followed_up(&self, aspects: &[Found], heard: &Heard, pain: bool) -> RequestKind {
        let mut ranked: Vec<&Found> = aspects.iter().collect();
        ranked.sort_by_key(|a| (usize::MAX - a.len(), a.from));
        let leading = ranked.iter().find_map(|f| if let Entry::Aspect(a) = f.entry { Some(a) } else { None });
        let subject = leading.map_or_else(|| self.subject(heard), |a| self.subject_of(a, heard, pain));
        let mut topics: Vec<Topic> = Vec::new();
        for a in ranked {
            if let Entry::Aspect(aspect) = a.entry {
                let topic = Topic::with_aspect(subject.clone(), aspect);
                if !topics.contains(&topic) {
                    topics.push(topic);
                }
            }
        }
        topics.truncate(ALTERNATIVES);
        let category = self
            .read
            .lexicon
            .topic(&subject)
            .map(|i| self.read.lexicon.topics[i as usize].category)
            .filter(|c| !matches!(c, Category::Ros))
            .unwrap_or(Category::Hpi);
        let mut categories = vec![category];
        if topics.first().is_some_and(|t| t.aspect == Some(Aspect::Treatment)) {
            categories.push(Category::Medication);
        }
        RequestKind::History { topics, categories }
    }

    /// What "it" is: named in this utterance, asked about last, told last, or the complaint.
    pub(super) fn subject(&self, heard: &Heard) -> String {
        if let Some(s) = &heard.subject {
            return s.clone();
        }
        if let Some(focus) = self.context.focus {
            return focus.subject.clone();
        }
        if let Some(s) = self.context.last_reply.and_then(|reply| first_subject(self.read, reply)) {
            return s;
        }
        self.context.complaint.unwrap_or("complaint").to_owned()
    }

    /// Whose side is asked about. What worries the patient is what they came with; where it is and what it feels like is asked of
    /// symptoms, and so is whatever a question about a pain asks: a question about work before it changes nothing.
    pub(super) fn subject_of(&self, aspect: Aspect, heard: &Heard, pain: bool) -> String {
        let complaint = || self.context.complaint.unwrap_or("complaint").to_owned();
        let subject = self.subject(heard);
        if heard.subject.is_some() {
            return subject;
        }
        let of_symptom = pain
            || matches!(
                aspect,
                Aspect::Location
                    | Aspect::Radiation
                    | Aspect::Character
                    | Aspect::Severity
                    | Aspect::Aggravating
                    | Aspect::Relieving
                    | Aspect::Progression
                    | Aspect::Associated
                    | Aspect::Treatment
                    | Aspect::Impact
                    | Aspect::Episodes
            );
        if aspect == Aspect::Concern || of_symptom && !self.is_symptom(&subject) { complaint() } else { subject }
    }

    /// "Pain", "sore", "problem".
    pub(super) fn names_pain(&self, from: usize, to: usize) -> bool {
        let r = self.read;
        r.tokens[from..to].iter().any(|t| r.lexicon.words.pain.contains(&t.id))
    }

    /// Which pain a question about pain means: "does it hurt" that of which the talk is, "any pain?" the first that hurts of
    /// what was talked about and what they came with; else any.
    pub(super) fn pain(&self, from: usize, to: usize, heard: &Heard) -> String {
        let r = self.read;
        let complaint = self.context.complaint.unwrap_or("complaint").to_owned();
        let subject = self.subject(heard);
        let word = |i: usize| r.word(i).to_ascii_lowercase();
        let pointed = (from..to).any(|i| matches!(word(i).as_str(), "it" | "this" | "that" | "the" | "there" | "your"));
        if pointed {
            return if self.is_symptom(&subject) { subject } else { complaint };
        }
        let names = (from..to)
            .any(|i| matches!(word(i).as_str(), "pain" | "pains" | "painful" | "hurt" | "sore" | "ache" | "aches"));
        let candidates = [subject, complaint.clone()];
        match candidates.iter().find(|s| hurts(s)) {
            Some(s) => s.clone(),
            // What they came with is of the record's own words: it may hurt.
            None if !names || self.read.lexicon.topic(&complaint).is_none() => complaint,
            None => "pain".to_owned(),
        }
    }

    /// A symptom, or a word of the record's own, which may be one.
    fn is_symptom(&self, subject: &str) -> bool {
        let lexicon = self.read.lexicon;
        let known = lexicon.topic(subject).map(|i| lexicon.topics[i as usize].category);
        known.is_none_or(|c| matches!(c, Category::Hpi | Category::Ros | Category::Psychiatric | Category::Obstetric))
    }
}

/// A symptom that is a pain.
fn hurts(subject: &str) -> bool {
    ["pain", "ache", "sore", "dysuria", "cramp", "heartburn", "tender"].iter().any(|w| subject.contains(w))
}

/// The first symptom a text names.
fn first_subject(read: &Read<'_>, text: &str) -> Option<String> {
    let other = Read::new(read.lexicon, text);
    other.found.iter().find_map(|f| match f.entry {
        Entry::Topic(i) => Some(&read.lexicon.topics[i as usize])
            .filter(|t| matches!(t.category, Category::Hpi | Category::Ros))
            .map(|t| t.id.clone()),
        _ => None,
    })
}
