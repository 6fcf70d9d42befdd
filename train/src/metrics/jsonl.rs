//! One JSON object a step, a line each: `step` first, then names in alphabetical order; what is not defined is `null`.

use super::Metrics;
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Appends steps; each line is with the system before `write` returns, so a killed process loses none.
#[derive(Debug)]
pub struct JsonlWriter {
    file: File,
    /// Names seen so far: a name once written is in every later line, so that columns do not come and go.
    names: Vec<String>,
}

impl JsonlWriter {
    /// A new file; one that exists is replaced.
    pub fn create(path: &Path) -> io::Result<JsonlWriter> {
        Ok(JsonlWriter { file: File::create(path)?, names: Vec::new() })
    }

    /// Goes on after a checkpoint at `step`: lines of later steps, and a torn last line, are cut off. A file with a broken line before
    /// that step is left as it is: cutting would take whole lines along.
    pub fn resume(path: &Path, step: u64) -> io::Result<(JsonlWriter, Kept)> {
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let (mut keep, mut names) = (0, Vec::new());
        let mut kept = Kept::default();
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        for (i, line) in lines.iter().enumerate() {
            let whole = line.ends_with(b"\n");
            let object = serde_json::from_slice::<Map<String, Value>>(line).ok().filter(|_| whole);
            let Some((of, object)) = object.and_then(|o| Some((o.get("step")?.as_u64()?, o))) else {
                // A kill tears the last line and no other.
                kept.broken = (whole && kept.last < step).then_some(i + 1);
                break;
            };
            if of > step {
                break;
            }
            keep += line.len() as u64;
            (kept.lines, kept.last) = (i + 1, of);
            merge(&mut names, object.keys().filter(|k| *k != "step"));
        }
        kept.cut = lines.len() - kept.lines;
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if kept.broken.is_none() {
            file.set_len(keep)?;
        }
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok((JsonlWriter { file, names }, kept))
    }

    /// Waits until the disk has what was written.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Writes one step in one call to the system, so that a kill tears at most the last line.
    pub fn write(&mut self, step: u64, metrics: &Metrics) -> io::Result<()> {
        merge(&mut self.names, metrics.iter().map(|(name, _)| name));
        let mut object = Map::new();
        object.insert("step".to_owned(), Value::from(step));
        for name in &self.names {
            object.insert(name.clone(), metrics.get(name).map_or(Value::Null, Value::from));
        }
        let mut line = serde_json::to_vec(&object)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.flush()
    }
}

/// What was found in a file that is gone on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Lines that stay, and the step of the last of them; 0 of none.
    pub lines: usize,
    pub last: u64,
    /// Lines that were cut off.
    pub cut: usize,
    /// The line, from 1, that is no step's although it is whole and before the checkpoint's step.
    pub broken: Option<usize>,
}

impl Kept {
    /// In sentences, where there is something to tell of a checkpoint at `step`.
    pub fn told(&self, step: u64) -> Vec<String> {
        let mut out = Vec::new();
        if self.cut > 0 {
            let lines = if self.cut == 1 { "line" } else { "lines" };
            out.push(format!(
                "{} {lines} of metrics.jsonl cut off after step {}; the steps after {step} are taken again",
                self.cut, self.last
            ));
        }
        if self.last < step {
            out.push(format!(
                "metrics.jsonl has no line of the steps after {} up to {step}, from where the run goes on",
                self.last
            ));
        }
        out
    }
}

fn merge(names: &mut Vec<String>, new: impl Iterator<Item = impl AsRef<str>>) {
    for name in new {
        if let Err(at) = names.binary_search_by(|n| n.as_str().cmp(name.as_ref())) {
            names.insert(at, name.as_ref().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(pairs: &[(&str, f64)]) -> Metrics {
        let mut m = Metrics::default();
        pairs.iter().for_each(|(name, value)| m.set(*name, *value));
        m
    }

    #[test]
    fn keys_are_ordered_stay_once_seen_and_undefined_is_null() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut w = JsonlWriter::create(&path).expect("created");
        w.write(1, &metrics(&[("reward", 0.5), ("kl", f64::NAN)])).expect("written");
        w.write(2, &metrics(&[("entropy", 2.0)])).expect("written");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(
            text,
            "{\"step\":1,\"kl\":null,\"reward\":0.5}\n{\"step\":2,\"entropy\":2.0,\"kl\":null,\"reward\":null}\n"
        );
    }

    #[test]
    fn a_resumed_file_has_each_step_once_and_no_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut w = JsonlWriter::create(&path).expect("created");
        (1..=5).for_each(|s| w.write(s, &metrics(&[("reward", s as f64)])).expect("written"));
        let whole = std::fs::read(&path).expect("read");
        // Killed in the middle of a line, resumed from a checkpoint two steps before it.
        for cut in [whole.len() - 7, whole.len() - 1, whole.len()] {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let (mut w, kept) = JsonlWriter::resume(&path, 3).expect("resumed");
            assert_eq!(kept, Kept { lines: 3, last: 3, cut: 2, broken: None });
            (4..=5).for_each(|s| w.write(s, &metrics(&[("reward", s as f64)])).expect("written"));
            assert_eq!(std::fs::read(&path).expect("read"), whole);
        }
        // A last line that lacks only its end of line is torn too.
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("cut");
        JsonlWriter::resume(&path, 5).expect("resumed").0.write(5, &metrics(&[("reward", 5.0)])).expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), whole);
        assert!(JsonlWriter::resume(&folder.path().join("new.jsonl"), 0).is_ok());
    }
    #[test]
    fn a_broken_line_before_the_checkpoint_is_named_and_nothing_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut w = JsonlWriter::create(&path).expect("created");
        (1..=4).for_each(|s| w.write(s, &metrics(&[("reward", s as f64)])).expect("written"));
        let whole = std::fs::read_to_string(&path).expect("read");
        for broken in ["{\"step\":2,\"rew\n", "{\"reward\":2.0}\n", "\n", "[2]\n"] {
            let lines: Vec<&str> = whole.split_inclusive('\n').collect();
            let text = [lines[0], broken, lines[2], lines[3]].concat();
            std::fs::write(&path, &text).expect("written");
            let (_, kept) = JsonlWriter::resume(&path, 3).expect("read");
            assert_eq!((kept.broken, kept.last), (Some(2), 1), "{broken}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text, "{broken}");
        }
        // After the checkpoint it goes with the steps that are taken again.
        std::fs::write(&path, whole.replace("{\"step\":3", "{step 3")).expect("written");
        let (_, kept) = JsonlWriter::resume(&path, 2).expect("resumed");
        assert_eq!(kept, Kept { lines: 2, last: 2, cut: 2, broken: None });
        assert!(kept.told(2)[0].contains("2 lines") && kept.told(2).len() == 1);
        assert!(Kept { last: 1, ..Kept::default() }.told(2)[0].contains("no line"));
        assert_eq!(Kept::default().told(0), Vec::<String>::new());
    }
}
