//! Text and token ids. A tokenizer comes from a `tokenizer.json`, from the metadata of a GGUF file, or is trained here on a small
//! corpus; all three end as the same thing.

mod gguf;
mod train;

#[cfg(test)]
pub(crate) mod tests;

pub use gguf::GgufVocab;
pub use train::{SPECIAL_TOKENS, train_bpe};

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Why there is no tokenizer, or no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{path}: {message}\nhint: {hint}")]
    File { path: String, message: String, hint: &'static str },
    #[error("the tokenizer is not usable: {0}\nhint: it must be a tokenizer.json of the `tokenizers` library")]
    Json(String),
    #[error("the GGUF metadata {0}\nhint: import the model from its Hugging Face folder instead")]
    Gguf(String),
    #[error("the text could not be encoded: {0}")]
    Encode(String),
    #[error(
        "a vocabulary of {asked} tokens is too small\nhint: {least} are needed for the bytes and the special tokens alone"
    )]
    SmallVocabulary { asked: usize, least: usize },
}

/// Ids that mean something to the sampler and the template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Special {
    pub bos: Option<u32>,
    /// All that end a reply; the first is the one that `eos_token` names.
    pub eos: Vec<u32>,
    pub pad: Option<u32>,
}

/// Turns text into ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: Special,
    /// The bytes of each token, so that a text can be watched while it is written; special tokens have none.
    bytes: Vec<Vec<u8>>,
    /// Texts that the encoder takes for special tokens.
    marks: Vec<String>,
}

impl Tokenizer {
    /// From the bytes of a `tokenizer.json`.
    pub fn from_json(json: &[u8], special: Special) -> Result<Tokenizer, TokenError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(|e| TokenError::Json(e.to_string()))?;
        // Some files carry what a training script last did with them; here a text is encoded whole.
        inner.with_truncation(None).map_err(|e| TokenError::Json(e.to_string()))?;
        inner.with_padding(None);
        let added: BTreeMap<u32, (String, bool)> =
            inner.get_added_tokens_decoder().iter().map(|(id, t)| (*id, (t.content.clone(), t.special))).collect();
        let byte_level = serde_json::to_string(&inner.get_decoder()).is_ok_and(|d| d.contains("ByteLevel"));
        let highest = inner.get_vocab(true).values().copied().max().map_or(0, |id| id as usize + 1);
        let bytes = (0..highest as u32)
            .map(|id| match (added.get(&id), inner.id_to_token(id)) {
                (Some((_, true)), _) | (None, None) => Vec::new(),
                (Some((content, false)), _) => content.clone().into_bytes(),
                (None, Some(token)) if byte_level => byte_level_bytes(&token),
                (None, Some(token)) => sentence_piece_bytes(&token),
            })
            .collect();
        let marks =
            added.into_values().filter(|(content, special)| *special && !content.is_empty()).map(|a| a.0).collect();
        Ok(Tokenizer { inner, special, bytes, marks })
    }

    /// From a model folder: `tokenizer.json`, and the special tokens from `tokenizer_config.json`, `generation_config.json` and
    /// `config.json` as far as they are there.
    pub fn from_folder(folder: &Path) -> Result<Tokenizer, TokenError> {
        Tokenizer::from_files(|name| {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                other => other.map(Some).map_err(|e| TokenError::File {
                    path: path.display().to_string(),
                    message: e.to_string(),
                    hint: "check that it can be read",
                }),
            }
        })
    }

    /// The same from files by name, wherever they are; `None` is a file that is not there.
    pub fn from_files(read: impl Fn(&str) -> Result<Option<Vec<u8>>, TokenError>) -> Result<Tokenizer, TokenError> {
        let wrong = |name: &str, message: String, hint| TokenError::File { path: name.to_owned(), message, hint };
        let json = read("tokenizer.json")?.ok_or_else(|| {
            wrong("tokenizer.json", "there is no such file".to_owned(), "a model folder needs a tokenizer.json")
        })?;
        let mut tokenizer = Tokenizer::from_json(&json, Special::default())?;
        let read = |name: &str| -> Result<Value, TokenError> {
            let Some(bytes) = read(name)? else { return Ok(Value::Null) };
            let hint = "the file must be JSON as Hugging Face writes it";
            serde_json::from_slice(&bytes).map_err(|e| wrong(name, e.to_string(), hint))
        };
        let config = read("tokenizer_config.json")?;
        let named = |key: &str| -> Option<u32> {
            let token = config[key].as_str().or_else(|| config[key]["content"].as_str())?;
            tokenizer.id(token)
        };
        let mut special =
            Special { bos: named("bos_token"), eos: named("eos_token").into_iter().collect(), pad: named("pad_token") };
        for file in [read("generation_config.json")?, read("config.json")?] {
            for id in ids_of(&file["eos_token_id"]) {
                if !special.eos.contains(&id) {
                    special.eos.push(id);
                }
            }
            special.bos = special.bos.or_else(|| ids_of(&file["bos_token_id"]).first().copied());
            special.pad = special.pad.or_else(|| ids_of(&file["pad_token_id"]).first().copied());
        }
        tokenizer.special = special;
        Ok(tokenizer)
    }

    /// From the metadata of a GGUF file.
    pub fn from_gguf(path: &Path) -> Result<Tokenizer, TokenError> {
        GgufVocab::read(path)?.tokenizer()
    }

    /// The ids of a text; what looks like a special token in it is one. [`Tokenizer::harmless`] prevents that for words that
    /// people wrote.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| TokenError::Encode(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, without special tokens. Ids that are no tokens are left out; bytes that are no UTF-8 show as U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let known: Vec<u32> = ids.iter().copied().filter(|id| (*id as usize) < self.bytes.len()).collect();
        self.inner.decode(&known, true).unwrap_or_default()
    }

    /// A text that holds no special token: a space is put after the first letter of whatever would be one.
    pub fn harmless(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Breaking one may in theory join another: look again until there is none.
        while let Some((at, mark)) = self.marks.iter().find_map(|m| text.find(m.as_str()).map(|at| (at, m))) {
            let first = mark.chars().next().map_or(0, char::len_utf8);
            if first == mark.len() {
                text.replace_range(at..at + first, "\u{fffd}");
            } else {
                text.insert(at + first, ' ');
            }
        }
        text
    }

    /// The bytes that a token adds to a text; none for special and unknown ones.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    pub fn special(&self) -> &Special {
        &self.special
    }

    /// The token of an id as the vocabulary writes it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// One more than the highest id. A model's vocabulary may be padded beyond it.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json`, so that this library and transformers read the folder alike.
    pub fn save_folder(&self, folder: &Path, chat_template: &str) -> Result<(), TokenError> {
        let failed = |path: &Path, message: String| TokenError::File {
            path: path.display().to_string(),
            message,
            hint: "the folder must exist and be writable",
        };
        let path = folder.join("tokenizer.json");
        // By way of a `Value` with its vocabulary sorted by id, so that the same tokenizer is the same file.
        let json = self.inner.to_string(false).map_err(|e| TokenError::Json(e.to_string()))?;
        let mut json: Value = serde_json::from_str(&json).map_err(|e| TokenError::Json(e.to_string()))?;
        if let Some(vocab) = json["model"]["vocab"].as_object_mut() {
            let mut entries: Vec<_> = std::mem::take(vocab).into_iter().collect();
            entries.sort_by_key(|(_, id)| id.as_u64());
            vocab.extend(entries);
        }
        std::fs::write(&path, json.to_string()).map_err(|e| failed(&path, e.to_string()))?;
        let name = |id: Option<u32>| id.and_then(|id| self.token(id));
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": name(self.special.bos),
            "eos_token": name(self.special.eos.first().copied()),
            "pad_token": name(self.special.pad),
            "add_bos_token": false,
            "clean_up_tokenization_spaces": false,
            "chat_template": chat_template,
        });
        let path = folder.join("tokenizer_config.json");
        std::fs::write(&path, format!("{config:#}")).map_err(|e| failed(&path, e.to_string()))
    }
}

/// A number or a list of them.
fn ids_of(value: &Value) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    value.as_array().map_or_else(|| one(value).into_iter().collect(), |all| all.iter().filter_map(one).collect())
}

/// The byte behind each character of a byte-level vocabulary: printable Latin-1 stands for itself, the others for the letters
/// from U+0100 on, in order.
fn byte_of(c: char) -> Option<u8> {
    let code = c as u32;
    let itself = |b: u32| matches!(b, 33..=126 | 161..=172 | 174..=255);
    if itself(code) {
        return u8::try_from(code).ok();
    }
    let nth = code.checked_sub(256)? as usize;
    (0..=255u8).filter(|b| !itself(u32::from(*b))).nth(nth)
}

/// The character that stands for a byte.
fn char_of(byte: u8) -> char {
    (0u32..512).filter_map(char::from_u32).find(|c| byte_of(*c) == Some(byte)).unwrap_or('\u{fffd}')
}

fn byte_level_bytes(token: &str) -> Vec<u8> {
    token.chars().filter_map(byte_of).collect()
}

fn sentence_piece_bytes(token: &str) -> Vec<u8> {
    let byte = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>')).and_then(|t| u8::from_str_radix(t, 16).ok());
    byte.map_or_else(|| token.replace('\u{2581}', " ").into_bytes(), |b| vec![b])
}

/// What a byte-level BPE tokenizer is made of.
struct Bpe {
    /// By id.
    tokens: Vec<String>,
    merges: Vec<(String, String)>,
    /// Id, and whether the token is special (else merely never split).
    added: Vec<(u32, bool)>,
    pre_tokenizer: Value,
    normalizer: Value,
    ignore_merges: bool,
}

impl Bpe {
    /// As a `tokenizer.json`.
    fn json(&self) -> Value {
        let added: Vec<Value> = self
            .added
            .iter()
            .map(|(id, special)| {
                json!({"id": id, "content": self.tokens[*id as usize], "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special})
            })
            .collect();
        let vocab: serde_json::Map<String, Value> =
            self.tokens.iter().enumerate().map(|(id, t)| (t.clone(), Value::from(id))).collect();
        let merges: Vec<Value> = self.merges.iter().map(|(a, b)| json!([a, b])).collect();
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": added,
            "normalizer": self.normalizer,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": null,
            "decoder": byte_level(true),
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": self.ignore_merges,
                "vocab": vocab, "merges": merges},
        })
    }

    fn tokenizer(&self, special: Special) -> Result<Tokenizer, TokenError> {
        Tokenizer::from_json(self.json().to_string().as_bytes(), special)
    }
}

/// GPT-2's byte level without a leading space; with `split`, its word pattern as well.
fn byte_level(split: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": split})
}

/// Each digit a token of its own, then GPT-2's byte level: the rule of SmolLM2 and of what is trained here.
fn digits_then_byte_level() -> Value {
    json!({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level(true)]})
}

/// A word pattern, then bytes.
fn pattern_then_byte_level(pattern: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        byte_level(false),
    ]})
}
