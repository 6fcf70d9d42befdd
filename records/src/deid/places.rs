//! Addresses, towns, postcodes and institutions. Countries and states stay.

use super::{Class, Found, lists, set};
use crate::pattern::compiled;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const WORD: &str = r"\p{Lu}[\w'’.-]*[\w]";
const ROAD: &str = r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Close|Way|Place|Pl|Terrace|Crescent|Square|Gardens|Grove|Highway|Hwy|Parkway|Pkwy|Circle|Row|Mews|Hill|Trail|Walk|Quay)";

static WHOLE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let unit = r"(?:,?\s*(?:Apt|Apartment|Unit|Suite|Flat|Room|#)\.?\s*#?\w+)?";
    [
        format!(r"\b(?:(?:Flat|Apartment|Apt|Unit) \w+,? )?\d{{1,5}}[A-Za-z]?(?:-\d+)? (?:(?:[NSEW]\.?|North|South|East|West) )?(?:(?:{WORD}|\d+(?:st|nd|rd|th)) ){{1,3}}{ROAD}\b\.?{unit}"),
        format!(r"\b(?:{WORD} ){{1,2}}(?:Street|Avenue|Road|Boulevard|Lane|Crescent)\b"),
        r"(?i)\bP\.?\s?O\.? box \d+".to_owned(),
        r"\b\d{5}-\d{4}\b".to_owned(),
        r"\b(?:Ward|Bay|Bed) (?:[A-Z]?\d+[A-Z]?)\b".to_owned(),
        format!(r"\b(?:Flat|Apartment|Apt|Unit) \d+[A-Za-z]?, (?:The )?(?:{WORD} ){{0,2}}{WORD}(?:, (?:{WORD} ){{1,2}}{ROAD}\b)?"),
        format!(r"\b(?:{WORD} ){{1,3}}(?:[Nn]ursery|Primary|[Pp]laygroup|[Pp]reschool|Stores?|Foods|Bakery|Garage|Cottage|Barracks|Factory|Supermarket|Mills?|Brewery|Motors|Logistics|Mutual|Assurance|Industries)\b"),
        format!(r"\b(?:{WORD} (?:& )?){{1,2}}(?:Ward|Unit|Wing|Suite|Park|Cent(?:re|er)|Gardens|Hotel|Inn|Restaurant|Caf[eé]|Club|Gym|Library|Council|Solicitors|Bank|Airport|Station|Estate|Farm|Moor|Beach|Forest)\b"),
        format!(r"\b(?:Countess|Duke|Duchess|Prince|Princess|King|Queen|Earl|Lord|Lady|Royal) (?:of )?(?:the )?{WORD}(?: (?:Hospital|Infirmary|Ward|Unit|Hall|Court))?"),
        format!(r"\bThe (?:{WORD} ){{1,2}}{WORD}\b"),
        r"\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b".to_owned(),
    ]
    .iter()
    .map(compiled)
    .collect()
});

/// From here on [`WHOLE`] holds what is named by any capitals at all.
const NAMED_FROM: usize = 7;

/// Words of wards and units everywhere.
const HOSPITAL: &[&str] = &[
    "intensive",
    "dependency",
    "special",
    "acute",
    "coronary",
    "critical",
    "assessment",
    "admissions",
    "admission",
    "observation",
    "day",
    "stay",
    "short",
    "maternity",
    "delivery",
    "labour",
    "labor",
    "renal",
    "stroke",
    "burns",
    "trauma",
    "isolation",
    "recovery",
    "the",
    "neonatal",
    "step",
    "down",
    "care",
    "decision",
    "clinical",
    "decisions",
    "inpatient",
    "ambulatory",
    "discharge",
    "infusion",
    "dialysis",
    "imaging",
    "endoscopy",
    "theatre",
    "operating",
    "oncology",
    "support",
    "maintenance",
    "postoperative",
    "chronic",
    "poison",
    "poisons",
    "control",
    "blood",
    "sperm",
    "community",
    "sports",
    "leisure",
    "shopping",
    "job",
    "fitness",
    "town",
    "city",
    "train",
    "bus",
    "petrol",
    "gas",
    "police",
    "fire",
    "west",
    "east",
    "north",
    "south",
    "upper",
    "lower",
    "main",
    "new",
    "old",
    "psychiatric",
    "adult",
    "adolescent",
    "secure",
    "eating",
    "disorders",
    "medicine",
    "pulmonary",
    "transplant",
    "research",
];

static POSTCODE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?:\b(?i:zip(?: ?code)?|postcode|postal code)(?: is|:)? |(?:\b|\])?,? [A-Z]{2},? )(\d{5}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d)\b",
    )
});

static TOWN: LazyLock<Regex> = LazyLock::new(|| {
    let (first, rest): (String, &str) = (String::new(), lists::TOWNS);
    // Towns are written with capitals; spell each initial so.
    let capital = rest.split('|').fold(first, |mut all, town| {
        if !all.is_empty() {
            all.push('|');
        }
        let mut start = true;
        for c in town.chars() {
            if start {
                all.extend(c.to_uppercase())
            } else {
                all.push(c)
            }
            start = c == ' ';
        }
        all
    });
    compiled(format!(r"\b(?:(?:North|South|East|West|Downtown|Upper|Lower|Greater) )?(?:{capital})\b"))
});

/// Someone lives, was born or went there: the capitalised words in group 1.
static LIVES: LazyLock<Regex> = LazyLock::new(|| {
    let name = format!(
        r"((?:(?:San|Santa|St\.?|Saint|New|Los|Las|El|La|Fort|Port|Mount) )?{WORD}(?: (?:{WORD}|upon|on|of|de|sur) ?){{0,2}})"
    );
    compiled(format!(
        r"\b(?i:(?:lives?|living|lived|resid(?:es?|ed|ing)|born|raised|grew up|based|stay(?:s|ed|ing)|works?|working|worked|located|settled|house|home|farm|apartment|hometown|town|city|village|suburb|suburbs|church|station) (?:of |is )?(?:in|near|at|outside|by|around|from)|(?:moved|relocated|travell?ed|trip|flew|drove|commutes?|returned|transferred|visited|visiting|moving|went|emigrated|immigrated)(?: here| back| over)? (?:to|from)|visited|(?:is|was|are|am|i'm|he's|she's|originally|comes?|came|up|over|down|driving|transferred|referred|flew|arrived) from|hometown is|(?:village|town|city|suburb|borough|county|district|parish) of|resident of|native of|(?:lady|gentleman|woman|man|boy|girl|patient|person|couple|family|farmer|student) from|(?:works?|worked|working|employed)(?: as an? (?:\w+ ){{1,3}})? ?(?:for|at|by)) (?:the )?{name}"
    ))
});

static INSTITUTION: LazyLock<Regex> = LazyLock::new(|| {
    let kind = "Hospital|Infirmary|Medical Cent(?:er|re)|Clinic|Health Cent(?:er|re)|Surgery|Hospice|Nursing Home|Care Home|Residential Home|Rest Home|Care Centre|Imaging Centre|Walk-[Ii]n Centre|Day Centre|Treatment Centre|Resource Centre|Community Centre|Lodge|Manor|House|Bus Depot|Practice|University|School|College|Pharmacy|Medical Group|Medical Practice|Health System|Healthcare|Elementary|High School|Church|Prison|Institute|Rehabilitation Cent(?:er|re)|Cancer Cent(?:er|re)|Shelter|Academy|Middle School";
    compiled(format!(r"\b((?:(?:{WORD}|St\.|Mt\.) (?:of |and |& |the )*){{1,4}})(?:{kind})\b"))
});

/// "at Northmoor General": a hospital without the word.
static SHORT_HOSPITAL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(format!(
        r"\b(?:at|to|from|in|by) (?:the )?((?:{WORD} ){{1,3}}(?:General|Royal|Memorial|Infirmary|District General|DGH))\b"
    ))
});

/// What follows a road in an address.
static NEXT_TOWN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(format!(
        r"^, ?({WORD}(?:(?:[ -](?:upon|on|by|le|in|the|of|under))*[ -]{WORD})?)(?:[,.;]| [A-Z]{{1,2}}\d| \d{{5}}|$)"
    ))
});

static SAINT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"\b(?:at|to|from|in|of) ((?:St\.?|Saint|Mount|Mt\.?) [A-Z][a-z]+(?:'s|’s)?)(?:[ .,;]|$)")
});

static COUNTY: LazyLock<Regex> =
    LazyLock::new(|| compiled(format!(r"\b(?:{WORD} ){{1,2}}(?:County|Township|Parish|Borough)\b")));

static GENERIC: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::GENERIC_PLACES));
static NEVER: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::NEVER_NAMES));
static WIDE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(format!(
        r"(?i)^(?:the )?(?:(?:north|south|east|west|northern|southern|eastern|western|central|rural) ?)?(?:{})$",
        lists::WIDE_PLACES
    ))
});

fn wide(place: &str) -> bool {
    WIDE.is_match(place.trim_end_matches(['.', ' ']))
}

pub(super) fn find(text: &str, out: &mut Vec<Found>) {
    for caps in INSTITUTION.captures_iter(text) {
        let (Some(whole), Some(named)) = (caps.get(0), caps.get(1)) else { continue };
        // Leading words that only begin the sentence are no part of the name.
        let mut start = named.start();
        for w in named.as_str().split_inclusive(' ') {
            if !generic(w) {
                break;
            }
            start += w.len();
        }
        if named.as_str().split_whitespace().any(|w| !generic(w) && !NEVER.contains(w.to_lowercase().as_str())) {
            out.push((Class::Place, start..whole.end()));
        }
    }
    for (i, re) in WHOLE.iter().enumerate() {
        // A name made of words that any clinic has names none: "Pulmonary Clinic", "High Dependency Unit".
        let ordinary = |w: &str| {
            let l = w.trim_matches([',', '.']).to_lowercase();
            generic(&l) || NEVER.contains(l.as_str()) || super::vocab::clinical(&l) || HOSPITAL.contains(&l.as_str())
        };
        let plain = |m: &regex::Match<'_>| match i {
            1 => !m.as_str().split_whitespace().next().is_some_and(generic),
            NAMED_FROM.. => {
                let words: Vec<&str> = m.as_str().split_whitespace().collect();
                let after = m.as_str().starts_with("The ");
                let own = if after { &words[..] } else { &words[..words.len() - 1] };
                let begins = text[..m.start()].trim_end().chars().next_back().is_none_or(|c| ".!?:;\n".contains(c));
                let first = usize::from(begins && own.len() > 1);
                !(after && (begins || words.len() > 4)) && own[first..].iter().any(|w| !ordinary(w))
            }
            _ => true,
        };
        for m in re.find_iter(text).filter(plain) {
            out.push((Class::Place, m.range()));
            let town = NEXT_TOWN.captures(&text[m.end()..]).filter(|_| i < 2).and_then(|c| c.get(1));
            if let Some(t) = town.filter(|t| !wide(t.as_str()) && !t.as_str().split(' ').any(generic)) {
                out.push((Class::Place, m.end() + t.start()..m.end() + t.end()));
            }
        }
    }
    {
        let named = |m: &regex::Match<'_>| m.as_str().split(' ').next().is_some_and(|w| !generic(w) && !never(w));
        out.extend(
            SHORT_HOSPITAL
                .captures_iter(text)
                .filter_map(|c| c.get(1))
                .filter(named)
                .map(|m| (Class::Place, m.range())),
        );
    }
    for re in [&*POSTCODE, &*SAINT] {
        out.extend(re.captures_iter(text).filter_map(|c| c.get(1)).map(|m| (Class::Place, m.range())));
    }
    out.extend(COUNTY.find_iter(text).map(|m| (Class::Place, m.range())));
    for m in LIVES.captures_iter(text).filter_map(|c| c.get(1)) {
        let place = m.as_str().trim_end();
        let place = place.strip_suffix('.').unwrap_or(place);
        // "X upon" without what follows: a small word at the end is not part of the name.
        let place = ["on", "of", "upon", "de", "sur"]
            .iter()
            .fold(place, |p, w| p.strip_suffix(w).map_or(p, |q| if q.ends_with(' ') { q.trim_end() } else { p }));
        let first = place.split_whitespace().next().unwrap_or_default().to_lowercase();
        let skip = NEVER.contains(first.as_str()) || GENERIC.contains(first.as_str()) || wide(place);
        let shout = place.len() < 5 && place.chars().all(|c| !c.is_lowercase());
        if !skip && !shout && !super::names::eponym(text, m.start() + place.len(), place) {
            out.push((Class::Place, m.start()..m.start() + place.len()));
        }
    }
    for m in TOWN.find_iter(text) {
        let eponym = super::names::eponym(text, m.end(), m.as_str());
        let person = ["Florence", "Charlotte", "Austin", "Sydney"].contains(&m.as_str());
        let score = m.as_str() == "Glasgow" && text[m.end()..].trim_start().starts_with("Coma");
        let scale = text[m.end()..].starts_with(['-', '\'', '’']) || text[m.end()..].starts_with(" Scale");
        if !eponym && !person && !score && !scale && !wide(m.as_str()) {
            out.push((Class::Place, m.range()));
        }
    }
}

fn never(word: &str) -> bool {
    NEVER.contains(word.to_lowercase().as_str())
}

fn generic(word: &str) -> bool {
    GENERIC.contains(word.trim().to_lowercase().as_str())
}
