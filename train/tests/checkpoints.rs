//! A checkpoint is whole or not there: whatever byte is changed, and whenever the process is killed.

use bedside_env::Digest;
use bedside_train::checkpoint::{CheckpointError, Checkpoints, load};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "BEDSIDE_CHECKPOINT_FOLDER";

fn config() -> Digest {
    Digest::of_bytes("test", b"config")
}

fn counters(step: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("rollout".to_owned(), step * 16)])
}

/// Contents that a step determines, of a size that it determines too.
fn contents(step: u64) -> [Vec<u8>; 2] {
    let model = (0..40_000 + step % 977).map(|i| (i * 31 + step) as u8).collect();
    [model, step.to_le_bytes().repeat(1000)]
}

fn save(checkpoints: &Checkpoints, step: u64) -> PathBuf {
    let [model, optimizer] = contents(step);
    let files = [("model.bin", &model[..]), ("optimizer.bin", &optimizer[..])];
    checkpoints.save(step, config(), counters(step), &files).expect("saved")
}

fn open(folder: &Path, keep: usize) -> Checkpoints {
    Checkpoints::open(folder, keep).expect("a folder")
}

#[test]
fn what_was_saved_is_loaded_and_only_the_last_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = open(folder.path(), 3);
    assert!(matches!(checkpoints.latest(), Err(CheckpointError::None(_))));
    (1..=7).for_each(|step| drop(save(&checkpoints, step)));
    assert_eq!(checkpoints.steps().expect("listed"), [5, 6, 7]);
    let (found, damaged) = checkpoints.latest().expect("sound");
    assert!(damaged.is_empty());
    assert_eq!((found.manifest.step, found.manifest.config, &found.manifest.counters), (7, config(), &counters(7)));
    assert_eq!(found.files.values().cloned().collect::<Vec<_>>(), contents(7));
    // The same again is fine, something else under the same step is not.
    save(&checkpoints, 7);
    let other = checkpoints.save(7, config(), counters(7), &[("model.bin", b"another")]);
    assert!(matches!(other, Err(CheckpointError::Exists(_))), "{other:?}");
}

#[test]
fn a_changed_byte_anywhere_is_found_and_its_file_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = save(&open(folder.path(), 2), 20);
    for file in ["manifest.json", "model.bin", "optimizer.bin"] {
        let whole = fs::read(place.join(file)).expect("read");
        for at in (0..whole.len()).step_by(whole.len() / 97 + 1) {
            let mut edited = whole.clone();
            edited[at] ^= 0x01;
            fs::write(place.join(file), &edited).expect("edited");
            let found = load(&place);
            let Err(CheckpointError::Damaged { file: named, .. }) = found else { panic!("{file} byte {at} passed") };
            assert_eq!(named, file, "byte {at}");
        }
        fs::write(place.join(file), &whole[..whole.len() - 1]).expect("torn");
        let torn = load(&place).expect_err("torn").to_string();
        assert!(torn.contains(file) && torn.contains("hint:"), "{torn}");
        fs::write(place.join(file), &whole).expect("mended");
    }
    fs::write(place.join("extra.bin"), b"x").expect("written");
    assert!(load(&place).expect_err("a foreign file").to_string().contains("extra.bin"));
    fs::remove_file(place.join("extra.bin")).expect("removed");
    fs::remove_file(place.join("optimizer.bin")).expect("removed");
    assert!(load(&place).expect_err("a missing file").to_string().contains("optimizer.bin is missing"));
    fs::rename(&place, folder.path().join("step-00000021")).expect("renamed");
    assert!(load(&folder.path().join("step-00000021")).is_err(), "a checkpoint under another step's name");
}

#[test]
fn a_damaged_latest_checkpoint_is_passed_over_and_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = open(folder.path(), 5);
    (1..=3).for_each(|step| drop(save(&checkpoints, step)));
    fs::write(folder.path().join("step-00000003/model.bin"), b"short").expect("torn");
    let (found, damaged) = checkpoints.latest().expect("step 2 is sound");
    assert_eq!((found.manifest.step, damaged.len()), (2, 1));
    assert!(damaged[0].to_string().contains("model.bin"));
    // With none left it is not said that an earlier one may do.
    (1..=2).for_each(|step| {
        fs::remove_file(folder.path().join(format!("step-0000000{step}/model.bin"))).expect("removed")
    });
    let none = checkpoints.latest().expect_err("nothing sound").to_string();
    assert!(none.contains("step-00000003: model.bin") && none.contains("begin again"), "{none}");
    assert!(!none.contains("earlier"), "{none}");
    // Saving step 3 again puts it right.
    fs::remove_file(folder.path().join("step-00000003/manifest.json")).expect("removed");
    save(&checkpoints, 3);
    assert_eq!(checkpoints.latest().expect("sound").0.manifest.step, 3);
}

#[test]
fn saving_over_a_damaged_file_of_the_same_step_puts_it_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = open(folder.path(), 2);
    let place = save(&checkpoints, 4);
    let whole = fs::read(place.join("optimizer.bin")).expect("read");
    let mut flipped = whole.clone();
    flipped[77] ^= 0x10;
    // The manifest is sound and says the same; only the file beside it is not what it says.
    for damage in [&flipped[..], &whole[..whole.len() / 2], b""] {
        fs::write(place.join("optimizer.bin"), damage).expect("damaged");
        assert!(checkpoints.load(4).is_err());
        assert_eq!(save(&checkpoints, 4), place);
        assert_eq!(checkpoints.load(4).expect("sound again").files["optimizer.bin"], whole);
    }
    fs::remove_file(place.join("model.bin")).expect("removed");
    save(&checkpoints, 4);
    assert_eq!(checkpoints.load(4).expect("sound again").files.values().cloned().collect::<Vec<_>>(), contents(4));
    assert_eq!(checkpoints.steps().expect("listed"), [4]);
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = open(folder.path(), 1);
    for name in ["../model.bin", "a/b", "", ".hidden", "manifest.json"] {
        let refused = checkpoints.save(1, config(), BTreeMap::new(), &[(name, b"x")]);
        assert!(matches!(refused, Err(CheckpointError::BadName(_))), "{name}: {refused:?}");
    }
    let twice = checkpoints.save(1, config(), BTreeMap::new(), &[("a", b"x"), ("a", b"y")]);
    assert!(matches!(twice, Err(CheckpointError::BadName(_))));
    assert_eq!(checkpoints.steps().expect("listed"), [0u64; 0]);
}

/// Not a test of its own: the process that is killed. Prints each step after its checkpoint was saved.
#[test]
#[ignore = "run by the kill test in a process of its own"]
fn the_trainer_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let checkpoints = open(&folder, 2);
    let start = checkpoints.latest().map_or(0, |(found, _)| found.manifest.step);
    for step in start + 1.. {
        save(&checkpoints, step);
        println!("saved {step}");
    }
}

/// `BEDSIDE_KILLS=100` for the long run.
#[test]
fn whenever_the_process_is_killed_the_latest_checkpoint_loads() {
    let rounds: u64 = std::env::var("BEDSIDE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let folder = tempfile::tempdir().expect("a folder");
    let me = std::env::current_exe().expect("this test");
    let (mut last, mut leftovers, mut random) = (0u64, 0, 0x9e37_79b9_7f4a_7c15u64);
    for round in 0..rounds {
        let mut child = Command::new(&me)
            .args(["--exact", "checkpoints::the_trainer_that_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let out = child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines.filter_map(|l| l.rsplit_once("saved ")?.1.parse::<u64>().ok()).last()
        });
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_millis(60 + (random >> 33) % 200));
        child.kill().expect("killed");
        child.wait().expect("gone");
        last = reader.join().expect("read").unwrap_or(last).max(last);

        let names = fs::read_dir(folder.path()).expect("listed").filter_map(Result::ok);
        leftovers += names.filter(|e| e.file_name().to_string_lossy().starts_with('.')).count();
        if last == 0 {
            continue;
        }
        let (found, damaged) = open(folder.path(), 2).latest().expect("a checkpoint");
        assert!(damaged.is_empty(), "round {round}: {damaged:?}");
        let step = found.manifest.step;
        assert!(step >= last, "round {round}: step {last} was saved, {step} is the latest");
        assert_eq!(found.files.values().cloned().collect::<Vec<_>>(), contents(step), "round {round}");
        last = step;
    }
    println!(
        "{rounds} kills, {last} steps saved, {leftovers} half-written or half-removed folders left, every latest loads"
    );
    assert!(last >= rounds, "{last} steps in {rounds} rounds");
}
