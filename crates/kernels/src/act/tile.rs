//! Cutting rows x channels into tiles that stay in the first-level cache, and chunks of tiles that are the units of parallel work.
//! Both depend only on the sizes, never on the number of threads.

use std::borrow::Cow;

use crate::real::Real;

/// Elements of a tile at most.
pub(crate) const TILE: usize = 512;
/// Elements of a chunk, about.
const CHUNK: usize = 1 << 15;
/// Rows of a chunk at least, so that per-chunk sums stay small beside the data.
const CHUNK_ROWS: usize = 32;

/// How rows of `channels` elements are cut: tiles of several whole rows, or pieces of one row where it is longer than a tile.
#[derive(Clone, Copy)]
pub(crate) struct Tiling {
    channels: usize,
}

/// A tile: elements `start..start + len` of a chunk, the first of channel `phase`.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) start: usize,
    pub(crate) phase: usize,
    pub(crate) len: usize,
}

impl Tiling {
    pub(crate) fn new(channels: usize) -> Self {
        assert!(channels > 0, "channels must be positive");
        Self { channels }
    }

    fn rows_per_tile(self) -> usize {
        (TILE / self.channels).max(1)
    }

    /// Elements after which tiles meet the same channels again.
    pub(crate) fn period(self) -> usize {
        self.channels * self.rows_per_tile()
    }

    /// Elements of a chunk: whole rows and, but for the last chunk, whole tiles.
    pub(crate) fn chunk_len(self) -> usize {
        let tiles = (CHUNK / self.period()).max(CHUNK_ROWS / self.rows_per_tile()).max(1);
        tiles * self.period()
    }

    /// The tiles of a chunk of `len` elements.
    pub(crate) fn tiles(self, len: usize) -> impl Iterator<Item = Tile> {
        let period = self.period();
        let mut start = 0;
        std::iter::from_fn(move || {
            let phase = if period > TILE { start % period } else { 0 };
            let tile = Tile { start, phase, len: TILE.min(period - phase).min(len - start) };
            start += tile.len;
            (tile.len > 0).then_some(tile)
        })
    }

    /// One value a channel, repeated so that any tile can read its channels as a slice.
    pub(crate) fn pattern<T: Real>(self, per_channel: &[T]) -> Pattern<'_, T> {
        assert_eq!(per_channel.len(), self.channels, "one value a channel");
        match self.rows_per_tile() {
            1 => Pattern(Cow::Borrowed(per_channel)),
            rows => Pattern(Cow::Owned(per_channel.repeat(rows))),
        }
    }

    /// `n` parameters of `channels` values each.
    pub(crate) fn patterns<T: Real>(self, n: usize, params: &[T]) -> Vec<Pattern<'_, T>> {
        assert_eq!(params.len(), n * self.channels, "n_params * channels values");
        params.chunks_exact(self.channels).map(|values| self.pattern(values)).collect()
    }
}

/// Per-channel values laid out for tiles.
pub(crate) struct Pattern<'a, T: Real>(Cow<'a, [T]>);

impl<T: Real> Pattern<'_, T> {
    /// The values beside a tile's elements.
    #[inline(always)]
    pub(crate) fn at(&self, tile: Tile) -> &[T] {
        &self.0[tile.phase..tile.phase + tile.len]
    }
}

/// Sums over the rows of a chunk for several quantities: in `T` for each place of a tile, then in `f64` for each channel.
pub(crate) struct Sums<T> {
    tiling: Tiling,
    sums: Vec<T>,
}

impl<T: Real> Sums<T> {
    pub(crate) fn new(tiling: Tiling, quantities: usize) -> Self {
        Self { tiling, sums: vec![T::ZERO; quantities * tiling.period()] }
    }

    /// The running sums of a quantity beside a tile's elements.
    #[inline(always)]
    pub(crate) fn at(&mut self, quantity: usize, tile: Tile) -> &mut [T] {
        let start = quantity * self.tiling.period() + tile.phase;
        &mut self.sums[start..start + tile.len]
    }

    /// The running sums of quantities `first` and `first + 1`.
    #[inline(always)]
    pub(crate) fn two(&mut self, first: usize, tile: Tile) -> (&mut [T], &mut [T]) {
        let period = self.tiling.period();
        let (low, high) = self.sums[first * period..].split_at_mut(period);
        (&mut low[tile.phase..tile.phase + tile.len], &mut high[tile.phase..tile.phase + tile.len])
    }

    /// Quantity-major: `[quantity * channels + channel]`.
    pub(crate) fn fold(&self) -> Vec<f64> {
        let channels = self.tiling.channels;
        let mut totals = vec![0.0; self.sums.len() / self.tiling.rows_per_tile()];
        for (total, sums) in totals.chunks_exact_mut(channels).zip(self.sums.chunks_exact(self.tiling.period())) {
            for row in sums.chunks_exact(channels) {
                for (total, &sum) in total.iter_mut().zip(row) {
                    *total += sum.to_f64();
                }
            }
        }
        totals
    }
}

/// The chunks' sums added in order.
pub(crate) fn combine(chunks: Vec<Vec<f64>>) -> Vec<f64> {
    let mut chunks = chunks.into_iter();
    let mut totals = chunks.next().unwrap_or_default();
    for chunk in chunks {
        for (total, sum) in totals.iter_mut().zip(chunk) {
            *total += sum;
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::add_to;

    #[test]
    fn tiles_cover_a_chunk_and_keep_the_channel() {
        for channels in [1, 3, 12, 16, 300, 512, 513, 2000] {
            let tiling = Tiling::new(channels);
            assert_eq!(tiling.chunk_len() % tiling.period(), 0);
            let names: Vec<f64> = (0..channels).map(|c| c as f64).collect();
            let pattern = tiling.pattern(&names);
            let mut sums = Sums::new(tiling, 2);
            let rows = 45;
            let mut next = 0;
            for tile in tiling.tiles(rows * channels) {
                assert_eq!(tile.start, next);
                next += tile.len;
                for (i, &c) in pattern.at(tile).iter().enumerate() {
                    assert_eq!(c as usize, (tile.start + i) % channels);
                }
                add_to(sums.at(1, tile), pattern.at(tile));
            }
            assert_eq!(next, rows * channels);
            let expected: Vec<f64> =
                (0..2 * channels).map(|i| if i < channels { 0.0 } else { (rows * (i - channels)) as f64 }).collect();
            assert_eq!(sums.fold(), expected);
        }
    }
}
