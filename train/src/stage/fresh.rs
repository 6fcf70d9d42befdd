//! A policy that knows nothing yet: a small Llama with random weights, and a vocabulary learnt from what is said in consultations.

use super::StageError;
use crate::policy_folder::PolicyFolder;
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::tokens::train_bpe;
use bedside_lm::{ChatTemplate, LmConfig, Weights};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::Arc;

/// Its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Hidden size; a multiple of 8. The inner size is three times it, heads are 4, of which 2 have keys and values.
    pub width: usize,
    pub layers: usize,
    /// Tokens of the vocabulary at most, at least 259.
    pub vocab: usize,
}

/// Tokens of a vocabulary that has learnt nothing.
const LEAST: usize = 259;

impl FromStr for Size {
    type Err = String;

    /// `width,layers,vocab`.
    fn from_str(text: &str) -> Result<Size, String> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[width, layers, vocab])
                if width % 8 == 0 && (8..=8192).contains(&width) && (1..=128).contains(&layers) =>
            {
                match vocab < LEAST {
                    true => Err(format!("a vocabulary of {vocab}: at least {LEAST}, the bytes and three marks")),
                    false => Ok(Size { width, layers, vocab }),
                }
            }
            _ => Err("write width,layers,vocab such as 128,4,2048; the width is a multiple of 8".to_owned()),
        }
    }
}

/// Positions: the longest prompt of the stream style, a reply, and room to spare.
const POSITIONS: usize = 768;

/// A new policy. Vocabulary and weights are functions of the texts and the seed.
pub fn policy<'a>(size: Size, texts: impl IntoIterator<Item = &'a str>, seed: u64) -> Result<PolicyFolder, StageError> {
    let tokenizer = train_bpe(texts, size.vocab)?;
    let json = serde_json::json!({
        "model_type": "llama", "vocab_size": tokenizer.vocab_size(), "hidden_size": size.width, "intermediate_size": size.width * 3,
        "num_hidden_layers": size.layers, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": true, "max_position_embeddings": POSITIONS,
    });
    let weights = Weights::random(LmConfig::from_json(&json.to_string())?, seed)?;
    let (tokenizer, chat) = (Arc::new(tokenizer), Arc::new(ChatTemplate::chatml()));
    Ok(PolicyFolder { weights, tokenizer, chat, config: LmPolicyConfig::stream() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_too_small_for_the_bytes_is_refused_where_it_is_written() {
        assert!("16,1,258".parse::<Size>().expect_err("too small").contains("at least 259"));
        let size: Size = "16,1,259".parse().expect("the least");
        assert_eq!(policy(size, ["a text"], 0).expect("a policy").tokenizer.vocab_size(), LEAST);
    }
}
