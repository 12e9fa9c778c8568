//! [`DeviceNetwork`]: a network's parameters on a device, and what all passes through it share.

use super::buffers::{Memory, Ready};
use super::norm::NormState;
use super::placement::Placement;
use super::plan::Plan;
use super::statistics::Part;
use crate::nn::graph::{Graph, Op, Step, Value};
use crate::nn::{Buffer, Data, Error, Network, Params, Result};
use candle_core::{Device as Host, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use swish_kernels::cuda::launch::layout;
use swish_kernels::cuda::launch::loss::{self, Totals};
use swish_kernels::cuda::{Engine, Precision, Scratch, Slice, Stored, View, ViewMut};

/// A network on a device; maps are stored as `E`, parameters, statistics and features as f32.
///
/// The parameters of the model that it was made from, a [`Network`] or a Transformer, stay as they were until
/// [`DeviceNetwork::download`].
pub struct DeviceNetwork<D: Engine, E: Stored, M = Network> {
    pub(super) device: Rc<D>,
    pub(super) model: M,
    params: Params,
    pub(super) precision: Precision,
    pub(super) places: Placement,
    pub(super) weights: Slice<D, f32>,
    /// Laid out as the weights.
    pub(super) gradient: RefCell<Slice<D, f32>>,
    /// The sum of the gradients of earlier batches of a step, where it has several.
    kept: Option<Slice<D, f32>>,
    /// The first of the weights, those that maps are multiplied with, as products are made from them.
    pub(super) matrices: Slice<D, E>,
    pub(super) d_matrices: RefCell<Slice<D, E>>,
    /// Running statistics of all norms.
    pub(super) running: RefCell<Slice<D, f32>>,
    /// By steps of the graph.
    pub(super) norms: Vec<Option<NormState<D>>>,
    pub(super) scratch: RefCell<Scratch<D>>,
    /// Mean cross-entropy of the logits and of the auxiliary head's.
    losses: RefCell<Slice<D, f32>>,
    pub(super) ready: HashMap<Kind, Ready<D, E>>,
    memory: Memory<D, E>,
    /// Passes prepared so far.
    passes: u64,
    /// Elements of a bucket at least, where passes average their gradients over several devices.
    pub(super) bucket: Option<usize>,
    /// Of the running statistics, where there are several devices.
    pub(super) part: RefCell<Part<D>>,
    /// Whether the gradient has a part for the auxiliary head.
    pub(super) with_auxiliary: bool,
    /// Whether weights and running statistics are exchanged for others.
    pub(super) exchanged: bool,
}

/// Kinds of passes that are kept planned and recorded: about as many shapes as batches of sentences have.
const KINDS: usize = 256;

/// What passes differ in: the sizes of what comes from the host, whether they train, and with an auxiliary head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) shape: [usize; 4],
    pub(super) train: bool,
    pub(super) auxiliary: bool,
}

/// Logits with a loss of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) logits: Value,
    /// Which of the losses is theirs.
    pub(super) place: usize,
    pub(super) smoothing: f64,
    /// Of their part in the gradient.
    pub(super) weight: f64,
}

pub(super) fn on_device<X: std::error::Error + Send + Sync + 'static>(error: X) -> Error {
    Error::OnDevice(Box::new(error))
}

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    /// Brings the parameters of a model to a device, which any of its graphs uses all of.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub(super) fn made(device: &Rc<D>, model: M, params: &Params, graph: &Graph, precision: Precision) -> Result<Self> {
        let places = Placement::new(graph);
        let (mut statistics, mut running) = (HashMap::new(), 0);
        for buffer in &params.buffers {
            let len = buffer.get().elem_count();
            statistics.insert(buffer.name.as_str(), running..running + len);
            running += len;
        }
        let norm = |step: &Step| match &step.op {
            Op::Norm { layer, .. } => NormState::new(&**device, layer, &places, &statistics).map(Some),
            _ => Ok(None),
        };
        let norms = graph.steps.iter().map(norm).collect::<Result<_, _>>().map_err(on_device)?;
        let build = || -> Result<_, D::Error> {
            Ok(Self {
                weights: Slice::zeros(&**device, places.len)?,
                gradient: RefCell::new(Slice::zeros(&**device, places.len)?),
                kept: None,
                matrices: Slice::zeros(&**device, places.matrices)?,
                d_matrices: RefCell::new(Slice::zeros(&**device, places.matrices)?),
                running: RefCell::new(Slice::zeros(&**device, running)?),
                losses: RefCell::new(Slice::zeros(&**device, 2)?),
                scratch: RefCell::default(),
                ready: HashMap::new(),
                memory: Memory::default(),
                passes: 0,
                bucket: None,
                part: RefCell::default(),
                with_auxiliary: false,
                exchanged: false,
                device: device.clone(),
                model,
                params: params.clone(),
                precision,
                places,
                norms,
            })
        };
        let mut made = build().map_err(on_device)?;
        made.upload()?;
        Ok(made)
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Takes the parameters and running statistics of the model.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn upload(&mut self) -> Result<()> {
        let host: Vec<f32> = self.params.flat.to_vec1()?;
        let mut running = Vec::new();
        for buffer in &self.params.buffers {
            running.extend(buffer.get().to_vec1::<f32>()?);
        }
        let weights = self.places.to_device(&host, 0.0);
        let device = &*self.device;
        self.weights.view_mut().write(device, &weights).map_err(on_device)?;
        self.running.borrow_mut().view_mut().write(device, &running).map_err(on_device)?;
        self.part.borrow_mut().reset();
        self.weights_changed().map_err(on_device)
    }

    /// Gives the model the parameters and running statistics.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn download(&self) -> Result<()> {
        let params = &self.params;
        let mut host: Vec<f32> = params.flat.to_vec1()?;
        self.places.to_host(&self.weights.to_vec(&*self.device).map_err(on_device)?, &mut host);
        params.flat.set(&Tensor::from_vec(host, params.flat.elem_count(), &Host::Cpu)?)?;
        let mut running = self.running.borrow().to_vec(&*self.device).map_err(on_device)?;
        for buffer in &params.buffers {
            let rest = running.split_off(buffer.get().elem_count().min(running.len()));
            let len = running.len();
            buffer.set(Tensor::from_vec(std::mem::replace(&mut running, rest), len, &Host::Cpu)?);
        }
        Ok(())
    }

    /// Elements of the device's layout of the parameters.
    pub fn len(&self) -> usize {
        self.places.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.places.len == 0
    }

    /// Values laid out as the host's parameters in the layout of the device, with `gap` between them: for what an optimizer remembers.
    pub fn to_device_layout(&self, host: &[f32], gap: f32) -> Vec<f32> {
        self.places.to_device(host, gap)
    }

    /// The reverse of [`DeviceNetwork::to_device_layout`].
    pub fn to_host_layout(&self, device: &[f32], host: &mut [f32]) {
        self.places.to_host(device, host);
    }

    /// Lengths of neighbouring stretches of the device's layout that have the same property, which `of` tells from where a parameter
    /// begins on the host.
    pub fn groups<T: PartialEq>(&self, of: impl Fn(usize) -> T) -> Vec<(usize, T)> {
        self.places.groups(of)
    }

    /// Adds the gradient to the sum of those of earlier batches of a step; the first of them begins it.
    ///
    /// # Errors
    /// The device's.
    pub fn keep_gradient(&mut self, first: bool) -> Result<(), D::Error> {
        let kept = match &mut self.kept {
            Some(kept) => kept,
            none => none.insert(Slice::zeros(&*self.device, self.places.len)?),
        };
        let (device, gradient) = (&*self.device, self.gradient.borrow());
        match first {
            true => kept.view_mut().copy(device, gradient.view()),
            false => layout::add(device, gradient.view(), kept.view_mut()),
        }
    }

    /// The sum that was kept, multiplied, is the gradient.
    ///
    /// # Errors
    /// The device's.
    pub fn scale_kept(&mut self, factor: f64) -> Result<(), D::Error> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut gradient = self.gradient.borrow_mut();
        layout::scaled(&*self.device, factor, kept.view(), gradient.view_mut())
    }

    pub(super) fn clear_gradient(&mut self) -> Result<()> {
        let device = &*self.device;
        self.gradient.get_mut().view_mut().zero(device).map_err(on_device)?;
        self.d_matrices.get_mut().view_mut().zero(device).map_err(on_device)
    }

    /// Exchanges the weights and running statistics with these, as long as the device's layouts of them. They are the same each time:
    /// recordings know both.
    ///
    /// # Errors
    /// The device's.
    pub fn exchange(&mut self, weights: &mut Slice<D, f32>, running: &mut Slice<D, f32>) -> Result<()> {
        std::mem::swap(weights, &mut self.weights);
        std::mem::swap(running, self.running.get_mut());
        self.exchanged = !self.exchanged;
        self.weights_changed().map_err(on_device)
    }

    /// The running statistics of all norms, one after the other.
    pub fn running(&mut self) -> &Slice<D, f32> {
        self.running.get_mut()
    }

    /// Weights and gradient for an optimizer, behind which [`DeviceNetwork::weights_changed`] is called.
    pub fn with_weights<R>(&mut self, f: impl FnOnce(ViewMut<'_, D, f32>, View<'_, D, f32>) -> R) -> R {
        let gradient = self.gradient.borrow();
        f(self.weights.view_mut(), gradient.view())
    }

    /// Makes the copies that products are made from anew.
    ///
    /// # Errors
    /// The device's.
    pub fn weights_changed(&mut self) -> Result<(), D::Error> {
        let masters = self.weights.view().range(0..self.places.matrices);
        layout::from_float(&*self.device, masters, self.matrices.view_mut())
    }

    /// The gradient laid out as the host's parameters.
    ///
    /// # Errors
    /// The device's.
    pub fn gradient(&self) -> Result<Vec<f32>> {
        let mut host = vec![0.0; self.params.flat.elem_count()];
        self.places.to_host(&self.gradient.borrow().to_vec(&*self.device).map_err(on_device)?, &mut host);
        Ok(host)
    }

    /// Plans passes anew when they are run.
    pub(super) fn forget_passes(&mut self) {
        self.ready.clear();
    }

    /// Puts the loss of the last pass, its mean over the ranks, behind others on the device, without waiting for it.
    pub(super) fn put_total(&self, aux_weight: f64, least: f64, to: &mut Totals<D>) -> Result<(), D::Error> {
        let (device, mut losses) = (&*self.device, self.losses.borrow_mut());
        device.average(losses.view_mut())?;
        device.averaged()?;
        to.add(device, losses.view(), aux_weight, least)
    }

    /// The losses of the last pass; waits for the device.
    pub(super) fn read_losses(&self) -> Result<Vec<f32>> {
        self.losses.borrow().to_vec(&*self.device).map_err(on_device)
    }

    /// The gradient as passes on the CPU give it, where the loss is finite.
    pub(super) fn gradient_of(&self, loss: f64) -> Result<Option<Data>> {
        if !loss.is_finite() {
            return Ok(None);
        }
        Ok(Some(Data::F32(Buffer::copy(&Arc::default(), &self.gradient()?))))
    }

    /// Features of the last pass, row after row.
    pub(super) fn read(&self, ready: &Ready<D, E>, features: Value) -> Result<Vec<f32>> {
        ready.features().value(features).view().to_vec(&*self.device).map_err(on_device)
    }

    pub(super) fn ready(&self, kind: Kind) -> Result<&Ready<D, E>> {
        self.ready.get(&kind).ok_or(Error::NothingKept)
    }

    /// Plans passes of a kind that has not been run yet.
    pub(super) fn planned(
        &mut self,
        kind: Kind,
        graph: impl FnOnce(&M) -> Result<Graph>,
    ) -> Result<(&D, &mut Ready<D, E>)> {
        self.passes += 1;
        if !self.ready.contains_key(&kind) {
            let plan = Plan::new(graph(&self.model)?, kind.train, kind.auxiliary)?;
            if !self.memory.fits(&plan) {
                // They hold on to what is too short.
                self.ready.clear();
            }
            if self.ready.len() >= KINDS
                && let Some(&oldest) = self.ready.iter().min_by_key(|(_, ready)| ready.used).map(|(kind, _)| kind)
            {
                self.ready.remove(&oldest);
            }
            let buckets = if kind.train { self.buckets(&plan) } else { Vec::new() };
            let ready = Ready::new(&*self.device, &mut self.memory, plan, buckets).map_err(on_device)?;
            self.ready.insert(kind, ready);
        }
        let ready = self.ready.get_mut(&kind).ok_or(Error::NothingKept)?;
        ready.used = self.passes;
        Ok((&self.device, ready))
    }

    /// A loss, and in training the gradient of its logits.
    pub(super) fn cross_entropy(&self, ready: &Ready<D, E>, head: &Head) -> Result<(), D::Error> {
        let &Head { logits, place, smoothing, weight } = head;
        let (features, scratch, mut losses) =
            (ready.features(), &mut *self.scratch.borrow_mut(), self.losses.borrow_mut());
        let mut d_logits = features.receiver(logits);
        loss::softmax_cross_entropy(
            &*self.device,
            scratch,
            features.value(logits).view(),
            ready.targets.view(),
            smoothing,
            ready.count.view(),
            weight,
            losses.view_mut().range(place..place + 1),
            d_logits.as_mut().map(|(d_logits, _)| d_logits.view_mut()),
        )
    }
}
