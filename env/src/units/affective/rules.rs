//! How a doctor's turn moves trust, anxiety and patience. Each number is added once per turn for each kind of act, and sums
//! are clamped to 0..=100, so a kind act can only help: adding one never lowers trust or patience and never raises anxiety.
//!
//! | what the doctor did | trust | anxiety | patience |
//! |---|---|---|---|
//! | greeted | +1 | 0 | 0 |
//! | introduced themselves | +3 | -1 | +1 |
//! | asked for consent | +2 | -1 | 0 |
//! | invited a story | +1 | 0 | 0 |
//! | empathised (thinking / feeling type) | +4 / +6 | -4 | +2 |
//! | reassured | +1 | -5 | +1 |
//! | explained; in plain words | +2; +1 more | -3 | +1 |
//! | summarised | +1 | 0 | +1 |
//! | acknowledged or thanked | +1 | 0 | +1 |
//! | gave a safety net | +1 | -2 | 0 |
//! | invited questions | +2 | -1 | +1 |
//! | a question of any kind, the first (calm / irritable) | 0 | 0 | -1 / -2 |
//! | each question beyond the first in one turn | 0, -1 from the fourth on | 0 | -2 |
//! | each medical word unexplained, by literacy low / medium / high, at most 3 count | -3 / -2 / 0 | +1 / +1 / 0 | -2 / -1 / 0 |
//! | each question that was answered before | -1 | 0 | -4 |
//! | a question not understood | 0 | +1 | -1 |
//! | passed over a feeling just voiced (T / F) | -2 / -4 | +2 | -1 |
//! | sent away, treated or closed without a word of explanation | -6 | +3 | -6 |
//! | tried to make the patient step out of role | -5 | 0 | -5 |
//! | named a diagnosis or a possibility | 0 | +2 | 0 |
//!
//! A courteous doctor who asks 25 single questions costs at most 50 patience, less than anyone starts with.

use super::phrases::voiced_feeling;
use crate::persona::{Emotion, Literacy, Persona};
use crate::units::{ActKind, Affect, PatientView, Selection, Understanding};

/// Where feelings start: by emotion on arrival, shifted a little by type and means.
///
/// | | trust | anxiety | patience |
/// |---|---|---|---|
/// | calm | 50 | 25 | 80 |
/// | anxious | 46 | 65 | 74 |
/// | irritable | 40 | 35 | 62 |
/// | low | 44 | 45 | 70 |
/// | stoic | 50 | 15 | 86 |
///
/// Feeling types start with 2 more anxiety, extraverts with 2 more trust, judging types with 2 less patience, patients who
/// have to count their money with 2 less trust.
pub fn temper(persona: &Persona) -> Affect {
    let (mut trust, mut anxiety, mut patience) = match persona.emotion {
        Emotion::Calm => (50, 25, 80),
        Emotion::Anxious => (46, 65, 74),
        Emotion::Irritable => (40, 35, 62),
        Emotion::Low => (44, 45, 70),
        Emotion::Stoic => (50, 15, 86),
    };
    anxiety += 2 * u8::from(!persona.mbti.thinking);
    trust += 2 * u8::from(persona.mbti.extravert);
    trust -= 2 * u8::from(persona.means == crate::persona::Means::Constrained);
    patience -= 2 * u8::from(persona.mbti.judging);
    Affect { trust, anxiety, patience }
}

/// Trust, anxiety and patience gained by what the doctor did well.
fn kindness(u: &Understanding, persona: &Persona) -> (i32, i32, i32) {
    let feeling = !persona.mbti.thinking;
    let plain = u.jargon.is_empty();
    let table = [
        (ActKind::Greet, (1, 0, 0)),
        (ActKind::Introduce, (3, -1, 1)),
        (ActKind::Consent, (2, -1, 0)),
        (ActKind::OpenQuestion, (1, 0, 0)),
        (ActKind::Empathise, (if feeling { 6 } else { 4 }, -4, 2)),
        (ActKind::Reassure, (1, -5, 1)),
        (ActKind::Explain, (if plain { 3 } else { 2 }, -3, 1)),
        (ActKind::Summarise, (1, 0, 1)),
        (ActKind::Acknowledge, (1, 0, 1)),
        (ActKind::Thank, (1, 0, 1)),
        (ActKind::SafetyNet, (1, -2, 0)),
        (ActKind::InviteQuestions, (2, -1, 1)),
    ];
    table.iter().filter(|(kind, _)| u.has(*kind)).fold((0, 0, 0), |sum, (_, d)| (sum.0 + d.0, sum.1 + d.1, sum.2 + d.2))
}

/// Trust that this turn's courtesy earns; it counts already for what the same turn asks.
pub(crate) fn courtesy(u: &Understanding, persona: &Persona) -> i32 {
    kindness(u, persona).0
}

/// Where a turn moves the feelings in `view`.
pub fn feel(u: &Understanding, selection: &Selection, view: &PatientView<'_>) -> Affect {
    let persona = view.persona;
    let (mut trust, mut anxiety, mut patience) = kindness(u, persona);
    let requests = u.requests.len() as i32;
    if requests > 0 {
        patience -= if persona.emotion == Emotion::Irritable { 2 } else { 1 };
        patience -= 2 * (requests - 1);
        trust -= (requests - 3).max(0);
    }
    let jargon = u.jargon.len().min(3) as i32;
    let (t, a, p) = match persona.literacy {
        Literacy::Low => (3, 1, 2),
        Literacy::Medium => (2, 1, 1),
        Literacy::High => (0, 0, 0),
    };
    trust -= t * jargon;
    anxiety += a * jargon;
    patience -= p * jargon;
    let repeated = selection.repeated.len() as i32;
    trust -= repeated;
    patience -= 4 * repeated;
    if !selection.unclear.is_empty() {
        anxiety += 1;
        patience -= 1;
    }
    let soothed = [ActKind::Empathise, ActKind::Reassure, ActKind::Acknowledge, ActKind::Explain];
    if view.last_reply.is_some_and(voiced_feeling) && !soothed.iter().any(|k| u.has(*k)) {
        trust -= if persona.mbti.thinking { 2 } else { 4 };
        anxiety += 2;
        patience -= 1;
    }
    let closing = [ActKind::Farewell, ActKind::Diagnose, ActKind::Refer, ActKind::Prescribe];
    let word = [ActKind::Explain, ActKind::SafetyNet, ActKind::InviteQuestions, ActKind::Advise, ActKind::Empathise];
    if closing.iter().any(|k| u.has(*k)) && !word.iter().any(|k| u.has(*k)) {
        trust -= 6;
        anxiety += 3;
        patience -= 6;
    }
    if u.has(ActKind::Inject) {
        trust -= 5;
        patience -= 5;
    }
    if u.has(ActKind::Diagnose) || u.has(ActKind::Consider) {
        anxiety += 2;
    }
    let moved = |from: u8, by: i32| (i32::from(from) + by).clamp(0, 100) as u8;
    Affect {
        trust: moved(view.affect.trust, trust),
        anxiety: moved(view.affect.anxiety, anxiety),
        patience: moved(view.affect.patience, patience),
    }
}
