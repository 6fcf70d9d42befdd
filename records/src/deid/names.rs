//! People: by title, by what the text says about them, by metadata, and by the look of a name.

use super::{Class, DeidOptions, Found, lists, set};
use crate::pattern::compiled;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const NAME: &str = r"(?:\p{Lu}(?:\p{Ll}+|['’][A-Z]\p{Ll}+)(?:[A-Z]\p{Ll}+)?(?:[-'’]\p{Lu}\p{Ll}+)*)";
const PARTICLE: &str = r"(?:(?:van|von|de|der|den|del|della|di|da|dos|la|le|bin|al|el|ter|Van|Von|De|Del|Di|La|Le|Al|El|Mac|Mc|Ó|Ní|Nic|bint|ben|ibn|ap|ab|ferch|du|des|dos|das|do|zu|zur|ten|af|av|St\.?) )";

/// The name is group 1.
static SAID: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let full = format!(r"((?:{NAME}|[A-Z]\.)(?:[ -]{PARTICLE}{{0,2}}(?:{NAME}|[A-Z]\.))*)");
    let titled = format!(
        r"((?:(?:[A-Z]\.? ){{0,2}}){PARTICLE}{{0,2}}{NAME}(?: {PARTICLE}{{0,2}}{NAME}| [A-Z]\.(?: {NAME})?){{0,2}})"
    );
    [
        format!(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Drs|Prof|Rev|Sgt|Capt|Lt|Fr|MR|MRS|DR|MS|mr|mrs|ms|dr)\.? {titled}"),
        format!(r"\b(?:Doctor|Professor|Nurse|Sister|Reverend|Father|Rabbi|Imam|Officer|Aunt|Auntie|Uncle|Madam|Señora?|Herr|Frau|Pastor|Midwife|doctor|nurse|pharmacist|Pharmacist|therapist|physiotherapist|psychologist|psychiatrist|social worker|case manager|PA|NP|resident|intern|paramedic|dietitian|counselor|counsellor|midwife|technician|surgeon|consultant|Consultant|physician) {titled}"),
        format!(r"(?i:\b(?:name is|name's|names are|named|goes by|known as|calls (?:him|her)self|nicknamed|first name|last name|surname|maiden name|family name|full name|my name is|this is) (?:is )?){full}"),
        format!(r"(?i:\b(?:patient(?: name)?|pt name|name|attending|attending physician|physician|provider|doctor|surgeon|next of kin|nok|emergency contact|signed|dictated by|transcribed by|author|referred by|referring provider|reviewed by|seen by|signed by|accompanied by|caregiver|guardian|carer|informant|pcp|gp|cc|re|dear|regards|sincerely|spoke (?:with|to)|discussed with|witnessed by|interpreter|contact person|contact)(?: is| was)?[:,]? +(?:(?:mr|mrs|ms|dr)\.? )?){full}"),
        format!(r"\b(?i:husband|wife|son|daughter|mother|father|mom|mum|dad|brother|sister|partner|friend|neighbou?r|boyfriend|girlfriend|fianc[eé]e?|grandmother|grandfather|grandson|granddaughter|grandma|grandpa|niece|nephew|cousin|roommate|boss|employer|coworker|caregiver|aunt|uncle|stepfather|stepmother|twin|baby|infant|colleague|manager|teacher|coach|dog|cat),? (?:\(|is |named |called )?({NAME}(?: {NAME})?)"),
        format!(r"\b({NAME}(?: [A-Z]\.?)? {PARTICLE}?{NAME}),? (?:MD|M\.D\.|RN|DO|NP|PA-C|PA|PhD|FRCP|MBBS|MBChB|DDS|LCSW|CNM|FNP|PharmD|DPM|OD)\b"),
        format!(r"\b((?:[A-Z]\.[ ]?){{1,2}}{NAME})\b"),
        r"\b(?:(?i:patient|name|pt)(?: name)?: *)([A-Z]{2,}(?:[-'][A-Z]+)?,? [A-Z]{2,}(?: [A-Z]{1,2}\b)?)".to_owned(),
        format!(r"(?:^|[.!?] |\bI am |\bI'm |\bI’m |Hi,? |Hello,? |hi,? |Thanks,? |Thank you,? |Dear )({NAME})(?: here\b|,? (?:speaking|calling)\b)"),
        // Roles of letters and wards; the short ones are followed by many a verb, see `after_role`.
        format!(r"\b(?:{ROLES})(?: \w+)?? {titled}"),
        format!(r"\b(?i:{ROLES}|{STAFF})(?:,|:| is| -)? *\(?({NAME} (?:{PARTICLE}{{0,2}}{NAME}|[A-Z]\.)(?: {NAME})?)"),
        format!(r"\b(?:{STAFF}) {titled}"),
        // Who a letter is about: a full name before what only a person has, or what only a patient does.
        format!(r"({NAME}(?: [A-Z]\.?)?(?: {PARTICLE}{{0,2}}{NAME}){{1,2}}),? \(?(?i:d\.?o\.?b|date of birth|born on|aged \d|nhs|mrn|hosp(?:ital)? n|chi |unit n|g\d ?p\d|hkid|\d{{1,3}}[- ]?(?:y/?o|yrs?|years?)\b)"),
        format!(r"({NAME}(?: [A-Z]\.?)?(?: {PARTICLE}{{0,2}}{NAME}){{1,2}}) (?:was (?:admitted|discharged|transferred|brought|born|referred|seen|reviewed)|attended|has been under|is under|tells me|tells us|kindly|came to (?:see|clinic))\b"),
        format!(r"(?i:\b(?:lady|gentleman|woman|man|boy|girl|patient|colleague|child|infant|baby|service user|client)), ({NAME}(?: {PARTICLE}{{0,2}}{NAME}){{1,2}})"),
        // The head of a letter or form.
        format!(r"(?i:(?:^|[\n.;/] ?)(?:re|patient|name|client|discharge summary|referral|summary|letter|regarding|concerning|subject|dict|dictated(?: by)?|typed(?: by)?|from|to|signed|author|clinician|referrer|referring \w+|copy(?: to)?|cc|keyworker|key worker)) ?[:/-] *(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? )?({NAME} {PARTICLE}{{0,2}}{NAME}|(?:[A-Z]\. ?){{1,2}}{NAME}|[A-Z][A-Z'-]+,? {NAME}|{NAME},? [A-Z][A-Z'-]+\b)"),
        format!(r"(?i:known as|called|nicknamed|goes by|preferred name(?: is)?|prefers) [\x22“'‘]({NAME}(?: {NAME})?)"),
        format!(r"\b(?:[a-z]+ed|taken|seen|done|written|run) by ({NAME} [A-Z]\.?)(?:[ ,;]|$)"),
        r"\b(?:BABY|TWIN(?: \d| ONE| TWO| I| II)?|INFANT|BOY|GIRL|MASTER|MR|MRS|MISS|MS|DR) ([A-Z]{3,}(?:[-'][A-Z]+)?(?: [A-Z]{3,})?)\b".to_owned(),
        // Initials of whoever wrote it down.
        r"\b(?i:typed|dictated|dict|transcribed|initialled)\b(?:[^.;:\n]{0,24}? by| ?:) *([A-Za-z]{2,3})\b(?: |$|[./,;])".to_owned(),
    ]
    .iter()
    .map(compiled)
    .collect()
});

/// Whom a letter or a ward's note names by what they do.
const ROLES: &str = "physio|physiotherapist|matron|ward manager|warden|clinician|health visitor|support worker|key ?worker|care worker|care coordinator|home help|registrar|locum|optician|optometrist|podiatrist|chiropodist|dentist|orthodontist|radiographer|sonographer|phlebotomist|audiologist|orthoptist|chaplain|priest|vicar|solicitor|landlord|landlady|headteacher|head teacher|tutor|secretary|receptionist|volunteer|advocate|nurse|student nurse|staff nurse|practitioner|nurse specialist|safeguarding lead|lead|oncologist|cardiologist|neurologist|radiologist|pathologist|haematologist|hematologist|gastroenterologist|nephrologist|urologist|gynaecologist|gynecologist|obstetrician|paediatrician|pediatrician|dermatologist|rheumatologist|endocrinologist|anaesthetist|anesthetist|geriatrician|hospitalist|dietician|interpreter|social worker|childminder|foster carer|carer";
/// The same in letters; a single name after them may as well be a verb with a capital.
const STAFF: &str = "RN|SN|S/N|RGN|RMN|EN|LPN|CNA|HCA|HCSW|TVN|CNS|ANP|ACP|FY1|FY2|F1|F2|CT1|CT2|ST\\d|SHO|SpR|StR|PGY\\d|GPST\\d|SALT|SLT|OT|SW|AHP|CPN|DN|HV|MSW|DSN|GPwSI|N/N";

static TOKENS: LazyLock<Regex> = LazyLock::new(|| compiled(format!(r"\b{NAME}\b|\b[A-Z]{{3,}}\b")));
static FAMILY_NEXT: LazyLock<Regex> =
    LazyLock::new(|| compiled(format!(r"^(?: [A-Z]\.?)? {PARTICLE}{{0,2}}({NAME}|[A-Z]{{3,}})\b")));
static FAMILY_FIRST: LazyLock<Regex> = LazyLock::new(|| compiled(format!(r"({NAME}), $")));

static GIVEN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::GIVEN));
static DOUBTFUL: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::DOUBTFUL));
static NEVER: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::NEVER_NAMES));
static EPONYMS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| set(lists::EPONYM_NOUNS));
static FAMOUS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    set(
        "parkinson alzheimer crohn graves hodgkin addison cushing marfan raynaud huntington tourette hashimoto kawasaki \
         bell murphy mcburney homan homans babinski kernig brudzinski phalen tinel lachman mcmurray apgar glasgow gleason wells ranson \
         barrett meckel hirschsprung sjogren sjögren behcet ehlers danlos guillain kaposi wilms burkitt paget peyronie dupuytren colles \
         wernicke korsakoff charcot trousseau chvostek romberg weber rinne snellen doppler foley holter coombs gram papanicolaou braxton \
         turner klinefelter noonan prader willi angelman rett reye reiter wegener goodpasture alport fanconi gaucher fabry pompe tay \
         down asperger munchausen capgras horner meniere ménière wilson gilbert crigler najjar rotor budd chiari cullen osler janeway roth \
         heberden bouchard perthes osgood schlatter baker morton achilles eustachian fallopian still lyme coxsackie ebola zika epstein \
         barr norwalk child pugh duke amsler ishihara beck hamilton edinburgh likert kegel epley valsalva trendelenburg ewing",
    )
});

/// A name that stands in medicine's vocabulary: what follows it, or what precedes it, makes it an eponym.
pub(super) fn eponym(text: &str, end: usize, name: &str) -> bool {
    let rest = &text[end..];
    let possessive = rest.starts_with("'s") || rest.starts_with("’s");
    let after = rest.trim_start_matches("'s").trim_start_matches("’s").trim_start_matches(['-', ' ']);
    let next: String = after.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if EPONYMS.contains(next.as_str()) && (rest.starts_with([' ', '\'', '’', '-'])) {
        return true;
    }
    let before = &text[..end - name.len()];
    if rest.starts_with("'s wort") || rest.starts_with("’s wort") || rest.starts_with("'s fire") {
        return true;
    }
    if [
        "pouch of ",
        "circle of ",
        "tetralogy of ",
        "sphincter of ",
        "angle of ",
        "ampulla of ",
        "canal of ",
        "islets of ",
        "ligament of ",
    ]
    .iter()
    .any(|p| before.to_lowercase().ends_with(p))
    {
        return true;
    }
    let base = name.split(['\'', '’', '-']).next().unwrap_or(name).to_lowercase();
    FAMOUS.contains(base.as_str()) && (possessive || !before.trim_end().ends_with('.')) && !titled(before)
}

fn titled(before: &str) -> bool {
    ["Mr", "Mrs", "Ms", "Miss", "Dr", "Doctor", "Professor", "Prof", "Nurse"]
        .iter()
        .any(|t| before.trim_end().trim_end_matches('.').ends_with(t))
}

fn never(word: &str) -> bool {
    NEVER.contains(word.trim_end_matches(['.', ',']).to_lowercase().as_str())
}

pub(super) fn find(text: &str, options: &DeidOptions, out: &mut Vec<Found>) {
    let mut people: BTreeSet<String> = BTreeSet::new();
    let mut spans = Vec::new();
    for name in options.names.iter().flat_map(|n| n.split_whitespace()).filter(|n| n.chars().count() > 1) {
        let plain = DOUBTFUL.contains(name.to_lowercase().as_str()) || never(name);
        for at in whole_words(text, name, !plain) {
            spans.push(at);
        }
    }
    for (i, re) in SAID.iter().enumerate() {
        for m in re.captures_iter(text).filter_map(|c| c.get(1)) {
            let sure = i == 0;
            // Take words while they can be a name: "Mrs. Jones Denies" ends after Jones.
            let mut end = m.start();
            let mut words = Vec::new();
            for w in m.as_str().split_inclusive([' ']) {
                let word = w.trim_end();
                let lower = word.trim_end_matches(['.', ',']).to_lowercase();
                let surname = DOUBTFUL.contains(lower.as_str()) || FAMOUS.contains(lower.as_str());
                let initial = word.len() == 2 && word.ends_with('.') && word.starts_with(char::is_uppercase);
                let bad = (never(word) && !(sure && surname) || !sure && super::vocab::thing(word))
                    && !initial
                    && i != INITIALS;
                if bad || (!sure && words.is_empty() && word.len() < 2) {
                    break;
                }
                end = m.start() + (w.as_ptr() as usize - m.as_str().as_ptr() as usize) + word.len();
                words.push(word);
            }
            let last_dot = text[m.start()..end].ends_with('.') && words.last().is_some_and(|w| w.len() > 2);
            let end = if last_dot { end - 1 } else { end };
            let span = m.start()..end;
            let initials_only = i != INITIALS && words.iter().all(|w| w.trim_end_matches('.').len() <= 1);
            let verb = i == AFTER_STAFF && words.len() == 1 && verb_like(words[0]);
            if verb || i == INITIALS && text[span.clone()].chars().all(char::is_lowercase) && !is_last(text, span.end) {
                continue;
            }
            let listed =
                words.last().is_some_and(|w| super::vocab::capital(w)) && !text[..m.start()].trim_end().ends_with("by");
            let species =
                i == 6 && (listed || is_species(text, &span) || !introduced(super::just_before(text, m.start())));
            if words.is_empty() || initials_only || species || (!sure && eponym(text, end, &text[span.clone()])) {
                continue;
            }
            for w in &words {
                let w = w.trim_end_matches(['.', ',']);
                if w.chars().count() > 2
                    && (!DOUBTFUL.contains(w.to_lowercase().as_str()) || sure && !is_word(w))
                    && !FAMOUS.contains(w.to_lowercase().as_str())
                {
                    people.insert(w.to_owned());
                }
            }
            spans.push(span);
        }
    }
    by_look(text, &mut people, &mut spans);
    // Whoever was named once is known everywhere.
    for name in &people {
        spans.extend(whole_words(text, name, false).into_iter().filter(|s| !eponym(text, s.end, name)));
    }
    spans.sort_by_key(|s| (s.start, usize::MAX - s.end));
    // Neighbours belong to one person.
    let mut joined: Vec<std::ops::Range<usize>> = Vec::new();
    for s in spans {
        match joined.last_mut() {
            Some(last)
                if s.start <= last.end
                    || text[last.end..s.start].trim_matches([' ', '.', '-']).is_empty()
                        && s.start - last.end < 3
                        && !text[last.end..s.start].contains(". ") =>
            {
                last.end = last.end.max(s.end);
            }
            _ => joined.push(s),
        }
    }
    out.extend(joined.into_iter().map(|s| (Class::Name, s)));
}

/// Places in [`SAID`].
const AFTER_STAFF: usize = 11;
const INITIALS: usize = 19;

/// "RN Notified", "OT Assessment": a capital after a staff abbreviation begins a note as often as a name.
fn verb_like(word: &str) -> bool {
    let lower = word.to_lowercase();
    let ends = ["ed", "ing", "tion", "ment", "ral", "view", "ble", "ally", "ent"];
    ends.iter().any(|e| lower.ends_with(e)) && !GIVEN.contains(lower.as_str())
}

/// Whether nothing but punctuation follows.
fn is_last(text: &str, at: usize) -> bool {
    text[at..].chars().take_while(|c| *c != '\n').all(|c| !c.is_alphanumeric())
}

/// Names that sentences use as words, even with a capital.
fn is_word(name: &str) -> bool {
    let words = [
        "may", "will", "mark", "bill", "rich", "art", "grant", "rose", "hope", "faith", "joy", "dawn", "frank", "max",
        "chase",
    ];
    words.contains(&name.to_lowercase().as_str())
}

/// The word after a place in the text, lower case.
fn next_word(text: &str, at: usize) -> String {
    let rest = text[at..].trim_start_matches("'s").trim_start_matches("’s").trim_start_matches([' ', '-']);
    rest.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// Whether an initial can begin a name here: "by J. Smith", not "hepatitis C. Serum".
fn introduced(before: &str) -> bool {
    let b = before.trim_end_matches(' ');
    let last = b.rsplit([' ', '\n', '(']).next().unwrap_or("").to_lowercase();
    let words =
        ["by", "with", "from", "to", "and", "per", "cc", "for", "saw", "see", "of", "the", "dear", "doctor", "nurse"];
    b.is_empty() || b.ends_with(['\n', '(', ',', ':', ';']) || words.contains(&last.as_str())
}

/// "S. aureus" never matches (lower case follows); "C. Difficile" and "E. Coli" do.
fn is_species(text: &str, span: &std::ops::Range<usize>) -> bool {
    let s = text[span.clone()].to_lowercase();
    [
        "coli",
        "difficile",
        "diff",
        "aureus",
        "pneumoniae",
        "pylori",
        "albicans",
        "trachomatis",
        "burgdorferi",
        "influenzae",
        "faecalis",
    ]
    .iter()
    .any(|w| s.ends_with(w))
}

/// Given names, alone when they can be nothing else, with their family name when one follows.
fn by_look(text: &str, people: &mut BTreeSet<String>, spans: &mut Vec<std::ops::Range<usize>>) {
    for m in TOKENS.find_iter(text) {
        let word = m.as_str().split(['-', '\'', '’']).next().unwrap_or_default();
        let lower = word.to_lowercase();
        let shouted = word.chars().all(char::is_uppercase);
        let sure = GIVEN.contains(lower.as_str());
        if !(sure || DOUBTFUL.contains(lower.as_str()))
            || eponym(text, m.end(), m.as_str())
            || taken(super::just_before(text, m.start()))
            || FAMOUS.contains(lower.as_str()) && text[m.end()..].starts_with(['-', '\'', '’'])
        {
            continue;
        }
        let next = FAMILY_NEXT.captures(&text[m.end()..]).and_then(|c| c.get(1));
        let family = next.filter(|n| {
            let l = n.as_str().to_lowercase();
            let abs = m.end() + n.end();
            let eponymous = eponym(text, abs, n.as_str());
            (!never(n.as_str()) || sure && DOUBTFUL.contains(l.as_str()))
                && (!eponymous || sure && !EPONYMS.contains(next_word(text, abs).as_str()))
                && (sure || !looks_clinical(&l))
                && (n.as_str().chars().all(char::is_uppercase) == shouted)
        });
        // "Sister Mary Joseph nodule".
        if next.is_some_and(|n| EPONYMS.contains(next_word(text, m.end() + n.end()).as_str())) {
            continue;
        }
        let before = FAMILY_FIRST.captures(&text[..m.start()]).and_then(|c| c.get(1));
        let before = before.filter(|b| {
            sure && !never(b.as_str())
                && !looks_clinical(&b.as_str().to_lowercase())
                && !GIVEN.contains(b.as_str().to_lowercase().as_str())
        });
        match (family, before) {
            (Some(n), _) => {
                let sentence_start = text[..m.start()].trim_end().chars().next_back().is_none_or(|c| ".!?".contains(c));
                if !sure && sentence_start && ["will", "may", "mark", "grant"].contains(&lower.as_str()) {
                    continue;
                }
                spans.push(m.start()..m.end() + n.end());
                if !DOUBTFUL.contains(n.as_str().to_lowercase().as_str())
                    && !FAMOUS.contains(n.as_str().to_lowercase().as_str())
                {
                    people.insert(n.as_str().to_owned());
                }
                if sure {
                    people.insert(m.as_str().to_owned());
                }
            }
            (None, Some(b)) => spans.push(b.start()..m.end()),
            (None, None) if sure && !shouted && !DOUBTFUL.contains(lower.as_str()) => {
                spans.push(m.range());
                people.insert(m.as_str().to_owned());
            }
            _ => {}
        }
    }
}

/// "Takes Yasmin": what is taken is a medicine.
fn taken(before: &str) -> bool {
    static TAKES: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)\b(?:takes|taking|took|prescribed|started on|allergic to|tablets) (?:[\w-]+(?: [\d.]+ ?mg)?(?:, | and ))*$",
        )
    });
    TAKES.is_match(before)
}

/// Endings and words that family names do not have but clinical terms do.
fn looks_clinical(lower: &str) -> bool {
    [
        "itis", "osis", "emia", "aemia", "pathy", "ectomy", "oma", "ine", "cillin", "pril", "olol", "statin", "azole",
        "bacter", "coccus", "ia",
    ]
    .iter()
    .any(|e| lower.ends_with(e))
}

/// Where a word stands on its own; in any case when asked.
fn whole_words(text: &str, word: &str, any_case: bool) -> Vec<std::ops::Range<usize>> {
    let flag = if any_case { "(?i)" } else { "" };
    match Regex::new(&format!(r"{flag}\b{}\b", regex::escape(word))) {
        Ok(re) => re.find_iter(text).map(|m| m.range()).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_the_places_that_are_named_hold() {
        assert_eq!(SAID.len(), INITIALS + 1);
        assert!(SAID[AFTER_STAFF].as_str().contains("HCSW") && SAID[INITIALS].as_str().contains("initialled"));
    }
}
