//! The weight gradient: for each kernel position, channels of the input times channels of the output's gradient, summed over the flat
//! positions of a canvas. A kernel position is an offset in the input, so all of them read the same transposed copy.

use std::arch::x86_64::{_mm512_add_ps, _mm512_loadu_ps, _mm512_storeu_ps};

use rayon::prelude::*;

use super::Buffers;
use super::canvas::{Axis, Canvas};
use super::pass::planes;
use super::tile::{DEPTH, Operands, ROWS, SUMS, TILE, Target, Tiles, product_2x2, product_4x1};
use super::transpose::{channels_of_pixels, pairs_of_pixels};
use crate::conv::Conv2d;

/// Bytes of the transposed copies that are filled at once.
const COPY_BYTES: usize = 512 << 10;
/// Positions summed at once at least, so that the sums are not read and written too often.
const POSITIONS: usize = 512;

/// Sizes of the weight gradient.
pub(super) struct WeightGradient {
    xs: Canvas,
    d_ys: Canvas,
    taps: usize,
    /// The vertical and horizontal phases of the input that the kernel reads.
    phases: Vec<(usize, usize)>,
    /// For each kernel position its phase and the offset in the phase.
    offsets: Vec<(usize, usize)>,
    /// Elements of one transposed channel.
    channel_len: usize,
}

/// A tile of sums before it is added to the others.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Sums([f32; SUMS]);

impl WeightGradient {
    pub(super) fn new(conv: &Conv2d) -> Self {
        let (out_h, out_w) = (conv.out_h(), conv.out_w());
        let (kh, kw, (sy, sx)) = (conv.kh, conv.kw, conv.stride);
        let rows = Axis::new(conv.h, conv.pad.top, kh, sy, out_h);
        let columns = Axis::new(conv.w, conv.pad.left, kw, sx, out_w);
        let planes = planes(conv);
        let phases: Vec<_> = (0..sy.min(kh)).flat_map(|y| (0..sx.min(kw)).map(move |x| (y, x))).collect();
        let offsets: Vec<_> = (0..kh * kw)
            .map(|tap| {
                let (y, x) = (tap / kw, tap % kw);
                (y % sy * sx.min(kw) + x % sx, y / sy * columns.pitch + x / sx)
            })
            .collect();
        let positions = rows.pitch * columns.pitch;
        let bytes =
            planes * (phases.len() * conv.c_in + conv.c_out).next_multiple_of(ROWS) * positions * size_of::<u16>();
        let images = (COPY_BYTES / bytes).max(POSITIONS.div_ceil(positions)).clamp(1, 128);
        let summed = (images * positions).next_multiple_of(DEPTH);
        let reach = offsets.iter().map(|&(_, offset)| offset).fold(0, usize::max);
        // An odd number of cache lines, so that the rows of a tile do not fall into the same sets of the cache.
        let channel_len = ((summed + reach).div_ceil(DEPTH) | 1) * DEPTH;
        Self {
            xs: Canvas { h: conv.h, w: conv.w, channels: conv.c_in, rows, columns, images, planes },
            d_ys: Canvas {
                h: out_h,
                w: out_w,
                channels: conv.c_out,
                rows: Axis { len: out_h, before: 0, stride: 1, pitch: rows.pitch, shared: 0 },
                // The last step may need zeros after the last position.
                columns: Axis { len: out_w, before: 0, stride: 1, pitch: columns.pitch, shared: DEPTH },
                images,
                planes,
            },
            taps: kh * kw,
            phases,
            offsets,
            channel_len,
        }
    }

    fn blocks_in(&self) -> usize {
        self.xs.channels.div_ceil(ROWS)
    }

    fn blocks_out(&self) -> usize {
        self.d_ys.channels.div_ceil(ROWS)
    }

    /// Length of the sums: (block of input channels, kernel position, block of output channels, 16 input channels, 16 output channels).
    pub(super) fn partial_len(&self) -> usize {
        self.blocks_in() * self.taps * self.blocks_out() * SUMS
    }

    /// Adds the gradient from `xs` and `d_ys`, all of whole images, to `partial`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn run(&self, xs: &[f32], d_ys: &[f32], partial: &mut [f32], buffers: &mut Buffers) {
        let tiles = Tiles::configure();
        let x_len = self.xs.h * self.xs.w * self.xs.channels;
        let y_len = self.d_ys.h * self.d_ys.w * self.d_ys.channels;
        for (xs, d_ys) in xs.chunks(self.xs.images * x_len).zip(d_ys.chunks(self.xs.images * y_len)) {
            let images = xs.len() / x_len;
            self.transpose_input(images, xs, buffers);
            self.pack_gradient(images, d_ys, buffers);
            self.sum(images, &tiles, partial, buffers);
        }
    }

    /// Flat positions of some images.
    fn positions(&self, images: usize) -> usize {
        images * self.xs.rows.pitch * self.xs.columns.pitch
    }

    /// Elements of one phase of the transposed input, and of one plane.
    fn transposed_lens(&self) -> (usize, usize) {
        let phase = self.blocks_in() * ROWS * self.channel_len;
        (phase, self.phases.len() * phase)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn transpose_input(&self, images: usize, xs: &[f32], buffers: &mut Buffers) {
        let canvas = &self.xs;
        let position_len = canvas.position_len();
        let buffer = buffers.xs.get(canvas.buffer_len(2 * DEPTH * position_len));
        canvas.fill(images, xs, buffer);
        let (phase_len, plane_len) = self.transposed_lens();
        let transposed = buffers.channels.get(canvas.planes * plane_len);
        for (plane, dst) in transposed.chunks_exact_mut(plane_len).enumerate() {
            for (&(y, x), dst) in self.phases.iter().zip(dst.chunks_exact_mut(phase_len)) {
                let src = &buffer[plane * canvas.plane_len() + y * canvas.phase_len() + x * canvas.channels..];
                let counts = (self.positions(images), canvas.channels);
                channels_of_pixels(src, position_len, counts, self.channel_len, dst);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn pack_gradient(&self, images: usize, d_ys: &[f32], buffers: &mut Buffers) {
        let canvas = &self.d_ys;
        let buffer = buffers.d_ys.get(canvas.buffer_len(2 * DEPTH * canvas.channels));
        canvas.fill(images, d_ys, buffer);
        let steps = self.positions(images).div_ceil(DEPTH);
        let packed = buffers.pairs.get(self.blocks_out() * canvas.planes * steps * TILE);
        for (i, dst) in packed.chunks_exact_mut(steps * TILE).enumerate() {
            let (block, plane) = (i / canvas.planes, i % canvas.planes);
            let src = &buffer[plane * canvas.plane_len() + block * ROWS..];
            pairs_of_pixels(src, canvas.channels, steps, dst);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn sum(&self, images: usize, tiles: &Tiles, partial: &mut [f32], buffers: &mut Buffers) {
        let count = self.positions(images).div_ceil(DEPTH);
        buffers.steps.set((0..count).map(|step| step * DEPTH));
        let (phase_len, plane_len) = self.transposed_lens();
        let planes = self.xs.planes;
        let operands = Operands {
            steps: &buffers.steps,
            exact: planes == 3,
            left_row: self.channel_len * size_of::<u16>(),
            left_plane: plane_len * size_of::<u16>(),
            right_plane: count * TILE * size_of::<u16>(),
        };
        let transposed = buffers.channels.get(planes * plane_len);
        let pairs = buffers.pairs.get(self.blocks_out() * planes * count * TILE);
        let items = self.blocks_in() * self.taps;
        let left = |item: usize| {
            let item = item.min(items - 1);
            let (phase, offset) = self.offsets[item % self.taps];
            transposed[phase * phase_len + item / self.taps * ROWS * self.channel_len + offset..].as_ptr()
        };
        let right = |block: usize| pairs[block * planes * count * TILE..].as_ptr();
        let mut sums = [Sums([0.0; SUMS]); 4];
        let blocks = self.blocks_out();
        let mut add = |places: [(usize, usize); 4], sums: &[Sums; 4]| {
            for ((item, block), sums) in places.into_iter().zip(sums) {
                if item < items {
                    add_tile(&sums.0, &mut partial[(item * blocks + block) * SUMS..][..SUMS]);
                }
            }
        };
        for block in (0..blocks - 1).step_by(2) {
            let right = [block, block + 1].map(right);
            for item in (0..items).step_by(2) {
                let targets = sums.each_mut().map(|sums| Target { first: sums.0.as_mut_ptr(), row: 64 });
                // SAFETY: the copies hold `count` steps of every block, and `channel_len` leaves room for the offsets of all kernel
                // positions; targets are whole tiles.
                unsafe { product_2x2(tiles, &operands, [item, item + 1].map(left), right, targets) };
                add([(item, block), (item, block + 1), (item + 1, block), (item + 1, block + 1)], &sums);
            }
        }
        if blocks % 2 == 1 {
            let block = blocks - 1;
            for item in (0..items).step_by(4) {
                let items = [item, item + 1, item + 2, item + 3];
                let targets = sums.each_mut().map(|sums| Target { first: sums.0.as_mut_ptr(), row: 64 });
                // SAFETY: as above.
                unsafe { product_4x1(tiles, &operands, items.map(left), right(block), targets) };
                add(items.map(|item| (item, block)), &sums);
            }
        }
    }

    /// `d_weight` (c_out, c_in, kh, kw) from the sums.
    pub(super) fn finish(&self, sums: &[f32], d_weight: &mut [f32]) {
        let (c_in, taps, blocks) = (self.xs.channels, self.taps, self.blocks_out());
        d_weight.par_chunks_mut(ROWS * c_in * taps).enumerate().for_each(|(block, d_weight)| {
            for (lane, d_weight) in d_weight.chunks_exact_mut(c_in * taps).enumerate() {
                for (c, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
                    for (tap, d_weight) in d_weight.iter_mut().enumerate() {
                        let tile = (c / ROWS * taps + tap) * blocks + block;
                        *d_weight = sums[tile * SUMS + c % ROWS * ROWS + lane];
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
