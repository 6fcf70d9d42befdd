//! Clauses that neither report nor deny: whole sentences, and the few words of a note.

use super::cut::items;
use super::patterns::*;
use super::topic::TopicIndex;
use super::voice::lower_first;
use super::{Draft, Narrator};
use crate::fact::{Category, Polarity};
use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

impl Narrator {
    /// A line of a social history, each habit by itself.
    fn habits(&mut self, text: &str, source: &str) -> Option<Vec<Draft>> {
        let parts = items(text);
        let cut = parts.len() > 1
            && parts.iter().all(|p| {
                (2..=5).contains(&p.split_whitespace().count())
                    || p.to_lowercase().contains("smok")
                    || p.split_whitespace().count() == 1 && p.ends_with("ed")
            });
        let habit = "smok alcohol drink drug lives works married tobacco";
        if !cut
            || parts.iter().filter(|p| habit.split(" ").any(|h| p.to_lowercase().contains(h))).count() < 2
            || text.to_lowercase().contains("or etoh")
        {
            return None;
        }
        let owned: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
        let _ = source;
        Some(owned.iter().flat_map(|p| self.clause(p, Category::Social)).collect())
    }

    /// What is neither denial nor report: a sentence of its own, or a few words of a note.
    pub(super) fn fragment(&mut self, text: &str, source: &str, category: Category) -> Vec<Draft> {
        let lower = text.to_lowercase();
        let first =
            lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\'')).next().unwrap_or("").to_owned();
        let is = |list: &str| list.split(' ').any(|w| w == first);
        let v = self.voice();
        let relation = "mother father brother sister grandmother grandfather aunt uncle parents maternal paternal sibling \
             siblings grandparents cousin half-sister half-brother son daughter";
        if category == Category::Family && is(relation) {
            let each = items(text);
            let related = |p: &&str| relation.split(' ').any(|r| p.to_lowercase().starts_with(r));
            if each.len() > 1 && text.contains(',') && each.iter().all(related) && each.iter().all(|p| p.contains(' '))
            {
                return each.into_iter().flat_map(|p| self.fragment(p, p, category)).collect();
            }
            let parts = text.splitn(2, [':', '–']).collect::<Vec<_>>();
            let dashed = text.split_once(" - ").or(text.split_once("- ")).or(if let [a, b] = parts[..] {
                Some((a, b))
            } else {
                None
            });
            let spoken = match dashed {
                Some((who, what))
                    if who.split_whitespace().count() <= 4 && !who.contains(" had ") && !who.contains(" has ") =>
                {
                    let what = what.trim();
                    let has = what.to_lowercase();
                    if ["died", "had ", "has ", "alive", "well", "healthy", "deceased"]
                        .iter()
                        .any(|w| has.starts_with(w))
                    {
                        format!("my {} {}", lower_first(who.trim()), what)
                    } else {
                        format!("my {} has had {}", lower_first(who.trim()), lower_first(what))
                    }
                }
                _ if lower.contains(" with ")
                    && !lower.contains(" died")
                    && !lower.contains(" has ")
                    && !lower.contains(" had ") =>
                {
                    format!("my {}", lower_first(text).replacen(" with ", " has had ", 1))
                }
                _ => format!("my {}", lower_first(text)),
            };
            return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
        }
        let symptom_verbs = "started starts began begins radiates radiating worsened worsens improved improves improving resolved \
             occurs occurring lasts lasting lasted comes came happens happened relieved aggravated exacerbated \
             associated affecting spread spreads progressing worsening ongoing triggered";
        let quality = "mainly mostly particularly especially worse better throbbing sharp dull burning stabbing constant \
             intermittent gradual sudden severe mild moderate localized localised generalised generalized \
             unilateral bilateral progressive persistent aching crampy occasional stable unchanged similar";
        // "Severe, recurrent hypoglycaemia": a quality of something that is named there is no sentence of its own.
        let qualified = text.split_whitespace().count() > 2
            && (lower.contains(" infection")
                || lower.contains("emia")
                || lower.contains("aemia")
                || lower.contains(" bleeding")
                || lower.contains(" disease"));
        let patient_verbs = super::verbs::opens_line(&first);
        let people = "i he she the his her my it this that there these they when while after since because if in on at \
             over during for regarding ever despite of symptoms initially additionally recently today yesterday \
             however patient you your pain both all some as due prior before one two three later subsequently afterwards soon";
        let finite = [
            " is ",
            " was ",
            " are ",
            " were ",
            " has ",
            " had ",
            " have ",
            " does ",
            " did ",
            " started",
            " began",
            " noticed",
            " developed",
            " worsened",
            " worsens",
            " occurs",
            " radiates",
            " improved",
            " resolved",
            " lasted",
            " lasts",
            " became",
            " feels",
            " felt",
            " causes",
            " comes ",
            " takes",
            " works",
            " lives",
            " can ",
            " could ",
            " appears",
            " seems",
            " occurred",
            " increased in ",
            " increased to ",
            " decreased in ",
            " decreased to ",
            " interrupted ",
            " led to ",
            " included ",
            " helps",
            " brought",
            " been ",
            " provided ",
            " resulted ",
            " failed ",
            " required ",
            " persisted",
            " progressed",
            " responded",
            " remained",
            " gave ",
        ];
        let padded = format!(" {lower} ");
        let is_sentence =
            finite.iter().any(|f| padded.find(f).is_some_and(|at| at > 0)) && !lower.starts_with("history of");
        if category == Category::Social
            && let Some(habits) = self.habits(text, source)
        {
            return habits;
        }
        if category == Category::Social
            && !patient_verbs
            && let Some(spoken) = social(&lower, &first, text)
        {
            return vec![self.file(&v.first(&spoken), text, source, category, Polarity::Present, true)];
        }
        let passive = "diagnosed treated known born admitted prescribed referred worried concerned married retired divorced \
             single unemployed independent pregnant allergic sexually exclusively currently well generally able \
             unable noncompliant compliant hospitalized unaware able";
        let past = "developed noticed tried took had went felt fell saw used underwent received lost gained stopped \
             returned completed experienced required";
        static ARRIVES: LazyLock<Regex> = LazyLock::new(|| {
            compiled(format!(
                r"(?i)^(?:{WHO} )?(?:presents?|presented|comes|came|is brought|was brought|has been brought) (?:to|in|into|by|with|for|because|today)\b.* (?:with|because of|due to|for|complaining of) "
            ))
        });
        if matches!(category, Category::Hpi) && ARRIVES.is_match(text) {
            return self.presentation(text);
        }
        if matches!(category, Category::Hpi | Category::Ros | Category::Pmh)
            && RESULT.is_match(text)
            && !first.ends_with("ly")
            && !["he ", "she ", "the patient", "i ", "his ", "her ", "my "].iter().any(|p| lower.starts_with(p))
        {
            return self.report(text, Category::Test).into_iter().collect();
        }
        let second = lower.split_whitespace().nth(1).unwrap_or("");
        let adverb = is("previously recently currently generally newly initially");
        let spoken = if adverb && passive.split(' ').any(|w| w == second) {
            let verb = if first == "currently" || first == "generally" { "is" } else { "was" };
            v.first(&format!("the patient {verb} {}", lower_first(text)))
        } else if patient_verbs || is(past) || is("has is was does can cannot would did could") && !is(people) {
            v.first(&format!("the patient {}", lower_first(text)))
        } else if is("feeling taking having getting living working struggling sleeping eating drinking using")
            && !is_sentence
        {
            v.first(&format!("the patient is {}", lower_first(text)))
        } else if is(passive) {
            let verb =
                if is("diagnosed treated born admitted prescribed referred hospitalized") { "was" } else { "is" };
            v.first(&format!("the patient {verb} {}", lower_first(text)))
        } else if is(symptom_verbs)
            && !(is("worsening ongoing improving progressing") && names_symptom(&lower))
            && !(first == "associated" && lower.contains(" include"))
        {
            let lead = if first.ends_with("ing") || is("relieved aggravated exacerbated triggered associated") {
                "it's "
            } else {
                "it "
            };
            format!("{lead}{}", v.first(&lower_first(text)))
        } else if is(quality)
            && matches!(category, Category::Hpi | Category::Ros)
            && !is_sentence
            && !qualified
            && !names_symptom(&lower)
            && TopicIndex::builtin().and_then(|t| t.best(text, category)).is_none()
        {
            format!("it's {}", v.first(&lower_first(text)))
        } else if matches!(
            category,
            Category::Medication | Category::Allergy | Category::Surgical | Category::Vaccination
        ) && !is_sentence
        {
            return self.enumerated(text, source, category);
        } else if is_sentence || is(people) {
            v.first(text)
        } else {
            return self.enumerated(text, source, category);
        };
        let negative =
            ["i don't ", "i haven't ", "i didn't ", "i'm not ", "i have no ", "i've never ", "i wasn't ", "i never "]
                .iter()
                .any(|n| spoken.to_lowercase().starts_with(n));
        let polarity = if negative { Polarity::Absent } else { Polarity::Present };
        vec![self.file(&spoken, text, source, category, polarity, true)]
    }
}

/// A test or its report is what the sentence is about.
static RESULT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:[\w'’()/-]+ ){1,6}(?:revealed|indicated|identified|detected|confirmed|showed|demonstrated|suggested|suggests?|disclosed)\b",
    )
});

/// "generalized weakness", "bilateral eye redness": the quality comes with what it is a quality of.
fn names_symptom(lower: &str) -> bool {
    let nouns = [
        "weakness",
        "pain",
        "swelling",
        "discomfort",
        "fatigue",
        "rash",
        "cough",
        "numbness",
        "headache",
        "fever",
        "aches",
        "lesions",
        "redness",
        "breath",
        "dyspnea",
        "weight loss",
        "vomiting",
        "nausea",
        "decline",
        "tiredness",
        "acuity",
        "vision",
    ];
    lower.contains(' ') && nouns.iter().any(|n| lower.contains(n)) && !lower.contains("pain is")
}

/// Social shorthand that grammar cannot guess.
fn social(lower: &str, first: &str, text: &str) -> Option<String> {
    let t = lower_first(text);
    let a = |s: &str| article_of(s);
    Some(match first {
        "non-smoker" | "nonsmoker" | "non" if lower.contains("smok") => "I don't smoke".into(),
        "never" if lower.starts_with("never smok") => "I've never smoked".into(),
        "ex-smoker" | "former" | "previous" if lower.contains("smok") => format!("I'm {}", a(&t)),
        "smoker" | "occasional" | "social" | "heavy" | "current" | "light" | "lifelong"
            if lower.contains("smoker") || lower.contains("drinker") =>
        {
            format!("I'm {}", a(&t))
        }
        "occasional" | "social" | "moderate" if lower.contains("alcohol") => "I drink alcohol now and then".into(),
        "smoking" => format!("I smoke: {}", lower.trim_start_matches("smoking").trim_matches([' ', ':', '-'])),
        "teetotal" => "I don't drink alcohol".into(),
        "full-time" | "part-time" | "retired" | "married" | "single" | "divorced" | "widowed" | "unemployed"
        | "sexually" => {
            format!("I'm {}", if lower.contains("student") || lower.starts_with("retired ") { a(&t) } else { t })
        }
        _ => {
            let head = t.split([',', '.']).next().unwrap_or("").trim();
            let last = head.split_whitespace().next_back().unwrap_or("");
            let trade = [
                "er",
                "or",
                "ist",
                "ian",
                "nurse",
                "student",
                "teacher",
                "ant",
                "clerk",
                "homemaker",
                "housewife",
                "man",
                "worker",
            ]
            .iter()
            .any(|e| last.ends_with(e));
            if trade && head.split_whitespace().count() <= 4 && !lower.contains("other") {
                format!("I'm {}", a(&t))
            } else {
                return None;
            }
        }
    })
}

/// An item that says how the symptom before it is, rather than naming another one.
pub(super) fn describes(item: &str) -> bool {
    let first = item.split_whitespace().next().unwrap_or("").to_lowercase();
    [
        "worse",
        "better",
        "mainly",
        "worsening",
        "improving",
        "radiating",
        "progressing",
        "mostly",
        "particularly",
        "especially",
    ]
    .contains(&first.as_str())
}

fn article_of(s: &str) -> String {
    let determined = s.starts_with("a ") || s.starts_with("an ");
    if determined {
        s.to_owned()
    } else {
        format!("{} {s}", if s.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
    }
}
