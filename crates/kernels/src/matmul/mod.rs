//! Matrix products whose right operand is packed once and used by many rows: linear layers and attention.
//!
//! In f32 on processors with a matrix unit it takes both operands in bfloat16, one number a factor or, where factors are exact, three
//! (see `conv::amx`). Elsewhere the products are those of [`crate::gemm`].

#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "amx_none.rs")]
mod amx;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod pack;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rayon::prelude::*;

use crate::conv::Operands;
use crate::gemm;
pub(crate) use crate::gemm::{Mat, MatMut};
use crate::real::Real;

/// Rows of a result that one task makes: their operands stay in the second-level cache.
pub(crate) const TASK_ROWS: usize = 256;
/// Lanes that one task makes of a result of few rows.
const TASK_LANES: usize = 256;

/// Rows that a task takes of `rows` where sums over them depend on it: by their number alone.
pub(crate) fn task_rows(rows: usize) -> usize {
    rows.div_ceil(8).next_multiple_of(16).clamp(16, TASK_ROWS)
}

/// A right operand of `depth` rows and `lanes` columns.
pub(crate) struct Right<'a, T: Real> {
    depth: usize,
    lanes: usize,
    operands: Operands,
    packed: Packed<'a, T>,
}

enum Packed<'a, T: Real> {
    Tiles(amx::Tiled),
    Plain { data: Cow<'a, [T]>, rs: usize, cs: usize },
}

impl<'a, T: Real> Right<'a, T> {
    /// Packs `mat` (depth, lanes) on all threads.
    pub(crate) fn new(depth: usize, lanes: usize, mat: Mat<'a, T>, operands: Operands) -> Self {
        Self::packed(depth, lanes, mat, operands, true)
    }

    /// Packs `mat` (depth, lanes) on this thread, for a small operand of one task.
    pub(crate) fn small(depth: usize, lanes: usize, mat: Mat<'a, T>, operands: Operands) -> Self {
        Self::packed(depth, lanes, mat, operands, false)
    }

    fn packed(depth: usize, lanes: usize, mat: Mat<'a, T>, operands: Operands, parallel: bool) -> Self {
        let packed = match amx::Tiled::new(depth, lanes, mat, operands, parallel) {
            Some(tiles) => Packed::Tiles(tiles),
            None if operands == Operands::Bf16 => {
                Packed::Plain { data: Cow::Owned(rounded(depth, lanes, mat)), rs: lanes, cs: 1 }
            }
            None => Packed::Plain { data: Cow::Borrowed(mat.data), rs: mat.rs, cs: mat.cs },
        };
        Self { depth, lanes, operands, packed }
    }

    /// `dst = lhs * self`, or `dst += lhs * self` with `accumulate`, on this thread. `lhs` has `rows` rows; a row of `dst` is contiguous.
    pub(crate) fn product(&self, rows: usize, lhs: Mat<'_, T>, dst: MatMut<'_, T>, accumulate: bool) {
        self.product_of(rows, 0, self.lanes, lhs, dst, accumulate);
    }

    /// The same for the lanes `first..first + lanes` alone; `first` is a multiple of 16.
    fn product_of(
        &self,
        rows: usize,
        first: usize,
        lanes: usize,
        lhs: Mat<'_, T>,
        dst: MatMut<'_, T>,
        accumulate: bool,
    ) {
        assert!(dst.cs == 1 && first.is_multiple_of(16), "rows of the result are contiguous, lanes taken by blocks");
        if rows == 0 || lanes == 0 {
            return;
        }
        match &self.packed {
            Packed::Tiles(tiles) => tiles.product(rows, first..first + lanes, lhs, dst, accumulate),
            Packed::Plain { data, rs, cs } => {
                let shape = (rows, lanes, self.depth);
                let rhs = Mat { data: data.get(first * cs..).unwrap_or_default(), rs: *rs, cs: *cs };
                if self.operands == Operands::Bf16 {
                    let lhs = rounded(rows, self.depth, lhs);
                    gemm::product(shape, dst, accumulate, Mat { data: &lhs, rs: self.depth, cs: 1 }, rhs);
                } else {
                    gemm::product(shape, dst, accumulate, lhs, rhs);
                }
            }
        }
    }

    /// `dst = lhs * self` (with `accumulate` added to it) on all threads: `dst` (rows, lanes) and `lhs` (rows, depth), or with
    /// `transposed` `lhs` (depth, rows). `finish` is called on every group of rows when they are there.
    pub(crate) fn product_of_all(
        &self,
        lhs: &[T],
        transposed: bool,
        dst: &mut [T],
        accumulate: bool,
        finish: impl Fn(&mut [T]) + Sync,
    ) {
        let (depth, lanes) = (self.depth, self.lanes);
        let rows = dst.len() / lanes;
        assert!(dst.len() == rows * lanes && lhs.len() == rows * depth, "operands of {rows} rows");
        let mat = |first: usize| match transposed {
            false => Mat { data: &lhs[first * depth..], rs: depth, cs: 1 },
            true => Mat { data: lhs.get(first..).unwrap_or_default(), rs: 1, cs: rows },
        };
        if rows <= TASK_ROWS && lanes >= 2 * TASK_LANES {
            self.by_lanes(rows, mat(0), dst, accumulate);
            return finish(dst);
        }
        let step = match self.packed {
            // The sums of a tile are made in one order, whichever rows are beside it.
            Packed::Tiles(_) => {
                rows.div_ceil(2 * rayon::current_num_threads()).next_multiple_of(16).clamp(16, TASK_ROWS)
            }
            // The gemm crate chooses its order by the number of rows.
            Packed::Plain { .. } => task_rows(rows),
        };
        dst.par_chunks_mut(step * lanes).enumerate().for_each(|(task, dst)| {
            let dst_rows = dst.len() / lanes;
            self.product(dst_rows, mat(task * step), MatMut { data: &mut *dst, rs: lanes, cs: 1 }, accumulate);
            finish(dst);
        });
    }

    /// Few rows: the tasks share out the lanes.
    fn by_lanes(&self, rows: usize, lhs: Mat<'_, T>, dst: &mut [T], accumulate: bool) {
        let lanes = self.lanes;
        let parts: Vec<Vec<T>> = (0..lanes.div_ceil(TASK_LANES))
            .into_par_iter()
            .map(|part| {
                let first = part * TASK_LANES;
                let count = TASK_LANES.min(lanes - first);
                let mut made = vec![T::ZERO; rows * count];
                self.product_of(rows, first, count, lhs, MatMut { data: &mut made, rs: count, cs: 1 }, false);
                made
            })
            .collect();
        for (part, made) in parts.iter().enumerate() {
            let first = part * TASK_LANES;
            let count = TASK_LANES.min(lanes - first);
            for (dst, made) in dst.chunks_exact_mut(lanes).zip(made.chunks_exact(count)) {
                let dst = &mut dst[first..first + count];
                if accumulate {
                    dst.iter_mut().zip(made).for_each(|(dst, &made)| *dst += made);
                } else {
                    dst.copy_from_slice(made);
                }
            }
        }
    }
}

/// A dense copy, rounded to bfloat16.
fn rounded<T: Real>(rows: usize, columns: usize, mat: Mat<'_, T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        copy.extend((0..columns).map(|column| mat.data[row * mat.rs + column * mat.cs].round_bf16()));
    }
    copy
}
