//! Zero-padded copies of a few images or a band of rows, from which the direct kernels read without bounds to mind.

use super::{Conv2d, Operands};
use crate::par::Unit;
use crate::real::Real;

/// What is copied: images of `h` x `w` x `c`; of each the padded rows `first_row..first_row + rows`, with `top` rows and `left` columns
/// of zeros before the image, cut or extended with zeros to `width` columns and `channels` channels.
pub(super) struct PaddedCopy {
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) c: usize,
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) first_row: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) operands: Operands,
}

impl PaddedCopy {
    /// The part of a convolution's input that the output rows of `unit` need, with `channels` channels a pixel.
    pub(super) fn input(conv: &Conv2d, unit: &Unit, channels: usize) -> Self {
        Self {
            h: conv.h,
            w: conv.w,
            c: conv.c_in,
            top: conv.pad.top,
            left: conv.pad.left,
            first_row: unit.rows.start * conv.stride.0,
            rows: (unit.rows.len() - 1) * conv.stride.0 + conv.kh,
            width: (conv.out_w() - 1) * conv.stride.1 + conv.kw,
            channels,
            operands: conv.operands,
        }
    }

    /// The output rows of `unit`, with `channels` channels a pixel.
    pub(super) fn output(conv: &Conv2d, unit: &Unit, channels: usize) -> Self {
        Self {
            h: conv.out_h(),
            w: conv.out_w(),
            c: conv.c_out,
            top: 0,
            left: 0,
            first_row: unit.rows.start,
            rows: unit.rows.len(),
            width: conv.out_w(),
            channels,
            operands: conv.operands,
        }
    }

    /// Elements from one row to the next.
    pub(super) fn row_step(&self) -> usize {
        self.width * self.channels
    }

    /// Elements from one image to the next.
    pub(super) fn image_step(&self) -> usize {
        self.rows * self.row_step()
    }

    /// Copies the images of `unit` out of `xs` (all images) into `buffer`, whose old values do not matter, and returns the copy,
    /// [`TAIL`] zeros after it.
    pub(super) fn copy<'a, T: Real>(&self, unit: &Unit, xs: &[T], buffer: &'a mut Vec<T>) -> &'a [T] {
        let len = unit.images.len() * self.image_step();
        let copy = aligned(buffer, len + TAIL);
        let (dst, tail) = copy.split_at_mut(len);
        tail.fill(T::ZERO);
        let left = self.left.min(self.width);
        let columns = self.w.min(self.width - left);
        for (image, plane) in unit.images.clone().zip(dst.chunks_exact_mut(self.image_step())) {
            for (row, line) in (self.first_row..).zip(plane.chunks_exact_mut(self.row_step())) {
                let Some(y) = row.checked_sub(self.top).filter(|&y| y < self.h) else {
                    line.fill(T::ZERO);
                    continue;
                };
                let src = &xs[(image * self.h + y) * self.w * self.c..][..columns * self.c];
                let (before, line) = line.split_at_mut(left * self.channels);
                let (line, after) = line.split_at_mut(columns * self.channels);
                before.fill(T::ZERO);
                after.fill(T::ZERO);
                if self.channels == self.c {
                    self.copy_values(src, line);
                } else {
                    for (src, dst) in src.chunks_exact(self.c).zip(line.chunks_exact_mut(self.channels)) {
                        let (dst, padding) = dst.split_at_mut(self.c);
                        self.copy_values(src, dst);
                        padding.fill(T::ZERO);
                    }
                }
            }
        }
        copy
    }

    #[inline(always)]
    fn copy_values<T: Real>(&self, src: &[T], dst: &mut [T]) {
        match self.operands {
            Operands::Exact => dst.copy_from_slice(src),
            Operands::Bf16 => {
                for (dst, &src) in dst.iter_mut().zip(src) {
                    *dst = src.round_bf16();
                }
            }
        }
    }
}

/// Elements after a copy that a tile with more rows than are left may read.
pub(super) const TAIL: usize = 16;

/// Bytes of a cache line, the alignment with which no vector lies in two of them.
const LINE: usize = 64;

/// `len` elements of `buffer`, of any value, that begin with a cache line.
fn aligned<T: Real>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    let line = LINE / size_of::<T>();
    buffer.resize(len + line, T::ZERO);
    // Never more than a line, where the offset is known at all.
    let start = buffer.as_ptr().align_offset(LINE).min(line);
    &mut buffer[start..][..len]
}
