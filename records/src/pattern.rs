//! The crate's own regular expressions. They are constants, so one that does not compile is a mistake of this build (a feature of
//! the `regex` crate is missing, for instance) and must not pass for a pattern that never matches.

use regex::Regex;

/// Compiles a pattern of this crate.
///
/// # Panics
/// On a pattern that does not compile, with the pattern and the reason.
pub(crate) fn compiled(text: impl AsRef<str>) -> Regex {
    let text = text.as_ref();
    Regex::new(text).unwrap_or_else(|e| panic!("a pattern of bedside-records does not compile: {text}: {e}"))
}
