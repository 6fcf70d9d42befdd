//! Words: which carry a claim and which do not, their stems, and a small table to look them up in.

use std::sync::OnceLock;

/// A stem by its hash; numbers with their unit are stems too.
pub(crate) type Stem = u64;

pub(super) const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(super) const PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(OFFSET, |h, b| (h ^ u64::from(*b)).wrapping_mul(PRIME))
}

/// What a word does in a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
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

/// The class of a listed word.
pub(super) fn class(word: &[u8]) -> Option<Class> {
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

/// The stem of an everyday word.
pub(super) fn common_stem(stem: Stem) -> bool {
    words().common_stems.get(stem).is_some()
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
            if len > 3
                && buffer[len - 1] == buffer[len - 2]
                && !matches!(buffer[len - 1], b'l' | b's' | b'z' | b'f' | b'e')
            {
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
