//! Items of a note that are no noun phrase: what they are said as, and what says nothing.

use super::Narrator;
use super::voice::SYMPTOM_INGS;
use crate::fact::Category;
use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

impl Narrator {
    /// What cannot follow "I have": a verb, a preposition, an adjective, a count of pregnancies.
    pub(super) fn predicate(&self, noun: &str, first: &str, category: Category) -> Option<String> {
        let symptom = matches!(category, Category::Hpi | Category::Ros);
        let history = symptom || matches!(category, Category::Pmh | Category::Obstetric | Category::Psychiatric);
        if !history {
            return None;
        }
        if let Some(caps) = PREGNANCIES.captures(noun) {
            let n: u32 = caps[1].parse().ok()?;
            return Some(match n {
                0 => "I've never been pregnant".to_owned(),
                1 => "I've been pregnant once".to_owned(),
                n => format!("I've been pregnant {n} times"),
            });
        }
        let rest = noun.get(first.len()..).unwrap_or("").trim_start();
        let verbs = "is was has had takes took does did can could continues remains denies reports works lives feels uses became developed underwent received started stopped began dies develops shows recurs recurred";
        if verbs.split(' ').any(|v| v == first) {
            return Some(self.voice().first(&format!("the patient {noun}")));
        }
        if let Some(weeks) = WEEKS.captures(noun) {
            return Some(format!("I'm {} weeks pregnant", &weeks[1]));
        }
        if let Some(when) = noun.strip_prefix("last menstrual period") {
            return Some(format!("my last period was{}", when.trim_start_matches(':')));
        }
        let adverbs = ["now", "immediately", "then", "later", "afterwards", "initially", "subsequently", "lately"];
        if adverbs.contains(&first) && (rest.contains("I ") || rest.contains("my ")) {
            return Some(noun.to_owned());
        }
        if first == "scheduled" {
            return Some(format!("I'm {noun}"));
        }
        let taken = ["long-term", "regular", "daily", "chronic", "medication", "treatment", "warfarin", "insulin", "a"];
        if first == "on" && taken.iter().any(|t| rest.to_lowercase().starts_with(t)) {
            return Some(format!("I'm {noun}"));
        }
        if ["at", "on", "in", "with", "during", "by", "after", "to"].contains(&first) {
            return Some(format!("it was {noun}"));
        }
        let last = noun.split_whitespace().next_back().unwrap_or("");
        let states = "wheezy dizzy tired unwell sick breathless feverish sleepy anxious nauseous sweaty thirsty constipated faint shaky weak clammy restless irritable drowsy";
        if noun.split_whitespace().count() <= 3 && states.split(' ').any(|s| s == last) {
            let degree =
                noun.replace("slight ", "slightly ").replace("mild ", "mildly ").replace("severe ", "severely ");
            return Some(format!("I've been {degree}"));
        }
        let doing = first.ends_with("ing") && symptom && !SYMPTOM_INGS.contains(&first);
        (doing && noun.split_whitespace().count() == 1).then(|| format!("I've been {noun}"))
    }
}

/// "G2P0020", "G3P2".
static PREGNANCIES: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)^(?:a )?g(\d)\s?p\d+"));
pub(super) static AGO: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^((?:about |approximately )?(?:\d+|one|two|three|a few|several) (?:hour|day|week|month|year)s? ago),? ((?:developed|noticed|started|began|had|woke|felt|fell|went|took)\b.+)$",
    )
});
pub(super) static JUST_AGO: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:about |approximately )?(?:\d+|one|two|three|four|five|six|a few|several) (?:hour|day|week|month|year)s? ago$",
    )
});
/// A head that a line was cut at: it says nothing by itself.
pub(super) static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:(?:integumentary|constitutional|musculoskeletal|neurological|psychiatric|cardiovascular|respiratory|gastrointestinal|genitourinary|endocrine|skin|eyes|medical|surgical|social|family|female|male|surgical intervention|(?:gyna?ecologic(?:al)?|obstetric(?:al)?|medical|surgical|social|family) history|medications?|other|both|none):?)$",
    )
});
/// "at 35 weeks' gestation".
pub(super) static WEEKS: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)^(?:at )?(\d{1,2})[ -]weeks?['’]? (?:of )?(?:gestation|pregnancy)$"));
