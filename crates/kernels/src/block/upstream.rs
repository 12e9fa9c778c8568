//! The gradient that comes back to a block: what is stored of it, and what is still to be added.

use rayon::prelude::*;

use super::plan::{Plan, Workspace, sized, with_workspace};
use super::{Geometry, Lanes, TileScratch};
use crate::act::tile::{Pattern, Tile, Tiling};
use crate::element::{self, Element};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// The part of a gradient that flows through batch statistics: `pull (z - mean) + term`, one pull and one term a channel.
#[derive(Clone, Copy, Debug)]
pub struct Correction<'a, E: Element> {
    /// The map whose statistics they are.
    pub zs: &'a [E],
    /// Its channels.
    pub lanes: Lanes,
    /// Mean of each channel.
    pub mean: &'a [E::Real],
    /// Factor of the deviation.
    pub pull: &'a [E::Real],
    /// Constant.
    pub term: &'a [E::Real],
}

/// The gradient of a block's result: `slope d + pull (z - mean) + term`.
#[derive(Debug)]
pub struct Upstream<'a, E: Element> {
    /// What is stored of it. `None`: it lies in the memory of [`super::Downstream::ds`], in other channels.
    pub ds: Option<&'a [E]>,
    /// Its channels.
    pub lanes: Lanes,
    /// Factor of each channel; `None` for 1.
    pub slope: Option<&'a [E::Real]>,
    /// What is still to be added.
    pub correction: Option<Correction<'a, E>>,
    /// Gets the whole gradient, for others that read it: (pixels, c_out).
    pub settled: Option<&'a mut [E]>,
}

/// The whole gradient of `[images, pixels]` as (pixels, channels), of which `up` holds the parts.
///
/// # Panics
/// If the lengths disagree, or `up` holds no gradient.
pub fn settle<E: Element>(up: &Upstream<'_, E>, [images, pixels]: [usize; 2], ys: &mut [E]) {
    let c = up.lanes.channels;
    assert!(up.ds.is_some() && ys.len() == images * pixels * c, "a gradient, and room for its {c} channels");
    let geometry = Geometry { images, in_pixels: pixels, out_pixels: 0, c_in: c, c_out: 0 };
    let plan = Plan::new(&geometry, 0, 0);
    let upstream = Incoming::new(up, c);
    let tasks: Vec<_> = plan.split(ys, pixels * c).into_iter().zip(&plan.tasks).collect();
    tasks.into_par_iter().for_each(|(ys, task)| {
        with_workspace(|workspace: &mut Workspace<E::Real>| {
            let mut scratch = TileScratch::new();
            for group in plan.groups(task) {
                let d_ys = sized(&mut workspace.output, group.len() * pixels * c);
                upstream.load(None, group.start * pixels, d_ys, &mut scratch);
                let first = (group.start - task.start) * pixels * c;
                element::store(d_ys, &mut ys[first..first + d_ys.len()]);
            }
        });
    });
}

/// [`Upstream`] laid out for tiles.
pub(super) struct Incoming<'a, E: Element> {
    ds: Option<&'a [E]>,
    lanes: Lanes,
    tiling: Tiling,
    slope: Option<Pattern<'a, E::Real>>,
    correction: Option<Pulled<'a, E>>,
}

/// [`Correction`] laid out for tiles.
struct Pulled<'a, E: Element> {
    zs: &'a [E],
    lanes: Lanes,
    mean: Pattern<'a, E::Real>,
    pull: Pattern<'a, E::Real>,
    term: Pattern<'a, E::Real>,
}

impl<'a, E: Element> Incoming<'a, E> {
    pub(super) fn new(up: &Upstream<'a, E>, channels: usize) -> Self {
        let tiling = Tiling::new(channels);
        let correction = up.correction.map(|c| Pulled {
            zs: c.zs,
            lanes: c.lanes,
            mean: tiling.pattern(c.mean),
            pull: tiling.pattern(c.pull),
            term: tiling.pattern(c.term),
        });
        Self { ds: up.ds, lanes: up.lanes, tiling, slope: up.slope.map(|slope| tiling.pattern(slope)), correction }
    }

    /// The gradient of the pixels from `pixel` on, as many as `d_ys` takes.
    pub(super) fn load(
        &self,
        own: Option<&[E]>,
        pixel: usize,
        d_ys: &mut [E::Real],
        scratch: &mut TileScratch<E::Real>,
    ) {
        let ds = match (self.ds, own) {
            (Some(ds), _) => &ds[self.lanes.len(pixel)..],
            (None, Some(own)) => own,
            (None, None) => &[],
        };
        if self.slope.is_none() && self.correction.is_none() {
            return self.lanes.load(ds, 0, d_ys);
        }
        let mut carry = Carry::new(self.tiling);
        for tile in self.tiling.tiles(d_ys.len()) {
            let d_ys = &mut d_ys[tile.start..tile.start + tile.len];
            self.lanes.load(ds, tile.start, d_ys);
            if let Some(slope) = &self.slope {
                multiply(d_ys, slope.at(tile));
            }
            if let Some(c) = &self.correction {
                let z = &mut scratch.xs[..tile.len];
                c.lanes.load(&c.zs[c.lanes.len(pixel)..], tile.start, z);
                correct(d_ys, z, c.mean.at(tile), c.pull.at(tile), c.term.at(tile));
            }
            carry.round::<E>(tile, d_ys);
        }
    }
}

/// Rounds a gradient to what is stored, and carries each error on to the next pixel of the same channel.
///
/// What is added to a number of few digits is often too small to change it, a thousand times over: a sum of rounded gradients then lacks
/// it, where the sum of errors carried on is never further off than the last digit of one number. A norm takes the mean off a gradient,
/// so its sums, which are the gradients of biases, are made of such small parts.
struct Carry<T> {
    errors: Vec<T>,
}

impl<T: Real> Carry<T> {
    fn new(tiling: Tiling) -> Self {
        Self { errors: vec![T::ZERO; tiling.period()] }
    }

    fn round<E: Element<Real = T>>(&mut self, tile: Tile, ds: &mut [T]) {
        // Only where digits are lost.
        if size_of::<E>() < size_of::<T>() {
            diffuse::<E>(ds, &mut self.errors[tile.phase..tile.phase + tile.len]);
        }
    }
}

simd_fn! {
    /// `ys *= factors`.
    pub(super) fn multiply<T: Real>(ys: &mut [T], factors: &[T]) {
        for (y, &factor) in ys.iter_mut().zip(factors) {
            *y *= factor;
        }
    }
}

simd_fn! {
    /// `ds += errors`, rounded; `errors` become what that lost.
    fn diffuse<E: Element>(ds: &mut [E::Real], errors: &mut [E::Real]) {
        for (d, error) in ds.iter_mut().zip(errors) {
            let exact = *d + *error;
            *d = E::narrow(exact).widen();
            *error = exact - *d;
        }
    }
}

simd_fn! {
    /// `d_ys += pull (zs - mean) + term`.
    fn correct<T: Real>(d_ys: &mut [T], zs: &[T], mean: &[T], pull: &[T], term: &[T]) {
        for ((((d, &z), &mean), &pull), &term) in d_ys.iter_mut().zip(zs).zip(mean).zip(pull).zip(term) {
            *d += mul_add::<T, FMA>(pull, z - mean, term);
        }
    }
}
