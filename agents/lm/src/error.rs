//! What can go wrong between a file on disk and a number from a tensor.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LmError {
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{what}\nhint: {hint}")]
    Unsupported { what: String, hint: String },
    #[error("tensor `{name}`: {problem}")]
    Tensor { name: String, problem: String },
    #[error("{path}: {problem}")]
    Format { path: PathBuf, problem: String },
    /// A batch or a cache was used against its rules.
    #[error("{0}")]
    Misuse(String),
    /// A parameter that should learn received no gradient; training on would leave it where it is, silently.
    #[error("no gradient reached {0}")]
    NoGradient(String),
}

pub type Result<T> = std::result::Result<T, LmError>;

impl LmError {
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LmError {
        let path = path.into();
        move |source| LmError::Io { path, source }
    }

    pub(crate) fn misuse(what: impl Into<String>) -> LmError {
        LmError::Misuse(what.into())
    }
}
