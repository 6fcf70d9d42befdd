//! How a noun phrase begins: its article, and a small letter.

/// Nouns that want an article when they stand alone.
const COUNT: &[&str] = &[
    "headache",
    "fever",
    "cough",
    "rash",
    "cold",
    "sore throat",
    "runny nose",
    "blocked nose",
    "seizure",
    "stroke",
    "fall",
    "fracture",
    "lump",
    "mass",
    "migraine",
    "stomach ache",
    "heart attack",
    "lesion",
    "mole",
    "ulcer",
    "burn",
    "bruise",
    "infection",
    "murmur",
    "swelling",
    "tremor",
    "limp",
    "cramp",
    "episode",
    "sensation",
    "loss",
    "cut",
    "wound",
    "transplant",
    "pacemaker",
    "stent",
    "hernia",
    "nosebleed",
    "blister",
    "discharge",
    "lifestyle",
    "job",
    "history",
    "feeling",
    "bump",
    "backache",
    "earache",
    "toothache",
    "fit",
    "ache",
    "change",
    "decrease",
    "increase",
    "lack",
    "smell",
    "colonoscopy",
    "hysterectomy",
    "appendectomy",
    "appendicectomy",
    "cholecystectomy",
    "splenectomy",
    "biopsy",
    "spasm",
    "weakness of",
    "spot",
];

/// Puts "a" or "an" before a countable noun that has no determiner.
pub(crate) fn article(noun: &str) -> String {
    let first = noun.split_whitespace().next().unwrap_or("").to_lowercase();
    let determined = [
        "a",
        "an",
        "the",
        "my",
        "some",
        "any",
        "no",
        "his",
        "her",
        "this",
        "several",
        "many",
        "multiple",
        "two",
        "three",
        "four",
        "few",
        "recurrent",
        "occasional",
        "one",
        "each",
        "both",
        "more",
        "other",
        "these",
    ];
    if determined.contains(&first.as_str()) || first.chars().any(|c| c.is_ascii_digit()) {
        return noun.to_owned();
    }
    let head = [
        " in ", " on ", " of ", " for ", " with ", " at ", " since ", " after ", " that ", " when ", " to ", " (",
        " from ", " during ", " over ", ", ",
    ]
    .iter()
    .filter_map(|p| noun.find(p))
    .min()
    .map_or(noun, |i| &noun[..i]);
    let lower = head.to_lowercase();
    if !COUNT.iter().any(|c| lower == *c || lower.ends_with(&format!(" {c}"))) {
        return noun.to_owned();
    }
    let vowel =
        first.starts_with(['a', 'e', 'i', 'o', 'u']) && (!first.starts_with("uni") || first.starts_with("unin"));
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// Lower-case initial, unless the word is a name, an abbreviation or a lone letter.
pub(crate) fn lower_first(s: &str) -> String {
    let word: String = s.chars().take_while(|c| c.is_alphanumeric() || *c == '\'').collect();
    let keep = word == "I"
        || word.starts_with("I'")
        || word.chars().skip(1).any(|c| c.is_uppercase() || c.is_ascii_digit())
        || word.chars().count() < 2;
    let named = [
        "Parkinson",
        "Crohn",
        "Graves",
        "Hodgkin",
        "Alzheimer",
        "Raynaud",
        "Marfan",
        "Tylenol",
        "Advil",
        "Ventolin",
        "Down",
        "Cushing",
        "Addison",
        "English",
        "African",
    ];
    if keep || named.iter().any(|n| s.starts_with(n)) {
        return s.to_owned();
    }
    let mut chars = s.chars();
    match chars.next() {
        Some(c) => c.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
