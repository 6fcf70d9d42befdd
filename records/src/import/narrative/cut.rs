//! Cutting a note: abbreviations written out, sentences, clauses, list items.

use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

/// Shorthand of notes and what it stands for. Tried in order, whole words only.
const SHORT: &[(&str, &str)] = &[
    (r"(?i)\bpmhx? of\b", "history of"),
    (r"\bc/o\b", "complains of"),
    (r"\bh/o\b|\bhx of\b|\bhistory of of\b", "history of"),
    (r"\bn/v/d\b", "nausea, vomiting, diarrhea"),
    (r"\bn&v\b|\bn/v\b", "nausea, vomiting"),
    (r"\bs/p\b", "status post"),
    (r"\bw/o\b", "without"),
    (r"\bw/", "with "),
    (r"\by/o\b|\byo\b|\by\.o\.", "year-old"),
    (r"(?i)\bn ?& ?v\b", "nausea, vomiting"),
    (r"\bfh\b|\bFh\b", "family history"),
    (r"\bNKD?A\b", "no known drug allergies"),
    (r"\bSOBOE\b", "shortness of breath on exertion"),
    (r"\bSOB\b", "shortness of breath"),
    (r"\bDOE\b", "shortness of breath on exertion"),
    (r"\bCP\b", "chest pain"),
    (r"\bHTN\b", "high blood pressure"),
    (r"\bT2DM\b", "type 2 diabetes"),
    (r"\bT1DM\b", "type 1 diabetes"),
    (r"\bDM\b", "diabetes"),
    (r"\bMI\b", "heart attack"),
    (r"\bCVA\b", "stroke"),
    (r"\bUTI\b", "urinary tract infection"),
    (r"\bURTI\b|\bURI\b", "upper respiratory infection"),
    (r"\bLOC\b", "loss of consciousness"),
    (r"\bLOA\b", "loss of appetite"),
    (r"\bLMP\b", "last menstrual period"),
    (r"\betOH\b|\bETOH\b|\bEtOH\b", "alcohol"),
    (r"\bDOB confirm\w*\.?|\bconfirm\w* (?:name|dob)\b[^\n.]*", ""),
    (r"\bassoc\b\.?", "associated"),
    (r"\bprev\b\.?", "previous"),
    (r"(?i)\b(no|any|nil) sx (?:of )?", "${1} symptoms of "),
    (r"\bSOBAR\b", "shortness of breath at rest"),
    (r"\bPND\b", "waking up breathless"),
    (r"\bRUQ\b", "right upper tummy"),
    (r"\bLUQ\b", "left upper tummy"),
    (r"\bRIF\b|\bRLQ\b", "right lower tummy"),
    (r"\bLIF\b|\bLLQ\b", "left lower tummy"),
    (r"\bBOs?\b", "bowels opened"),
    (r"\bPU(?:ing)?\b", "passing urine"),
    (r"\bROM\b", "range of movement"),
    (r"\bOTC\b", "over-the-counter"),
    (r"\babx\b|\bAbx\b", "antibiotics"),
    (r"\bhr\b", "hour"),
    (r"\bMVA\b|\bMVC\b|\bRTA\b", "car accident"),
    (r"\bsx\b|\bSx\b", "symptoms"),
    (r"\btx\b|\bRx\b", "treatment"),
    (r"\bdx\b", "diagnosis"),
    (r"\bhx\b|\bHx\b", "history"),
    (r"\bpt\b\.?|\bPt\b\.?", "the patient"),
    (r"\bBD\b|\bbd\b", "twice a day"),
    (r"\bOD\b|\bod\b", "once a day"),
    (r"\bBID\b|\bbid\b", "twice a day"),
    (r"\bTID\b|\btid\b|\bTDS\b|\btds\b", "three times a day"),
    (r"\bQDS\b|\bQID\b", "four times a day"),
    (r"\bPRN\b|\bprn\b", "as needed"),
    (r"\bapprox\b\.?", "about"),
    (r"\bfam\b", "family"),
    (r"\bnil else\b|\bnil of note\b|\bnil significant\b", "nothing else of note"),
    (r"\bwks?\b", "weeks"),
    (r"\bmths?\b", "months"),
    (r"\byrs\b", "years"),
    (r"\bhrs\b", "hours"),
    (r"\b(\d+)/7\b", "${1} days"),
    (r"\b(\d+)/52\b", "${1} weeks"),
    (r"\b(\d+)/12\b", "${1} months"),
    (r"\b(\d+)/24\b", "${1} hours"),
    (r" ?\+{2,}", ""),
    (r"\b(\d+)d\b", "${1} days"),
    (r"\b(\d+) days history of\b", "${1}-day history of"),
    (r"\b(\d+) weeks history of\b", "${1}-week history of"),
    (r"\b(\d+) months history of\b", "${1}-month history of"),
    (r"\b(days?|weeks?|months?) history (?:of )?", "${1} history of "),
    (r"\s&\s", " and "),
    (r"\bPMHx?\b:?", "Past medical history:"),
    (r"\bFHx?\b:?", "Family history:"),
    (r"\bSHx?\b:?", "Social history:"),
];

static SHORTHAND: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| SHORT.iter().map(|(p, full)| (compiled(p), *full)).collect());

/// Writes shorthand out, for voicing and matching; the source text keeps its own words.
pub(crate) fn expand(text: &str) -> String {
    let mut out = text.to_owned();
    for (re, full) in SHORTHAND.iter() {
        if re.is_match(&out) {
            out = re.replace_all(&out, *full).into_owned();
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

const NO_STOP: &[&str] = &[
    "dr", "mr", "mrs", "ms", "st", "vs", "e.g", "i.e", "approx", "etc", "no", "prof", "fig", "dept", "jr", "sr", "inc",
    "a.m", "p.m", "u.s",
];

/// Sentences and lines, bullets taken off, in order; slices of the text.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = match c {
            '\n' | '\r' | '•' => true,
            ';' => depth == 0,
            '!' | '?' => bytes.get(i + 1).is_none_or(|b| b.is_ascii_whitespace()) && !(c == '?' && i == start),
            '.' => {
                let word = text[start..i].rsplit([' ', '(', '\u{a0}']).next().unwrap_or("").to_lowercase();
                let next = text[i + 1..].chars().find(|c| !c.is_whitespace());
                bytes.get(i + 1).is_none_or(|b| b.is_ascii_whitespace() || *b == b'"')
                    && !(NO_STOP.contains(&word.as_str())
                        || word.len() == 1 && word != "i" && !word.chars().all(|c| c.is_ascii_digit()))
                    && next.is_none_or(|n| !n.is_lowercase() || word.len() > 3)
                    && !(word.chars().all(|c| c.is_ascii_digit()) && text[start..i].trim().len() <= 2)
            }
            _ => false,
        };
        if ends {
            push(&mut out, &text[start..i]);
            start = i + c.len_utf8();
            depth = 0;
        }
    }
    push(&mut out, &text[start..]);
    out
}

fn push<'a>(out: &mut Vec<&'a str>, s: &'a str) {
    let s = s.trim().trim_start_matches(['-', '–', '*', '•', '#', '>', ' ']).trim_start_matches("- ").trim();
    // "1. Patient ..." numbers items, it says nothing.
    let digits = s.chars().take_while(char::is_ascii_digit).count();
    let s = match s[digits..].strip_prefix(['.', ')']) {
        Some(rest) if (1..=2).contains(&digits) && rest.starts_with([' ', '\t']) => rest.trim(),
        _ => s,
    };
    if s.chars().any(char::is_alphanumeric) {
        out.push(s.trim_end_matches(['.', ',', ' ']));
    }
}

static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:,? (?:and|but|although|though|however,?)|,)( (?:he|she|the patient|they)? ?(?:also |currently |otherwise )?(?:denies|denied|reports|reported|states|stated|endorses|endorsed|admits|does not|did not|has not|has no|had no|has never|there is no|there are no|no other|nil|without|negative for|no (?:history|fever|known|chest|significant|recent|associated|rash|vomit|nausea|pain|weight)|(?:he|she|the patient) (?:is|was|has|had|takes|took|works|lives|smokes|drinks|feels|felt|does|did|also|now|says|notes|noted|describes|uses|started|began|went|tried|developed)) )",
    )
});

/// Clauses of a sentence that stand on their own.
pub(crate) fn clauses(sentence: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for caps in CLAUSE.captures_iter(sentence) {
        let (Some(whole), Some(next)) = (caps.get(0), caps.get(1)) else { continue };
        // A condition or a question of when is no clause of its own.
        let head = sentence[start..whole.start()].trim().to_lowercase();
        let opened = [
            "if ",
            "when ",
            "while ",
            "after ",
            "since ",
            "because ",
            "although ",
            "despite ",
            "as ",
            "for ",
            "in ",
            "regarding ",
            "ever ",
        ];
        if head.contains(' ') && head.len() > 8 && !opened.iter().any(|w| head.starts_with(w)) {
            out.push(sentence[start..whole.start()].trim());
            start = next.start();
        }
    }
    out.push(sentence[start..].trim().trim_start_matches(',').trim());
    out.retain(|c| c.chars().any(char::is_alphanumeric));
    out
}

/// Items of an enumeration: commas, "and", "or", slashes between words; brackets stay whole.
pub(crate) fn items(list: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let mut depth = 0usize;
    let lower = list.to_ascii_lowercase();
    let digit = |c: Option<u8>| c.is_some_and(|b| b.is_ascii_digit());
    let bytes = lower.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 && !digit(bytes.get(i + 1).copied()) => cuts.push((i, i + 1)),
            b'/' if depth == 0
                && i > 1
                && bytes[i - 1].is_ascii_alphabetic()
                && bytes.get(i + 1).is_some_and(u8::is_ascii_alphabetic) =>
            {
                let word = |s: &str| s.chars().take_while(|c| c.is_alphabetic()).count();
                let left = lower[..i].chars().rev().take_while(|c| c.is_alphabetic()).count();
                if left > 3 && word(&lower[i + 1..]) > 3 {
                    cuts.push((i, i + 1));
                }
            }
            b' ' if depth == 0 => {
                for word in [" and/or ", " and ", " or ", " nor ", " as well as ", " plus "] {
                    if lower[i..].starts_with(word) && !lower[i + word.len()..].starts_with("off ") {
                        cuts.push((i, i + word.len()));
                        i += word.len() - 2;
                        break;
                    }
                }
            }
            _ => {}
        }
        i += 1;
    }
    let mut out = Vec::new();
    let mut start = 0;
    for (from, to) in cuts {
        if from >= start {
            out.push(&list[start..from]);
            start = to;
        }
    }
    out.push(&list[start..]);
    out.into_iter()
        .map(|s| {
            let s = s.trim().trim_matches([',', ':', '-']).trim();
            ["and ", "or ", "nor ", "other "].iter().fold(s, |s, w| s.strip_prefix(w).unwrap_or(s))
        })
        .filter(|s| s.chars().any(char::is_alphanumeric))
        .collect()
}

/// An enumeration of short names rather than a sentence with commas in it.
pub(crate) fn is_plain_list(list: &str) -> bool {
    let parts = items(list);
    let finite = [
        "is", "are", "was", "were", "has", "had", "have", "he", "she", "who", "which", "that", "his", "her", "then",
        "when", "while", "after", "because", "started", "began", "both", "between", "without", "due", "does", "did",
        "to", "until", "with", "by", "the", "during", "after",
    ];
    parts.len() > 1
        && parts.iter().all(|p| {
            let words: Vec<String> = p.split_whitespace().map(str::to_lowercase).collect();
            words.len() <= 6 && !words.iter().any(|w| finite.contains(&w.as_str()))
        })
        && !parts[1..].iter().any(|p| {
            ["left", "right", "sharp", "dull", "down", "up", "out"]
                .contains(&p.split_whitespace().next_back().unwrap_or(""))
        })
}
