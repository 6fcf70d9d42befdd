//! The consultation as one run of tokens. Each prompt begins with the whole of the prompt before it and its reply, so a session
//! of many turns is read, cached and trained on once, not once a turn.
//!
//! ```text
//! a 44-year-old woman, 12 turns\nP:My toe hurts.\nD: When did it start? <eos>\nP:Since Monday.\nD: ...
//! ```
//! What the doctor wrote is encoded by itself and ends with the end token, as when it was sampled.

use super::{Cut, PromptError, known, shorten, told_lines};
use crate::chat::ChatError;
use crate::parse::protocol_form;
use crate::tokens::{TokenError, Tokenizer};
use bedside_env::{Observation, Speaker};

/// The prompt up to where the doctor's reply begins.
pub(super) fn ids(o: &Observation, cut: Cut, tokenizer: &Tokenizer) -> Result<Vec<u32>, PromptError> {
    let encode = |text: &str| tokenizer.encode(&tokenizer.harmless(text)).map_err(|e: TokenError| ChatError::from(e));
    let mut out = Vec::new();
    let turns = o.turn + o.turns_left;
    let mut context = format!("{}, {turns} turns\nP:{}", o.patient, shorten(&o.chief_complaint, cut));
    if let Some(known) = known(o, cut) {
        context.push_str(&format!("\nK:{known}"));
    }
    for line in told_lines(o, cut) {
        match line.speaker {
            Speaker::Patient => context.push_str(&format!("\nP:{}", shorten(&line.text, cut))),
            Speaker::Chart => context.push_str(&format!("\nX:{}", shorten(&line.text, cut))),
            Speaker::Doctor => {
                context.push_str("\nD:");
                out.extend(encode(&context)?);
                context.clear();
                out.extend(encode(&shorten(&protocol_form(&line.text), cut))?);
                out.extend(tokenizer.special().eos.first());
            }
        }
    }
    context.push_str("\nD:");
    out.extend(encode(&context)?);
    Ok(out)
}
