//! Sentences as significant tokens. Pronouns, auxiliaries, hedges and the like are dropped, contractions opened, words cut
//! to a stem, numbers joined with their unit, and every token knows whether a negation governs it. Statements and drafts go
//! through the same door, so how something is phrased cancels out and what it claims remains.

use std::sync::OnceLock;

/// A stem by its hash; numbers with their unit are stems too.
pub(crate) type Stem = u64;

/// How much a token gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// An everyday word: weak evidence.
    Common,
    /// A word that everyday talk does without: strong evidence.
    Rare,
    /// A number, with its unit where it has one.
    Number,
}

/// One significant token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub stem: Stem,
    pub weight: Weight,
    pub negated: bool,
    /// Under "I don't know" and the like: it claims nothing.
    pub unsure: bool,
    pub sentence: u16,
    pub start: u32,
    pub end: u32,
}

/// One sentence of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sentence {
    pub start: u32,
    pub end: u32,
    /// Hash of its letters and digits in lower case.
    pub hash: u64,
    /// It asks and so claims nothing.
    pub question: bool,
    /// Began with "yes" (true) or "no" (false).
    pub lead: Option<bool>,
    /// Words of any kind in it.
    pub words: u16,
}

/// A text cut into sentences and tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    pub tokens: Vec<Token>,
    pub sentences: Vec<Sentence>,
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(OFFSET, |h, b| (h ^ u64::from(*b)).wrapping_mul(PRIME))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Function,
    Common,
    Negation,
    /// Ends the reach of a negation.
    Break,
    /// A subject pronoun: after a comma or "and" it begins a new clause.
    Subject,
    And,
    /// Units of time and measure.
    Unit,
    Number(u32),
    Yes,
    /// "know", "sure", "remember": after a negation the sentence claims nothing.
    Knowing,
    /// "couple", "few": a loose amount, dropped.
    Loose,
}

/// Open-addressing table from a 64-bit hash to a small value; built once, read only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    slots: Vec<(u64, u32)>,
    mask: usize,
}

impl Table {
    pub fn new(entries: &[(u64, u32)]) -> Table {
        let size = (entries.len() * 2).next_power_of_two().max(8);
        let mut table = Table { slots: vec![(0, u32::MAX); size], mask: size - 1 };
        for (key, value) in entries {
            let mut i = Table::home(*key, table.mask);
            while table.slots[i].1 != u32::MAX && table.slots[i].0 != *key {
                i = (i + 1) & table.mask;
            }
            table.slots[i] = (*key, *value);
        }
        table
    }

    fn home(key: u64, mask: usize) -> usize {
        ((key ^ (key >> 29)) as usize) & mask
    }

    pub fn get(&self, key: u64) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mut i = Table::home(key, self.mask);
        loop {
            let (k, v) = self.slots[i];
            if v == u32::MAX {
                return None;
            }
            if k == key {
                return Some(v);
            }
            i = (i + 1) & self.mask;
        }
    }

    pub fn bytes(&self) -> usize {
        self.slots.len() * std::mem::size_of::<(u64, u32)>()
    }
}

struct Words {
    /// Whole lower-case word -> class code.
    exact: Table,
    /// Stem of a common word.
    common_stems: Table,
}

const FUNCTION: u32 = 1;
const COMMON: u32 = 2;
const NEGATION: u32 = 3;
const BREAK: u32 = 4;
const SUBJECT: u32 = 5;
const AND: u32 = 6;
const UNIT: u32 = 7;
const YES: u32 = 8;
const KNOWING: u32 = 9;
const LOOSE: u32 = 10;
const NUMBER: u32 = 1_000;

const NUMBERS: [(&str, u32); 29] = [
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("thousand", 1000),
    ("twice", 2),
];

fn words() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut exact = Vec::new();
        let mut stems = Vec::new();
        let lists = include_str!("../../../data/voice/words.txt");
        for line in lists.lines().filter(|l| !l.starts_with('#')) {
            let mut it = line.split_whitespace();
            let code = if it.next() == Some("function") { FUNCTION } else { COMMON };
            for w in it {
                exact.push((hash(w.as_bytes()), code));
                if code == COMMON {
                    stems.push((stem(w.as_bytes()), 1));
                }
            }
        }
        let mut set = |list: &[&str], code| exact.extend(list.iter().map(|w| (hash(w.as_bytes()), code)));
        set(
            &["not", "no", "never", "none", "nothing", "without", "nobody", "neither", "nor", "nope", "cannot", "deny"],
            NEGATION,
        );
        set(&["denies", "denied", "nah"], NEGATION);
        set(&["but", "although", "though", "except", "apart", "because", "however", "whereas", "otherwise"], BREAK);
        set(&["i", "it", "he", "she", "they", "we", "my", "there", "you", "his", "her", "their"], SUBJECT);
        set(&["and", "or", "so"], AND);
        set(
            &[
                "second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month",
                "months",
            ],
            UNIT,
        );
        set(&["year", "years", "mg", "ml", "kg", "g", "units", "pounds", "stone", "times", "mcg", "percent"], UNIT);
        set(&["yes", "yeah", "yep", "aye"], YES);
        set(
            &[
                "know",
                "sure",
                "remember",
                "say",
                "tell",
                "recall",
                "certain",
                "understand",
                "follow",
                "mean",
                "idea",
                "clue",
                "dunno",
            ],
            KNOWING,
        );
        set(&["couple", "few", "several", "handful"], LOOSE);
        exact.extend(NUMBERS.iter().map(|(w, n)| (hash(w.as_bytes()), NUMBER + n)));
        Words { exact: Table::new(&exact), common_stems: Table::new(&stems) }
    })
}

fn class(word: &[u8]) -> Option<Class> {
    Some(match words().exact.get(hash(word))? {
        FUNCTION => Class::Function,
        COMMON => Class::Common,
        NEGATION => Class::Negation,
        BREAK => Class::Break,
        SUBJECT => Class::Subject,
        AND => Class::And,
        UNIT => Class::Unit,
        YES => Class::Yes,
        KNOWING => Class::Knowing,
        LOOSE => Class::Loose,
        n => Class::Number(n - NUMBER),
    })
}

fn vowel(b: u8) -> bool {
    matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Cuts the commonest endings: coughing, coughed, coughs -> cough; breathless, breathing -> breath. Lower-case input.
pub(crate) fn stem(word: &[u8]) -> Stem {
    let mut buffer = [0u8; 40];
    let n = word.len().min(40);
    buffer[..n].copy_from_slice(&word[..n]);
    let mut len = n;
    let ends = |b: &[u8; 40], len: usize, tail: &[u8]| len >= tail.len() && &b[len - tail.len()..len] == tail;
    if len > 4 && (ends(&buffer, len, b"ies") || ends(&buffer, len, b"ied")) {
        buffer[len - 3] = b'y';
        len -= 2;
    } else if len > 4 && ends(&buffer, len, b"sses") {
        len -= 2;
    } else if len > 3 && ends(&buffer, len, b"s") && !ends(&buffer, len, b"ss") && !ends(&buffer, len, b"us") {
        len -= 1;
        if len > 4 && (ends(&buffer, len, b"che") || ends(&buffer, len, b"xe") || ends(&buffer, len, b"she")) {
            len -= 1;
        }
    }
    for tail in [&b"less"[..], b"ness", b"ing", b"ed", b"ly"] {
        if len > tail.len() + 2 && ends(&buffer, len, tail) && buffer[..len - tail.len()].iter().any(|b| vowel(*b)) {
            len -= tail.len();
            if len > 3 && buffer[len - 1] == buffer[len - 2] && !matches!(buffer[len - 1], b'l' | b's' | b'z' | b'e') {
                len -= 1;
            }
            break;
        }
    }
    if len > 3 && buffer[len - 1] == b'e' {
        len -= 1;
    }
    if len > 3 && buffer[len - 1] == b'y' {
        buffer[len - 1] = b'i';
    }
    hash(&buffer[..len])
}

/// A number with its unit as one stem.
fn numbered(value: &[u8], unit: Option<Stem>) -> Stem {
    (hash(value) ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(PRIME) ^ unit.unwrap_or(0).rotate_left(17)
}

struct Scan<'a> {
    out: &'a mut Tokens,
    sentence: Sentence,
    open: bool,
    negated: bool,
    /// A negation stands just before, so "know" makes the sentence unsure.
    just_negated: bool,
    unsure: bool,
    /// After a comma or "and": a subject pronoun begins a clause.
    joint: bool,
    /// The word before was "all" or "that": "right" after it is no side.
    agreeing: bool,
    /// Token that a unit right after it belongs to, with the number's bytes.
    number: Option<usize>,
}

impl Scan<'_> {
    fn begin(&mut self, at: usize) {
        if !self.open {
            self.open = true;
            self.sentence = Sentence { start: at as u32, hash: OFFSET, ..Sentence::default() };
            (self.negated, self.joint, self.just_negated, self.unsure) = (false, false, false, false);
        }
    }

    fn end(&mut self, at: usize, question: bool) {
        if self.open {
            self.sentence.end = at as u32;
            self.sentence.question = question;
            self.out.sentences.push(self.sentence);
            self.open = false;
        }
        self.number = None;
    }

    fn push(&mut self, stem: Stem, weight: Weight, start: usize, end: usize) {
        let sentence = self.out.sentences.len() as u16;
        let (start, end) = (start as u32, end as u32);
        self.out.tokens.push(Token { stem, weight, negated: self.negated, unsure: self.unsure, sentence, start, end });
    }

    fn word(&mut self, lower: &[u8], start: usize, end: usize, next: u8) {
        self.sentence.words += 1;
        let first = self.sentence.words == 1;
        let number = self.number.take();
        let just_negated = std::mem::take(&mut self.just_negated);
        let joint = std::mem::take(&mut self.joint);
        let agreeing = std::mem::replace(&mut self.agreeing, matches!(lower, b"all" | b"that"));
        let digits = lower.first().is_some_and(u8::is_ascii_digit);
        if digits {
            self.push(numbered(lower, None), Weight::Number, start, end);
            if !lower.iter().any(u8::is_ascii_alphabetic) {
                self.number = Some(self.out.tokens.len() - 1);
            }
            return;
        }
        if lower == b"right" && (first || agreeing) {
            return;
        }
        match class(lower) {
            Some(Class::Negation) => {
                let sentence = self.out.sentences.len() as u16;
                let first = !just_negated && self.out.tokens.last().is_none_or(|t| t.sentence != sentence);
                let lead =
                    first && matches!(lower, b"no" | b"nope" | b"nah") && matches!(next, b',' | b'.' | b'!' | b';');
                if lead {
                    self.sentence.lead = Some(false);
                } else {
                    (self.negated, self.just_negated) = (true, true);
                }
            }
            Some(Class::Yes) => {
                if first {
                    self.sentence.lead = Some(true);
                }
            }
            Some(Class::Knowing) => {
                self.unsure |= just_negated || matches!(lower, b"idea" | b"clue" | b"dunno");
            }
            Some(Class::Break) => (self.negated, self.unsure) = (false, false),
            Some(Class::Subject) => {
                if joint {
                    self.negated = false;
                }
                self.just_negated = just_negated;
            }
            Some(Class::And) => self.joint = true,
            Some(Class::Function) => self.just_negated = just_negated,
            Some(Class::Loose) => {}
            Some(Class::Number(n)) => {
                let mut text = [0u8; 8];
                let value = decimal(n, &mut text);
                self.push(numbered(value, None), Weight::Number, start, end);
                self.number = Some(self.out.tokens.len() - 1);
            }
            Some(Class::Unit) => {
                let unit = stem(lower);
                match number {
                    Some(i) if self.out.tokens[i].weight == Weight::Number => {
                        let token = &mut self.out.tokens[i];
                        token.stem = token.stem.wrapping_add(unit.rotate_left(17));
                        token.end = end as u32;
                    }
                    _ => self.push(unit, Weight::Common, start, end),
                }
            }
            Some(Class::Common) => self.push(stem(lower), Weight::Common, start, end),
            None => {
                let s = stem(lower);
                let common = words().common_stems.get(s).is_some() || lower.len() < 2;
                self.push(s, if common { Weight::Common } else { Weight::Rare }, start, end);
            }
        }
    }
}

fn decimal(mut n: u32, buffer: &mut [u8; 8]) -> &[u8] {
    let mut i = buffer.len();
    loop {
        i -= 1;
        buffer[i] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 || i == 0 {
            return &buffer[i..];
        }
    }
}

impl Tokens {
    pub fn of(text: &str) -> Tokens {
        let mut out = Tokens { tokens: Vec::with_capacity(24), sentences: Vec::with_capacity(6) };
        let bytes = text.as_bytes();
        let mut scan = Scan {
            out: &mut out,
            sentence: Sentence::default(),
            open: false,
            negated: false,
            just_negated: false,
            unsure: false,
            joint: false,
            agreeing: false,
            number: None,
        };
        let inside = |b: u8| b.is_ascii_alphanumeric() || (b >= 0x80);
        let mut lower = [0u8; 48];
        let mut i = 0;
        while i < bytes.len() {
            let b = bytes[i];
            let quote = text.get(i..).is_some_and(|t| t.starts_with('\u{2019}') || t.starts_with('\u{2018}'));
            if !inside(b) || quote {
                match b {
                    b'.' | b'!' | b'?' | b'\n' => scan.end(i + 1, b == b'?'),
                    b';' | b':' => (scan.negated, scan.joint, scan.number) = (false, false, None),
                    b',' => (scan.joint, scan.number) = (true, None),
                    _ => {}
                }
                i += if quote { 3 } else { 1 };
                continue;
            }
            let start = i;
            scan.begin(start);
            let number = b.is_ascii_digit();
            let mut n = 0;
            let mut apostrophe = None;
            while i < bytes.len() {
                let c = bytes[i];
                let curly = c == 0xe2 && bytes.get(i + 1) == Some(&0x80) && bytes.get(i + 2) == Some(&0x99);
                let step = if curly { 3 } else { 1 };
                let after = bytes.get(i + step).copied().unwrap_or(b' ');
                if (c == b'\'' || curly) && after.is_ascii_alphabetic() {
                    apostrophe = Some(n);
                } else if curly {
                    break;
                } else if inside(c) || (number && matches!(c, b'.' | b',' | b'/') && after.is_ascii_digit()) {
                    if n < lower.len() && c != b',' {
                        lower[n] = c.to_ascii_lowercase();
                        n += 1;
                    }
                    if inside(c) {
                        scan.sentence.hash =
                            (scan.sentence.hash ^ u64::from(c.to_ascii_lowercase())).wrapping_mul(PRIME);
                    }
                } else {
                    break;
                }
                i += step;
            }
            let next = bytes.get(i).copied().unwrap_or(b'.');
            let word = &lower[..n];
            match apostrophe {
                // isn't, can't, won't: a negation; I've, she's, doctor's: the ending falls away.
                Some(_) if word.ends_with(b"nt") => {
                    scan.sentence.words += 1;
                    scan.number = None;
                    (scan.negated, scan.just_negated) = (true, true);
                }
                Some(at) if at > 0 => {
                    let (base, keep) = (&lower[..at], scan.just_negated);
                    scan.word(base, start, i, next);
                    scan.just_negated |= keep;
                }
                _ => scan.word(word, start, i, next),
            }
        }
        scan.end(bytes.len(), false);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<(Stem, bool)> {
        Tokens::of(text).tokens.iter().map(|t| (t.stem, t.negated)).collect()
    }

    #[test]
    fn phrasing_cancels_out_and_claims_remain() {
        assert_eq!(
            stems("I've had a cough for two weeks."),
            stems("Well, she has had a cough for about 2 weeks, I think.")
        );
        assert_eq!(stems("I haven't had any chest pain"), stems("No, I\u{2019}ve not had any chest pain."));
        assert_ne!(stems("I have chest pain"), stems("I don't have chest pain"));
        assert_ne!(stems("for two weeks"), stems("for five weeks"));
        assert_ne!(stems("for two weeks"), stems("for two days"));
        assert_ne!(stems("in my left arm"), stems("in my right arm"));
    }

    #[test]
    fn a_negation_reaches_to_the_next_clause() {
        let t = Tokens::of("I haven't had a fever, chills or a rash, but my knee hurts.");
        assert_eq!(t.tokens.iter().map(|t| t.negated).collect::<Vec<_>>(), [true, true, true, false, false]);
        let t = Tokens::of("I don't really know about any rash, but I've had jaundice.");
        assert_eq!(t.tokens.iter().map(|t| t.unsure).collect::<Vec<_>>(), [true, false]);
        assert_eq!(Tokens::of("No, it hurts.").sentences[0].lead, Some(false));
    }
}
