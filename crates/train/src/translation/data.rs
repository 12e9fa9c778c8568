//! A corpus with its tokenizer, as a run takes it.

use super::TranslationRecipe;
use crate::error::{Error, Result};
use crate::task::Origin;
use std::path::Path;
use std::sync::Arc;
use swish_data::DataSource;
use swish_data::text::{Bitext, Corpus, Dropped, Encoded, Limits, Tokenizer};

/// Name of a tokenizer's file beside the weights that were trained with it.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// Text to train and evaluate on, as token ids. Made once, it serves all cells that differ in anything but vocabulary and longest
/// sentence.
#[derive(Clone, Debug)]
pub struct TextData {
    corpus: Arc<Corpus>,
    /// The tokenizer, trained on the training text.
    pub tokenizer: Tokenizer,
    /// Training pairs.
    pub train: Arc<Encoded>,
    /// Training pairs left out, by reason.
    pub dropped: Dropped,
    version: String,
    vocab: usize,
    max_len: usize,
}

impl TextData {
    /// Trains the tokenizer that the recipe asks for and encodes the training text, or takes both from the `cache` folder.
    ///
    /// # Errors
    /// A vocabulary of impossible size.
    pub fn prepare(corpus: Arc<Corpus>, recipe: &TranslationRecipe, cache: Option<&Path>) -> Result<Self> {
        let tokenizer = Tokenizer::of_corpus(&corpus, recipe.vocab, cache)?;
        let limits = Limits { tokens: recipe.max_len, ..Limits::default() };
        let (train, dropped) = Encoded::train(&corpus, &tokenizer, limits, cache)?;
        let version = format!("{} tokenizer {}", corpus.version, tokenizer.fingerprint());
        let (vocab, max_len) = (recipe.vocab, recipe.max_len);
        Ok(Self { corpus, tokenizer, train: Arc::new(train), dropped, version, vocab, max_len })
    }

    /// The evaluation sets, the development set first.
    pub fn eval(&self) -> &[Bitext] {
        &self.corpus.eval
    }

    /// One line for the user: the tokenizer, and how much there is to train on.
    pub fn note(&self) -> String {
        let (src, tgt) = self.train.tokens();
        format!(
            "tokenizer: {} ids ({}); {} training pairs of {src} and {tgt} tokens; left out: {}",
            self.tokenizer.vocab_size(),
            self.tokenizer.fingerprint(),
            self.train.len(),
            self.dropped
        )
    }

    /// Errs where the data were made for another recipe.
    pub(super) fn check(&self, recipe: &TranslationRecipe) -> Result<()> {
        let (own, wanted) = ((self.vocab, self.max_len), (recipe.vocab, recipe.max_len));
        match own == wanted {
            true => Ok(()),
            false => Err(Error::BadValue {
                what: "vocabulary and longest sentence of the recipe",
                value: format!("{wanted:?}"),
                expected: format!("{own:?}, for which the text was encoded"),
            }),
        }
    }
}

impl Origin for TextData {
    /// `wmt14-en-de` where the training text is WMT 2014's.
    fn dataset(&self) -> String {
        let wmt14 = self.corpus.train.iter().all(|set| set.name == "wmt14");
        let name = match self.corpus.source {
            DataSource::Embedded => "phrases-en-de",
            _ if wmt14 => "wmt14-en-de",
            _ => "wmt-en-de",
        };
        name.into()
    }

    fn source(&self) -> DataSource {
        self.corpus.source
    }

    fn version(&self) -> &str {
        &self.version
    }
}
