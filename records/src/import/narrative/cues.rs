//! What a clause tells of its subject: onset, severity, and so on, by cue words; and how private it is.

use crate::fact::{Aspect, Category};

/// Cues of an aspect, most telling first.
const CUES: &[(Aspect, &[&str])] = &[
    (
        Aspect::Radiation,
        &["radiat", "spreads to", "spread to", "travels to", "shoots", "moves to", "goes down", "goes into"],
    ),
    (
        Aspect::Aggravating,
        &[
            "worse with",
            "worse when",
            "worse on",
            "worse after",
            "worse at",
            "worsened by",
            "aggravat",
            "exacerbat",
            "triggered",
            "brought on by",
            "made worse",
            "worsens with",
            "worsens when",
            "increases with",
        ],
    ),
    (
        Aspect::Relieving,
        &[
            "relieved",
            "better with",
            "better when",
            "improves with",
            "improved with",
            "alleviat",
            "eases",
            "helped by",
            "resolves with",
            "settles with",
            "goes away when",
        ],
    ),
    (
        Aspect::Treatment,
        &[
            "has tried",
            "have tried",
            "tried ",
            "took ",
            "has taken",
            "taking tylenol",
            "without relief",
            "ibuprofen",
            "paracetamol",
            "acetaminophen",
            "over-the-counter",
            "did not help",
            "doesn't help",
            "does not help",
        ],
    ),
    (
        Aspect::Severity,
        &["/10", "out of 10", "out of ten", "severe", "mild ", "moderate", "excruciating", "intensity", "worst"],
    ),
    (
        Aspect::Episodes,
        &[
            "similar episode",
            "previous episode",
            "happened before",
            "in the past",
            "recurrent",
            "episodes",
            "first time",
            "same thing",
            "similar symptoms",
        ],
    ),
    (
        Aspect::Progression,
        &[
            "getting worse",
            "worsening",
            "worsened",
            "progressive",
            "improving",
            "improved",
            "getting better",
            "resolved",
            "unchanged",
            "has become",
            "become more",
            "settling",
        ],
    ),
    (Aspect::Onset, &["started", "began", "sudden", "gradual", "onset", "came on", "first noticed", "ago"]),
    (
        Aspect::Duration,
        &[
            "for the past",
            "for the last",
            "over the past",
            "over the last",
            "lasting",
            "lasts",
            "lasted",
            "since ",
            "for about",
            "for several",
            "day history",
            "week history",
            "month history",
            "-day",
            "duration",
        ],
    ),
    (
        Aspect::Timing,
        &[
            "constant",
            "intermittent",
            "comes and goes",
            "every day",
            "daily",
            "at night",
            "in the morning",
            "times a day",
            "per day",
            "occasionally",
            "on and off",
        ],
    ),
    (
        Aspect::Character,
        &[
            "throbbing",
            "sharp",
            "dull",
            "burning",
            "stabbing",
            "aching",
            "cramp",
            "pressure-like",
            "squeezing",
            "described as",
            "describes",
            "quality",
            "nature",
            "colored",
            "coloured",
        ],
    ),
    (
        Aspect::Location,
        &[
            "located",
            "localiz",
            "left side",
            "right side",
            "bilateral",
            "on the left",
            "on the right",
            "in the left",
            "in the right",
            "quadrant",
        ],
    ),
    (
        Aspect::Impact,
        &[
            "unable to",
            "difficulty with",
            "off work",
            "interferes",
            "prevents",
            "cannot",
            "missed work",
            "missed school",
            "affects",
        ],
    ),
    (Aspect::Concern, &["worried", "concerned", "worries", "afraid that", "believes that", "fears", "would like"]),
    (Aspect::Context, &["while ", "after ", "when ", "because of", "following"]),
];

pub(crate) fn aspect(text: &str) -> Option<Aspect> {
    let lower = text.to_lowercase();
    CUES.iter().find(|(_, cues)| cues.iter().any(|c| lower.contains(c))).map(|(a, _)| *a)
}

/// How private a statement is.
pub(crate) fn sensitivity(text: &str, category: Category) -> u8 {
    let l = text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| l.contains(w));
    if any(&["suicid", "self-harm", "self harm", "abuse", "assault", "rape", "violence", "overdose"]) {
        3
    } else if any(&[
        "sexual",
        "sex ",
        "sexually",
        "intercourse",
        "cocaine",
        "heroin",
        "illicit",
        "recreational drug",
        "intravenous drug",
        "hiv",
        "depress",
        "anxiety",
        "erect",
        "libido",
        "hallucin",
        "prison",
        "partners",
        "marijuana",
        "cannabis",
        "drug use",
    ]) {
        2
    } else if category == Category::Social
        && any(&["alcohol", "drink", "smok", "beer", "wine", "tobacco", "divorc", "unemploy"])
        || any(&["incontinen", "vaginal", "penile", "miscarriage", "abortion", "hemorrhoid"])
    {
        1
    } else {
        0
    }
}
