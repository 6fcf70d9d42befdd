//! Numbers and addresses of machines: whatever has a shape of its own, or a keyword before it.

use super::{Class, Found};
use crate::pattern::compiled;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// The whole match is the identifier.
const SHAPES: &[(Class, &str)] = &[
    (Class::Email, r"(?i)[a-z0-9._%+-]+(?:@| ?[(\[]at[)\]] ?)[a-z0-9-]+(?:(?:\.| ?[(\[]dot[)\]] ?)[a-z0-9-]+)+"),
    (Class::Url, r"(?i)\b(?:https?://|ftp://|www\.)[^\s<>()]+[^\s<>().,;:!?'\x22]"),
    (
        Class::Url,
        r"(?i)\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|edu|gov|io|health|nhs\.uk|co\.uk|ac\.uk|org\.uk)\b(?:/[^\s,;]*[^\s.,;])?",
    ),
    (Class::Url, r"(?i)\b[a-z][a-z0-9-]{2,}(?:\.[a-z0-9-]+)*\.[a-z]{2,}/[^\s<>()]*[^\s<>().,;:!?'\x22]"),
    (Class::Ssn, r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
    (Class::Mrn, r"\b(?:MRN|NHS|CHI|PAS|URN|PID)[#:]?\d{5,12}\b"),
    (Class::Device, r"(?i)\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b"),
    (Class::Ip, r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"),
    (Class::Ip, r"(?i)\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}\b"),
    (Class::Ssn, r"\b\d{3}-\d{2}-\d{4}\b"),
    (Class::Account, r"\b\d{4}([ -])\d{4}[ -]\d{4}[ -]\d{4}\b"),
    (
        Class::Vehicle,
        r"\b[A-HJ-NPR-Z0-9]{3}(?:[A-HJ-NPR-Z][A-HJ-NPR-Z0-9]{4}|[0-9][A-HJ-NPR-Z0-9]{4})[A-HJ-NPR-Z0-9]{5}\d{4}\b",
    ),
    (Class::Vehicle, r"\b[A-HJ-PR-Y]{2}\d{2} [A-HJ-PR-Z]{3}\b"),
    (Class::Phone, r"\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}\b"),
    (
        Class::Phone,
        r"(?:\b1[ .-])?(?:\(\d{3}\) ?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b(?:,?\s*(?:x|ext\.?|extension)\s*\d{1,5})?",
    ),
    (
        Class::Phone,
        r"\b0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}\b|\b07\d{9}\b|\b0\d{4} \d{6}\b|\(0\d{2,4}\) ?\d{3,4} ?\d{3,4}\b",
    ),
];

/// Keyword, then the identifier in group 1.
const KEYED: &[(Class, &str)] = &[
    (Class::Ssn, r"(?:ssn|s\.s\.n|social security|social|tax id|itin|national insurance|ni)"),
    (
        Class::Mrn,
        r"(?:mrn|medical record|m\.r\.n\.|hospital|hosp|unit|case note|casenote|folder|lab|sample|chart|patient id|patient identifier|patient number|record|nhs|chi|case|accession|pas|pid|urn|epr|emis|patient ref|encounter|specimen|visit id)",
    ),
    (
        Class::Vehicle,
        r"(?:licen[cs]e plate|number plate|plate|plates|vin|vehicle identification|vehicle registration|car registration|registration plate|vehicle)",
    ),
    (
        Class::Device,
        r"(?:serial|(?:batch )?lot|device|device id|s/n|udi|imei|ser|model|batch|ref|generator|implant|pacemaker|pump|lot|model serial|device identifier|sn)",
    ),
    (
        Class::Licence,
        r"(?:licen[cs]e|driver'?s licen[cs]e|driving licen[cs]e|medical licen[cs]e|dea|npi|gmc|nmc|passport|certificate|permit|registration|dl)",
    ),
    (
        Class::Account,
        r"(?:account|acct|a/c|policy|member|membership|insurance|beneficiary|health plan|plan id|subscriber|group|claim|payer|scheme|authori[sz]ation|voucher|order|invoice|iban|medicare|medicaid|mbi|hicn|sort code|card|bank)",
    ),
    (Class::Fax, r"(?:fax|facsimile)"),
    (
        Class::Phone,
        r"(?:phone|telephone|tel|mobile|cell|cell phone|pager|beeper|bleep|blp|contact|call|call(?:ed)? (?:him|her|me|us) (?:back )?(?:at|on)|reach(?:ed|able)?(?: (?:him|her|me))? (?:at|on)|extension|ext|text)",
    ),
];

static SHAPED: LazyLock<Vec<(Class, Regex)>> =
    LazyLock::new(|| SHAPES.iter().map(|(c, p)| (*c, compiled(p))).collect());

static AFTER_WORD: LazyLock<Vec<(Class, Regex)>> = LazyLock::new(|| {
    let value = |class: Class| match class {
        Class::Phone | Class::Fax => r"(\+?\(?\d[\d ().-]{2,18}\d)",
        Class::Vehicle => r"([A-Z0-9]{2,17}(?:[ -][A-Z0-9]{1,8}){0,2}|[A-Z] \d{1,3} [A-Z]{3})",
        _ => r"([A-Z]{0,5}[ /-]?\d[A-Z0-9]*(?:[ /-][A-Z0-9]*\d[A-Z0-9]*){0,4}(?:[/-][A-Z0-9]+)*[A-Z]?)",
    };
    let link = r"(?:\s*(?:number|numbers|ref(?:erence)?\.?|no\.?|num\.?|nr\.?|id|identifier|code|machine|line|\(?mrn\)?|#))*\s*(?i:ending in|ending|is|was|at|on|to|of|reads|:|=|#|-|–|\.)?\s*(?i:is|#|:|at)?\s*";
    KEYED.iter().map(|(c, kw)| (*c, compiled(format!(r"(?i:\b{kw}\b\.?{link}){}", value(*c))))).collect()
});

static FAX_BEFORE: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?i)\b(?:fax|facsimile)\b[^.;]{0,14}$"));

pub(super) fn find(text: &str, out: &mut Vec<Found>) {
    for (class, re) in SHAPED.iter().take(12) {
        out.extend(re.find_iter(text).map(|m| (*class, m.range())));
    }
    for (class, re) in AFTER_WORD.iter() {
        for caps in re.captures_iter(text) {
            if let Some(range) = accept(*class, text, &caps) {
                out.push((*class, range));
            }
        }
    }
    for (class, re) in SHAPED.iter().skip(12) {
        for m in re.find_iter(text) {
            let before = &text[..m.start()];
            let fax = *class == Class::Phone && FAX_BEFORE.is_match(before);
            let gene = *class == Class::Vehicle && ["CD", "IL", "HL", "TH"].iter().any(|p| m.as_str().starts_with(p));
            if !gene {
                out.push((if fax { Class::Fax } else { *class }, m.range()));
            }
        }
    }
}

/// A keyword is a weak sign: what follows must look like an identifier, not like a count or a dose.
fn accept(class: Class, text: &str, caps: &Captures<'_>) -> Option<std::ops::Range<usize>> {
    let (whole, m) = (caps.get(0)?, caps.get(1)?);
    let value = m.as_str().trim_end_matches([' ', '.', '-', '(', ')']);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let word = &text[whole.start()..m.start()];
    let strong =
        word.contains([':', '#']) || ["number", "no.", "id", "ending"].iter().any(|k| word.to_lowercase().contains(k));
    let rest = text[m.start() + value.len()..].trim_start();
    let unit = [
        "mg", "ml", "mm", "%", "year", "day", "week", "month", "hour", "beat", "/", "kg", "cm", "g/", "°", "point",
        "time",
    ];
    let needed = match class {
        Class::Phone | Class::Fax
            if ["ext", "bleep", "blp", "pager"].iter().any(|k| word.to_lowercase().contains(k)) =>
        {
            3
        }
        Class::Phone | Class::Fax => 7,
        Class::Vehicle => 1,
        // "lot 7H22-B": letters and figures together are no count.
        Class::Device if value.len() > 4 && value.contains(|c: char| c.is_ascii_uppercase()) => 2,
        Class::Ssn if word.contains("ending") => 4,
        _ if strong => 4,
        _ => 5,
    };
    let plate = class != Class::Vehicle
        || (value.chars().any(|c| c.is_ascii_uppercase())
            && !value.chars().any(|c| c.is_ascii_lowercase())
            && value.len() >= 4);
    let year_only = class != Class::Phone && digits == 4 && value.len() == 4 && !strong;
    let ok = digits >= needed && plate && !year_only && (strong || !unit.iter().any(|u| rest.starts_with(u)));
    ok.then(|| m.start()..m.start() + value.len())
}
