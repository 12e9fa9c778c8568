//! Weights packed as right operands: tiles of 32 factors by 16 lanes, two factors of a lane side by side.

use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_mask_i32gather_ps, _mm512_mullo_epi32, _mm512_permutexvar_epi16,
    _mm512_set1_epi32, _mm512_setzero_ps,
};

use rayon::prelude::*;

use super::split::{Pair, lanes, round, store, subtract};
use super::tile::{DEPTH, ROWS, TILE};
use crate::spare::Spare;

/// Where the factors of a window and its lanes lie in the original weights.
pub(super) struct Source<'a> {
    pub(super) weight: &'a [f32],
    /// For each row of the window the index of each of its cells, at the first channel and lane.
    pub(super) cells: Vec<Vec<usize>>,
    /// Channels of a cell and the distance between them.
    pub(super) channels: usize,
    pub(super) channel_step: usize,
    /// Lanes and the distance between them.
    pub(super) lanes: usize,
    pub(super) lane_step: usize,
}

/// Packed weights: blocks of 16 lanes, in each the planes, in each the steps of all rows of the window.
pub(super) struct Packed {
    tiles: Spare<u16>,
    steps: usize,
    planes: usize,
}

impl Source<'_> {
    /// Steps of one row of the window with `cells` cells.
    pub(super) fn row_steps(&self, cells: usize) -> usize {
        (cells * self.channels).div_ceil(DEPTH)
    }
}

impl Packed {
    /// Packs `source` in one or three planes.
    pub(super) fn new(source: &Source<'_>, planes: usize) -> Self {
        let steps: usize = source.cells.iter().map(|row| source.row_steps(row.len())).sum();
        let blocks = source.lanes.div_ceil(ROWS);
        let mut packed = Self { tiles: Spare::new(blocks * planes * steps * TILE), steps, planes };
        // Gathers take 32-bit indices.
        assert!(source.weight.len() <= i32::MAX as usize, "more than 2^31 weights");
        packed.tiles.par_chunks_mut((planes * steps * TILE).max(1)).enumerate().for_each(|(block, packed)| {
            // SAFETY: weights are packed for AMX only where its level, which includes these instructions, is chosen.
            unsafe { pack_block(source, block, planes, packed) };
        });
        packed
    }

    /// Elements of one plane of a block.
    pub(super) fn plane_len(&self) -> usize {
        self.steps * TILE
    }

    /// One block, all planes.
    pub(super) fn block(&self, block: usize) -> &[u16] {
        let len = self.planes * self.plane_len();
        &self.tiles[block * len..][..len]
    }
}

/// The order of 16-bit numbers that puts the second half of a vector between those of the first.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn interleaving() -> __m512i {
    const ORDER: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 16 {
            order[2 * i] = i as u16;
            order[2 * i + 1] = i as u16 + 16;
            i += 1;
        }
        order
    };
    // SAFETY: ORDER is 64 bytes.
    unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack_block(source: &Source<'_>, block: usize, planes: usize, packed: &mut [u16]) {
    const COUNT: [i32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let first_lane = block * ROWS;
    let valid = ROWS.min(source.lanes - first_lane);
    let mask = lanes(valid) as u16;
    let order = interleaving();
    // SAFETY: COUNT is 64 bytes.
    let count = unsafe { _mm512_loadu_si512(COUNT.as_ptr().cast()) };
    let indices = _mm512_mullo_epi32(count, _mm512_set1_epi32(source.lane_step as i32));
    let plane_len = packed.len() / planes;
    // Steps that a row of the window fills in part only.
    let mut end = 0;
    for cells in &source.cells {
        end += source.row_steps(cells.len()) * TILE;
        if !(cells.len() * source.channels).is_multiple_of(DEPTH) {
            packed.chunks_exact_mut(plane_len).for_each(|plane| plane[end - TILE..end].fill(0));
        }
    }
    let factor = |cell: Option<&usize>, channel: usize| {
        let Some(cell) = cell.filter(|_| channel < source.channels) else { return _mm512_setzero_ps() };
        let weight = &source.weight[cell + channel * source.channel_step + first_lane * source.lane_step..];
        assert!((valid - 1) * source.lane_step < weight.len(), "a lane outside the weights");
        // SAFETY: the assertion covers the last lane that the mask selects, and the indices fit 32 bits.
        unsafe { _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, indices, weight.as_ptr()) }
    };
    let mut put = |start: usize, mut values: Pair| {
        for plane in packed.chunks_exact_mut(plane_len) {
            let rounded = round(values);
            store(_mm512_permutexvar_epi16(order, rounded), &mut plane[start..][..DEPTH]);
            values = subtract(values, rounded);
        }
    };
    if source.channels.is_multiple_of(2) {
        // All cells of two channels in turn: they are neighbours in the weights.
        for channel in (0..source.channels).step_by(2) {
            let mut first_tile = 0;
            for cells in &source.cells {
                for (i, cell) in cells.iter().enumerate() {
                    let place = first_tile * DEPTH + i * source.channels + channel;
                    put(place * ROWS, [factor(Some(cell), channel), factor(Some(cell), channel + 1)]);
                }
                first_tile += source.row_steps(cells.len());
            }
        }
    } else {
        let mut first_tile = 0;
        for cells in &source.cells {
            for i in (0..cells.len() * source.channels).step_by(2) {
                let [even, odd] = [i, i + 1].map(|i| factor(cells.get(i / source.channels), i % source.channels));
                put((first_tile * DEPTH + i) * ROWS, [even, odd]);
            }
            first_tile += source.row_steps(cells.len());
        }
    }
}
