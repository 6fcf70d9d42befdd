//! Interleaved notes: what a reader thinks at a place of a text, written there between marks (M2 3, mid-training).

use super::{Document, TextError};
use serde::{Deserialize, Serialize};

pub const OPEN: &str = "<note>";
pub const CLOSE: &str = "</note>";

/// What of a text with notes is learnt. M2 masks its cross-entropy there and does not say what the mask leaves; read as "the notes".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notes {
    /// The notes, given the text: the text is read, and what to think of it is learnt.
    Only,
    /// The text, given the notes.
    Except,
    All,
}

impl Notes {
    pub(super) fn learns(self, note: bool) -> bool {
        match self {
            Notes::Only => note,
            Notes::Except => !note,
            Notes::All => true,
        }
    }
}

/// A stretch of a text. The marks of a note belong to it: when to begin one is learnt with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub text: &'a str,
    pub note: bool,
}

/// The pieces of a text, in order; together they are the text.
pub fn pieces(document: &Document) -> Result<Vec<Piece<'_>>, TextError> {
    let wrong = |message: &str| TextError::Notes { name: document.name.clone(), message: message.to_owned() };
    let (mut rest, mut out) = (document.text.as_str(), Vec::new());
    while let Some(open) = rest.find(OPEN) {
        let length = rest[open..].find(CLOSE).ok_or_else(|| wrong("a note is never closed"))? + CLOSE.len();
        let (before, note) = (&rest[..open], &rest[open..open + length]);
        if before.contains(CLOSE) {
            return Err(wrong("a note is closed that was never opened"));
        }
        if note[OPEN.len()..].contains(OPEN) {
            return Err(wrong("a note begins inside of another"));
        }
        out.push(Piece { text: before, note: false });
        out.push(Piece { text: note, note: true });
        rest = &rest[open + length..];
    }
    if rest.contains(CLOSE) {
        return Err(wrong("a note is closed that was never opened"));
    }
    out.push(Piece { text: rest, note: false });
    out.retain(|p| !p.text.is_empty());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_broken_marks_are_refused_by_name() {
        let text = Document::new("a", "One <note>two</note> three<note>four</note>");
        let found = pieces(&text).expect("sound");
        assert_eq!(found.iter().map(|p| p.text).collect::<String>(), text.text);
        let notes: Vec<&str> = found.iter().filter(|p| p.note).map(|p| p.text).collect();
        assert_eq!(notes, ["<note>two</note>", "<note>four</note>"]);
        assert_eq!(pieces(&Document::new("b", "no notes")).expect("sound").len(), 1);
        for broken in ["<note>a", "a</note>", "<note>a<note>b</note></note>", "a</note> <note>b</note>"] {
            let said = pieces(&Document::new("c", broken)).expect_err(broken).to_string();
            assert!(said.starts_with("c: ") && said.contains("hint: "), "{said}");
        }
    }
}
