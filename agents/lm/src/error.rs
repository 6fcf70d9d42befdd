//! What can go wrong between a file on disk and a number from a tensor.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum LmError {
    #[error("{}", brief(.0))]
    Candle(#[from] candle_core::Error),
    #[error(
        "{path}: {source}\nhint: check the path and its permissions; a policy is a folder with config.json, tokenizer.json and *.safetensors"
    )]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{what}\nhint: {hint}")]
    Unsupported { what: String, hint: String },
    #[error("tensor `{name}`: {problem}")]
    Tensor { name: String, problem: String },
    #[error(
        "{path}: {problem}\nhint: the file is damaged, cut off or of another kind: get it again; `bedside models list --verify` looks over what was imported"
    )]
    Format { path: PathBuf, problem: String },
    /// A batch or a cache was used against its rules.
    #[error("{0}")]
    Misuse(String),
    /// A parameter that should learn received no gradient; training on would leave it where it is, silently.
    #[error("no gradient reached {0}")]
    NoGradient(String),
}

/// What a tensor library says, without the frames of the stack that it adds where backtraces are on.
pub(crate) fn brief(e: &candle_core::Error) -> String {
    e.to_string().lines().next().unwrap_or_default().to_owned()
}

pub type Result<T> = std::result::Result<T, LmError>;

impl LmError {
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> LmError {
        let path = path.into();
        move |source| LmError::Io { path, source }
    }

    /// The same, with the file it is about.
    pub(crate) fn within(path: &Path) -> impl FnOnce(LmError) -> LmError {
        move |e| match e {
            LmError::Candle(e) => LmError::Format { path: path.to_owned(), problem: brief(&e) },
            LmError::Tensor { name, problem } => {
                LmError::Format { path: path.to_owned(), problem: format!("tensor `{name}` {problem}") }
            }
            e => e,
        }
    }

    pub(crate) fn misuse(what: impl Into<String>) -> LmError {
        LmError::Misuse(what.into())
    }
}
