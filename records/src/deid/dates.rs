//! Dates finer than a year, and ages over 89.

use super::{Class, Found};
use crate::pattern::compiled;
use regex::Regex;
use std::sync::LazyLock;

const MONTH: &str = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)";
const DAY: &str = r"(?:0?[1-9]|[12]\d|3[01])";
const YEAR: &str = r"(?:19|20)\d{2}";

/// First to thirty-first.
const ORDINAL: &str = r"(?:(?i:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|(?:twenty|thirty)[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirtieth))";
/// "nineteen forty-one", "two thousand and four".
const SPOKEN_YEAR: &str = r"(?i:nineteen|twenty|two thousand)(?: (?i:and|hundred))?(?:[ -](?i:oh|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){1,2}";

static WHOLE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let th = r"(?:st|nd|rd|th)?";
    [
        format!(r"\b{YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.]{DAY}(?:T\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:Z|[+-]\d{{2}}:\d{{2}})?)?\b"),
        format!(r"\b{DAY}(?:/{DAY}/|-{DAY}-|\.{DAY}\.)(?:{YEAR}|\d{{2}})\b"),
        format!(r"(?:\b(?i:(?:mon|tues|wednes|thurs|fri|satur|sun)day),? )?(?:\b(?i:the ))?\b{DAY}{th}[ /.-](?:of )?{MONTH}\b\.?(?:,?[ /.-](?:{YEAR}|'\d{{2}})\b|-\d{{2}}\b)?"),
        format!(r"\b{MONTH}\.?[ -](?:the )?{DAY}{th}\b(?:(?: ?(?:-|–|to) ?{DAY}{th})\b)?(?:,? ?{YEAR}\b)?"),
        format!(r"\b(?i:the )?(?:{DAY}{th}(?:, ?| ?/ ?| ?(?:-|–|to|and|or|&) ?)){{1,4}}(?i:the )?{DAY}{th} (?:of )?{MONTH}\b(?:,? {YEAR}\b)?"),
        format!(r"\b(?i:the )?{ORDINAL}(?: day)?(?: of)? {MONTH}\b(?:,? (?:{YEAR}\b|{SPOKEN_YEAR}\b))?"),
        format!(r"\b{MONTH},? (?i:the )?{ORDINAL}\b(?:,? (?:{YEAR}\b|{SPOKEN_YEAR}\b))?"),
        format!(r"\b{MONTH},? {SPOKEN_YEAR}\b"),
        format!(r"\b(?i:the )?(?i:first|second|third|fourth|last) (?i:week|weekend|few days|[a-z]+day) (?i:of|in) {MONTH}\b(?:,? {YEAR}\b)?"),
        format!(r"\b{DAY}[. /-](?i:i|ii|iii|iv|v|vi|vii|viii|ix|x|xi|xii)[. /-](?:{YEAR}|\d{{2}})\b"),
        r"\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b".to_owned(),
        format!(r"\b(?i:the )?{ORDINAL} of (?i:this|last|next) month\b"),
        format!(r"\b(?i:early|late|mid)[ -]{MONTH}\b"),
        format!(r"\b{MONTH}\.?,? (?:of )?{YEAR}\b"),
        format!(r"\b(?:0?[1-9]|1[0-2])/{YEAR}\b"),
        format!(r"\b(?i:the )?{DAY}(?:st|nd|rd|th) of (?i:this|last|next) month\b"),
        r"\b(?:Christmas(?: Eve| Day)?|New Year's(?: Eve| Day)?|Thanksgiving(?: Day)?|Independence Day|Labor Day|Memorial Day|Valentine's Day|Boxing Day|Halloween|Easter(?: Sunday| Monday)?|Good Friday|(?:St\.?|Saint) (?:Patrick|David|George|Andrew|Nicholas|Valentine|Stephen)['’]s Day|(?:Mother|Father)['’]s Day|Bonfire Night|Burns Night|Diwali|Hanukkah|Passover|Ramadan|Eid(?: al-\w+)?|Yom Kippur|Rosh Hashanah|(?:Lunar|Chinese) New Year|Shrove Tuesday|Ash Wednesday|Pancake Day|Fourth of July|Canada Day|Australia Day|Veterans Day|Bank Holiday(?: Monday)?|Midsummer(?: Eve| Day)?)\b".to_owned(),
    ]
    .iter()
    .map(compiled)
    .collect()
});

/// The date is group 1; words around it say that it is one.
static IN_CONTEXT: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"\b(?i:in|since|until|till|by|last|this past|past|next|early|late|mid|during|from|around|before|after|through|of|between|and|every)[ -]((?:(?i:early|late|mid)[ -])?(?:January|February|March|April|May|June|July|August|September|October|November|December|Sept|Jan|Feb|Aug|Oct|Nov|Dec))\b".to_owned(),
        r"(?i)\b(?:on|dated?|dob|d\.o\.b\.|born|signed|seen|admitted|discharged|typed|reviewed|given|done)\b[^.;\n\d]{0,28}?(?:[A-Z]\.[^.;\n\d]{0,20}?)?\b(\d{1,2}\.\d{1,2}\.\d{2})\b".to_owned(),
        format!(r"\b(?i:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?i:day)?,? ((?i:the )?{DAY}(?:st|nd|rd|th))\b"),
        format!(r"\b(?i:on|since|until|till|by|from|around|before|after) ((?i:the )?{DAY}(?:st|nd|rd|th))(?:[.,;)]|$| (?:and|at|but|for|with|when|to|or)\b)"),
        r"\b((?:(?:\p{Lu}\p{Ll}+(?:['’]s|s['’])? ){1,3}(?:Day|Eve)))(?:[.,;)]|$| (?:and|at|but|with|when|she|he|last|this|in|morning|evening|night)\b)".to_owned(),
        r"(?i)\b(?:on|dated|date|dob|d\.o\.b\.|born|birth|admitted|discharged|appointment|visit|collected|seen|performed|scheduled for)[ :]{1,3}(?:on |is |for )?(\d{1,2}/\d{1,2})\b".to_owned(),
    ]
    .iter()
    .map(compiled)
    .collect()
});

/// Place in [`IN_CONTEXT`] of the pattern that scores look like too.
const SLASHED: usize = 5;

static AGES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let over = r"(9\d|1[0-2]\d)";
    let words = r"(?:ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a) hundred(?:[- ](?:and )?(?:one|two|three|four|five|six|seven|eight|nine|ten))?)";
    [
        format!(r"(?i)\b{over}[- ]?(?:years?|yrs?|y)[- ](?:old|of age)\b"),
        format!(r"(?i)\b{over}[- ]?(?:y/o|yo|y\.o\.?|yr\.? ?old)\b"),
        format!(r"(?i)\b(?:aged?|age is|age of|age:|aged:|turned|turning|turns)\s*{over}\b"),
        format!(r"\b{over} ?(?:F|M|YOM|YOF)\b"),
        format!(r"(?i)\b({words})[- ](?:years?|yrs?)[- ]old\b"),
        format!(r"(?i)\b(?:aged?|turned|age of) ({words})\b"),
        format!(r"(?i)\b(?:he|she|I) (?:is|was|am) (?:now |already )?{over}(?:[.,;]|$| and\b)"),
        format!(r"(?i)\b(?:he|she)'s (?:now )?{over}(?:[.,;]|$| and\b)"),
        format!(r"(?i)\b(?:patient|mother|father|grandmother|grandfather|aunt|uncle|husband|wife|sister|brother) (?:is|was) (?:now )?{over}(?: and\b| years\b|[.,;]|$)"),
        format!(r"(?i)\bdied (?:at|aged) {over}\b"),
        format!(r"(?i)\bat (?:the )?age (?:of )?(?:{over}|({words}))\b"),
        format!(r"(?i)\b{over} years of age\b"),
        format!(r"(?i)\b(?:he|she|they|I|who|mother|father) (?:will be|turned|turns|is turning|made it to|got to|reached) (?:{over}|({words}))(?:[.,;]|$| (?:and|next|last|this|in|on|tomorrow|today|years?)\b)"),
        format!(r"(?i)\b(?:is|was|am|are|turns|turned|turning|at|aged|to|now|nearly|almost|approaching|of|past|reached) ({words})(?: ?(?:[.,;)]|$)| (?:and|but|of|from|in|with|when|last|this|next|today|now|years? of age|years?\b)|\s*-)"),
        r"(?i)\b(ninetieth|ninety-(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|(?:one )?hundredth|hundred-and-\w+|9\dth|9\d(?:st|nd|rd)|10\d(?:th|st|nd|rd)) (?:birthday|year)\b".to_owned(),
        format!(r"(?i)\b(?:patient|man|woman|lady|gentleman|mother|father|wife|husband|grandmother|grandfather|sister|brother|aunt|uncle|resident|widow|widower|farmer|teacher|pensioner),? \(?{over}\)?(?:,|\)| (?:and|who|with|lives|from)\b)"),
        format!(r"(?i)\b(?:died|dead|passed away|lived|lives|living|survived) (?:at|to|to be|until|till|of old age at) (?:the age of )?(?:{over}|({words}))\b"),
        format!(r"\b\p{{Lu}}\p{{Ll}}+, {over}, (?:who|is|was|has|lives|a|an|from)\b"),
    ]
    .iter()
    .map(compiled)
    .collect()
});

static ANY_YEAR: LazyLock<Regex> = LazyLock::new(|| compiled(YEAR));

/// The year a date names in full; it may stay.
pub(super) fn year_of(date: &str) -> Option<&str> {
    ANY_YEAR.find(date).map(|m| m.as_str())
}

pub(super) fn find(text: &str, out: &mut Vec<Found>) {
    for re in AGES.iter() {
        out.extend(
            re.captures_iter(text).filter_map(|c| c.iter().skip(1).flatten().next()).map(|m| (Class::Age, m.range())),
        );
    }
    for (i, re) in WHOLE.iter().enumerate() {
        for m in re.find_iter(text) {
            // "5-10-15" and "1.5.20" are also how doses and versions look: two-digit years need slashes or zero padding.
            let s = m.as_str();
            let loose = i == 1 && year_of(s).is_none() && !s.contains('/') && s.len() != 8;
            let (before, after) = (text[..m.start()].chars().next_back(), text[m.end()..].chars().next());
            let inside = before.is_some_and(|c| "/.-:".contains(c)) || after.is_some_and(|c| "/%".contains(c));
            let disease = s.starts_with("Christmas") && text[m.end()..].trim_start().starts_with("disease");
            let verb = disease || s.starts_with("May ") && i == 3 && text[m.end()..].trim_start().starts_with("mg");
            if !loose && !inside && !verb {
                out.push((Class::Date, m.range()));
            }
        }
    }
    listed(text, out);
    for (i, re) in IN_CONTEXT.iter().enumerate() {
        for caps in re.captures_iter(text) {
            let Some(m) = caps.get(1) else { continue };
            if i != SLASHED || is_short_date(text, &m) {
                out.push((Class::Date, m.range()));
            }
        }
    }
}

/// Day and month without a word beside them, where nothing else looks like that: "22/9" (a month has no 22), "04/22". Then its
/// neighbours in the list are dates too.
fn listed(text: &str, out: &mut Vec<Found>) {
    static SHORT: LazyLock<Regex> = LazyLock::new(|| compiled(r"\b(\d{1,2})/(\d{1,2})\b"));
    let mut found: Vec<(std::ops::Range<usize>, bool)> = Vec::new();
    for caps in SHORT.captures_iter(text) {
        let (Some(m), Ok(a), Ok(b)) = (caps.get(0), caps[1].parse::<u32>(), caps[2].parse::<u32>()) else { continue };
        let around = text[..m.start()].ends_with(['/', '-', '.', ',']) || text[m.end()..].starts_with(['/', '%', '-']);
        // 3/7, 2/52 and 18/12 are days, weeks and months; x/10 and x/30 are scores.
        let shorthand = matches!(b, 7 | 10 | 12 | 52);
        let plain = (13..=31).contains(&a) && (1..=12).contains(&b) && !shorthand;
        let padded = caps[1].starts_with('0') && (1..=12).contains(&a) && (13..=31).contains(&b) && b != 30 && b != 15;
        let sure = (plain || padded) && !around && is_short_date(text, &m);
        found.push((m.range(), sure));
    }
    let joined = |a: &std::ops::Range<usize>, b: &std::ops::Range<usize>| {
        [", ", " and ", ",", " & ", ", and "].contains(&&text[a.end..b.start])
    };
    loop {
        let spread: Vec<usize> = (0..found.len())
            .filter(|i| !found[*i].1)
            .filter(|i| {
                let left = *i > 0 && found[i - 1].1 && joined(&found[i - 1].0, &found[*i].0);
                let right = found.get(i + 1).is_some_and(|n| n.1 && joined(&found[*i].0, &n.0));
                left || right
            })
            .collect();
        if spread.is_empty() {
            break;
        }
        spread.into_iter().for_each(|i| found[i].1 = true);
    }
    out.extend(found.into_iter().filter(|(_, sure)| *sure).map(|(r, _)| (Class::Date, r)));
}

/// `10/12` after "on" is a date, unless strength, pain or vision is being graded, or it continues.
fn is_short_date(text: &str, m: &regex::Match<'_>) -> bool {
    let mut parts = m.as_str().split('/').filter_map(|p| p.parse::<u32>().ok());
    let (Some(a), Some(b)) = (parts.next(), parts.next()) else { return false };
    let rest = text[m.end()..].trim_start().to_lowercase();
    let start = text[..m.start()].char_indices().rev().nth(40).map_or(0, |(i, _)| i);
    let before = text[start..m.start()].to_lowercase();
    let graded =
        ["strength", "power", "grade", "score", "pain", "reflex", "murmur", "scale", "vision", "acuity", "apgar"];
    (1..=31).contains(&a)
        && (1..=31).contains(&b)
        && (a <= 12 || b <= 12)
        && ![
            "/",
            "pain",
            "out",
            "in severity",
            "strength",
            "on the",
            "scale",
            "bilateral",
            "intensity",
            "days",
            "mm",
            "%",
            "vision",
        ]
        .iter()
        .any(|w| rest.starts_with(w))
        && !graded.iter().any(|w| before.contains(w))
}
