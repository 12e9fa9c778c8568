//! The forward pass of a block.

use rayon::prelude::*;

use super::moments::Part;
use super::plan::{Plan, Workspace, sized, with_workspace};
use super::{Geometry, Input, Lanes, Moments, Prologue, TileScratch};
use crate::act::tile::Tiling;
use crate::act::{Inputs, Values};
use crate::conv::Prepared;
use crate::element::{self, Element};

/// Where a block's result goes.
#[derive(Debug)]
pub struct Output<'a, E> {
    /// The map; only the channels of `lanes` are written.
    pub ys: &'a mut [E],
    /// The channels to write.
    pub lanes: Lanes,
    /// Added to the result: (pixels, channels).
    pub shortcut: Option<&'a [E]>,
    /// Gets the activated input, (input pixels, c_in), for others that read it.
    pub activated: Option<&'a mut [E]>,
    /// Whether the result is added to what is there; only without a convolution.
    pub add: bool,
    /// Whether the moments of the result are wanted.
    pub moments: bool,
}

/// Runs a block; returns the moments of its result, taken before rounding, where they are wanted.
///
/// # Panics
/// If the lengths disagree.
pub fn forward<E: Element>(
    geometry: &Geometry,
    input: &Input<'_, E>,
    conv: Option<&Prepared<E::Real>>,
    output: Output<'_, E>,
) -> Option<Moments> {
    let Geometry { images, in_pixels, out_pixels, c_in, c_out } = *geometry;
    let Output { ys, lanes, shortcut, activated, add, moments } = output;
    assert_eq!(ys.len(), lanes.len(images * out_pixels), "the output is as long as its pixels");
    assert!(
        input.xs.is_none_or(|xs| xs.len() == input.lanes.len(images * in_pixels)),
        "the input is as long as its pixels"
    );
    assert!(input.lanes.channels == c_in && lanes.channels == c_out, "lanes and channels");
    assert!(!add || conv.is_none(), "a convolution does not add to what is there");
    let prologue = input.norm.as_ref().map(|norm| Prologue::new(c_in, norm));
    let plan = Plan::new(geometry, conv.map_or(0, Prepared::weight_len), 0);
    let tasks: Vec<_> = plan
        .split(ys, lanes.len(out_pixels))
        .into_iter()
        .zip(plan.split_option(activated, in_pixels * c_in))
        .zip(&plan.tasks)
        .collect();
    let parts = tasks.into_par_iter().map(|((ys, mut activated), task)| {
        with_workspace(|workspace: &mut Workspace<E::Real>| {
            let mut values = prologue.as_ref().map(|prologue| Values::new(prologue.program));
            let mut scratch = TileScratch::new();
            let mut parts = Vec::new();
            for group in plan.groups(task) {
                let own = group.start - task.start..group.end - task.start;
                let made = sized(&mut workspace.input, group.len() * in_pixels * c_in);
                let ys = &mut ys[lanes.len(own.start * out_pixels)..lanes.len(own.end * out_pixels)];
                let xs = match input.xs {
                    Some(xs) => &xs[input.lanes.len(group.start * in_pixels)..],
                    None => &*ys,
                };
                match (&prologue, &mut values) {
                    (Some(prologue), Some(values)) => {
                        let residual = input.residual.map(|r| &r[group.start * in_pixels * c_in..]);
                        for tile in prologue.tiling.tiles(made.len()) {
                            prologue.input((xs, input.lanes), residual, tile, &mut scratch);
                            let inputs = Inputs { xs: &scratch.us[..tile.len], params: &prologue.params, tile };
                            values.forward(inputs, &mut made[tile.start..tile.start + tile.len]);
                        }
                    }
                    _ => input.lanes.load(xs, 0, made),
                }
                if let Some(activated) = &mut activated {
                    let image = in_pixels * c_in;
                    element::store(made, &mut activated[own.start * image..own.end * image]);
                }
                let mut finish = |result: &mut [E::Real]| {
                    if let Some(shortcut) = shortcut {
                        let image = out_pixels * c_out;
                        element::add(result, &shortcut[group.start * image..group.end * image]);
                    }
                    if moments {
                        parts.push(Part::of(Tiling::new(c_out), c_out, result));
                    }
                };
                let Some(conv) = conv else {
                    if add {
                        lanes.add(ys, 0, made);
                    }
                    finish(made);
                    lanes.store(made, 0, ys);
                    continue;
                };
                // Straight to its place where that holds what is computed.
                if let Some(ys) = E::as_real_mut(&mut *ys).filter(|_| lanes.is_dense()) {
                    conv.forward(group.len(), made, ys, &mut workspace.conv);
                    finish(ys);
                    continue;
                }
                let result = sized(&mut workspace.output, group.len() * out_pixels * c_out);
                conv.forward(group.len(), made, result, &mut workspace.conv);
                finish(result);
                lanes.store(result, 0, ys);
            }
            parts
        })
    });
    let parts: Vec<Vec<Part>> = parts.collect();
    moments.then(|| Part::merge(c_out, parts.into_iter().flatten()))
}
