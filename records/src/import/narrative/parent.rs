//! A parent speaks for a child under 12.

use super::voice::{ADVERBS, Voice, pieces};
use crate::record::Sex;

impl Voice {
    /// "I've had a fever" -> "My son has had a fever".
    pub(super) fn parental(self, text: &str) -> String {
        let (who, he, his, him, selves) = match self.sex {
            Sex::Male => ("my son", "he", "his", "him", "himself"),
            Sex::Female => ("my daughter", "she", "her", "her", "herself"),
            _ => ("my child", "they", "their", "them", "themselves"),
        };
        let mut named = false;
        let mut plural = false; // the subject just written is "they"
        let mut out = String::new();
        let mut agree = false;
        for piece in pieces(text) {
            let lower = piece.to_lowercase();
            let was_named = named;
            let mut subject = |one: &str, many: &str| {
                let w = if was_named { he } else { who };
                named = true;
                plural = was_named && he == "they";
                format!("{w}{}", if plural { many } else { one })
            };
            let say = match piece.replace('’', "'").as_str() {
                "I" => {
                    agree = true;
                    subject("", "")
                }
                "I've" => subject(" has", " have"),
                "I'm" => subject(" is", " are"),
                "I'd" => subject("'d", "'d"),
                "I'll" => subject(" will", " will"),
                "my" | "My" => his.to_owned(),
                "am" if !agree => if plural { "are" } else { "is" }.to_owned(),
                "me" => him.to_owned(),
                "mine" => his.to_owned(),
                "myself" => selves.to_owned(),
                _ if agree && piece.chars().any(char::is_alphabetic) => {
                    let adverb = lower.ends_with("ly") || ADVERBS.contains(&lower.as_str());
                    if !adverb {
                        agree = false;
                    }
                    if adverb || plural { piece } else { third(&lower) }
                }
                _ => piece,
            };
            out.push_str(&say);
        }
        out
    }
}

/// Base form to third person singular; past forms and auxiliaries as they are.
fn third(verb: &str) -> String {
    match verb {
        "am" => "is".into(),
        "or" | "and" | "nor" | "but" => verb.into(),
        "have" => "has".into(),
        "haven't" => "hasn't".into(),
        "don't" => "doesn't".into(),
        "do" => "does".into(),
        "go" => "goes".into(),
        "was" | "had" | "can" | "could" | "will" | "would" | "may" | "might" | "must" | "should" | "wasn't"
        | "didn't" | "did" | "can't" | "couldn't" | "cannot" | "been" | "fell" | "felt" | "took" | "went" | "got"
        | "came" | "began" | "said" | "woke" | "drank" | "ate" | "saw" | "told" | "gave" | "found" | "lost"
        | "hurt" | "hit" | "became" | "thought" | "kept" | "left" | "ran" | "slept" | "cut" | "put" | "used" => {
            verb.into()
        }
        v if v.ends_with("ed") => v.into(),
        v if v.ends_with('y') && !v.ends_with("ay") && !v.ends_with("ey") && !v.ends_with("oy") => {
            format!("{}ies", &v[..v.len() - 1])
        }
        v if v.ends_with("ss") || v.ends_with("sh") || v.ends_with("ch") || v.ends_with('x') => format!("{v}es"),
        v => format!("{v}s"),
    }
}
