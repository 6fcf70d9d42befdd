//! A language model as the doctor.

use crate::chat::ChatTemplate;
use crate::generate::{Decode, Finish, Request, generate};
use crate::parse::{DIAGNOSIS, parse_reply};
use crate::prompt::PromptConfig;
use crate::sample::Sampling;
use crate::tokens::Tokenizer;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::{Decision, Observation, Policy, PolicyError, TokenTrace};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a language model plays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LmPolicyConfig {
    pub prompt: PromptConfig,
    pub sampling: Sampling,
    /// Tokens of one reply at most; a longer one is cut and played as it stands.
    pub max_new_tokens: usize,
    /// Texts that end a reply besides the model's own end tokens.
    pub stop: Vec<String>,
    /// On the last turn the reply begins with `DIAGNOSIS READY: [`, masked, so that a consultation ends with a diagnosis.
    pub force_conclusion: bool,
}

impl LmPolicyConfig {
    /// For models that follow instructions.
    pub fn full() -> LmPolicyConfig {
        LmPolicyConfig {
            prompt: PromptConfig::full(),
            sampling: Sampling::default(),
            max_new_tokens: 256,
            stop: Vec::new(),
            force_conclusion: false,
        }
    }

    /// For tiny models trained from scratch on whole consultations as runs of tokens.
    pub fn stream() -> LmPolicyConfig {
        let prompt = PromptConfig::stream();
        LmPolicyConfig { prompt, max_new_tokens: 64, force_conclusion: true, ..LmPolicyConfig::full() }
    }

    /// For tiny models trained on the compact style; they say one line a turn.
    pub fn compact() -> LmPolicyConfig {
        LmPolicyConfig {
            prompt: PromptConfig::compact(),
            max_new_tokens: 64,
            stop: vec!["\n".to_owned()],
            ..LmPolicyConfig::full()
        }
    }
}

/// What a policy has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub decisions: u64,
    /// Tokens of prompts, then of replies.
    pub prompt_tokens: u64,
    pub reply_tokens: u64,
    /// Replies that were cut.
    pub truncated: u64,
}

/// A decision and how its text ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub decision: Decision,
    pub finish: Finish,
}

/// Plays the doctor with a language model, all turns of a call in one batched generation.
pub struct LmPolicy<D> {
    name: String,
    model: D,
    tokenizer: Arc<Tokenizer>,
    chat: Arc<ChatTemplate>,
    config: LmPolicyConfig,
    /// The tokens of a forced conclusion.
    conclusion: Vec<u32>,
    tally: Tally,
}

fn refused(message: impl std::fmt::Display, hint: &str) -> PolicyError {
    // Errors of this crate carry their hint after a line break.
    let text = message.to_string();
    match text.split_once("\nhint: ") {
        Some((message, hint)) => PolicyError { message: message.to_owned(), hint: hint.to_owned() },
        None => PolicyError { message: text, hint: hint.to_owned() },
    }
}

impl<D: Decode> LmPolicy<D> {
    /// `name` stands in logs: model and version.
    pub fn new(
        name: impl Into<String>,
        model: D,
        tokenizer: Arc<Tokenizer>,
        chat: Arc<ChatTemplate>,
        config: LmPolicyConfig,
    ) -> Result<LmPolicy<D>, PolicyError> {
        let wanted = config.prompt.max_tokens + config.max_new_tokens;
        if wanted > model.positions() || config.max_new_tokens > model.room() {
            let (positions, room) = (model.positions(), model.room());
            return Err(PolicyError {
                message: format!(
                    "prompt and reply may take {wanted} tokens of {positions} positions, the reply {} of a row's {room}",
                    config.max_new_tokens
                ),
                hint: "lower prompt.max_tokens or max_new_tokens, or make the cache's rows longer".to_owned(),
            });
        }
        let conclusion = tokenizer
            .encode(&format!("{DIAGNOSIS} ["))
            .map_err(|e| refused(e, "the tokenizer must know plain text"))?;
        Ok(LmPolicy { name: name.into(), model, tokenizer, chat, config, conclusion, tally: Tally::default() })
    }

    /// One reply an observation, in order.
    pub fn reply(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Reply>, PolicyError> {
        let prompt = |o: &Observation| self.config.prompt.ids(o, &self.chat, &self.tokenizer);
        let prompts: Vec<Vec<u32>> = turns
            .iter()
            .map(|(o, _)| prompt(o).map_err(|e| refused(e, "check the model's chat template")))
            .collect::<Result<_, _>>()?;
        let requests: Vec<Request<'_>> = turns
            .iter()
            .zip(&prompts)
            .map(|((o, seed), prompt)| Request {
                prompt,
                forced: if self.config.force_conclusion && o.turns_left <= 1 { &self.conclusion } else { &[] },
                seed: turn_seed(*seed, o.turn),
                max_new_tokens: self.config.max_new_tokens,
            })
            .collect();
        let LmPolicyConfig { sampling, stop, .. } = &self.config;
        let generated = generate(&mut self.model, &self.tokenizer, sampling, stop, &requests)
            .map_err(|e| refused(e, "check that model and tokenizer belong together"))?;
        let replies = prompts.into_iter().zip(generated).map(|(prompt_ids, g)| {
            self.tally.decisions += 1;
            self.tally.prompt_tokens += prompt_ids.len() as u64;
            self.tally.reply_tokens += g.ids.len() as u64;
            self.tally.truncated += u64::from(g.truncated());
            let trace = TokenTrace { prompt_ids, ids: g.ids, log_probs: g.log_probs, mask: g.mask };
            Reply { decision: Decision { turn: parse_reply(&g.text), trace: Some(trace) }, finish: g.finish }
        });
        Ok(replies.collect())
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    pub fn config(&self) -> &LmPolicyConfig {
        &self.config
    }

    /// Draws otherwise from now on.
    pub fn set_sampling(&mut self, sampling: Sampling) {
        self.config.sampling = sampling;
    }

    /// The model, for a trainer that gives it new weights.
    pub fn model_mut(&mut self) -> &mut D {
        &mut self.model
    }
}

/// A seed for one turn. A consultation that is played again, or forked, from the same policy seed draws the same tokens for the
/// same prompt.
fn turn_seed(seed: Seed, turn: u32) -> Seed {
    Seed(Draw::new(seed, b"lm turn", turn, Purpose::Policy).next_u64())
}

impl<D: Decode + Send> Policy for LmPolicy<D> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        Ok(self.reply(turns)?.into_iter().map(|r| r.decision).collect())
    }
}

#[cfg(test)]
mod tests;
