//! The backward pass of a block.

use std::ops::Range;

use rayon::prelude::*;

use super::plan::{Plan, Workspace, sized, with_workspace};
use super::upstream::{Incoming, Upstream, multiply};
use super::{Geometry, Input, Lanes, Prologue, TileScratch};
use crate::act::tile::{Pattern, Sums, Tile, Tiling, combine};
use crate::act::{Inputs, Sweep};
use crate::conv::Prepared;
use crate::element::{self, Element};
use crate::real::Real;
use crate::simd::{add_to, mul_add, simd_fn};
use crate::spare::Spare;

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
    let mut partials = Spare::new(partial_len * plan.tasks.len());
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
        partial.fill(E::Real::ZERO);
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
    /// `of_d += d_us`, `of_product += d_us * (xs - mean)`.
    fn add_moments<T: Real>(of_d: &mut [T], of_product: &mut [T], d_us: &[T], xs: &[T], mean: &[T]) {
        for ((((sum, product), &d), &x), &mean) in of_d.iter_mut().zip(of_product).zip(d_us).zip(xs).zip(mean) {
            *sum += d;
            *product = mul_add::<T, FMA>(d, x - mean, *product);
        }
    }
}
