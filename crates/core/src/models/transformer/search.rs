//! Beam search.

/// How translations are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beam {
    /// Hypotheses kept a sentence; 1 is greedy.
    pub width: usize,
    /// Exponent of the length penalty ((5 + length) / 6)^alpha that log-probabilities are divided by (Wu et al. 2016).
    pub alpha: f64,
    /// Tokens that a translation may be longer than its source.
    pub extra: usize,
    /// Tokens that it may have at most.
    pub max_len: usize,
}

impl Default for Beam {
    /// As Vaswani et al. decode: width 4, alpha 0.6, 50 tokens more than the source.
    fn default() -> Self {
        Self { width: 4, alpha: 0.6, extra: 50, max_len: usize::MAX }
    }
}

impl Beam {
    /// The likeliest token at each step.
    pub fn greedy() -> Self {
        Self { width: 1, ..Self::default() }
    }
}

/// A translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its ids, without the end of the sentence.
    pub ids: Vec<u32>,
    /// Log-probability over length penalty.
    pub score: f64,
}
