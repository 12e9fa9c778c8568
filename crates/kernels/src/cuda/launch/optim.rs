//! Optimizer steps over flat slices of all parameters, one launch a step; see [`crate::optim`].

use super::{BLOCKS, Grid, Subject, THREADS, args, fits, int, run, source};
use crate::cuda::device::{Arg, Device, Misfit, Scratch, Slice, View, ViewMut};
use crate::optim::{AdamStep, RmsPropStep, SgdStep};

/// Groups of parameters in a flat slice, of which each has its L2 penalty. The penalty of a step's settings is not used.
#[derive(Debug)]
pub struct Groups<D: Device> {
    starts: Slice<D, u32>,
    decays: Slice<D, f32>,
    len: usize,
}

impl<D: Device> Groups<D> {
    /// Lengths and penalties of the groups, in order.
    ///
    /// # Errors
    /// No groups, more parameters than 2^31, and the device's.
    pub fn new(device: &D, groups: &[(usize, f64)]) -> Result<Self, D::Error> {
        const NAME: &str = "parameter groups";
        let len = groups.iter().map(|group| group.0).sum();
        int(NAME, "number of parameters", len)?;
        if groups.is_empty() {
            let value = "0".to_string();
            return Err(
                Misfit::Value { function: NAME, what: "number of groups", value, expected: "at least 1" }.into()
            );
        }
        let mut start = 0;
        let mut starts = Vec::new();
        for group in groups {
            starts.push(start as u32);
            start += group.0;
        }
        let decays: Vec<f32> = groups.iter().map(|group| group.1 as f32).collect();
        Ok(Self { starts: Slice::of(device, &starts)?, decays: Slice::of(device, &decays)?, len })
    }
}

/// What every step reads and writes, each of as many elements as the groups have together.
#[derive(Debug)]
pub struct Parameters<'a, D: Device> {
    /// Weights, moved.
    pub w: ViewMut<'a, D, f32>,
    /// Gradients.
    pub g: View<'a, D, f32>,
    /// What gradient and penalty are multiplied by, one number on the device ([`clip_factor`]); `None` for 1.
    pub clip: Option<View<'a, D, f32>>,
    /// Exponential average of the weights with its decay, moved after the step ([`crate::optim::ema`]).
    pub average: Option<(ViewMut<'a, D, f32>, f64)>,
    /// One number on the device: where it is not 0, nothing is changed.
    pub stop: Option<View<'a, D, u32>>,
}

/// Runs a rule with the arguments that all have and its own.
fn step<D: Device>(
    device: &D,
    rule: &'static str,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    buffers: &[(&'static str, &ViewMut<'_, D, f32>)],
    settings: Vec<Arg<'_, D>>,
) -> Result<(), D::Error> {
    let Parameters { w, g, clip, average, stop } = parameters;
    for (what, found, expected) in [
        ("w", w.len(), groups.len),
        ("g", g.len(), groups.len),
        ("clip", clip.map_or(1, |clip| clip.len()), 1),
        ("average", average.as_ref().map_or(groups.len, |(average, _)| average.len()), groups.len),
        ("stop", stop.map_or(1, |stop| stop.len()), 1),
    ] {
        fits(rule, what, found, expected)?;
    }
    let rest = average.as_ref().map_or(0.0, |(_, decay)| (1.0 - decay) as f32);
    let average = average.as_ref().map(|(average, _)| average);
    let count = groups.starts.len() as u32;
    let tables = (groups.starts.view(), groups.decays.view());
    let mut args = args![w, *g, *clip, average, *stop, tables.0, tables.1, count, groups.len as u32, rest];
    for (what, buffer) in buffers {
        fits(rule, what, buffer.len(), groups.len)?;
        args.push(Arg::from(*buffer));
    }
    args.extend(settings);
    run(device, source::<f32>(Subject::Optim, 1), rule, grid(groups.len), args)
}

/// Blocks of threads that take several elements each.
fn grid(len: usize) -> Grid {
    let blocks = len.div_ceil(THREADS).min(4 * BLOCKS) as u32;
    Grid { grid: [blocks, 1, 1], block: [THREADS as u32, 1] }
}

/// [`crate::optim::sgd`].
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn sgd<D: Device>(
    device: &D,
    settings: &SgdStep,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    momentum_buf: &ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let numbers = args![settings.lr as f32, settings.momentum as f32, settings.nesterov];
    step(device, "sgd", groups, parameters, &[("momentum", momentum_buf)], numbers)
}

/// [`crate::optim::rms_prop`].
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn rms_prop<D: Device>(
    device: &D,
    settings: &RmsPropStep,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    mean_square: &ViewMut<'_, D, f32>,
    momentum_buf: &ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let &RmsPropStep { lr, decay, momentum, epsilon, .. } = settings;
    let numbers = args![lr as f32, decay as f32, (1.0 - decay) as f32, momentum as f32, epsilon as f32];
    let buffers = [("mean_square", mean_square), ("momentum", momentum_buf)];
    step(device, "rms_prop", groups, parameters, &buffers, numbers)
}

/// [`crate::optim::adam`].
///
/// # Errors
/// Lengths that disagree, step 0, and the device's.
pub fn adam<D: Device>(
    device: &D,
    settings: &AdamStep,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    mean: &ViewMut<'_, D, f32>,
    mean_square: &ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let &AdamStep { lr, beta1, beta2, epsilon, t, .. } = settings;
    if t == 0 {
        let value = "0".to_string();
        return Err(Misfit::Value { function: "adam", what: "number of the step", value, expected: "1 or more" }.into());
    }
    let t = t as f64;
    let rate = lr / (1.0 - libm::pow(beta1, t));
    let root = (1.0 - libm::pow(beta2, t)).sqrt().recip();
    let numbers = [rate, root, epsilon, beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(|x| Arg::from(x as f32));
    let buffers = [("mean", mean), ("mean_square", mean_square)];
    step(device, "adam", groups, parameters, &buffers, numbers.into())
}

/// [`crate::optim::ema`]; nothing is changed where the one number of `stop` is not 0.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn ema<D: Device>(
    device: &D,
    decay: f64,
    xs: View<'_, D, f32>,
    averages: ViewMut<'_, D, f32>,
    stop: Option<View<'_, D, u32>>,
) -> Result<(), D::Error> {
    fits("ema", "averages", averages.len(), xs.len())?;
    fits("ema", "stop", stop.map_or(1, |stop| stop.len()), 1)?;
    let (len, rest) = (int("ema", "values", xs.len())? as u32, (1.0 - decay) as f32);
    run(device, source::<f32>(Subject::Optim, 1), "ema", grid(xs.len()), args![xs, &averages, stop, len, rest])
}

/// `factor[0]` = what gradients are multiplied by so that the norm of all with their penalties is at most `limit`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn clip_factor<D: Device>(
    device: &D,
    scratch: &mut Scratch<D>,
    limit: f64,
    groups: &Groups<D>,
    w: View<'_, D, f32>,
    g: View<'_, D, f32>,
    factor: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "clip_factor";
    for (what, found, expected) in [("w", w.len(), groups.len), ("g", g.len(), groups.len), ("factor", factor.len(), 1)]
    {
        fits(NAME, what, found, expected)?;
    }
    let (kernels, grid) = (source::<f32>(Subject::Optim, 1), grid(groups.len));
    let blocks = grid.grid[0];
    let partial = scratch.get::<f64>(device, blocks as usize)?;
    let (tables, count) = ((groups.starts.view(), groups.decays.view()), groups.starts.len() as u32);
    let args = args![w, g, tables.0, tables.1, count, groups.len as u32, &partial];
    run(device, kernels, "gradient_squares", grid, args)?;
    run(device, kernels, NAME, Grid::blocks(NAME, 1)?, args![partial.view(), blocks, limit as f32, &factor])
}
