//! Capitals that no list knows. English, medicine and the calendar account for nearly every capital of a clinical text; one that
//! they do not account for is most often somebody or somewhere. The rule needs no list of names, so it holds for any of them.

use super::names::eponym;
use super::vocab::{capital, known};
use super::{Class, Found, lists, set};
use crate::pattern::compiled;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"\b\p{Lu}(?:\p{Ll}+|['’]\p{Lu}\p{Ll}+)(?:\p{Lu}\p{Ll}+)?(?:-(?:[a-z]{1,3}-)*\p{L}\p{Ll}+)*\b")
});

/// What only a person does, or what is said of one, right after a name that opens a sentence.
static PERSONAL: LazyLock<Regex> = LazyLock::new(|| {
    let verbs = "tells|told|says|said|reports|reported|states|stated|denies|denied|feels|felt|has|had|is|was|does|did|lives|lived|works|worked|\
attends|attended|rang|rings|called|calls|came|comes|presents|presented|complains|complained|takes|took|wants|wanted|went|remains|looks|looked|\
seems|appears|appeared|slept|sleeps|ate|eats|drinks|drank|vomits|vomited|coughs|fell|woke|wakes|walks|walked|cannot|can|could|would|will|never|\
also|still|returned|returns|needs|needed|likes|enjoys|started|stopped|began|underwent|smokes|weighs|weighed|moved|stayed|asked|asks|\
agreed|agrees|consented|declined|refused|understands|mentioned|mentions|thinks|thought|explained|noticed|notices|describes|described|admits|\
gets|got|goes|plays|brought|arrived|collapsed|recovered|saw|made|gave|used|uses|kindly|himself|herself|tolerated|managed|manages|found|\
struggles|struggled|suffered|suffers|hopes|hoped|knows|knew|plans|keeps|kept|lost|gained|spoke|speaks|turned|turns|met|left|missed|discharged himself";
    compiled(format!(
        r"^(?:['’]s\b| (?:{verbs})\b| (?:and|or) \p{{Lu}}\p{{Ll}}|, (?:who|an?|aged|her|his|the|my|our|\d{{1,2}})\b| ?\((?:\d|mother|father|son|daughter|wife|husband|sister|brother|partner))"
    ))
});

/// Heads of a form after which a name or a place stands.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:nurse|worker|interpreter|informant|present|surgeon|an(?:a)?esthetist|assistant|nok|kin|contact|by|names?|carer|caregiver|wife|husband|mother|father|son|daughter|partner|guardian|teacher|school|employer|insurer|address|practice|hospital|ward|village|town|city|from|to|cc|patient|consultant|doctor|physician|gp|pcp|clinician|referrer|author|signed|lead|midwife|birthplace|nursery|college|witness(?:ed)?|escort|driver|chaperone|occupation)[^:.;\n]{0,16}: *$",
    )
});

/// What is taken or what one is allergic to: a brand nobody listed.
static DRUG_BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:takes?|taking|took|started(?: on)?|prescribed|stopped|allergic to|allergy to|reaction to|intolerant of|allergies(?: are| include)?:?|medications?(?: are| include)?:?|meds:|drugs?:|trial of|course of|dose of|on oral|on iv|injection of|tablets?|brand|with iv|given iv|inhaler|mg|including|eg|e\.g\.) $",
    )
});

static DRUG_AFTER: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^(?:[ ,]{1,2}(?:\d[\d./-]* ?(?:mg|mcg|µg|micrograms?|g|ml|units?|iu|%|puffs?|tablets?)\b|(?:tablets?|capsules?|cream|ointment|gel|inhalers?|patch(?:es)?|injections?|drops|spray|syrup|infusion|therapy|pen|coil|implant|stain|agar|score|scale|sign|test|criteria|classification|stage|grade|syndrome|disease|catheter|tube|virus|antigen|antibod\w+|mutation|gene|protein|cells?|bodies|index|procedure|method|technique|flap|position|manoeuv\w+|maneuver))|[-®™])",
    )
});

static ENDS_SENTENCE: &[char] = &['.', '!', '?', ';', ':', '\n', '•', '*', '>', '|', '#', '['];

static EPONYM_NOUNS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::EPONYM_NOUNS));
static NEVER: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::NEVER_NAMES));

/// Small words with a capital that stand before a family name.
const PARTICLES: &[&str] = &["St", "De", "Van", "Von", "Del", "Di", "La", "Le", "Al", "El", "Mac", "Bin", "Ap"];

fn never(word: &str) -> bool {
    NEVER.contains(word.to_lowercase().as_str())
}

/// Whether a token holds a word that nothing accounts for. Short parts ("Ji-min") decide nothing.
fn strange(token: &str) -> bool {
    let whole = token.strip_suffix("'s").or(token.strip_suffix("’s")).unwrap_or(token);
    let parts: Vec<&str> = whole.split(['-', '\'', '’']).filter(|p| p.chars().count() > 2).collect();
    let all: Vec<&str> = whole.split('-').collect();
    !known(whole) && parts.iter().any(|p| !known(p)) && !(all.len() > 1 && parts.iter().any(|p| capital(p)))
}

/// Lines in title case tell nothing by a capital.
fn titled_line(text: &str, at: usize) -> bool {
    let start = text[..at].rfind(['\n', '.', ';', ':']).map_or(0, |i| i + 1);
    let end = text[at..].find(['\n', '.', ';', ':']).map_or(text.len(), |i| at + i);
    let words: Vec<&str> =
        text[start..end].split_whitespace().filter(|w| w.chars().next().is_some_and(char::is_alphabetic)).collect();
    let capitals = words.iter().filter(|w| w.chars().next().is_some_and(char::is_uppercase)).count();
    words.len() > 3 && capitals * 10 >= words.len() * 8
}

/// "Kocuria rhizophila": a Latin second name in small letters.
fn species(rest: &str) -> bool {
    let Some(next) = rest.strip_prefix(' ') else { return false };
    let word: String = next.chars().take_while(|c| c.is_lowercase()).collect();
    let latin = [
        "us", "is", "ae", "um", "ii", "ans", "ens", "ana", "ica", "ila", "osa", "ata", "ensis", "oides", "ei", "ni",
        "lla",
    ];
    word.len() > 4 && !known(&word) && latin.iter().any(|e| word.ends_with(e))
}

pub(super) fn find(text: &str, out: &mut Vec<Found>) {
    let all: Vec<regex::Match<'_>> = TOKEN.find_iter(text).collect();
    let fits = |re: &LazyLock<Regex>, s: &str| re.is_match(s);
    let mut flagged = vec![false; all.len()];
    for (i, m) in all.iter().enumerate() {
        let (before, rest) = (super::just_before(text, m.start()), &text[m.end()..]);
        let glued = rest.starts_with(|c: char| c.is_ascii_digit() || c == '_' || c == '/' || c == '@')
            || before.ends_with(['_', '/', '@', '#', '.', '&']) && !before.ends_with("& ");
        if m.as_str().chars().count() < 3 || glued || !strange(m.as_str()) {
            continue;
        }
        let head = before.trim_end_matches([' ', '*', '_', '-', '–']);
        let opens = head.is_empty() || head.ends_with(ENDS_SENTENCE) || before.ends_with('\n');
        let after: &str = rest.strip_prefix("'s").or(rest.strip_prefix("’s")).unwrap_or(rest);
        let next_eponym =
            all.get(i + 1).is_some_and(|n| text[m.end()..n.start()] == *" " && eponym(text, n.end(), n.as_str()))
                && !text[m.end()..].starts_with(", ");
        let medicine = eponym(text, m.end(), m.as_str())
            || after.len() == rest.len() && fits(&DRUG_AFTER, rest)
            || fits(&DRUG_BEFORE, before)
            || species(rest)
            || next_eponym;
        let surname_next = all.get(i + 1).is_some_and(|n| {
            text[m.end()..n.start()] == *" "
                && (strange(n.as_str())
                    || PARTICLES.contains(&n.as_str())
                    || !never(n.as_str()) && fits(&PERSONAL, &text[n.end()..]))
        });
        let placed = !opens || fits(&FORM, before) || fits(&PERSONAL, rest) || surname_next;
        let titled = titled_line(text, m.start()) && !(opens && surname_next);
        flagged[i] = placed && !medicine && !titled;
    }
    // Who is named once by a full rule is named wherever the word stands.
    let named: BTreeSet<&str> = all.iter().zip(&flagged).filter(|(_, f)| **f).map(|(m, _)| bare(m.as_str())).collect();
    for (i, m) in all.iter().enumerate() {
        if !(flagged[i] || named.contains(bare(m.as_str()))) {
            continue;
        }
        let (start, end) = (grown_back(text, &all, i), grown(text, &all, i));
        let lead = text[..start].trim_end().rsplit(' ').next().unwrap_or("").to_lowercase();
        let place = ["at", "in", "near", "off", "outside", "around"].contains(&lead.as_str());
        out.push((if place { Class::Place } else { Class::Name }, start..end));
    }
}

fn bare(token: &str) -> &str {
    token.strip_suffix("'s").or(token.strip_suffix("’s")).unwrap_or(token)
}

/// The capitals right after it belong to it: "Brackwater Foods", "Harkness & Daughters", "Precious M.".
fn grown(text: &str, all: &[regex::Match<'_>], i: usize) -> usize {
    let mut end = all[i].end();
    let mut at = i;
    loop {
        let rest = &text[end..];
        if let Some(n) = all.get(at + 1)
            && [" ", " & ", " and Sons", "-"].contains(&&text[end..n.start()])
            && !never(n.as_str())
            && !EPONYM_NOUNS.contains(n.as_str().to_lowercase().as_str())
            && !capital(n.as_str())
        {
            end = n.end();
            at += 1;
            continue;
        }
        let initial = rest.strip_prefix(' ').is_some_and(|r| {
            let mut c = r.chars();
            c.next().is_some_and(char::is_uppercase)
                && c.next() == Some('.')
                && c.next().is_none_or(|c| " ,".contains(c))
        });
        let firm = ["LLP", "Ltd", "Inc", "plc", "PLC", "LLC", "GmbH"]
            .iter()
            .find(|f| rest.strip_prefix(' ').is_some_and(|r| r.starts_with(**f)));
        match (initial, firm) {
            (true, _) => return end + 3,
            (_, Some(f)) => return end + 1 + f.len(),
            _ => return end,
        }
    }
}

/// A capital right before it, where it does not open a sentence and medicine does not write it: "Queen Adelaide", "Ji-min Baek".
fn grown_back(text: &str, all: &[regex::Match<'_>], i: usize) -> usize {
    let mut start = all[i].start();
    for p in all[..i].iter().rev() {
        let head = text[..p.start()].trim_end();
        let opens = head.is_empty() || head.ends_with(ENDS_SENTENCE);
        let title = ["Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Professor", "Sister", "Nurse"].contains(&p.as_str());
        if text[p.end()..start] != *" " || opens || title || never(p.as_str()) || capital(p.as_str()) {
            break;
        }
        start = p.start();
    }
    // "NAKAMURA Haruto", "L-A Quennell".
    let before = text[..start].strip_suffix([' ']).or(text[..start].strip_suffix(", ")).unwrap_or("");
    let word = before.rsplit([' ', '\n', '(', ',']).next().unwrap_or("");
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    let shouted = letters.len() > 3 && letters.iter().all(|c| c.is_uppercase()) && !known(word);
    let initials = matches!(word.as_bytes(), [a, b'-', b] if a.is_ascii_uppercase() && b.is_ascii_uppercase());
    if shouted || initials {
        start = before.len() - word.len();
    }
    start
}
