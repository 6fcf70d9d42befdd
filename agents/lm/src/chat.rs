//! Messages as one text: a model's own chat template (Jinja, as Hugging Face renders it), or ChatML where it has none.

use crate::tokens::Tokenizer;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message { role, content: content.into() }
    }
}

/// Why messages could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("the chat template does not parse: {0}\nhint: templates are Jinja as in tokenizer_config.json")]
    Syntax(String),
    #[error("the chat template refused these messages: {0}\nhint: it may want user and assistant to alternate")]
    Refused(String),
    #[error(
        "the chat template failed: {0}\nhint: pass what it misses with ChatTemplate::set (a template that prints today's date wants `date_string`)"
    )]
    Failed(String),
    #[error(
        "the chat template rewrites earlier turns, so what the assistant wrote in message {message} cannot be told apart\nhint: train on one reply at a time"
    )]
    Rewrites { message: usize },
    #[error(transparent)]
    Tokens(#[from] crate::tokens::TokenError),
    #[error("{path}: {message}")]
    File { path: String, message: String },
}

/// ChatML as SmolLM2 and Qwen use it, without a default system message.
pub const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}\
                          {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// The name a template is compiled under.
const NAME: &str = "chat";

/// A compiled chat template with the values it is always given.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    values: BTreeMap<String, Value>,
}

impl ChatTemplate {
    /// Compiles a template in the dialect of Hugging Face: `trim_blocks`, `lstrip_blocks`, loop controls, Python's string and
    /// dictionary methods, `raise_exception` and `tojson`. There is no `strftime_now`: a prompt depends on no clock, so
    /// templates that test for it take their fallback, and one that insists fails.
    pub fn new(source: &str) -> Result<ChatTemplate, ChatError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_recursion_limit(64);
        // A template is somebody else's code: it may not run for ever.
        environment.set_fuel(Some(5_000_000));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
        });
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|e| ChatError::Syntax(e.to_string()))?;
        Ok(ChatTemplate { environment, source: source.to_owned(), values: BTreeMap::new() })
    }

    /// ChatML, the default.
    pub fn chatml() -> ChatTemplate {
        ChatTemplate::new(CHATML).unwrap_or_else(|e| unreachable!("a constant template compiles: {e}"))
    }

    /// The template of a model folder: `chat_template.jinja`, or `chat_template` of `tokenizer_config.json` (a text, or a list of
    /// named ones of which `default` counts); ChatML where there is none.
    pub fn from_folder(folder: &Path) -> Result<ChatTemplate, ChatError> {
        let read = |name: &str| -> Result<Option<String>, ChatError> {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(ChatError::File { path: path.display().to_string(), message: e.to_string() }),
            }
        };
        if let Some(source) = read("chat_template.jinja")? {
            return ChatTemplate::new(&source);
        }
        let Some(config) = read("tokenizer_config.json")? else { return Ok(ChatTemplate::chatml()) };
        let config: serde_json::Value = serde_json::from_str(&config).map_err(|e| ChatError::File {
            path: folder.join("tokenizer_config.json").display().to_string(),
            message: e.to_string(),
        })?;
        let source = match &config["chat_template"] {
            serde_json::Value::String(source) => Some(source.as_str()),
            serde_json::Value::Array(named) => {
                let default = named.iter().find(|t| t["name"] == "default").or(named.first());
                default.and_then(|t| t["template"].as_str())
            }
            _ => None,
        };
        source.map_or_else(|| Ok(ChatTemplate::chatml()), ChatTemplate::new)
    }

    /// Gives every rendering a value, such as `enable_thinking` or `date_string`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> ChatTemplate {
        self.values.insert(name.to_owned(), Value::from_serialize(value));
        self
    }

    /// The names of the tokenizer's special tokens, which templates print.
    #[must_use]
    pub fn with_tokens_of(mut self, tokenizer: &Tokenizer) -> ChatTemplate {
        let special = tokenizer.special();
        for (name, token) in
            [("bos_token", special.bos), ("eos_token", special.eos.first().copied()), ("pad_token", special.pad)]
        {
            if let Some(text) = token.and_then(|id| tokenizer.token(id)) {
                self.values.insert(name.to_owned(), Value::from(text));
            }
        }
        self
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The messages as text; with `reply` up to where the assistant's next words begin.
    pub fn render(&self, messages: &[Message], reply: bool) -> Result<String, ChatError> {
        let template = self.environment.get_template(NAME).map_err(|e| ChatError::Syntax(e.to_string()))?;
        let mut values = self.values.clone();
        values.insert("messages".to_owned(), Value::from_serialize(messages));
        values.insert("add_generation_prompt".to_owned(), Value::from(reply));
        template.render(values).map_err(|e| match e.detail().and_then(|d| d.split_once(RAISED)) {
            Some((_, message)) => ChatError::Refused(message.to_owned()),
            None => ChatError::Failed(e.to_string()),
        })
    }

    /// Token ids of a prompt. What people said cannot pass for the template's own marks: special tokens in it are broken up.
    pub fn prompt_ids(&self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<u32>, ChatError> {
        let harmless = harmless(tokenizer, messages);
        let text = match self.render(&harmless, true) {
            // Some templates know no system role: its words then open the first user message.
            Err(ChatError::Refused(_)) if starts_with_system(&harmless) => {
                self.render(&merge_system(&harmless), true)?
            }
            other => other?,
        };
        Ok(tokenizer.encode(&text)?)
    }

    /// A whole dialogue for supervised training: its ids, and for each 1 where the assistant wrote it (its end mark included,
    /// since it must learn to stop), else 0. Encoded piece by piece at the borders of the assistant's words, as when sampling.
    pub fn training_ids(&self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<(Vec<u32>, Vec<u8>), ChatError> {
        let mut messages = harmless(tokenizer, messages);
        if starts_with_system(&messages) && matches!(self.render(&messages, false), Err(ChatError::Refused(_))) {
            messages = merge_system(&messages);
        }
        let whole = self.render(&messages, false)?;
        let (mut ids, mut mask, mut done) = (Vec::new(), Vec::new(), 0);
        for (i, _) in messages.iter().enumerate().filter(|(_, m)| m.role == Role::Assistant) {
            let before = self.render(&messages[..i], true)?;
            let after = self.render(&messages[..=i], false)?;
            let rewrites = || ChatError::Rewrites { message: i };
            if !whole.starts_with(&after) || !after.starts_with(&before) || before.len() < done {
                return Err(rewrites());
            }
            let context = tokenizer.encode(&whole[done..before.len()])?;
            let written = tokenizer.encode(&after[before.len()..])?;
            // After the end mark there may be a line break of the template's.
            let end =
                written.iter().rposition(|t| tokenizer.special().eos.contains(t)).map_or(written.len(), |at| at + 1);
            mask.resize(mask.len() + context.len(), 0);
            mask.resize(mask.len() + end, 1);
            mask.resize(mask.len() + written.len() - end, 0);
            ids.extend(context);
            ids.extend(written);
            done = after.len();
        }
        let rest = tokenizer.encode(&whole[done..])?;
        mask.resize(mask.len() + rest.len(), 0);
        ids.extend(rest);
        Ok((ids, mask))
    }
}

/// Marks what `raise_exception` said among the engine's own messages.
const RAISED: &str = "the template says: ";

fn starts_with_system(messages: &[Message]) -> bool {
    messages.first().is_some_and(|m| m.role == Role::System) && messages.get(1).is_some_and(|m| m.role == Role::User)
}

fn merge_system(messages: &[Message]) -> Vec<Message> {
    let first = Message::new(Role::User, format!("{}\n\n{}", messages[0].content, messages[1].content));
    std::iter::once(first).chain(messages[2..].iter().cloned()).collect()
}

fn harmless(tokenizer: &Tokenizer, messages: &[Message]) -> Vec<Message> {
    messages.iter().map(|m| Message::new(m.role, tokenizer.harmless(&m.content))).collect()
}

/// `{% generation %}` marks the assistant's words in newer templates and prints nothing: a block that is always true.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find("%}") else { break };
        let tag = &rest[open..open + close + 2];
        let word = tag
            .trim_start_matches("{%")
            .trim_end_matches("%}")
            .trim_matches(|c: char| c.is_whitespace() || "-+".contains(c));
        match word {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = &rest[open + close + 2..];
    }
    out.push_str(rest);
    out
}

/// JSON as Python's `json.dumps(value, ensure_ascii=False, indent=indent)` writes it, which the stock filter does not: that one
/// escapes for HTML.
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.get::<Option<bool>>("ensure_ascii")?;
    options.assert_all_used()?;
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let json = serde_json::to_value(&value).map_err(failed)?;
    let mut out = String::new();
    write_json(&json, indent, 0, &mut out);
    Ok(out)
}

fn write_json(json: &serde_json::Value, indent: Option<usize>, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        if let Some(n) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(n.min(16) * depth));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    let list = |open: char, close: char, n: usize, out: &mut String, item: &mut dyn FnMut(usize, &mut String)| {
        out.push(open);
        for i in 0..n {
            if i > 0 {
                out.push_str(comma);
            }
            line(depth + 1, out);
            item(i, out);
        }
        if n > 0 {
            line(depth, out);
        }
        out.push(close);
    };
    match json {
        serde_json::Value::Array(items) => {
            list('[', ']', items.len(), out, &mut |i, out| write_json(&items[i], indent, depth + 1, out));
        }
        serde_json::Value::Object(map) => {
            let entries: Vec<_> = map.iter().collect();
            list('{', '}', entries.len(), out, &mut |i, out| {
                out.push_str(&format!("{}: ", serde_json::Value::from(entries[i].0.as_str())));
                write_json(entries[i].1, indent, depth + 1, out);
            });
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
