//! The index of a store: which messages follow which, and where each call lies. It holds digests and positions, no text, so
//! that ten thousand calls with their bodies cost a few megabytes.

use super::medium::{Entry, Medium, Position};
use super::miss::{self, Difference, Miss};
use super::{Outcome, StoreError};
use crate::request::{CallId, ChatRequest, Message, Parameters, call_key, chain_link, chain_start};
use bedside_env::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) struct Calls<M> {
    medium: M,
    /// Where the message of a link is stored.
    links: BTreeMap<Digest, Position>,
    /// The links that follow one, in order of storing.
    after: BTreeMap<Digest, Vec<Digest>>,
    parameters: BTreeMap<Digest, Parameters>,
    calls: BTreeMap<CallId, Place>,
    /// The calls that end in a link.
    ends: BTreeMap<Digest, Vec<CallId>>,
    /// Names of models: few, so each is kept once.
    models: BTreeSet<Arc<str>>,
}

struct Place {
    at: Position,
    model: Arc<str>,
    parameters: Digest,
    failed: bool,
}

impl<M: Medium> Calls<M> {
    pub(crate) fn over(medium: M) -> Calls<M> {
        Calls {
            medium,
            links: BTreeMap::new(),
            after: BTreeMap::new(),
            parameters: BTreeMap::new(),
            calls: BTreeMap::new(),
            ends: BTreeMap::new(),
            models: BTreeSet::new(),
        }
    }

    pub(crate) fn medium(&self) -> &M {
        &self.medium
    }

    pub(crate) fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn messages(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.medium.sync()
    }

    /// Takes an entry that is stored already into the index.
    pub(crate) fn learn(&mut self, at: Position, payload: &[u8]) -> Result<(), StoreError> {
        let entry =
            postcard::from_bytes(payload).map_err(|e| self.medium.damaged(at, format!("it cannot be read: {e}")))?;
        let unknown = |what: &str| self.medium.damaged(at, format!("it rests on {what} that no earlier entry holds"));
        match entry {
            Entry::Message { before, message } => {
                if before != chain_start() && !self.links.contains_key(&before) {
                    return Err(unknown("a message"));
                }
                self.index_message(before, &message, at);
            }
            Entry::Parameters(p) => {
                self.parameters.insert(p.digest(), p);
            }
            Entry::Call { model, parameters, last, sample, outcome } => {
                if !self.parameters.contains_key(&parameters) || !self.links.contains_key(&last) {
                    return Err(unknown("a message or parameters"));
                }
                self.index_call(&model, parameters, last, sample, at, outcome.is_err());
            }
        }
        Ok(())
    }

    fn index_message(&mut self, before: Digest, message: &Message, at: Position) -> Digest {
        let link = chain_link(before, message);
        if self.links.insert(link, at).is_none() {
            self.after.entry(before).or_default().push(link);
        }
        link
    }

    fn index_call(&mut self, model: &str, parameters: Digest, last: Digest, sample: u32, at: Position, failed: bool) {
        let id = CallId { key: call_key(model, parameters, last), sample };
        let model = self.models.get(model).cloned().unwrap_or_else(|| model.into());
        self.models.insert(model.clone());
        let place = Place { at, model, parameters, failed };
        if self.calls.insert(id, place).is_none() {
            self.ends.entry(last).or_default().push(id);
        }
    }

    fn append(&mut self, entry: &Entry) -> Result<Position, StoreError> {
        // Plain data encodes; were it not so, nothing would have been written.
        let payload = postcard::to_stdvec(entry).map_err(|e| self.medium.damaged(Position(0), e.to_string()))?;
        self.medium.append(&payload)
    }

    pub(crate) fn get(&self, id: CallId) -> Result<Option<Outcome>, StoreError> {
        let Some(place) = self.calls.get(&id) else { return Ok(None) };
        match postcard::from_bytes(&self.medium.read(place.at)?) {
            Ok(Entry::Call { outcome, .. }) => Ok(Some(outcome)),
            Ok(_) => Err(self.medium.damaged(place.at, "it is not a call".to_owned())),
            Err(e) => Err(self.medium.damaged(place.at, format!("it cannot be read: {e}"))),
        }
    }

    pub(crate) fn put(&mut self, request: &ChatRequest, outcome: &Outcome) -> Result<(), StoreError> {
        let id = request.id();
        if let Some(place) = self.calls.get(&id) {
            let final_reply = !place.failed;
            if self.get(id)?.as_ref() == Some(outcome) {
                return Ok(());
            }
            if final_reply {
                return Err(StoreError::Conflict(id));
            }
        }
        let mut last = chain_start();
        for message in &request.messages {
            let link = chain_link(last, message);
            if !self.links.contains_key(&link) {
                let at = self.append(&Entry::Message { before: last, message: message.clone() })?;
                self.index_message(last, message, at);
            }
            last = link;
        }
        let parameters = request.parameters.digest();
        if !self.parameters.contains_key(&parameters) {
            self.append(&Entry::Parameters(request.parameters.clone()))?;
            self.parameters.insert(parameters, request.parameters.clone());
        }
        let (model, sample, outcome) = (request.model.clone(), request.sample, outcome.clone());
        let failed = outcome.is_err();
        let at = self.append(&Entry::Call { model, parameters, last, sample, outcome })?;
        self.index_call(&request.model, parameters, last, sample, at, failed);
        Ok(())
    }

    fn message(&self, link: Digest) -> Result<Message, StoreError> {
        let at = self.links.get(&link).copied().unwrap_or(Position(0));
        match postcard::from_bytes(&self.medium.read(at)?) {
            Ok(Entry::Message { message, .. }) => Ok(message),
            _ => Err(self.medium.damaged(at, "it is not a message".to_owned())),
        }
    }

    pub(crate) fn nearest(&self, request: &ChatRequest) -> Result<Miss, StoreError> {
        let missed = |difference| Ok(Miss { id: request.id(), stored: self.calls.len(), difference });
        if self.calls.is_empty() {
            return missed(Difference::NothingStored);
        }
        let mut last = chain_start();
        for (index, message) in request.messages.iter().enumerate() {
            let link = chain_link(last, message);
            if self.links.contains_key(&link) {
                last = link;
                continue;
            }
            let stored = self.after.get(&last).map(Vec::as_slice).unwrap_or_default();
            let stored: Result<Vec<Message>, _> = stored.iter().map(|l| self.message(*l)).collect();
            return missed(miss::message(index, message, &stored?));
        }
        // Every message is known. Either no call ends here, or those that do were made otherwise.
        let Some(ends) = self.ends.get(&last) else {
            let next = self.after.get(&last).and_then(|l| l.first()).map(|l| self.message(*l)).transpose()?;
            return missed(Difference::StoredGoesOn { messages: request.messages.len(), next: next.map(|m| m.role) });
        };
        let known = ends.iter().filter_map(|id| {
            let place = self.calls.get(id)?;
            Some((*id, &*place.model, self.parameters.get(&place.parameters)?))
        });
        missed(miss::manner(request, known))
    }
}
