//! A key that shows itself to nobody but the server.

use crate::error::ChatError;
use hyper::header::HeaderValue;
use std::fmt;

/// An API key. Printed, it is the name of the variable it came from.
#[derive(Clone)]
pub struct ApiKey {
    variable: String,
    secret: String,
}

impl ApiKey {
    /// Reads the key from an environment variable; its value is nowhere else in the program's arguments, files or messages.
    pub fn from_env(variable: &str) -> Result<ApiKey, ChatError> {
        let secret = std::env::var(variable).map_err(|_| {
            ChatError::Request(format!("the environment variable {variable}, which should hold the key, is not set"))
        })?;
        ApiKey::new(variable, secret)
    }

    /// A key that was had otherwise; `variable` is what it is called in messages.
    pub fn new(variable: &str, secret: impl Into<String>) -> Result<ApiKey, ChatError> {
        // Read from a file into a variable, a key often has a line end.
        let secret = secret.into().trim().to_owned();
        let key = ApiKey { variable: variable.to_owned(), secret };
        if key.secret.is_empty() {
            return Err(ChatError::Request(format!("{variable} holds an empty key")));
        }
        key.header()?;
        Ok(key)
    }

    pub(super) fn header(&self) -> Result<HeaderValue, ChatError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret))
            .map_err(|_| ChatError::Request(format!("{} holds characters that no key has", self.variable)))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The text with the key taken out.
    pub(super) fn redact(&self, text: String) -> String {
        if text.contains(&self.secret) { text.replace(&self.secret, "[key]") } else { text }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.variable)
    }
}
