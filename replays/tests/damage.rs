//! A flipped byte is reported with its episode and event, or is provably harmless: wrong data never comes back.

use crate::fixtures::{folder, record_all, recordings, units};
use bedside_env::Event;
use bedside_replays::store::EventStore;
use bedside_replays::verify::{Fault, verify_folder, verify_store};
use bedside_replays::{Log, MemStore, Mode, Outcome, Recording, ReplayConfig, StoreError, replay_all, salvage, verify};
use std::path::Path;

fn filled_mem(all: &[Recording]) -> MemStore {
    let mut store = MemStore::default();
    for r in all {
        r.prepare().expect("encodes").stage(&mut store).expect("staged");
    }
    store.commit().expect("committed");
    store
}

#[test]
fn every_byte_of_every_stored_value_is_watched() {
    let mut store = filled_mem(&recordings(3));
    assert!(verify_store(&store, 1).is_sound());
    let sizes: Vec<usize> = store.values_mut().iter().map(|v| v.len()).collect();
    // Every byte of the first value of a kind is tried; the others at every third byte, which keeps the test short.
    let every = if std::env::var_os("BEDSIDE_EVERY_BYTE").is_some() { 1 } else { 3 };
    let mut flips = 0;
    for (value, size) in sizes.iter().enumerate() {
        for byte in (value % every..*size).step_by(every) {
            let bit = 1 << ((byte + value) % 8);
            store.values_mut()[value][byte] ^= bit;
            let report = verify_store(&store, 1);
            assert!(!report.is_sound(), "value {value}, byte {byte} of {size} was not noticed");
            store.values_mut()[value][byte] ^= bit;
            flips += 1;
        }
    }
    println!("{flips} flips, all noticed");
    assert!(verify_store(&store, 1).is_sound());
}

#[test]
fn the_finding_names_the_episode_and_its_event() {
    let all = recordings(3);
    let mut store = filled_mem(&all);
    let mut ids: Vec<_> = all.iter().map(Recording::episode).collect();
    ids.sort();
    // The second chunk of the first episode: the events of its first doctor turn.
    store.values_mut()[1][100] ^= 4;
    let report = verify_store(&store, 1);
    let found = &report.findings[0];
    assert_eq!((found.episode, found.event, found.fault), (Some(ids[0]), Some(3), Fault::Damaged));
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    let first = all.iter().find(|r| r.episode() == ids[0]).expect("recorded");
    assert!(matches!(first.log.events[3], Event::ActionTaken { turn: 1, .. }));
}

#[test]
fn lost_chunks_lost_heads_and_lost_episodes_are_told_apart() {
    let all = recordings(3);
    let id = all[0].episode();
    let whole = filled_mem(&all);
    for (from, fault, event) in [(0, Fault::Missing, Some(0)), (1, Fault::Torn, Some(3))] {
        let mut store = whole.clone();
        store.lose(id, from);
        let report = verify_store(&store, 2);
        let about: Vec<_> = report.findings.iter().filter(|f| f.episode == Some(id)).collect();
        assert!(about.iter().any(|f| (f.fault, f.event) == (fault, event)), "{about:?}");
        assert_eq!(report.episodes, 2);
    }
}

#[test]
fn an_episode_that_was_never_acknowledged_here_is_foreign() {
    let mut a = filled_mem(&recordings(1));
    let b = filled_mem(&recordings(2));
    // The head chain of one log beside the values of another.
    let chain = a.values_mut().pop().expect("heads").clone();
    let mut mixed = b.clone();
    *mixed.values_mut().pop().expect("heads") = chain;
    let report = verify_store(&mixed, 1);
    assert!(report.findings.iter().any(|f| f.fault == Fault::Foreign && f.episode.is_some()), "{:?}", report.findings);
}

fn disk_log(all: &[Recording]) -> tempfile::TempDir {
    let folder = folder();
    let log = Log::open(folder.path()).expect("a log");
    record_all(&log, all);
    drop(log);
    folder
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = folder();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[at] ^= 1 << bit;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn every_byte_of_heads_log_is_watched() {
    let all = recordings(2);
    let whole = disk_log(&all);
    let size = std::fs::metadata(whole.path().join("heads.log")).expect("there").len() as usize;
    assert_eq!(size, 16 + 124 * 6);
    let step = if std::env::var_os("BEDSIDE_EVERY_BYTE").is_some() { 1 } else { 13 };
    for at in (0..size).step_by(step) {
        let hurt = copy(whole.path());
        flip(&hurt.path().join("heads.log"), at, (at % 8) as u8);
        let report = verify_folder(hurt.path(), 1).expect("opens");
        assert!(report.findings.iter().any(|f| f.fault == Fault::Heads), "byte {at}: {:?}", report.findings);
    }
}

#[test]
fn heads_log_cut_at_any_entry_or_taken_away_is_noticed_and_the_log_takes_no_more() {
    let all = recordings(2);
    let whole = disk_log(&all);
    for entries in 0..6 {
        let hurt = copy(whole.path());
        let path = hurt.path().join("heads.log");
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
        file.set_len(16 + 124 * entries).expect("cut");
        let report = verify_folder(hurt.path(), 1).expect("opens");
        assert!(report.findings.iter().any(|f| f.what.contains("cut")), "{entries}: {:?}", report.findings);
        let refused = Log::open(hurt.path()).map(drop).expect_err("it is not written on").to_string();
        assert!(refused.contains("heads.log") && refused.contains("--repair"), "{refused}");
        let log = Log::open_existing(hurt.path()).expect("can be read");
        assert_eq!(log.read(all[0].episode()).expect("whole").log, all[0].log);
        let ack = log.writer(Default::default()).record(&recordings(3)[2]).expect("sent").wait();
        assert!(matches!(ack, Err(StoreError::Damaged { .. })), "{ack:?}");
    }
    let hurt = copy(whole.path());
    std::fs::remove_file(hurt.path().join("heads.log")).expect("removed");
    assert!(!verify_folder(hurt.path(), 1).expect("opens").is_sound());
}

#[test]
fn a_flip_in_the_stores_own_file_is_reported_or_harmless() {
    let all = recordings(4);
    let whole = disk_log(&all);
    let bytes = std::fs::read(whole.path().join("db")).expect("read");
    let used: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != 0).collect();
    // `BEDSIDE_FLIPS=all` tries every byte in use.
    let flips = match std::env::var("BEDSIDE_FLIPS").as_deref() {
        Ok("all") => used.len(),
        Ok(n) => n.parse().expect("a number"),
        Err(_) => 60,
    };
    // The store gives up on damaged pages with a panic, which is caught; its message would only fill the test's output.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(|| {
        let (mut reported, mut harmless) = (0, 0);
        for n in 0..flips {
            let at = used[n * used.len() / flips];
            let hurt = copy(whole.path());
            flip(&hurt.path().join("db"), at, (n % 8) as u8);
            match check_hurt(hurt.path(), &all) {
                Ok(true) => harmless += 1,
                Ok(false) => reported += 1,
                Err(what) => return Err(format!("byte {at}: {what}")),
            }
        }
        println!("{} bytes in use of {}: {reported} reported, {harmless} harmless", used.len(), bytes.len());
        Ok(reported)
    });
    std::panic::set_hook(hook);
    let reported = outcome.expect("no panic gets out").expect("nothing wrong comes back");
    assert!(reported > 0);
}

/// Whether the log is whole in spite of the flip; an error where it gives wrong data without a word.
fn check_hurt(folder: &Path, all: &[Recording]) -> Result<bool, String> {
    let report = verify_folder(folder, 1).map_err(|e| e.to_string())?;
    let Ok(log) = Log::open_existing(folder) else {
        return if report.is_sound() { Err("it does not open, and verify says nothing".to_owned()) } else { Ok(false) };
    };
    for r in all {
        match log.read(r.episode()) {
            Ok(logged) if logged.log != r.log => return Err(format!("episode {} came back wrong", r.episode())),
            Ok(_) => {}
            Err(_) if report.is_sound() => return Err("an episode is gone, and verify says nothing".to_owned()),
            Err(_) => {}
        }
    }
    Ok(report.is_sound())
}

#[test]
fn a_changed_and_rehashed_value_is_caught_by_the_chain_of_heads_or_by_replay() {
    let all = recordings(2);
    let mut forged = all.clone();
    for event in std::sync::Arc::make_mut(&mut forged[0].log.events) {
        if let Event::PatientReplied { text, .. } = event {
            *text = "I lied.".into();
        }
    }
    // Honest hashes over forged events, in a log of their own: the seal and the replay disagree with them.
    let log = Log::in_memory();
    record_all(&log, &forged);
    let report = verify(&log, 1);
    assert!(report.findings.iter().any(|f| f.episode == Some(all[0].episode())), "{:?}", report.findings);
    let replayed = replay_all(&log, &ReplayConfig::new(Mode::ReExecute, units())).expect("read");
    let bad = replayed.iter().find(|r| r.episode == all[0].episode()).expect("there");
    let Outcome::Diverged(d) = &bad.outcome else { panic!("{:?}", bad.outcome) };
    assert_eq!(
        (d.name.as_str(), d.field.as_str(), d.logged.as_str()),
        ("patient_replied", "/patient_replied/text", "\"I lied.\"")
    );
}

/// A log of four consultations whose store is the one of two: what is left where the store loses its tail without a word.
fn beheaded(all: &[Recording]) -> tempfile::TempDir {
    let folder = disk_log(&all[..2]);
    let before = copy(folder.path());
    let log = Log::open(folder.path()).expect("a log");
    record_all(&log, all);
    drop(log);
    std::fs::copy(folder.path().join("heads.log"), before.path().join("heads.log")).expect("copied");
    before
}

#[test]
fn a_log_that_lost_what_it_acknowledged_says_so_when_it_is_opened_and_takes_no_more() {
    let all = recordings(4);
    let hurt = beheaded(&all);
    let mut lost: Vec<_> = all[2..].iter().map(Recording::episode).collect();
    lost.sort();
    let refused = Log::open(hurt.path()).map(drop).expect_err("refused").to_string();
    for part in ["2 of 4 consultations", &lost[0].to_string(), &lost[1].to_string(), "hint: ", "--repair"] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    let log = Log::open_existing(hurt.path()).expect("what is left can be read");
    assert_eq!((&log.missing().episodes, log.missing().listed), (&lost, 4));
    assert_eq!(log.read(all[0].episode()).expect("whole").log, all[0].log);
    let ack = log.writer(Default::default()).record(&all[2]).expect("sent").wait();
    assert!(matches!(ack, Err(StoreError::Damaged { .. })), "{ack:?}");
    assert!(log.writable().is_err());

    let whole = disk_log(&all);
    let log = Log::open(whole.path()).expect("a log");
    assert!(log.missing().is_empty() && log.missing().listed == 4);
}

#[test]
fn what_is_whole_is_copied_into_a_new_log_and_the_damaged_one_stays_as_it_is() {
    let all = recordings(4);
    // A store that lost two; and heads with one bad byte, behind which all is whole.
    let flipped = disk_log(&all);
    flip(&flipped.path().join("heads.log"), 16 + 124 + 30, 1);
    for (hurt, kept) in [(beheaded(&all), 2), (flipped, 4)] {
        let heads = std::fs::read(hurt.path().join("heads.log")).expect("read");
        let into = folder();
        let from = Log::open_existing(hurt.path()).expect("can be read");
        let log = Log::open(into.path().join("new")).expect("a new log");
        let done = salvage(&from, &log).expect("copied");
        assert_eq!((done.episodes, done.left.len() as u64), (kept, 4 - kept), "{done:?}");
        assert!(salvage(&from, &log).is_err(), "it holds something now");
        drop((log, from));
        assert_eq!(std::fs::read(hurt.path().join("heads.log")).expect("read"), heads);
        let report = verify_folder(&into.path().join("new"), 1).expect("opens");
        assert_eq!((report.findings, report.episodes), (Vec::new(), kept));
        let log = Log::open(into.path().join("new")).expect("takes more");
        for r in &all[..kept as usize] {
            assert_eq!(log.read(r.episode()).expect("whole").log, r.log);
            let head = log.head(r.episode()).expect("read").expect("a head");
            assert_eq!(log.sealed_card(r.episode(), &head).expect("read").map(|c| c.card), r.card);
        }
        record_all(&log, &all);
        assert_eq!(verify(&log, 1).episodes, 4);
    }
}

#[test]
fn a_log_that_may_only_be_read_is_read_through_a_copy_and_not_touched() {
    let all = recordings(2);
    let theirs = disk_log(&all);
    let bytes = |name: &str| std::fs::read(theirs.path().join(name)).expect("read");
    let before = (bytes("db"), bytes("heads.log"), bytes("LOCK"));
    let log = Log::open_copy(theirs.path()).expect("a copy");
    assert_eq!(verify(&log, 1).episodes, 2);
    assert_eq!(log.read(all[1].episode()).expect("whole").log, all[1].log);
    let e = log.clone().writable().map(drop).expect_err("not written").to_string();
    assert!(e.contains(&theirs.path().display().to_string()) && e.contains("cannot be written"), "{e}");
    drop(log);
    assert_eq!((bytes("db"), bytes("heads.log"), bytes("LOCK")), before);
    // A writer keeps readers out, who would see half of what it does.
    let writer = Log::open(theirs.path()).expect("mine");
    assert!(matches!(Log::open_copy(theirs.path()), Err(StoreError::Locked { .. })));
    drop(writer);
}

#[test]
fn closing_a_writer_tells_of_a_refusal_that_nobody_waited_for() {
    let all = recordings(2);
    let log = Log::in_memory();
    record_all(&log, &all);
    let mut other = all[0].clone();
    other.policy = "someone else".to_owned();
    let writer = log.writer(Default::default());
    drop(writer.record(&other).expect("sent"));
    drop(writer.record(&all[1]).expect("sent"));
    assert_eq!(writer.close(), Err(StoreError::Sealed(other.episode())));
    let writer = log.writer(Default::default());
    drop(writer.record(&all[1]).expect("sent"));
    assert_eq!(writer.close(), Ok(()));
}
