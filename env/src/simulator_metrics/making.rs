//! How a reply came about: by whoever was to speak, or by the rules in its place.

use crate::event::Event;
use crate::units::{EffectResult, REPAIRS, UnitKind};

/// What a turn's events say of the making of its reply.
#[derive(Default)]
pub(super) struct Making<'e> {
    /// The effect that is awaited.
    asked: Option<UnitKind>,
    /// A model was to voice and gave nothing that could be used.
    voiceless: bool,
    /// The last repair was a model's.
    mended: bool,
    drafts: u16,
    last: Option<&'e str>,
}

impl<'e> Making<'e> {
    pub fn see(&mut self, event: &'e Event) {
        match event {
            Event::ActionTaken { .. } => *self = Making::default(),
            Event::EffectRequested { effect, .. } => self.asked = Some(effect.unit),
            Event::EffectSupplied { result, .. } => {
                let given = matches!(&**result, EffectResult::Text(_));
                match self.asked.take() {
                    Some(UnitKind::Voice) => self.voiceless = !given,
                    Some(UnitKind::Repair) => self.mended = given,
                    _ => {}
                }
            }
            Event::ReplyRepaired { draft, .. } => {
                self.drafts += 1;
                self.last = Some(draft);
            }
            _ => {}
        }
    }

    /// Nobody's draft: the embedded voice in the place of a model's, the safe reply after all repairs, or one that the
    /// embedded repair had to make anew, because no sentence of the draft could stay.
    pub fn is_fallback(&self, reply: &str) -> bool {
        let anew = || self.last.is_some_and(|draft| !self.mended && !keeps(draft, reply));
        self.voiceless || self.drafts > REPAIRS || anew()
    }
}

/// A sentence of the draft stands in the reply. The embedded repair keeps sentences to the letter.
fn keeps(draft: &str, reply: &str) -> bool {
    let sentences = draft.split_inclusive(['.', '!', '?', '\n']).map(str::trim);
    sentences.filter(|s| s.chars().any(char::is_alphanumeric)).any(|s| reply.contains(s))
}
