//! What the patient does not have.

use super::cut::items;
use super::topic::TopicIndex;
use super::voice::{SYMPTOM_INGS, article, lower_first};
use super::{Draft, Narrator};
use crate::fact::{Category, Polarity};

impl Narrator {
    /// Each item is absent.
    pub(super) fn denial(&mut self, list: &str, source: &str, category: Category) -> Vec<Draft> {
        let list = list
            .trim_start_matches("any ")
            .trim_start_matches("of ")
            .trim_end_matches(" reported")
            .trim_end_matches(" noted")
            .trim_end_matches(" present")
            .trim_end_matches(" is")
            .trim_end_matches(" are")
            .trim_end_matches(" was")
            .trim_end_matches(" were");
        let list = [" is associated with", " are associated with", " was associated with"]
            .iter()
            .fold(list, |l, cut| l.split(cut).next().unwrap_or(l));
        let lower = list.to_lowercase();
        let family = lower.contains("family history") || category == Category::Family;
        let whole = list.split_whitespace().count() <= 3 || lower.contains(" when ") || lower.contains(" that ");
        let parts: Vec<&str> =
            if whole && !list.contains([',', '/']) && !lower.contains(" or ") && !lower.contains(" and ") {
                vec![list]
            } else {
                items(list)
            };
        let history = lower.starts_with("history of")
            || lower.starts_with("prior ")
            || lower.starts_with("previous ")
            || lower.starts_with("hx of");
        let mut out = Vec::new();
        for (i, p) in parts.iter().enumerate() {
            // "neurological or cardiovascular problems": the noun belongs to both.
            let last = parts.last().and_then(|l| l.split_whitespace().next_back()).unwrap_or("");
            if super::verbs::opens_line(&p.split_whitespace().next().unwrap_or("").to_lowercase()) {
                out.extend(self.fragment(p, p, category));
                continue;
            }
            // "no smoking, social alcohol": what is done now and then is not denied.
            let some = ["social ", "occasional ", "moderate ", "some "].iter().any(|s| p.to_lowercase().starts_with(s));
            let sentence = [" is ", " are ", " was ", " were "].iter().any(|v| p.contains(v)) && i > 0;
            if sentence {
                out.extend(self.fragment(p, p, category));
                continue;
            }
            if some && ["alcohol", "drink", "smok"].iter().any(|h| p.to_lowercase().contains(h)) {
                out.extend(self.fragment(p, p, Category::Social));
                continue;
            }
            let shared = [
                "issues",
                "problems",
                "symptoms",
                "disturbances",
                "changes",
                "difficulties",
                "complaints",
                "conditions",
                "history",
                "ideation",
                "ideations",
                "stools",
                "diseases",
                "disease",
            ]
            .contains(&last);
            let adjective = ["al", "ic", "ary", "ous", "ive"].iter().any(|e| p.ends_with(e));
            let known = TopicIndex::builtin().and_then(|t| t.best(p, category)).is_some();
            let words = parts.last().map_or(0, |l| l.split_whitespace().count());
            let noun = !p.contains(' ') && p.len() > 4 && !known && words == 2;
            let bare = (noun || adjective && words <= 3) && shared && i + 1 < parts.len();
            // "changes in size or color", "problems with my bladder or bowels": the lead belongs to both.
            let lead = parts[0].split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            let of = lead.ends_with(" in") || lead.ends_with(" with");
            let leads =
                ["change", "problem", "issue", "difficult", "trouble", "recent"].iter().any(|w| lead.contains(w));
            let led = i > 0 && of && leads && !p.contains(' ') && !known;
            let whole = if bare {
                format!("{p} {last}")
            } else if led {
                format!("{lead} {p}")
            } else if i > 0 && (*p == "loss" || *p == "gain") && parts[i - 1].contains("weight") {
                format!("weight {p}")
            } else {
                (*p).to_owned()
            };
            let (spoken, about) = self.deny(&whole, category, family, history);
            let mut category = if family { Category::Family } else { category };
            if history && matches!(category, Category::Hpi | Category::Ros) {
                category = Category::Pmh;
            }
            if p.to_lowercase().contains("allerg") && matches!(category, Category::Pmh | Category::Hpi) {
                category = Category::Allergy;
            }
            let lead = source
                .find(parts[0].split_whitespace().next().unwrap_or(""))
                .and_then(|n| source.get(..n))
                .unwrap_or("");
            let said = if i == 0 { format!("{lead}{p}") } else { (*p).to_owned() };
            let mut d = self.file(
                &spoken,
                &about,
                if parts.len() == 1 { source } else { &said },
                category,
                Polarity::Absent,
                false,
            );
            d.topic.aspect = None;
            out.push(d);
        }
        out
    }

    fn deny(&self, item: &str, category: Category, family: bool, history: bool) -> (String, String) {
        let cut = [
            "no ",
            "mention of ",
            "use of ",
            "any ",
            "other ",
            "a ",
            "an ",
            "recent or ",
            "the ",
            "history of ",
            "hx of ",
            "family history of ",
            "having ",
        ];
        let bare = cut.iter().fold(item.trim(), |s, w| s.strip_prefix(w).unwrap_or(s)).trim();
        let noun = lower_first(&self.voice().first(bare));
        let lower = noun.to_lowercase();
        let first = lower.split_whitespace().next().unwrap_or("").to_owned();
        let past = history || item.to_lowercase().contains("history of ");
        let exact = || {
            TopicIndex::builtin()
                .and_then(|t| t.best(&lower, category))
                .filter(|n| n.start == 0 && n.end + 1 >= lower.len() && !self.voice().parent)
                .and_then(|n| n.finding.no.first().cloned())
        };
        let spoken = if first == "radiating" || first == "radiation" {
            "It doesn't go anywhere else".to_owned()
        } else if family {
            format!("Nobody in my family has had {}", noun.trim_start_matches("family history of "))
        } else if lower.contains("allerg") {
            "I don't have any known allergies".to_owned()
        } else if past && !lower.ends_with("history") {
            format!("I've never had {}", article(&noun))
        } else if let Some(no) = exact() {
            no
        } else if category == Category::Medication {
            format!("I don't take any {noun}")
        } else if first == "smoking" || first == "smoker" || lower == "tobacco" || lower == "tobacco use" {
            "I don't smoke".to_owned()
        } else if first == "alcohol" || lower.starts_with("drinking") {
            "I don't drink alcohol".to_owned()
        } else if lower.ends_with(" use") || lower.ends_with("drugs") || lower.ends_with("tobacco") {
            format!("I don't use any {}", lower.trim_end_matches(" use"))
        } else if first.ends_with("ing") && !SYMPTOM_INGS.contains(&first.as_str()) {
            format!("I haven't been {noun}")
        } else if ["past", "known", "significant", "relevant"].contains(&first.as_str())
            || lower.ends_with("medical history")
            || lower.ends_with("history")
        {
            format!("I have no {noun}")
        } else if category == Category::Social && ["siblings", "children", "pets", "family"].contains(&first.as_str()) {
            format!("I don't have any {noun}")
        } else if ["on", "at", "during", "with", "after", "in"].contains(&first.as_str()) {
            format!("It doesn't happen {noun}")
        } else if ["color", "colour", "size", "shape", "texture", "consistency"].contains(&lower.as_str()) {
            format!("I haven't noticed any change in {noun}")
        } else if first == "been" || first == "had" {
            format!("I haven't {noun}")
        } else {
            format!("I haven't had any {noun}")
        };
        (spoken, bare.to_owned())
    }

    pub(super) fn nothing(&mut self, source: &str, category: Category) -> Draft {
        let (spoken, subject) = match category {
            Category::Medication => ("I don't take any regular medicines", "med_any"),
            Category::Allergy => ("I don't have any allergies that I know of", "all_any"),
            Category::Family => ("Nothing runs in my family that I know of", "fh_any"),
            Category::Surgical => ("I've never had an operation", "psh_any"),
            Category::Social => ("There's nothing special about my circumstances", "soc_any"),
            Category::Pmh => ("I don't have any other medical problems", "pmh_any"),
            _ => ("I haven't noticed anything else", "other_symptoms"),
        };
        let mut d = self.file(spoken, source, source, category, Polarity::Absent, false);
        d.topic = crate::fact::Topic::new(subject);
        d
    }
}
