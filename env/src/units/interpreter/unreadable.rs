//! What is no language to this patient: control characters, other scripts, bare punctuation.

use crate::units::{Act, ActKind, QuestionForm, Request, RequestKind, Understanding};

/// Whether nobody in the room could have heard this as English.
pub(crate) fn is(text: &str) -> bool {
    // A line break or a tab is layout; any other control character is no speech.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return true;
    }
    let (mut latin, mut other, mut digits) = (0usize, 0usize, 0usize);
    for c in text.chars() {
        if c.is_numeric() {
            digits += 1;
        } else if c.is_alphabetic() {
            // Up to the last Latin block that European names are written with.
            if c < '\u{0250}' { latin += 1 } else { other += 1 }
        }
    }
    other > latin || latin + digits == 0
}

/// The patient did not catch it.
pub(crate) fn asked_back(text: &str) -> Understanding {
    let span = (0, text.len() as u32);
    Understanding {
        acts: vec![Act { kind: ActKind::Other, span }],
        requests: vec![Request { kind: RequestKind::Unclear, span, form: QuestionForm::Polar }],
        ..Understanding::default()
    }
}
