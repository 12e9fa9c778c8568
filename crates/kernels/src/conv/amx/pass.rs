//! The forward pass and the data gradient: pixels of a canvas, in tiles of 16 flat positions, times packed weights.

use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch, _mm512_loadu_ps, _mm512_mask_storeu_ps};

use super::Buffers;
use super::canvas::{Axis, Canvas};
use super::products::{product_2x2, product_4x1};
use super::reach::Reach;
use super::split::lanes;
use super::tile::{DEPTH, Operands, ROWS, SUMS, Steps, Target, Tiles};
use super::weights::{Packed, Source};
use crate::conv::Conv2d;
use crate::conv::Operands as Rounding;

/// Bytes of a canvas that is filled at once: it stays in the second-level cache beside the weights of two blocks.
const CANVAS_BYTES: usize = 384 << 10;
/// Pixels computed from one canvas at least, so that the weights are not read too often.
const CANVAS_PIXELS: usize = 256;

/// Planes of the operands.
pub(super) fn planes(conv: &Conv2d) -> usize {
    match conv.operands {
        Rounding::Bf16 => 1,
        Rounding::Exact => 3,
    }
}

/// Neighbouring pixels of a tile whose results lie at equal distances.
struct Segment {
    /// Index of the first result.
    first: usize,
    /// First row in the tile.
    row: usize,
    len: usize,
}

/// 16 flat positions of a canvas.
struct PixelTile {
    position: usize,
    /// Its first segment.
    segment: usize,
}

/// One convolution of the canvas with stride 1 in flat positions, which fills every `step`-th pixel of the result.
struct Phase {
    weights: Packed,
    steps: Steps,
    tiles: Vec<PixelTile>,
    segments: Vec<Segment>,
    /// From one pixel of a segment to the next, in elements of the result.
    pixel_step: usize,
}

/// A pass with its weights.
pub(super) struct Pass {
    canvas: Canvas,
    window_len: usize,
    phases: Vec<Phase>,
    /// Channels of the result.
    channels: usize,
    /// Elements of one image of the result.
    image_len: usize,
    /// Whether some pixels of the result are in no phase, and zero.
    gaps: bool,
}

/// The pixels of one phase in the result.
#[derive(Clone, Copy)]
struct Pixels {
    rows: usize,
    columns: usize,
    first: usize,
    row_step: usize,
    column_step: usize,
}

impl Pass {
    /// The forward pass of `conv`; `weight` (c_out, c_in, kh, kw).
    pub(super) fn forward(conv: &Conv2d, weight: &[f32]) -> Self {
        let conv = &flattened(conv);
        let (out_h, out_w) = (conv.out_h(), conv.out_w());
        let canvas = canvas(
            conv,
            (conv.h, conv.w, conv.c_in),
            Axis::new(conv.h, conv.pad.top, conv.kh, conv.stride.0, out_h),
            Axis::new(conv.w, conv.pad.left, conv.kw, conv.stride.1, out_w),
            out_h * out_w,
        );
        let taps = conv.kh * conv.kw;
        let source = Source {
            weight,
            cells: (0..conv.kh).map(|ky| (0..conv.kw).map(|kx| ky * conv.kw + kx).collect()).collect(),
            channels: conv.c_in,
            channel_step: taps,
            lanes: conv.c_out,
            lane_step: conv.c_in * taps,
        };
        let starts = (0..conv.kh)
            .map(|ky| ky % conv.stride.0 * canvas.phase_len() + ky / conv.stride.0 * canvas.row_len())
            .collect::<Vec<_>>();
        let pixels =
            Pixels { rows: out_h, columns: out_w, first: 0, row_step: out_w * conv.c_out, column_step: conv.c_out };
        let image_len = out_h * out_w * conv.c_out;
        let phase = Phase::new(&canvas, &source, &starts, pixels, image_len);
        Self::new(canvas, vec![phase], conv.c_out, image_len, false)
    }

    /// The data gradient of `conv`. Inputs whose positions have the same remainders by the strides see the same cells of the kernel:
    /// each such phase is a convolution of the output's gradient with stride 1.
    pub(super) fn backward(conv: &Conv2d, weight: &[f32]) -> Self {
        let conv = &flattened(conv);
        let rows = Reach::all(conv.kh, conv.stride.0, conv.pad.top, conv.h);
        let columns = Reach::all(conv.kw, conv.stride.1, conv.pad.left, conv.w);
        let canvas = canvas(
            conv,
            (conv.out_h(), conv.out_w(), conv.c_out),
            Reach::axis(&rows, conv.out_h()),
            Reach::axis(&columns, conv.out_w()),
            conv.h.div_ceil(conv.stride.0) * conv.w.div_ceil(conv.stride.1),
        );
        let taps = conv.kh * conv.kw;
        let image_len = conv.h * conv.w * conv.c_in;
        let mut phases = Vec::new();
        for row in &rows {
            for column in columns.iter().filter(|column| !column.cells.is_empty() && !row.cells.is_empty()) {
                let source = Source {
                    weight,
                    cells: row
                        .cells
                        .iter()
                        .map(|ky| column.cells.iter().map(|kx| ky * conv.kw + kx).collect())
                        .collect(),
                    channels: conv.c_out,
                    channel_step: conv.c_in * taps,
                    lanes: conv.c_in,
                    lane_step: taps,
                };
                let first = (canvas.rows.before as isize + row.first) as usize * canvas.row_len()
                    + (canvas.columns.before as isize + column.first) as usize * conv.c_out;
                let starts = (0..row.cells.len()).map(|cell| first + cell * canvas.row_len()).collect::<Vec<_>>();
                let pixels = Pixels {
                    rows: row.count,
                    columns: column.count,
                    first: (row.phase * conv.w + column.phase) * conv.c_in,
                    row_step: conv.stride.0 * conv.w * conv.c_in,
                    column_step: conv.stride.1 * conv.c_in,
                };
                phases.push(Phase::new(&canvas, &source, &starts, pixels, image_len));
            }
        }
        let gaps = phases.len() < rows.len() * columns.len();
        Self::new(canvas, phases, conv.c_in, image_len, gaps)
    }

    fn new(canvas: Canvas, phases: Vec<Phase>, channels: usize, image_len: usize, gaps: bool) -> Self {
        let steps = phases.iter().flat_map(|phase| phase.steps.offsets());
        let window_len = steps.fold(0, usize::max);
        Self { canvas, window_len, phases, channels, image_len, gaps }
    }

    /// `ys` from `xs`, all of whole images.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn run(&self, xs: &[f32], ys: &mut [f32], buffers: &mut Buffers) {
        if self.gaps {
            ys.fill(0.0);
        }
        let tiles = Tiles::configure();
        let x_len = self.canvas.h * self.canvas.w * self.canvas.channels;
        let groups = xs.chunks(self.canvas.images * x_len).zip(ys.chunks_mut(self.canvas.images * self.image_len));
        for (xs, ys) in groups {
            let buffer = buffers.xs.grown(self.canvas.buffer_len(self.window_len));
            self.canvas.fill(xs.len() / x_len, xs, buffer);
            for phase in &self.phases {
                phase.run(&tiles, &self.canvas, buffer, self.channels, ys);
            }
        }
    }
}

/// A convolution that sees single pixels, as one over images of one row.
pub(super) fn flattened(conv: &Conv2d) -> Conv2d {
    let alone = conv.kh == 1 && conv.kw == 1 && conv.stride == (1, 1) && conv.pad == crate::conv::Pad::default();
    if alone { Conv2d { h: 1, w: conv.h * conv.w, ..*conv } } else { *conv }
}

/// A canvas for images of this size, `pixels` results each.
fn canvas(conv: &Conv2d, (h, w, channels): (usize, usize, usize), rows: Axis, columns: Axis, pixels: usize) -> Canvas {
    let mut canvas = Canvas { h, w, channels, rows, columns, images: 1, planes: planes(conv), window: 0 };
    let bytes = canvas.planes * canvas.rows.stride * canvas.rows.pitch * canvas.row_len() * size_of::<u16>();
    canvas.images = (CANVAS_BYTES / bytes.max(1)).max(CANVAS_PIXELS.div_ceil(pixels)).clamp(1, 128);
    canvas
}

impl Phase {
    fn new(canvas: &Canvas, source: &Source<'_>, starts: &[usize], pixels: Pixels, image_len: usize) -> Self {
        let offsets = starts
            .iter()
            .zip(&source.cells)
            .flat_map(|(&start, cells)| (0..source.row_steps(cells.len())).map(move |step| start + step * DEPTH));
        let mut steps = Steps::default();
        steps.set(offsets);
        let (tiles, segments) = cut(canvas, pixels, image_len);
        let weights = Packed::new(source, canvas.planes);
        Self { weights, steps, tiles, segments, pixel_step: pixels.column_step }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn run(&self, tiles: &Tiles, canvas: &Canvas, buffer: &[u16], channels: usize, ys: &mut [f32]) {
        let used = self.tiles.partition_point(|tile| self.segments[tile.segment].first < ys.len());
        let operands = Operands {
            steps: &self.steps,
            exact: canvas.planes == 3,
            left_row: canvas.position_len() * size_of::<u16>(),
            left_plane: canvas.plane_len() * size_of::<u16>(),
            right_plane: self.weights.plane_len() * size_of::<u16>(),
        };
        let job = Job { phase: self, tiles, operands, canvas, buffer, used, channels };
        let blocks = channels.div_ceil(ROWS);
        for block in (0..blocks - 1).step_by(2) {
            job.two_blocks(block, ys);
        }
        if blocks % 2 == 1 {
            job.one_block(blocks - 1, ys);
        }
    }
}

/// Cuts the pixels of a full canvas into tiles: each begins with the first pixel that is in none before it.
fn cut(canvas: &Canvas, pixels: Pixels, image_len: usize) -> (Vec<PixelTile>, Vec<Segment>) {
    let (mut tiles, mut segments) = (Vec::<PixelTile>::new(), Vec::<Segment>::new());
    for image in 0..canvas.images {
        for row in 0..pixels.rows {
            let start = (image * canvas.rows.pitch + row) * canvas.columns.pitch;
            let first = image * image_len + pixels.first + row * pixels.row_step;
            let mut column = 0;
            while column < pixels.columns {
                let position = start + column;
                let open = tiles.last().filter(|tile| position < tile.position + ROWS);
                let tile_start = open.map_or(position, |tile| tile.position);
                let segment = Segment {
                    first: first + column * pixels.column_step,
                    row: position - tile_start,
                    len: (tile_start + ROWS - position).min(pixels.columns - column),
                };
                column += segment.len;
                let continued = segments.last_mut().filter(|last| {
                    open.is_some()
                        && last.row + last.len == segment.row
                        && last.first + last.len * pixels.column_step == segment.first
                });
                match continued {
                    Some(last) => last.len += segment.len,
                    None => {
                        if open.is_none() {
                            tiles.push(PixelTile { position, segment: segments.len() });
                        }
                        segments.push(segment);
                    }
                }
            }
        }
    }
    (tiles, segments)
}

/// One phase at work on one canvas.
struct Job<'a> {
    phase: &'a Phase,
    tiles: &'a Tiles,
    operands: Operands<'a>,
    canvas: &'a Canvas,
    buffer: &'a [u16],
    /// Tiles with pixels in this result.
    used: usize,
    channels: usize,
}

/// A tile of sums on its way to pixels that do not all exist.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Spill([f32; SUMS]);

impl Job<'_> {
    /// First position of tile `i`; of the last one for `i` beyond it.
    fn left(&self, i: usize) -> *const u16 {
        let tile = &self.phase.tiles[i.min(self.used - 1)];
        self.buffer[tile.position * self.canvas.position_len()..].as_ptr()
    }

    /// The segments of tile `i`.
    fn segments(&self, i: usize) -> &[Segment] {
        let end = self.phase.tiles.get(i + 1).map_or(self.phase.segments.len(), |next| next.segment);
        &self.phase.segments[self.phase.tiles[i].segment..end]
    }

    /// Where the sums of tile `i` and `block` may go without a detour.
    fn direct(&self, i: usize, block: usize, ys: *mut [f32]) -> Option<Target> {
        if i >= self.used || (block + 1) * ROWS > self.channels {
            return None;
        }
        let [segment] = self.segments(i) else { return None };
        let first = segment.first + block * ROWS;
        let fits = segment.len == ROWS && first + (ROWS - 1) * self.phase.pixel_step + ROWS <= ys.len();
        let row = self.phase.pixel_step * size_of::<f32>();
        fits.then(|| Target { first: ys.cast::<f32>().wrapping_add(first), row })
    }

    /// Asks for the cache lines of the sums of tile `i` and `block`, so that storing them does not wait for memory.
    fn prefetch(&self, i: usize, block: usize, ys: *const [f32]) {
        for segment in self.segments(i) {
            for pixel in 0..segment.len {
                let offset = segment.first + pixel * self.phase.pixel_step + block * ROWS;
                let line = ys.cast::<i8>().wrapping_byte_add(offset * size_of::<f32>());
                // SAFETY: a prefetch reads nothing that the program sees, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
            }
        }
    }

    /// Takes the sums of tile `i` and `block` from `spill` to their pixels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn deliver(&self, i: usize, block: usize, spill: &Spill, ys: &mut [f32]) {
        let valid = ROWS.min(self.channels - block * ROWS);
        let mask = lanes(valid) as u16;
        for segment in self.segments(i) {
            let rows = spill.0.chunks_exact(ROWS).skip(segment.row).take(segment.len);
            for (pixel, sums) in rows.enumerate() {
                let first = segment.first + pixel * self.phase.pixel_step + block * ROWS;
                let Some(y) = ys.get_mut(first..first + valid) else { return };
                // SAFETY: `sums` is 16 numbers long, and the mask selects the lanes inside `y`.
                unsafe { _mm512_mask_storeu_ps(y.as_mut_ptr(), mask, _mm512_loadu_ps(sums.as_ptr())) };
            }
        }
    }

    /// Calls `product` for four tiles of sums at a time, of `step` pixel tiles: with the first pixel tile and the targets. `places` gives
    /// the pixel tile and the block of each of the four.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn for_each_four(
        &self,
        step: usize,
        places: impl Fn(usize) -> [(usize, usize); 4],
        ys: &mut [f32],
        product: impl Fn(usize, [Target; 4]),
    ) {
        let mut spills = [Spill([0.0; SUMS]); 4];
        for i in (0..self.used).step_by(step) {
            let places = places(i);
            let all = &raw mut *ys;
            for &(i, block) in places.iter().filter(|&&(i, _)| i < self.used) {
                self.prefetch(i, block, all);
            }
            let direct = places.map(|(i, block)| self.direct(i, block, all));
            let mut targets = spills.each_mut().map(|spill| Target { first: spill.0.as_mut_ptr(), row: 64 });
            for (target, direct) in targets.iter_mut().zip(direct) {
                *target = direct.unwrap_or(*target);
            }
            product(i, targets);
            for ((&(i, block), direct), spill) in places.iter().zip(&direct).zip(&spills) {
                if direct.is_none() && i < self.used {
                    self.deliver(i, block, spill, ys);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn two_blocks(&self, block: usize, ys: &mut [f32]) {
        let right = [block, block + 1].map(|block| self.phase.weights.block(block).as_ptr());
        let places = |i| [(i, block), (i, block + 1), (i + 1, block), (i + 1, block + 1)];
        self.for_each_four(2, places, ys, |i, targets| {
            let left = [i, i + 1].map(|i| self.left(i));
            // SAFETY: the tiles read from the canvas and the weights as `Phase::new` and `Canvas::buffer_len` laid them out; the
            // targets are distinct parts of the result, checked by `direct`, or spills.
            unsafe { product_2x2(self.tiles, &self.operands, left, right, targets) };
        });
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn one_block(&self, block: usize, ys: &mut [f32]) {
        let right = self.phase.weights.block(block).as_ptr();
        let places = |i| [(i, block), (i + 1, block), (i + 2, block), (i + 3, block)];
        self.for_each_four(4, places, ys, |i, targets| {
            let left = [i, i + 1, i + 2, i + 3].map(|i| self.left(i));
            // SAFETY: as in `two_blocks`.
            unsafe { product_4x1(self.tiles, &self.operands, left, right, targets) };
        });
    }
}
