//! Rows come back as the log's own, and others' rows do not.

use crate::fixtures::{folder, record_all, recordings, units, with_reward};
use bedside_env::Reward;
use bedside_replays::export::{chat, parquet, rlds};
use bedside_replays::{Log, LogError, Recording};

fn filled() -> (Log, Vec<Recording>) {
    let log = Log::in_memory();
    let mut all = recordings(5);
    all[1] = with_reward(all[1].clone(), Reward::Scored(0.1 + 0.2));
    record_all(&log, &all);
    (log, all)
}

fn rows(log: &Log) -> Vec<rlds::StepRow> {
    let ids = log.episode_ids().expect("listed");
    ids.iter().flat_map(|id| rlds::rows(log, &log.read(*id).expect("whole"), &units()).expect("rows")).collect()
}

#[test]
fn a_parquet_file_comes_back_to_the_bit_and_is_the_logs() {
    let (log, all) = filled();
    let rows = rows(&log);
    let folder = folder();
    let path = folder.path().join("steps.parquet");
    let tip = log.tip().expect("tip").link.hex();
    parquet::write(&rows, &tip, std::fs::File::create(&path).expect("made")).expect("written");
    let back = parquet::read(std::fs::File::open(&path).expect("there")).expect("read");
    assert_eq!(back, rows);
    assert_eq!(rlds::check(&log, &back, &units()), Ok(all.len() as u64));
}

#[test]
fn steps_have_the_shape_of_rlds() {
    let (log, all) = filled();
    for r in &all {
        let rows = rlds::rows(&log, &log.read(r.episode()).expect("whole"), &units()).expect("rows");
        let actions = r.log.events.iter().filter(|e| e.name() == "action_taken").count();
        assert_eq!(rows.len(), actions + 1);
        assert!(rows.iter().enumerate().all(|(i, row)| row.step == i as u32));
        assert_eq!(rows.iter().filter(|r| r.is_first).count(), 1);
        assert_eq!(rows.iter().filter(|r| r.is_last).count(), 1);
        let last = rows.last().expect("a step");
        assert!(rows[0].is_first && last.is_last && last.action.is_none());
        assert_eq!(last.is_terminal, r.status.terminated());
        assert_eq!(last.discount, if last.is_terminal { 0.0 } else { 1.0 });
        assert_eq!(rows[actions - 1].reward, r.reward.value());
        let seen: bedside_env::Observation = serde_json::from_str(&rows[1].observation).expect("an observation");
        assert_eq!(seen.turn, 1);
        assert!(seen.status.is_running());
    }
}

#[test]
fn a_foreign_row_is_rejected_with_the_field_that_gives_it_away() {
    let (log, _) = filled();
    let good = rows(&log);
    type Edit = Box<dyn Fn(&mut rlds::StepRow)>;
    let edits: Vec<(&str, Edit)> = vec![
        ("reward", Box::new(|r| r.reward = Some(1.0))),
        ("observation", Box::new(|r| r.observation.push(' '))),
        ("action", Box::new(|r| r.action = Some("{}".to_owned()))),
        ("discount", Box::new(|r| r.discount = 0.5)),
        ("source", Box::new(|r| r.source.head = "00".repeat(32))),
        ("source", Box::new(|r| r.source.policy = "oracle".to_owned())),
    ];
    for (field, edit) in edits {
        let mut rows = good.clone();
        edit(&mut rows[1]);
        let e = rlds::check(&log, &rows, &units()).expect_err("foreign").to_string();
        assert!(e.contains(&format!("`{field}`")) && e.contains("hint:"), "{field}: {e}");
    }
    let mut rows = good.clone();
    rows.pop();
    assert!(rlds::check(&log, &rows, &units()).is_err());
    let mut rows = good;
    rows.truncate(1);
    rows[0].source.episode = "f".repeat(32);
    assert!(matches!(rlds::check(&log, &rows, &units()), Err(LogError::NoEpisode(_))));
}

#[test]
fn chat_lines_are_the_logs_and_an_edited_one_is_not() {
    let (log, all) = filled();
    let ids = log.episode_ids().expect("listed");
    let mut out = Vec::new();
    assert_eq!(chat::write(&log, &ids, &units(), &mut out), Ok(5));
    let text = String::from_utf8(out).expect("text");
    for (line, id) in text.lines().zip(&ids) {
        assert_eq!(chat::check(&log, line, &units()), Ok(*id));
        let row: chat::ChatRow = serde_json::from_str(line).expect("a row");
        assert_eq!(row.messages[0].role, "user");
        assert!(row.messages.iter().any(|m| m.role == "assistant"));
        assert_eq!(row.reward.is_none(), row.unscored.is_some());
        let edited = line.replacen("\"policy\":\"", "\"policy\":\"x", 1);
        assert!(matches!(chat::check(&log, &edited, &units()), Err(LogError::Foreign(_))));
    }
    assert!(text.contains("0.30000000000000004"));
    for junk in ["", "{}", "null", "[1]"] {
        assert!(chat::check(&log, junk, &units()).is_err());
    }
    assert_eq!(all.len(), 5);
}

#[test]
fn a_file_that_is_no_parquet_is_an_error() {
    let folder = folder();
    let path = folder.path().join("junk.parquet");
    std::fs::write(&path, b"PAR1 nothing of the kind PAR1").expect("written");
    assert!(parquet::read(std::fs::File::open(&path).expect("there")).is_err());
}
