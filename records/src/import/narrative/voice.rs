//! From the clinician's third person to the patient's first, or to a parent's words about a child.

pub(crate) use super::article::{article, lower_first};
pub(super) use super::verbs::{ADVERBS, DOINGS, SYMPTOM_INGS};
use super::verbs::{AFTER_HER_ME, RELATIVES_F, RELATIVES_M, base, coordinates};
use crate::pattern::compiled;
use crate::record::Sex;
use regex::Regex;
use std::sync::LazyLock;

/// Who speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    pub sex: Sex,
    /// A parent speaks for the patient.
    pub parent: bool,
}

/// Words and what lies between them.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = false;
    for c in text.chars() {
        let w = c.is_alphanumeric() || c == '\'' || c == '’';
        match out.last_mut() {
            Some(last) if w == word => last.push(c),
            _ => out.push(c.to_string()),
        }
        word = w;
    }
    out
}

static PATIENT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:(?:the|this|our) )?(?:(?:patient|pt)\b|(?:\[NAME\]|(?:Mr|Mrs|Ms|Miss)\.? \[NAME\]))( ?['’]s\b|['’]\B)?|\b(?:the|this) (?:\w+-)?(?:man|woman|boy|girl|child|infant|baby|newborn|toddler|gentleman|lady|teenager|adolescent|neonate)\b(['’]s?\b)?",
    )
});

static OWN_CHILD: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)\b(?:her|his|their) (?:son|daughter|child|baby|infant)\b"));

/// What a note says of telling, where the telling is done here: "I state that I have", "which I note are".
static TELLING: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"\bI (?:also )?(?:state|note|report|mention|say|describe|explain|add|indicate)(?: that| a feeling of| feeling)? (I\b|I'|my |the |it |this |there |these |when |after |since |occasionally |lately )",
    )
});

impl Voice {
    /// Rewrites a clause in the patient's own first person.
    pub fn first(self, clause: &str) -> String {
        let marked = PATIENT.replace_all(clause, |c: &regex::Captures<'_>| {
            if c.get(1).or(c.get(2)).is_some() { "ptpossx".to_owned() } else { "ptsubjx".to_owned() }
        });
        // The parent who speaks is the one the note tells of.
        let marked =
            if self.parent { OWN_CHILD.replace_all(&marked, "ptsubjx").into_owned() } else { marked.into_owned() };
        let p = pieces(&marked);
        let (he, she) = match self.sex {
            Sex::Male => (true, false),
            Sex::Female => (false, true),
            _ => (true, true),
        };
        let mut out = String::with_capacity(clause.len() + 8);
        let mut agree = false; // the next word is the verb of "I"
        let mut subject_i = false;
        let mut other = false; // somebody of the same sex has come in: pronouns may be theirs
        let mut previous = String::new();
        let mut comma = false;
        for (i, piece) in p.iter().enumerate() {
            let lower = piece.to_lowercase().replace('’', "'");
            if !piece.chars().any(char::is_alphanumeric) {
                comma = piece.contains(',');
                if piece.contains(['.', ';', ':']) {
                    subject_i = false;
                }
                out.push_str(piece);
                continue;
            }
            let next = p[i + 1..].iter().find(|x| x.chars().any(char::is_alphanumeric)).map(|x| x.to_lowercase());
            let gap = p.get(i + 1).map_or("", String::as_str);
            let next = next.as_deref().filter(|_| !gap.contains([',', '.', ';', ')', ':']));
            let mine = !other;
            let say: Option<&str> = match lower.as_str() {
                "ptpossx" => {
                    other = false;
                    Some("my")
                }
                "ptsubjx" => {
                    other = false;
                    let object = [
                        "to", "of", "by", "with", "for", "from", "on", "in", "told", "brought", "asked", "gave",
                        "made", "causes", "caused", "found", "about", "advised", "saw", "see", "treated", "referred",
                        "sent", "helped", "bothered", "bothers", "prevents",
                    ]
                    .contains(&previous.as_str());
                    agree = !object;
                    Some(if object { "me" } else { "I" })
                }
                "he" if he && mine => Some("I"),
                "she" if she && mine => Some("I"),
                "him" if he && mine => Some("me"),
                "his" if he && mine => Some("my"),
                "himself" if he && mine => Some("myself"),
                "herself" if she && mine => Some("myself"),
                "hers" if she && mine => Some("mine"),
                "her" if she && mine => Some(if next.is_none_or(|n| AFTER_HER_ME.contains(&n)) { "me" } else { "my" }),
                "he's" | "she's" if mine => {
                    Some(if next.is_some_and(|n| n == "been" || n == "had" || n.ends_with("ed")) {
                        "I've"
                    } else {
                        "I'm"
                    })
                }
                "he'd" | "she'd" if mine => Some("I'd"),
                "he'll" | "she'll" if mine => Some("I'll"),
                "you" if !clause.contains("thank you") => Some("I"),
                "your" => Some("my"),
                "you're" => Some("I'm"),
                "you've" => Some("I've"),
                _ => None,
            };
            if let Some(word) = say {
                if word == "I" {
                    agree = true;
                    subject_i = true;
                }
                out.push_str(word);
            } else {
                let related =
                    (he && RELATIVES_M.contains(&lower.as_str())) || (she && RELATIVES_F.contains(&lower.as_str()));
                other |= related && self.sex != Sex::Unknown;
                let adverb = lower.ends_with("ly") || ADVERBS.contains(&lower.as_str());
                let joined = subject_i
                    && (["and", "or", "but", "then"].contains(&previous.as_str()) || comma)
                    && coordinates(&lower);
                let verb = (agree || joined).then(|| base(&lower)).flatten();
                match verb {
                    Some(v) if !(joined && !agree && v == "am") => out.push_str(&v),
                    Some(_) => out.push_str("am"),
                    None if lower == "are" && agree => out.push_str("am"),
                    None => out.push_str(piece),
                }
                if !adverb {
                    agree = false;
                } else if ["and", "or", "but", "then"].contains(&previous.as_str()) {
                    // "and rarely has": the adverb lies between, the verb is still of "I".
                    comma = false;
                    continue;
                }
                if ["that", "which", "who", "where"].contains(&lower.as_str()) {
                    subject_i = false;
                }
            }
            previous = lower;
            comma = false;
        }
        let out = contract(&out);
        TELLING.replace_all(&out, "$1").into_owned()
    }

    /// A whole sentence to be spoken: capital, full stop, lay words, and the parent's view for a child.
    pub fn sentence(self, first_person: &str) -> String {
        let s = doing(&super::lay::plain(first_person.trim()));
        let s = if self.parent { self.parental(&s) } else { s };
        let s = without_brackets(&s);
        let s = s.trim().trim_end_matches(['.', ',', ';', ':', ' ', '-', '–', '(', '/']).trim();
        let mut chars = s.chars();
        let head = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        format!("{head}{}.", chars.as_str())
    }
}

/// Nobody speaks a short form in brackets: "diabetes (PNDM)", "type 2 diabetes (type 2 diabetes)".
fn without_brackets(text: &str) -> String {
    static SHORT: LazyLock<Regex> =
        LazyLock::new(|| compiled(r" \((?:[A-Z][A-Za-z]{0,3}[A-Z0-9][A-Z0-9/-]{0,8}s?|[a-z0-9 ]{4,40})\)"));
    SHORT
        .replace_all(text, |c: &regex::Captures<'_>| {
            let inner = c[0].trim_matches([' ', '(', ')']);
            let twice = c.get(0).is_some_and(|m| text[..m.start()].to_lowercase().ends_with(&inner.to_lowercase()));
            let short = inner.starts_with(|c: char| c.is_uppercase());
            if twice || short { String::new() } else { c[0].to_owned() }
        })
        .into_owned()
}

/// Lay words for a symptom may be something done: "I've had getting up at night" is "I've been getting up at night".
fn doing(text: &str) -> String {
    let text = text.replace(" a itchy", " an itchy").replace(" an shortness", " a shortness");
    let text = text.as_str();
    let verbs = ["feeling ", "getting ", "passing ", "needing ", "vomiting blood", "coughing up"];
    for (had, been) in [("I've had ", "I've been "), ("I haven't had any ", "I haven't been ")] {
        if let Some(rest) = text.strip_prefix(had) {
            if let Some(state) = rest.strip_prefix("being ") {
                return format!("{been}{state}");
            }
            if verbs.iter().any(|v| rest.starts_with(v)) {
                return format!("{been}{rest}");
            }
        }
    }
    text.to_owned()
}

/// The way people say it.
fn contract(text: &str) -> String {
    let mut s = text.to_owned();
    for (long, short) in [
        ("I am not ", "I'm not "),
        ("I am ", "I'm "),
        ("I have not ", "I haven't "),
        ("I have had ", "I've had "),
        ("I have been ", "I've been "),
        ("I have never ", "I've never "),
        ("I do not ", "I don't "),
        ("I did not ", "I didn't "),
        ("I was not ", "I wasn't "),
        ("I could not ", "I couldn't "),
        ("I cannot ", "I can't "),
        ("I have also ", "I've also "),
        ("I have recently ", "I've recently "),
        ("I has ", "I have "),
        ("I is ", "I'm "),
        ("I have noticed ", "I've noticed "),
        ("I have tried ", "I've tried "),
        ("I have taken ", "I've taken "),
        ("I would ", "I'd "),
        ("I will ", "I'll "),
        (" nor does I ", " nor do I "),
        ("since I last saw I ", "since you last saw me "),
        ("since I last saw I.", "since you last saw me."),
        ("I last saw I", "you last saw me"),
        ("I last saw me", "you last saw me"),
        ("a new I ", "a new patient "),
        ("which I note are ", "which are "),
        ("which I state are ", "which are "),
    ] {
        if s.contains(long) {
            s = s.replace(long, short);
        }
    }
    s
}
