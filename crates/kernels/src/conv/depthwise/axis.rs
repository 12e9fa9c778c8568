//! One axis of a depthwise convolution: which taps of a window lie inside the image.

use std::ops::Range;

/// Sums at `places` places, each over `taps` neighbours of what is read: tap i of place o reads `o * stride + i - pad`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Number of sums.
    pub(super) places: usize,
    /// Where the first one is written, and how far apart they lie.
    pub(super) first: usize,
    pub(super) step: usize,
    /// Length of what is written.
    pub(super) to: usize,
    /// Length of what is read.
    pub(super) from: usize,
    /// From the window of one place to that of the next.
    pub(super) stride: usize,
    /// Taps of a window.
    pub(super) taps: usize,
    pad: isize,
    /// The kernel's element that the first tap is multiplied with, and from one tap to the next.
    weight_first: isize,
    pub(super) weight_step: isize,
}

impl Axis {
    /// An axis of the forward pass, from `from` to `to` pixels.
    pub(super) fn forward((from, to): (usize, usize), taps: usize, stride: usize, pad: usize) -> Self {
        Self {
            places: to,
            first: 0,
            step: 1,
            to,
            from,
            stride,
            taps,
            pad: pad as isize,
            weight_first: 0,
            weight_step: 1,
        }
    }

    /// The way back: a window o has read pixel p by tap i = p + pad - o * stride, so that pixels `stride` apart have the same taps,
    /// the last of which reads the earliest window.
    pub(super) fn adjoint(self) -> impl Iterator<Item = Self> {
        let Self { to: windows, from: pixels, stride, taps: kernel, .. } = self;
        let pad = self.pad as usize;
        (0..stride.min(pixels)).map(move |first| {
            let tap = (first + pad) % stride;
            let taps = kernel.saturating_sub(tap).div_ceil(stride);
            let last = taps as isize - 1;
            Self {
                places: (pixels - first).div_ceil(stride),
                first,
                step: stride,
                to: pixels,
                from: windows,
                stride: 1,
                taps,
                pad: last - ((first + pad) / stride) as isize,
                weight_first: tap as isize + stride as isize * last,
                weight_step: -(stride as isize),
            }
        })
    }

    /// The taps of a place that read something.
    #[inline(always)]
    pub(super) fn taps_inside(&self, place: usize) -> Range<usize> {
        let start = (place * self.stride) as isize - self.pad;
        let end = (self.from as isize - start).clamp(0, self.taps as isize) as usize;
        ((-start).max(0) as usize).min(end)..end
    }

    /// The places all of whose taps read something.
    pub(super) fn inside(&self) -> Range<usize> {
        let stride = self.stride as isize;
        let after_first = (self.pad + stride - 1).div_euclid(stride).max(0) as usize;
        let last = self.from as isize - self.taps as isize + self.pad;
        let end = ((last.div_euclid(stride) + 1).max(0) as usize).min(self.places);
        after_first.min(end)..end
    }

    /// What a tap of a place reads, where it reads something.
    #[inline(always)]
    pub(super) fn reads(&self, place: usize, tap: usize) -> usize {
        ((place * self.stride + tap) as isize - self.pad) as usize
    }

    /// The kernel's element that a tap is multiplied with.
    #[inline(always)]
    pub(super) fn weight(&self, tap: usize) -> isize {
        self.weight_first + tap as isize * self.weight_step
    }

    /// Where a sum is written.
    #[inline(always)]
    pub(super) fn writes(&self, place: usize) -> usize {
        self.first + place * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    /// Every product of the forward pass, as (read, kernel, written), and once as the adjoints have them.
    #[test]
    fn the_way_back_has_the_products_of_the_way_there() {
        let products = |axis: &Axis| -> Vec<(usize, usize, usize)> {
            let of = |place| {
                axis.taps_inside(place)
                    .map(move |tap| (axis.reads(place, tap), axis.weight(tap) as usize, axis.writes(place)))
            };
            (0..axis.places).flat_map(of).collect()
        };
        for (from, kernel, stride, before, after) in [
            (9, 3, 1, 1, 1),
            (8, 3, 2, 0, 1),
            (7, 5, 2, 2, 2),
            (6, 7, 3, 3, 2),
            (2, 3, 4, 1, 1),
            (5, 2, 3, 4, 5),
            (5, 1, 2, 0, 0),
        ] {
            let to = (from + before + after - kernel) / stride + 1;
            let axis = Axis::forward((from, to), kernel, stride, before);
            let there = products(&axis);
            let direct: Vec<_> = (0..to)
                .flat_map(|o| (0..kernel).map(move |k| (o * stride + k, k, o)))
                .filter(|&(x, ..)| x >= before && x < before + from)
                .map(|(x, k, o)| (x - before, k, o))
                .collect();
            assert_eq!(there, direct);
            let mut back: Vec<_> = axis.adjoint().flat_map(|axis| products(&axis)).map(|(y, k, x)| (x, k, y)).collect();
            back.sort_by_key(|&(x, k, y)| (y, k, x));
            assert_eq!(back, there);
            for axis in axis.adjoint().chain([axis]) {
                let full = (0..axis.places).filter(|&place| axis.taps_inside(place) == (0..axis.taps));
                assert!(axis.inside().eq(full), "{axis:?}");
            }
        }
    }
}
