//! Facts as sentences: lead-in, statement in the persona's words, tag.

use super::phrases::*;
use super::speech::{bare, blurred, clipped, formal, leads_itself, lower_first, of_child, upper_first};
use super::voice::Speaker;
use crate::event::FactIx;
use crate::persona::{Emotion, LanguageStyle, Recall};
use bedside_records::Polarity;

/// A statement in the patient's first person; a parent's "My son has a cough" is not.
fn own_words(text: &str) -> bool {
    let parents = ["my son", "my daughter", "my child", "my baby", "my boy", "my girl", "my little", "my toddler"];
    let lower = text.to_lowercase();
    let first =
        lower.starts_with("i ") || lower.starts_with("i'") || lower.starts_with("my ") || lower.contains(" my ");
    first && !parents.iter().any(|p| lower.contains(p))
}

impl Speaker<'_, '_> {
    /// Facts of one request: the first with a lead-in, the others joined on.
    pub(super) fn tell(&mut self, told: &[FactIx], polar: bool, repeated: bool, answered: usize) {
        let persona = self.persona;
        for (n, ix) in told.iter().enumerate() {
            let fact = self.view.case.fact(*ix);
            let exact = fact.topic.aspect.is_some() || fact.statement.bytes().any(|b| b.is_ascii_digit());
            let text = self.worded(&fact.statement, exact);
            let lead = if n > 0 {
                self.joint(n)
            } else if repeated && self.draw.chance(75) {
                self.pick(if persona.emotion == Emotion::Irritable || persona.mbti.thinking {
                    AGAIN
                } else {
                    AGAIN_POLITE
                })
            } else if polar && fact.topic.aspect.is_none() {
                self.yes_or_no(fact.polarity, &text, answered > 0)
            } else if answered > 0 && self.draw.chance(50) {
                self.joint(answered)
            } else {
                self.opener()
            };
            let tag = if n + 1 == told.len() { self.tag(exact, &text) } else { "" };
            self.sentence(lead, &text, tag);
        }
    }

    /// Lead-in, statement and tag as one sentence, or two where the lead-in ends one.
    fn sentence(&mut self, lead: &str, text: &str, tag: &str) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        let lead = if self.out.is_empty() { lead.to_owned() } else { upper_first(lead).into_owned() };
        let open = !lead.is_empty() && !lead.trim_end().ends_with(['.', '!', '?']);
        self.out.push_str(&lead);
        self.out.push_str(&if open { lower_first(text) } else { upper_first(text) });
        self.out.push_str(tag);
        if !self.out.ends_with(['.', '!', '?']) {
            self.out.push('.');
        }
    }

    fn yes_or_no(&mut self, polarity: Polarity, text: &str, further: bool) -> &'static str {
        let style = self.persona.style;
        let present = polarity == Polarity::Present;
        if leads_itself(text)
            || (present && (text.starts_with("It ") || worded_as_denial(text)))
            || self.draw.chance(12)
        {
            return "";
        }
        if further && style != LanguageStyle::Terse && self.draw.chance(60) {
            self.pick(if present { AND_YES } else { AND_NO })
        } else if present {
            self.pick(of(style, [YES, YES_COLLOQUIAL, YES_FORMAL, YES_TERSE, YES]))
        } else {
            self.pick(of(style, [NO, NO_COLLOQUIAL, NO_FORMAL, NO_TERSE, NO]))
        }
    }

    fn opener(&mut self) -> &'static str {
        let style = self.persona.style;
        if style == LanguageStyle::Terse || (!self.persona.mbti.extravert && self.draw.chance(60)) {
            return "";
        }
        self.pick(of(style, [OPENERS, OPENERS_COLLOQUIAL, OPENERS_FORMAL, OPENERS, OPENERS_RAMBLING]))
    }

    fn joint(&mut self, n: usize) -> &'static str {
        let terse = self.persona.style == LanguageStyle::Terse;
        if terse || self.draw.chance(35) {
            ""
        } else if self.persona.mbti.judging && n <= 2 && self.draw.chance(30) {
            AND_ORDERED[if n == 1 { self.draw.below(2) } else { 2 }]
        } else {
            self.pick(AND)
        }
    }

    fn tag(&mut self, exact: bool, text: &str) -> &'static str {
        let persona = self.persona;
        let vague = match persona.recall {
            Recall::Good => 0,
            Recall::Vague => 35,
            Recall::Poor => 65,
        };
        let thinking = text.contains("think") || text.contains("remember") || text.contains("guess");
        if exact && !thinking && self.draw.chance(vague) {
            return self.pick(TAGS_UNSURE);
        }
        if persona.style == LanguageStyle::Terse || text.len() > 90 || self.draw.chance(60) {
            return "";
        }
        match persona.style {
            LanguageStyle::Colloquial => self.pick(TAGS_COLLOQUIAL),
            LanguageStyle::Formal => "",
            _ if exact && persona.mbti.sensing && persona.recall == Recall::Good => self.pick(TAGS_SENSING),
            _ => self.pick(TAGS),
        }
    }

    /// A statement in this persona's words; what it claims stays.
    pub(super) fn worded(&mut self, statement: &str, exact: bool) -> String {
        let persona = self.persona;
        let text = bare(statement);
        let own = self.child.is_some() && own_words(text);
        let blur = exact && persona.recall != Recall::Good && self.draw.chance(80);
        let clip = match persona.style {
            LanguageStyle::Terse => 85,
            LanguageStyle::Formal => 0,
            _ if !persona.mbti.extravert => 35,
            LanguageStyle::Rambling => 5,
            _ => 15,
        };
        let mut worded = match self.draw.chance(clip).then(|| clipped(text)).flatten() {
            Some(short) => short,
            None => text.to_owned(),
        };
        if persona.style == LanguageStyle::Formal {
            worded = formal(&worded);
        }
        if blur && let Some(vague) = blurred(&worded, ["about", "around", "roughly"][self.draw.below(3)]) {
            worded = vague;
        }
        match self.child {
            Some(sex) if own => of_child(&worded, sex),
            _ => worded,
        }
    }
}

/// An imported record may file "I do not smoke" as what it holds; "Yes, I do not smoke" is nobody's English.
fn worded_as_denial(text: &str) -> bool {
    const DENIALS: [&str; 12] = [
        "I do not ",
        "I don't ",
        "I have not ",
        "I haven't ",
        "I've not ",
        "I have never ",
        "I've never ",
        "I never ",
        "No ",
        "Not ",
        "There is no ",
        "There's no ",
    ];
    DENIALS.iter().any(|d| text.starts_with(d))
}
