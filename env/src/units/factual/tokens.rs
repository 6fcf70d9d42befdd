//! Sentences as significant tokens. Pronouns, auxiliaries, hedges and the like are dropped, contractions opened, words cut
//! to a stem, numbers joined with their unit, and every token knows whether a negation governs it. Statements and drafts go
//! through the same door, so how something is phrased cancels out and what it claims remains.

use super::words::{Class, OFFSET, PRIME, class, common_stem, hash};
pub(crate) use super::words::{Stem, Table, stem};

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
    /// Negations in it, the lead aside.
    pub negations: u8,
    /// Words of any kind in it.
    pub words: u16,
}

/// A text cut into sentences and tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    pub tokens: Vec<Token>,
    pub sentences: Vec<Sentence>,
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
                    // "without trying" says nothing about the rest of the sentence.
                    let whole = lower != b"without";
                    self.sentence.negations = self.sentence.negations.saturating_add(u8::from(whole));
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
                let common = common_stem(s) || lower.len() < 2;
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
                    scan.sentence.negations = scan.sentence.negations.saturating_add(1);
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
