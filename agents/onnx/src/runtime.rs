//! ONNX Runtime itself: found, loaded once, and shared by all models of the process.

use bedside_env::PolicyError;
use bedside_lm::chat::ChatError;
use bedside_lm::tokens::TokenError;
use ort::environment::Environment;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The environment variable that names the library; the runtime's own documentation calls it so.
pub const LIBRARY: &str = "ORT_DYLIB_PATH";

/// Why there is no doctor, or no logits.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    #[error(
        "ONNX Runtime is not there: {0}\nhint: `pip install onnxruntime` and set {LIBRARY} to its capi/libonnxruntime.so.1.x; 1.24 or later"
    )]
    Runtime(String),
    #[error("{path}: {message}\nhint: {hint}")]
    File { path: PathBuf, message: String, hint: &'static str },
    #[error("the model's {what}: {message}\nhint: export it as a causal language model without a cache")]
    Shape { what: &'static str, message: String },
    #[error("the model could not be run: {0}\nhint: try it with ONNX Runtime alone")]
    Run(#[from] ort::Error),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl OnnxError {
    pub(crate) fn file(path: PathBuf, message: impl Display, hint: &'static str) -> OnnxError {
        OnnxError::File { path, message: message.to_string(), hint }
    }
}

/// The process's environment; a failure is remembered, since a second try cannot end otherwise.
pub(crate) fn environment() -> Result<&'static Environment, OnnxError> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let made = ENVIRONMENT.get_or_init(|| {
        let path = std::env::var_os(LIBRARY).ok_or_else(|| format!("{LIBRARY} is not set"))?;
        let builder = ort::init_from(&path).map_err(|e| format!("{}: {e}", PathBuf::from(&path).display()))?;
        builder.with_name("bedside").build().map_err(|e| e.to_string())
    });
    made.as_ref().map_err(|why| OnnxError::Runtime(why.clone()))
}
