//! Texts in files of one's own.

use super::{Document, TextError};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Reads a file, or every file of a folder that ends in .txt, .md, .json or .jsonl. A text file is one text; of JSON every row is one,
/// a text itself or an object with a text in `field`.
pub fn read(path: &Path, field: &str) -> Result<Vec<Document>, TextError> {
    let io = |source| TextError::Io { path: path.to_owned(), source };
    let mut paths: Vec<PathBuf> = Vec::new();
    if fs::metadata(path).map_err(io)?.is_dir() {
        for entry in fs::read_dir(path).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let known = ["txt", "md", "json", "jsonl"];
            if path.extension().and_then(|e| e.to_str()).is_some_and(|e| known.contains(&e)) {
                paths.push(path);
            }
        }
        // A listing has no order of its own.
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    let mut out = Vec::new();
    for path in &paths {
        out.extend(file(path, field)?);
    }
    out.retain(|d| !d.text.trim().is_empty());
    if out.is_empty() { Err(TextError::Empty(path.to_owned())) } else { Ok(out) }
}

fn file(path: &Path, field: &str) -> Result<Vec<Document>, TextError> {
    let text = fs::read_to_string(path).map_err(|source| TextError::Io { path: path.to_owned(), source })?;
    let text = text.trim_start_matches('\u{feff}');
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let refuse = |line: usize, message: String| TextError::Json {
        path: path.to_owned(),
        line,
        message,
        field: field.to_owned(),
    };
    let row = |line: usize, value: &Value| {
        let text = value.as_str().or_else(|| value[field].as_str());
        let text = text.ok_or_else(|| refuse(line, format!("there is no text `{field}`")))?;
        Ok(Document::new(format!("{name}:{line}"), text))
    };
    match path.extension().and_then(|e| e.to_str()) {
        Some("jsonl") => {
            let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
            let parsed = |(i, line): (usize, &str)| {
                let value = serde_json::from_str(line).map_err(|e| refuse(i + 1, e.to_string()))?;
                row(i + 1, &value)
            };
            lines.map(parsed).collect()
        }
        Some("json") => {
            let value: Value = serde_json::from_str(text).map_err(|e| refuse(e.line(), e.to_string()))?;
            match value.as_array() {
                Some(rows) => rows.iter().enumerate().map(|(i, v)| row(i + 1, v)).collect(),
                None => Ok(vec![row(1, &value)?]),
            }
        }
        _ => Ok(vec![Document::new(name, text)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_json_and_folders_are_read_in_a_fixed_order_and_empty_texts_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        write("c.txt", "third");
        write("a.jsonl", "{\"text\": \"first\"}\n\n\"second\"\n{\"text\": \" \"}\n");
        write("d.json", "[{\"text\": \"fourth\"}]");
        write("picture.png", "not read");
        let all = read(dir.path(), "text").expect("reads");
        let texts: Vec<&str> = all.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(texts, ["first", "second", "third", "fourth"]);
        assert_eq!(all[1].name, "a.jsonl:3");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.jsonl");
        for (text, said) in
            [("{\"text\": \"a\"}\n{\"body\": \"b\"}\n", "line 2: there is no text `text`"), ("{", "line 1")]
        {
            fs::write(&path, text).expect("written");
            let error = read(&path, "text").expect_err("refused").to_string();
            assert!(error.contains(said) && error.contains("hint: "), "{error}");
        }
        fs::write(&path, "{\"body\": \"b\"}").expect("written");
        assert_eq!(read(&path, "body").expect("reads")[0].text, "b");
        assert!(matches!(read(&dir.path().join("none"), "text"), Err(TextError::Io { .. })));
        fs::write(&path, "").expect("written");
        assert!(matches!(read(&path, "text"), Err(TextError::Empty(_))));
    }
}
