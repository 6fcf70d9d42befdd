//! Sentences out of the knowledge base's phrases: closed by a full stop, and spoken by a parent where the patient is a child.

use super::Condition;
use crate::record::Sex;

/// A phrase as a sentence of the one who speaks.
pub fn sentence(phrase: &str, child: bool, sex: Sex) -> String {
    let phrase = phrase.trim().trim_end_matches('.');
    // "Yes," and "No," belong to the answer, not to the fact.
    let bare = ["Yes, ", "No, ", "Yeah, "].iter().find_map(|lead| phrase.strip_prefix(lead));
    let phrase = &bare.map_or_else(|| phrase.to_owned(), capital);
    let told = if child { of_a_child(phrase, sex) } else { phrase.to_owned() };
    if told.ends_with(['?', '!']) { told } else { format!("{told}.") }
}

/// First person to third: "I've had a cough" -> "She's had a cough". Words that need no change are left alone.
fn of_a_child(phrase: &str, sex: Sex) -> String {
    let (subject, object, owner) = match sex {
        Sex::Female => ("she", "her", "her"),
        Sex::Male => ("he", "him", "his"),
        _ => ("my child", "my child", "my child's"),
    };
    let words: Vec<&str> = phrase.split(' ').collect();
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut verb_follows = false;
    for word in &words {
        let core = word.trim_end_matches([',', ';', ':', '!', '?']);
        let tail = &word[core.len()..];
        let plain = core.replace('\u{2019}', "'");
        let new = match plain.as_str() {
            "I" => {
                verb_follows = true;
                Some(subject.to_owned())
            }
            "I'm" => Some(format!("{subject}'s")),
            "I've" | "I'd" | "I'll" if plain == "I've" => Some(format!("{subject}'s")),
            "I'd" => Some(format!("{subject}'d")),
            "I'll" => Some(format!("{subject}'ll")),
            "me" => Some(object.to_owned()),
            "my" => Some(owner.to_owned()),
            "My" => Some(capital(owner)),
            "mine" => Some(format!("{owner}s").replace("hiss", "his")),
            "myself" => Some(format!("{object}self")),
            other if verb_follows => {
                if matches!(
                    other,
                    "never" | "always" | "often" | "usually" | "just" | "still" | "only" | "really" | "also"
                ) {
                    None
                } else {
                    verb_follows = false;
                    third_person(other)
                }
            }
            _ => None,
        };
        out.push(new.map_or_else(|| (*word).to_owned(), |n| format!("{n}{tail}")));
    }
    capital(&out.join(" "))
}

/// The third-person form of a present-tense verb; `None` where it is the same or no verb.
fn third_person(verb: &str) -> Option<String> {
    Some(match verb {
        "am" => "is".to_owned(),
        "have" => "has".to_owned(),
        "haven't" => "hasn't".to_owned(),
        "do" => "does".to_owned(),
        "don't" => "doesn't".to_owned(),
        "were" => "was".to_owned(),
        "weren't" => "wasn't".to_owned(),
        "go" => "goes".to_owned(),
        "can" | "can't" | "could" | "couldn't" | "did" | "didn't" | "had" | "hadn't" | "was" | "wasn't" | "would"
        | "wouldn't" | "might" | "must" | "should" | "will" | "won't" | "got" | "felt" | "went" | "took" | "came"
        | "lost" | "woke" | "fell" | "hit" | "ate" | "drank" | "saw" | "gave" | "put" | "kept" | "began" | "became"
        | "broke" | "cut" | "hurt" | "threw" | "passed" | "caught" | "spent" | "been" | "not" | "and" => return None,
        v if v.ends_with("ed") => return None,
        v if v.ends_with("ss") || v.ends_with("sh") || v.ends_with("ch") || v.ends_with('x') => format!("{v}es"),
        v if v.ends_with('y') && !v.ends_with("ay") && !v.ends_with("oy") && !v.ends_with("ey") => {
            format!("{}ies", &v[..v.len() - 1])
        }
        v if v.chars().all(|c| c.is_ascii_lowercase()) && !v.is_empty() => format!("{v}s"),
        _ => return None,
    })
}

fn capital(s: &str) -> String {
    let mut chars = s.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Whether a report gives the diagnosis away: it holds the condition's name or a synonym.
pub fn names(report: &str, condition: &Condition) -> bool {
    let report = report.to_lowercase();
    std::iter::once(&condition.name)
        .chain(&condition.synonyms)
        .any(|n| n.len() > 3 && report.contains(&n.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_speaks_for_a_child() {
        let said = |s| sentence(s, true, Sex::Female);
        assert_eq!(said("I've had a fever"), "She's had a fever.");
        assert_eq!(said("I haven't been sick"), "She hasn't been sick.");
        assert_eq!(said("My ears hurt and I feel dizzy"), "Her ears hurt and she feels dizzy.");
        assert_eq!(said("It hurts me when I swallow"), "It hurts her when she swallows.");
        assert_eq!(sentence("I don't smoke", false, Sex::Male), "I don't smoke.");
    }
}
