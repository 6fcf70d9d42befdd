//! Reading one clause: who says what about which symptom.

use super::cut::{expand, is_plain_list, items};
use super::fragment::describes;
use super::patterns::*;
use super::predicate::{AGO, HEADING, JUST_AGO, WEEKS};
use super::topic::TopicIndex;
use super::voice::{DOINGS, SYMPTOM_INGS, article, lower_first};
use super::whole::{is_list, whole_items};
use super::{Draft, Narrator};
use crate::fact::{Category, Polarity};

impl Narrator {
    /// Facts of one clause of the history.
    pub(super) fn clause(&mut self, source: &str, category: Category) -> Vec<Draft> {
        let text = expand(source);
        let text = text.trim_end_matches(['.', ',', ' ', ':']).trim_start_matches([',', ' ', ':', '-', '–']);
        let text = ["and ", "but ", "And ", "But "].iter().fold(text, |t, w| t.strip_prefix(w).unwrap_or(t));
        // "Positive for fatigue", "positive wheezing": a review of systems ticks it off.
        let ticked = ["Positive for ", "positive for ", "Positive ", "positive "];
        let text = match ticked.iter().find_map(|t| text.strip_prefix(t)) {
            Some(rest) if matches!(category, Category::Hpi | Category::Ros) => rest,
            _ => text,
        };
        if !text.chars().any(char::is_alphabetic) {
            return Vec::new();
        }
        if let Some(intro) = self.introduction(text, source) {
            return intro;
        }
        if let Some(told) = self.told_by(text, source, category) {
            return told;
        }
        let text = ["Today, ", "Currently, ", "Additionally, ", "Overall, ", "Associated "]
            .iter()
            .find_map(|lead| text.strip_prefix(lead))
            .filter(|rest| !rest.starts_with("with "))
            .unwrap_or(text);
        // "2 days ago developed pain", "at 17 weeks' gestation".
        if let Some(caps) = AGO.captures(text) {
            let spoken = self.voice().first(&format!("{} the patient {}", caps[1].to_lowercase(), &caps[2]));
            return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
        }
        if JUST_AGO.is_match(text) {
            let spoken = format!("it was {}", text.to_lowercase());
            return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
        }
        if HEADING.is_match(text) {
            return Vec::new();
        }
        if let Some(weeks) = WEEKS.captures(text) {
            let spoken = format!("I'm {} weeks pregnant", &weeks[1]);
            return vec![self.file(&spoken, text, source, Category::Obstetric, Polarity::Present, false)];
        }
        if NONE.is_match(text) {
            return vec![self.nothing(source, category)];
        }
        if let Some(list) = [&DENIES, &NO, &HAS_NO, &DOES_NOT].iter().find_map(|re| group(re, text, 1)) {
            return self.denial(&list, source, category);
        }
        if let Some(caps) = LASTED.captures(text) {
            return self.lasted(&caps[1], &caps[2], &caps[3], source, category);
        }
        if category != Category::Family
            && let Some(list) = group(&HISTORY, text, 1)
        {
            let c = if matches!(category, Category::Hpi | Category::Ros) { Category::Pmh } else { category };
            return self.enumerated(&list, source, c);
        }
        if let Some(rest) = group(&REPORTS, text, 1)
            .filter(|_| !text.to_lowercase().contains("'s ") || text.to_lowercase().starts_with("the patient's"))
        {
            let inner = rest.to_lowercase();
            if inner.starts_with("no ") || LASTED.is_match(&rest) {
                return self.clause_again(&rest, source, category);
            }
            let pronoun = [
                "he ",
                "she ",
                "his ",
                "her ",
                "the ",
                "it ",
                "i ",
                "my ",
                "they ",
                "there ",
                "this ",
                "when ",
                "these ",
                "ever since",
                "since ",
                "if ",
                "while ",
                "in ",
                "on ",
                "over ",
                "for ",
                "after ",
                "about ",
            ];
            let noun_phrase = inner.starts_with("the ")
                && ![" is ", " was ", " are ", " were ", " has ", " had ", " have ", "ed ", "es "]
                    .iter()
                    .any(|v| inner.contains(v));
            if noun_phrase {
                return self.enumerated(&rest, source, category);
            }
            if pronoun.iter().any(|p| inner.starts_with(p)) {
                return self.clause_again(&rest, source, category);
            }
            let first = inner.split_whitespace().next().unwrap_or("");
            if first.ends_with("ing") && !SYMPTOM_INGS.contains(&first) {
                // What happened once is remembered, not still going on.
                let once = [" ago", " when ", " in 19", " in 20", " last "].iter().any(|w| inner.contains(w));
                let lead = if once { "the patient remembers" } else { "the patient has been" };
                let spoken = self.voice().first(&format!("{lead} {rest}"));
                return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
            }
            return self.enumerated(&rest, source, category);
        }
        self.fragment(text, source, category)
    }

    /// "His father notes that ...": a parent who speaks says it himself; of somebody else's words the patient says whose they are.
    fn told_by(&mut self, text: &str, source: &str, category: Category) -> Option<Vec<Draft>> {
        let caps = TOLD_BY.captures(text)?;
        let (who, rest) = (caps[1].to_lowercase(), caps[2].to_owned());
        let parent = ["mother", "father", "mom", "mum", "dad", "parents", "guardian", "caregiver", "family"];
        if self.voice().parent && parent.iter().any(|p| who.ends_with(p)) {
            let spoken = rest.strip_prefix("they do ").map_or_else(|| rest.clone(), |r| format!("we do {r}"));
            let spoken = spoken.strip_prefix("they ").map_or(spoken.clone(), |r| format!("we {r}"));
            return Some(self.clause_again(&spoken, source, category));
        }
        let first = rest.split_whitespace().next().unwrap_or("").to_lowercase();
        if !["he", "she", "the", "his", "her", "that", "they", "it", "there"].contains(&first.as_str()) {
            return Some(self.clause_again(&rest, source, category));
        }
        let verb = if who.ends_with("parents") || who == "family" { "say" } else { "says" };
        let spoken = format!("my {who} {verb} {}", self.voice().first(&rest));
        Some(vec![self.file(&spoken, &rest, source, category, Polarity::Present, true)])
    }

    fn clause_again(&mut self, rest: &str, source: &str, category: Category) -> Vec<Draft> {
        if let Some(list) = [&DENIES, &NO, &HAS_NO, &DOES_NOT].iter().find_map(|re| group(re, rest, 1)) {
            return self.denial(&list, source, category);
        }
        if let Some(caps) = LASTED.captures(rest) {
            return self.lasted(&caps[1], &caps[2], &caps[3], source, category);
        }
        self.fragment(rest, source, category)
    }

    /// "A 44-year-old woman with a history of X presents with Y."
    fn introduction(&mut self, text: &str, source: &str) -> Option<Vec<Draft>> {
        let caps = AGED.captures(text)?;
        let (who, rest) = (caps.get(1)?.as_str(), caps.get(2)?.as_str().trim().trim_start_matches([',', ' ']));
        let noun = if who.starts_with(['8'])
            || who.starts_with("11-")
            || who.starts_with("18-")
            || who.starts_with(['a', 'e', 'i', 'o', 'u'])
        {
            "an"
        } else {
            "a"
        };
        let spoken = if self.voice().parent {
            format!("I'm {noun} {who}")
        } else {
            format!("I'm {noun} {}", who.replace(" male", " man").replace(" female", " woman"))
        };
        let mut out = vec![self.file(&spoken, who, who, Category::Demographic, Polarity::Present, false)];
        if let Some(d) = out.first_mut() {
            d.topic = crate::fact::Topic::new("age_and_sex");
        }
        let lower = rest.to_lowercase();
        let verbs = [
            " who ",
            " presents",
            " presented",
            " comes",
            " came",
            " is brought",
            " was brought",
            " was admitted",
            " is admitted",
            " is here",
            " returns",
            " visits",
            " complains",
            " and presents",
            " is evaluated",
            " consults",
        ];
        let padded = format!(" {lower}");
        let at = verbs
            .iter()
            .filter_map(|v| padded.find(v))
            .min()
            .map(|i| i.saturating_sub(1))
            .filter(|i| rest.is_char_boundary(*i));
        let (before, after) = match at {
            Some(i) => rest.split_at(i),
            None => (rest, ""),
        };
        let before = before.trim().trim_end_matches(',');
        if !before.is_empty() {
            let list = group(&HISTORY, before, 1);
            let bare = before.strip_prefix("with ").unwrap_or(before);
            match list {
                Some(list) => out.extend(self.enumerated(&list, before, Category::Pmh)),
                None if before.starts_with("with ") => out.extend(self.clause_again(
                    bare,
                    before,
                    if at.is_some() { Category::Pmh } else { Category::Hpi },
                )),
                None => out.extend(self.fragment(before, before, Category::Hpi)),
            }
        }
        let after = after.trim();
        let tail = after.strip_prefix("who ").or(after.strip_prefix("and ")).unwrap_or(after);
        if !tail.is_empty() {
            out.extend(self.presentation(tail));
        }
        // Words of the sentence between the parts ("presents to the clinic") belong to the first fact.
        if let Some(d) = out.first_mut() {
            d.source = source.to_owned();
        }
        Some(out)
    }

    pub(super) fn presentation(&mut self, tail: &str) -> Vec<Draft> {
        let Some(rest) = group(&COMES, tail, 1) else {
            return self.clause_again(&format!("he {tail}"), tail, Category::Hpi);
        };
        let Some(caps) = BECAUSE.captures(&rest) else {
            return vec![self.file(
                &self.voice().first(&format!("the patient {tail}")),
                tail,
                tail,
                Category::Hpi,
                Polarity::Present,
                true,
            )];
        };
        let (link, what) = (caps[2].to_lowercase(), caps[3].to_owned());
        let what = what
            .trim_start_matches("complaints of ")
            .trim_start_matches("a complaint of ")
            .trim_start_matches("concerns of ")
            .trim_start_matches("evaluation of ");
        match link.as_str() {
            "after" | "following" => {
                let spoken = format!("I've come in {link} {}", self.voice().first(what));
                vec![self.file(&spoken, what, tail, Category::Hpi, Polarity::Present, true)]
            }
            "for" if ["follow", "check", "evaluation", "visit"].iter().any(|w| what.to_lowercase().contains(w)) => {
                let spoken = format!("I've come for {}", self.voice().first(what));
                vec![self.file(&spoken, what, tail, Category::Hpi, Polarity::Present, false)]
            }
            "for" if TopicIndex::builtin().and_then(|t| t.best(what, Category::Hpi)).is_none() => {
                let spoken = format!("I've come for {}", self.voice().first(what));
                vec![self.file(&spoken, what, tail, Category::Hpi, Polarity::Present, false)]
            }
            _ if LASTED.is_match(what) => self.clause_again(what, tail, Category::Hpi),
            _ => self.enumerated(what, tail, Category::Hpi),
        }
    }

    fn lasted(&mut self, n: &str, unit: &str, what: &str, source: &str, category: Category) -> Vec<Draft> {
        let plural = if matches!(n.to_lowercase().as_str(), "1" | "one") { "" } else { "s" };
        let (n, unit) = (n.to_lowercase(), unit.to_lowercase());
        let n = if n == "several" || n == "few" { format!("a few {unit}s") } else { format!("{n} {unit}{plural}") };
        let parts: Vec<String> = if is_plain_list(what) {
            items(what).into_iter().map(str::to_owned).collect()
        } else {
            vec![what.to_owned()]
        };
        let mut out = Vec::new();
        for p in parts {
            if describes(&p) {
                out.extend(self.fragment(&p, &p, category));
                continue;
            }
            let noun = article(&lower_first(&self.voice().first(&p)));
            out.push(self.file(&format!("I've had {noun} for {n}"), &p, source, category, Polarity::Present, false));
        }
        out
    }

    /// Each item of a list is present: "I've had X", "I take X", ...
    pub(super) fn enumerated(&mut self, list: &str, source: &str, category: Category) -> Vec<Draft> {
        let list = list.trim().trim_end_matches('.');
        let parts: Vec<String> = if is_list(list, matches!(category, Category::Hpi | Category::Ros))
            || category == Category::Pmh && items(list).iter().all(|p| p.split_whitespace().count() <= 8)
        {
            whole_items(list, category != Category::Pmh)
        } else {
            vec![list.to_owned()]
        };
        let many = parts.len() > 1;
        let mut out = Vec::new();
        for p in &parts {
            let p = p.strip_prefix("including ").or(p.strip_prefix("use of ")).unwrap_or(p);
            let lower = p.to_lowercase();
            if HEADING.is_match(p) {
                continue;
            }
            if let Some(negated) = lower.strip_prefix("no ").or(lower.strip_prefix("without ")) {
                out.extend(self.denial(negated, p, category));
                continue;
            }
            if many && matches!(category, Category::Hpi | Category::Ros) && describes(p) {
                out.extend(self.fragment(p, p, category));
                continue;
            }
            let surgical =
                matches!(category, Category::Pmh | Category::Hpi | Category::Surgical) && SURGERY.is_match(p);
            let category = if surgical { Category::Surgical } else { category };
            let spoken = self.have(p, category);
            out.push(self.file(&spoken, p, if many { p } else { source }, category, Polarity::Present, false));
        }
        // What introduced the list goes with its first item.
        if many && let Some(d) = out.first_mut() {
            let lead = source
                .find(list.split_whitespace().next().unwrap_or(list))
                .map_or("", |i| source.get(..i).unwrap_or(""));
            d.source = format!("{lead}{}", d.source);
        }
        out
    }

    /// A noun phrase said as something the patient has, takes, had done, ...
    fn have(&self, noun: &str, category: Category) -> String {
        let noun = lower_first(&self.voice().first(noun));
        let first = noun.split_whitespace().next().unwrap_or("").to_lowercase();
        if is_told(&noun) {
            return noun;
        }
        if let Some(said) = self.predicate(&noun, &first, category) {
            return said;
        }
        match category {
            Category::Hpi | Category::Ros if DOINGS.contains(&first.as_str()) && noun.contains(' ') => {
                format!("I've been {noun}")
            }
            Category::Allergy if ["congestion", "sneez", "hay fever", "seasonal"].iter().any(|w| noun.contains(w)) => {
                format!("I get {noun}")
            }
            Category::Pmh | Category::Psychiatric | Category::Obstetric => {
                format!("I have {}", if noun.starts_with("history of") { format!("a {noun}") } else { article(&noun) })
            }
            Category::Surgical if first == "status" || first == "after" => {
                format!("I've had {}", article(noun.trim_start_matches("status post ").trim_start_matches("after ")))
            }
            Category::Surgical => format!("I've had {}", article(&noun)),
            Category::Medication => format!("I take {noun}"),
            Category::Allergy => format!(
                "I'm allergic to {}",
                noun.trim_start_matches("allergy to ")
                    .trim_start_matches("allergic to ")
                    .trim_start_matches("allergies to ")
            ),
            Category::Family => {
                let of = ["family history of ", "positive for ", "significant for ", "notable for ", "history of "];
                let bare = of.iter().fold(noun.as_str(), |n, lead| n.strip_prefix(lead).unwrap_or(n));
                format!(
                    "In my family there is {}",
                    bare.replace(" in the father", " in my father")
                        .replace(" in the mother", " in my mother")
                        .replace(" in the maternal", " in my maternal")
                        .replace(" in the paternal", " in my paternal")
                )
            }
            Category::Vaccination => format!("I've had the {noun} vaccine"),
            Category::Demographic => format!("I'm {noun}"),
            Category::Social => format!("I have {}", article(&noun)),
            _ => format!("I've had {}", article(&noun)),
        }
    }
}

/// A phrase that turns out to be a sentence in the first person already: "I continue to take Keppra", "work has been busy",
/// "with both together, I feel better".
fn is_told(noun: &str) -> bool {
    let lower = noun.to_lowercase();
    let head = lower.split([',', '(']).next().unwrap_or("");
    let head = [
        " that ",
        " which ",
        " who ",
        " when ",
        " where ",
        " if ",
        " because ",
        " after ",
        " while ",
        " before ",
        " until ",
        " since ",
        " as ",
    ]
    .iter()
    .fold(head, |h, w| h.split(w).next().unwrap_or(h));
    let finite = [" is ", " was ", " are ", " were ", " has been ", " have been ", " has not ", " does not "];
    let opens = ["by ", "with ", "at ", "on ", "in ", "over ", "during ", "after ", "before ", "by the "];
    noun.starts_with("I ")
        || noun.starts_with("you ")
        || noun.starts_with("I'")
        || finite.iter().any(|f| head.contains(f))
        || opens.iter().any(|o| lower.starts_with(o)) && (noun.contains(", I ") || noun.contains(", my "))
}
