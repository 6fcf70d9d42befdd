//! A small byte-level BPE, trained from a corpus. The same corpus gives the same file on any machine: ties between pairs are
//! settled by what the pairs are, not by where a hash table put them (which the library's own trainer lets show).

use super::{Bpe, Special, TokenError, Tokenizer, char_of, digits_then_byte_level};
use std::collections::BTreeMap;
use tokenizers::tokenizer::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The first ids of a trained vocabulary: padding, then ChatML's marks, of which the last ends a reply.
pub const SPECIAL_TOKENS: [&str; 3] = ["<|pad|>", "<|im_start|>", "<|im_end|>"];

/// Trains on texts until the vocabulary has `vocab_size` tokens or no pair of symbols occurs twice.
pub fn train_bpe<'a>(corpus: impl IntoIterator<Item = &'a str>, vocab_size: usize) -> Result<Tokenizer, TokenError> {
    let alphabet: Vec<String> = (0..=255u8).map(|b| char_of(b).to_string()).collect();
    let least = SPECIAL_TOKENS.len() + alphabet.len();
    if vocab_size < least {
        return Err(TokenError::SmallVocabulary { asked: vocab_size, least });
    }
    let mut bpe = Bpe {
        tokens: SPECIAL_TOKENS.iter().map(|t| (*t).to_owned()).chain(alphabet).collect(),
        merges: Vec::new(),
        added: (0..SPECIAL_TOKENS.len() as u32).map(|id| (id, true)).collect(),
        pre_tokenizer: digits_then_byte_level(),
        normalizer: serde_json::Value::Null,
        ignore_merges: false,
    };
    let special = Special { bos: Some(1), eos: vec![2], pad: Some(0) };
    let words = count_words(corpus, &bpe.tokenizer(special.clone())?)?;
    merge(&mut bpe, words, vocab_size);
    bpe.tokenizer(special)
}

/// How often each word occurs, words as the tokenizer will split them, special tokens left out.
fn count_words<'a>(
    corpus: impl IntoIterator<Item = &'a str>,
    bytes_only: &Tokenizer,
) -> Result<BTreeMap<String, u64>, TokenError> {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    for text in corpus {
        let plain = SPECIAL_TOKENS.iter().fold(text.to_owned(), |t, mark| t.replace(mark, "\n"));
        let mut split = PreTokenizedString::from(plain.as_str());
        if let Some(pre) = bytes_only.inner.get_pre_tokenizer() {
            pre.pre_tokenize(&mut split).map_err(|e| TokenError::Encode(e.to_string()))?;
        }
        for (word, ..) in split.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            match words.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    words.insert(word.to_owned(), 1);
                }
            }
        }
    }
    Ok(words)
}

/// Joins the most frequent pair of symbols again and again; of equally frequent ones the one of the lowest ids.
fn merge(bpe: &mut Bpe, words: BTreeMap<String, u64>, vocab_size: usize) {
    let mut ids: BTreeMap<String, u32> = bpe.tokens.iter().enumerate().map(|(i, t)| (t.clone(), i as u32)).collect();
    let mut words: Vec<(Vec<u32>, u64)> = words
        .into_iter()
        .map(|(word, count)| {
            (word.chars().filter_map(|c| ids.get(c.encode_utf8(&mut [0; 4]) as &str).copied()).collect(), count)
        })
        .collect();
    let mut pairs: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (word, count) in &words {
        word.windows(2).for_each(|p| *pairs.entry((p[0], p[1])).or_default() += *count as i64);
    }
    while bpe.tokens.len() < vocab_size {
        let best = pairs.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(pair, count)| (*pair, *count));
        let Some((pair, _)) = best.filter(|(_, count)| *count > 1) else { return };
        let (left, right) = (bpe.tokens[pair.0 as usize].clone(), bpe.tokens[pair.1 as usize].clone());
        let joined = format!("{left}{right}");
        bpe.merges.push((left, right));
        // The same letters may have come about from another pair before.
        let new = *ids.entry(joined.clone()).or_insert_with(|| {
            bpe.tokens.push(joined);
            bpe.tokens.len() as u32 - 1
        });
        for (word, count) in &mut words {
            if !word.windows(2).any(|p| (p[0], p[1]) == pair) {
                continue;
            }
            let mut count_pairs = |word: &[u32], sign: i64| {
                word.windows(2).for_each(|p| *pairs.entry((p[0], p[1])).or_default() += sign * *count as i64);
            };
            count_pairs(word, -1);
            let mut joined = Vec::with_capacity(word.len());
            let mut i = 0;
            while i < word.len() {
                let here = i + 1 < word.len() && (word[i], word[i + 1]) == pair;
                joined.push(if here { new } else { word[i] });
                i += if here { 2 } else { 1 };
            }
            *word = joined;
            count_pairs(word, 1);
        }
        pairs.retain(|_, count| *count > 0);
    }
}
