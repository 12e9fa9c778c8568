//! Rows of channels inside wider rows: how a feature map, or some channels of one, lies in memory.

use crate::act::stream::fetch;
use crate::element::{Element, add, load, store};

/// How far ahead memory is asked for: two tiles.
const AHEAD: usize = 1024;

/// `channels` channels of every pixel, from channel `first` on, where a pixel has `stride` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Elements from one pixel to the next.
    pub stride: usize,
    /// The first channel.
    pub first: usize,
    /// How many.
    pub channels: usize,
}

impl Lanes {
    /// All channels of a map that has no others.
    pub fn all(channels: usize) -> Self {
        Self { stride: channels, first: 0, channels }
    }

    /// Elements that `pixels` pixels take.
    pub fn len(self, pixels: usize) -> usize {
        pixels * self.stride
    }

    /// True where nothing lies between the pixels.
    pub fn is_dense(self) -> bool {
        self.stride == self.channels
    }

    /// Calls `visit(packed, place, len)` for the contiguous runs of the elements `start..start + len`, counted without gaps.
    #[inline(always)]
    fn runs(self, start: usize, len: usize, mut visit: impl FnMut(usize, usize, usize)) {
        if self.is_dense() {
            visit(0, start, len);
            return;
        }
        let (mut pixel, mut channel) = (start / self.channels, start % self.channels);
        let mut done = 0;
        while done < len {
            let run = (self.channels - channel).min(len - done);
            visit(done, pixel * self.stride + self.first + channel, run);
            (pixel, channel) = (pixel + 1, 0);
            done += run;
        }
    }

    /// Elements `start..` of these lanes in `xs`, as many as `ys` takes.
    pub(super) fn load<E: Element>(self, xs: &[E], start: usize, ys: &mut [E::Real]) {
        if self.is_dense() {
            fetch(xs, start + AHEAD);
        }
        self.runs(start, ys.len(), |packed, place, len| load(&xs[place..place + len], &mut ys[packed..packed + len]));
    }

    /// Adds the elements that [`Lanes::load`] reads.
    pub(super) fn add<E: Element>(self, xs: &[E], start: usize, ys: &mut [E::Real]) {
        self.runs(start, ys.len(), |packed, place, len| add(&mut ys[packed..packed + len], &xs[place..place + len]));
    }

    /// The reverse of [`Lanes::load`].
    pub(super) fn store<E: Element>(self, ys: &[E::Real], start: usize, xs: &mut [E]) {
        self.runs(start, ys.len(), |packed, place, len| store(&ys[packed..packed + len], &mut xs[place..place + len]));
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[test]
    fn loading_what_was_stored() {
        for lanes in [Lanes::all(5), Lanes { stride: 9, first: 3, channels: 5 }] {
            let mut xs = vec![-1.0f64; lanes.len(4)];
            let ys: Vec<f64> = (0..13).map(f64::from).collect();
            lanes.store(&ys, 2, &mut xs);
            let mut back = vec![0.0; 13];
            lanes.load(&xs, 2, &mut back);
            assert_eq!(back, ys);
            lanes.add(&xs, 2, &mut back);
            assert!(back.iter().zip(&ys).all(|(twice, once)| *twice == 2.0 * once));
            for (i, &x) in xs.iter().enumerate() {
                let (pixel, channel) = (i / lanes.stride, (i % lanes.stride).wrapping_sub(lanes.first));
                let packed = (channel < 5).then(|| pixel * 5 + channel).filter(|packed| (2..15).contains(packed));
                assert_eq!(x, packed.map_or(-1.0, |packed| (packed - 2) as f64));
            }
        }
    }
}
