//! What can go wrong between a question and its answer. None of it is ever an empty text.

use crate::reply::ChatReply;
use crate::store::{Miss, StoreError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A call that gave no reply. Each message is a sentence, then a hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum ChatError {
    #[error(
        "no reply within {after:?} ({attempts} attempts)\nhint: the server is slow or hangs; look at its queue, or raise the deadline"
    )]
    Timeout { after: Duration, attempts: u32 },
    #[error("{what} ({attempts} attempts)\nhint: check that the server runs and that its address is right")]
    Connection { what: String, attempts: u32 },
    #[error(
        "the server asks to call less often: {message} ({attempts} attempts)\nhint: lower the concurrency of this backend"
    )]
    RateLimited { retry_after: Option<Duration>, message: String, attempts: u32 },
    #[error(
        "the server failed with status {status}: {message} ({attempts} attempts)\nhint: look at the server's own log"
    )]
    Server { status: u16, message: String, attempts: u32 },
    /// Asking again would not help.
    #[error("the call was refused ({status}): {message}\nhint: {}", reason.hint())]
    Refused { status: u16, reason: Refusal, message: String },
    /// A reply came that is not one.
    #[error(
        "the reply cannot be read: {what}; it begins with `{excerpt}` ({attempts} attempts)\nhint: check that the address is that of a chat API"
    )]
    Malformed { what: String, excerpt: String, attempts: u32 },
    /// The model used up its tokens before it said anything. What it thought and cost is in the reply.
    #[error(
        "the model reached its limit of tokens before it said anything\nhint: raise max_tokens, or turn reasoning off"
    )]
    Unfinished(Box<ChatReply>),
    #[error("the call was cancelled")]
    Cancelled,
    /// Replaying, and this call is not among the stored ones.
    #[error("this call was never recorded: {0}")]
    Unseen(Box<Miss>),
    /// The caller's mistake.
    #[error("this request cannot be sent: {0}")]
    Request(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A model in process failed.
    #[error("the model in process failed: {0}")]
    Model(String),
}

/// Why a server refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Prompt and reply do not fit the model's context.
    ContextLength,
    /// The key is missing or wrong, or may not do this.
    Key,
    /// No such model or path.
    NotFound,
    /// A filter of the server, or the model's own refusal where the API marks it.
    Content,
    /// The server sends the caller elsewhere; calls do not follow, since they carry a key.
    Redirect,
    /// Money or quota is used up.
    Quota,
    Other,
}

impl Refusal {
    fn hint(self) -> &'static str {
        match self {
            Refusal::ContextLength => "shorten the conversation or lower max_tokens",
            Refusal::Key => "set the environment variable that holds the key",
            Refusal::NotFound => "check the model's name and the base URL; most end in /v1",
            Refusal::Content => "the server or model declines this conversation",
            Refusal::Redirect => "use the address it points to as the base URL",
            Refusal::Quota => "the account behind the key has nothing left",
            Refusal::Other => "the message names what the server does not accept",
        }
    }
}

impl ChatError {
    /// One word for counters and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            ChatError::Timeout { .. } => "timeout",
            ChatError::Connection { .. } => "connection",
            ChatError::RateLimited { .. } => "rate_limited",
            ChatError::Server { .. } => "server",
            ChatError::Refused { .. } => "refused",
            ChatError::Malformed { .. } => "malformed",
            ChatError::Unfinished(_) => "unfinished",
            ChatError::Cancelled => "cancelled",
            ChatError::Unseen(_) => "unseen",
            ChatError::Request(_) => "request",
            ChatError::Store(_) => "store",
            ChatError::Model(_) => "model",
        }
    }

    /// Whether this is what came of a call, to be recorded and replayed as it was, and not something about the caller.
    pub fn is_outcome(&self) -> bool {
        !matches!(self, ChatError::Cancelled | ChatError::Unseen(_) | ChatError::Request(_) | ChatError::Store(_))
    }

    pub(crate) fn after_attempts(mut self, n: u32) -> ChatError {
        match &mut self {
            ChatError::Timeout { attempts, .. }
            | ChatError::Connection { attempts, .. }
            | ChatError::RateLimited { attempts, .. }
            | ChatError::Server { attempts, .. }
            | ChatError::Malformed { attempts, .. } => *attempts = n,
            _ => {}
        }
        self
    }
}

/// The beginning of a text, on one line, without control characters.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}
