//! Products on the matrix unit.
#![allow(unsafe_code, reason = "tile instructions; a `Tiled` exists only at the level AMX")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::pack::{Side, pack};
use super::{Mat, MatMut};
use crate::conv::Operands as Rounding;
use crate::conv::amx::products::product_2x2;
use crate::conv::amx::tile::{DEPTH, Operands, ROWS, SUMS, Steps, TILE, Target, Tiles};
use crate::conv::amx::{as_f32, as_f32_mut};
use crate::real::Real;
use crate::simd::{Level, level};
use crate::spare::Spare;

/// Steps of 32 factors that are summed before the left operand goes on: both operands stay in the second-level cache.
const STEPS: usize = 64;
/// Tiles of rows that are packed at once, where they have one plane.
const ROW_TILES: usize = 16;

/// Blocks of lanes that are packed together: so many cache lines lie side by side in a row of factors.
const PACKED_BLOCKS: usize = 8;

/// A packed right operand: blocks of 16 lanes, in each the planes, in each the steps.
pub(super) struct Tiled {
    tiles: Spare<u16>,
    depth: usize,
    lanes: usize,
    planes: usize,
}

/// A tile of sums on its way to the result.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Sums([f32; SUMS]);

/// What one thread reuses from call to call.
#[derive(Default)]
struct Scratch {
    left: Spare<u16>,
    steps: Steps,
}

impl Tiled {
    /// Packs `mat` (depth, lanes), where this route computes in `T`.
    pub(super) fn new<T: Real>(
        depth: usize,
        lanes: usize,
        mat: Mat<'_, T>,
        operands: Rounding,
        parallel: bool,
    ) -> Option<Self> {
        if level() < Level::Amx || !T::IS_F32 || depth == 0 || !(mat.rs == 1 || mat.cs == 1) {
            return None;
        }
        let planes = match operands {
            Rounding::Bf16 => 1,
            Rounding::Exact => 3,
        };
        let block_len = planes * depth.div_ceil(DEPTH) * TILE;
        let mut tiled = Self { tiles: Spare::new(lanes.div_ceil(ROWS) * block_len), depth, lanes, planes };
        // A lane is a row for the packing.
        let mat = Mat { data: as_f32(mat.data), rs: mat.cs, cs: mat.rs };
        let work = |(group, dst): (usize, &mut [u16])| {
            let first = group * PACKED_BLOCKS * ROWS;
            let group = first..lanes.min(first + PACKED_BLOCKS * ROWS);
            // SAFETY: the level includes these instructions.
            unsafe { pack(Side::Right, group, depth, mat, planes, dst) };
        };
        if parallel {
            tiled.tiles.par_chunks_mut(PACKED_BLOCKS * block_len).enumerate().for_each(work);
        } else {
            tiled.tiles.chunks_mut(PACKED_BLOCKS * block_len).enumerate().for_each(work);
        }
        Some(tiled)
    }

    /// The lanes `lanes` of `lhs * self`; the first is a multiple of 16.
    pub(super) fn product<T: Real>(
        &self,
        rows: usize,
        lanes: Range<usize>,
        lhs: Mat<'_, T>,
        dst: MatMut<'_, T>,
        accumulate: bool,
    ) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        assert!(lanes.end <= self.lanes && (rows - 1) * dst.rs + lanes.len() <= dst.data.len(), "room for the result");
        let (lhs, rs) = (Mat { data: as_f32(lhs.data), rs: lhs.rs, cs: lhs.cs }, dst.rs);
        let dst = as_f32_mut(dst.data);
        SCRATCH.with_borrow_mut(|scratch| {
            let tiles = Tiles::configure();
            // Three planes take three times the cache.
            let (height, depth) = match self.planes {
                1 => (ROW_TILES * ROWS, STEPS * DEPTH),
                _ => (ROW_TILES / 2 * ROWS, STEPS / 2 * DEPTH),
            };
            for first_row in (0..rows).step_by(height) {
                let rows = first_row..rows.min(first_row + height);
                for from in (0..self.depth).step_by(depth) {
                    let factors = from..self.depth.min(from + depth);
                    let job = Job { tiled: self, rows: rows.clone(), lanes: lanes.clone(), factors, rs };
                    // SAFETY: the level includes these instructions.
                    unsafe { job.run(&tiles, lhs, dst, accumulate || from > 0, scratch) };
                }
            }
        });
    }
}

/// Some rows, lanes and factors of a product.
struct Job<'a> {
    tiled: &'a Tiled,
    rows: Range<usize>,
    lanes: Range<usize>,
    factors: Range<usize>,
    /// From one row of the result to the next.
    rs: usize,
}

impl Job<'_> {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn run(&self, tiles: &Tiles, lhs: Mat<'_, f32>, dst: &mut [f32], add: bool, scratch: &mut Scratch) {
        let Tiled { tiles: right, depth, planes, .. } = self.tiled;
        let (planes, steps) = (*planes, self.factors.len().div_ceil(DEPTH));
        let right_plane = depth.div_ceil(DEPTH) * TILE;
        let (row_tiles, blocks) = (self.rows.len().div_ceil(ROWS), self.lanes.len().div_ceil(ROWS));
        let tile_len = planes * steps * TILE;
        let left = scratch.left.grown(row_tiles * tile_len);
        let factors = Mat { data: &lhs.data[self.factors.start * lhs.cs..], ..lhs };
        pack(Side::Left, self.rows.clone(), self.factors.len(), factors, planes, left);
        scratch.steps.set((0..steps).map(|step| step * TILE));
        let operands = Operands {
            steps: &scratch.steps,
            exact: planes == 3,
            left_row: DEPTH * size_of::<u16>(),
            left_plane: steps * TILE * size_of::<u16>(),
            right_plane: right_plane * size_of::<u16>(),
        };
        let left_at = |i: usize| left[i.min(row_tiles - 1) * tile_len..][..tile_len].as_ptr();
        let right_at = |block: usize| {
            let block = self.lanes.start / ROWS + block.min(blocks - 1);
            let len = planes * right_plane;
            right[block * len..][..len][self.factors.start / DEPTH * TILE..].as_ptr()
        };
        let mut sums = [Sums([0.0; SUMS]); 4];
        for block in (0..blocks).step_by(2) {
            for i in (0..row_tiles).step_by(2) {
                let places = [(i, block), (i, block + 1), (i + 1, block), (i + 1, block + 1)];
                let mut targets = sums.each_mut().map(|sums| Target { first: sums.0.as_mut_ptr(), row: 64 });
                let result = (dst.as_mut_ptr(), dst.len());
                let direct = places.map(|(i, block)| if add { None } else { self.direct(i, block, result) });
                for (target, direct) in targets.iter_mut().zip(direct) {
                    *target = direct.unwrap_or(*target);
                }
                // SAFETY: left and right tiles were packed for these steps; targets are distinct tiles of the result, which `direct`
                // has checked, or sums.
                unsafe {
                    product_2x2(
                        tiles,
                        &operands,
                        [left_at(i), left_at(i + 1)],
                        [right_at(block), right_at(block + 1)],
                        targets,
                    );
                }
                for ((place, direct), sums) in places.into_iter().zip(direct).zip(&sums) {
                    if direct.is_none() && place.0 < row_tiles && place.1 < blocks {
                        self.deliver(place, sums, dst, add);
                    }
                }
            }
        }
    }

    /// Where in the result, which begins at `first` and is `len` long, the sums of a whole tile may go without a detour.
    fn direct(&self, i: usize, block: usize, (first, len): (*mut f32, usize)) -> Option<Target> {
        let whole = (i + 1) * ROWS <= self.rows.len() && (block + 1) * ROWS <= self.lanes.len();
        whole.then(|| {
            let at = (self.rows.start + i * ROWS) * self.rs + block * ROWS;
            assert!(at + (ROWS - 1) * self.rs + ROWS <= len, "a tile inside the result");
            Target { first: first.wrapping_add(at), row: self.rs * size_of::<f32>() }
        })
    }

    /// Stores or adds the rows and lanes of a tile that are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn deliver(&self, (i, block): (usize, usize), sums: &Sums, dst: &mut [f32], add: bool) {
        let lanes = ROWS.min(self.lanes.len() - block * ROWS);
        let rows = ROWS.min(self.rows.len() - i * ROWS);
        for (row, sums) in sums.0.chunks_exact(ROWS).enumerate().take(rows) {
            let first = (self.rows.start + i * ROWS + row) * self.rs + block * ROWS;
            let dst = &mut dst[first..first + lanes];
            if add {
                dst.iter_mut().zip(sums).for_each(|(dst, sum)| *dst += sum);
            } else {
                dst.copy_from_slice(&sums[..lanes]);
            }
        }
    }
}
