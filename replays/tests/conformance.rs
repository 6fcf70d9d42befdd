//! What every store must do, run on each.

use crate::fixtures::{folder, record_all, recordings};
use bedside_env::EpisodeId;
use bedside_replays::store::{EventStore, HEAD, Shelf};
use bedside_replays::{Log, LogError, MemStore, SledStore, StoreError};
use std::ops::ControlFlow;

fn on_each(check: impl Fn(&mut dyn EventStore)) {
    check(&mut MemStore::default());
    let folder = folder();
    check(&mut SledStore::open(folder.path()).expect("a store"));
}

fn chunks(store: &dyn EventStore, id: EpisodeId) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut out = Vec::new();
    let head = store.read(id, &mut |_, v| {
        out.push(v.to_vec());
        ControlFlow::Continue(())
    });
    (out, head.expect("readable"))
}

#[test]
fn chunks_come_back_in_order_even_past_256() {
    on_each(|store| {
        let id = EpisodeId(7);
        for n in 0..300u32 {
            store.append(id, n, n.to_be_bytes().to_vec()).expect("next");
        }
        store.seal(id, b"head".to_vec()).expect("sealed");
        let done = store.commit().expect("committed");
        assert_eq!(done.episodes, [id]);
        let (got, head) = chunks(store, id);
        assert_eq!(got, (0..300u32).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(head.as_deref(), Some(&b"head"[..]));
    });
}

#[test]
fn a_chunk_out_of_turn_is_refused_before_and_after_a_commit() {
    on_each(|store| {
        let id = EpisodeId(1);
        let refused = StoreError::OutOfOrder { episode: id, expected: 0, got: 1 };
        assert_eq!(store.append(id, 1, vec![]), Err(refused));
        store.append(id, 0, vec![0]).expect("next");
        store.commit().expect("committed");
        let refused = StoreError::OutOfOrder { episode: id, expected: 1, got: 0 };
        assert_eq!(store.append(id, 0, vec![0]), Err(refused));
        store.append(id, 1, vec![1]).expect("next");
        store.seal(id, vec![9]).expect("sealed");
        assert_eq!(store.append(id, 2, vec![2]), Err(StoreError::Sealed(id)));
        store.commit().expect("committed");
        assert_eq!(store.append(id, 2, vec![2]), Err(StoreError::Sealed(id)));
        assert_eq!(store.seal(id, vec![9]), Err(StoreError::Sealed(id)));
        assert_eq!(chunks(store, id).0, [vec![0], vec![1]]);
    });
}

#[test]
fn episodes_are_listed_in_id_order_and_in_pages() {
    on_each(|store| {
        let ids = [0u128, 1, 255, 256, u128::MAX - 1, u128::MAX];
        for id in [4, 0, 5, 2, 1, 3] {
            store.append(EpisodeId(ids[id]), 0, vec![1]).expect("next");
            store.seal(EpisodeId(ids[id]), vec![2]).expect("sealed");
        }
        store.commit().expect("committed");
        assert_eq!(store.episodes(None, 99).expect("listed"), ids.map(EpisodeId));
        assert_eq!(store.episodes(None, 2).expect("listed"), [EpisodeId(0), EpisodeId(1)]);
        assert_eq!(store.episodes(Some(EpisodeId(1)), 2).expect("listed"), [EpisodeId(255), EpisodeId(256)]);
        assert_eq!(store.episodes(Some(EpisodeId(u128::MAX)), 2).expect("listed"), []);
        assert_eq!(store.heads().expect("heads").entries.len(), 6);
    });
}

#[test]
fn shelves_do_not_mix_and_are_scanned_by_prefix() {
    on_each(|store| {
        for (shelf, key) in [(Shelf::Cards, "ab1"), (Shelf::Cards, "ab2"), (Shelf::Cards, "ac"), (Shelf::Traces, "ab3")]
        {
            store.put(shelf, key.as_bytes().to_vec(), vec![1; 40]).expect("staged");
        }
        store.commit().expect("committed");
        let mut seen = Vec::new();
        let visit = &mut |k: &[u8], _: &[u8]| {
            seen.push(String::from_utf8_lossy(k).into_owned());
            ControlFlow::Continue(())
        };
        store.scan(Shelf::Cards, b"ab", visit).expect("scanned");
        assert_eq!(seen, ["ab1", "ab2"]);
        assert_eq!(store.get(Shelf::Traces, b"ab1").expect("read"), None);
        assert_eq!(store.head(EpisodeId(3)).expect("read"), None);
        let _ = HEAD;
    });
}

#[test]
fn a_log_gives_back_what_was_recorded_on_every_store_and_after_reopening() {
    let all = recordings(7);
    let same = |log: &Log| {
        let heads = log.episodes().expect("listed");
        assert_eq!(heads.len(), all.len());
        for r in &all {
            let logged = log.read(r.episode()).expect("whole");
            assert_eq!(logged.log, r.log);
            assert_eq!(logged.head.seal.digest, r.digest);
            assert_eq!(logged.head.seal.state, r.state);
            assert_eq!(logged.head.seal.policy, r.policy);
            assert_eq!(logged.head.seal.metrics, r.metrics);
            let traces: Vec<_> =
                log.traces(r.episode()).expect("read").into_iter().map(|t| (t.turn, t.trace)).collect();
            assert_eq!(traces, r.traces);
            let card = log.sealed_card(r.episode(), &logged.head).expect("read").expect("a card");
            assert_eq!(Some(card.card), r.card);
            assert_eq!(log.record(logged.head.seal.record).expect("a record"), r.case.record);
            assert!(log.contains(r.episode()).expect("read"));
        }
        let report = bedside_replays::verify(log, 2);
        assert_eq!(report.findings, []);
        assert_eq!((report.episodes, report.records), (7, 3));
    };
    let mem = Log::in_memory();
    record_all(&mem, &all);
    same(&mem);
    let folder = folder();
    let log = Log::open(folder.path()).expect("a log");
    record_all(&log, &all);
    same(&log);
    drop(log);
    let log = Log::open_existing(folder.path()).expect("the log");
    assert_eq!(log.repairs(), [] as [String; 0]);
    same(&log);
}

#[test]
fn recording_the_same_episode_again_is_accepted_and_another_under_its_id_is_not() {
    let log = Log::in_memory();
    let all = recordings(2);
    record_all(&log, &all);
    record_all(&log, &all);
    assert_eq!(log.tip().expect("tip").entries, 2 + 2 + 2);
    let mut other = all[0].clone();
    other.policy = "someone else".to_owned();
    let writer = log.writer(Default::default());
    assert_eq!(writer.record(&other).expect("sent").wait(), Err(StoreError::Sealed(other.episode())));
    assert_eq!(log.read(EpisodeId(42)), Err(LogError::NoEpisode(EpisodeId(42))));
}

#[test]
fn dropping_the_writer_commits_what_was_handed_over() {
    let folder = folder();
    let all = recordings(5);
    let log = Log::open(folder.path()).expect("a log");
    let writer = log.writer(Default::default());
    let acks: Vec<_> = all.iter().map(|r| writer.record(r).expect("accepted")).collect();
    drop(writer);
    assert!(acks.into_iter().all(|a| a.wait().is_ok()));
    assert_eq!(log.episodes().expect("listed").len(), 5);
}

#[test]
fn a_lone_episode_is_acknowledged_within_the_groups_time() {
    let log = Log::in_memory();
    let writer = log.writer(Default::default());
    let start = std::time::Instant::now();
    writer.record(&recordings(1)[0]).expect("accepted").wait().expect("durable");
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}
