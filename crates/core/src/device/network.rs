//! [`DeviceNetwork`]: a network's parameters on a device, and passes through it.

use super::buffers::Ready;
use super::norm::NormState;
use super::placement::Placement;
use super::plan::Plan;
use crate::nn::graph::{Op, Step, Value};
use crate::nn::{Buffer, Data, Error, LossAndGradient, LossConfig, Network, Pass, Result};
use candle_core::{Device as Host, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use swish_kernels::cuda::launch::{layout, loss};
use swish_kernels::cuda::{Engine, Precision, Scratch, Slice, Stored, View, ViewMut};

/// A network on a device; maps are stored as `E`, parameters, statistics and features as f32.
///
/// The parameters of the [`Network`] that it was made from stay as they were until [`DeviceNetwork::download`].
pub struct DeviceNetwork<D: Engine, E: Stored> {
    pub(super) device: Rc<D>,
    network: Network,
    pub(super) precision: Precision,
    pub(super) places: Placement,
    pub(super) weights: Slice<D, f32>,
    /// Laid out as the weights.
    pub(super) gradient: RefCell<Slice<D, f32>>,
    /// The sum of the gradients of earlier batches of a step, where it has several.
    kept: Option<Slice<D, f32>>,
    /// The first of the weights, those of convolutions, as products are made from them.
    pub(super) matrices: Slice<D, E>,
    pub(super) d_matrices: RefCell<Slice<D, E>>,
    /// Running statistics of all norms.
    pub(super) running: RefCell<Slice<D, f32>>,
    /// By steps of the graph.
    pub(super) norms: Vec<Option<NormState<D>>>,
    pub(super) scratch: RefCell<Scratch<D>>,
    /// Mean cross-entropy of the logits and of the auxiliary head's.
    losses: RefCell<Slice<D, f32>>,
    ready: HashMap<Kind, Ready<D, E>>,
    /// Whether the gradient has a part for the auxiliary head.
    with_auxiliary: bool,
}

/// What passes differ in: the images' shape, whether they train, and with an auxiliary head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    shape: [usize; 4],
    train: bool,
    auxiliary: bool,
}

/// What a training step started from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// The loss: `main`, and `aux` times its weight.
    pub loss: f64,
    /// Mean softmax cross-entropy of the batch.
    pub main: f64,
    /// That of the auxiliary head, where it was run.
    pub aux: Option<f64>,
}

fn on_device<X: std::error::Error + Send + Sync + 'static>(error: X) -> Error {
    Error::OnDevice(Box::new(error))
}

impl<D: Engine, E: Stored> DeviceNetwork<D, E> {
    /// Brings a network with f32 parameters to a device. `image` is (h, w, c) of what it is made for; other sizes can be run too where the
    /// network takes them.
    ///
    /// # Errors
    /// Images that the network does not take, parameters that are not f32, and the device's.
    pub fn new(device: &Rc<D>, network: &Network, [h, w, c]: [usize; 3], precision: Precision) -> Result<Self> {
        let graph = network.graph([1, h, w, c])?;
        let places = Placement::new(&graph);
        let (mut statistics, mut running) = (HashMap::new(), 0);
        for buffer in &network.params.buffers {
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
                with_auxiliary: false,
                device: device.clone(),
                network: network.clone(),
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

    /// Takes the parameters and running statistics of the [`Network`].
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn upload(&mut self) -> Result<()> {
        let host: Vec<f32> = self.network.params.flat.to_vec1()?;
        let mut running = Vec::new();
        for buffer in &self.network.params.buffers {
            running.extend(buffer.get().to_vec1::<f32>()?);
        }
        let weights = self.places.to_device(&host, 0.0);
        let device = &*self.device;
        self.weights.view_mut().write(device, &weights).map_err(on_device)?;
        self.running.borrow_mut().view_mut().write(device, &running).map_err(on_device)?;
        self.weights_changed()
    }

    /// Gives the [`Network`] the parameters and running statistics.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn download(&self) -> Result<()> {
        let params = &self.network.params;
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

    /// Puts the gradient aside; that of the next pass is added to it by [`DeviceNetwork::add_kept`].
    ///
    /// # Errors
    /// The device's.
    pub fn keep_gradient(&mut self) -> Result<()> {
        if self.kept.is_none() {
            self.kept = Some(Slice::zeros(&*self.device, self.places.len).map_err(on_device)?);
        }
        self.exchange_kept();
        Ok(())
    }

    /// gradient = (gradient + what was put aside).
    ///
    /// # Errors
    /// The device's.
    pub fn add_kept(&mut self) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        layout::add(&*self.device, kept.view(), self.gradient.borrow_mut().view_mut()).map_err(on_device)
    }

    /// Multiplies the gradient.
    ///
    /// # Errors
    /// The device's.
    pub fn scale_gradient(&mut self, factor: f64) -> Result<()> {
        let kept = match &mut self.kept {
            Some(kept) => kept,
            none => none.insert(Slice::zeros(&*self.device, self.places.len).map_err(on_device)?),
        };
        let scaled = layout::scaled(&*self.device, factor, self.gradient.borrow().view(), kept.view_mut());
        scaled.map_err(on_device)?;
        self.exchange_kept();
        Ok(())
    }

    fn clear_gradient(&mut self) -> Result<()> {
        let device = &*self.device;
        self.gradient.get_mut().view_mut().zero(device).map_err(on_device)?;
        self.d_matrices.get_mut().view_mut().zero(device).map_err(on_device)
    }

    fn exchange_kept(&mut self) {
        if let Some(kept) = &mut self.kept {
            std::mem::swap(kept, self.gradient.get_mut());
        }
    }

    /// Exchanges the weights and running statistics with these, as long as the device's layouts of them.
    ///
    /// # Errors
    /// The device's.
    pub fn exchange(&mut self, weights: &mut Slice<D, f32>, running: &mut Slice<D, f32>) -> Result<()> {
        std::mem::swap(weights, &mut self.weights);
        std::mem::swap(running, self.running.get_mut());
        self.weights_changed()
    }

    /// The running statistics of all norms, one after the other.
    pub fn running(&mut self) -> &Slice<D, f32> {
        self.running.get_mut()
    }

    /// Weights and gradient for an optimizer, after which [`DeviceNetwork::weights_changed`] is called.
    pub fn with_weights<R>(&mut self, f: impl FnOnce(&D, ViewMut<'_, D, f32>, View<'_, D, f32>) -> R) -> R {
        let gradient = self.gradient.borrow();
        f(&self.device, self.weights.view_mut(), gradient.view())
    }

    /// Makes the copies that products are made from anew.
    ///
    /// # Errors
    /// The device's.
    pub fn weights_changed(&mut self) -> Result<()> {
        let masters = self.weights.view().range(0..self.places.matrices);
        layout::from_float(&*self.device, masters, self.matrices.view_mut()).map_err(on_device)
    }

    /// The gradient laid out as the host's parameters.
    ///
    /// # Errors
    /// The device's.
    pub fn gradient(&self) -> Result<Vec<f32>> {
        let mut host = vec![0.0; self.network.params.flat.elem_count()];
        self.places.to_host(&self.gradient.borrow().to_vec(&*self.device).map_err(on_device)?, &mut host);
        Ok(host)
    }

    /// Logits (n, classes) of images (n, h, w, c) in an evaluation pass.
    ///
    /// # Errors
    /// [`Error::NotEvaluating`] in a training pass, [`Error::BadInput`] for images that the network does not take, and the device's.
    pub fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        if pass.train {
            return Err(Error::NotEvaluating);
        }
        let (n, h, w, c) = xs.dims4()?;
        let kind = Kind { shape: [n, h, w, c], train: false, auxiliary: false };
        self.prepare(kind, &xs.flatten_all()?.to_vec1()?)?;
        let ready = self.ready(kind)?;
        self.run_forward(ready, pass).map_err(on_device)?;
        self.read(ready, ready.plan.graph.logits)
    }

    /// The loss of a training pass, its logits and its gradient, as [`Network::loss_and_gradient`].
    ///
    /// # Errors
    /// As [`DeviceNetwork::train`].
    pub fn loss_and_gradient(
        &mut self,
        xs: &Tensor,
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
    ) -> Result<LossAndGradient> {
        let (n, h, w, c) = xs.dims4()?;
        let shape = [n, h, w, c];
        self.train(shape, &xs.flatten_all()?.to_vec1::<f32>()?, targets, config, pass)?;
        let Losses { loss, main, aux } = self.losses(config)?;
        let ready = self.ready(Kind { shape, train: true, auxiliary: config.aux_weight != 0.0 })?;
        let graph = &ready.plan.graph;
        let aux_logits = graph.aux_logits.filter(|_| aux.is_some());
        let aux_logits = aux_logits.map(|logits| self.read(ready, logits)).transpose()?;
        let gradient = match loss.is_finite() {
            true => Some(Data::F32(Buffer::copy(&Arc::default(), &self.gradient()?))),
            false => None,
        };
        Ok(LossAndGradient { loss, main, aux, logits: self.read(ready, graph.logits)?, aux_logits, gradient })
    }

    /// Logits of the last pass, (n, classes).
    fn read(&self, ready: &Ready<D, E>, logits: Value) -> Result<Tensor> {
        let [n, _, _, classes] = ready.plan.graph.steps[logits].shape;
        let values = ready.features().value(logits).view().to_vec(&*self.device).map_err(on_device)?;
        Ok(Tensor::from_vec(values, (n, classes), &Host::Cpu)?)
    }

    fn ready(&self, kind: Kind) -> Result<&Ready<D, E>> {
        self.ready.get(&kind).ok_or(Error::NothingKept)
    }

    /// A training pass: the losses stay on the device until [`DeviceNetwork::losses`] asks for them, the gradient for the optimizer.
    ///
    /// # Errors
    /// [`Error::NotTraining`] in an evaluation pass, [`Error::BadInput`] for images that the network does not take, another number of
    /// targets or one that is no class, and the device's.
    pub fn train(
        &mut self,
        shape: [usize; 4],
        xs: &[f32],
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
    ) -> Result<()> {
        if !pass.train {
            return Err(Error::NotTraining);
        }
        if targets.len() != shape[0] {
            let expected = format!("one target for each of {} images", shape[0]);
            return Err(Error::BadInput { layer: "cross-entropy".into(), found: vec![targets.len()], expected });
        }
        let kind = Kind { shape, train: true, auxiliary: config.aux_weight != 0.0 };
        self.prepare(kind, xs)?;
        let classes = self.ready(kind)?.classes();
        if let Some(&wrong) = targets.iter().find(|&&target| target as usize >= classes) {
            let expected = format!("targets below {classes}");
            return Err(Error::BadInput { layer: "cross-entropy".into(), found: vec![wrong as usize], expected });
        }
        if self.with_auxiliary && !kind.auxiliary {
            // Nothing is written where the head's part was.
            self.clear_gradient()?;
        }
        self.with_auxiliary = kind.auxiliary;
        if let Some(ready) = self.ready.get_mut(&kind) {
            ready.targets.view_mut().write(&self.device, targets).map_err(on_device)?;
        }
        let ready = self.ready(kind)?;
        let run = || -> Result<(), D::Error> {
            self.run_forward(ready, pass)?;
            ready.forget_gradients();
            self.cross_entropy(ready, config)?;
            self.run_backward(ready, pass)
        };
        run().map_err(on_device)
    }

    /// Losses and gradients of the logits.
    fn cross_entropy(&self, ready: &Ready<D, E>, config: &LossConfig) -> Result<(), D::Error> {
        let (features, scratch) = (ready.features(), &mut *self.scratch.borrow_mut());
        let heads =
            [Some((ready.plan.graph.logits, 1.0)), ready.plan.graph.aux_logits.map(|aux| (aux, config.aux_weight))];
        for (head, place) in heads.into_iter().zip(0..) {
            let Some((logits, weight)) = head.filter(|&(logits, _)| ready.plan.wanted[logits]) else { continue };
            let Some((mut d_logits, _)) = features.receiver(logits) else { continue };
            let (values, n) = (features.value(logits), ready.targets.len());
            let mut losses = self.losses.borrow_mut();
            loss::softmax_cross_entropy(
                &*self.device,
                scratch,
                values.view(),
                ready.targets.view(),
                config.smoothing,
                n as f64,
                weight,
                losses.view_mut().range(place..place + 1),
                Some(d_logits.view_mut()),
            )?;
        }
        Ok(())
    }

    /// The losses of the last training pass with this configuration; waits for the device.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    pub fn losses(&self, config: &LossConfig) -> Result<Losses> {
        let both = self.losses.borrow().to_vec(&*self.device).map_err(on_device)?;
        let main = f64::from(both[0]);
        let aux = self.has_auxiliary(config).then(|| f64::from(both[1]));
        Ok(Losses { loss: main + aux.map_or(0.0, |aux| config.aux_weight * aux), main, aux })
    }

    fn has_auxiliary(&self, config: &LossConfig) -> bool {
        config.aux_weight != 0.0 && self.network.params.params.iter().any(|param| param.auxiliary)
    }

    /// Plans passes of a kind that has not been run yet, and brings its images.
    fn prepare(&mut self, kind: Kind, xs: &[f32]) -> Result<()> {
        let expected: usize = kind.shape.iter().product();
        if xs.len() != expected {
            let expected = format!("{expected} values, for images {:?}", kind.shape);
            return Err(Error::BadInput { layer: "network".into(), found: vec![xs.len()], expected });
        }
        if !self.ready.contains_key(&kind) {
            let plan = Plan::new(self.network.graph(kind.shape)?, kind.train, kind.auxiliary)?;
            // Those of another shape are not kept beside it: the last batch of an evaluation is smaller, memory is not.
            self.ready.retain(|other, _| other.train != kind.train);
            self.ready.insert(kind, Ready::new(&*self.device, plan).map_err(on_device)?);
        }
        if let Some(ready) = self.ready.get_mut(&kind) {
            ready.images.view_mut().write(&self.device, xs).map_err(on_device)?;
        }
        Ok(())
    }
}
