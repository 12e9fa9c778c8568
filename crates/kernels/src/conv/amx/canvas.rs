//! Zero-padded bfloat16 copies of images, in one or three planes.
//!
//! Images lie below one another and rows behind one another, so that a pixel is found by one flat index. The zeros after a row are those
//! before the next one, where there are enough, and so for the rows between images. For a vertical stride, rows are sorted by their
//! remainder ("phase"), so that the rows one output row after another reads are neighbours.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::split::{load, round, store, subtract};
use super::tile::{DEPTH, ROWS};

/// Rows, or columns, of a padded image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Cells of the image that are used.
    pub(super) len: usize,
    /// Zeros before them.
    pub(super) before: usize,
    /// Cells from one output to the next.
    pub(super) stride: usize,
    /// From one image or row to the next, in steps of `stride` cells; at least as many as outputs.
    pub(super) pitch: usize,
    /// Steps of zeros needed after the last image or row.
    pub(super) shared: usize,
}

impl Axis {
    /// For `out` windows of `k` cells over `len` cells after `before` zeros.
    pub(super) fn new(len: usize, before: usize, k: usize, stride: usize, out: usize) -> Self {
        let needed = (out - 1) * stride + k;
        let len = len.min(needed.saturating_sub(before));
        let shared = before / stride;
        let pitch = (before + len).div_ceil(stride).max(needed.div_ceil(stride).saturating_sub(shared)).max(out).max(1);
        Self { len, before, stride, pitch, shared }
    }
}

/// How images lie in a canvas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    /// Size of an image in the source.
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) channels: usize,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// Images that it holds at most.
    pub(super) images: usize,
    /// One or three.
    pub(super) planes: usize,
    /// Elements from any position on that are multiplied by zeros at least, and so must be numbers behind the last image too.
    pub(super) window: usize,
}

impl Canvas {
    /// Elements of one canvas row.
    pub(super) fn row_len(&self) -> usize {
        self.columns.pitch * self.position_len()
    }

    /// Elements from one flat position to the next.
    pub(super) fn position_len(&self) -> usize {
        self.columns.stride * self.channels
    }

    /// Zeros kept after the last image, in which windows and the last step of a window end.
    fn tail_len(&self) -> usize {
        let shared = self.rows.shared * self.row_len() + self.columns.shared * self.position_len();
        shared.max(self.window) + DEPTH
    }

    /// Elements of the rows of one phase.
    pub(super) fn phase_len(&self) -> usize {
        (self.images * self.rows.pitch * self.row_len() + self.tail_len()).next_multiple_of(DEPTH)
    }

    /// Elements of a plane.
    pub(super) fn plane_len(&self) -> usize {
        self.rows.stride * self.phase_len()
    }

    /// Elements to allocate: the planes, and what tiles of positions that are no output's read after them.
    pub(super) fn buffer_len(&self, window_len: usize) -> usize {
        self.planes * self.plane_len() + 3 * ROWS * self.position_len() + window_len + 4 * DEPTH
    }

    /// Copies `images` images from `xs` (images, h, w, channels).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn fill(&self, images: usize, xs: &[f32], buffer: &mut [u16]) {
        let (row_len, phase_len, plane_len) = (self.row_len(), self.phase_len(), self.plane_len());
        let before = self.columns.before * self.channels;
        let used = self.columns.len * self.channels;
        for phase in 0..self.rows.stride {
            for image in 0..images {
                for row in 0..self.rows.pitch {
                    let start = phase * phase_len + (image * self.rows.pitch + row) * row_len;
                    let y = (row * self.rows.stride + phase).checked_sub(self.rows.before);
                    match y.filter(|&y| y < self.rows.len) {
                        Some(y) => {
                            for plane in buffer.chunks_exact_mut(plane_len).take(self.planes) {
                                let line = &mut plane[start..][..row_len];
                                line[..before].fill(0);
                                line[before + used..].fill(0);
                            }
                            let src = &xs[(image * self.h + y) * self.w * self.channels..][..used];
                            self.split(src, start + before, buffer);
                        }
                        None => {
                            for plane in buffer.chunks_exact_mut(plane_len).take(self.planes) {
                                plane[start..][..row_len].fill(0);
                            }
                        }
                    }
                }
            }
            let end = phase * phase_len + images * self.rows.pitch * row_len;
            for plane in buffer.chunks_exact_mut(plane_len).take(self.planes) {
                plane[end..][..self.tail_len()].fill(0);
            }
        }
    }

    /// Writes `src` at `start` of each plane.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn split(&self, src: &[f32], start: usize, buffer: &mut [u16]) {
        let plane_len = self.plane_len();
        if self.planes == 1 {
            let (src, src_rest) = src.as_chunks::<DEPTH>();
            let (dst, dst_rest) = buffer[start..][..src.len() * DEPTH + src_rest.len()].as_chunks_mut::<DEPTH>();
            for (src, dst) in src.iter().zip(dst) {
                prefetch(src);
                store(round(load(src)), dst);
            }
            if !src_rest.is_empty() {
                store(round(load(src_rest)), dst_rest);
            }
        } else {
            let (large, rest) = buffer.split_at_mut(plane_len);
            let (middle, small) = rest.split_at_mut(plane_len);
            let planes = [large, middle, small].map(|plane| &mut plane[start..][..src.len()]);
            let [large, middle, small] = planes.map(|plane| plane.chunks_mut(DEPTH));
            for (((src, large), middle), small) in src.chunks(DEPTH).zip(large).zip(middle).zip(small) {
                prefetch(src);
                let values = load(src);
                let first = round(values);
                let rest = subtract(values, first);
                let second = round(rest);
                store(first, large);
                store(second, middle);
                store(round(subtract(rest, second)), small);
            }
        }
    }
}

/// Asks for what will be read some rows later.
#[inline(always)]
fn prefetch(src: &[f32]) {
    const AHEAD: usize = 4096;
    let line = src.as_ptr().cast::<i8>().wrapping_add(AHEAD);
    // SAFETY: a prefetch reads nothing that the program sees, whatever the address.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(line);
        _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(64));
    }
}
