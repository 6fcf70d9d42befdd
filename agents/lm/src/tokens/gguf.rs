//! The tokenizer of a GGUF file, rebuilt from its metadata. candle ships a reader of its own, which gives wrong ids for SmolLM2:
//! it puts a space in front and does not split digits. Here a rule that is not known is refused instead of guessed.

use super::{Bpe, Special, TokenError, Tokenizer, byte_level, digits_then_byte_level, pattern_then_byte_level};
use candle_core::quantized::gguf_file::{Content, Value};
use serde_json::json;
use std::path::Path;

/// What a GGUF file says about its tokenizer (`tokenizer.ggml.*`, `tokenizer.chat_template`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GgufVocab {
    /// `gpt2` for byte-level BPE, the only kind read here.
    pub model: String,
    /// Names the pre-tokenizer: `smollm`, `gpt-2`, `llama-bpe`, `qwen2`.
    pub pre: String,
    pub tokens: Vec<String>,
    /// `first second`, best first.
    pub merges: Vec<String>,
    /// 1 normal, 3 control, 4 user-defined; as many as tokens.
    pub token_types: Vec<i32>,
    pub bos: Option<u32>,
    pub eos: Vec<u32>,
    pub pad: Option<u32>,
    pub chat_template: Option<String>,
}

const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// Contractions, words, numbers of up to three digits, other marks, line breaks, blanks.
const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same with digits one by one.
const QWEN2_WORDS: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl GgufVocab {
    /// Reads the head of a GGUF file.
    pub fn read(path: &Path) -> Result<GgufVocab, TokenError> {
        let failed = |message: String| TokenError::File {
            path: path.display().to_string(),
            message,
            hint: "it must be a GGUF file of version 2 or 3",
        };
        let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
        let mut file = std::io::BufReader::new(file);
        let content = Content::read(&mut file).map_err(|e| failed(crate::error::brief(&e)))?;
        GgufVocab::of(&content)
    }

    /// From metadata that was read already.
    pub fn of(content: &Content) -> Result<GgufVocab, TokenError> {
        let get = |key: &str| content.metadata.get(&format!("tokenizer.{key}"));
        let bad = |key: &str| TokenError::Gguf(format!("has a `tokenizer.{key}` of another type than expected"));
        let text = |key: &str| -> Result<Option<String>, TokenError> {
            get(key).map(|v| v.to_string().cloned().map_err(|_| bad(key))).transpose()
        };
        let list = |key: &str| -> Result<&[Value], TokenError> {
            get(key).map_or(Ok(&[][..]), |v| v.to_vec().map(Vec::as_slice).map_err(|_| bad(key)))
        };
        let texts = |key: &str| -> Result<Vec<String>, TokenError> {
            list(key)?.iter().map(|v| v.to_string().cloned().map_err(|_| bad(key))).collect()
        };
        let id = |key: &str| -> Result<Option<u32>, TokenError> {
            get(key).map(|v| v.to_u32().map_err(|_| bad(key))).transpose()
        };
        let mut eos: Vec<u32> = Vec::new();
        for key in ["ggml.eos_token_id", "ggml.eot_token_id"] {
            eos.extend(id(key)?.filter(|e| !eos.contains(e)));
        }
        Ok(GgufVocab {
            model: text("ggml.model")?.unwrap_or_default(),
            pre: text("ggml.pre")?.unwrap_or_default(),
            tokens: texts("ggml.tokens")?,
            merges: texts("ggml.merges")?,
            token_types: list("ggml.token_type")?
                .iter()
                .map(|v| v.to_i32().map_err(|_| bad("ggml.token_type")))
                .collect::<Result<_, _>>()?,
            bos: id("ggml.bos_token_id")?,
            eos,
            pad: id("ggml.padding_token_id")?,
            chat_template: text("chat_template")?,
        })
    }

    /// The tokenizer these words describe.
    pub fn tokenizer(&self) -> Result<Tokenizer, TokenError> {
        if self.model != "gpt2" {
            return Err(TokenError::Gguf(format!(
                "names the tokenizer model `{}`; only `gpt2` (byte-level BPE) can be rebuilt",
                self.model
            )));
        }
        let (pre_tokenizer, normalizer, ignore_merges) = match self.pre.as_str() {
            "smollm" => (digits_then_byte_level(), json!(null), false),
            "gpt-2" | "gpt2" => (byte_level(true), json!(null), false),
            "llama-bpe" | "llama3" | "llama-v3" => (pattern_then_byte_level(LLAMA3_WORDS), json!(null), true),
            "qwen2" => (pattern_then_byte_level(QWEN2_WORDS), json!({"type": "NFC"}), false),
            other => {
                return Err(TokenError::Gguf(format!(
                    "names the pre-tokenizer `{other}`; known are smollm, gpt-2, llama-bpe and qwen2"
                )));
            }
        };
        if self.tokens.is_empty() || self.token_types.len() != self.tokens.len() {
            return Err(TokenError::Gguf(format!(
                "holds {} tokens and {} token types",
                self.tokens.len(),
                self.token_types.len()
            )));
        }
        let outside = |id: &u32| *id as usize >= self.tokens.len();
        if let Some(id) = self.bos.iter().chain(&self.eos).chain(&self.pad).find(|id| outside(id)) {
            return Err(TokenError::Gguf(format!("names token {id} of a vocabulary of {}", self.tokens.len())));
        }
        let merges = self.merges.iter().map(|m| {
            let halves = m.split_once(' ').filter(|(a, b)| !a.is_empty() && !b.is_empty());
            let (a, b) = halves.ok_or_else(|| TokenError::Gguf(format!("holds the merge `{m}`, which is no pair")))?;
            Ok((a.to_owned(), b.to_owned()))
        });
        let added = self.token_types.iter().enumerate();
        let added =
            added.filter(|(_, t)| [CONTROL, USER_DEFINED].contains(t)).map(|(id, t)| (id as u32, *t == CONTROL));
        let bpe = Bpe {
            tokens: self.tokens.clone(),
            merges: merges.collect::<Result<_, TokenError>>()?,
            added: added.collect(),
            pre_tokenizer,
            normalizer,
            ignore_merges,
        };
        bpe.tokenizer(Special { bos: self.bos, eos: self.eos.clone(), pad: self.pad })
    }
}
