//! Pairs of token ids, ready for batches, and their copy on disk.
//!
//! Layout of the copy, little-endian: magic (16 bytes), key (32), SHA-256 of the rest (32); pairs, too long, of unlike lengths (u64
//! each); the lengths of all sources, then of all targets (u32 each); the ids of all sources, then of all targets (u16 each). Whatever
//! does not fit counts as absent, and the file is written anew.

use crate::digest::{Hash, hex, sha256};
use crate::text::batches::InOrder;
use crate::text::{Bitext, Corpus, Dropped, Tokenizer};
use crate::{DataError, whole};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use swish_core::models::transformer::{PAD, TextBatch};

const MAGIC: &[u8; 16] = b"swish-tokens-v1\n";
const HEADER: usize = 16 + 32 + 32;

/// Which training pairs are too long or too unlike; lengths in tokens, with the end of the sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The most tokens of either side: 256 in tensor2tensor (`max_length`).
    pub tokens: usize,
    /// The most that one side may be longer than the other.
    pub ratio: f64,
}

impl Default for Limits {
    /// 256 tokens, and three times as long.
    fn default() -> Self {
        Self { tokens: 256, ratio: 3.0 }
    }
}

/// Sequences of ids in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sequences {
    ids: Vec<u16>,
    ends: Vec<usize>,
}

impl Sequences {
    fn push(&mut self, ids: &[u16]) {
        self.ids.extend_from_slice(ids);
        self.ends.push(self.ids.len());
    }

    fn get(&self, i: usize) -> &[u16] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.ids[start..self.ends[i]]
    }
}

/// Encoded sentence pairs; every sentence ends with [`EOS`](crate::text::EOS).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    src: Sequences,
    tgt: Sequences,
}

/// Both sides of a pair.
type Ids = (Vec<u16>, Vec<u16>);

impl Encoded {
    /// The training pairs that are within the limits, and what was left out of the text in all. With a `cache` folder the result is kept
    /// there, by the hash of text, tokenizer and limits.
    ///
    /// # Errors
    /// Limits that no pair can keep: less than 2 tokens, a ratio below 1.
    pub fn train(
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        limits: Limits,
        cache: Option<&Path>,
    ) -> Result<(Self, Dropped), DataError> {
        if limits.tokens < 2 {
            let (value, expected) = (limits.tokens.to_string(), "at least 2".into());
            return Err(DataError::Argument { what: "limit of tokens", value, expected });
        }
        if limits.ratio.is_nan() || limits.ratio < 1.0 {
            let (value, expected) = (limits.ratio.to_string(), "at least 1".into());
            return Err(DataError::Argument { what: "limit of the lengths' ratio", value, expected });
        }
        let kept = cache.map(|folder| Kept::new(folder, corpus, tokenizer, limits));
        let known = kept.as_ref().and_then(Kept::read);
        let (encoded, [too_long, ratio]) = match known {
            Some(known) => known,
            None => {
                let found = Self::within(&corpus.train, tokenizer, limits)?;
                if let Some(kept) = kept {
                    // A folder that cannot be written only costs the next run its time.
                    drop(kept.write(&found.0, found.1));
                }
                found
            }
        };
        Ok((encoded, Dropped { too_long, ratio, ..corpus.dropped }))
    }

    fn within(sets: &[Bitext], tokenizer: &Tokenizer, limits: Limits) -> Result<(Self, [usize; 2]), DataError> {
        let (mut encoded, mut too_long, mut ratio) = (Self::default(), 0, 0);
        for set in sets {
            for (src, tgt) in encode(set, tokenizer)? {
                let (short, long) = (src.len().min(tgt.len()), src.len().max(tgt.len()));
                if long > limits.tokens {
                    too_long += 1;
                } else if long as f64 > limits.ratio * short as f64 {
                    ratio += 1;
                } else {
                    encoded.push(&src, &tgt);
                }
            }
        }
        Ok((encoded, [too_long, ratio]))
    }

    /// Every pair of an evaluation set, in order.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn eval(set: &Bitext, tokenizer: &Tokenizer) -> Result<Self, DataError> {
        let mut encoded = Self::default();
        for (src, tgt) in encode(set, tokenizer)? {
            encoded.push(&src, &tgt);
        }
        Ok(encoded)
    }

    fn push(&mut self, src: &[u16], tgt: &[u16]) {
        self.src.push(src);
        self.tgt.push(tgt);
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.src.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The English ids of pair i.
    ///
    /// # Panics
    /// If `i` is not below `len()`.
    pub fn src(&self, i: usize) -> &[u16] {
        self.src.get(i)
    }

    /// The German ids of pair i.
    ///
    /// # Panics
    /// If `i` is not below `len()`.
    pub fn tgt(&self, i: usize) -> &[u16] {
        self.tgt.get(i)
    }

    /// Tokens of (source, target), each with its ends of sentences.
    pub fn tokens(&self) -> (usize, usize) {
        (self.src.ids.len(), self.tgt.ids.len())
    }

    /// The longer side of pair i, tokens.
    pub(crate) fn longest(&self, i: usize) -> usize {
        self.src(i).len().max(self.tgt(i).len())
    }

    /// These pairs as a batch.
    pub(crate) fn batch(&self, chosen: &[u32]) -> TextBatch {
        let padded = |sequences: &Sequences| {
            let width = chosen.iter().map(|i| sequences.get(*i as usize).len()).max().unwrap_or(0);
            let mut ids = vec![PAD; chosen.len() * width];
            // A sentence has at least its end, so width is above 0 where there is a row.
            for (row, i) in ids.chunks_exact_mut(width.max(1)).zip(chosen) {
                row.iter_mut().zip(sequences.get(*i as usize)).for_each(|(to, id)| *to = u32::from(*id));
            }
            (width, ids)
        };
        let ((src_len, src), (tgt_len, tgt)) = (padded(&self.src), padded(&self.tgt));
        TextBatch { n: chosen.len(), src_len, tgt_len, src, tgt }
    }

    /// Every pair once, for evaluation: batches of at most `tokens` tokens a side with padding, longest sources first, each with the
    /// places of its rows in this set.
    ///
    /// # Errors
    /// `tokens` less than the longest sentence has.
    pub fn in_order(&self, tokens: usize) -> Result<InOrder<'_>, DataError> {
        InOrder::new(self, tokens)
    }
}

/// Encodes on all cores; the order is the set's.
fn encode(set: &Bitext, tokenizer: &Tokenizer) -> Result<Vec<Ids>, DataError> {
    // Ids fit, since vocabularies are limited to 65,536.
    let ids = |line: &str| Ok(tokenizer.encode(line)?.into_iter().map(|id| id as u16).collect());
    (0..set.len()).into_par_iter().map(|i| Ok((ids(set.en.get(i))?, ids(set.de.get(i))?))).collect()
}

/// The copy of a training set on disk.
struct Kept {
    file: PathBuf,
    key: Hash,
}

impl Kept {
    fn new(folder: &Path, corpus: &Corpus, tokenizer: &Tokenizer, limits: Limits) -> Self {
        let key: Hash = Sha256::new()
            .chain_update(&corpus.version)
            .chain_update(tokenizer.fingerprint())
            .chain_update((limits.tokens as u64).to_le_bytes())
            .chain_update(limits.ratio.to_le_bytes())
            .finalize()
            .into();
        Self { file: folder.join(format!("text-{}.tokens", hex(&key, 12))), key }
    }

    fn read(&self) -> Option<(Encoded, [usize; 2])> {
        let bytes = std::fs::read(&self.file).ok()?;
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        if header[..16] != *MAGIC || header[16..48] != self.key || header[48..] != sha256(rest) {
            return None;
        }
        let (numbers, rest) = rest.split_at_checked(24)?;
        let mut numbers = numbers.chunks_exact(8).map(|b| usize::try_from(u64::from_le_bytes(b.try_into().ok()?)).ok());
        let mut number = || numbers.next().flatten();
        let (n, too_long, ratio) = (number()?, number()?, number()?);
        let (lengths, ids) = rest.split_at_checked(n.checked_mul(8)?)?;
        let mut ids = ids.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let mut side = |lengths: &[u8]| {
            let ends: Vec<usize> = lengths
                .chunks_exact(4)
                .scan(0, |end, b| {
                    *end += u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize;
                    Some(*end)
                })
                .collect();
            let ids: Vec<u16> = ids.by_ref().take(ends.last().copied().unwrap_or(0)).collect();
            Sequences { ids, ends }
        };
        let (src, tgt) = lengths.split_at(n * 4);
        let encoded = Encoded { src: side(src), tgt: side(tgt) };
        Some((encoded, [too_long, ratio]))
    }

    fn write(&self, encoded: &Encoded, dropped: [usize; 2]) -> std::io::Result<()> {
        let mut rest = Vec::with_capacity(24 + encoded.len() * 8 + 2 * (encoded.src.ids.len() + encoded.tgt.ids.len()));
        for number in [encoded.len(), dropped[0], dropped[1]] {
            rest.extend((number as u64).to_le_bytes());
        }
        for side in [&encoded.src, &encoded.tgt] {
            for i in 0..encoded.len() {
                rest.extend((side.get(i).len() as u32).to_le_bytes());
            }
        }
        for side in [&encoded.src, &encoded.tgt] {
            side.ids.iter().for_each(|id| rest.extend(id.to_le_bytes()));
        }
        whole::write(&self.file, |file| {
            file.write_all(MAGIC)?;
            file.write_all(&self.key)?;
            file.write_all(&sha256(&rest))?;
            file.write_all(&rest)
        })
    }
}

#[cfg(test)]
#[path = "tests/encoded.rs"]
mod tests;
