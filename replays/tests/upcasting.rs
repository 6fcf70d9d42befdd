//! Logs written by every version of the schema are read as if events had always looked like today's.
//!
//! `tests/fixtures/v0.bin` and `v1.bin` are frozen: chunks as they were stored, each behind its length (u32, big-endian). They were
//! made by `cargo test -p bedside-replays -- --ignored make_the_fixtures`, which writes only what is not there. A new schema version
//! adds a file and leaves the old ones alone.

use crate::fixtures::{case, recording, units};
use bedside_env::{Digest, EpisodeId, EpisodeLog, Event, Status, Ward};
use bedside_replays::codec::{self, ChunkHeader, SCHEMA, decode_chunk};
use bedside_replays::upcast;
use rmpv::Value;
use std::path::PathBuf;

fn path(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("v{version}.bin"))
}

fn chunks(version: u16) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path(version)).expect("every schema version has its frozen fixture");
    let mut rest = bytes.as_slice();
    let mut out = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (chunk, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        out.push(chunk.to_vec());
        rest = tail;
    }
    out
}

fn events(version: u16) -> Vec<Event> {
    let (mut out, mut previous) = (Vec::new(), Digest::ZERO);
    for bytes in chunks(version) {
        let chunk = decode_chunk(&bytes).expect("a frozen chunk decodes for ever");
        assert_eq!((chunk.header.schema, chunk.header.previous), (version, previous));
        assert_eq!(chunk.header.first as usize, out.len());
        previous = chunk.hash;
        out.extend(chunk.events);
    }
    out
}

#[test]
fn every_schema_version_has_a_fixture_and_all_tell_the_same_story() {
    let today = events(SCHEMA);
    for version in 0..SCHEMA {
        let mut then = events(version);
        // Version 0 knew no rubric.
        let (Some(Event::ConsultationOpened(a)), Some(Event::ConsultationOpened(b))) =
            (then.first_mut(), today.first())
        else {
            panic!("a log begins with its opening")
        };
        assert_eq!(a.rubric_hash, Digest::ZERO);
        a.rubric_hash = b.rubric_hash;
        assert_eq!(then, today, "version {version}");
    }
}

#[test]
fn an_upcast_log_folds_to_a_finished_consultation() {
    for version in 0..=SCHEMA {
        let log = EpisodeLog { episode: EpisodeId(1), events: std::sync::Arc::new(events(version)) };
        let mut ward = Ward::new(units());
        let slot = ward.restore(case("golden-croup"), &log).expect("the record is the one it was played on");
        assert!(matches!(ward.status(slot), Ok(Status::Terminated(_))));
        assert_eq!(ward.turn(slot), Ok(3));
    }
}

#[test]
fn the_bytes_that_are_written_today_are_the_frozen_ones() {
    // Decoded and encoded again, the current fixture is itself: a change of the wire shape needs a new version.
    let (mut previous, mut first) = (Digest::ZERO, 0);
    for (no, bytes) in chunks(SCHEMA).iter().enumerate() {
        let chunk = decode_chunk(bytes).expect("decodes");
        let (again, hash) = codec::encode_chunk(chunk.header.episode, no as u32, first, previous, &chunk.events);
        assert_eq!(
            &again, bytes,
            "chunk {no}: the shape of events changed; raise SCHEMA, write an upcaster, freeze a fixture"
        );
        previous = hash;
        first += chunk.events.len() as u32;
    }
}

fn map(value: &Value) -> &Vec<(Value, Value)> {
    value.as_map().expect("a map")
}

fn field<'a>(body: &'a [(Value, Value)], name: &str) -> &'a Value {
    body.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v).expect("a field")
}

#[test]
fn version_0_closings_become_what_they_meant() {
    let closed = |reason: &str| {
        Value::Map(vec![(
            "consultation_closed".into(),
            Value::Map(vec![("turn".into(), 3.into()), ("reason".into(), reason.into())]),
        )])
    };
    for (reason, name, key) in [
        ("farewell", "consultation_terminated", "ending"),
        ("diagnosis_given", "consultation_terminated", "ending"),
        ("turns", "consultation_truncated", "limit"),
    ] {
        let new = upcast::v0_to_v1(closed(reason)).expect("known");
        let (found, body) = &map(&new)[0];
        assert_eq!((found.as_str(), field(map(body), key).as_str()), (Some(name), Some(reason)));
        assert_eq!(field(map(body), "turn").as_u64(), Some(3));
    }
    assert!(upcast::v0_to_v1(closed("boredom")).is_err());
}

/// Today's event in the shape of version 0: the inverse of the upcaster, kept here alone.
fn as_v0(event: &Event) -> Value {
    let (bytes, _) = codec::encode_chunk(EpisodeId(1), 0, 0, Digest::ZERO, std::slice::from_ref(event));
    let mut payload = &bytes[codec::CHUNK_HEADER..bytes.len() - codec::HASH];
    let value = rmpv::decode::read_value(&mut payload).expect("our own bytes");
    let (name, body) = map(&value.as_array().expect("events")[0])[0].clone();
    let mut body = map(&body).clone();
    let flatten = |body: &mut Vec<(Value, Value)>, name: &str| {
        let inner = map(field(body, name)).clone();
        body.retain(|(k, _)| k.as_str() != Some(name));
        body.extend(inner);
    };
    let close = |body: &mut Vec<(Value, Value)>, name: &str| {
        let reason = field(body, name).clone();
        body.retain(|(k, _)| k.as_str() != Some(name));
        body.push(("reason".into(), reason));
        Value::from("consultation_closed")
    };
    let name = match name.as_str() {
        Some("affect_moved") => {
            flatten(&mut body, "affect");
            name
        }
        Some("consultation_opened") => {
            flatten(&mut body, "limits");
            body.retain(|(k, _)| k.as_str() != Some("rubric_hash"));
            name
        }
        Some("consultation_terminated") => close(&mut body, "ending"),
        Some("consultation_truncated") => close(&mut body, "limit"),
        _ => name,
    };
    Value::Map(vec![(name, Value::Map(body))])
}

#[test]
#[ignore = "writes the fixtures of versions that have none"]
fn make_the_fixtures() {
    let mut r = recording(&case("golden-croup"), 1, "fixture", 2, true);
    // Every kind of event that the versions differ in, whatever today's units do.
    let end = r.log.events.len() - 1;
    let affect = bedside_env::units::Affect { trust: 55, anxiety: 40, patience: 70 };
    std::sync::Arc::make_mut(&mut r.log.events).insert(end, Event::AffectMoved { turn: 3, affect });
    for version in 0..=SCHEMA {
        if path(version).exists() {
            continue;
        }
        let (mut previous, mut first, mut out) = (Digest::ZERO, 0, Vec::new());
        for (no, events) in r.log.events.chunk_by(|a, b| a.turn() == b.turn()).enumerate() {
            let header = ChunkHeader {
                schema: version,
                episode: r.episode(),
                chunk: no as u32,
                first,
                events: events.len() as u32,
                previous,
            };
            let (bytes, hash) = match version {
                SCHEMA => codec::encode_chunk(r.episode(), no as u32, first, previous, events),
                _ => codec::seal_chunk(&header, |payload| {
                    let old = Value::Array(events.iter().map(as_v0).collect());
                    rmpv::encode::write_value(payload, &old).expect("memory");
                }),
            };
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
            (previous, first) = (hash, first + events.len() as u32);
        }
        std::fs::write(path(version), out).expect("written");
    }
}
