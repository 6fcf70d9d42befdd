//! Texts to learn from as they stand: files of one's own, public corpora, and what the knowledge base knows.
//!
//! [`files`] reads any text, JSON or JSONL; [`corpora`] reads published folders, names taken out; [`knowledge`] writes what the
//! knowledge base holds, with and without reasoning notes; [`notes`] tells notes from the text around them. Here texts become
//! lessons: windows of tokens in which every token is predicted once.

pub mod corpora;
pub mod files;
pub mod knowledge;
pub mod notes;

pub use corpora::Corpus;
pub use notes::Notes;

use crate::grpo::Credit;
use crate::lesson::Lesson;
use bedside_env::{Digest, TokenTrace};
use bedside_lm::Tokenizer;
use bedside_lm::tokens::TokenError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A text and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub name: String,
    pub text: String,
}

impl Document {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Document {
        Document { name: name.into(), text: text.into() }
    }

    /// Whether it is kept from training: `percent` of the texts are, by their hash. The same text twice is on one side.
    pub fn held_out(&self, percent: u32) -> bool {
        let hash = Digest::of_bytes("text split", self.text.as_bytes()).0;
        let word = u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
        word % 100 < u64::from(percent)
    }
}

/// Texts to learn from, and texts that are never learnt from.
pub fn split(documents: Vec<Document>, percent: u32) -> (Vec<Document>, Vec<Document>) {
    documents.into_iter().partition(|d| !d.held_out(percent))
}

/// Why there are no texts, or no lessons.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error(
        "{path}: {source}\nhint: check the path; a text file, a .json or .jsonl with a field `text`, or a folder of them"
    )]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "{path}, line {line}: {message}\nhint: every line is a JSON text, or an object with a text field `{field}`"
    )]
    Json { path: PathBuf, line: usize, message: String, field: String },
    #[error("{path}: {message}\nhint: a corpus is read as published, from DIR/<name>/")]
    Corpus { path: PathBuf, message: String },
    #[error("{0} holds no text\nhint: text files end in .txt or .md, others in .json or .jsonl")]
    Empty(PathBuf),
    #[error("{name}: {message}\nhint: a note stands between {open} and {close} and holds no other note", open = notes::OPEN, close = notes::CLOSE)]
    Notes { name: String, message: String },
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Cuts texts into windows of at most `window` predicted tokens. The first token of a text follows the mark that begins texts
/// (else it is only read), its end is predicted too; a window goes on where the one before it ended. With `notes` the texts may
/// hold notes, and masks tell what of them is learnt; windows of which nothing is learnt are left out.
pub fn lessons(
    documents: &[Document],
    tokenizer: &Tokenizer,
    window: usize,
    notes: Option<Notes>,
) -> Result<Vec<Lesson>, TextError> {
    let special = tokenizer.special();
    let end = special.eos.first().copied();
    let begin = special.bos.or(end);
    let mut out = Vec::new();
    for document in documents {
        let (mut ids, mut mask): (Vec<u32>, Vec<u8>) = (Vec::new(), Vec::new());
        ids.extend(begin);
        mask.resize(ids.len(), 0);
        let whole = [notes::Piece { text: &document.text, note: false }];
        let found = match notes {
            Some(_) => notes::pieces(document)?,
            None => whole.to_vec(),
        };
        let learnt = |note: bool| notes.is_none_or(|n| n.learns(note));
        for piece in found {
            // Encoded apart: no token is half note, half text.
            ids.extend(tokenizer.encode(&tokenizer.harmless(piece.text))?);
            mask.resize(ids.len(), u8::from(learnt(piece.note)));
        }
        ids.extend(end);
        mask.resize(ids.len(), u8::from(learnt(false)));
        let mut from = 1;
        while from < ids.len() {
            let to = ids.len().min(from + window.max(1));
            let (own, mask) = (ids[from..to].to_vec(), mask[from..to].to_vec());
            if mask.contains(&1) {
                let trace = TokenTrace { prompt_ids: vec![ids[from - 1]], ids: own, log_probs: Vec::new(), mask };
                out.push(Lesson { turns: vec![trace], credit: Credit::Sequence(0.0), trained: true });
            }
            from = to;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_lm::tokens::train_bpe;

    fn tokenizer() -> Tokenizer {
        train_bpe(["The heart has four chambers.", "Ask when the pain began."], 300).expect("trains")
    }

    fn read_back(lessons: &[Lesson]) -> Vec<(u32, u8)> {
        let turns = lessons.iter().flat_map(|l| &l.turns);
        turns.flat_map(|t| t.ids.iter().copied().zip(t.mask.iter().copied())).collect()
    }

    #[test]
    fn every_token_of_a_text_is_predicted_once_whatever_the_window() {
        let t = tokenizer();
        let text = [Document::new("a", "The heart has four chambers. ".repeat(9)), Document::new("b", "Ask.")];
        let whole = lessons(&text, &t, 10_000, None).expect("lessons");
        assert_eq!(whole.len(), 2);
        let mut expected = t.encode(&text[0].text).expect("ids");
        expected.extend(t.special().eos.first());
        assert_eq!(whole[0].turns[0].ids, expected);
        for window in [1, 7, 64] {
            let cut = lessons(&text, &t, window, None).expect("lessons");
            assert_eq!(read_back(&cut), read_back(&whole), "{window}");
            assert!(cut.iter().all(|l| l.len() <= window));
            // Each window's first token follows the last one of the window before it.
            let mut before = None;
            for turn in cut.iter().map(|l| &l.turns[0]).take_while(|turn| !turn.ids.ends_with(&t.special().eos[..1])) {
                assert!(before.is_none_or(|b| turn.prompt_ids == [b]));
                before = turn.ids.last().copied();
            }
        }
    }

    #[test]
    fn masks_tell_notes_from_the_text_around_them() {
        let t = tokenizer();
        let text = [Document::new("a", "The heart. <note>Ask when the pain began.</note> The end.")];
        let of = |notes| {
            let all = lessons(&text, &t, 1000, Some(notes)).expect("lessons");
            read_back(&all).into_iter().filter(|(_, m)| *m == 1).map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(t.decode(&of(Notes::Only)), "<note>Ask when the pain began.</note>");
        assert_eq!(t.decode(&of(Notes::Except)), "The heart.  The end.");
        assert_eq!(of(Notes::All).len(), of(Notes::Only).len() + of(Notes::Except).len());
        // A window in which nothing is learnt is no lesson.
        let plain = [Document::new("b", "The heart has four chambers.")];
        assert!(lessons(&plain, &t, 8, Some(Notes::Only)).expect("lessons").is_empty());
    }

    #[test]
    fn what_looks_like_a_special_token_is_text() {
        let t = tokenizer();
        let end = t.special().eos[0];
        let mark = t.token(end).expect("a name").to_owned();
        let all = lessons(&[Document::new("a", format!("{mark} {mark}"))], &t, 1000, None).expect("lessons");
        assert_eq!(all[0].turns[0].ids.iter().filter(|id| **id == end).count(), 1);
    }

    #[test]
    fn a_split_depends_on_the_text_alone() {
        let all: Vec<Document> = (0..400).map(|i| Document::new(i.to_string(), format!("text {}", i / 2))).collect();
        let (learnt, held) = split(all, 10);
        assert!((10..80).contains(&held.len()), "{}", held.len());
        assert!(held.iter().all(|h| learnt.iter().all(|l| l.text != h.text)));
    }
}
