//! Parallel text in memory.

use crate::DataError;
use crate::DataSource;
use crate::digest::hex;
use crate::text::TextError;
use sha2::{Digest, Sha256};

/// Sentences, kept in one buffer: millions of them cost little more than their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    /// Adds a sentence.
    pub fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.ends.push(self.text.len());
    }

    /// Number of sentences.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Sentence i.
    ///
    /// # Panics
    /// If `i` is not below `len()`.
    pub fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.text[start..self.ends[i]]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl<S: AsRef<str>> FromIterator<S> for Lines {
    fn from_iter<I: IntoIterator<Item = S>>(lines: I) -> Self {
        let mut all = Self::default();
        lines.into_iter().for_each(|line| all.push(line.as_ref()));
        all
    }
}

/// A named set of sentence pairs: sentence i of `en` means sentence i of `de`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bitext {
    /// Such as `newstest2013`.
    pub name: String,
    /// English, the source.
    pub en: Lines,
    /// German, the target; as many as `en`.
    pub de: Lines,
}

impl Bitext {
    /// A set of these (English, German) pairs.
    pub fn new<'a>(name: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut set = Self { name: name.to_owned(), ..Self::default() };
        pairs.into_iter().for_each(|(en, de)| set.push(en, de));
        set
    }

    /// Adds a pair.
    pub fn push(&mut self, en: &str, de: &str) {
        self.en.push(en);
        self.de.push(de);
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.en.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.en.is_empty()
    }

    /// (English, German), in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.en.iter().zip(self.de.iter())
    }

    /// Pairs with an empty side.
    pub fn empty(&self) -> usize {
        self.pairs().filter(|(en, de)| is_empty(en) || is_empty(de)).count()
    }
}

/// Whether a sentence says nothing.
pub(crate) fn is_empty(line: &str) -> bool {
    line.trim().is_empty()
}

/// Training pairs left out, by reason. A pair is counted at the first that holds, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// One side is empty.
    pub empty: usize,
    /// The pair stands in an evaluation set too.
    pub in_evaluation: usize,
    /// The same pair came before, in this set or an earlier one.
    pub duplicate: usize,
    /// One side has more tokens than [`Limits::tokens`](crate::text::Limits::tokens).
    pub too_long: usize,
    /// One side has more than [`Limits::ratio`](crate::text::Limits::ratio) times the tokens of the other.
    pub ratio: usize,
}

impl Dropped {
    /// All of them.
    pub const fn total(&self) -> usize {
        self.empty + self.in_evaluation + self.duplicate + self.too_long + self.ratio
    }
}

impl std::fmt::Display for Dropped {
    /// Such as `3 empty, 12 duplicate`; `none` where there is none.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            (self.empty, "empty"),
            (self.in_evaluation, "also in an evaluation set"),
            (self.duplicate, "duplicate"),
            (self.too_long, "too long"),
            (self.ratio, "of unlike lengths"),
        ];
        let parts: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, reason)| format!("{n} {reason}")).collect();
        f.write_str(if parts.is_empty() { "none".into() } else { parts.join(", ") }.as_str())
    }
}

/// Parallel English-German text with its history: what [`load`](crate::text::load()) returns.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Where it came from.
    pub source: DataSource,
    /// One line for the user: which data, why, how many pairs, what was left out.
    pub note: String,
    /// 12 hexadecimal digits of the hash of all pairs, in order.
    pub version: String,
    /// Training sets, without empty, duplicate and evaluation pairs.
    pub train: Vec<Bitext>,
    /// Evaluation sets, as they are: the development set, then the test sets.
    pub eval: Vec<Bitext>,
    /// What was left out of `train` so far.
    pub dropped: Dropped,
}

impl Corpus {
    /// The development set: newstest2013 as in the paper; of other data its validation set.
    pub fn dev(&self) -> &Bitext {
        // `load` returns no corpus without one.
        &self.eval[0]
    }

    /// The test sets: newstest2014, 2015 and 2016 as in the paper; of other data its own.
    pub fn tests(&self) -> &[Bitext] {
        &self.eval[1..]
    }

    /// The evaluation set of this name.
    ///
    /// # Errors
    /// [`TextError::UnknownSet`], with the names that there are.
    pub fn eval_set(&self, name: &str) -> Result<&Bitext, DataError> {
        self.eval.iter().find(|set| set.name == name).ok_or_else(|| {
            let known = self.eval.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ");
            TextError::UnknownSet { name: name.to_owned(), known }.data()
        })
    }

    /// Number of training pairs.
    pub fn train_len(&self) -> usize {
        self.train.iter().map(Bitext::len).sum()
    }

    /// All training sentences, both languages: what a tokenizer is trained on.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.train.iter().flat_map(|set| set.en.iter().chain(set.de.iter()))
    }
}

/// The hash of sets in their order: names, counts and sentences.
pub(crate) fn version<'a>(sets: impl Iterator<Item = &'a Bitext>) -> String {
    let mut hasher = Sha256::new();
    for set in sets {
        for part in [set.name.as_str(), &set.en.text, &set.de.text] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        for end in set.en.ends.iter().chain(&set.de.ends) {
            hasher.update((*end as u64).to_le_bytes());
        }
    }
    hex(&hasher.finalize().into(), 12)
}
