//! Items of a list put whole again: an adjective belongs to the noun after it, a qualifier to what it qualifies, and a time
//! at the end to every item.

use super::cut::{is_plain_list, items};
use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

/// "weakness and thirst for the past few months": the list, and the time that all of it has lasted.
static TIMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(.+?)( (?:for|over|during|since) (?:the |about |approximately |almost )?(?:past|last|previous|\d|several|a few|few|many|two|three|one|yesterday|birth|childhood|this morning)\b[^,;]*)$",
    )
});

const ADJECTIVES: &[&str] = &[
    "black",
    "brown",
    "red",
    "white",
    "dark",
    "pale",
    "yellow",
    "sharp",
    "dull",
    "severe",
    "mild",
    "intermittent",
    "constant",
    "progressive",
    "painful",
    "painless",
    "itchy",
    "dry",
    "firm",
    "soft",
    "watery",
    "bloody",
    "bilateral",
    "acute",
    "chronic",
    "gradual",
    "sudden",
    "tarry",
    "throbbing",
    "burning",
    "persistent",
    "recurrent",
    "scaly",
    "perineal",
    "blurred",
    "foul",
];

const PARTS: &[&str] = &[
    "face",
    "neck",
    "arms",
    "legs",
    "hands",
    "feet",
    "trunk",
    "chest",
    "back",
    "abdomen",
    "scalp",
    "elbows",
    "knees",
    "thighs",
    "shoulders",
    "palms",
    "soles",
    "groin",
    "buttocks",
    "eyes",
    "ears",
    "hips",
    "ankles",
    "wrists",
    "head",
    "torso",
    "extremities",
    "fingers",
    "toes",
    "upper body",
    "lower body",
];

/// Participles that name a finding rather than tell more of the one before.
const FINDINGS: &[&str] = &[
    "impaired",
    "elevated",
    "decreased",
    "increased",
    "unexplained",
    "reduced",
    "blurred",
    "limited",
    "advanced",
    "repeated",
    "delayed",
    "isolated",
    "generalized",
    "generalised",
    "localized",
    "localised",
    "red",
];

/// Items of a list, each one saying something by itself.
pub(super) fn whole_items(list: &str, timed: bool) -> Vec<String> {
    let timed = TIMED.captures(list).filter(|c| timed && is_plain_list(&c[1]) && !c[1].contains(" for "));
    let (list, time) = match &timed {
        Some(c) => (c.get(1).map_or(list, |m| m.as_str()), c.get(2).map_or("", |m| m.as_str())),
        None => (list, ""),
    };
    let mut out: Vec<String> = Vec::new();
    let mut waiting: Vec<&str> = Vec::new();
    for item in items(list) {
        let lower = item.to_lowercase();
        if ADJECTIVES.contains(&lower.as_str()) {
            waiting.push(item);
        } else if let Some(last) = out.last_mut().filter(|last| waiting.is_empty() && continues(&lower, last)) {
            let link = if PARTS.contains(&lower.as_str()) || is_year(&lower) { " and " } else { ", " };
            last.push_str(link);
            last.push_str(item);
        } else {
            waiting.push(item);
            out.push(waiting.join(", "));
            waiting.clear();
        }
    }
    // Adjectives with nothing after them are left as they stand.
    out.extend((!waiting.is_empty()).then(|| waiting.join(", ")));
    out.into_iter().map(|i| format!("{i}{time}")).collect()
}

/// Whether the list says more by [`whole_items`] than as one phrase.
pub(super) fn is_list(list: &str, timed: bool) -> bool {
    is_plain_list(list)
        || TIMED.captures(list).is_some_and(|c| timed && is_plain_list(&c[1]) && !c[1].contains(" for "))
}

fn is_year(item: &str) -> bool {
    item.len() == 4 && item.chars().all(|c| c.is_ascii_digit())
}

/// "controlled with medication", "embolized in 2005", "2022", "face" after "a rash on my body".
fn continues(item: &str, before: &str) -> bool {
    let mut words = item.split_whitespace();
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let qualifier = first.ends_with("ed")
        && !FINDINGS.contains(&first)
        && ["in", "with", "by", "on", "at", "since", "after", "for", "under", "through"].contains(&second);
    let place = PARTS.contains(&item) && [" on ", " in ", " of ", " over "].iter().any(|p| before.contains(p));
    qualifier || is_year(item) || place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_put_whole_before_they_are_told_apart() {
        for (list, whole) in [
            ("hypertension, controlled with medication", &["hypertension, controlled with medication"][..]),
            ("brown, greasy lesions on the forehead", &["brown, greasy lesions on the forehead"]),
            ("itchy rash on upper body and face", &["itchy rash on upper body and face"]),
            (
                "pulmonary malformations, embolized in 2005 and 2022",
                &["pulmonary malformations, embolized in 2005 and 2022"],
            ),
            (
                "weakness, increased urination, and thirst for the past few months",
                &[
                    "weakness for the past few months",
                    "increased urination for the past few months",
                    "thirst for the past few months",
                ],
            ),
            ("nausea, elevated temperature", &["nausea", "elevated temperature"]),
        ] {
            assert_eq!(whole_items(list, true), whole, "{list}");
        }
    }
}
