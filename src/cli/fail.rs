//! What can go wrong on the command line, as a sentence, a hint and an exit code.

use std::fmt;

/// 0 all well, 1 something does not hold, 2 the command was misused, 3 the machine or a file failed.
pub enum Fail {
    /// The reader of our output went away: no failure.
    BrokenPipe,
    /// The command's words are off.
    Usage(String),
    /// A file, folder or log cannot be used.
    Trouble(String),
}

impl Fail {
    pub fn usage(message: impl fmt::Display, hint: impl fmt::Display) -> Fail {
        Fail::Usage(format!("{message}\nhint: {hint}"))
    }
    pub fn trouble(message: impl fmt::Display, hint: impl fmt::Display) -> Fail {
        Fail::Trouble(format!("{message}\nhint: {hint}"))
    }
    pub fn code(&self) -> u8 {
        match self {
            Fail::BrokenPipe => 0,
            Fail::Usage(_) => 2,
            Fail::Trouble(_) => 3,
        }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fail::BrokenPipe => f.write_str("the output was closed"),
            Fail::Usage(s) | Fail::Trouble(s) => f.write_str(s),
        }
    }
}

impl From<std::io::Error> for Fail {
    fn from(e: std::io::Error) -> Fail {
        match e.kind() {
            std::io::ErrorKind::BrokenPipe => Fail::BrokenPipe,
            _ => Fail::trouble(e, "check the path, its permissions and the space left"),
        }
    }
}

/// Errors of the crates below carry their own hint.
macro_rules! from_hinted {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Fail {
            fn from(e: $error) -> Fail {
                Fail::Trouble(e.to_string())
            }
        })+
    };
}

from_hinted!(
    bedside::agents::bench::BenchError,
    bedside::env::EnvError,
    bedside::env::PolicyError,
    bedside::records::LibraryError,
    bedside::replays::LogError,
    bedside::replays::StoreError,
    bedside::promises::Trouble,
    bedside::train::policy_folder::FolderError,
    bedside::train::stage::RunError,
    bedside::train::teaching::TeachingError,
    bedside::runner::PlayError,
    bedside::lm::models::ModelsError,
    bedside::train::evaluate::EvaluateError,
    bedside::train::report::ReportError,
    bedside::train::speed::SpeedError,
    serde_json::Error,
);

#[cfg(feature = "onnx")]
from_hinted!(bedside_onnx::OnnxError);

impl From<bedside::train::evaluate::ContestantError> for Fail {
    fn from(e: bedside::train::evaluate::ContestantError) -> Fail {
        match e {
            bedside::train::evaluate::ContestantError::Unknown { .. } => Fail::Usage(e.to_string()),
            e => Fail::Trouble(e.to_string()),
        }
    }
}

impl From<bedside::train::stage::StageError> for Fail {
    fn from(e: bedside::train::stage::StageError) -> Fail {
        use bedside::train::stage::StageError;
        match &e {
            // Of --set, --preset and --device: words, and nothing that failed.
            StageError::Config(_) => Fail::Usage(e.to_string()),
            StageError::Other { message, .. } if message.starts_with("there is no ") => Fail::Usage(e.to_string()),
            _ => Fail::Trouble(e.to_string()),
        }
    }
}

impl From<bedside::agents::UnknownPolicy> for Fail {
    fn from(e: bedside::agents::UnknownPolicy) -> Fail {
        Fail::Usage(e.to_string())
    }
}
