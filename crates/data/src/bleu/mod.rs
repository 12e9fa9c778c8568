//! BLEU (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation") of German translations, with one
//! reference each, in two ways that do not compare with each other:
//!
//! - [`Scheme::Mteval13a`]: sacreBLEU's default (Post 2018, "A Call for Clarity in Reporting BLEU Scores"), on raw text;
//! - [`Scheme::MosesCompound`]: tensor2tensor's `get_ende_bleu.sh`, by which the Transformer papers' numbers were made: Moses
//!   tokens, compounds split at hyphens, `multi-bleu.perl`. Usually some tenths higher.

mod moses;
mod mteval;

use crate::DataError;
use crate::text::TextError;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// The longest n-grams that count.
const ORDER: usize = 4;

/// How sentences become tokens, and what becomes of an order of n-grams without a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Tokens of `mteval-v13a.pl`; the k-th order without a match counts as 1 / 2^k matches (`smooth:exp`).
    #[default]
    Mteval13a,
    /// Tokens of Moses' `tokenizer.perl -l de`, compounds split; an order without a match makes the score 0.
    MosesCompound,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mteval13a => "13a",
            Self::MosesCompound => "moses-compound",
        })
    }
}

impl FromStr for Scheme {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        [Self::Mteval13a, Self::MosesCompound].into_iter().find(|scheme| scheme.to_string() == name).ok_or_else(|| {
            let expected = "13a or moses-compound".into();
            DataError::Argument { what: "tokens of BLEU", value: name.to_owned(), expected }
        })
    }
}

impl Scheme {
    /// The tokens of a sentence, with single spaces between them.
    pub fn tokenize(self, sentence: &str) -> String {
        match self {
            Self::Mteval13a => mteval::tokenize(sentence),
            Self::MosesCompound => moses::split_compounds(&moses::tokenize(sentence)),
        }
    }

    /// What a score has to be reported with, in sacreBLEU's form; the version is this program's.
    pub fn signature(self) -> String {
        let smooth = match self {
            Self::Mteval13a => "exp",
            Self::MosesCompound => "none",
        };
        format!("nrefs:1|case:mixed|eff:no|tok:{self}|smooth:{smooth}|version:swish-{}", env!("CARGO_PKG_VERSION"))
    }
}

/// The score of a set of translations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bleu {
    /// How it was counted.
    pub scheme: Scheme,
    /// 0 to 100.
    pub score: f64,
    /// Of 1- to 4-grams, in percent, smoothed where the scheme does so.
    pub precisions: [f64; ORDER],
    /// 1, or less where the translations are shorter than the references.
    pub brevity_penalty: f64,
    /// Tokens of the translations.
    pub hyp_len: u64,
    /// Tokens of the references.
    pub ref_len: u64,
    /// N-grams that the references have too, of each order.
    pub correct: [u64; ORDER],
    /// N-grams of the translations, of each order.
    pub total: [u64; ORDER],
}

impl fmt::Display for Bleu {
    /// sacreBLEU's line: `BLEU|signature = 27.30 59.1/33.2/21.0/13.7 (BP = 1.000 ratio = 1.010 hyp_len = 62000 ref_len = 61386)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precisions = self.precisions.map(|p| format!("{p:.1}")).join("/");
        let ratio = if self.ref_len > 0 { self.hyp_len as f64 / self.ref_len as f64 } else { 0.0 };
        write!(
            f,
            "BLEU|{} = {:.2} {precisions} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.scheme.signature(),
            self.score,
            self.brevity_penalty,
            self.hyp_len,
            self.ref_len
        )
    }
}

/// Scores translations, the i-th by the i-th reference.
///
/// # Errors
/// [`TextError::Sentences`] when their numbers differ.
pub fn corpus_bleu<S: AsRef<str>, R: AsRef<str>>(
    hypotheses: impl IntoIterator<Item = S>,
    references: impl IntoIterator<Item = R>,
    scheme: Scheme,
) -> Result<Bleu, DataError> {
    let mut counts = Counts::default();
    let (mut hypotheses, mut references) = (hypotheses.into_iter(), references.into_iter());
    let mut n = 0;
    loop {
        match (hypotheses.next(), references.next()) {
            (Some(hypothesis), Some(reference)) => {
                counts.add(&scheme.tokenize(hypothesis.as_ref()), &scheme.tokenize(reference.as_ref()));
            }
            (None, None) => return Ok(counts.score(scheme)),
            (hypothesis, reference) => {
                let rest = |one: usize, more: usize| n + one + more;
                let hypotheses = rest(hypothesis.iter().count(), hypotheses.count());
                let references = rest(reference.iter().count(), references.count());
                return Err(TextError::Sentences { hypotheses, references }.data());
            }
        }
        n += 1;
    }
}

/// Sums over sentences.
#[derive(Default)]
struct Counts {
    correct: [u64; ORDER],
    total: [u64; ORDER],
    hyp_len: u64,
    ref_len: u64,
}

impl Counts {
    fn add(&mut self, hypothesis: &str, reference: &str) {
        let [hypothesis, reference] =
            [hypothesis, reference].map(|text| text.split_ascii_whitespace().collect::<Vec<_>>());
        self.hyp_len += hypothesis.len() as u64;
        self.ref_len += reference.len() as u64;
        for order in 0..ORDER {
            // A match uses up its n-gram in the reference.
            let mut left: HashMap<&[&str], u64> = HashMap::new();
            for ngram in reference.windows(order + 1) {
                *left.entry(ngram).or_default() += 1;
            }
            for ngram in hypothesis.windows(order + 1) {
                self.total[order] += 1;
                if let Some(count) = left.get_mut(ngram).filter(|count| **count > 0) {
                    *count -= 1;
                    self.correct[order] += 1;
                }
            }
        }
    }

    fn score(&self, scheme: Scheme) -> Bleu {
        let (hyp_len, ref_len) = (self.hyp_len, self.ref_len);
        let brevity_penalty = match hyp_len {
            0 if ref_len > 0 => 0.0,
            _ if hyp_len < ref_len => (1.0 - ref_len as f64 / hyp_len as f64).exp(),
            _ => 1.0,
        };
        let mut precisions = [0.0; ORDER];
        let mut smoothing = 1.0;
        // Where nothing at all matches, there is nothing to smooth.
        if self.correct.iter().any(|count| *count > 0) {
            for ((precision, correct), total) in precisions.iter_mut().zip(self.correct).zip(self.total) {
                *precision = match (correct, total, scheme) {
                    (_, 0, _) => break,
                    (0, _, Scheme::MosesCompound) => 0.0,
                    (0, _, Scheme::Mteval13a) => {
                        smoothing *= 2.0;
                        100.0 / (smoothing * total as f64)
                    }
                    _ => 100.0 * correct as f64 / total as f64,
                };
            }
        }
        // The logarithm of 0 is -inf, whose exponential is 0.
        let mean = precisions.iter().map(|precision| precision.ln()).sum::<f64>() / ORDER as f64;
        let score = brevity_penalty * mean.exp();
        Bleu { scheme, score, precisions, brevity_penalty, hyp_len, ref_len, correct: self.correct, total: self.total }
    }
}

#[cfg(test)]
mod tests;
