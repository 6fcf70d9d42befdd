//! Re-wording a statement without touching what it claims: register, brevity, hedged numbers, and a parent's voice.

use bedside_records::Sex;
use std::borrow::Cow;

/// A statement ready to stand inside a sentence: trimmed, without a final stop and without its own yes or no.
pub(crate) fn bare(statement: &str) -> &str {
    let s = statement.trim().trim_end_matches(['.', ' ']);
    ["Yes, ", "No, ", "Yes. ", "No. ", "Well, "].iter().find_map(|lead| s.strip_prefix(lead)).unwrap_or(s)
}

/// Begins with "Yes" or "No" or "Nothing": a lead-in before it would say it twice.
pub(crate) fn leads_itself(bare: &str) -> bool {
    ["No ", "Not ", "Nothing", "Nobody", "None", "Never", "Yes", "no ", "Neither"].iter().any(|w| bare.starts_with(w))
}

const NAMES: [&str; 19] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "God",
];

/// First letter in lower case, unless it is "I", a name or an abbreviation.
pub(crate) fn lower_first(s: &str) -> Cow<'_, str> {
    let word: &str = s.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    let mut chars = s.chars();
    let Some(first) = chars.next() else { return Cow::Borrowed(s) };
    let keep = !first.is_uppercase()
        || word == "I"
        || NAMES.contains(&word)
        || word.chars().skip(1).any(char::is_uppercase)
        || (word.len() == 1 && word != "A");
    if keep { Cow::Borrowed(s) } else { Cow::Owned(first.to_lowercase().chain(chars).collect()) }
}

pub(crate) fn upper_first(s: &str) -> Cow<'_, str> {
    let mut chars = s.chars();
    match chars.next() {
        Some(c) if c.is_lowercase() => Cow::Owned(c.to_uppercase().chain(chars).collect()),
        _ => Cow::Borrowed(s),
    }
}

const DENYING: [&str; 14] = [
    "I haven't had any ",
    "I haven't had a ",
    "I haven't had an ",
    "I haven't got any ",
    "I haven't got a ",
    "I haven't got an ",
    "I don't have any ",
    "I don't have a ",
    "I don't have an ",
    "I've not had any ",
    "I've not had a ",
    "I haven't noticed any ",
    "I've had no ",
    "I have no ",
];
const HAVING: [&str; 8] = [
    "I've had a ",
    "I've had an ",
    "I've got a ",
    "I've got an ",
    "I have a ",
    "I have an ",
    "I've been having a ",
    "I get a ",
];

/// "I haven't had any chest pain" as "No chest pain", "I've had a cough" as "A cough"; `None` where it does not fit.
pub(crate) fn clipped(s: &str) -> Option<String> {
    if let Some(rest) = DENYING.iter().find_map(|d| s.strip_prefix(d)) {
        return Some(format!("No {rest}"));
    }
    let had = HAVING.iter().find(|h| s.starts_with(**h))?;
    let article = if had.ends_with("an ") { "An" } else { "A" };
    // "a cough that ..." alone would be half a sentence.
    let rest = &s[had.len()..];
    (!rest.contains(" that ") && !rest.contains(" and ")).then(|| format!("{article} {rest}"))
}

const OPENED: [(&str, &str); 21] = [
    ("I've ", "I have "),
    ("I'm ", "I am "),
    ("haven't", "have not"),
    ("hasn't", "has not"),
    ("don't", "do not"),
    ("doesn't", "does not"),
    ("didn't", "did not"),
    ("isn't", "is not"),
    ("wasn't", "was not"),
    ("aren't", "are not"),
    ("won't", "will not"),
    ("can't", "cannot"),
    ("couldn't", "could not"),
    ("wouldn't", "would not"),
    ("I'd had", "I had had"),
    ("It's been", "It has been"),
    ("it's been", "it has been"),
    ("It's ", "It is "),
    ("it's ", "it is "),
    ("There's been", "There has been"),
    ("we've ", "we have "),
];

/// Contractions opened, for formal speakers.
pub(crate) fn formal(s: &str) -> String {
    OPENED.iter().fold(s.to_owned(), |text, (from, to)| if text.contains(from) { text.replace(from, to) } else { text })
}

const UNITS: [&str; 12] =
    ["second", "seconds", "minute", "minutes", "hour", "hours", "days", "weeks", "months", "years", "day", "year"];
const AMOUNTS: [&str; 22] = [
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "one", "several", "half",
];

/// "two weeks" as "about two weeks": vague, never another number. `None` where there is no span of time to blur.
pub(crate) fn blurred(s: &str, hedge: &str) -> Option<String> {
    let words: Vec<&str> = s.split(' ').collect();
    let plain = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
    let at = words.windows(2).position(|w| {
        let amount = plain(w[0]);
        let number = AMOUNTS[..20].contains(&amount.as_str())
            || (!amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit()) && amount.len() < 3);
        number && UNITS.contains(&plain(w[1]).as_str())
    })?;
    let before = at.checked_sub(1).map(|i| plain(words[i])).unwrap_or_default();
    let hedged = [
        "about", "around", "roughly", "or", "nearly", "almost", "over", "under", "than", "least", "to", "and", "every",
    ];
    if at == 0 || hedged.contains(&before.as_str()) || words[..at].last().is_some_and(|w| w.ends_with([',', '.'])) {
        return None;
    }
    let mut out = words[..at].join(" ");
    out.push(' ');
    out.push_str(hedge);
    out.push(' ');
    out.push_str(&words[at..].join(" "));
    Some(out)
}

/// A first-person statement as a parent says it of the child: "I've had a cough" -> "She's had a cough".
pub(crate) fn of_child(s: &str, sex: Sex) -> String {
    let (he, him, his, plural) = match sex {
        Sex::Female => ("she", "her", "her", false),
        Sex::Male => ("he", "him", "his", false),
        _ => ("they", "them", "their", true),
    };
    let mut out = String::with_capacity(s.len() + 8);
    // The verb after "I" takes an -s; adverbs in between are passed over.
    let mut verb = false;
    let mut start = true;
    for word in s.split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        let cut = word.find(|c: char| !(c.is_alphanumeric() || c == '\'')).unwrap_or(word.len());
        let (core, tail) = word.split_at(cut);
        let new: Cow<'_, str> = match core {
            "I" => {
                verb = true;
                he.into()
            }
            "I've" if plural => "they've".into(),
            "I'm" if plural => "they're".into(),
            "I've" | "I'm" => format!("{he}'s").into(),
            "I'd" | "I'll" => format!("{he}{}", &core[1..]).into(),
            "My" | "my" => his.into(),
            "me" | "Me" => him.into(),
            "mine" => (if plural {
                "theirs"
            } else if sex == Sex::Female {
                "hers"
            } else {
                "his"
            })
            .into(),
            "myself" => (if plural {
                "themselves"
            } else if sex == Sex::Female {
                "herself"
            } else {
                "himself"
            })
            .into(),
            _ if verb && !plural && ADVERBS.contains(&core) => core.into(),
            _ if verb && !plural && !core.is_empty() => {
                verb = false;
                third_person(core)
            }
            _ => core.into(),
        };
        let stays = matches!(core, "I" | "I've" | "I'm" | "I'd" | "I'll");
        let capital = start && (stays || core.chars().next().is_some_and(char::is_uppercase));
        if capital {
            out.push_str(&upper_first(&new))
        } else {
            out.push_str(&new)
        }
        out.push_str(tail);
        start = tail.contains(['.', '?', '!']);
        if !tail.is_empty() {
            verb = false;
        }
    }
    out
}

const ADVERBS: [&str; 14] = [
    "never",
    "just",
    "also",
    "always",
    "really",
    "only",
    "still",
    "sometimes",
    "usually",
    "often",
    "probably",
    "occasionally",
    "mostly",
    "definitely",
];
const UNCHANGED: [&str; 62] = [
    "had", "was", "were", "did", "could", "can", "can't", "couldn't", "will", "won't", "would", "wouldn't", "should",
    "must", "might", "may", "didn't", "wasn't", "felt", "went", "got", "took", "lost", "began", "started", "came",
    "saw", "woke", "fell", "ate", "drank", "threw", "said", "told", "gave", "left", "cut", "hurt", "broke", "thought",
    "found", "kept", "slept", "stood", "ran", "caught", "brought", "knew", "made", "put", "spent", "used", "grew",
    "hit", "sat", "stopped", "tried", "noticed", "heard", "became", "cannot", "vomited",
];

fn third_person(verb: &str) -> Cow<'_, str> {
    match verb {
        "am" => "is".into(),
        "have" => "has".into(),
        "do" => "does".into(),
        "don't" => "doesn't".into(),
        "haven't" => "hasn't".into(),
        "go" => "goes".into(),
        _ if UNCHANGED.contains(&verb) || verb.ends_with("ed") || verb.ends_with("n't") => verb.into(),
        _ if ["s", "x", "ch", "sh", "o", "z"].iter().any(|e| verb.ends_with(e)) => format!("{verb}es").into(),
        _ => match verb.strip_suffix('y') {
            Some(root) if !root.ends_with(['a', 'e', 'o', 'u']) => format!("{root}ies").into(),
            _ => format!("{verb}s").into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_speaks_of_the_child() {
        assert_eq!(of_child("I've had a cough and my nose runs", Sex::Female), "She's had a cough and her nose runs");
        assert_eq!(of_child("I keep coughing, I never sleep", Sex::Male), "He keeps coughing, he never sleeps");
        assert_eq!(of_child("I don't have a rash", Sex::Female), "She doesn't have a rash");
        assert_eq!(of_child("My tummy hurts me", Sex::Unknown), "Their tummy hurts them");
    }

    #[test]
    fn numbers_are_blurred_never_changed() {
        assert_eq!(blurred("I've had it for two weeks", "about").as_deref(), Some("I've had it for about two weeks"));
        assert_eq!(blurred("for about 2 weeks", "around"), None);
        assert_eq!(blurred("I take 5 mg", "about"), None);
    }

    #[test]
    fn no_seams() {
        assert_eq!(lower_first("I've a cough"), "I've a cough");
        assert_eq!(lower_first("ECG was done"), "ECG was done");
        assert_eq!(lower_first("My chest hurts"), "my chest hurts");
        assert_eq!(clipped("I haven't had any chest pain").as_deref(), Some("No chest pain"));
        assert_eq!(bare("Yes, I'm a smoker."), "I'm a smoker");
    }
}
