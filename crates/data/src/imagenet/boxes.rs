//! Which part of an image is shown: a random box in training, the middle in evaluation.

use swish_kernels::rng::Rng;

/// Area of the box, as a share of the image's.
const AREA: [f32; 2] = [0.05, 1.0];
/// Width over height of the box.
const ASPECT: [f32; 2] = [0.75, 1.33];
/// Share of the object that the box must cover. Without annotated boxes the object is the whole image, so this is a
/// second, higher bound on the area: boxes of 5 to 10 % are drawn and drawn again.
const MIN_OBJECT_COVERED: f32 = 0.1;
/// Draws before the whole image is taken.
const ATTEMPTS: usize = 100;
/// Share of each side that evaluation keeps.
const CENTRAL: f64 = 0.875;

/// A rectangle within an image, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) y: usize,
    pub(crate) x: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

/// The middle 87.5 % of both sides, as `tf.image.central_crop` cuts it: the margins are rounded down.
pub(crate) fn central(h: usize, w: usize) -> Region {
    let margin = |n: usize| ((n as f64 - n as f64 * CENTRAL) / 2.0) as usize;
    let (y, x) = (margin(h), margin(w));
    Region { y, x, h: h - 2 * y, w: w - 2 * x }
}

/// A random box as TensorFlow's kernel `sample_distorted_bounding_box` draws it, without annotated boxes: the aspect ratio
/// is uniform, then the *height* is uniform between those of the smallest and the largest area that fit; the area is not.
pub(crate) fn distorted(h: usize, w: usize, rng: &mut Rng) -> Region {
    let whole = (h * w) as f32;
    for _ in 0..ATTEMPTS {
        let aspect = ASPECT[0] + (ASPECT[1] - ASPECT[0]) * rng.uniform() as f32;
        if let Some((box_h, box_w)) = size(h, w, aspect, rng)
            && (box_h * box_w) as f32 / whole >= MIN_OBJECT_COVERED
        {
            // The kernel never draws the last place.
            let mut place = |room: usize| rng.below(room as u64) as usize;
            let (y, x) = (place(h - box_h), place(w - box_w));
            return Region { y, x, h: box_h, w: box_w };
        }
    }
    Region { y: 0, x: 0, h, w }
}

/// Height and width of a box of this aspect ratio; `None` if what was drawn does not fit.
fn size(h: usize, w: usize, aspect: f32, rng: &mut Rng) -> Option<(usize, usize)> {
    let [least, most] = AREA.map(|share| share * (h * w) as f32);
    let round = |x: f32| x.round_ties_even() as usize;
    let width = |height: usize| round(height as f32 * aspect);
    let mut highest = round((most / aspect).sqrt());
    if width(highest) > w {
        highest = ((w as f64 + 0.5 - 1e-7) / f64::from(aspect)) as usize;
    }
    let highest = highest.min(h);
    let lowest = round((least / aspect).sqrt()).min(highest);
    let mut height = lowest + rng.below((highest - lowest) as u64 + 1) as usize;
    // Rounding may have left the bounds by a row.
    let area = |height: usize| (height * width(height)) as f32;
    if area(height) < least {
        height += 1;
    }
    if area(height) > most {
        height -= 1;
    }
    let fits = area(height) >= least && area(height) <= most && height <= h && (1..=w).contains(&width(height));
    fits.then(|| (height, width(height)))
}

#[cfg(test)]
#[path = "tests/boxes.rs"]
mod tests;
