//! A pass through a network on a device: every operator forward, and back.

use super::buffers::{Beside, Buffers, Ready};
use super::network::DeviceNetwork;
use super::norm::Tables;
use super::placement::is_depthwise;
use crate::nn::graph::{Op, Step, Value};
use crate::nn::{Pass, PoolKind};
use swish_kernels::cuda::launch::dropout::{Masks, Seed};
use swish_kernels::cuda::launch::layout::{self, Columns};
use swish_kernels::cuda::launch::{depthwise, dropout, linear, pool};
use swish_kernels::cuda::{Device, Engine, Stored, View, ViewMut};

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    /// Every step that is wanted, in order.
    pub(super) fn run_forward(&self, ready: &Ready<D, E>, pass: &Pass) -> Result<(), D::Error> {
        for (i, step) in ready.plan.graph.steps.iter().enumerate().filter(|(i, _)| ready.plan.wanted[*i]) {
            self.step_forward(ready, pass, i, step)?;
        }
        Ok(())
    }

    fn step_forward(&self, ready: &Ready<D, E>, pass: &Pass, i: Value, step: &Step) -> Result<(), D::Error> {
        let (device, maps, features) = (&*self.device, ready.maps(), ready.features());
        let scratch = &mut *self.scratch.borrow_mut();
        match &step.op {
            Op::Input => layout::from_float(device, ready.images.view(), maps.value_mut(i).view_mut()),
            Op::Norm { xs, residual, .. } => {
                let Some(norm) = &self.norms[i] else { return Ok(()) };
                let residual = residual.map(|residual| maps.value(residual));
                let residual = residual.as_ref().map(|residual| residual.view());
                let (xs, mut ys) = (maps.value(*xs), maps.value_mut(i));
                norm.forward((device, scratch), &self.tables(), pass, xs.view(), residual, ys.view_mut())
            }
            Op::Conv { conv, weight, xs, shortcut } => {
                let place = self.places.find(weight);
                let (xs, mut ys) = (maps.value(*xs), maps.value_mut(i));
                if is_depthwise(conv) {
                    let weight = self.weights.view().range(place);
                    depthwise::forward(device, scratch, conv, xs.view(), weight, ys.view_mut())?;
                } else {
                    let weight = self.matrices.view().range(place);
                    device.convolve(conv, self.precision, xs.view(), weight, ys.view_mut())?;
                }
                match shortcut {
                    Some(shortcut) => layout::add(device, maps.value(*shortcut).view(), ys.view_mut()),
                    None => Ok(()),
                }
            }
            Op::Pool { kind, pool, xs } => {
                let (xs, mut ys) = (maps.value(*xs), maps.value_mut(i));
                match (kind, &ready.beside[i]) {
                    (PoolKind::Max, Beside::Argmax(argmax)) => {
                        pool::max_forward(device, pool, xs.view(), ys.view_mut(), argmax.borrow_mut().view_mut())
                    }
                    _ => pool::avg_forward(device, pool, xs.view(), ys.view_mut()),
                }
            }
            Op::GlobalMean { xs } => {
                let [n, h, w, c] = ready.plan.graph.steps[*xs].shape;
                let (xs, mut ys) = (maps.value(*xs), features.value_mut(i));
                pool::global_avg_forward(device, [n, h * w, c], xs.view(), ys.view_mut())
            }
            Op::SubsamplePad { shape, xs } => {
                layout::subsample_pad_forward(device, shape, maps.value(*xs).view(), maps.value_mut(i).view_mut())
            }
            Op::Dropout { p, site, rows, xs } => {
                let mask = mask(ready, pass, *site).map(|seed| Mask { p: *p, seed, masks: masks(*rows, step) });
                match step.wide {
                    true => dropped(device, step, mask, features.value(*xs).view(), features.value_mut(i).view_mut()),
                    false => dropped(device, step, mask, maps.value(*xs).view(), maps.value_mut(i).view_mut()),
                }
            }
            Op::Sum { terms } => {
                let mut ys = maps.value_mut(i);
                for (k, term) in terms.iter().enumerate() {
                    let xs = maps.value(*term);
                    match k {
                        0 => copy(device, step.shape[3], xs.view(), ys.view_mut())?,
                        _ => layout::add(device, xs.view(), ys.view_mut())?,
                    }
                }
                Ok(())
            }
            Op::Concat { parts } => {
                let (mut ys, mut first) = (maps.value_mut(i), 0);
                for part in parts {
                    let (xs, channels) = (maps.value(*part), ready.plan.graph.steps[*part].shape[3]);
                    let from = Columns { stride: channels, first: 0 };
                    let to = Columns { stride: step.shape[3], first };
                    layout::copy_channels(device, channels, (xs.view(), from), (ys.view_mut(), to))?;
                    first += channels;
                }
                Ok(())
            }
            Op::Linear { layer, xs } => {
                let place = self.places.find(&layer.weight);
                let bias = layer.bias.as_ref().map(|bias| self.weights.view().range(self.places.find(bias)));
                let sizes = [step.len() / layer.c_out, layer.c_in, layer.c_out];
                if step.wide {
                    let (xs, weight, mut ys) = (features.value(*xs), &self.weights, features.value_mut(i));
                    let weight = weight.view().range(place);
                    linear::forward(device, sizes, self.precision, xs.view(), weight, bias, ys.view_mut())
                } else {
                    let (xs, weight, mut ys) = (maps.value(*xs), &self.matrices, maps.value_mut(i));
                    let weight = weight.view().range(place);
                    linear::forward(device, sizes, self.precision, xs.view(), weight, bias, ys.view_mut())
                }
            }
            Op::Embedding { .. }
            | Op::Narrow { .. }
            | Op::Residual { .. }
            | Op::LayerNorm { .. }
            | Op::Weights { .. }
            | Op::Means { .. } => self.text_forward(ready, (device, scratch), pass, i),
        }
    }

    /// From the gradients of the logits to those of all parameters.
    pub(super) fn run_backward(&self, ready: &Ready<D, E>, pass: &Pass) -> Result<(), D::Error> {
        for (i, step) in ready.plan.graph.steps.iter().enumerate().rev().filter(|(i, _)| ready.plan.wanted[*i]) {
            if ready.has_gradient(i) {
                self.step_backward(ready, pass, i, step)?;
            }
            self.average_behind(ready, i)?;
        }
        self.end_backward(ready)
    }

    fn step_backward(&self, ready: &Ready<D, E>, pass: &Pass, i: Value, step: &Step) -> Result<(), D::Error> {
        let (device, maps, features) = (&*self.device, ready.maps(), ready.features());
        match &step.op {
            Op::Input => Ok(()),
            Op::Norm { xs, residual, .. } => self.norm_backward(&maps, pass, i, *xs, *residual),
            Op::Conv { .. } => self.conv_backward(&maps, i, &step.op),
            Op::Pool { kind, pool, xs } => {
                let d_ys = maps.gradient(i);
                maps.receive(device, *xs, |d_xs| match (kind, &ready.beside[i]) {
                    (PoolKind::Max, Beside::Argmax(argmax)) => {
                        pool::max_backward(device, pool, argmax.borrow().view(), d_ys.view(), d_xs)
                    }
                    _ => pool::avg_backward(device, pool, d_ys.view(), d_xs),
                })
            }
            Op::GlobalMean { xs } => {
                let ([n, h, w, c], d_ys) = (ready.plan.graph.steps[*xs].shape, features.gradient(i));
                maps.receive(device, *xs, |d_xs| pool::global_avg_backward(device, [n, h * w, c], d_ys.view(), d_xs))
            }
            Op::SubsamplePad { shape, xs } => {
                let d_ys = maps.gradient(i);
                maps.receive(device, *xs, |d_xs| layout::subsample_pad_backward(device, shape, d_ys.view(), d_xs))
            }
            Op::Dropout { p, site, rows, xs } => {
                let mask = mask(ready, pass, *site).map(|seed| Mask { p: *p, seed, masks: masks(*rows, step) });
                match step.wide {
                    true => dropped_back(device, &features, step, mask, i, *xs),
                    false => dropped_back(device, &maps, step, mask, i, *xs),
                }
            }
            Op::Sum { terms } => {
                let d_ys = maps.gradient(i);
                terms.iter().try_for_each(|term| self.pass_on(&maps, step.shape[3], d_ys.view(), *term))
            }
            Op::Concat { parts } => {
                let (d_ys, mut first) = (maps.gradient(i), 0);
                for part in parts {
                    let channels = ready.plan.graph.steps[*part].shape[3];
                    let from = Columns { stride: step.shape[3], first };
                    let to = Columns { stride: channels, first: 0 };
                    maps.receive(device, *part, |d_xs| {
                        layout::copy_channels(device, channels, (d_ys.view(), from), (d_xs, to))
                    })?;
                    first += channels;
                }
                Ok(())
            }
            Op::Linear { layer, .. } if step.wide => {
                let mut gradient = self.gradient.borrow_mut();
                let bias = layer.bias.as_ref().map_or(self.places.len..self.places.len, |bias| self.places.find(bias));
                let [d_weight, d_bias] = gradient.view_mut().ranges([self.places.find(&layer.weight), bias]);
                self.linear_backward(&features, i, step, self.weights.view(), d_weight, d_bias)
            }
            Op::Linear { layer, .. } => {
                let (mut d_matrices, mut gradient) = (self.d_matrices.borrow_mut(), self.gradient.borrow_mut());
                let bias = layer.bias.as_ref().map_or(0..0, |bias| self.places.find(bias));
                let d_weight = d_matrices.view_mut().range(self.places.find(&layer.weight));
                let d_bias = gradient.view_mut().range(bias);
                self.linear_backward(&maps, i, step, self.matrices.view(), d_weight, d_bias)
            }
            Op::Embedding { .. }
            | Op::Narrow { .. }
            | Op::Residual { .. }
            | Op::LayerNorm { .. }
            | Op::Weights { .. }
            | Op::Means { .. } => self.text_backward(ready, pass, i),
        }
    }

    fn norm_backward(
        &self,
        maps: &Buffers<'_, D, E>,
        pass: &Pass,
        i: Value,
        xs: Value,
        residual: Option<Value>,
    ) -> Result<(), D::Error> {
        let Some(norm) = &self.norms[i] else { return Ok(()) };
        let scratch = &mut *self.scratch.borrow_mut();
        let (d_ys, read, other) = (maps.gradient(i), maps.value(xs), residual.map(|residual| maps.value(residual)));
        let (mut d_xs, mut d_other) = (maps.receiver(xs), residual.and_then(|residual| maps.receiver(residual)));
        let mut gradient = self.gradient.borrow_mut();
        let (add, add_residual) = (adds(&d_xs), adds(&d_other));
        norm.backward(
            (&*self.device, scratch),
            &self.tables(),
            pass,
            gradient.view_mut(),
            read.view(),
            other.as_ref().map(|other| other.view()),
            d_ys.view(),
            (d_xs.as_mut().map(|(d_xs, _)| d_xs.view_mut()), add),
            (d_other.as_mut().map(|(d_other, _)| d_other.view_mut()), add_residual),
        )
    }

    fn conv_backward(&self, maps: &Buffers<'_, D, E>, i: Value, op: &Op) -> Result<(), D::Error> {
        let Op::Conv { conv, weight, xs, shortcut } = op else { return Ok(()) };
        let (device, place, d_ys) = (&*self.device, self.places.find(weight), maps.gradient(i));
        let read = maps.value(*xs);
        if is_depthwise(conv) {
            let scratch = &mut *self.scratch.borrow_mut();
            let mut gradient = self.gradient.borrow_mut();
            let d_weight = gradient.view_mut().range(place.clone());
            depthwise::backward_weight(device, scratch, conv, read.view(), d_ys.view(), d_weight)?;
            let weight = self.weights.view().range(place);
            maps.receive(device, *xs, |d_xs| {
                depthwise::backward_data(device, scratch, conv, d_ys.view(), weight, d_xs)
            })?;
        } else {
            let mut d_matrices = self.d_matrices.borrow_mut();
            let d_weight = d_matrices.view_mut().range(place.clone());
            device.convolve_weight(conv, self.precision, read.view(), d_ys.view(), d_weight)?;
            if let Some((mut d_xs, add)) = maps.receiver(*xs) {
                let weight = self.matrices.view().range(place);
                device.convolve_back(conv, self.precision, d_ys.view(), weight, d_xs.view_mut(), add)?;
            }
        }
        shortcut.map_or(Ok(()), |shortcut| self.pass_on(maps, conv.c_out, d_ys.view(), shortcut))
    }

    /// Of features or of maps, `weights` being all matrices of their type.
    fn linear_backward<T: Stored>(
        &self,
        buffers: &Buffers<'_, D, T>,
        i: Value,
        step: &Step,
        weights: View<'_, D, T>,
        d_weight: ViewMut<'_, D, T>,
        d_bias: ViewMut<'_, D, f32>,
    ) -> Result<(), D::Error> {
        let Op::Linear { layer, xs } = &step.op else { return Ok(()) };
        let (device, scratch) = (&*self.device, &mut *self.scratch.borrow_mut());
        let weight = weights.range(self.places.find(&layer.weight));
        let (d_ys, read) = (buffers.gradient(i), buffers.value(*xs));
        let sizes = [step.len() / layer.c_out, layer.c_in, layer.c_out];
        let mut d_xs = buffers.receiver(*xs);
        let add = adds(&d_xs);
        let grads = linear::Grads {
            d_xs: d_xs.as_mut().map(|(d_xs, _)| d_xs.view_mut()),
            add,
            d_weight,
            d_bias: layer.bias.as_ref().map(|_| d_bias),
        };
        linear::backward(device, scratch, sizes, self.precision, read.view(), weight, d_ys.view(), grads)
    }

    /// Gives a gradient on as it is.
    pub(super) fn pass_on<T: Stored>(
        &self,
        maps: &Buffers<'_, D, T>,
        channels: usize,
        d_ys: View<'_, D, T>,
        to: Value,
    ) -> Result<(), D::Error> {
        match maps.receiver(to) {
            None => Ok(()),
            Some((mut d_xs, true)) => layout::add(&*self.device, d_ys, d_xs.view_mut()),
            Some((mut d_xs, false)) => copy(&*self.device, channels, d_ys, d_xs.view_mut()),
        }
    }

    pub(super) fn tables(&self) -> Tables<'_, D> {
        Tables { weights: &self.weights, running: &self.running }
    }
}

fn adds<T>(receiver: &Option<(T, bool)>) -> bool {
    receiver.as_ref().is_some_and(|(_, add)| *add)
}

/// A map of so many channels as it is.
fn copy<D: Device, T: Stored>(
    device: &D,
    channels: usize,
    xs: View<'_, D, T>,
    ys: ViewMut<'_, D, T>,
) -> Result<(), D::Error> {
    let all = Columns { stride: channels, first: 0 };
    layout::copy_channels(device, channels, (xs, all), (ys, all))
}

/// The seed of the masks of one place of the network, where the pass drops.
pub(super) fn mask<'a, D: Device, E: Stored>(ready: &'a Ready<D, E>, pass: &Pass, site: u64) -> Option<Seed<'a, D>> {
    pass.drops().map(|_| Seed { base: ready.seed.view(), site })
}

/// Dropout of a map.
struct Mask<'a, D: Device> {
    p: f64,
    seed: Seed<'a, D>,
    masks: Masks,
}

/// Masks of rows of channels, or of images.
fn masks(rows: bool, step: &Step) -> Masks {
    if rows { Masks::Rows(step.shape[3]) } else { Masks::Seeds(step.shape[0]) }
}

fn dropped<D: Device, T: Stored>(
    device: &D,
    step: &Step,
    mask: Option<Mask<'_, D>>,
    xs: View<'_, D, T>,
    ys: ViewMut<'_, D, T>,
) -> Result<(), D::Error> {
    match mask {
        Some(Mask { p, seed, masks }) => dropout::forward(device, p, seed, masks, xs, ys),
        None => copy(device, step.shape[3], xs, ys),
    }
}

fn dropped_back<D: Device, T: Stored>(
    device: &D,
    buffers: &Buffers<'_, D, T>,
    step: &Step,
    mask: Option<Mask<'_, D>>,
    i: Value,
    xs: Value,
) -> Result<(), D::Error> {
    let d_ys = buffers.gradient(i);
    buffers.receive(device, xs, |d_xs| dropped(device, step, mask, d_ys.view(), d_xs))
}
