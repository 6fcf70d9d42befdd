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

    /// Goes on after a checkpoint at `step`: lines of later steps, and a torn last line, are cut off.
    pub fn resume(path: &Path, step: u64) -> io::Result<JsonlWriter> {
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let (mut keep, mut names) = (0, Vec::new());
        for line in text.split_inclusive(|b| *b == b'\n') {
            let whole = line.ends_with(b"\n");
            let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(line) else { break };
            if !whole || object.get("step").and_then(Value::as_u64).is_none_or(|s| s > step) {
                break;
            }
            keep += line.len() as u64;
            merge(&mut names, object.keys().filter(|k| *k != "step"));
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(keep)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(JsonlWriter { file, names })
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
            let mut w = JsonlWriter::resume(&path, 3).expect("resumed");
            (4..=5).for_each(|s| w.write(s, &metrics(&[("reward", s as f64)])).expect("written"));
            assert_eq!(std::fs::read(&path).expect("read"), whole);
        }
        // A last line that lacks only its end of line is torn too.
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("cut");
        JsonlWriter::resume(&path, 5).expect("resumed").write(5, &metrics(&[("reward", 5.0)])).expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), whole);
        assert!(JsonlWriter::resume(&folder.path().join("new.jsonl"), 0).is_ok());
    }
}
