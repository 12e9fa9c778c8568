//! Optimizer steps over flat slices of all parameters, one launch a step; see [`crate::optim`]. What changes from step to step lies on the
//! device, in [`Numbers`]: so a step can be recorded, and started again with other numbers.

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

/// A rule with its settings.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// [`crate::optim::sgd`].
    Sgd(SgdStep),
    /// [`crate::optim::rms_prop`].
    RmsProp(RmsPropStep),
    /// [`crate::optim::adam`].
    Adam(AdamStep),
}

impl Rule {
    /// Its rate, and what the root of the mean square is multiplied by.
    fn rates(&self) -> Result<[f64; 2], Misfit> {
        match *self {
            Self::Sgd(SgdStep { lr, .. }) | Self::RmsProp(RmsPropStep { lr, .. }) => Ok([lr, 1.0]),
            Self::Adam(AdamStep { t: 0, .. }) => {
                let (what, value) = ("number of the step", "0".into());
                Err(Misfit::Value { function: "adam", what, value, expected: "1 or more" })
            }
            Self::Adam(AdamStep { lr, beta1, beta2, t, .. }) => {
                let t = t as f64;
                Ok([lr / (1.0 - libm::pow(beta1, t)), (1.0 - libm::pow(beta2, t)).sqrt().recip()])
            }
        }
    }
}

/// A step's rule, whose rates lie on the device, as does the decay of averages: they change from step to step.
#[derive(Debug)]
pub struct Numbers<D: Device> {
    rule: Rule,
    there: Slice<D, f32>,
}

impl<D: Device> Numbers<D> {
    /// Those of the steps from now on, `decay` being that of [`Parameters::average`] and of [`ema`].
    ///
    /// # Errors
    /// Step 0 of Adam, and the device's.
    pub fn new(device: &D, rule: Rule, decay: f64) -> Result<Self, D::Error> {
        let mut made = Self { rule, there: Slice::new(device, 3)? };
        made.set(device, rule, decay)?;
        Ok(made)
    }

    /// Those of the steps from now on, also of steps that were recorded, where only the rate, the number of Adam's step and the decay are
    /// others.
    ///
    /// # Errors
    /// As [`Numbers::new`].
    pub fn set(&mut self, device: &D, rule: Rule, decay: f64) -> Result<(), D::Error> {
        let [rate, root] = rule.rates()?;
        self.rule = rule;
        self.there.view_mut().write(device, &[rate, root, 1.0 - decay].map(|x| x as f32))
    }
}

/// What every step reads and writes, each of as many elements as the groups have together.
#[derive(Debug)]
pub struct Parameters<'a, D: Device> {
    /// Those of the step.
    pub numbers: &'a Numbers<D>,
    /// Weights, moved.
    pub w: ViewMut<'a, D, f32>,
    /// Gradients.
    pub g: View<'a, D, f32>,
    /// What gradient and penalty are multiplied by, one number on the device ([`clip_factor`]); `None` for 1.
    pub clip: Option<View<'a, D, f32>>,
    /// Exponential average of the weights, moved after the step ([`crate::optim::ema`]).
    pub average: Option<ViewMut<'a, D, f32>>,
    /// One number on the device: where it is not 0, nothing is changed.
    pub stop: View<'a, D, u32>,
}

/// A step: SGD with its momentum in `first`, RMSProp with its mean square and momentum, Adam with its mean and mean square.
/// What a rule has no use for may have any length.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn step<D: Device>(
    device: &D,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    [first, second]: [&ViewMut<'_, D, f32>; 2],
) -> Result<(), D::Error> {
    match parameters.numbers.rule {
        Rule::Sgd(SgdStep { momentum, nesterov, .. }) => {
            run_rule(device, "sgd", groups, parameters, &[("momentum", first)], args![momentum as f32, nesterov])
        }
        Rule::RmsProp(RmsPropStep { decay, momentum, epsilon, .. }) => {
            let settings = [decay, 1.0 - decay, momentum, epsilon].map(|x| Arg::from(x as f32));
            let buffers = [("mean_square", first), ("momentum", second)];
            run_rule(device, "rms_prop", groups, parameters, &buffers, settings.into())
        }
        Rule::Adam(AdamStep { beta1, beta2, epsilon, .. }) => {
            let settings = [epsilon, beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(|x| Arg::from(x as f32));
            run_rule(device, "adam", groups, parameters, &[("mean", first), ("mean_square", second)], settings.into())
        }
    }
}

/// Runs a rule with the arguments that all have and its own.
fn run_rule<D: Device>(
    device: &D,
    rule: &'static str,
    groups: &Groups<D>,
    parameters: &Parameters<'_, D>,
    buffers: &[(&'static str, &ViewMut<'_, D, f32>)],
    settings: Vec<Arg<'_, D>>,
) -> Result<(), D::Error> {
    let Parameters { numbers, w, g, clip, average, stop } = parameters;
    for (what, found, expected) in [
        ("w", w.len(), groups.len),
        ("g", g.len(), groups.len),
        ("clip", clip.map_or(1, |clip| clip.len()), 1),
        ("average", average.as_ref().map_or(groups.len, ViewMut::len), groups.len),
        ("stop", stop.len(), 1),
    ] {
        fits(rule, what, found, expected)?;
    }
    let (average, numbers) = (average.as_ref(), numbers.there.view());
    let count = groups.starts.len() as u32;
    let tables = (groups.starts.view(), groups.decays.view());
    let mut args = args![w, *g, *clip, average, *stop, tables.0, tables.1, count, groups.len as u32, numbers];
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

/// [`crate::optim::ema`] with the decay of `numbers`; nothing is changed where the one number of `stop` is not 0.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn ema<D: Device>(
    device: &D,
    numbers: &Numbers<D>,
    xs: View<'_, D, f32>,
    averages: ViewMut<'_, D, f32>,
    stop: View<'_, D, u32>,
) -> Result<(), D::Error> {
    fits("ema", "averages", averages.len(), xs.len())?;
    fits("ema", "stop", stop.len(), 1)?;
    let (len, numbers) = (int("ema", "values", xs.len())? as u32, numbers.there.view());
    run(device, source::<f32>(Subject::Optim, 1), "ema", grid(xs.len()), args![xs, &averages, stop, len, numbers])
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
