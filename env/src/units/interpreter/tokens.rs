//! An utterance as comparable words, each with its bytes.
//!
//! Articles, possessives and fillers ("um", "like") are marked to be stepped over; inflection, British spelling and
//! contractions are levelled, so that "does he have a cough" and "d'you, uh, cough" share the words that count.
// A map with a fixed hasher that is looked up and never iterated: its order reaches nothing.
#![allow(clippy::disallowed_types)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a: short keys, same everywhere.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Looked up, never iterated.
pub(crate) type FnvMap<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// A word's number in the [`Vocabulary`].
pub(crate) type WordId = u32;
/// Not a word of the lexicon.
pub(crate) const UNKNOWN: WordId = 0;
/// Any number.
pub(crate) const NUMBER: WordId = 1;
/// Stands for up to four words in a phrase.
pub(crate) const GAP: WordId = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Word,
    /// Stepped over when phrases are compared.
    Skip,
    Comma,
    /// `.`, `!`, `;`, `:` or a line break.
    Stop,
    Question,
    Quote,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub start: u32,
    pub end: u32,
    pub class: Class,
    pub id: WordId,
}

/// Stems in order of first sight.
#[derive(Default)]
pub(crate) struct Vocabulary {
    ids: FnvMap<Box<str>, WordId>,
    /// Stems with one letter left out, for spelling slips.
    slips: FnvMap<Box<str>, WordId>,
    next: WordId,
}

/// Shorter stems are too near one another to be corrected.
const CORRECTED: usize = 5;

impl Vocabulary {
    pub fn new() -> Self {
        Vocabulary { ids: FnvMap::default(), slips: FnvMap::default(), next: GAP + 1 }
    }
    pub fn get(&self, stem: &str) -> WordId {
        self.ids.get(stem).copied().unwrap_or(UNKNOWN)
    }
    pub fn intern(&mut self, stem: &str) -> WordId {
        if let Some(id) = self.ids.get(stem) {
            return *id;
        }
        let id = self.next;
        self.next += 1;
        self.ids.insert(stem.into(), id);
        if stem.len() >= CORRECTED && stem.is_ascii() {
            for i in 0..stem.len() {
                self.slips.entry(without(stem, i).into()).or_insert(id);
            }
        }
        id
    }

    /// The stem one slip away: a letter missing, added, changed or swapped with its neighbour.
    pub fn correct(&self, stem: &str) -> WordId {
        if stem.len() < CORRECTED || !stem.bytes().all(|b| b.is_ascii_lowercase()) {
            return UNKNOWN;
        }
        if let Some(id) = self.slips.get(stem) {
            return *id;
        }
        let shorter = |i| without(stem, i);
        let added = (0..stem.len()).find_map(|i| self.ids.get(shorter(i).as_str()).copied().filter(|id| *id > GAP));
        added.filter(|_| stem.len() > CORRECTED).unwrap_or_else(|| {
            // Changing the first letter makes another word more often than a slip does.
            (1..stem.len()).find_map(|i| self.slips.get(shorter(i).as_str()).copied()).unwrap_or(UNKNOWN)
        })
    }
}

/// A word without its `i`-th byte.
fn without(word: &str, i: usize) -> String {
    let mut out = String::with_capacity(word.len());
    out.push_str(&word[..i]);
    out.push_str(&word[i + 1..]);
    out
}

const SKIP: [&str; 34] = [
    "a", "an", "the", "my", "your", "his", "her", "their", "our", "any", "some", "of", "um", "uh", "uhm", "umm", "er",
    "erm", "hmm", "hm", "ah", "oh", "just", "really", "actually", "also", "ever", "quite", "very", "maybe", "'s",
    "please", "kinda", "those",
];

fn is_skip(word: &str) -> bool {
    SKIP.contains(&word)
}

/// Irregular forms, and persons levelled: a question about "he" or "she" is a question about the patient.
fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "has" | "having" => "have",
        "did" | "does" | "doing" | "done" => "do",
        "is" | "am" | "are" | "'re" | "'m" | "were" | "was" | "being" => "be",
        "been" => "been",
        "he" | "she" | "they" | "him" | "them" | "ya" => "you",
        "got" | "gotten" | "getting" | "gets" => "get",
        "felt" => "feel",
        "began" | "begun" | "beginning" => "begin",
        "came" | "coming" | "comes" => "come",
        "went" | "goes" | "going" | "gone" => "go",
        "took" | "taken" | "taking" | "takes" => "take",
        "making" | "made" | "makes" => "make",
        "diagnosed" | "diagnosis" | "diagnoses" | "diagnosing" => "diagnos",
        "noticing" | "noticed" | "notice" | "notices" => "notic",
        "swelling" | "swellings" | "swells" | "swelled" => "swell",
        "breathing" => "breath",
        "during" => "during",
        "morning" | "mornings" => "morning",
        "evening" | "evenings" => "evening",
        "something" => "something",
        "anything" => "anything",
        "nothing" => "nothing",
        "everything" => "everything",
        "feet" => "foot",
        "gonna" => "go",
        "wanna" => "want",
        "mum" | "mom" | "mummy" | "mommy" | "mama" => "mother",
        "dad" | "daddy" | "papa" => "father",
        "medicine" | "medicines" | "medicine's" | "meds" | "medications" => "medication",
        "ten" => "10",
        "news" => "news",
        "ok" | "okay" | "k" | "okey" => "ok",
        "thing" | "things" => "thing",
        "bring" | "brings" | "brought" | "bringing" => "bring",
        "spread" | "spreading" | "spreads" => "spread",
        "eyes" => "eye",
        "as" => "as",
        "this" => "this",
        _ => return None,
    })
}

/// A word without its inflection. Crude, but the same crudeness meets phrases and utterances.
pub(crate) fn stem(word: &str, out: &mut String) {
    out.clear();
    if let Some(fixed) = irregular(word) {
        out.push_str(fixed);
        return;
    }
    // British "ae" and "oe" ("anaemia", "diarrhoea").
    let bytes = word.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if i + 1 < bytes.len() && (bytes[i] == b'a' || bytes[i] == b'o') && bytes[i + 1] == b'e' && bytes.len() > 5 {
            i += 1;
        }
        // Copy one whole character.
        let n = utf8_len(bytes[i]).min(bytes.len() - i);
        out.push_str(word.get(i..i + n).unwrap_or(""));
        i += n;
    }
    if out.len() >= 6 && out.ends_with("our") {
        let n = out.len();
        out.replace_range(n - 3.., "or");
    }
    if out.len() > 3 && out.ends_with('s') && !out.ends_with("ss") && !out.ends_with("us") && !out.ends_with("is") {
        if out.ends_with("ies") && out.len() > 4 {
            out.truncate(out.len() - 3);
            out.push('y');
        } else if out.ends_with("sses") || out.ends_with("shes") || out.ends_with("ches") || out.ends_with("xes") {
            out.truncate(out.len() - 2);
        } else {
            out.pop();
        }
    }
    for suffix in ["ing", "ed"] {
        if out.len() >= suffix.len() + 3 && out.ends_with(suffix) {
            let base = &out[..out.len() - suffix.len()];
            if base.bytes().any(|b| b"aeiouy".contains(&b)) {
                out.truncate(out.len() - suffix.len());
                let b = out.as_bytes();
                if b.len() > 3 && b[b.len() - 1] == b[b.len() - 2] && !b"lsze".contains(&b[b.len() - 1]) {
                    out.pop();
                }
            }
            break;
        }
    }
    if out.len() > 4 && out.ends_with("ly") {
        out.truncate(out.len() - 2);
    }
    if out.len() > 3 && out.ends_with('e') {
        out.pop();
    }
    if out.len() > 3 && out.ends_with('y') {
        out.pop();
        out.push('i');
    }
}

fn utf8_len(first: u8) -> usize {
    match first {
        0..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// What a contraction hides: "don't" stays one word, "you've" becomes two.
fn contraction(word: &str) -> Option<(usize, &'static str)> {
    for (suffix, meaning) in
        [("'ve", "have"), ("'re", "be"), ("'m", "be"), ("'ll", "will"), ("'d", "would"), ("'s", "'s")]
    {
        if let Some(head) = word.strip_suffix(suffix)
            && !head.is_empty()
        {
            let meaning = match (head, meaning) {
                ("what" | "how" | "where" | "that" | "it" | "there" | "who" | "when" | "he" | "she" | "this", "'s") => {
                    "be"
                }
                (_, m) => m,
            };
            return Some((head.len(), meaning));
        }
    }
    None
}

/// Cuts text into tokens; `id_of` numbers a stem, given also the word it was made from.
pub(crate) fn tokenize(text: &str, mut id_of: impl FnMut(&str, &str) -> WordId) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() / 4 + 4);
    let (mut lower, mut stemmed) = (String::with_capacity(24), String::with_capacity(24));
    let mut i = 0;
    while i < bytes.len() {
        let b = bytes[i];
        let mark = |class, len: usize| Token { start: i as u32, end: (i + len) as u32, class, id: UNKNOWN };
        match b {
            b'\n' => out.push(mark(Class::Stop, 1)),
            b'?' => out.push(mark(Class::Question, 1)),
            b'!' | b';' | b':' => out.push(mark(Class::Stop, 1)),
            b'.' => {
                let after_title = out.last().is_some_and(|t: &Token| {
                    let w = &text[t.start as usize..t.end as usize];
                    t.end as usize == i && matches!(w, "Dr" | "dr" | "Mr" | "Mrs" | "Ms" | "St" | "vs")
                });
                let ends = bytes.get(i + 1).is_none_or(|n| n.is_ascii_whitespace() || *n == b'"' || *n == b'<');
                if ends && !after_title {
                    out.push(mark(Class::Stop, 1));
                }
            }
            b',' | b'(' | b')' | b'[' | b']' | b'/' => out.push(mark(Class::Comma, 1)),
            b'-' if bytes.get(i + 1).is_some_and(|n| *n == b' ' || *n == b'-')
                && (i == 0 || bytes[i - 1] == b' ' || bytes[i - 1] == b'-') =>
            {
                out.push(mark(Class::Comma, 1));
            }
            b'"' => out.push(mark(Class::Quote, 1)),
            _ if b.is_ascii_alphanumeric() || b >= 0x80 => {
                let from = i;
                while i < bytes.len() {
                    let c = bytes[i];
                    let inside = c.is_ascii_alphanumeric()
                        || c == b'\''
                        || (c == b'.'
                            && bytes[from].is_ascii_digit()
                            && bytes.get(i + 1).is_some_and(u8::is_ascii_digit))
                        || (c == b'&' && i == from + 1);
                    if inside {
                        i += 1;
                    } else if c >= 0x80 {
                        let n = utf8_len(c).min(bytes.len() - i);
                        match text.get(i..i + n) {
                            // A curly apostrophe is an apostrophe; other typographic marks end the word.
                            Some("\u{2019}") if i > from => i += n,
                            Some(s) if s.chars().all(char::is_alphanumeric) => i += n,
                            _ => break,
                        }
                    } else {
                        break;
                    }
                }
                if i == from {
                    i += utf8_len(b).min(bytes.len() - i);
                    while !text.is_char_boundary(i) {
                        i += 1;
                    }
                    continue;
                }
                lower.clear();
                for c in text[from..i].chars() {
                    match c {
                        '\u{2019}' => lower.push('\''),
                        c if c.is_ascii() => lower.push(c.to_ascii_lowercase()),
                        c => lower.extend(c.to_lowercase()),
                    }
                }
                let kept = lower.trim_end_matches('\'').len();
                lower.truncate(kept);
                push_word(&lower, from as u32, i as u32, &mut stemmed, &mut id_of, &mut out);
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    out
}

fn push_word(
    lower: &str,
    start: u32,
    end: u32,
    stemmed: &mut String,
    id_of: &mut impl FnMut(&str, &str) -> WordId,
    out: &mut Vec<Token>,
) {
    if let Some((head, tail)) = contraction(lower) {
        push_word(&lower[..head], start, start + head as u32, stemmed, id_of, out);
        if tail != "'s" {
            stem(tail, stemmed);
            let id = id_of(stemmed, tail);
            out.push(Token { start: start + head as u32, end, class: Class::Word, id });
        }
        return;
    }
    if is_skip(lower) {
        out.push(Token { start, end, class: Class::Skip, id: UNKNOWN });
        return;
    }
    if lower.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        out.push(Token { start, end, class: Class::Word, id: NUMBER });
        return;
    }
    let plain: String;
    let lower = if lower.contains('\'') {
        plain = lower.replace('\'', "");
        plain.as_str()
    } else {
        lower
    };
    stem(lower, stemmed);
    let id = id_of(stemmed, lower);
    // "does, does he": the second of a stammered pair says nothing.
    if id != UNKNOWN
        && let Some(last) = out.iter_mut().rev().find(|t| t.class != Class::Skip)
        && last.class == Class::Word
        && last.id == id
        && id > GAP
    {
        out.push(Token { start, end, class: Class::Skip, id });
        return;
    }
    out.push(Token { start, end, class: Class::Word, id });
}
