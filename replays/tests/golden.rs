//! Playthroughs are played again from their own text. After a change that is meant, look at the difference of
//! `BEDSIDE_REGENERATE=1 cargo test -p bedside-replays golden` and commit it.

use crate::fixtures::{folder, golden_folder};
use bedside_env::{Action, DoctorTurn, EnvConfig};
use bedside_replays::golden::{check, parse, regenerate};
use bedside_replays::transcript::{action_line, parse_action};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn golden_playthroughs_are_as_they_were_and_none_is_missing() {
    let config = EnvConfig::default();
    if std::env::var_os("BEDSIDE_REGENERATE").is_some() {
        let changed = regenerate(&golden_folder(), &config).expect("played");
        println!("rewrote {changed:?}");
    }
    let wrong = check(&golden_folder(), &config).expect("readable");
    assert!(wrong.is_empty(), "{}\nhint: BEDSIDE_REGENERATE=1 cargo test -p bedside-replays golden", wrong.join("\n"));
}

#[test]
fn every_scripted_doctor_has_a_playthrough_beside_the_hand_written_ones() {
    let names = |folder: std::path::PathBuf, extension: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("a file").path());
        let ours = files.filter(|p| p.extension().is_some_and(|e| e == extension));
        ours.filter_map(|p| Some(p.file_stem()?.to_string_lossy().into_owned())).collect()
    };
    let told = names(golden_folder(), "txt");
    assert_eq!(told.len(), 8, "{told:?}");
    assert_eq!(told, names(golden_folder().join("records"), "json"), "a record of its own each");
    for doctor in ["checklist", "information-gain", "random", "oracle", "probe-injection"] {
        assert!(told.contains(&format!("golden-{doctor}")), "{doctor}: {told:?}");
    }
}

#[test]
fn a_missing_playthrough_and_a_changed_line_are_reported() {
    if std::env::var_os("BEDSIDE_REGENERATE").is_some() {
        return;
    }
    let copy = folder();
    std::fs::create_dir(copy.path().join("records")).expect("a folder");
    for name in ["records/golden-uti.json", "records/golden-croup.json", "golden-uti.txt"] {
        std::fs::copy(golden_folder().join(name), copy.path().join(name)).expect("copied");
    }
    let config = EnvConfig::default();
    let wrong = check(copy.path(), &config).expect("readable");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("golden-croup") && wrong[0].contains("hint:"), "{wrong:?}");
    let path = copy.path().join("golden-uti.txt");
    let text = std::fs::read_to_string(&path).expect("text").replacen("engine ", "engine 9", 1);
    std::fs::write(&path, text).expect("written");
    let wrong = check(copy.path(), &config).expect("readable");
    assert!(wrong.iter().any(|w| w.starts_with("golden-uti.txt, line ") && w.contains("engine 9")), "{wrong:?}");
}

#[test]
fn a_broken_playthrough_is_an_error_and_not_a_panic() {
    for text in ["", "x", "bedside playthrough 1\n", "bedside playthrough 1\nrecord a\npersona b\nseed 1\n"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_doctors_line_is_read_back_as_it_was(text in ".*", plan in any::<String>(), why in proptest::option::of(".*"), kind in 0..5) {
        let action = match kind {
            0 => Action::Say(text),
            1 => Action::Ask(text),
            2 => Action::Examine(text),
            3 => Action::OrderTest(text),
            _ => Action::Conclude { differential: vec![text.clone(), text], plan },
        };
        let turn = DoctorTurn { action, reasoning: why };
        let line = action_line(&turn);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(parse_action(&line), Ok(turn));
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in ".*") {
        let _ = parse_action(&line);
        let _ = parse(&format!("bedside playthrough 1\nrecord a\npersona ESTJ/x\n[1] doctor {line}"));
    }
}
