//! Bilinear resizing of a part of an image, row by row.

use super::boxes::Region;
use super::decode::Rgb;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How sizes are changed. Both weigh source pixels with a triangle.
///
/// Models of slim, and weights trained with it, have seen [`Resize::Tf1`]; weights trained with torchvision or Pillow have
/// seen [`Resize::Antialias`]. A model is best evaluated the way it was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// `tf.image.resize_bilinear` of TensorFlow 1 with its default `align_corners=False`: output i looks at source i * scale
    /// (corners, not pixel centres, are aligned) and mixes the two pixels there, however much smaller the output is.
    Tf1,
    /// Pillow's `BILINEAR` and torchvision's with `antialias`: pixel centres are aligned, and in shrinking the triangle is as
    /// wide as an output pixel's reach.
    Antialias,
}

/// The source pixels of each output coordinate along one axis: `count` of them from `first` on, with weights of sum 1.
struct Taps {
    first: Vec<usize>,
    count: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// Taps from `n` source pixels to `size` output pixels; `flip` mirrors the output.
    fn new(n: usize, size: usize, resize: Resize, flip: bool) -> Self {
        let scale = n as f32 / size as f32;
        let reach = if resize == Resize::Tf1 { 1.0 } else { scale.max(1.0) };
        // TensorFlow looks at source coordinate i * scale where pixel k has coordinate k; centres are half a pixel on.
        let offset = if resize == Resize::Tf1 { 0.0 } else { 0.5 };
        let count = n.min(2 * reach.ceil() as usize + usize::from(resize == Resize::Antialias));
        let (mut first, mut weights) = (Vec::with_capacity(size), Vec::with_capacity(size * count));
        for i in 0..size {
            let i = if flip { size - 1 - i } else { i };
            let middle = (i as f32 + offset) * scale - offset;
            let lowest = match resize {
                Resize::Tf1 => middle.floor(),
                Resize::Antialias => (middle - reach).ceil(),
            };
            let start = (lowest.max(0.0) as usize).min(n - count);
            let triangle = |k: usize| (1.0 - ((start + k) as f32 - middle).abs() / reach).max(0.0);
            let from = weights.len();
            match resize {
                // Beyond the last pixel TensorFlow repeats it.
                Resize::Tf1 if middle > (n - 1) as f32 => {
                    weights.extend((0..count).map(|k| f32::from(u8::from(k + 1 == count))));
                }
                _ => weights.extend((0..count).map(triangle)),
            }
            let sum: f32 = weights[from..].iter().sum();
            weights[from..].iter_mut().for_each(|weight| *weight /= sum);
            first.push(start);
        }
        Self { first, count, weights }
    }

    fn weights(&self, i: usize) -> &[f32] {
        &self.weights[i * self.count..][..self.count]
    }
}

/// Resizes `region` of the image to (size, size) and gives each row in turn to `row`: 3 * size values, the red ones, the green
/// ones, the blue ones, 0 to 255. `flip` mirrors left to right.
pub(crate) fn resize_rows(
    image: &Rgb,
    region: Region,
    size: usize,
    resize: Resize,
    flip: bool,
    mut row: impl FnMut(usize, &mut [f32]),
) {
    let across = Taps::new(region.w, size, resize, flip);
    let down = Taps::new(region.h, size, resize, false);
    // Source rows already resized along x: the window that the next output row needs moves downwards only.
    let mut ready: VecDeque<Vec<f32>> = VecDeque::with_capacity(down.count + 1);
    let (mut first_ready, mut spare) = (0, Vec::new());
    let mut out = vec![0.0; 3 * size];
    for y in 0..size {
        let first = down.first[y];
        while first_ready < first && !ready.is_empty() {
            spare.extend(ready.pop_front());
            first_ready += 1;
        }
        first_ready = first;
        while ready.len() < down.count {
            let mut resized = spare.pop().unwrap_or_else(|| vec![0.0; 3 * size]);
            let start = ((region.y + first + ready.len()) * image.w + region.x) * 3;
            resize_row(&image.pixels[start..][..region.w * 3], &across, &mut resized);
            ready.push_back(resized);
        }
        out.fill(0.0);
        for (weight, source) in down.weights(y).iter().zip(&ready) {
            for (total, value) in out.iter_mut().zip(source) {
                *total += weight * value;
            }
        }
        row(y, &mut out);
    }
}

/// One row of RGB bytes to three planes of `out`.
fn resize_row(pixels: &[u8], taps: &Taps, out: &mut [f32]) {
    let size = out.len() / 3;
    let (red, rest) = out.split_at_mut(size);
    let (green, blue) = rest.split_at_mut(size);
    for (i, first) in taps.first.iter().enumerate() {
        let (mut r, mut g, mut b) = (0.0, 0.0, 0.0);
        let source = &pixels[first * 3..][..taps.count * 3];
        for (weight, pixel) in taps.weights(i).iter().zip(source.chunks_exact(3)) {
            r += weight * f32::from(pixel[0]);
            g += weight * f32::from(pixel[1]);
            b += weight * f32::from(pixel[2]);
        }
        (red[i], green[i], blue[i]) = (r, g, b);
    }
}

#[cfg(test)]
#[path = "tests/resize.rs"]
mod tests;
