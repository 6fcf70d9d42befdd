//! Who answers: a chat model, or answers that are there already.

use super::data::{Example, ReadError, lines};
use bedside_chat::{CallOptions, ChatBackend, ChatRequest, Finish, Message, Parameters, Usage};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A policy of single answers.
pub enum Policy {
    Model {
        backend: Arc<dyn ChatBackend>,
        model: String,
        /// A system message before the prompt's own, for models that want one.
        system: Option<String>,
        parameters: Box<Parameters>,
        options: CallOptions,
    },
    Answers {
        /// What stands in the report.
        name: String,
        /// By `prompt_id` and sample.
        answers: BTreeMap<(String, u32), String>,
    },
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub text: String,
    /// It ended at the limit of tokens.
    pub cut: bool,
    pub usage: Option<Usage>,
}

impl Policy {
    /// Name, and all that may change an answer.
    pub fn id(&self) -> String {
        match self {
            Policy::Answers { name, .. } => name.clone(),
            Policy::Model { model, system, parameters, .. } => {
                let how = bedside_env::Digest::of("bedside policy 1", &(system, parameters.digest()));
                format!("{model} {how}")
            }
        }
    }

    /// What is asked of a model for an example; `None` where answers are there already.
    pub fn request(&self, example: &Example, sample: u32) -> Option<ChatRequest> {
        let Policy::Model { model, system, parameters, .. } = self else { return None };
        let own = example.prompt.iter().map(|t| match &*t.role {
            "system" => Message::system(&*t.text),
            "assistant" => Message::assistant(&*t.text),
            _ => Message::user(&*t.text),
        });
        let messages = system.iter().map(Message::system).chain(own).collect();
        Some(ChatRequest::new(model.clone(), messages).with_parameters((**parameters).clone()).with_sample(sample))
    }

    /// The answer, or why there is none: that is no answer of no worth, and is not scored.
    pub async fn answer(&self, example: &Example, sample: u32) -> Result<Given, String> {
        match self {
            Policy::Answers { answers, .. } => match answers.get(&(example.prompt_id.clone(), sample)) {
                Some(text) => Ok(Given { text: text.clone(), ..Given::default() }),
                None => Err("there is no recorded answer".to_owned()),
            },
            Policy::Model { backend, options, .. } => {
                let Some(request) = self.request(example, sample) else { return Err("no model".to_owned()) };
                match backend.call(&request, options).await {
                    Ok(reply) => {
                        let cut = reply.finish == Finish::Length;
                        Ok(Given { text: reply.text, cut, usage: reply.usage })
                    }
                    Err(e) => Err(format!("{}: {}", e.kind(), e.to_string().lines().next().unwrap_or_default())),
                }
            }
        }
    }

    /// Answers from JSONL: `prompt_id`, `response` (or `completion`), and `sample` from 0 where there are several.
    pub fn read(path: &Path) -> Result<Policy, ReadError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| ReadError::File { path: name.clone(), why: e.to_string() })?;
        let answers = Policy::answers(&bytes).map_err(|e| e.of(path))?;
        let digest = super::data::sha256(&bytes);
        Ok(Policy::Answers { name: format!("answers {}", &digest[..16]), answers })
    }

    fn answers(bytes: &[u8]) -> Result<BTreeMap<(String, u32), String>, ReadError> {
        let mut answers = BTreeMap::new();
        for (line, text) in lines(bytes)? {
            let raw: Raw = serde_json::from_str(text).map_err(|e| ReadError::Line { line, why: e.to_string() })?;
            let key = (raw.prompt_id, raw.sample);
            if answers.insert(key.clone(), raw.response).is_some() {
                let why = format!("sample {} of `{}` was there before", key.1, key.0);
                return Err(ReadError::Line { line, why });
            }
        }
        if answers.is_empty() { Err(ReadError::Empty) } else { Ok(answers) }
    }

    /// The physicians' own answers, where the file has them.
    pub fn ideal(examples: &[Example]) -> Policy {
        let of = |e: &Example| Some(((e.prompt_id.clone(), 0), e.ideal.as_ref()?.ideal_completion.clone()?));
        Policy::Answers {
            name: "physicians' ideal completions".to_owned(),
            answers: examples.iter().filter_map(of).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    prompt_id: String,
    #[serde(alias = "completion")]
    response: String,
    #[serde(default)]
    sample: u32,
}
