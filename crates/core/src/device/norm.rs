//! [`NormState`]: a norm and its activation on a device, with the numbers of the last pass.

use super::placement::Placement;
use crate::nn::Pass;
use crate::nn::norm::{Kind, NormLayer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use swish_kernels::cuda::launch::layout;
use swish_kernels::cuda::launch::norm::{self, Constants, Found, Grads, NormAct, Statistics};
use swish_kernels::cuda::{ActSource, Device, Scratch, Slice, Stored, View, ViewMut};

/// A norm on a device; ranges are places in the device's parameters.
pub(super) struct NormState<D: Device> {
    act: ActSource,
    channels: usize,
    kind: State,
    params: Range<usize>,
    /// Of the batch, or minus the bias.
    mean: RefCell<Slice<D, f32>>,
    inv_std: RefCell<Slice<D, f32>>,
    /// gamma / sqrt(variance + epsilon), or the factor.
    scale: RefCell<Slice<D, f32>>,
}

enum State {
    Batch { epsilon: f64, momentum: f64, gamma: Range<usize>, beta: Range<usize>, running: [Range<usize>; 2] },
    Scale { factor: f64, bias: Option<Range<usize>> },
}

/// What all norms read and write.
pub(super) struct Tables<'a, D: Device> {
    pub(super) weights: &'a Slice<D, f32>,
    pub(super) running: &'a RefCell<Slice<D, f32>>,
}

impl<D: Device> NormState<D> {
    /// `running` has the places of running statistics by their names.
    pub(super) fn new(
        device: &D,
        layer: &NormLayer,
        places: &Placement,
        running: &HashMap<&str, Range<usize>>,
    ) -> Result<Self, D::Error> {
        let channels = layer.channels;
        let empty = || Slice::new(device, channels).map(RefCell::new);
        let (kind, scale) = match &layer.kind {
            Kind::Batch { config, gamma, beta, running_mean, running_var } => {
                let place = |name: &str| running.get(name).cloned().unwrap_or_default();
                let running = [place(&running_mean.name), place(&running_var.name)];
                let (gamma, beta) = (places.find(gamma), places.find(beta));
                (State::Batch { epsilon: config.eps, momentum: config.momentum, gamma, beta, running }, empty()?)
            }
            Kind::Scale { factor, bias } => {
                let bias = bias.as_ref().map(|bias| places.find(bias));
                let scale = Slice::of(device, &vec![*factor as f32; channels])?;
                (State::Scale { factor: *factor, bias }, RefCell::new(scale))
            }
        };
        let params = places.find(&layer.params);
        let act = ActSource::new(&layer.program);
        Ok(Self { act, channels, kind, params, mean: empty()?, inv_std: empty()?, scale })
    }

    /// Where its running statistics lie, and the share of a batch in them; `None` where it has none.
    pub(super) fn running(&self) -> Option<(&[Range<usize>; 2], f64)> {
        match &self.kind {
            State::Batch { running, momentum, .. } => Some((running, *momentum)),
            State::Scale { .. } => None,
        }
    }

    /// `ys = f(norm(xs) + residual)`.
    pub(super) fn forward<E: Stored>(
        &self,
        (device, scratch): (&D, &mut Scratch<D>),
        tables: &Tables<'_, D>,
        pass: &Pass,
        xs: View<'_, D, E>,
        residual: Option<View<'_, D, E>>,
        ys: ViewMut<'_, D, E>,
    ) -> Result<(), D::Error> {
        self.prepare((device, scratch), tables, pass, xs)?;
        let (mean, scale, running) = (self.mean.borrow(), self.scale.borrow(), tables.running.borrow());
        let norm = self.kernel(tables, pass, &mean, &scale, &running);
        norm::forward(device, self.channels, norm, xs, residual, ys)
    }

    /// Finds the statistics.
    fn prepare<E: Stored>(
        &self,
        (device, scratch): (&D, &mut Scratch<D>),
        tables: &Tables<'_, D>,
        pass: &Pass,
        xs: View<'_, D, E>,
    ) -> Result<(), D::Error> {
        let (mut mean, mut inv_std) = (self.mean.borrow_mut(), self.inv_std.borrow_mut());
        let weights = tables.weights.view();
        match &self.kind {
            State::Batch { epsilon, momentum, gamma, running, .. } => {
                let gamma = Some(weights.range(gamma.clone()));
                let mut scale = self.scale.borrow_mut();
                if !pass.train {
                    let all = tables.running.borrow();
                    let (var, inv_std) = (all.view().range(running[1].clone()), inv_std.view_mut());
                    let epsilon = pass.norm_eps.unwrap_or(*epsilon);
                    return norm::running(device, epsilon, var, gamma, inv_std, scale.view_mut());
                }
                let mut all = tables.running.borrow_mut();
                let [running_mean, running_var] = all.view_mut().ranges(running.clone());
                let out = Statistics {
                    mean: mean.view_mut(),
                    inv_std: inv_std.view_mut(),
                    scale: scale.view_mut(),
                    running: Some((running_mean, running_var)),
                };
                let momentum = pass.norm_momentum.unwrap_or(*momentum);
                norm::statistics(device, scratch, Constants { epsilon: *epsilon, momentum }, xs, gamma, out)
            }
            State::Scale { bias: Some(bias), .. } => {
                layout::scaled(device, -1.0, weights.range(bias.clone()), mean.view_mut())
            }
            State::Scale { bias: None, .. } => Ok(()),
        }
    }

    fn kernel<'a>(
        &'a self,
        tables: &Tables<'a, D>,
        pass: &Pass,
        mean: &'a Slice<D, f32>,
        scale: &'a Slice<D, f32>,
        running: &'a Slice<D, f32>,
    ) -> NormAct<'a, D> {
        let weights = tables.weights.view();
        let (mean, scale, beta) = match &self.kind {
            State::Batch { beta, running: [place, _], .. } => {
                let mean = if pass.train { mean.view() } else { running.view().range(place.clone()) };
                (Some(mean), Some(scale.view()), Some(weights.range(beta.clone())))
            }
            State::Scale { factor, bias } => {
                (bias.is_some().then(|| mean.view()), (*factor != 1.0).then(|| scale.view()), None)
            }
        };
        NormAct { act: &self.act, mean, scale, beta, params: weights.range(self.params.clone()) }
    }

    /// The way back; gradients of parameters are written to `d_weights`.
    #[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
    pub(super) fn backward<E: Stored>(
        &self,
        (device, scratch): (&D, &mut Scratch<D>),
        tables: &Tables<'_, D>,
        pass: &Pass,
        d_weights: ViewMut<'_, D, f32>,
        xs: View<'_, D, E>,
        residual: Option<View<'_, D, E>>,
        d_ys: View<'_, D, E>,
        (d_xs, add): (Option<ViewMut<'_, D, E>>, bool),
        (d_residual, add_residual): (Option<ViewMut<'_, D, E>>, bool),
    ) -> Result<(), D::Error> {
        let (mean, scale, running) = (self.mean.borrow(), self.scale.borrow(), tables.running.borrow());
        let norm = self.kernel(tables, pass, &mean, &scale, &running);
        let grads = |d_params, d_gamma, d_beta, found| {
            let out = Grads { d_xs, add, d_residual, add_residual, d_params, d_gamma, d_beta };
            norm::backward(device, scratch, self.channels, norm, found, xs, residual, d_ys, out)
        };
        match &self.kind {
            State::Batch { gamma, beta, .. } => {
                let [d_gamma, d_beta, d_params] = d_weights.ranges([gamma.clone(), beta.clone(), self.params.clone()]);
                let inv_std = self.inv_std.borrow();
                let found = Found { inv_std: Some(inv_std.view()), from_batch: true };
                grads(d_params, Some(d_gamma), Some(d_beta), found)
            }
            State::Scale { factor, bias: Some(bias) } => {
                let [d_bias, d_params] = d_weights.ranges([bias.clone(), self.params.clone()]);
                // u = (x + bias) factor, and the kernel's sum is that of d u.
                let mut sums = self.inv_std.borrow_mut();
                let found = Found { inv_std: None, from_batch: false };
                grads(d_params, None, Some(sums.view_mut()), found)?;
                layout::scaled(device, *factor, sums.view(), d_bias)
            }
            State::Scale { bias: None, .. } => {
                let [d_params] = d_weights.ranges([self.params.clone()]);
                grads(d_params, None, None, Found { inv_std: None, from_batch: false })
            }
        }
    }
}
