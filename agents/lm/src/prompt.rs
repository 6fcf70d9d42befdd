//! From an observation to the messages a language model reads. All that the doctor may know is in there, nothing else can be,
//! and it fits a budget of tokens: the oldest turns go first, the complaint never.

use crate::chat::{ChatError, ChatTemplate, Message, Role};
use crate::parse::{DIAGNOSIS, EXAMINE, TEST, protocol_form, render_reply};
use crate::tokens::Tokenizer;
use bedside_env::{DoctorTurn, Line, Observation, Speaker, Told};
use bedside_records::{Polarity, Topic};
use serde::{Deserialize, Serialize};

pub mod stream;

/// How an observation is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// A system message with the protocol, then the dialogue as alternating messages: for models that follow instructions.
    Full,
    /// One short message, a letter a speaker and no instructions: for tiny models that learnt the protocol from examples.
    Compact,
    /// As compact, as one run of tokens that only grows ([`stream`]); no chat template. For tiny models trained from scratch.
    Stream,
}

/// How a prompt is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptConfig {
    pub style: Style,
    /// Tokens of a whole prompt, the template's own included.
    pub max_tokens: usize,
    /// Ask for reasoning between `<think>` and `</think>` first ([`Style::Full`]).
    pub think: bool,
}

impl PromptConfig {
    pub fn full() -> PromptConfig {
        PromptConfig { style: Style::Full, max_tokens: 3_072, think: false }
    }
    pub fn stream() -> PromptConfig {
        PromptConfig { style: Style::Stream, max_tokens: 704, think: false }
    }
    pub fn compact() -> PromptConfig {
        PromptConfig { style: Style::Compact, max_tokens: 256, think: false }
    }
}

/// Tokens to imitate: only those of the reply are learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub prompt_ids: Vec<u32>,
    pub reply_ids: Vec<u32>,
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    #[error(
        "the shortest prompt has {tokens} tokens and {max} are allowed\nhint: raise max_tokens, or use the compact style"
    )]
    TooLong { tokens: usize, max: usize },
    #[error(transparent)]
    Chat(#[from] ChatError),
}

/// What of a long consultation is left out.
#[derive(Clone, Copy)]
struct Cut {
    /// Doctor turns dropped, oldest first.
    turns: u32,
    /// Characters kept of any one line.
    chars: usize,
}

const WHOLE: Cut = Cut { turns: 0, chars: usize::MAX };

impl Cut {
    /// How many facts of dropped turns are recalled in a word each.
    fn recalled(self) -> usize {
        if self.chars == usize::MAX { 24 } else { 0 }
    }
}

impl PromptConfig {
    /// The whole consultation so far, however long.
    pub fn messages(&self, o: &Observation) -> Vec<Message> {
        self.cut_messages(o, WHOLE)
    }

    /// The prompt as token ids, at most `max_tokens` of them, up to where the doctor's reply begins.
    pub fn ids(&self, o: &Observation, chat: &ChatTemplate, tokenizer: &Tokenizer) -> Result<Vec<u32>, PromptError> {
        let encode = |cut: Cut| match self.style {
            Style::Stream => stream::ids(o, cut, tokenizer),
            _ => Ok(chat.prompt_ids(tokenizer, &self.cut_messages(o, cut))?),
        };
        let whole = encode(WHOLE)?;
        if whole.len() <= self.max_tokens {
            return Ok(whole);
        }
        // More dropped turns make a shorter prompt, but for the few words that recall them: bisect, then make sure.
        // The last exchange always stays.
        let most = o.turn.saturating_sub(1);
        let (mut low, mut high) = (1.min(most), most);
        while low < high {
            let middle = low + (high - low) / 2;
            let fits = encode(Cut { turns: middle, ..WHOLE })?.len() <= self.max_tokens;
            (low, high) = if fits { (low, middle) } else { (middle + 1, high) };
        }
        for turns in low..=most {
            let ids = encode(Cut { turns, ..WHOLE })?;
            if ids.len() <= self.max_tokens {
                return Ok(ids);
            }
        }
        // One exchange alone is too long: shorten its lines.
        let mut tokens = whole.len();
        for chars in [1_600, 800, 400, 200, 100, 50, 25, 12] {
            let ids = encode(Cut { turns: most, chars })?;
            if ids.len() <= self.max_tokens {
                return Ok(ids);
            }
            tokens = ids.len();
        }
        Err(PromptError::TooLong { tokens, max: self.max_tokens })
    }

    /// A turn that a teacher took, for imitation: the prompt a model would have been given, and what it should have written, its
    /// end token included.
    pub fn example(
        &self,
        o: &Observation,
        turn: &DoctorTurn,
        chat: &ChatTemplate,
        tokenizer: &Tokenizer,
    ) -> Result<Example, PromptError> {
        let prompt_ids = self.ids(o, chat, tokenizer)?;
        let mut reply_ids = tokenizer.encode(&tokenizer.harmless(&render_reply(turn))).map_err(ChatError::from)?;
        reply_ids.extend(tokenizer.special().eos.first());
        Ok(Example { prompt_ids, reply_ids })
    }

    fn cut_messages(&self, o: &Observation, cut: Cut) -> Vec<Message> {
        match self.style {
            Style::Full => full(o, cut, self.think),
            Style::Compact | Style::Stream => vec![Message::new(Role::User, compact(o, cut))],
        }
    }
}

/// The rules of the consultation, in words.
pub fn protocol(think: bool) -> String {
    let mut text = format!(
        "You are a doctor seeing a patient. Find out what is wrong by asking, examining and testing, then give your diagnosis.\n\
         Write one thing a turn, in plain and kind words, one question at a time. What you may write:\n\
         - what you say to the patient, as plain text\n\
         - {EXAMINE} [part of the body]\n\
         - {TEST} [name of the test]\n\
         - {DIAGNOSIS} [most likely diagnosis; second; third] and after it, in the same message, your plan for the patient. \
         This ends the consultation.\n\
         The number of turns is limited; give your diagnosis before they run out."
    );
    if think {
        text.push_str("\nYou may think first, between <think> and </think>. The patient does not see that.");
    }
    text
}

fn full(o: &Observation, cut: Cut, think: bool) -> Vec<Message> {
    let mut opening = format!("You see {}.", o.patient);
    if cut.turns > 0 {
        opening.push_str(&format!(" (The first {} of your turns are left out here.)", cut.turns));
        let known: Vec<&str> = recalled(o, cut).map(|t| t.statement.as_str()).collect();
        if !known.is_empty() {
            opening.push_str(&format!("\nTold in them: {}", known.join("; ")));
        }
        let unknown: Vec<String> = unknown(o, cut).map(|t| t.to_string().replace('_', " ")).collect();
        if !unknown.is_empty() {
            opening.push_str(&format!("\nThe patient does not know: {}", unknown.join("; ")));
        }
    }
    opening.push_str(&format!("\nPatient: {}", shorten(&o.chief_complaint, cut)));

    let mut messages = vec![Message::new(Role::System, protocol(think)), Message::new(Role::User, opening)];
    for line in told_lines(o, cut) {
        let (role, text) = match line.speaker {
            Speaker::Doctor => (Role::Assistant, shorten(&protocol_form(&line.text), cut)),
            Speaker::Patient => (Role::User, format!("Patient: {}", shorten(&line.text, cut))),
            Speaker::Chart => (Role::User, format!("Chart: {}", shorten(&line.text, cut))),
        };
        match messages.last_mut().filter(|m| m.role == role) {
            Some(last) => last.content.push_str(&format!("\n{text}")),
            None => messages.push(Message::new(role, text)),
        }
    }
    if messages.last().is_some_and(|m| m.role == Role::Assistant) {
        messages.push(Message::new(Role::User, "(no answer)"));
    }
    if let Some(last) = messages.last_mut() {
        last.content.push_str(&format!("\n({} left)", turns(o.turns_left)));
    }
    messages
}

fn turns(n: u32) -> String {
    if n == 1 { "1 turn".to_owned() } else { format!("{n} turns") }
}

/// `D:` doctor, `P:` patient, `X:` examination or test; `K:` what dropped turns told, `+` there, `-` not, `?` not known; `T:` turns left.
fn compact(o: &Observation, cut: Cut) -> String {
    let mut text = format!("{}\nP: {}", o.patient, shorten(&o.chief_complaint, cut));
    if let Some(known) = known(o, cut) {
        text.push_str(&format!("\nK: {known}"));
    }
    for line in told_lines(o, cut) {
        let (letter, said) = match line.speaker {
            Speaker::Doctor => ('D', protocol_form(&line.text)),
            Speaker::Patient => ('P', line.text.to_string()),
            Speaker::Chart => ('X', line.text.to_string()),
        };
        text.push_str(&format!("\n{letter}: {}", shorten(&said, cut)));
    }
    text.push_str(&format!("\nT: {}", o.turns_left));
    text
}

/// What dropped turns told, a word each.
fn known(o: &Observation, cut: Cut) -> Option<String> {
    let told = recalled(o, cut).map(|t| {
        let sign = if t.polarity == Polarity::Present { '+' } else { '-' };
        format!("{sign}{}", t.topic)
    });
    let known: Vec<String> = told.chain(unknown(o, cut).map(|t| format!("?{t}"))).collect();
    (!known.is_empty()).then(|| known.join(" "))
}

/// The dialogue after the complaint, without the turns that are dropped.
fn told_lines(o: &Observation, cut: Cut) -> impl Iterator<Item = &Line> {
    let complaint = o.dialogue.first().is_some_and(|l| l.turn == 0 && l.text == o.chief_complaint);
    o.dialogue
        .iter()
        .skip(usize::from(complaint))
        .filter(move |l| l.turn > cut.turns || (l.turn == 0 && cut.turns == 0))
}

/// What the dropped turns told, the latest of it; nothing once lines have to be shortened.
fn recalled(o: &Observation, cut: Cut) -> impl Iterator<Item = &Told> {
    let dropped: Vec<&Told> = o.told.iter().filter(|t| (1..=cut.turns).contains(&t.turn)).map(|t| &**t).collect();
    let from = dropped.len() - dropped.len().min(cut.recalled());
    dropped.into_iter().skip(from)
}

/// What the patient could not answer. The dialogue says so itself until turns are dropped.
fn unknown(o: &Observation, cut: Cut) -> impl Iterator<Item = &Topic> {
    let shown = if cut.turns > 0 { cut.recalled() } else { 0 };
    o.unknown.iter().skip(o.unknown.len() - o.unknown.len().min(shown))
}

fn shorten(text: &str, cut: Cut) -> String {
    let line = text.replace(['\n', '\r'], " ");
    match line.char_indices().nth(cut.chars) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
pub(crate) mod tests;
