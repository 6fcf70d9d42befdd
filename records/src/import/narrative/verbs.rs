//! Word lists of the change of person, and verbs from "takes" to "take".

pub(super) const ADVERBS: &[&str] = &[
    "also",
    "now",
    "still",
    "never",
    "often",
    "always",
    "sometimes",
    "not",
    "just",
    "only",
    "then",
    "even",
    "once",
    "further",
    "otherwise",
    "both",
    "all",
    "no",
    "longer",
    "ever",
    "already",
    "again",
    "first",
    "later",
    "too",
    "previously",
    "currently",
    "actually",
];
pub(super) const RELATIVES_M: &[&str] = &[
    "father",
    "brother",
    "son",
    "husband",
    "grandfather",
    "uncle",
    "nephew",
    "boyfriend",
    "grandson",
    "dad",
    "doctor",
];
pub(super) const RELATIVES_F: &[&str] = &[
    "mother",
    "sister",
    "daughter",
    "wife",
    "grandmother",
    "aunt",
    "niece",
    "girlfriend",
    "granddaughter",
    "mum",
    "mom",
    "doctor",
];
pub(super) const AFTER_HER_ME: &[&str] = &[
    "to", "in", "at", "on", "for", "with", "and", "or", "but", "from", "by", "when", "while", "that", "as", "if",
    "because", "since", "after", "before", "the", "a", "an", "so", "about", "during", "off", "out", "up", "into", "is",
    "was", "has", "had", "feel", "a", "any", "some", "until", "without", "though", "again", "today", "home", "this",
];

/// Words in -ing that name a symptom; others say what somebody is doing.
pub(super) const SYMPTOM_INGS: &[&str] = &[
    "swelling",
    "vomiting",
    "itching",
    "tingling",
    "bleeding",
    "sneezing",
    "sweating",
    "bruising",
    "burning",
    "wheezing",
    "ringing",
    "spotting",
    "bloating",
    "cramping",
    "coughing",
    "increasing",
    "worsening",
    "aching",
    "throbbing",
    "stabbing",
    "shooting",
    "thinning",
    "hearing",
    "breathing",
    "sleeping",
    "morning",
    "evening",
    "scarring",
    "peeling",
    "blistering",
    "flushing",
    "drooling",
    "choking",
    "presenting",
    "evolving",
    "ongoing",
    "recurring",
    "persisting",
    "fluctuating",
    "drooping",
    "swallowing",
    "tearing",
    "twitching",
    "shaking",
    "scaling",
    "oozing",
    "clicking",
    "feeding",
    "existing",
    "long-standing",
    "longstanding",
    "during",
    "including",
];

/// What somebody has been doing rather than had.
pub(super) const DOINGS: &[&str] = &[
    "refusing",
    "staring",
    "feeling",
    "getting",
    "taking",
    "using",
    "avoiding",
    "waking",
    "crying",
    "eating",
    "losing",
    "gaining",
    "having",
    "needing",
    "struggling",
    "forgetting",
    "working",
    "drinking",
    "limping",
    "stumbling",
    "falling",
    "snoring",
    "sleepwalking",
    "noticing",
    "passing",
    "seeing",
    "acting",
    "behaving",
    "talking",
    "isolating",
];

/// Third person singular to base form: "takes" -> "take", "denies" -> "deny". `None` where it is no such verb.
pub(super) fn base(verb: &str) -> Option<String> {
    let v = verb.to_lowercase();
    Some(match v.as_str() {
        "is" => "am".into(),
        "has" => "have".into(),
        "does" => "do".into(),
        "was" | "were" => "was".into(),
        "goes" => "go".into(),
        "isn't" => "am not".into(),
        "hasn't" => "haven't".into(),
        "doesn't" => "don't".into(),
        "weren't" => "wasn't".into(),
        _ if v.ends_with("ss") || v.ends_with("us") || v.ends_with("is") || v.len() < 4 || !v.ends_with('s') => {
            return None;
        }
        _ if v.ends_with("ies") && v.len() > 4 => format!("{}y", &v[..v.len() - 3]),
        _ if ["sses", "shes", "ches", "xes", "zzes"].iter().any(|e| v.ends_with(e)) => v[..v.len() - 2].into(),
        _ => v[..v.len() - 1].into(),
    })
}

/// What a patient does, in the third person of notes.
const DAILY: &str = "takes drinks smokes works lives feels eats sleeps uses goes wakes walks wants needs thinks believes gets \
    exercises plays attends enjoys worries avoids continues looks wears struggles travels keeps likes finds \
    suffers prefers has remains states plans appears";

/// Further verbs after a conjunction: "he eats well and denies pain".
const BESIDE: &str = "is does denies notices mentions attributes rides manages endorses follows puts swims reports notes complains \
    describes tries says cries experiences presents knows makes runs sees spends weighs requires hopes refuses \
    speaks tends watches checks climbs ambulates recalls moves stays turns stands sits rests lies hears rates";

/// Further verbs that open a line with the patient left out.
const OPENING: &str = "supports owns teaches studies helps drives remembers cannot tolerates occasionally socially resides performs seems";

fn listed(list: &str, word: &str) -> bool {
    list.split(' ').any(|w| w == word)
}

/// Verbs that clinicians' notes put third in "he eats well and drinks little".
pub(super) fn coordinates(word: &str) -> bool {
    listed(DAILY, word) || listed(BESIDE, word)
}

/// Verbs that open a line of a note with the patient left out: "Takes aspirin", "Lives alone".
pub(super) fn opens_line(word: &str) -> bool {
    listed(DAILY, word) || listed(OPENING, word)
}
