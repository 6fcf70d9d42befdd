//! Instructions that a rule can check, and a generator of tasks made of them. Everything is written here; nothing comes from a
//! published set.

use super::check::{Check, Verdict};
use super::{Set, Task};
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_lm::{Message, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One thing that a reply is asked to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    AtMostWords(usize),
    AtLeastWords(usize),
    /// As whole words, in any case.
    Mention(String),
    Avoid(String),
    /// Exactly so many lines that begin with `- `, and no other line.
    Bullets(usize),
    /// The lines `1.` to `n.` in order, and no other line.
    Steps(usize),
    /// One JSON object with exactly these keys, each a text that is not empty.
    JsonKeys(Vec<String>),
    /// The last words, but for a full stop.
    EndWith(String),
    /// The reply is one question.
    Question,
}

use Instruction::{AtLeastWords, AtMostWords, Avoid, Bullets, EndWith, JsonKeys, Mention, Question, Steps};

impl Instruction {
    /// Whether a reply keeps all of them. JSON that was asked for and is none cannot be read at all.
    pub(super) fn judge(all: &[Instruction], reply: &str) -> Verdict {
        let wants_json = all.iter().any(|i| matches!(i, JsonKeys(_)));
        if wants_json && serde_json::from_str::<serde_json::Value>(unfenced(reply)).is_err() {
            return Verdict::Unparsed;
        }
        if all.iter().all(|i| i.kept(reply)) { Verdict::Right } else { Verdict::Wrong }
    }

    /// Whether a reply keeps it.
    pub fn kept(&self, reply: &str) -> bool {
        let lines = || reply.lines().map(str::trim).filter(|l| !l.is_empty());
        match self {
            AtMostWords(n) => words(reply).count() <= *n,
            AtLeastWords(n) => words(reply).count() >= *n,
            Mention(text) => mentions(reply, text),
            Avoid(text) => !mentions(reply, text),
            Bullets(n) => lines().count() == *n && lines().all(|l| l.strip_prefix("- ").is_some_and(says_something)),
            Steps(n) => {
                let numbered =
                    |(i, l): (usize, &str)| l.strip_prefix(&format!("{}. ", i + 1)).is_some_and(says_something);
                lines().count() == *n && lines().enumerate().all(numbered)
            }
            JsonKeys(keys) => {
                let Ok(serde_json::Value::Object(object)) = serde_json::from_str(unfenced(reply)) else { return false };
                object.len() == keys.len()
                    && keys.iter().all(|k| object.get(k).and_then(|v| v.as_str()).is_some_and(says_something))
            }
            EndWith(text) => reply.trim().trim_end_matches('.').to_lowercase().ends_with(&text.to_lowercase()),
            Question => reply.trim().ends_with('?') && reply.matches('?').count() == 1 && says_something(reply),
        }
    }

    /// How it is asked for.
    fn words(&self) -> String {
        match self {
            AtMostWords(n) => format!("Use at most {n} words."),
            AtLeastWords(n) => format!("Use at least {n} words."),
            Mention(text) => format!("Mention the word \"{text}\"."),
            Avoid(text) => format!("Do not use the word \"{text}\"."),
            Bullets(n) => format!("Write exactly {n} lines, each beginning with \"- \", and nothing else."),
            Steps(n) => format!("Write {n} numbered lines, \"1. \" to \"{n}. \", and nothing else."),
            JsonKeys(keys) => {
                let keys: Vec<String> = keys.iter().map(|k| format!("\"{k}\"")).collect();
                format!(
                    "Reply with one JSON object that has the keys {}, each with a text, and nothing else.",
                    keys.join(", ")
                )
            }
            EndWith(text) => format!("End with the words \"{text}\"."),
            Question => "Reply with exactly one question.".to_owned(),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
        .filter(|w| w.chars().any(char::is_alphanumeric))
}

fn says_something(text: &str) -> bool {
    words(text).next().is_some()
}

fn mentions(reply: &str, text: &str) -> bool {
    let lower = |t: &str| words(t).map(str::to_lowercase).collect::<Vec<_>>();
    let (reply, text) = (lower(reply), lower(text));
    !text.is_empty() && reply.windows(text.len()).any(|w| w == text)
}

/// Without the fence that models put around JSON.
fn unfenced(reply: &str) -> &str {
    let text = reply.trim();
    let inside = text.strip_prefix("```json").or(text.strip_prefix("```")).and_then(|t| t.strip_suffix("```"));
    inside.unwrap_or(text).trim()
}

/// What is asked, and words that a reply about it would use.
const TOPICS: [(&str, [&str; 3]); 20] = [
    ("how to use an inhaler with a spacer", ["breath", "spacer", "shake"]),
    ("why a course of antibiotics does not help against a cold", ["virus", "bacteria", "rest"]),
    ("what to do about a nosebleed at home", ["pinch", "lean", "minutes"]),
    ("when a headache needs an urgent visit", ["sudden", "fever", "stiff"]),
    ("how to measure blood pressure at home", ["cuff", "seated", "arm"]),
    ("how to care for a sprained ankle", ["ice", "rest", "swelling"]),
    ("why fasting is asked for before some blood tests", ["water", "glucose", "hours"]),
    ("how to lower the risk of falls at home", ["lights", "rugs", "shoes"]),
    ("what to tell a doctor about chest pain", ["began", "spreads", "exertion"]),
    ("how to give a child medicine for fever", ["weight", "dose", "hours"]),
    ("how to store insulin while travelling", ["cool", "sun", "bag"]),
    ("which signs of dehydration to look for", ["thirst", "urine", "dizzy"]),
    ("how to prepare for a first visit to a clinic", ["list", "medicines", "questions"]),
    ("what a food diary is good for", ["meals", "symptoms", "pattern"]),
    ("how to clean a small cut", ["water", "pressure", "plaster"]),
    ("why sleep hours should be regular", ["light", "evening", "routine"]),
    ("how to take a tablet once a day without forgetting it", ["same", "time", "box"]),
    ("what to do after a tick bite", ["tweezers", "skin", "rash"]),
    ("how to stretch a stiff lower back", ["knees", "slowly", "floor"]),
    ("when to call for help in an allergic reaction", ["swelling", "breathing", "emergency"]),
];

/// Keys of JSON that may be asked for.
const KEYS: [[&str; 3]; 4] = [
    ["summary", "next_step", "warning"],
    ["question", "reason", "urgency"],
    ["finding", "meaning", "plan"],
    ["advice", "duration", "review"],
];

const ENDINGS: [&str; 3] = ["ask if you are unsure", "call us if it gets worse", "come back in two weeks"];

/// The `index`th task of a seed: a topic, a form, and a bound or two that go together with it. No task is met by saying
/// next to nothing: what bounds the length from above also asks for a word of the topic, or for lines.
pub fn task(seed: Seed, index: u64) -> Task {
    let mut draw = Draw::new(seed, b"instructions", 0, Purpose::Policy);
    // Counted, not consumed: every index has a stream of its own.
    let mut draw = Draw::new(Seed(draw.next_u64()), &index.to_be_bytes(), 0, Purpose::Policy);
    let (topic, terms) = TOPICS[draw.below(TOPICS.len())];
    let term = |draw: &mut Draw| terms[draw.below(terms.len())].to_owned();
    let all = match draw.below(8) {
        0 => vec![AtMostWords(12 + 4 * draw.below(8)), Mention(term(&mut draw))],
        1 => vec![AtLeastWords(20), AtMostWords(40 + 5 * draw.below(6)), Mention(term(&mut draw))],
        2 => vec![Bullets(2 + draw.below(4)), Mention(term(&mut draw))],
        3 => vec![Steps(2 + draw.below(4)), AtMostWords(60)],
        4 => {
            let keys = KEYS[draw.below(KEYS.len())];
            vec![JsonKeys(keys[..2 + draw.below(2)].iter().map(|k| (*k).to_owned()).collect())]
        }
        5 => vec![Mention(term(&mut draw)), Avoid("should".to_owned()), AtMostWords(40)],
        6 => vec![EndWith(ENDINGS[draw.below(ENDINGS.len())].to_owned()), Mention(term(&mut draw)), AtMostWords(50)],
        _ => vec![Question, Mention(term(&mut draw)), AtMostWords(25)],
    };
    let asked: Vec<String> = all.iter().map(Instruction::words).collect();
    let prompt = format!("Tell a patient {topic}. {}", asked.join(" "));
    Task {
        set: Set::Instructions,
        id: format!("{:x}/{index}", seed.0),
        family: prompt.clone(),
        messages: vec![Message::new(Role::User, prompt)],
        check: Check::Instructions(all),
    }
}

/// The first `n` different tasks of a seed; fewer where there are not so many.
pub fn tasks(seed: Seed, n: usize) -> Vec<Task> {
    let mut seen = BTreeSet::new();
    (0..20 * n as u64 + 100).map(|i| task(seed, i)).filter(|t| seen.insert(t.family.clone())).take(n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_is_kept_by_one_text_and_broken_by_another() {
        let keys = JsonKeys(vec!["advice".to_owned(), "review".to_owned()]);
        for (instruction, kept, broken) in [
            (AtMostWords(3), "Drink, rest, sleep.", "Drink and rest, sleep"),
            (AtLeastWords(3), "Drink and rest", "well-rested - !"),
            (Mention("ice".to_owned()), "Put ICE on it.", "Be nice."),
            (Mention("lower back".to_owned()), "Your lower-back? No: lower back.", "Lower your back"),
            (Avoid("should".to_owned()), "Shoulder rest", "You Should rest"),
            (Bullets(2), "- one\n\n- two", "- one\n- two\nthree"),
            (Bullets(2), "- one\n- two", "- one\n- "),
            (Steps(2), "1. one\n2. two", "1. one\n3. two"),
            (keys.clone(), r#"{"review": "soon", "advice": "rest"}"#, r#"{"review": "soon", "advice": ""}"#),
            (keys.clone(), "```json\n{\"review\": \"soon\", \"advice\": \"rest\"}\n```", r#"{"review": "soon"}"#),
            (keys, r#"{"advice": "a", "review": "b"}"#, r#"{"advice": "a", "review": "b", "more": "c"}"#),
            (EndWith("come back".to_owned()), "Then Come back.", "come back soon"),
            (Question, "Since when?", "Since when? How?"),
        ] {
            assert!(instruction.kept(kept), "{instruction:?} {kept}");
            assert!(!instruction.kept(broken), "{instruction:?} {broken}");
        }
    }

    #[test]
    fn json_that_is_none_is_unparsed_and_other_json_is_wrong() {
        let all = [JsonKeys(vec!["advice".to_owned()])];
        assert_eq!(Instruction::judge(&all, r#"{"advice": "rest"}"#), Verdict::Right);
        assert_eq!(Instruction::judge(&all, "[]"), Verdict::Wrong);
        assert_eq!(Instruction::judge(&all, "advice: rest"), Verdict::Unparsed);
    }

    #[test]
    fn tasks_are_a_function_of_seed_and_index_and_all_different() {
        let (a, b) = (tasks(Seed(1), 400), tasks(Seed(1), 400));
        assert_eq!(a, b);
        assert_eq!(a.len(), 400);
        assert_eq!(a[..50], tasks(Seed(1), 50)[..]);
        assert_ne!(a, tasks(Seed(2), 400));
        assert_eq!(a.iter().map(|t| &t.family).collect::<BTreeSet<_>>().len(), 400);
    }

    #[test]
    fn no_task_is_met_by_one_reply_that_fits_all_or_by_next_to_nothing() {
        for task in tasks(Seed(3), 400) {
            for reply in [".", "Yes", "I am a doctor and I am here to help you.", "- a\n- b", "{}"] {
                let verdict = task.check.judge(reply).expect("sound");
                assert_ne!(verdict, Verdict::Right, "{reply:?} meets {:?}", task.check);
            }
        }
    }

    #[test]
    fn every_task_can_be_met() {
        for task in tasks(Seed(4), 400) {
            let Check::Instructions(all) = &task.check else { panic!("{task:?}") };
            assert_eq!(task.check.judge(&met(all)), Ok(Verdict::Right), "{all:?}\n{}", met(all));
        }
    }

    /// A reply that keeps them all, written by rule.
    fn met(all: &[Instruction]) -> String {
        let mention =
            all.iter().find_map(|i| if let Mention(t) = i { Some(t.as_str()) } else { None }).unwrap_or("rest");
        let mut text = format!("Think of {mention}");
        for i in all {
            text = match i {
                AtLeastWords(n) => format!("{text}{}", " and rest".repeat(*n / 2)),
                Bullets(n) => vec![format!("- {text}"); *n].join("\n"),
                Steps(n) => (1..=*n).map(|k| format!("{k}. {text}\n")).collect(),
                JsonKeys(keys) => {
                    serde_json::Value::Object(keys.iter().map(|k| (k.clone(), text.clone().into())).collect())
                        .to_string()
                }
                EndWith(end) => format!("{text}, {end}."),
                Question => format!("{text}?"),
                _ => text,
            };
        }
        text
    }
}
