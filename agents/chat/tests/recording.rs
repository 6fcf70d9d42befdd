//! Recorded calls come back to the bit; what was never asked is named; damage does not pass for either.

use bedside_chat::store::Difference;
use bedside_chat::testing::{Act, FakeServer, completion};
use bedside_chat::{
    Access, CallOptions, CallStore, Cancel, ChatBackend, ChatError, ChatReply, ChatRequest, Dialect, FileStore,
    MemStore, Message, Mode, OpenAi, OpenAiConfig, Outcome, Parameters, Recorded, StoreError, TokenLogprob, Usage,
};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn asked(texts: &[&str]) -> ChatRequest {
    let messages = texts.iter().enumerate().map(|(i, t)| match i % 2 {
        0 => Message::user(*t),
        _ => Message::assistant(*t),
    });
    ChatRequest::new("m", messages.collect())
}

fn rich(text: &str) -> ChatReply {
    ChatReply {
        reasoning: Some("because".into()),
        token_ids: Some(vec![1, 2]),
        logprobs: Some(vec![TokenLogprob {
            token: "a".into(),
            id: None,
            logprob: -0.1 - 0.2,
            top: vec![("b".into(), f64::NEG_INFINITY)],
        }]),
        usage: Some(Usage { prompt: 3, completion: 2, cached: Some(1), reasoning: None }),
        raw: completion(text),
        ..ChatReply::of_text(text)
    }
}

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("calls.bin")
}

fn append(path: &Path) -> FileStore {
    FileStore::open(path, Access::Append).expect("a store")
}

/// Answers every call with a text of its own, in the order calls arrive; fails where a question says so.
struct Counter(AtomicU32);

impl ChatBackend for Counter {
    fn name(&self) -> &str {
        "counter"
    }

    fn call<'a>(&'a self, request: &'a ChatRequest, _: &'a CallOptions) -> bedside_chat::Reply<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            match request.messages[0].content.as_str() {
                "fail" => Err(ChatError::Server { status: 500, message: format!("failure {n}"), attempts: 5 }),
                _ => Ok(rich(&format!("answer {n}"))),
            }
        })
    }
}

fn counter() -> Arc<Counter> {
    Arc::new(Counter(AtomicU32::new(0)))
}

#[tokio::test]
async fn a_recorded_conversation_replays_with_the_server_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeServer::start(|a| Act::Say(format!("answer {}", a.n))).await.expect("a port");
    let client = OpenAi::new(OpenAiConfig::new(server.base_url(), Dialect::Vllm)).expect("a client");
    let recorded = Recorded::record(Arc::new(client), Arc::new(append(&path(&folder))));
    let mut messages = vec![Message::system("You are a patient.")];
    let mut first = Vec::new();
    for i in 0..6 {
        messages.push(Message::user(format!("question {i}")));
        let reply = recorded.chat(&ChatRequest::new("m", messages.clone())).await.expect("a reply");
        messages.push(Message::assistant(reply.text.clone()));
        first.push(reply);
    }
    drop((recorded, server));
    let store = Arc::new(FileStore::open(path(&folder), Access::Read).expect("a store"));
    // Six calls of 2, 4, 6 ... 12 messages, 42 in all: 12 are stored.
    assert_eq!((store.len(), store.messages()), (6, 12));
    let replay = Recorded::replay(store);
    for (i, reply) in first.iter().enumerate() {
        let again = replay.chat(&ChatRequest::new("m", messages[..2 * i + 2].to_vec())).await;
        assert_eq!(again.as_ref(), Ok(reply));
    }
    assert_eq!((replay.mode(), replay.counts().replayed, replay.counts().made), (Mode::Replay, 6, 0));
    messages[5].content = "question two".into();
    let why = replay.chat(&ChatRequest::new("m", messages[..8].to_vec())).await.expect_err("changed").to_string();
    assert!(why.contains("message 5 (user)") && why.contains("at character 9"), "{why}");
    assert!(why.contains("`question two`") && why.contains("`question 2`"), "{why}");
    assert_eq!(replay.counts().unseen, 1);
}

#[tokio::test]
async fn samples_of_one_prompt_replay_by_their_number_whatever_order_they_are_asked_in() {
    let store = Arc::new(MemStore::default());
    let recorded = Arc::new(Recorded::record(counter(), store.clone()));
    let request = asked(&["a"]);
    let mut calls = tokio::task::JoinSet::new();
    // Each sample is asked for three times at once: it is drawn once.
    for i in 0..60 {
        let (recorded, request) = (recorded.clone(), request.clone().with_sample((i * 7) % 20));
        calls.spawn(async move { (request.sample, recorded.chat(&request).await.expect("a reply").text) });
    }
    let mut seen = calls.join_all().await;
    assert_eq!((recorded.counts().made, recorded.counts().replayed, store.len()), (20, 40, 20));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20, "a sample has one reply: {seen:?}");
    let replay = Arc::new(Recorded::replay(store));
    for (sample, text) in seen.into_iter().rev() {
        assert_eq!(replay.chat(&request.clone().with_sample(sample)).await.expect("stored").text, text);
    }
    let why = replay.chat(&request.with_sample(20)).await.expect_err("never drawn").to_string();
    assert!(why.contains("not its sample 20"), "{why}");
}

#[tokio::test]
async fn a_failure_replays_as_the_failure_it_was_and_is_tried_again_when_recording() {
    let store = Arc::new(MemStore::default());
    let backend = counter();
    let recorded = Recorded::record(backend.clone(), store.clone());
    let first = recorded.chat(&asked(&["fail"])).await.expect_err("it fails");
    assert_eq!(Recorded::replay(store.clone()).chat(&asked(&["fail"])).await, Err(first.clone()));
    let again = recorded.chat(&asked(&["fail"])).await.expect_err("it fails again");
    assert_ne!(first, again);
    assert_eq!((store.len(), Recorded::replay(store.clone()).chat(&asked(&["fail"])).await), (1, Err(again)));
    // What says nothing about the call is not kept.
    let cancel = Cancel::new();
    cancel.cancel();
    let options = CallOptions { cancel, ..CallOptions::default() };
    assert_eq!(recorded.call(&asked(&["b"]), &options).await, Err(ChatError::Cancelled));
    assert_eq!(store.len(), 1);
    let live = Recorded::live(backend);
    live.chat(&asked(&["b"])).await.expect("a reply");
    assert_eq!((store.len(), live.counts().made), (1, 1));
}

#[test]
fn a_miss_names_the_first_thing_that_differs_from_the_nearest_call() {
    let store = MemStore::default();
    let near = |r: &ChatRequest| store.nearest(r).expect("a miss").difference;
    assert_eq!(near(&asked(&["a"])), Difference::NothingStored);
    let warm = Parameters { temperature: Some(0.7), max_tokens: Some(9), ..Parameters::default() };
    let put = |r: ChatRequest| store.put(&r, &Ok(rich("x"))).expect("stored");
    put(asked(&["hello", "hi", "how are you?"]).with_parameters(warm.clone()));
    put(asked(&["hello", "hi", "how old are you?"]));
    put(asked(&["goodbye"]));
    let d = near(&asked(&["hello", "hi", "how old is she?"]));
    assert!(
        matches!(&d, Difference::Message { index: 2, character: 8, stored, .. } if stored == "how old are you?"),
        "{d:?}"
    );
    let d = near(&asked(&["good day"]));
    assert!(matches!(&d, Difference::Message { index: 0, character: 4, stored, .. } if stored == "goodbye"), "{d:?}");
    assert!(matches!(near(&asked(&["goodbye", "bye"])), Difference::StoredEnds { index: 1, .. }));
    assert!(matches!(near(&asked(&["hello", "hi"])), Difference::StoredGoesOn { messages: 2, .. }));
    let mut spoken_by_another = asked(&["goodbye"]);
    spoken_by_another.messages[0] = Message::system("goodbye");
    let why = store.nearest(&spoken_by_another).expect("a miss").to_string();
    assert!(why.contains("message 0 is the system's where the nearest stored one is the user's"), "{why}");
    let same = asked(&["hello", "hi", "how are you?"]);
    let d = near(&same.clone().with_parameters(Parameters { max_tokens: Some(10), ..warm.clone() }));
    assert_eq!(d, Difference::Parameter { name: "max_tokens".into(), asked: "10".into(), stored: "9".into() });
    let d = near(&ChatRequest { model: "n".into(), ..same.clone() });
    assert_eq!(d, Difference::Model { asked: "n".into(), stored: "m".into() });
    assert_eq!(near(&same.with_parameters(warm).with_sample(4)), Difference::Sample { asked: 4, stored: vec![0] });
}

#[test]
fn a_reply_is_final_and_another_under_its_address_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = append(&path(&folder));
    let request = asked(&["a"]);
    let failed: Outcome = Err(ChatError::Timeout { after: std::time::Duration::from_secs(9), attempts: 3 });
    store.put(&request, &failed).expect("stored");
    store.put(&request, &Ok(rich("x"))).expect("a reply replaces a failure");
    let size = store.size();
    store.put(&request, &Ok(rich("x"))).expect("the same again is nothing new");
    assert_eq!((store.size(), store.len()), (size, 1));
    let conflict = Err(StoreError::Conflict(request.id()));
    assert_eq!(store.put(&request, &Ok(rich("y"))), conflict);
    assert_eq!(store.put(&request, &failed), conflict);
    drop(store);
    let again = FileStore::open(path(&folder), Access::Read).expect("a store");
    assert_eq!(again.get(request.id()), Ok(Some(Ok(rich("x")))));
    assert!(matches!(again.put(&asked(&["b"]), &failed), Err(StoreError::ReadOnly { .. })));
}

#[test]
fn one_process_writes_a_file_and_a_file_of_another_kind_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = path(&folder);
    assert!(matches!(FileStore::open(&at, Access::Read), Err(StoreError::Missing { .. })));
    let store = append(&at);
    store.put(&asked(&["a"]), &Ok(rich("x"))).expect("stored");
    assert!(matches!(FileStore::open(&at, Access::Append), Err(StoreError::Locked { .. })));
    assert_eq!(FileStore::open(&at, Access::Read).expect("it can be read meanwhile").len(), 1);
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "dear diary, today").expect("written");
    for access in [Access::Append, Access::Read] {
        assert!(matches!(FileStore::open(&other, access), Err(StoreError::Foreign { .. })));
    }
    assert_eq!(std::fs::read(&other).expect("read"), b"dear diary, today");
}

#[test]
fn a_file_of_the_first_version_is_read_for_good() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls-1.bin");
    let (reply, failure) = (asked(&["a", "b", "c"]).with_sample(2), asked(&["a"]));
    let why = ChatError::RateLimited {
        retry_after: Some(std::time::Duration::from_millis(1500)),
        message: "slow".into(),
        attempts: 4,
    };
    // Not to be made again: a change of what is stored needs a version of its own, which reads this one too.
    if !at.exists() && std::env::var_os("BEDSIDE_REGENERATE").is_some() {
        let store = append(&at);
        let schema = Some(bedside_chat::Schema { name: "s".into(), text: "{}".into() });
        let p = Parameters { temperature: Some(0.3), stop: vec!["x".into()], schema, ..Parameters::default() };
        store.put(&reply, &Ok(rich("kept"))).expect("stored");
        store.put(&failure, &Err(why.clone())).expect("stored");
        store.put(&asked(&["p"]).with_parameters(p), &Ok(rich("with parameters"))).expect("stored");
    }
    let store = FileStore::open(&at, Access::Read).expect("it is read");
    assert_eq!((store.len(), store.messages()), (3, 4));
    assert_eq!(store.get(reply.id()), Ok(Some(Ok(rich("kept")))));
    assert_eq!(store.get(failure.id()), Ok(Some(Err(why))));
    let d = store.nearest(&asked(&["p"])).expect("a miss").difference;
    assert_eq!(d, Difference::Parameter { name: "temperature".into(), asked: "null".into(), stored: "0.3".into() });
}

/// A file with five calls, and the size it had after each.
fn five(at: &Path) -> Vec<u64> {
    let store = append(at);
    let put = |i: usize| {
        let texts: Vec<String> = (0..=i).map(|n| format!("message {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        store.put(&asked(&texts), &Ok(rich(&format!("answer {i}")))).expect("stored");
        store.size()
    };
    (0..5).map(put).collect()
}

#[test]
fn wherever_a_crash_cuts_the_file_it_opens_with_what_was_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = path(&folder);
    let sizes = five(&at);
    let bytes = std::fs::read(&at).expect("read");
    for cut in 0..bytes.len() {
        std::fs::write(&at, &bytes[..cut]).expect("written");
        let whole = sizes.iter().filter(|s| **s <= cut as u64).count();
        assert_eq!(FileStore::open(&at, Access::Read).expect("it opens").len(), whole, "cut at {cut}");
        assert_eq!(std::fs::metadata(&at).expect("there").len(), cut as u64, "reading changes nothing");
        let store = append(&at);
        assert_eq!(store.len(), whole, "cut at {cut}");
        let at_an_end = cut < 16 || store.size() == cut as u64;
        assert_eq!(store.repairs().len(), usize::from(!at_an_end), "cut at {cut}");
        store.put(&asked(&["after the crash"]), &Ok(rich("x"))).expect("it goes on");
        drop(store);
        assert_eq!(FileStore::open(&at, Access::Read).expect("whole again").len(), whole + 1, "cut at {cut}");
    }
    // Zeros are what some file systems leave.
    std::fs::write(&at, [&bytes[..], &[0; 5000]].concat()).expect("written");
    let store = append(&at);
    assert_eq!((store.len(), store.repairs().len()), (5, 1));
}

#[test]
fn every_flipped_byte_is_noticed_and_its_place_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = path(&folder);
    let sizes = five(&at);
    let bytes = std::fs::read(&at).expect("read");
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 1 << (i % 8);
        std::fs::write(&at, &changed).expect("written");
        match FileStore::open(&at, Access::Append).map(|_| ()) {
            Err(StoreError::Foreign { .. }) => assert!(i < 16, "byte {i}"),
            Err(StoreError::Damaged { offset, .. }) => {
                assert!(offset <= i as u64 && i >= 16, "byte {i} told as {offset}")
            }
            other => panic!("byte {i}: {other:?}"),
        }
    }
    // Nor can a piece be taken out, even to the byte.
    let without = [&bytes[..sizes[1] as usize], &bytes[sizes[2] as usize..]].concat();
    std::fs::write(&at, without).expect("written");
    assert!(matches!(FileStore::open(&at, Access::Read), Err(StoreError::Damaged { .. })));
    // And what changes under an open store is noticed when it is read.
    std::fs::write(&at, &bytes).expect("written");
    let store = FileStore::open(&at, Access::Read).expect("a store");
    let mut changed = bytes.clone();
    let last = bytes.len() - 40;
    changed[last] ^= 1;
    std::fs::write(&at, &changed).expect("written");
    let texts = ["message 0", "message 1", "message 2", "message 3", "message 4"];
    assert!(matches!(store.get(asked(&texts).id()), Err(StoreError::Damaged { .. })));
    assert_eq!(store.get(asked(&texts[..1]).id()), Ok(Some(Ok(rich("answer 0")))));
}

#[test]
fn what_is_whole_of_a_damaged_file_is_copied_into_a_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (at, new) = (path(&folder), folder.path().join("new.bin"));
    five(&at);
    let bytes = std::fs::read(&at).expect("the file");
    let repaired = |changed: &[u8]| {
        std::fs::write(&at, changed).expect("written");
        let _ = std::fs::remove_file(&new);
        let done = FileStore::repair(&at, &new).expect("repaired");
        assert_eq!(std::fs::read(&at).expect("the file"), changed, "the damaged file stays as it is");
        (done, append(&new))
    };
    let (done, store) = repaired(&bytes);
    assert_eq!((done.calls, done.lost, done.cut, store.len()), (5, 0, false, 5));
    assert!(matches!(FileStore::repair(&at, &new), Err(StoreError::Taken { .. })));
    drop(store);
    for i in 16..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 1 << (i % 8);
        let (done, store) = repaired(&changed);
        assert!(done.lost > 0 && done.calls < 5 || done.cut, "byte {i}: {done:?}");
        assert_eq!(store.len(), done.calls);
        let texts = ["message 0", "message 1", "message 2", "message 3", "message 4"];
        for n in 1..=5 {
            let said = store.get(asked(&texts[..n]).id()).expect("read");
            assert!(said.is_none_or(|s| s == Ok(rich(&format!("answer {}", n - 1)))), "byte {i}, call {n}");
        }
    }
    // A flip in what the last call says costs that call alone.
    let mut changed = bytes.clone();
    let last = bytes.len() - 40;
    changed[last] ^= 1;
    let (done, store) = repaired(&changed);
    assert_eq!((done.calls, done.lost, done.cut), (4, 1, false));
    assert_eq!(store.get(asked(&["message 0"]).id()), Ok(Some(Ok(rich("answer 0")))));
}

proptest! {
    #[test]
    fn whatever_is_put_comes_back_from_memory_and_from_disk(calls in prop::collection::vec((prop::collection::vec("[ab]{0,2}", 1..4), 0u32..3, ".{0,9}", any::<bool>()), 1..20)) {
        let folder = tempfile::tempdir().expect("a folder");
        let (memory, file) = (MemStore::default(), append(&path(&folder)));
        let mut model = std::collections::BTreeMap::new();
        for (texts, sample, said, fails) in &calls {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let request = asked(&texts).with_sample(*sample);
            let outcome = if *fails { Err(ChatError::Model(said.clone())) } else { Ok(rich(said)) };
            let kept: Option<&Outcome> = model.get(&request.id());
            let fine = kept.is_none_or(|k: &Outcome| k.is_err() || *k == outcome);
            prop_assert_eq!(memory.put(&request, &outcome).is_ok(), fine);
            prop_assert_eq!(file.put(&request, &outcome).is_ok(), fine);
            if fine {
                model.insert(request.id(), outcome);
            }
        }
        drop(file);
        let file = FileStore::open(path(&folder), Access::Read).expect("a store");
        prop_assert_eq!((memory.len(), file.len(), memory.messages()), (model.len(), model.len(), file.messages()));
        for (id, outcome) in model {
            prop_assert_eq!(memory.get(id), Ok(Some(outcome.clone())));
            prop_assert_eq!(file.get(id), Ok(Some(outcome)));
        }
    }
}
