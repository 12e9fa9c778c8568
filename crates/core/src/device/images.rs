//! Passes of images through a [`Network`] on a device.

use super::buffers::Ready;
use super::network::{DeviceNetwork, Head, Kind, on_device};
use super::recorded::Behind;
use crate::nn::graph::{Graph, Value};
use crate::nn::{Error, LossAndGradient, LossConfig, Network, Pass, Result};
use candle_core::{Device as Host, Tensor};
use std::rc::Rc;
use swish_kernels::cuda::launch::loss::Totals;
use swish_kernels::cuda::{Engine, Precision, Stored, ViewMut};

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

impl<D: Engine, E: Stored> DeviceNetwork<D, E> {
    /// Brings a network with f32 parameters to a device. `image` is (h, w, c) of what it is made for; other sizes can be run too where the
    /// network takes them.
    ///
    /// # Errors
    /// Images that the network does not take, parameters that are not f32, and the device's.
    pub fn new(device: &Rc<D>, network: &Network, [h, w, c]: [usize; 3], precision: Precision) -> Result<Self> {
        let graph = network.graph([1, h, w, c])?;
        Self::made(device, network.clone(), &network.params, &graph, precision)
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
        let xs: Vec<f32> = xs.flatten_all()?.to_vec1()?;
        self.prepare(kind, pass, |device, mut to| to.write(device, &xs), &[])?;
        let ready = self.ready(kind)?;
        self.evaluation_pass(ready, pass, &[])?;
        self.logits(ready, ready.plan.graph.logits)
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
        self.train(shape, &xs.flatten_all()?.to_vec1::<f32>()?, targets, config, pass, None)?;
        let Losses { loss, main, aux } = self.losses(config)?;
        let ready = self.ready(Kind { shape, train: true, auxiliary: config.aux_weight != 0.0 })?;
        let graph = &ready.plan.graph;
        let aux_logits = graph.aux_logits.filter(|_| aux.is_some());
        let aux_logits = aux_logits.map(|logits| self.logits(ready, logits)).transpose()?;
        let gradient = self.gradient_of(loss)?;
        Ok(LossAndGradient { loss, main, aux, logits: self.logits(ready, graph.logits)?, aux_logits, gradient })
    }

    /// Logits of the last pass, (n, classes).
    fn logits(&self, ready: &Ready<D, E>, logits: Value) -> Result<Tensor> {
        let [n, _, _, classes] = ready.plan.graph.steps[logits].shape;
        Ok(Tensor::from_vec(self.read(ready, logits)?, (n, classes), &Host::Cpu)?)
    }

    /// A training pass, and what comes behind it: the losses stay on the device until [`DeviceNetwork::losses`] asks for them, the gradient
    /// stays for the optimizer.
    ///
    /// # Errors
    /// [`Error::NotTraining`] in an evaluation pass, [`Error::BadInput`] for images that the network does not take, another number of
    /// targets or one that is no class, those of `behind`, and the device's.
    pub fn train(
        &mut self,
        shape: [usize; 4],
        xs: &[f32],
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
        behind: Option<Behind<'_, D, E>>,
    ) -> Result<()> {
        let expected: usize = shape.iter().product();
        if xs.len() != expected {
            let expected = format!("{expected} values, for images {shape:?}");
            return Err(Error::BadInput { layer: "network".into(), found: vec![xs.len()], expected });
        }
        self.train_on(shape, |device, mut to| to.write(device, xs), targets, config, pass, behind)
    }

    /// As [`DeviceNetwork::train`] on images (n, h, w, c) that `bring` writes to their place on the device.
    ///
    /// # Errors
    /// As [`DeviceNetwork::train`], and those of `bring`.
    pub fn train_on(
        &mut self,
        shape: [usize; 4],
        bring: impl FnOnce(&D, ViewMut<'_, D, f32>) -> Result<(), D::Error>,
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
        behind: Option<Behind<'_, D, E>>,
    ) -> Result<()> {
        if !pass.train {
            return Err(Error::NotTraining);
        }
        if targets.len() != shape[0] {
            let expected = format!("one target for each of {} images", shape[0]);
            return Err(Error::BadInput { layer: "cross-entropy".into(), found: vec![targets.len()], expected });
        }
        let kind = Kind { shape, train: true, auxiliary: config.aux_weight != 0.0 };
        self.prepare(kind, pass, bring, targets)?;
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
        let ready = self.ready(kind)?;
        let Graph { logits, aux_logits, .. } = ready.plan.graph;
        let smoothing = config.smoothing;
        let mut heads = vec![Head { logits, place: 0, smoothing, weight: 1.0 }];
        let auxiliary = aux_logits.filter(|&logits| ready.plan.wanted[logits]);
        heads.extend(auxiliary.map(|logits| Head { logits, place: 1, smoothing, weight: config.aux_weight }));
        self.begin_part(ready, pass)?;
        self.train_pass(kind, pass, &heads, behind)
    }

    /// The losses of the last training pass with this configuration; waits for the device.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    pub fn losses(&self, config: &LossConfig) -> Result<Losses> {
        let both = self.read_losses()?;
        let main = f64::from(both[0]);
        let aux = self.has_auxiliary(config).then(|| f64::from(both[1]));
        Ok(Losses { loss: main + aux.map_or(0.0, |aux| config.aux_weight * aux), main, aux })
    }

    /// Puts the loss of the last training pass with this configuration behind others on the device, without waiting for it.
    ///
    /// # Errors
    /// The device's.
    pub fn put_loss(&self, config: &LossConfig, to: &mut Totals<D>) -> Result<(), D::Error> {
        let aux_weight = if self.has_auxiliary(config) { config.aux_weight } else { 0.0 };
        self.put_total(aux_weight, 0.0, to)
    }

    fn has_auxiliary(&self, config: &LossConfig) -> bool {
        config.aux_weight != 0.0 && self.model.params.params.iter().any(|param| param.auxiliary)
    }

    /// Plans passes of a kind that has not been run yet, and brings its images and, in training, their targets.
    fn prepare(
        &mut self,
        kind: Kind,
        pass: &Pass,
        bring: impl FnOnce(&D, ViewMut<'_, D, f32>) -> Result<(), D::Error>,
        targets: &[u32],
    ) -> Result<()> {
        let (device, ready) = self.planned(kind, |network| network.graph(kind.shape))?;
        let all = || {
            bring(device, ready.images.view_mut())?;
            if kind.train {
                ready.targets.view_mut().write(device, targets)?;
            }
            ready.begin(device, pass, kind.train.then_some(targets.len()))
        };
        all().map_err(on_device)
    }
}
