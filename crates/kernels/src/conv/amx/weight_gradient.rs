//! The weight gradient: for each kernel position, channels of the output's gradient times channels of the input, summed over the flat
//! positions of a canvas.
//!
//! The output's gradient is transposed to channels of positions (left operand), the input packed in pairs of positions (right operand).
//! A kernel position is an offset in the input: pairs that begin with odd positions are a second copy, so that tiles stay aligned. Where
//! there are few channels, the cells of a kernel row are taken together as channels, because they lie side by side.

use std::arch::x86_64::{_mm512_add_ps, _mm512_loadu_ps, _mm512_storeu_ps};

use rayon::prelude::*;

use super::Buffers;
use super::canvas::{Axis, Canvas};
use super::pass::planes;
use super::products::{product_1x4, product_2x2};
use super::tile::{DEPTH, Operands, ROWS, SUMS, Target, Tiles};
use super::transpose::{channels_of_pixels, pairs_of_pixels};
use crate::conv::Conv2d;

/// Bytes of the rearranged copies that are filled at once.
const COPY_BYTES: usize = 512 << 10;
/// Positions summed at once at least, so that the sums are not read and written too often.
const POSITIONS: usize = 1024;

/// Pairs of positions of the input, in one of the phases of the canvas.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pairs {
    /// Phase of the rows.
    row: usize,
    /// Phase of the columns.
    column: usize,
    /// The first position, 0 or 1.
    first: usize,
}

/// Where the right operand of a kernel position, or of a kernel row, begins.
struct Offset {
    /// Which copy.
    copy: usize,
    /// Pairs to skip.
    pairs: usize,
}

/// Sizes of the weight gradient.
pub(super) struct WeightGradient {
    xs: Canvas,
    d_ys: Canvas,
    kh: usize,
    kw: usize,
    /// Channels of the right operand: those of the input, or of a kernel row.
    channels: usize,
    copies: Vec<Pairs>,
    offsets: Vec<Offset>,
    /// Elements of one transposed channel.
    channel_len: usize,
    /// Pairs of one copy.
    pairs: usize,
    /// Pairs that are read after those of the last step, by the kernel position with the largest offset.
    reach: usize,
}

/// A tile of sums before it is added to the others.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Sums([f32; SUMS]);

impl WeightGradient {
    pub(super) fn new(conv: &Conv2d) -> Self {
        let conv = &super::pass::flattened(conv);
        let (out_h, out_w) = (conv.out_h(), conv.out_w());
        let (kh, kw, (sy, sx)) = (conv.kh, conv.kw, conv.stride);
        let rows = Axis::new(conv.h, conv.pad.top, kh, sy, out_h);
        let columns = Axis::new(conv.w, conv.pad.left, kw, sx, out_w);
        let planes = planes(conv);
        let whole_rows = (kw * conv.c_in).div_ceil(ROWS) < kw * conv.c_in.div_ceil(ROWS);
        let (channels, columns_read) = if whole_rows { (kw * conv.c_in, 1) } else { (conv.c_in, kw) };
        let (mut copies, mut offsets) = (Vec::new(), Vec::new());
        for y in 0..kh {
            for x in 0..columns_read {
                let position = y / sy * columns.pitch + x / sx;
                let pairs = Pairs { row: y % sy, column: x % sx, first: position % 2 };
                let known = copies.iter().position(|&copy| copy == pairs);
                let copy = known.unwrap_or(copies.len());
                if known.is_none() {
                    copies.push(pairs);
                }
                offsets.push(Offset { copy, pairs: position / 2 });
            }
        }
        let positions = rows.pitch * columns.pitch;
        let elements = copies.len() * channels.next_multiple_of(ROWS) + conv.c_out.next_multiple_of(ROWS);
        let bytes = planes * elements * positions * size_of::<u16>();
        let images = (COPY_BYTES / bytes).max(POSITIONS.div_ceil(positions)).clamp(1, 128);
        let steps = (images * positions).div_ceil(DEPTH);
        let reach = offsets.iter().map(|offset| offset.pairs).fold(0, usize::max);
        Self {
            xs: Canvas {
                h: conv.h,
                w: conv.w,
                channels: conv.c_in,
                rows,
                columns,
                images,
                planes,
                // Positions that are no output's have gradients of 0 and windows all the same.
                window: channels.next_multiple_of(ROWS),
            },
            d_ys: Canvas {
                h: out_h,
                w: out_w,
                channels: conv.c_out,
                rows: Axis { len: out_h, before: 0, stride: 1, pitch: rows.pitch, shared: 0 },
                columns: Axis { len: out_w, before: 0, stride: 1, pitch: columns.pitch, shared: 0 },
                images,
                planes,
                window: 0,
            },
            kh,
            kw,
            channels,
            copies,
            offsets,
            // An odd number of cache lines, so that the rows of a tile do not fall into the same sets of the cache.
            channel_len: (steps | 1) * DEPTH,
            pairs: steps * ROWS + reach,
            reach,
        }
    }

    fn blocks_in(&self) -> usize {
        self.channels.div_ceil(ROWS)
    }

    fn blocks_out(&self) -> usize {
        self.d_ys.channels.div_ceil(ROWS)
    }

    /// Right operands: blocks of channels at every offset.
    fn items(&self) -> usize {
        self.blocks_in() * self.offsets.len()
    }

    /// Length of the sums: (block of output channels, item, 16 output channels, 16 channels of the right operand).
    pub(super) fn partial_len(&self) -> usize {
        self.blocks_out() * self.items() * SUMS
    }

    /// Adds the gradient from `xs` and `d_ys`, all of whole images, to `partial`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn run(&self, xs: &[f32], d_ys: &[f32], partial: &mut [f32], buffers: &mut Buffers) {
        let tiles = Tiles::configure();
        let x_len = self.xs.h * self.xs.w * self.xs.channels;
        let y_len = self.d_ys.h * self.d_ys.w * self.d_ys.channels;
        for (xs, d_ys) in xs.chunks(self.xs.images * x_len).zip(d_ys.chunks(self.xs.images * y_len)) {
            let images = xs.len() / x_len;
            self.pack_input(images, xs, buffers);
            self.transpose_gradient(images, d_ys, buffers);
            self.sum(images, &tiles, partial, buffers);
        }
    }

    /// Flat positions of some images.
    fn positions(&self, images: usize) -> usize {
        images * self.xs.rows.pitch * self.xs.columns.pitch
    }

    /// Elements of one plane of all copies of a block.
    fn right_plane(&self) -> usize {
        self.copies.len() * self.pairs * DEPTH
    }

    /// Elements of one plane of the transposed gradient.
    fn left_plane(&self) -> usize {
        self.blocks_out() * ROWS * self.channel_len
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn pack_input(&self, images: usize, xs: &[f32], buffers: &mut Buffers) {
        let canvas = &self.xs;
        let position_len = canvas.position_len();
        let buffer = buffers.xs.grown(canvas.buffer_len(self.channels));
        canvas.fill(images, xs, buffer);
        let packed = buffers.right.grown(self.blocks_in() * canvas.planes * self.right_plane());
        let read = self.positions(images).div_ceil(DEPTH) * ROWS + self.reach;
        for (i, dst) in packed.chunks_exact_mut(self.right_plane()).enumerate() {
            let (block, plane) = (i / canvas.planes, i % canvas.planes);
            for (copy, dst) in self.copies.iter().zip(dst.chunks_exact_mut(self.pairs * DEPTH)) {
                let start = plane * canvas.plane_len()
                    + copy.row * canvas.phase_len()
                    + copy.first * position_len
                    + copy.column * canvas.channels
                    + block * ROWS;
                let dst = &mut dst[..read * DEPTH];
                pairs_of_pixels(&buffer[start..], position_len, self.positions(images) - copy.first, dst);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn transpose_gradient(&self, images: usize, d_ys: &[f32], buffers: &mut Buffers) {
        let canvas = &self.d_ys;
        let buffer = buffers.d_ys.grown(canvas.buffer_len(2 * DEPTH * canvas.channels));
        canvas.fill(images, d_ys, buffer);
        let transposed = buffers.left.grown(canvas.planes * self.left_plane());
        for (plane, dst) in transposed.chunks_exact_mut(self.left_plane()).enumerate() {
            let counts = (self.positions(images), canvas.channels);
            let src = &buffer[plane * canvas.plane_len()..];
            channels_of_pixels(src, canvas.channels, counts, self.channel_len, dst);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn sum(&self, images: usize, tiles: &Tiles, partial: &mut [f32], buffers: &mut Buffers) {
        let count = self.positions(images).div_ceil(DEPTH);
        buffers.steps.set((0..count).map(|step| step * DEPTH));
        let planes = self.xs.planes;
        let operands = Operands {
            steps: &buffers.steps,
            exact: planes == 3,
            left_row: self.channel_len * size_of::<u16>(),
            left_plane: self.left_plane() * size_of::<u16>(),
            right_plane: self.right_plane() * size_of::<u16>(),
        };
        let transposed = buffers.left.grown(planes * self.left_plane());
        let packed = buffers.right.grown(self.blocks_in() * planes * self.right_plane());
        let items = self.items();
        let left = |block: usize| transposed[block * ROWS * self.channel_len..].as_ptr();
        let right = |item: usize| {
            let item = item.min(items - 1);
            let offset = &self.offsets[item % self.offsets.len()];
            let block = item / self.offsets.len() * planes * self.right_plane();
            packed[block + (offset.copy * self.pairs + offset.pairs) * DEPTH..].as_ptr()
        };
        let mut sums = [Sums([0.0; SUMS]); 4];
        let blocks = self.blocks_out();
        let mut add = |places: [(usize, usize); 4], sums: &[Sums; 4]| {
            for ((block, item), sums) in places.into_iter().zip(sums) {
                if item < items {
                    add_tile(&sums.0, &mut partial[(block * items + item) * SUMS..][..SUMS]);
                }
            }
        };
        for block in (0..blocks - 1).step_by(2) {
            let left = [block, block + 1].map(left);
            for item in (0..items).step_by(2) {
                let targets = sums.each_mut().map(|sums| Target { first: sums.0.as_mut_ptr(), row: 64 });
                // SAFETY: the copies hold `count` steps of every block, and `pairs` leaves room for all offsets; targets are whole tiles.
                unsafe { product_2x2(tiles, &operands, left, [item, item + 1].map(right), targets) };
                add([(block, item), (block, item + 1), (block + 1, item), (block + 1, item + 1)], &sums);
            }
        }
        if blocks % 2 == 1 {
            let block = blocks - 1;
            for item in (0..items).step_by(4) {
                let items = [item, item + 1, item + 2, item + 3];
                let targets = sums.each_mut().map(|sums| Target { first: sums.0.as_mut_ptr(), row: 64 });
                // SAFETY: as above.
                unsafe { product_1x4(tiles, &operands, left(block), items.map(right), targets) };
                add(items.map(|item| (block, item)), &sums);
            }
        }
    }

    /// `d_weight` (c_out, c_in, kh, kw) from the sums.
    pub(super) fn finish(&self, sums: &[f32], d_weight: &mut [f32]) {
        let (c_in, items) = (self.xs.channels, self.items());
        let (taps, offsets) = (self.kh * self.kw, self.offsets.len());
        let filter_len = c_in * taps;
        d_weight.par_chunks_mut(ROWS * filter_len).zip(sums.par_chunks(items * SUMS)).for_each(|(d_weight, sums)| {
            for (lane, d_weight) in d_weight.chunks_exact_mut(filter_len).enumerate() {
                for (c, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
                    if offsets == taps {
                        let first = c / ROWS * offsets * SUMS + lane * ROWS + c % ROWS;
                        for (d_weight, sum) in d_weight.iter_mut().zip(sums[first..].iter().step_by(SUMS)) {
                            *d_weight = *sum;
                        }
                    } else {
                        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
                            let (y, channel) = (tap / self.kw, tap % self.kw * c_in + c);
                            let tile = channel / ROWS * offsets + y;
                            *d_weight = sums[tile * SUMS + lane * ROWS + channel % ROWS];
                        }
                    }
                }
            }
        });
    }
}

/// Adds a tile to a sum.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn add_tile(tile: &[f32; SUMS], sum: &mut [f32]) {
    for (tile, sum) in tile.chunks_exact(ROWS).zip(sum.chunks_exact_mut(ROWS)) {
        // SAFETY: both rows are 16 numbers long.
        unsafe {
            let total = _mm512_add_ps(_mm512_loadu_ps(sum.as_ptr()), _mm512_loadu_ps(tile.as_ptr()));
            _mm512_storeu_ps(sum.as_mut_ptr(), total);
        }
    }
}
