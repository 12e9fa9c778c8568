//! How near norms with activations come to a plain copy, the most that a kernel can read and write.
//!
//! Each function is charged for the maps that it cannot do without, each moved once: so a function that reads one twice, or that waits,
//! shows as a smaller share of the copy.

use std::cell::RefCell;
use std::time::Instant;

use half::bf16;

use super::activation::ActSource;
use super::device::{Device, Misfit, Scratch, Slice, Stored, int};
use super::launch::act;
use super::launch::norm::{self, Constants, Found, Grads, NormAct, Statistics};
use crate::rng::Rng;

/// What is timed on one shape.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// Rows of the maps.
    pub rows: usize,
    /// Their channels.
    pub channels: usize,
    /// Times that each function is measured, in turn with the others.
    pub rounds: usize,
    /// Seconds of one measurement, about.
    pub seconds: f64,
}

/// Calls that are recorded together at most.
const MOST_CALLS: usize = 1000;

/// How long one function takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What maps are stored in.
    pub element: &'static str,
    /// The function.
    pub function: &'static str,
    /// Bytes that it has to move: its maps, each once.
    pub bytes: usize,
    /// Median over the rounds.
    pub seconds: f64,
    /// Bytes a second beside the copy's, the median of the rounds; 1 of the copy itself.
    pub share: f64,
}

/// The copy, then every function of one shape, with maps in bf16; the same with maps in f32.
///
/// # Errors
/// No rows, channels or rounds, and the device's.
pub fn run<D: Device>(device: &D, act: &ActSource, timed: Timed) -> Result<Vec<Row>, D::Error> {
    let mut rows = stored::<_, bf16>(device, act, timed)?;
    rows.extend(stored::<_, f32>(device, act, timed)?);
    Ok(rows)
}

fn stored<D: Device, E: Stored>(device: &D, act: &ActSource, timed: Timed) -> Result<Vec<Row>, D::Error> {
    const NAME: &str = "bandwidth";
    let Timed { rows, channels, rounds, seconds } = timed;
    if [rows, channels, rounds].contains(&0) {
        let value = format!("{rows} x {channels} in {rounds} rounds");
        let expected = "rows, channels and a round";
        return Err(Misfit::Value { function: NAME, what: "what is timed", value, expected }.into());
    }
    int(NAME, "rows", rows)?;
    let maps = &Maps::<D, E>::new(device, act, rows, channels)?;
    // All once before the first is recorded: from then on no memory is asked for, and none moves.
    Function::ALL.iter().try_for_each(|&function| maps.run(device, act, function))?;
    let recorded = |function| Calls::new(device, seconds, move || maps.run(device, act, function));
    let calls = Function::ALL.into_iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
    let mut times = vec![Vec::new(); calls.len()];
    for _ in 0..rounds {
        for (calls, times) in calls.iter().zip(&mut times) {
            times.push(calls.time(device)?);
        }
    }
    let map = rows * channels * size_of::<E>();
    let rows = Function::ALL.iter().zip(&times).map(|(function, own)| {
        let copies = function.maps() as f64 / Function::Copy.maps() as f64;
        let shares = own.iter().zip(&times[0]).map(|(own, copy)| copies * copy / own).collect();
        let (function, bytes) = (function.name(), function.maps() * map);
        Row { element: E::NAME, function, bytes, seconds: median(own.clone()), share: median(shares) }
    });
    Ok(rows.collect())
}

/// The middle one of an odd number, else the larger of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A function called several times in a row, recorded where the device can.
struct Calls<D: Device, F> {
    run: F,
    count: usize,
    recording: Option<D::Recording>,
}

impl<D: Device, F: Fn() -> Result<(), D::Error>> Calls<D, F> {
    /// As many as take so many seconds, about.
    fn new(device: &D, seconds: f64, run: F) -> Result<Self, D::Error> {
        let mut calls = Self { run, count: 1, recording: None };
        let one = calls.time(device)?;
        calls.count = ((seconds / one) as usize).clamp(1, MOST_CALLS);
        calls.recording = device.record(|| calls.all())?;
        Ok(calls)
    }

    fn all(&self) -> Result<(), D::Error> {
        (0..self.count).try_for_each(|_| (self.run)())
    }

    /// Seconds of one call.
    fn time(&self, device: &D) -> Result<f64, D::Error> {
        let start = Instant::now();
        self.recording.as_ref().map_or_else(|| self.all(), |recording| device.replay(recording))?;
        device.wait()?;
        Ok(start.elapsed().as_secs_f64() / self.count as f64)
    }
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Copy,
    Activation,
    ActivationBack,
    Statistics,
    Norm,
    NormResidual,
    NormBack,
    NormResidualBack,
}

impl Function {
    /// The copy first.
    const ALL: [Self; 8] = [
        Self::Copy,
        Self::Activation,
        Self::ActivationBack,
        Self::Statistics,
        Self::Norm,
        Self::NormResidual,
        Self::NormBack,
        Self::NormResidualBack,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Activation => "activation",
            Self::ActivationBack => "activation, back",
            Self::Statistics => "statistics",
            Self::Norm => "norm + activation",
            Self::NormResidual => "norm + residual + activation",
            Self::NormBack => "norm + activation, back",
            Self::NormResidualBack => "norm + residual + activation, back",
        }
    }

    /// Maps that are read or written. The way back of a norm reads its maps twice: sums over all rows come before the first gradient.
    fn maps(self) -> usize {
        match self {
            Self::Statistics => 1,
            Self::Copy | Self::Activation | Self::Norm => 2,
            Self::ActivationBack | Self::NormResidual => 3,
            Self::NormBack => 5,
            Self::NormResidualBack => 8,
        }
    }
}

/// What the functions read and write.
struct Maps<D: Device, E> {
    channels: usize,
    xs: Slice<D, E>,
    residual: Slice<D, E>,
    d_ys: Slice<D, E>,
    ys: RefCell<Slice<D, E>>,
    d_residual: RefCell<Slice<D, E>>,
    /// Mean, 1 / standard deviation and scale.
    statistics: [RefCell<Slice<D, f32>>; 3],
    gamma: Slice<D, f32>,
    beta: Slice<D, f32>,
    params: Slice<D, f32>,
    /// Gradients of gamma, beta and the parameters.
    grads: [RefCell<Slice<D, f32>>; 3],
    scratch: RefCell<Scratch<D>>,
}

impl<D: Device, E: Stored> Maps<D, E> {
    fn new(device: &D, act: &ActSource, rows: usize, channels: usize) -> Result<Self, D::Error> {
        let mut rng = Rng::new(1);
        // The numbers do not matter to the time, as long as they are such as networks have.
        let drawn: Vec<E> = (0..4093).map(|_| E::narrow(rng.normal() as f32)).collect();
        let len = rows * channels;
        let map = |first: usize| {
            let values: Vec<E> = drawn.iter().cycle().skip(first).take(len).copied().collect();
            Slice::of(device, &values)
        };
        let table = |len: usize, value: f32| Slice::of(device, &vec![value; len]);
        let empty = |len: usize| table(len, 0.0).map(RefCell::new);
        let params = act.n_params() * channels;
        Ok(Self {
            channels,
            xs: map(0)?,
            residual: map(1)?,
            d_ys: map(2)?,
            ys: RefCell::new(map(3)?),
            d_residual: RefCell::new(map(4)?),
            statistics: [empty(channels)?, empty(channels)?, empty(channels)?],
            gamma: table(channels, 1.0)?,
            beta: table(channels, 0.1)?,
            params: table(params, 1.0)?,
            grads: [empty(channels)?, empty(channels)?, empty(params)?],
            scratch: RefCell::default(),
        })
    }

    fn run(&self, device: &D, act: &ActSource, function: Function) -> Result<(), D::Error> {
        let Self { channels, xs, residual, d_ys, ys, d_residual, statistics, gamma, beta, params, grads, scratch } =
            self;
        let (xs, d_ys, params, beta, channels) = (xs.view(), d_ys.view(), params.view(), Some(beta.view()), *channels);
        let (mut ys, mut d_residual, scratch) = (ys.borrow_mut(), d_residual.borrow_mut(), &mut *scratch.borrow_mut());
        let [mut mean, mut inv_std, mut scale] = statistics.each_ref().map(RefCell::borrow_mut);
        let [mut d_gamma, mut d_beta, mut d_params] = grads.each_ref().map(RefCell::borrow_mut);
        let has_residual = matches!(function, Function::NormResidual | Function::NormResidualBack);
        let residual = has_residual.then(|| residual.view());
        match function {
            Function::Statistics => {
                let (mean, inv_std, scale) = (mean.view_mut(), inv_std.view_mut(), scale.view_mut());
                let out = Statistics { mean, inv_std, scale, running: None };
                let constants = Constants { epsilon: 1e-5, momentum: 0.1 };
                norm::statistics(device, scratch, constants, xs, Some(gamma.view()), out)
            }
            Function::Copy => ys.view_mut().copy(device, xs),
            Function::Activation => act::forward(device, act, channels, xs, params, ys.view_mut()),
            Function::ActivationBack => {
                let d_params = d_params.view_mut();
                act::backward(device, scratch, act, channels, xs, params, d_ys, ys.view_mut(), d_params)
            }
            Function::Norm | Function::NormResidual => {
                let norm = NormAct { act, mean: Some(mean.view()), scale: Some(scale.view()), beta, params };
                norm::forward(device, channels, norm, xs, residual, ys.view_mut())
            }
            Function::NormBack | Function::NormResidualBack => {
                let norm = NormAct { act, mean: Some(mean.view()), scale: Some(scale.view()), beta, params };
                let out = Grads {
                    d_xs: Some(ys.view_mut()),
                    add: false,
                    d_residual: has_residual.then(|| d_residual.view_mut()),
                    add_residual: false,
                    d_params: d_params.view_mut(),
                    d_gamma: Some(d_gamma.view_mut()),
                    d_beta: Some(d_beta.view_mut()),
                };
                let found = Found { inv_std: Some(inv_std.view()), from_batch: true };
                norm::backward(device, scratch, channels, norm, found, xs, residual, d_ys, out)
            }
        }
    }
}
