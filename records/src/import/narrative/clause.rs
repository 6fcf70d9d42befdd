//! Reading one clause: who says what about which symptom, and whether it is there.

use super::cut::{expand, is_plain_list, items};
use super::topic::TopicIndex;
use super::voice::{article, lower_first};
use super::{Draft, Narrator};
use crate::fact::{Category, Polarity};
use regex::Regex;
use std::sync::LazyLock;

const WHO: &str = r"(?:(?:the|this|our|his|her) )?(?:patient(?:'s (?:\w+ )?\w+)?|he|she|they|i|you|child|boy|girl|infant|baby|woman|man|mother|father|parents?|family|caregivers?|husband|wife|daughter|son|(?:mr|mrs|ms|miss)\.? \[NAME\]|\[NAME\])";
const ADV: &str = r"(?:(?:also|currently|further|otherwise|specifically|now|only|again|still|recently|initially|additionally|subsequently|occasionally|has|have|had|is|was|been|does|did) )*";

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&$text).ok());
    };
}

pattern!(DENIES, format!(r"(?i)^(?:{WHO} )?{ADV}(?:denies|denied|deny|denying|negative for)(?: (?:having|experiencing|any|had|of|recent symptoms of|symptoms of|symptoms such as|other symptoms(?: such as| of)?))* (.+)$"));
pattern!(NO, r"(?i)^(?:there (?:is|was|were|are|has been|have been) )?(?:currently |otherwise |also )?(?:no|nil|without|absence of|absent)(?: (?:any|associated|evidence of|complaints? of|reports? of|reported|current|other|known|significant))* (.+)$");
pattern!(HAS_NO, format!(r"(?i)^(?:{WHO} )?{ADV}(?:has|had|have|reports|reported|states|notes|endorses|with|there is|there are|describes|experienced)(?: had| been| noticed)? (?:no|nil|not any)(?: (?:any|other|associated|known|significant|reported))* (.+)$"));
pattern!(DOES_NOT, format!(r"(?i)^(?:{WHO} )?{ADV}(?:does not|did not|has not|has never|never|not|hasn't|doesn't|didn't)(?: ever)? (?:have|had|report|endorse|experienced?|complain of|experiencing|noticed?|been having|suffer from)(?: any| of)? (.+)$"));
pattern!(REPORTS, format!(r"(?i)^(?:{WHO} )?{ADV}(?:reports?|reported|reporting|states?|stated|says|said|notes|noted|mentions?|mentioned|describes|described|endorses|endorsed|admits(?: to)?|complains? of|complained of|complaining of|complaints? of|experiences|experienced|experiencing|presents? with|presented with|presenting with|suffers? from|claims|confirms|confirmed|symptoms include|symptoms included)(?: (?:that|having|to have|of))? (.+)$"));
pattern!(HISTORY, format!(r"(?i)^(?:{WHO} )?{ADV}(?:(?:with )?(?:a |an )?(?:(?:known|past|significant|prior|previous|personal|remote|long|chronic) )*(?:medical |surgical )?history (?:is |was )?(?:only )?(?:includes?|included|of|significant (?:only )?for|notable (?:only )?for|remarkable for|positive for)|(?:only )?significant (?:only )?for|notable for|known (?:case of|history of|to have|for|with)|comorbidities include|diagnosed previously with)[: ]* ?(.+)$"));
pattern!(LASTED, r"(?i)^(?:an? |the |has |had )*((?:\d+(?:\.\d+)?(?:\s?(?:-|–|to)\s?\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|several|few))[- ](second|minute|hour|day|week|month|year)s?[- ]?(?:old )?(?:history|hx|course|period|duration) of (.+)$");
pattern!(AGED, r"(?i)^(?:(?:the patient|\[NAME\]|(?:mr|mrs|ms|miss)\.? \[NAME\]|he|she|patient)(?: is| was)? )?(?:an? |the )?(?:otherwise |previously |very |pleasant |healthy |obese |well-appearing |known )*((?:\d+(?:\.\d+)?|90 or over|\w+)[- ](?:year|month|week|day|yr)s?[- ]old(?:,? [\w-]+){0,4}? (?:man|woman|male|female|boy|girl|gentleman|lady|infant|child|newborn|patient|person|individual|primigravid(?:a| woman)|nurse|teacher|student|gravida)s?\b(?: neonate| newborn| infant| patient)?|(?:\w+ )?(?:man|woman|male|female|boy|girl|newborn|infant),? aged \d+(?: years)?)(.*)$");
pattern!(COMES, r"(?i)^(?:.*?\b)?(?:presents?|presented|presenting|comes?|came|is brought|was brought|brought|is seen|was seen|is evaluated|was admitted|is admitted|was referred|is referred|visits?|visited|arrives?|returns?|consults?)\b(.*)$");
pattern!(BECAUSE, r"(?i)^(.*?)\b(with (?:an? )?(?:chief )?(?:complaints?|concerns?) of|complaining of|complains of|because of|due to|secondary to|for evaluation of|for an evaluation of|for the evaluation of|for evaluation and management of|with|for|after|following) (.+)$");
pattern!(NONE, r"(?i)^(?:past medical |past surgical |family |social |drug |medical |medication )?(?:history )?:?\s*(?:is |was |are )?(?:none|nil|no|negative|unremarkable|noncontributory|non-contributory|not significant|insignificant|nil of note|nothing(?: else)?(?: of note)?|denies|clear|no significant|no known|none known|no significant (?:past )?(?:medical )?history|no (?:past )?medical history|no known medical (?:problems|conditions)|not contributory|otherwise unremarkable|no other significant medical history(?: is reported)?)(?: (?:of note|reported|known|noted|significant|stated|mentioned))*$");
pattern!(SURGERY, r"(?i)\b\w*(?:ectomy|plasty|ostomy|otomy|orrhaphy)\b|\b(?:surgery|operation|operated|transplant|repair of|bypass|stent|pacemaker|amputation|c-section|cesarean|caesarean|arthroscopy|fixation|resection|implantation|graft)");
pattern!(FAMILY, r"(?i)\b(family history|family hx|runs in (?:the|his|her|my) family|(?:mother|father|brother|sister|sibling|grandmother|grandfather|aunt|uncle|cousin|parents?)\b.{0,24}\b(?:had|has|have|died|passed away|diagnosed|suffer|with|positive|history)|(?:mother|father|brother|sister|grandmother|grandfather|parents|grandparents)(?: and \w+)?\s?[-–:])");
pattern!(SMOKES, r"(?i)\b(smok\w*|non-?smoker|tobacco|pack[- ]years?|packs? (?:a|per) day|cigarettes?|alcohol\w*|drinks? (?:socially|\d|occasionally|wine|beer)|beers?|illicit|recreational drugs?|cocaine|marijuana|cannabis|heroin|lives (?:with|alone|in)|works (?:as|in|at|for)|retired|employed|unemployed|occupation|married|divorced|sexually active|travel(?:ed|led) to|vap(?:es|ing))\b");
pattern!(DRUGS, r"(?i)\b((?:takes|taking|is on|medications? (?:include|are)|current medications?|(?:he|she|patient) (?:currently )?takes|continues (?:to take|on)|maintained on))\b");
pattern!(DOSE, r"(?i)\b\d+(?:\.\d+)? ?(?:mg|mcg|µg|units|iu|ml)\b");
pattern!(ALLERGY, r"(?i)\b(allerg(?:y|ic|ies) to|no known (?:drug )?allergies|drug allerg|allergies\b)");
pattern!(VACCINE, r"(?i)\b(immuni[sz]ations?|vaccinat\w+|vaccines?)\b");
pattern!(PREGNANCY, r"(?i)\b(gravida|para \d|g\dp\d|last menstrual period|menarche|menopaus\w+|pregnan\w+|gestation|contracepti\w+|menses|menstrua\w+)\b");
pattern!(EXAM, r"(?i)\b(physical exam\w*|on exam\w*|examination (?:shows|reveals|is|was|of|demonstrates)|exam (?:shows|reveals|is|was|demonstrates)|auscultation|palpation|percussion|(?:his|her|the|patient's) (?:temperature|pulse|blood pressure|respirations?|respiratory rate|heart rate|oxygen saturation|vital signs|vitals|bmi)|temperature (?:is|of)|blood pressure (?:is|of)|pulse (?:is|of)|respirations are|vital signs|\d+/\d+ ?mm ?hg|appears (?:well|ill|pale|confused|comfortable|lethargic|anxious)|tenderness|murmur|reflexes|cranial nerves|bowel sounds|breath sounds|fundoscop\w+|slit lamp|neurologic exam|mental status exam|bimanual|speculum)");
pattern!(TEST, r"(?i)\b(laboratory|lab (?:results|studies|tests|values|work)|blood (?:test|work)s? (?:show|reveal|is|are|were)|serum|hemoglobin|haemoglobin|hematocrit|leukocyte count|white blood cell|platelets?|creatinine|sodium is|potassium|urinalysis|x-ray|radiograph\w*|ct\b|ct scan|mri\b|ultraso\w+|echocardiogra\w+|electrocardiogra\w*|ecg|ekg|biops\w+|culture\w*|gram stain|histolog\w+|patholog\w+|colonoscopy (?:shows|reveals)|endoscop\w+|angiogra\w+|antibod\w+|pcr|spirometry|eeg|lumbar puncture|csf|cerebrospinal|glucose (?:is|of|level)|mg/dl|meq/l|mmol/l|g/dl|/mm3|u/l|immunohistochem\w+|microscop\w+|karyotyp\w+|genetic|mutation|imaging|scans?)\b");
pattern!(HISTORY_CUE, r"(?i)^(?:she|he|the patient|patient|her|his) (?:has|is|was|had|notes?|noted|mentions|states)\b|\b(mentions|denies|reports|states that|history of|takes|medications|smok|drinks|mother|father|says|complains|family history|allerg)");

/// The category the words themselves call for, in a passage filed under `given`.
pub(super) fn recategorise(sentence: &str, given: Category) -> Category {
    let is = |re: &LazyLock<Option<Regex>>| re.as_ref().is_some_and(|r| r.is_match(sentence));
    match given {
        Category::Hpi | Category::Ros | Category::Pmh if is(&EXAM) && is(&DOSE_OR_VITAL) => Category::Exam,
        Category::Hpi | Category::Pmh if is(&TEST) && is(&RESULT) && !is(&HISTORY_CUE) => Category::Test,
        Category::Hpi | Category::Pmh | Category::Social if is(&FAMILY) => Category::Family,
        Category::Hpi if is(&ALLERGY) => Category::Allergy,
        Category::Hpi if is(&HISTORY) => Category::Pmh,
        Category::Hpi if is(&SMOKES) && !sentence.to_lowercase().contains("pain") => Category::Social,
        Category::Hpi if is(&VACCINE) => Category::Vaccination,
        Category::Hpi if is(&DOSE) && is(&DRUGS) || is(&DRUGS) && TopicIndex::builtin().and_then(|t| t.best(sentence, Category::Hpi)).is_none() => Category::Medication,
        Category::Hpi | Category::Pmh if is(&PREGNANCY) => Category::Obstetric,
        Category::Hpi if is(&SURGERY) => Category::Surgical,
        other => other,
    }
}

pattern!(DOSE_OR_VITAL, r"(?i)\d+/\d+ ?mm ?hg|\d ?°|/min\b|\bbpm\b|on exam|examination (?:shows|reveals)|mmhg|\bkg/m");
pattern!(RESULT, r"(?i)\b(show(?:s|ed)?|reveal(?:s|ed)?|demonstrat(?:es|ed|ing)|confirm(?:s|ed)?|elevated|normal|negative|positive|decreased|detected|identified|g/dl|mg/dl|/l)\b");

/// Whether a vignette has moved on to the examination or the laboratory.
pub(super) fn vignette_mode(sentence: &str, now: Category) -> Category {
    let is = |re: &LazyLock<Option<Regex>>| re.as_ref().is_some_and(|r| r.is_match(sentence));
    if is(&HISTORY_CUE) && !sentence.to_lowercase().contains("exam") && !is(&DOSE_OR_VITAL) {
        Category::Hpi
    } else if is(&EXAM) {
        Category::Exam
    } else if is(&TEST) && (now != Category::Hpi || is(&RESULT) || sentence.contains(|c: char| c.is_ascii_digit())) {
        Category::Test
    } else {
        now
    }
}

/// "His temperature is 37" -> "Temperature is 37": what the clinician reports has no owner.
pub(super) fn report_style(sentence: &str) -> String {
    static OWNER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^(?:the patient's|patient's|his|her|the patient has|the patient is|patient is|he is|she is|he has|she has|the patient|(?:mr|mrs|ms)\.? \[NAME\]'?s?|\[NAME\](?:'s)?) ").ok());
    let s = match OWNER.as_ref() {
        Some(re) => re.replace(sentence.trim(), "").into_owned(),
        None => sentence.trim().to_owned(),
    };
    let mut chars = s.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn group(re: &LazyLock<Option<Regex>>, text: &str, i: usize) -> Option<String> {
    re.as_ref()?.captures(text)?.get(i).map(|m| m.as_str().trim().to_owned())
}

impl Narrator {
    /// Facts of one clause of the history.
    pub(super) fn clause(&mut self, source: &str, category: Category) -> Vec<Draft> {
        let text = expand(source);
        let text = text.trim_end_matches(['.', ',', ' ', ':']).trim_start_matches([',', ' ', ':', '-', '–']);
        let text = ["and ", "but ", "And ", "But "].iter().fold(text, |t, w| t.strip_prefix(w).unwrap_or(t));
        if !text.chars().any(char::is_alphabetic) {
            return Vec::new();
        }
        if let Some(intro) = self.introduction(text, source) {
            return intro;
        }
        if NONE.as_ref().is_some_and(|r| r.is_match(text)) {
            return vec![self.nothing(source, category)];
        }
        if let Some(list) = [&DENIES, &NO, &HAS_NO, &DOES_NOT].iter().find_map(|re| group(re, text, 1)) {
            return self.denial(&list, source, category);
        }
        if let Some(caps) = LASTED.as_ref().and_then(|r| r.captures(text)) {
            return self.lasted(&caps[1], &caps[2], &caps[3], source, category);
        }
        if category != Category::Family
            && let Some(list) = group(&HISTORY, text, 1)
        {
            let c = if matches!(category, Category::Hpi | Category::Ros) { Category::Pmh } else { category };
            return self.enumerated(&list, source, c);
        }
        if let Some(rest) = group(&REPORTS, text, 1).filter(|_| !text.to_lowercase().contains("'s ") || text.to_lowercase().starts_with("the patient's")) {
            let inner = rest.to_lowercase();
            if inner.starts_with("no ") || LASTED.as_ref().is_some_and(|r| r.is_match(&rest)) {
                return self.clause_again(&rest, source, category);
            }
            let pronoun = ["he ", "she ", "his ", "her ", "the ", "it ", "i ", "my ", "they ", "there ", "this ", "when ", "these ", "ever since", "since ", "if ", "while ", "in ", "on ", "over ", "for ", "after ", "about "];
            let noun_phrase = inner.starts_with("the ") && ![" is ", " was ", " are ", " were ", " has ", " had ", " have ", "ed ", "es "].iter().any(|v| inner.contains(v));
            if noun_phrase {
                return self.enumerated(&rest, source, category);
            }
            if pronoun.iter().any(|p| inner.starts_with(p)) {
                return self.clause_again(&rest, source, category);
            }
            let first = inner.split_whitespace().next().unwrap_or("");
            if first.ends_with("ing") && !["swelling", "vomiting", "itching", "tingling", "bleeding", "sneezing", "sweating", "bruising", "burning", "wheezing", "ringing", "spotting", "bloating", "cramping", "increasing", "worsening", "coughing"].contains(&first) {
                let spoken = self.voice().first(&format!("the patient has been {rest}"));
                return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
            }
            return self.enumerated(&rest, source, category);
        }
        self.fragment(text, source, category)
    }

    fn clause_again(&mut self, rest: &str, source: &str, category: Category) -> Vec<Draft> {
        if let Some(list) = [&DENIES, &NO, &HAS_NO, &DOES_NOT].iter().find_map(|re| group(re, rest, 1)) {
            return self.denial(&list, source, category);
        }
        if let Some(caps) = LASTED.as_ref().and_then(|r| r.captures(rest)) {
            return self.lasted(&caps[1], &caps[2], &caps[3], source, category);
        }
        self.fragment(rest, source, category)
    }

    /// "A 44-year-old woman with a history of X presents with Y."
    fn introduction(&mut self, text: &str, source: &str) -> Option<Vec<Draft>> {
        let caps = AGED.as_ref()?.captures(text)?;
        let (who, rest) = (caps.get(1)?.as_str(), caps.get(2)?.as_str().trim().trim_start_matches([',', ' ']));
        let noun = if who.starts_with(['8']) || who.starts_with("11-") || who.starts_with("18-") || who.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let spoken = if self.voice().parent { format!("I'm {noun} {who}") } else { format!("I'm {noun} {}", who.replace(" male", " man").replace(" female", " woman")) };
        let mut out = vec![self.file(&spoken, who, who, Category::Demographic, Polarity::Present, false)];
        if let Some(d) = out.first_mut() {
            d.topic = crate::fact::Topic::new("age_and_sex");
        }
        let lower = rest.to_lowercase();
        let verbs = [" who ", " presents", " presented", " comes", " came", " is brought", " was brought", " was admitted", " is admitted", " is here", " returns", " visits", " complains", " and presents", " is evaluated", " consults"];
        let padded = format!(" {lower}");
        let at = verbs.iter().filter_map(|v| padded.find(v)).min().map(|i| i.saturating_sub(1)).filter(|i| rest.is_char_boundary(*i));
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
                None if before.starts_with("with ") => out.extend(self.clause_again(bare, before, if at.is_some() { Category::Pmh } else { Category::Hpi })),
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

    fn presentation(&mut self, tail: &str) -> Vec<Draft> {
        let Some(rest) = group(&COMES, tail, 1) else { return self.clause_again(&format!("he {tail}"), tail, Category::Hpi) };
        let Some(caps) = BECAUSE.as_ref().and_then(|r| r.captures(&rest)) else {
            return vec![self.file(&self.voice().first(&format!("the patient {tail}")), tail, tail, Category::Hpi, Polarity::Present, true)];
        };
        let (link, what) = (caps[2].to_lowercase(), caps[3].to_owned());
        let what = what.trim_start_matches("complaints of ").trim_start_matches("a complaint of ").trim_start_matches("concerns of ").trim_start_matches("evaluation of ");
        match link.as_str() {
            "after" | "following" => {
                let spoken = format!("I've come in {link} {}", self.voice().first(what));
                vec![self.file(&spoken, what, tail, Category::Hpi, Polarity::Present, true)]
            }
            "for" if TopicIndex::builtin().and_then(|t| t.best(what, Category::Hpi)).is_none() => {
                let spoken = format!("I've come for {}", self.voice().first(what));
                vec![self.file(&spoken, what, tail, Category::Hpi, Polarity::Present, false)]
            }
            _ if LASTED.as_ref().is_some_and(|r| r.is_match(what)) => self.clause_again(what, tail, Category::Hpi),
            _ => self.enumerated(what, tail, Category::Hpi),
        }
    }

    fn lasted(&mut self, n: &str, unit: &str, what: &str, source: &str, category: Category) -> Vec<Draft> {
        let plural = if matches!(n, "1" | "one") { "" } else { "s" };
        let n = if n == "several" || n == "few" { format!("a few {unit}s") } else { format!("{n} {unit}{plural}") };
        let parts: Vec<String> = if is_plain_list(what) { items(what).into_iter().map(str::to_owned).collect() } else { vec![what.to_owned()] };
        let mut out = Vec::new();
        for p in parts {
            let noun = article(&lower_first(&self.voice().first(&p)));
            out.push(self.file(&format!("I've had {noun} for {n}"), &p, source, category, Polarity::Present, false));
        }
        out
    }

    /// Each item of a list is present: "I've had X", "I take X", ...
    fn enumerated(&mut self, list: &str, source: &str, category: Category) -> Vec<Draft> {
        let list = list.trim().trim_end_matches('.');
        let parts: Vec<&str> = if is_plain_list(list) || category == Category::Pmh && items(list).iter().all(|p| p.split_whitespace().count() <= 8) { items(list) } else { vec![list] };
        let many = parts.len() > 1;
        let mut out = Vec::new();
        for p in parts {
            let lower = p.to_lowercase();
            if let Some(negated) = lower.strip_prefix("no ").or(lower.strip_prefix("without ")) {
                out.extend(self.denial(negated, p, category));
                continue;
            }
            let surgical = matches!(category, Category::Pmh | Category::Hpi | Category::Surgical) && SURGERY.as_ref().is_some_and(|r| r.is_match(p));
            let category = if surgical { Category::Surgical } else { category };
            let spoken = self.have(p, category);
            out.push(self.file(&spoken, p, if many { p } else { source }, category, Polarity::Present, false));
        }
        // What introduced the list goes with its first item.
        if many && let Some(d) = out.first_mut() {
            let lead = source.find(list.split_whitespace().next().unwrap_or(list)).map_or("", |i| source.get(..i).unwrap_or(""));
            d.source = format!("{lead}{}", d.source);
        }
        out
    }

    /// A noun phrase said as something the patient has, takes, had done, ...
    fn have(&self, noun: &str, category: Category) -> String {
        let noun = lower_first(&self.voice().first(noun));
        let first = noun.split_whitespace().next().unwrap_or("").to_lowercase();
        match category {
            Category::Pmh | Category::Psychiatric | Category::Obstetric => format!("I have {}", if noun.starts_with("history of") { format!("a {noun}") } else { article(&noun) }),
            Category::Surgical if first == "status" || first == "after" => format!("I've had {}", article(noun.trim_start_matches("status post ").trim_start_matches("after "))),
            Category::Surgical => format!("I've had {}", article(&noun)),
            Category::Medication => format!("I take {noun}"),
            Category::Allergy => format!("I'm allergic to {}", noun.trim_start_matches("allergy to ").trim_start_matches("allergic to ").trim_start_matches("allergies to ")),
            Category::Family => format!("In my family there is {}", noun.trim_start_matches("family history of ")),
            Category::Vaccination => format!("I've had the {noun} vaccine"),
            Category::Demographic => format!("I'm {noun}"),
            Category::Social => format!("I have {}", article(&noun)),
            _ => format!("I've had {}", article(&noun)),
        }
    }

    /// Each item is absent.
    fn denial(&mut self, list: &str, source: &str, category: Category) -> Vec<Draft> {
        let list = list.trim_start_matches("any ").trim_start_matches("of ").trim_end_matches(" reported").trim_end_matches(" is reported").trim_end_matches(" noted");
        let lower = list.to_lowercase();
        let family = lower.contains("family history") || category == Category::Family;
        let whole = list.split_whitespace().count() <= 3 || lower.contains(" when ") || lower.contains(" that ");
        let parts: Vec<&str> = if whole && !list.contains([',', '/']) && !lower.contains(" or ") && !lower.contains(" and ") { vec![list] } else { items(list) };
        let history = lower.starts_with("history of") || lower.starts_with("prior ") || lower.starts_with("previous ") || lower.starts_with("hx of");
        let mut out = Vec::new();
        for (i, p) in parts.iter().enumerate() {
            // "neurological or cardiovascular problems": the noun belongs to both.
            let last = parts.last().and_then(|l| l.split_whitespace().next_back()).unwrap_or("");
            if super::clause_verbs(&p.split_whitespace().next().unwrap_or("").to_lowercase()) {
                out.extend(self.fragment(p, p, category));
                continue;
            }
            let shared = ["issues", "problems", "symptoms", "disturbances", "changes", "difficulties", "complaints", "conditions", "diseases", "disease"].contains(&last);
            let bare = !p.contains(' ') && p.len() > 4 && shared && i + 1 < parts.len() && parts.last().is_some_and(|l| l.split_whitespace().count() == 2);
            let whole = if bare { format!("{p} {last}") } else { (*p).to_owned() };
            let (spoken, about) = self.deny(&whole, category, family, history);
            let mut category = if family { Category::Family } else { category };
            if history && matches!(category, Category::Hpi | Category::Ros) {
                category = Category::Pmh;
            }
            if p.to_lowercase().contains("allerg") && matches!(category, Category::Pmh | Category::Hpi) {
                category = Category::Allergy;
            }
            let lead = source.find(parts[0].split_whitespace().next().unwrap_or("")).and_then(|n| source.get(..n)).unwrap_or("");
            let said = if i == 0 { format!("{lead}{p}") } else { (*p).to_owned() };
            let mut d = self.file(&spoken, &about, if parts.len() == 1 { source } else { &said }, category, Polarity::Absent, false);
            d.topic.aspect = None;
            out.push(d);
        }
        out
    }

    fn deny(&self, item: &str, category: Category, family: bool, history: bool) -> (String, String) {
        let cut = ["no ", "use of ", "any ", "other ", "a ", "an ", "recent or ", "the ", "history of ", "hx of ", "family history of ", "having "];
        let bare = cut.iter().fold(item.trim(), |s, w| s.strip_prefix(w).unwrap_or(s)).trim();
        let noun = lower_first(&self.voice().first(bare));
        let lower = noun.to_lowercase();
        let first = lower.split_whitespace().next().unwrap_or("").to_owned();
        let past = history || item.to_lowercase().contains("history of ");
        let exact = || TopicIndex::builtin().and_then(|t| t.best(&lower, category)).filter(|n| n.start == 0 && n.end + 1 >= lower.len() && !self.voice().parent).and_then(|n| n.finding.no.first().cloned());
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
        } else if first.ends_with("ing") && !["swelling", "vomiting", "itching", "tingling", "bleeding", "sneezing", "sweating", "bruising", "burning", "wheezing", "ringing", "spotting", "bloating", "cramping", "coughing"].contains(&first.as_str()) {
            format!("I haven't been {noun}")
        } else if ["past", "known", "significant", "relevant"].contains(&first.as_str()) || lower.ends_with("medical history") || lower.ends_with("history") {
            format!("I have no {noun}")
        } else if first == "been" || first == "had" {
            format!("I haven't {noun}")
        } else {
            format!("I haven't had any {noun}")
        };
        (spoken, bare.to_owned())
    }

    fn nothing(&mut self, source: &str, category: Category) -> Draft {
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

    /// A line of a social history, each habit by itself.
    fn habits(&mut self, text: &str, source: &str) -> Option<Vec<Draft>> {
        let parts = items(text);
        let cut = parts.len() > 1 && parts.iter().all(|p| (2..=5).contains(&p.split_whitespace().count()) || p.to_lowercase().contains("smok") || p.split_whitespace().count() == 1 && p.ends_with("ed"));
        let habit = ["smok", "alcohol", "drink", "drug", "lives", "works", "married", "tobacco"];
        if !cut || parts.iter().filter(|p| habit.iter().any(|h| p.to_lowercase().contains(h))).count() < 2 || text.to_lowercase().contains("or etoh") {
            return None;
        }
        let owned: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
        let _ = source;
        Some(owned.iter().flat_map(|p| self.clause(p, Category::Social)).collect())
    }

    /// What is neither denial nor report: a sentence of its own, or a few words of a note.
    fn fragment(&mut self, text: &str, source: &str, category: Category) -> Vec<Draft> {
        let lower = text.to_lowercase();
        let first = lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\'')).next().unwrap_or("").to_owned();
        let is = |list: &[&str]| list.contains(&first.as_str());
        let v = self.voice();
        let relation = ["mother", "father", "brother", "sister", "grandmother", "grandfather", "aunt", "uncle", "parents", "maternal", "paternal", "sibling", "siblings", "grandparents", "cousin", "half-sister", "half-brother", "son", "daughter"];
        if category == Category::Family && is(&relation) {
            let each = items(text);
            let related = |p: &&str| relation.iter().any(|r| p.to_lowercase().starts_with(r));
            if each.len() > 1 && text.contains(',') && each.iter().all(related) && each.iter().all(|p| p.contains(' ')) {
                return each.into_iter().flat_map(|p| self.fragment(p, p, category)).collect();
            }
            let parts = text.splitn(2, [':', '–']).collect::<Vec<_>>();
            let dashed = text.split_once(" - ").or(text.split_once("- ")).or(if let [a, b] = parts[..] { Some((a, b)) } else { None });
            let spoken = match dashed {
                Some((who, what)) if who.split_whitespace().count() <= 4 && !who.contains(" had ") && !who.contains(" has ") => {
                    let what = what.trim();
                    let has = what.to_lowercase();
                    if ["died", "had ", "has ", "alive", "well", "healthy", "deceased"].iter().any(|w| has.starts_with(w)) { format!("my {} {}", lower_first(who.trim()), what) } else { format!("my {} has had {}", lower_first(who.trim()), lower_first(what)) }
                }
                _ if lower.contains(" with ") && !lower.contains(" died") && !lower.contains(" has ") && !lower.contains(" had ") => format!("my {}", lower_first(text).replacen(" with ", " has had ", 1)),
                _ => format!("my {}", lower_first(text)),
            };
            return vec![self.file(&spoken, text, source, category, Polarity::Present, true)];
        }
        let symptom_verbs = ["started", "starts", "began", "begins", "radiates", "radiating", "worsened", "worsens", "improved", "improves", "improving", "resolved", "occurs", "occurring", "lasts", "lasting", "lasted", "comes", "came", "happens", "happened", "relieved", "aggravated", "exacerbated", "associated", "affecting", "spread", "spreads", "progressing", "ongoing", "triggered"];
        let quality = ["worse", "better", "throbbing", "sharp", "dull", "burning", "stabbing", "constant", "intermittent", "gradual", "sudden", "severe", "mild", "moderate", "localized", "localised", "generalised", "generalized", "unilateral", "bilateral", "progressive", "persistent", "aching", "crampy", "occasional", "stable", "unchanged", "similar"];
        let patient_verbs = super::clause_verbs(&first);
        let people = ["i", "he", "she", "the", "his", "her", "my", "it", "this", "that", "there", "these", "they", "when", "while", "after", "since", "because", "if", "in", "on", "at", "over", "during", "for", "regarding", "ever", "despite", "of", "symptoms", "initially", "additionally", "recently", "today", "yesterday", "however", "patient", "you", "your", "pain", "both", "all", "some", "as", "due", "prior", "before", "one", "two", "three"];
        let finite = [" is ", " was ", " are ", " were ", " has ", " had ", " have ", " does ", " did ", " started", " began", " noticed", " developed", " worsen", " occurs", " radiates", " improved", " resolved", " lasted", " lasts", " became", " feels", " felt", " causes", " comes ", " takes", " works", " lives", " can ", " could ", " appears", " seems", " occurred", " increased", " decreased", " helps", " brought", " been "];
        let padded = format!(" {lower} ");
        let is_sentence = finite.iter().any(|f| padded.contains(f)) && !lower.starts_with("history of");
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
        let passive = ["diagnosed", "treated", "known", "born", "admitted", "prescribed", "referred", "worried", "concerned", "married", "retired", "divorced", "single", "unemployed", "independent", "pregnant", "allergic", "sexually", "exclusively", "currently", "well", "generally", "able", "unable", "noncompliant", "compliant", "hospitalized", "unaware", "able"];
        let past = ["developed", "noticed", "tried", "took", "had", "went", "felt", "fell", "saw", "used", "underwent", "received", "lost", "gained", "stopped", "returned", "completed", "experienced", "required"];
        static ARRIVES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"(?i)^(?:{WHO} )?(?:presents?|presented|comes|came|is brought|was brought|has been brought) (?:to|in|into|by|with|for|because|today)\b.* (?:with|because of|due to|for|complaining of) ")).ok());
        if matches!(category, Category::Hpi) && ARRIVES.as_ref().is_some_and(|r| r.is_match(text)) {
            return self.presentation(text);
        }
        let spoken = if patient_verbs {
            v.first(&format!("the patient {}", lower_first(text)))
        } else if is(&past) || is(&["has", "is", "was", "does", "can", "cannot", "would", "did", "could"]) && !people.contains(&first.as_str()) {
            v.first(&format!("the patient {}", lower_first(text)))
        } else if is(&["feeling", "taking", "having", "getting", "living", "working", "struggling", "sleeping", "eating", "drinking", "using"]) && !is_sentence {
            v.first(&format!("the patient is {}", lower_first(text)))
        } else if is(&passive) {
            let verb = if is(&["diagnosed", "treated", "born", "admitted", "prescribed", "referred", "hospitalized"]) { "was" } else { "is" };
            v.first(&format!("the patient {verb} {}", lower_first(text)))
        } else if is(&symptom_verbs) && !(first == "associated" && lower.contains(" include")) {
            let lead = if first.ends_with("ing") || is(&["relieved", "aggravated", "exacerbated", "triggered", "associated"]) { "it's " } else { "it " };
            format!("{lead}{}", v.first(&lower_first(text)))
        } else if is(&quality) && !is_sentence && TopicIndex::builtin().and_then(|t| t.best(text, category)).is_none() {
            format!("it's {}", v.first(&lower_first(text)))
        } else if matches!(category, Category::Medication | Category::Allergy | Category::Surgical | Category::Vaccination) && !is_sentence {
            return self.enumerated(text, source, category);
        } else if is_sentence || is(&people) {
            v.first(text)
        } else {
            return self.enumerated(text, source, category);
        };
        let negative = ["i don't ", "i haven't ", "i didn't ", "i'm not ", "i have no ", "i've never ", "i wasn't ", "i never "].iter().any(|n| spoken.to_lowercase().starts_with(n));
        let polarity = if negative { Polarity::Absent } else { Polarity::Present };
        vec![self.file(&spoken, text, source, category, polarity, true)]
    }
}

/// Social shorthand that grammar cannot guess.
fn social(lower: &str, first: &str, text: &str) -> Option<String> {
    let t = lower_first(text);
    let a = |s: &str| article_of(s);
    Some(match first {
        "non-smoker" | "nonsmoker" | "non" if lower.contains("smok") => "I don't smoke".into(),
        "never" if lower.starts_with("never smok") => "I've never smoked".into(),
        "ex-smoker" | "former" | "previous" if lower.contains("smok") => format!("I'm {}", a(&t)),
        "smoker" | "occasional" | "social" | "heavy" | "current" | "light" | "lifelong" if lower.contains("smoker") || lower.contains("drinker") => format!("I'm {}", a(&t)),
        "occasional" | "social" | "moderate" if lower.contains("alcohol") => "I drink alcohol now and then".into(),
        "smoking" => format!("I smoke: {}", lower.trim_start_matches("smoking").trim_matches([' ', ':', '-'])),
        "teetotal" => "I don't drink alcohol".into(),
        "full-time" | "part-time" | "retired" | "married" | "single" | "divorced" | "widowed" | "unemployed" | "sexually" => format!("I'm {}", if lower.contains("student") || lower.starts_with("retired ") { a(&t) } else { t }),
        _ => {
            let head = t.split([',', '.']).next().unwrap_or("").trim();
            let last = head.split_whitespace().next_back().unwrap_or("");
            let trade = ["er", "or", "ist", "ian", "nurse", "student", "teacher", "ant", "clerk", "homemaker", "housewife", "man", "worker"].iter().any(|e| last.ends_with(e));
            if trade && head.split_whitespace().count() <= 4 && !lower.contains("other") { format!("I'm {}", a(&t)) } else { return None }
        }
    })
}

fn article_of(s: &str) -> String {
    let determined = s.starts_with("a ") || s.starts_with("an ");
    if determined { s.to_owned() } else { format!("{} {s}", if s.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }) }
}
