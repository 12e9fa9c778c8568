//! [`TextBatch`]: pairs of sentences as ids.

use crate::nn::{Error, Result};
use std::sync::Arc;

/// The id of padding: its embedding is zero, no other token attends to it, and it has no loss.
pub const PAD: u32 = 0;
/// The id that ends every sentence.
pub const EOS: u32 = 1;

/// Pairs of sentences, row major, each padded with [`PAD`] behind its [`EOS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBatch {
    /// Pairs.
    pub n: usize,
    /// Ids of a source row.
    pub src_len: usize,
    /// Ids of a target row.
    pub tgt_len: usize,
    /// Source ids, (n, src_len).
    pub src: Vec<u32>,
    /// Target ids, (n, tgt_len).
    pub tgt: Vec<u32>,
}

impl TextBatch {
    /// A batch of these pairs (source, target), padded to the longest of each side.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) -> Self {
        let (src, tgt): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let (src_len, src_ids) = padded(&src);
        let (tgt_len, tgt_ids) = padded(&tgt);
        Self { n: src.len(), src_len, tgt_len, src: src_ids, tgt: tgt_ids }
    }

    /// Target ids that are no padding.
    pub fn tokens(&self) -> usize {
        self.tgt.iter().filter(|&&id| id != PAD).count()
    }

    /// Ids that a target's tokens are written after: a token is written knowing those before it, the first one none, which is padding.
    pub(crate) fn tgt_before(&self) -> Vec<u32> {
        let before =
            |row: &'_ [u32]| std::iter::once(PAD).chain(row[..row.len() - 1].iter().copied()).collect::<Vec<_>>();
        self.tgt.chunks_exact(self.tgt_len).flat_map(before).collect()
    }

    /// Tokens of each source before its padding.
    pub(crate) fn src_lengths(&self) -> Arc<[usize]> {
        lengths(&self.src, self.src_len)
    }

    /// # Errors
    /// [`Error::BadInput`] where lengths or ids do not fit.
    pub(crate) fn check(&self, vocab: usize) -> Result<()> {
        for (name, ids, len) in [("source", &self.src, self.src_len), ("target", &self.tgt, self.tgt_len)] {
            if len == 0 || self.n == 0 || ids.len() != self.n * len {
                let expected = format!("{} x {len} ids, none of them 0", self.n);
                return Err(Error::BadInput { layer: format!("{name} ids"), found: vec![ids.len()], expected });
            }
            ids.chunks_exact(len).try_for_each(|row| check_row(name, row, vocab))?;
        }
        Ok(())
    }
}

/// Tokens of each row before its padding.
pub(super) fn lengths(ids: &[u32], len: usize) -> Arc<[usize]> {
    ids.chunks_exact(len).map(|row| row.iter().position(|&id| id == PAD).unwrap_or(len)).collect()
}

/// Ids of the vocabulary, with padding at the end alone.
fn check_row(what: &'static str, row: &[u32], vocab: usize) -> Result<()> {
    if let Some(place) = row.iter().position(|&id| id as usize >= vocab) {
        return Err(Error::BadId { what, place, id: row[place], vocab });
    }
    let length = row.iter().position(|&id| id == PAD).unwrap_or(row.len());
    if row[length..].iter().any(|&id| id != PAD) {
        let expected = "padding behind the sentence only, not within it".into();
        return Err(Error::BadInput { layer: format!("{what} ids"), found: vec![row.len()], expected });
    }
    Ok(())
}

/// # Errors
/// [`Error::BadInput`] for a sentence without ids or with padding, [`Error::BadId`] for an id outside the vocabulary.
pub(super) fn check_sentence(what: &'static str, ids: &[u32], vocab: usize) -> Result<()> {
    if ids.is_empty() || ids.contains(&PAD) {
        let expected = "ids without padding, one at least".into();
        return Err(Error::BadInput { layer: format!("{what} ids"), found: vec![ids.len()], expected });
    }
    check_row(what, ids, vocab)
}

/// Rows padded to the longest, one behind the other.
pub(super) fn padded(rows: &[&[u32]]) -> (usize, Vec<u32>) {
    let len = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let mut ids = vec![PAD; rows.len() * len];
    for (row, ids) in rows.iter().zip(ids.chunks_exact_mut(len.max(1))) {
        ids[..row.len()].copy_from_slice(row);
    }
    (len, ids)
}
