//! Beam search.

use super::batch::{EOS, PAD, lengths, padded};
use crate::nn::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;
use swish_kernels::Real;
use swish_kernels::vocabulary::log_sum;

/// Sentences that are translated together at most, those of like length, so that little is padded.
const GROUP: usize = 32;
/// Tokens, padding included, that their sources have together, unless one sentence has more: the keys and values kept grow with them.
const TOKENS: usize = 2048;
/// Hypotheses that may be kept a sentence.
const WIDEST: usize = 1024;

/// How translations are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beam {
    /// Hypotheses kept a sentence; 1 is greedy.
    pub width: usize,
    /// Exponent of the length penalty ((5 + length) / 6)^alpha that log-probabilities are divided by (Wu et al. 2016).
    pub alpha: f64,
    /// Tokens that a translation may be longer than its source, the end of the sentence counted on both sides.
    pub extra: usize,
    /// Tokens that it may have at most.
    pub max_len: usize,
}

impl Default for Beam {
    /// The numbers of Vaswani et al.: width 4, alpha 0.6, 50 tokens more than the source. Unlike tensor2tensor's, a search ends when as
    /// many hypotheses have ended as are kept.
    fn default() -> Self {
        Self { width: 4, alpha: 0.6, extra: 50, max_len: usize::MAX }
    }
}

impl Beam {
    /// The likeliest token at each step.
    pub fn greedy() -> Self {
        Self { width: 1, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let Self { width, alpha, max_len, .. } = *self;
        if !(1..=WIDEST).contains(&width) || max_len == 0 || !(alpha.is_finite() && alpha >= 0.0) {
            let reason = format!(
                "width {width}, alpha {alpha}, max_len {max_len}; expected a width of 1 to {WIDEST}, 0 and 1 at least"
            );
            return Err(Error::BadConfig { model: "beam search".into(), reason });
        }
        Ok(())
    }

    /// Tokens that a translation of a source of so many may have.
    pub(crate) fn limit(&self, source: usize) -> usize {
        self.max_len.min(source.saturating_add(self.extra))
    }

    fn penalty(&self, length: usize) -> f64 {
        ((5.0 + length as f64) / 6.0).powf(self.alpha)
    }
}

/// A translation.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its ids, without the end of the sentence.
    pub ids: Vec<u32>,
    /// Log-probability over length penalty, the end of the sentence included if it was reached.
    pub score: f64,
}

/// A translation that goes on.
struct Live {
    ids: Vec<u32>,
    log_probability: f64,
    /// Its row at each step so far.
    path: Vec<usize>,
}

/// A sentence on its way.
struct Sentence {
    /// Which one of the group.
    index: usize,
    /// Tokens that a translation may have.
    limit: usize,
    live: Vec<Live>,
    finished: Vec<Hypothesis>,
}

/// A token that may follow: its log-probability, and the id.
type Candidate = (f64, u32);

/// What writes translations, one token after another.
pub(crate) trait Writer {
    /// What its logits are.
    type Number: Real;

    /// Begins with other sources: ids (n, len) of so many tokens each before their padding.
    fn read(&mut self, ids: &[u32], len: usize, lengths: &Arc<[usize]>, beam: &Beam) -> Result<()>;

    /// Logits (rows, vocab) of the tokens that may follow.
    fn write(&mut self, rows: &[Row<'_>]) -> Result<Vec<Self::Number>>;
}

/// A hypothesis as a step reads it.
pub(crate) struct Row<'a> {
    /// Which source it translates.
    pub(crate) sentence: usize,
    /// Its last token; none at the first step.
    pub(crate) last: Option<u32>,
    /// Its row at each step before.
    pub(crate) path: &'a [usize],
}

/// A translation of each source, in order.
pub(crate) fn translate<W: Writer>(writer: &mut W, src: &[Vec<u32>], beam: &Beam) -> Result<Vec<Hypothesis>> {
    let mut order: Vec<usize> = (0..src.len()).collect();
    order.sort_by_key(|&i| src[i].len());
    let mut translations = vec![None; src.len()];
    while let Some(&longest) = order.last() {
        let count = (TOKENS / src[longest].len()).clamp(1, GROUP).min(order.len());
        let group = order.split_off(order.len() - count);
        let sentences: Vec<&[u32]> = group.iter().map(|&i| &src[i][..]).collect();
        let (len, ids) = padded(&sentences);
        let lengths = lengths(&ids, len);
        writer.read(&ids, len, &lengths, beam)?;
        let found = search(writer, &lengths, beam)?;
        group.iter().zip(found).for_each(|(&i, best)| translations[i] = Some(best));
    }
    Ok(translations.into_iter().flatten().collect())
}

/// The best translation of each source that has been read, in order.
fn search<W: Writer>(writer: &mut W, lengths: &[usize], beam: &Beam) -> Result<Vec<Hypothesis>> {
    let start = |(index, &length): (usize, &usize)| Sentence {
        index,
        limit: beam.limit(length),
        live: vec![Live { ids: Vec::new(), log_probability: 0.0, path: Vec::new() }],
        finished: Vec::new(),
    };
    let mut sentences: Vec<Sentence> = lengths.iter().enumerate().map(start).collect();
    let mut done: Vec<Option<Hypothesis>> = vec![None; lengths.len()];
    while !sentences.is_empty() {
        let mut rows = Vec::new();
        for Sentence { index, live, .. } in &sentences {
            rows.extend(live.iter().map(|live| Row {
                sentence: *index,
                last: live.ids.last().copied(),
                path: &live.path,
            }));
        }
        let logits = writer.write(&rows)?;
        let vocab = logits.len() / rows.len();
        let candidates: Vec<Vec<Candidate>> =
            logits.par_chunks_exact(vocab).map(|logits| best(logits, 2 * beam.width)).collect();
        let mut first_row = 0;
        for sentence in &mut sentences {
            let count = sentence.live.len();
            sentence.advance(first_row, &candidates[first_row..first_row + count], beam);
            first_row += count;
        }
        let (ended, going) = sentences.into_iter().partition(|sentence: &Sentence| sentence.is_done(beam));
        sentences = going;
        for sentence in ended {
            let index = sentence.index;
            done[index] = Some(sentence.into_best(beam));
        }
    }
    Ok(done.into_iter().flatten().collect())
}

/// The likeliest ids but padding, the best first; of equal ones the lowest.
fn best<T: Real>(logits: &[T], count: usize) -> Vec<Candidate> {
    let log_sum = log_sum(logits);
    let mut best: Vec<(T, u32)> = Vec::with_capacity(count + 1);
    for (id, &logit) in (0..).zip(logits).skip(PAD as usize + 1) {
        if best.len() < count || best.last().is_some_and(|&(worst, _)| logit > worst) {
            let place = best.partition_point(|&(other, _)| other >= logit);
            best.insert(place, (logit, id));
            best.truncate(count);
        }
    }
    best.into_iter().map(|(logit, id)| (logit.to_f64() - log_sum, id)).collect()
}

impl Sentence {
    /// One token more: `candidates` of each live translation, whose rows begin at `first_row`.
    fn advance(&mut self, first_row: usize, candidates: &[Vec<Candidate>], beam: &Beam) {
        let of_live = self.live.iter().zip(candidates).enumerate();
        let mut all: Vec<(f64, usize, u32)> = of_live
            .flat_map(|(i, (live, candidates))| {
                candidates.iter().map(move |&(p, id)| (live.log_probability + p, i, id))
            })
            .collect();
        // Stable: of equal ones the first.
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut next = Vec::with_capacity(beam.width);
        for (rank, &(log_probability, i, id)) in all.iter().take(2 * beam.width).enumerate() {
            let live = &self.live[i];
            if id != EOS {
                let ids = live.ids.iter().copied().chain([id]).collect();
                let path = live.path.iter().copied().chain([first_row + i]).collect();
                next.push(Live { ids, log_probability, path });
            } else if rank < beam.width {
                let score = log_probability / beam.penalty(live.ids.len() + 1);
                self.finished.push(Hypothesis { ids: live.ids.clone(), score });
            }
        }
        next.truncate(beam.width);
        self.live = next;
    }

    /// Whether as many have ended as are kept, nothing better can follow, or nothing more may.
    fn is_done(&self, beam: &Beam) -> bool {
        let Some(live) = self.live.first() else { return true };
        // Log-probabilities only fall, and no penalty is larger than the last one.
        let bound = live.log_probability / beam.penalty(self.limit);
        live.ids.len() >= self.limit
            || self.finished.len() >= beam.width
            || self.finished.iter().any(|finished| finished.score >= bound)
    }

    /// The best that has ended, else the best that has not.
    fn into_best(self, beam: &Beam) -> Hypothesis {
        let live = self.live.into_iter().map(|live| {
            let score = live.log_probability / beam.penalty(live.ids.len());
            Hypothesis { ids: live.ids, score }
        });
        let best = |all: &mut dyn Iterator<Item = Hypothesis>| {
            all.reduce(|best, other| if other.score > best.score { other } else { best })
        };
        let found = best(&mut self.finished.into_iter()).or_else(|| best(&mut live.into_iter()));
        found.unwrap_or(Hypothesis { ids: Vec::new(), score: f64::NEG_INFINITY })
    }
}
