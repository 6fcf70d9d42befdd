//! One record made ready for play: what its consultations share.

use super::factual::RecordIndex;
use crate::event::FactIx;
use crate::hash::Digest;
use bedside_records::{Access, Category, PatientRecord, Polarity, Topic};

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A record with its hash and the look-ups that every turn needs. Built once, shared by all consultations on it.
pub struct Case {
    pub record: PatientRecord,
    pub hash: Digest,
    /// The presenting complaint's topic: the first volunteered fact's subject.
    pub complaint: Option<Topic>,
    /// "a 44-year-old woman".
    pub patient: Arc<str>,
    pub chief_complaint: Arc<str>,
    by_topic: BTreeMap<String, Vec<FactIx>>,
    by_category: BTreeMap<Category, Vec<FactIx>>,
    index: OnceLock<RecordIndex>,
}

impl Case {
    pub fn new(record: PatientRecord) -> Arc<Case> {
        let mut by_topic: BTreeMap<String, Vec<FactIx>> = BTreeMap::new();
        let mut by_category: BTreeMap<Category, Vec<FactIx>> = BTreeMap::new();
        for (i, fact) in record.facts.iter().enumerate() {
            by_topic.entry(fact.topic.subject.clone()).or_default().push(FactIx(i as u16));
            by_category.entry(fact.category).or_default().push(FactIx(i as u16));
        }
        let complaint = record
            .facts
            .iter()
            .find(|f| f.access == Access::Volunteered && f.polarity == Polarity::Present)
            .map(|f| Topic::new(f.topic.subject.clone()));
        Arc::new(Case {
            hash: Digest(record.content_hash().0),
            complaint,
            patient: record.demographics.describe().into(),
            chief_complaint: record.chief_complaint.as_str().into(),
            by_topic,
            by_category,
            index: OnceLock::new(),
            record,
        })
    }

    /// Facts about a subject, in record order, whatever the aspect.
    pub fn about(&self, subject: &str) -> &[FactIx] {
        self.by_topic.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Facts filed under a category, in record order.
    pub fn filed(&self, category: Category) -> &[FactIx] {
        self.by_category.get(&category).map_or(&[], Vec::as_slice)
    }

    pub fn fact(&self, ix: FactIx) -> &bedside_records::Fact {
        &self.record.facts[ix.0 as usize]
    }

    /// What the Factual Unit looks up; built on first use.
    pub(crate) fn index(&self) -> &RecordIndex {
        self.index.get_or_init(|| RecordIndex::new(&self.record))
    }

    /// Bytes that the look-ups take beside the record.
    pub fn index_bytes(&self) -> usize {
        self.index().bytes()
    }
}
