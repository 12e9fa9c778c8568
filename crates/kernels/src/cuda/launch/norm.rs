//! BatchNorm with a residual and an activation behind it: `y = f(u)`, `u = (x - mean) scale + beta (+ residual)`.

use super::{Grid, Part, Source, Stored, Subject, args, fits, int, rows_of, run, source, width};
use crate::cuda::activation::ActSource;
use crate::cuda::device::{Device, Misfit, Scratch, View, ViewMut};

const FORWARD: &str = "norm_act_forward";
const BACKWARD: &str = "norm_act_backward";

/// What is done to each channel; each table has one value a channel, and may be missing.
#[derive(Debug)]
pub struct NormAct<'a, D: Device> {
    /// The activation.
    pub act: &'a ActSource,
    /// Subtracted; 0 without.
    pub mean: Option<View<'a, D, f32>>,
    /// gamma / sqrt(variance + epsilon), or a factor; 1 without.
    pub scale: Option<View<'a, D, f32>>,
    /// Added; 0 without.
    pub beta: Option<View<'a, D, f32>>,
    /// The activation's, `params[k * channels + c]`.
    pub params: View<'a, D, f32>,
}

impl<D: Device> Clone for NormAct<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<D: Device> Copy for NormAct<'_, D> {}

impl<'a, D: Device> NormAct<'a, D> {
    fn check(&self, function: &'static str, channels: usize) -> Result<(), Misfit> {
        for (what, table) in [("mean", self.mean), ("scale", self.scale), ("beta", self.beta)] {
            fits(function, what, table.map_or(channels, |table| table.len()), channels)?;
        }
        fits(function, "params", self.params.len(), self.act.n_params() * channels)
    }

    fn source<E: Stored>(&self, vec: usize) -> Source<'a> {
        Source { subject: Subject::Norm, bf16: E::BF16, vec, part: Part::Act(self.act) }
    }
}

/// Statistics of a batch; one value a channel.
#[derive(Debug)]
pub struct Statistics<'a, D: Device> {
    /// Mean.
    pub mean: ViewMut<'a, D, f32>,
    /// 1 / sqrt(variance + epsilon).
    pub inv_std: ViewMut<'a, D, f32>,
    /// gamma times it.
    pub scale: ViewMut<'a, D, f32>,
    /// Running mean and variance, to be moved.
    pub running: Option<(ViewMut<'a, D, f32>, ViewMut<'a, D, f32>)>,
}

/// BatchNorm's constants.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Added to the variance.
    pub epsilon: f64,
    /// Share of the batch's statistics in the new running ones (PyTorch's `momentum`).
    pub momentum: f64,
}

/// Mean and biased variance of each channel of `xs` (rows, channels); moves the running statistics, the variance unbiased.
///
/// # Errors
/// Lengths that disagree, no rows, and the device's.
pub fn statistics<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    constants: Constants,
    xs: View<'_, D, E>,
    gamma: Option<View<'_, D, f32>>,
    out: Statistics<'_, D>,
) -> Result<(), D::Error> {
    const NAME: &str = "norm_statistics";
    let channels = out.mean.len();
    let rows = rows_of(NAME, xs.len(), channels)?;
    if rows == 0 {
        return Err(Misfit::Length { function: NAME, what: "map", found: 0, expected: channels }.into());
    }
    let (running_mean, running_var) = out.running.unzip();
    for (what, table) in [("inv_std", Some(&out.inv_std)), ("scale", Some(&out.scale))]
        .into_iter()
        .chain([("running_mean", running_mean.as_ref()), ("running_var", running_var.as_ref())])
    {
        fits(NAME, what, table.map_or(channels, ViewMut::len), channels)?;
    }
    fits(NAME, "gamma", gamma.map_or(channels, |gamma| gamma.len()), channels)?;
    let vec = width::<E>(channels, [xs.place().1]);
    let source = source::<E>(Subject::Moments, vec);
    let grid = Grid::sums(rows, channels, vec);
    let partial = scratch.get::<f32>(device, 2 * grid.row_blocks() * channels)?;
    let (rows, channel_count) = (int(NAME, "rows", rows)?, int(NAME, "channels", channels)?);
    let whole = grid.is_whole(vec);
    let statistics = |mut args: Vec<_>| {
        args.extend(args![
            gamma,
            &out.mean,
            &out.inv_std,
            &out.scale,
            running_mean.as_ref(),
            running_var.as_ref(),
            constants.epsilon as f32,
            constants.momentum as f32,
        ]);
        args
    };
    let mut args = statistics(args![xs, &partial, rows, channel_count]);
    args.push(whole.into());
    run(device, source, "norm_moments", grid, args)?;
    if whole {
        return Ok(());
    }
    let args = statistics(args![xs, partial.view(), grid.row_blocks() as u32, rows, channel_count]);
    run(device, source, NAME, Grid::finish(channels, 1), args)
}

/// `inv_std` and `scale` of the running statistics, for evaluation; their mean is used as it is.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn running<D: Device>(
    device: &D,
    epsilon: f64,
    running_var: View<'_, D, f32>,
    gamma: Option<View<'_, D, f32>>,
    inv_std: ViewMut<'_, D, f32>,
    scale: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "norm_running";
    let channels = running_var.len();
    fits(NAME, "gamma", gamma.map_or(channels, |gamma| gamma.len()), channels)?;
    fits(NAME, "inv_std", inv_std.len(), channels)?;
    fits(NAME, "scale", scale.len(), channels)?;
    let args = args![running_var, gamma, &inv_std, &scale, int(NAME, "channels", channels)?, epsilon as f32];
    run(device, source::<f32>(Subject::Moments, 1), NAME, Grid::each(NAME, channels)?, args)
}

/// `ys = f((xs - mean) scale + beta + residual)`, maps (rows, channels).
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    channels: usize,
    norm: NormAct<'_, D>,
    xs: View<'_, D, E>,
    residual: Option<View<'_, D, E>>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let rows = rows_of(FORWARD, xs.len(), channels)?;
    norm.check(FORWARD, channels)?;
    fits(FORWARD, "ys", ys.len(), xs.len())?;
    fits(FORWARD, "residual", residual.map_or(xs.len(), |r| r.len()), xs.len())?;
    let starts = [xs.place().1, ys.view().place().1, residual.map_or(0, |r| r.place().1)];
    let vec = width::<E>(channels, starts);
    let (row_count, channel_count) = (int(FORWARD, "rows", rows)?, int(FORWARD, "channels", channels)?);
    let args = args![xs, residual, norm.mean, norm.scale, norm.beta, norm.params, &ys, row_count, channel_count];
    run(device, norm.source::<E>(vec), FORWARD, Grid::channels(rows, channels, vec), args)
}

/// What comes back; all are overwritten but those of maps that are to be added.
#[derive(Debug)]
pub struct Grads<'a, D: Device, E> {
    /// Of `xs`.
    pub d_xs: Option<ViewMut<'a, D, E>>,
    /// Whether it is added to what is there.
    pub add: bool,
    /// Of the residual.
    pub d_residual: Option<ViewMut<'a, D, E>>,
    /// Whether it is added to what is there.
    pub add_residual: bool,
    /// Of the activation's parameters.
    pub d_params: ViewMut<'a, D, f32>,
    /// Of BatchNorm's factor.
    pub d_gamma: Option<ViewMut<'a, D, f32>>,
    /// Of its shift.
    pub d_beta: Option<ViewMut<'a, D, f32>>,
}

/// How the numbers of [`NormAct`] were found.
#[derive(Debug)]
pub struct Found<'a, D: Device> {
    /// 1 / sqrt(variance + epsilon); `None` for 1.
    pub inv_std: Option<View<'a, D, f32>>,
    /// Whether mean and scale are the batch's own, so that a part of the gradient flows through them.
    pub from_batch: bool,
}

/// The derivatives of `sum(d_ys ys)`: two passes, in both of which u is made again from `xs`.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn backward<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    channels: usize,
    norm: NormAct<'_, D>,
    found: Found<'_, D>,
    xs: View<'_, D, E>,
    residual: Option<View<'_, D, E>>,
    d_ys: View<'_, D, E>,
    out: Grads<'_, D, E>,
) -> Result<(), D::Error> {
    let rows = rows_of(BACKWARD, xs.len(), channels)?;
    norm.check(BACKWARD, channels)?;
    for (what, len) in [
        ("d_ys", d_ys.len()),
        ("residual", residual.map_or(xs.len(), |r| r.len())),
        ("d_xs", out.d_xs.as_ref().map_or(xs.len(), ViewMut::len)),
        ("d_residual", out.d_residual.as_ref().map_or(xs.len(), ViewMut::len)),
    ] {
        fits(BACKWARD, what, len, xs.len())?;
    }
    for (what, len) in [
        ("inv_std", found.inv_std.map(|table| table.len())),
        ("d_gamma", out.d_gamma.as_ref().map(ViewMut::len)),
        ("d_beta", out.d_beta.as_ref().map(ViewMut::len)),
    ] {
        fits(BACKWARD, what, len.unwrap_or(channels), channels)?;
    }
    fits(BACKWARD, "d_params", out.d_params.len(), norm.params.len())?;
    let starts = [
        xs.place().1,
        d_ys.place().1,
        out.d_xs.as_ref().map_or(0, |d| d.view().place().1),
        residual.map_or(0, |r| r.place().1),
        out.d_residual.as_ref().map_or(0, |r| r.view().place().1),
    ];
    let vec = width::<E>(channels, starts);
    let (source, grid) = (norm.source::<E>(vec), Grid::sums(rows, channels, vec));
    let (row_count, channel_count) = (int(BACKWARD, "rows", rows)?, int(BACKWARD, "channels", channels)?);
    let sums = (2 + norm.act.n_params()) * grid.row_blocks() * channels;
    let (partial, coefficients) = scratch.get::<f32>(device, sums + 2 * channels)?.split_at(sums);
    let (pull, term) = coefficients.split_at(channels);
    let NormAct { mean, scale, beta, params, .. } = norm;
    let whole = grid.is_whole(vec);
    let gradients = |mut args: Vec<_>| {
        let (d_gamma, d_beta) = (out.d_gamma.as_ref(), out.d_beta.as_ref());
        args.extend(args![found.inv_std, &out.d_params, d_gamma, d_beta, &pull, &term, !found.from_batch]);
        args
    };
    let mut args = gradients(args![xs, residual, d_ys, mean, scale, beta, params, &partial, row_count, channel_count]);
    args.push(whole.into());
    run(device, source, "norm_act_reduce", grid, args)?;
    if !whole {
        let args = gradients(args![partial.view(), scale, grid.row_blocks() as u32, row_count, channel_count]);
        run(device, source, "norm_act_finish", Grid::finish(channels, 1), args)?;
    }
    if out.d_xs.is_none() && out.d_residual.is_none() {
        return Ok(());
    }
    let args = args![
        xs,
        residual,
        d_ys,
        mean,
        scale,
        beta,
        params,
        pull.view(),
        term.view(),
        out.d_xs.as_ref(),
        out.d_residual.as_ref(),
        row_count,
        channel_count,
        out.add,
        out.add_residual,
    ];
    run(device, source, "norm_act_apply", Grid::channels(rows, channels, vec), args)
}
