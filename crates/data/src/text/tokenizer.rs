//! One subword vocabulary for both languages: byte-level BPE (Sennrich, Haddow and Birch 2016, "Neural Machine Translation of
//! Rare Words with Subword Units"), in the `tokenizers` crate's format.
//!
//! The alphabet is the 256 bytes, so that any text can be encoded and comes back unchanged.

use crate::digest::{hex, sha256};
use crate::error::one_line;
use crate::text::{Corpus, TextError};
use crate::{DataError, whole};
use std::io::Write;
use std::path::Path;
use swish_core::models::transformer::EOS;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Model};

/// Texts of the ids PAD = 0 and EOS = 1; the same letters in a sentence are ordinary text.
const SPECIAL: [&str; 2] = ["<pad>", "</s>"];
/// Vocabulary sizes: at least the two special tokens and the 256 bytes; ids are kept as u16.
const SIZES: std::ops::RangeInclusive<usize> = 258..=65_536;
/// Raised whenever the same text would give another tokenizer, so that a kept one is not taken for it.
const TRAINING: u32 = 1;

/// A tokenizer. Ids are below [`vocab_size`](Tokenizer::vocab_size); 0 is padding, 1 ends a sentence.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    json: String,
    fingerprint: String,
}

impl Tokenizer {
    /// Trained on the training pairs of a corpus, both languages together; or, with a `cache` folder, taken from there if the same was
    /// trained before.
    ///
    /// # Errors
    /// As [`Tokenizer::train`].
    pub fn of_corpus(corpus: &Corpus, vocab_size: usize, cache: Option<&Path>) -> Result<Self, DataError> {
        let kept =
            cache.map(|folder| folder.join(format!("{}-{vocab_size}-v{TRAINING}.tokenizer.json", corpus.version)));
        if let Some(kept) = kept.as_deref().filter(|path| path.is_file()).and_then(|path| Self::load(path).ok()) {
            return Ok(kept);
        }
        let tokenizer = Self::train(corpus.sentences(), vocab_size)?;
        if let Some(path) = kept {
            // A folder that cannot be written only costs the next run its time.
            drop(tokenizer.save(&path));
        }
        Ok(tokenizer)
    }

    /// Trained on sentences; the same sentences in any order give the same tokenizer, byte for byte. Of little text the vocabulary may
    /// come out smaller than asked for.
    ///
    /// # Errors
    /// A vocabulary size outside 258 to 65,536.
    pub fn train<'a>(sentences: impl Iterator<Item = &'a str> + Send, vocab_size: usize) -> Result<Self, DataError> {
        if !SIZES.contains(&vocab_size) {
            let expected =
                format!("{} to {} (padding, end of sentence, 256 bytes, merges)", SIZES.start(), SIZES.end());
            return Err(DataError::Argument { what: "vocabulary size", value: vocab_size.to_string(), expected });
        }
        let failed = |e: tokenizers::Error| wrong("training the tokenizer", &e);
        let mut trainer: TrainerWrapper = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .show_progress(false)
            .special_tokens(SPECIAL.map(|text| AddedToken::from(text, true)).to_vec())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build()
            .into();
        let mut inner = tokenizers::Tokenizer::new(BPE::default());
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, false, true)));
        inner.with_decoder(Some(ByteLevel::new(false, false, true)));
        inner.train(&mut trainer, sentences).map_err(failed)?;
        let json = inner.to_string(true).map_err(failed)?;
        Self::from_json("the trained tokenizer", json)
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// A file that cannot be read, or is no tokenizer of this kind.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let json = std::fs::read_to_string(path).map_err(|e| DataError::io(path, &e))?;
        Self::from_json(&path.display().to_string(), json)
    }

    /// `what` is the name in messages.
    fn from_json(what: &str, json: String) -> Result<Self, DataError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(&json).map_err(|e| wrong(what, &e))?;
        for (id, text) in SPECIAL.iter().enumerate() {
            if inner.token_to_id(text) != Some(id as u32) {
                let detail = format!("id {id} is not {text}; expected a tokenizer made by this program");
                return Err(TextError::Tokenizer { what: what.to_owned(), detail }.data());
            }
        }
        let size = inner.get_vocab_size(true);
        if !SIZES.contains(&size) {
            let detail = format!("{size} ids; expected {} to {}", SIZES.start(), SIZES.end());
            return Err(TextError::Tokenizer { what: what.to_owned(), detail }.data());
        }
        // A sentence that contains the letters "</s>" has them as text.
        inner.set_encode_special_tokens(true);
        let fingerprint = hex(&sha256(json.as_bytes()), 16);
        Ok(Self { inner, json, fingerprint })
    }

    /// Writes `tokenizer.json` at this path, whole or not at all.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DataError> {
        whole::write(path, |file| file.write_all(self.json.as_bytes())).map_err(|e| DataError::io(path, &e))
    }

    /// The number of ids.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_model().get_vocab_size()
    }

    /// 16 hexadecimal digits that identify the tokenizer: the SHA-256 of its file. A checkpoint keeps them.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Errs when this is not the tokenizer of that fingerprint.
    ///
    /// # Errors
    /// [`TextError::OtherTokenizer`].
    pub fn check(&self, expected: &str) -> Result<(), DataError> {
        if self.fingerprint == expected {
            return Ok(());
        }
        Err(TextError::OtherTokenizer { found: self.fingerprint.clone(), expected: expected.to_owned() }.data())
    }

    /// The ids of a sentence, with [`EOS`] at the end.
    ///
    /// # Errors
    /// Those of the `tokenizers` crate; none is known for a tokenizer of this kind.
    pub fn encode(&self, sentence: &str) -> Result<Vec<u32>, DataError> {
        let encoding = self.inner.encode_fast(sentence, false).map_err(|e| wrong("encoding", &e))?;
        let mut ids = encoding.get_ids().to_vec();
        ids.push(EOS);
        Ok(ids)
    }

    /// The sentence of some ids, up to the first [`EOS`] and without padding. What a model made up need not be UTF-8: such bytes become
    /// U+FFFD.
    ///
    /// # Errors
    /// An id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        let end = ids.iter().position(|id| *id == EOS).unwrap_or(ids.len());
        if let Some(id) = ids[..end].iter().find(|id| **id as usize >= self.vocab_size()) {
            let expected = format!("below the vocabulary size {}", self.vocab_size());
            return Err(DataError::Argument { what: "token id", value: id.to_string(), expected });
        }
        self.inner.decode(&ids[..end], true).map_err(|e| wrong("decoding", &e))
    }
}

fn wrong(what: &str, error: &tokenizers::Error) -> DataError {
    TextError::Tokenizer { what: what.to_owned(), detail: one_line(&error.to_string()) }.data()
}

#[cfg(test)]
#[path = "tests/tokenizer.rs"]
mod tests;
