//! Event files are read back by TensorBoard itself, where it is at hand: `BEDSIDE_TENSORBOARD_PYTHON` names a Python that has it
//! (`pip install tensorboard`).

use bedside_train::metrics::{EventWriter, Metrics};
use std::process::Command;

const READER: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1]); a.Reload()
for tag in sorted(a.Tags()['scalars']):
    for e in a.Scalars(tag):
        print(tag, e.step, e.wall_time, e.value)
";

#[test]
fn tensorboard_reads_what_was_written() {
    let Some(python) = std::env::var_os("BEDSIDE_TENSORBOARD_PYTHON") else {
        println!("skipped: BEDSIDE_TENSORBOARD_PYTHON not set");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut w = EventWriter::create(folder.path(), 1000.0).expect("created");
    let mut expected = Vec::new();
    for step in [1u64, 127, 128, 300_000] {
        let mut m = Metrics::default();
        m.set("reward", step as f64 / 4.0);
        m.set("clip_ratio/high_mean", -0.5);
        m.set("kl", None);
        w.write(step, 1000.0 + step as f64, &m).expect("written");
        expected.push(format!("clip_ratio/high_mean {step} {:?} -0.5", 1000.0 + step as f64));
        expected.push(format!("reward {step} {:?} {:?}", 1000.0 + step as f64, step as f64 / 4.0));
    }
    // Killed after a step that no checkpoint held; resumed, the run takes another course.
    let mut lost = Metrics::default();
    lost.set("reward", 9.0);
    w.write(300_001, 1001.0, &lost).expect("written");
    let mut w = EventWriter::resume(folder.path(), 2000.0, 300_000).expect("resumed");
    let mut again = Metrics::default();
    again.set("reward", 7.0);
    w.write(300_001, 2001.0, &again).expect("written");
    expected.push("reward 300001 2001.0 7.0".to_owned());
    expected.sort_by_key(|line| line.starts_with("reward"));
    let out = Command::new(python).args(["-c", READER]).arg(folder.path()).output().expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let found = String::from_utf8(out.stdout).expect("text");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}
