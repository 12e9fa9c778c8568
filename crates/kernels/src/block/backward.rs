//! The backward pass of a block.

use std::ops::Range;

use rayon::prelude::*;

use super::plan::{Plan, Workspace, sized, with_workspace};
use super::{Geometry, Input, Lanes, Prologue, TileScratch};
use crate::act::tile::{Pattern, Sums, Tile, Tiling, add_to, combine};
use crate::act::{Inputs, Sweep};
use crate::conv::Prepared;
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
    /// What is stored of it. `None`: it lies in the memory of [`Downstream::ds`], in other channels.
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

/// Where the gradient of a block's input goes: that of `u` (with [`super::NormAct`]) or of `x`.
#[derive(Debug)]
pub struct Downstream<'a, E: Element> {
    /// The gradient of the map; only the channels of `lanes` are written. `None`: not wanted.
    pub ds: Option<&'a mut [E]>,
    /// The channels to write.
    pub lanes: Lanes,
    /// Factor of each channel; `None` for 1.
    pub slope: Option<&'a [E::Real]>,
    /// Whether it is added to what is there.
    pub add: bool,
    /// A gradient of the activated input from elsewhere: (pixels, c_in).
    pub extra: Option<&'a [E]>,
}

/// Sums over all pixels, for each channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputSums {
    /// Derivatives by the activation's parameters, `[k * channels + c]`.
    pub d_params: Vec<f64>,
    /// du.
    pub d_u: Vec<f64>,
    /// du (x - mean).
    pub d_u_x: Vec<f64>,
}

impl InputSums {
    /// From the quantities of [`Job::through_activation`].
    fn of(mut sums: Vec<f64>, n_params: usize, channels: usize) -> Self {
        let mut d_u = sums.split_off(n_params);
        let d_u_x = d_u.split_off(channels);
        Self { d_params: sums, d_u, d_u_x }
    }
}

/// A convolution and where the gradient of its weights goes.
pub struct Trained<'a, T: Real> {
    /// The convolution.
    pub prepared: &'a Prepared<T>,
    /// (c_out, c_in / groups, kh, kw); overwritten.
    pub d_weight: &'a mut [T],
}

/// Runs a block backwards. `d_weight` (c_out, c_in / groups, kh, kw) is overwritten.
///
/// Returns sums over all pixels, which are empty without a norm.
///
/// # Panics
/// If the lengths disagree.
pub fn backward<E: Element>(
    geometry: &Geometry,
    input: &Input<'_, E>,
    conv: Option<Trained<'_, E::Real>>,
    up: Upstream<'_, E>,
    down: Downstream<'_, E>,
) -> InputSums {
    let Geometry { in_pixels, out_pixels, c_in, c_out, .. } = *geometry;
    assert!(input.lanes.channels == c_in && up.lanes.channels == c_out, "lanes and channels");
    let (conv, d_weight) = match conv {
        Some(Trained { prepared, d_weight }) => (Some(prepared), Some(d_weight)),
        None => (None, None),
    };
    let partial_len = conv.map_or(0, Prepared::partial_len);
    let plan = Plan::new(geometry, conv.map_or(0, Prepared::weight_len), partial_len);
    let job = Job {
        geometry: *geometry,
        input,
        conv,
        prologue: input.norm.as_ref().map(|norm| Prologue::new(c_in, norm)),
        upstream: Incoming::new(&up, c_out),
        down_lanes: down.lanes,
        down_slope: down.slope.map(|slope| Tiling::new(c_in).pattern(slope)),
        add: down.add,
        extra: down.extra,
    };
    let mut partials = vec![E::Real::ZERO; partial_len * plan.tasks.len()];
    let tasks: Vec<_> = plan
        .split_option(down.ds, down.lanes.len(in_pixels))
        .into_iter()
        .zip(plan.split_option(up.settled, out_pixels * c_out))
        .zip(split_partials(&mut partials, partial_len, plan.tasks.len()))
        .zip(&plan.tasks)
        .collect();
    let sums = tasks
        .into_par_iter()
        .map(|(((ds, settled), partial), task)| with_workspace(|w| job.run(&plan, task, ds, settled, partial, w)))
        .collect();
    if let (Some(conv), Some(d_weight)) = (conv, d_weight) {
        conv.finish_weight(add_partials(&mut partials, partial_len), d_weight);
    }
    let Some(norm) = &input.norm else {
        return InputSums::default();
    };
    InputSums::of(combine(sums), norm.program.n_params() * c_in, c_in)
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

fn split_partials<T>(partials: &mut [T], len: usize, tasks: usize) -> Vec<&mut [T]> {
    if len == 0 {
        return (0..tasks).map(|_| Default::default()).collect();
    }
    partials.chunks_mut(len).collect()
}

/// The sum of all partials, in order, in the place of the first.
fn add_partials<T: Real>(partials: &mut [T], len: usize) -> &[T] {
    const CHUNK: usize = 1 << 14;
    let (total, others) = partials.split_at_mut(len);
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(i, total)| {
        for other in others.chunks_exact(len) {
            add_to(total, &other[i * CHUNK..][..total.len()]);
        }
    });
    total
}

/// [`Upstream`] laid out for tiles.
struct Incoming<'a, E: Element> {
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
    fn new(up: &Upstream<'a, E>, channels: usize) -> Self {
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
    fn load(&self, own: Option<&[E]>, pixel: usize, d_ys: &mut [E::Real], scratch: &mut TileScratch<E::Real>) {
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

/// What all tasks share.
struct Job<'a, E: Element> {
    geometry: Geometry,
    input: &'a Input<'a, E>,
    conv: Option<&'a Prepared<E::Real>>,
    prologue: Option<Prologue<'a, E::Real>>,
    upstream: Incoming<'a, E>,
    down_lanes: Lanes,
    down_slope: Option<Pattern<'a, E::Real>>,
    add: bool,
    extra: Option<&'a [E]>,
}

impl<E: Element> Job<'_, E> {
    fn run(
        &self,
        plan: &Plan,
        task: &Range<usize>,
        mut ds: Option<&mut [E]>,
        mut settled: Option<&mut [E]>,
        partial: &mut [E::Real],
        workspace: &mut Workspace<E::Real>,
    ) -> Vec<f64> {
        let Geometry { in_pixels, out_pixels, c_in, c_out, .. } = self.geometry;
        let mut scratch = TileScratch::new();
        let mut sweep = self.prologue.as_ref().map(|prologue| {
            let sums = Sums::new(prologue.tiling, prologue.program.n_params() + 2);
            (prologue, Sweep::new(prologue.program), sums)
        });
        for group in plan.groups(task) {
            let own = group.start - task.start..group.end - task.start;
            let Workspace { input: made, output, d_input, conv: conv_scratch } = workspace;
            let in_len = group.len() * in_pixels * c_in;
            let d_ys = sized(output, group.len() * out_pixels * c_out);
            let mut ds = ds.as_deref_mut().map(|ds| {
                &mut ds[self.down_lanes.len(own.start * in_pixels)..self.down_lanes.len(own.end * in_pixels)]
            });
            self.upstream.load(ds.as_deref(), group.start * out_pixels, d_ys, &mut scratch);
            if let Some(settled) = &mut settled {
                let image = out_pixels * c_out;
                element::store(d_ys, &mut settled[own.start * image..own.end * image]);
            }
            let wanted = ds.is_some() || sweep.is_some();
            // The gradient of the activated input.
            let d_made: &mut [E::Real] = match self.conv {
                None => d_ys,
                Some(conv) => {
                    let d_made = sized(d_input, in_len);
                    if wanted {
                        conv.backward_data(group.len(), d_ys, d_made, conv_scratch);
                    }
                    d_made
                }
            };
            if let Some(extra) = self.extra {
                let image = in_pixels * c_in;
                element::add(d_made, &extra[group.start * image..group.end * image]);
            }
            let made = sized(made, in_len);
            match &mut sweep {
                Some((prologue, sweep, sums)) => {
                    self.through_activation(
                        prologue,
                        sweep,
                        sums,
                        &group,
                        made,
                        d_made,
                        ds.as_deref_mut(),
                        &mut scratch,
                    );
                }
                None => {
                    if let Some(xs) = self.input.xs.filter(|_| self.conv.is_some()) {
                        self.input.lanes.load(&xs[self.input.lanes.len(group.start * in_pixels)..], 0, made);
                    }
                    if let Some(ds) = ds {
                        for tile in Tiling::new(c_in).tiles(in_len) {
                            self.put(tile, &mut d_made[tile.start..tile.start + tile.len], ds, &mut scratch.other);
                        }
                    }
                }
            }
            if let Some(conv) = self.conv {
                conv.backward_weight(
                    group.len(),
                    made,
                    &output[..group.len() * out_pixels * c_out],
                    partial,
                    conv_scratch,
                );
            }
        }
        sweep.map(|(_, _, sums)| sums.fold()).unwrap_or_default()
    }

    /// From the gradient of the activated input to that of the activation's input; makes the activated input again.
    #[expect(clippy::too_many_arguments, reason = "the state of one task, borrowed piece by piece")]
    fn through_activation(
        &self,
        prologue: &Prologue<'_, E::Real>,
        sweep: &mut Sweep<'_, E::Real>,
        sums: &mut Sums<E::Real>,
        group: &Range<usize>,
        made: &mut [E::Real],
        d_made: &mut [E::Real],
        mut ds: Option<&mut [E]>,
        scratch: &mut TileScratch<E::Real>,
    ) {
        let Geometry { in_pixels, c_in, .. } = self.geometry;
        let first = group.start * in_pixels;
        let lanes = self.input.lanes;
        let xs = self.input.xs.map_or(&[][..], |xs| &xs[lanes.len(first)..]);
        let residual = self.input.residual.map(|r| &r[first * c_in..]);
        let n_params = prologue.program.n_params();
        let mut d_us = [E::Real::ZERO; crate::act::tile::TILE];
        for tile in prologue.tiling.tiles(made.len()) {
            let span = tile.start..tile.start + tile.len;
            prologue.input((xs, lanes), residual, tile, scratch);
            let inputs = Inputs { xs: &scratch.us[..tile.len], params: &prologue.params, tile };
            let d_us = &mut d_us[..tile.len];
            if self.conv.is_some() {
                sweep.run_with_value(inputs, &d_made[span.clone()], &mut made[span.clone()], d_us);
            } else {
                sweep.run(inputs, &d_made[span.clone()], d_us);
            }
            for k in 0..n_params {
                sweep.add_d_param(k, sums.at(k, tile));
            }
            let (of_d, of_product) = sums.two(n_params, tile);
            add_moments(of_d, of_product, d_us, &scratch.xs[..tile.len], prologue.mean.at(tile));
            if let Some(ds) = ds.as_deref_mut() {
                self.put(tile, d_us, ds, &mut scratch.other);
            }
        }
    }

    /// Stores or adds a tile of the gradient.
    fn put(&self, tile: Tile, d: &mut [E::Real], ds: &mut [E], other: &mut [E::Real]) {
        if let Some(slope) = &self.down_slope {
            multiply(d, slope.at(tile));
        }
        if self.add {
            let other = &mut other[..tile.len];
            self.down_lanes.load(ds, tile.start, other);
            add_to(d, other);
        }
        self.down_lanes.store(d, tile.start, ds);
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
    /// `ys *= factors`.
    fn multiply<T: Real>(ys: &mut [T], factors: &[T]) {
        for (y, &factor) in ys.iter_mut().zip(factors) {
            *y *= factor;
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

simd_fn! {
    /// `of_d += d_us`, `of_product += d_us * (xs - mean)`.
    fn add_moments<T: Real>(of_d: &mut [T], of_product: &mut [T], d_us: &[T], xs: &[T], mean: &[T]) {
        for ((((sum, product), &d), &x), &mean) in of_d.iter_mut().zip(of_product).zip(d_us).zip(xs).zip(mean) {
            *sum += d;
            *product = mul_add::<T, FMA>(d, x - mean, *product);
        }
    }
}
