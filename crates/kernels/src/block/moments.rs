//! Mean and variance of each channel.

use rayon::prelude::*;

use super::Lanes;
use super::plan::{Geometry, Plan, sized, with_workspace};
use crate::act::tile::{Sums, Tiling};
use crate::element::Element;
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Mean and biased variance of each channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f64>,
    /// Mean squared deviation from the mean.
    pub var: Vec<f64>,
}

/// Mean and biased variance of each channel of a map of `images` x `pixels` pixels. No pixels give NaN.
///
/// Each group of images takes deviations from its own mean, so a mean that is large beside the deviation costs no digits; groups are
/// merged in double precision.
///
/// # Panics
/// If the map is shorter than its pixels.
pub fn moments<E: Element>(images: usize, pixels: usize, lanes: Lanes, xs: &[E]) -> Moments {
    let c = lanes.channels;
    let geometry = Geometry { images, in_pixels: pixels, out_pixels: 0, c_in: c, c_out: 0 };
    let plan = Plan::new(&geometry, 0, 0);
    let parts: Vec<Vec<Part>> = plan
        .tasks
        .par_iter()
        .map(|task| {
            with_workspace(|workspace| {
                let groups = plan.groups(task).map(|group| {
                    let values = sized(&mut workspace.input, group.len() * pixels * c);
                    lanes.load(&xs[lanes.len(group.start * pixels)..], 0, values);
                    Part::of(Tiling::new(c), c, values)
                });
                groups.collect()
            })
        })
        .collect();
    Part::merge(c, parts.into_iter().flatten())
}

/// Mean and sum of squared deviations of each channel over some rows.
pub(super) struct Part {
    rows: usize,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Part {
    /// Of (rows, channels) elements.
    pub(super) fn of<T: Real>(tiling: Tiling, channels: usize, xs: &[T]) -> Self {
        let rows = xs.len() / channels;
        if rows == 0 {
            return Self { rows, means: vec![0.0; channels], squares: vec![0.0; channels] };
        }
        // Deviations from the first row give the mean closely, deviations from that mean the rest and the squares.
        let first = &xs[..channels];
        let mut sums = Sums::new(tiling, 1);
        let pattern = tiling.pattern(first);
        for tile in tiling.tiles(xs.len()) {
            add_deviations(sums.at(0, tile), pattern.at(tile), &xs[tile.start..tile.start + tile.len]);
        }
        let near: Vec<T> =
            sums.fold().iter().zip(first).map(|(sum, x)| T::from_f64(x.to_f64() + sum / rows as f64)).collect();
        let mut sums = Sums::new(tiling, 2);
        let pattern = tiling.pattern(&near);
        for tile in tiling.tiles(xs.len()) {
            let (rest, squares) = sums.two(0, tile);
            add_squares(rest, squares, pattern.at(tile), &xs[tile.start..tile.start + tile.len]);
        }
        let sums = sums.fold();
        let (rest, squares) = sums.split_at(channels);
        Self {
            rows,
            means: near.iter().zip(rest).map(|(near, rest)| near.to_f64() + rest / rows as f64).collect(),
            squares: squares.iter().zip(rest).map(|(square, rest)| square - rest * rest / rows as f64).collect(),
        }
    }

    /// Chan, Golub and LeVeque 1983: merging the counts, means and sums of squared deviations of samples, in order.
    pub(super) fn merge(channels: usize, parts: impl Iterator<Item = Self>) -> Moments {
        let (mut count, mut mean, mut squares) = (0.0, vec![f64::NAN; channels], vec![f64::NAN; channels]);
        for part in parts.filter(|part| part.rows > 0) {
            let n = part.rows as f64;
            if count == 0.0 {
                (count, mean, squares) = (n, part.means, part.squares);
                continue;
            }
            let total = count + n;
            for c in 0..channels {
                let delta = part.means[c] - mean[c];
                mean[c] += delta * (n / total);
                squares[c] += part.squares[c] + delta * delta * (count * n / total);
            }
            count = total;
        }
        Moments { mean, var: squares.iter().map(|square| square / count).collect() }
    }
}

simd_fn! {
    /// `sums += xs - center`.
    fn add_deviations<T: Real>(sums: &mut [T], center: &[T], xs: &[T]) {
        for ((sum, &center), &x) in sums.iter_mut().zip(center).zip(xs) {
            *sum += x - center;
        }
    }
}

simd_fn! {
    /// `sums += xs - center`, `squares += (xs - center)^2`.
    fn add_squares<T: Real>(sums: &mut [T], squares: &mut [T], center: &[T], xs: &[T]) {
        for (((sum, square), &center), &x) in sums.iter_mut().zip(squares).zip(center).zip(xs) {
            let deviation = x - center;
            *sum += deviation;
            *square = mul_add::<T, FMA>(deviation, deviation, *square);
        }
    }
}
