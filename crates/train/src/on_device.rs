//! [`DeviceLearner`]: parameters, optimizer and averages on a device; on the host it has the form of a [`Learner`].

use crate::averages::{Averages, decay_at};
use crate::cell;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::optimizer::{OptimizerConfig, Rule};
use candle_core::Tensor;
use std::rc::Rc;
use swish_core::device::{self, DeviceNetwork, Make};
use swish_core::models::Net;
use swish_core::nn::{Compute, LossConfig, Network, Pass};
use swish_data::{Augment, Draft, Normalise, PadMode};
use swish_kernels::cuda::launch::images;
use swish_kernels::cuda::launch::optim::{self, Groups, Parameters};
use swish_kernels::cuda::{Engine, Precision, Scratch, Slice, Stored, ViewMut};
use swish_kernels::optim::{AdamStep, RmsPropStep, SgdStep};

/// A batch for a device.
#[derive(Clone, Copy, Debug)]
pub enum Examples<'a> {
    /// Images with one class each.
    Images {
        /// (n, h, w, c).
        shape: [usize; 4],
        /// Their values.
        xs: &'a [f32],
        /// Their classes.
        labels: &'a [u32],
    },
    /// Some of the images that the device keeps.
    Kept(&'a Draft),
}

/// Training images on a device, as bytes.
struct Kept<D: Engine> {
    pixels: Slice<D, u8>,
    augment: images::Augment,
}

/// What learns on a device, whichever it is and whatever is learned from.
pub trait OnDevice {
    /// What the device is.
    fn name(&self) -> String;

    /// A step with the mean gradient of the batches since the last one. Does not wait for the device. From the first loss on that is not
    /// finite, steps are counted but change nothing any more until [`OnDevice::upload`].
    ///
    /// # Errors
    /// No batch since the last step, and the device's.
    fn update(&mut self, lr: f64) -> Result<()>;

    /// The losses of the batches since the last call, in order; waits for the device.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    fn losses(&mut self) -> Result<Vec<f64>>;

    /// Exchanges the parameters' values and their averages, where there are any: done twice, all is as before.
    ///
    /// # Errors
    /// The device's.
    fn swap_averages(&mut self) -> Result<()>;

    /// Brings the host up to date.
    ///
    /// # Errors
    /// The device's.
    fn download(&self, learner: &mut Learner) -> Result<()>;

    /// Goes on from the host's state.
    ///
    /// # Errors
    /// The device's.
    fn upload(&mut self, learner: &Learner) -> Result<()>;
}

/// What learns from images.
pub trait OnImages: OnDevice {
    /// Brings all training images to the device, which augments them from then on.
    ///
    /// # Errors
    /// The device's, such as memory.
    fn keep(&mut self, images: &swish_data::Images, augment: &Augment) -> Result<()>;

    /// The gradient of one batch, added to those since the last update. Does not wait for the device.
    ///
    /// # Errors
    /// Images that the network does not take, a draft where none are kept, and the device's.
    fn batch(&mut self, examples: &Examples<'_>, config: &LossConfig, pass: &Pass) -> Result<()>;

    /// Logits (n, classes) of images (n, h, w, c) in an evaluation pass.
    ///
    /// # Errors
    /// Images that the network does not take, and the device's.
    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor>;
}

/// A learner on the device asked for; `None` for the CPU, where the host's own learns.
///
/// # Errors
/// A GPU that is not there, or a build without CUDA; as [`DeviceLearner::new`].
pub fn open(
    compute: Compute,
    net: &Net,
    learner: &Learner,
    precision: cell::Precision,
) -> Result<Option<Box<dyn OnImages>>> {
    device::make(compute, precision.operands(), OfImages { net, learner })
}

struct OfImages<'a> {
    net: &'a Net,
    learner: &'a Learner,
}

impl Make for OfImages<'_> {
    type Made = Box<dyn OnImages>;
    type Error = Error;

    fn make<D: Engine + 'static, E: Stored>(self, device: &Rc<D>, precision: Precision) -> Result<Box<dyn OnImages>> {
        Ok(Box::new(DeviceLearner::<D, E>::new(device, self.net, self.learner, precision)?))
    }
}

/// A learner on a device; maps are stored as `E`. `M` is the model.
pub struct DeviceLearner<D: Engine, E: Stored, M = Network> {
    net: DeviceNetwork<D, E, M>,
    device: Rc<D>,
    config: OptimizerConfig,
    groups: Groups<D>,
    /// One a name of [`Rule::state`]; the second of SGD is empty.
    state: [Slice<D, f32>; 2],
    averages: Option<Moving<D>>,
    clip: Slice<D, f32>,
    losses: Losses<D>,
    kept: Option<Rc<Kept<D>>>,
    scratch: Scratch<D>,
    /// Steps done.
    steps: u64,
    /// Batches since the last of them.
    batches: u64,
}

/// Losses that nobody has asked for yet.
struct Losses<D: Engine> {
    there: Slice<D, f32>,
    /// How many of them there are.
    len: usize,
    /// Those before, which the device had no more room for.
    here: Vec<f64>,
    /// Not 0 once one was not finite.
    stop: Slice<D, u32>,
}

/// Losses that a device keeps.
const KEPT: usize = 256;

impl<D: Engine> Losses<D> {
    /// With room for so many on the device.
    fn new(device: &D, room: usize) -> Result<Self, D::Error> {
        let (there, stop) = (Slice::zeros(device, room)?, Slice::zeros(device, 1)?);
        Ok(Self { there, len: 0, here: Vec::new(), stop })
    }

    /// Where the next one goes, and the flag to set where it is not finite.
    fn place(&mut self) -> (ViewMut<'_, D, f32>, ViewMut<'_, D, u32>) {
        (self.there.view_mut().range(self.len..self.len + 1), self.stop.view_mut())
    }

    /// The next one is in its place. Waits for the device where its room is full.
    fn added(&mut self, device: &D) -> Result<(), D::Error> {
        self.len += 1;
        if self.len == self.there.len() { self.fetch(device) } else { Ok(()) }
    }

    fn fetch(&mut self, device: &D) -> Result<(), D::Error> {
        let losses = self.there.to_vec(device)?;
        self.here.extend(losses.into_iter().take(std::mem::take(&mut self.len)).map(f64::from));
        Ok(())
    }

    /// Those since the last call; waits for the device.
    fn take(&mut self, device: &D) -> Result<Vec<f64>, D::Error> {
        self.fetch(device)?;
        Ok(std::mem::take(&mut self.here))
    }

    /// Forgets them, and that one was not finite.
    fn clear(&mut self, device: &D) -> Result<(), D::Error> {
        (self.len, self.here) = (0, Vec::new());
        self.stop.view_mut().zero(device)
    }
}

/// Moving averages.
struct Moving<D: Engine> {
    /// Largest decay.
    decay: f64,
    weights: Slice<D, f32>,
    running: Slice<D, f32>,
}

fn on_device<X: std::error::Error + Send + Sync + 'static>(error: X) -> Error {
    Error::Network(swish_core::nn::Error::OnDevice(Box::new(error)))
}

/// What stands between parameters in what a rule remembers: nothing that a step could divide by.
fn gap(name: &str) -> f32 {
    if name.ends_with("mean_square") { 1.0 } else { 0.0 }
}

impl<D: Engine, E: Stored> DeviceLearner<D, E> {
    /// Brings a network for images and what it learns by to a device.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn new(device: &Rc<D>, net: &Net, learner: &Learner, precision: Precision) -> Result<Self> {
        let [c, h, w] = net.info.input;
        Self::with(device, DeviceNetwork::new(device, net, [h, w, c], precision)?, learner)
    }
}

impl<D: Engine, E: Stored, M> DeviceLearner<D, E, M> {
    /// What a network on a device learns by. Moving averages are the device's, the mean of the last checkpoints stays the host's.
    pub(crate) fn with(device: &Rc<D>, mut on: DeviceNetwork<D, E, M>, learner: &Learner) -> Result<Self> {
        let config = *learner.optimizer.config();
        let decays = on.groups(|start| {
            let param = learner.params.params.iter().find(|param| param.offset == start);
            param.filter(|param| config.decay_on.covers(param)).map_or(0.0, |_| config.weight_decay)
        });
        let decay = match &learner.averages {
            Some(Averages::Moving(averages)) => Some(averages.decay()),
            Some(Averages::Last(_)) | None => None,
        };
        let (len, running) = (on.len(), on.running().len());
        let build = || -> Result<_, D::Error> {
            let zeros = |len| Slice::zeros(&**device, len);
            let moving = |decay| Ok::<_, D::Error>(Moving { decay, weights: zeros(len)?, running: zeros(running)? });
            let second = if config.rule.state().len() > 1 { len } else { 0 };
            let groups = Groups::new(&**device, &decays)?;
            let losses = Losses::new(&**device, KEPT)?;
            Ok((groups, [zeros(len)?, zeros(second)?], decay.map(moving).transpose()?, zeros(1)?, losses))
        };
        let (groups, state, averages, clip, losses) = build().map_err(on_device)?;
        let mut made = Self {
            net: on,
            device: device.clone(),
            config,
            groups,
            state,
            averages,
            clip,
            losses,
            kept: None,
            scratch: Scratch::default(),
            steps: 0,
            batches: 0,
        };
        made.upload(learner)?;
        Ok(made)
    }

    /// Runs one batch, whose gradient is added to those since the last update. `run` puts its loss where it is told to, and sets the flag
    /// where that is not finite.
    pub(crate) fn add_batch(
        &mut self,
        run: impl FnOnce(&mut DeviceNetwork<D, E, M>, ViewMut<'_, D, f32>, ViewMut<'_, D, u32>) -> Result<()>,
    ) -> Result<()> {
        if self.batches > 0 {
            self.net.keep_gradient()?;
        }
        let (loss, stop) = self.losses.place();
        run(&mut self.net, loss, stop)?;
        self.losses.added(&self.device).map_err(on_device)?;
        if self.batches > 0 {
            self.net.add_kept()?;
        }
        self.batches += 1;
        Ok(())
    }

    /// One step of the rule.
    fn apply(&mut self, lr: f64) -> Result<(), D::Error> {
        let Self { net, config, groups, state: [first, second], averages, clip, losses, scratch, steps, .. } = self;
        let (steps, weight_decay) = (*steps, config.weight_decay);
        net.with_weights(|device, w, g| {
            let limit = match config.clip_norm {
                Some(limit) => {
                    optim::clip_factor(device, scratch, limit, groups, w.view(), g, clip.view_mut())?;
                    Some(clip.view())
                }
                None => None,
            };
            let average = averages.as_mut().map(|moving| (moving.weights.view_mut(), decay_at(moving.decay, steps)));
            let parameters = Parameters { w, g, clip: limit, average, stop: Some(losses.stop.view()) };
            let (first, second) = (first.view_mut(), second.view_mut());
            match config.rule {
                Rule::Sgd { momentum, nesterov } => {
                    let step = SgdStep { lr, momentum, nesterov, weight_decay };
                    optim::sgd(device, &step, groups, &parameters, &first)
                }
                Rule::RmsProp { decay, momentum, epsilon } => {
                    let step = RmsPropStep { lr, decay, momentum, epsilon, weight_decay };
                    optim::rms_prop(device, &step, groups, &parameters, &first, &second)
                }
                Rule::Adam { beta1, beta2, epsilon } => {
                    let step = AdamStep { lr, beta1, beta2, epsilon, weight_decay, t: steps };
                    optim::adam(device, &step, groups, &parameters, &first, &second)
                }
            }
        })
    }
}

impl<D: Engine, E: Stored> OnImages for DeviceLearner<D, E> {
    fn keep(&mut self, images: &swish_data::Images, augment: &Augment) -> Result<()> {
        let normalise = match augment.normalise {
            Normalise::Channel { mean, std } => images::Normalise::Channel { mean, std },
            Normalise::PerImage => images::Normalise::PerImage,
        };
        let augment = images::Augment {
            h: images.h,
            w: images.w,
            pad: augment.pad,
            reflect: augment.pad_mode == PadMode::Reflect,
            crop: augment.crop,
            flip: augment.flip,
            normalise,
        };
        let pixels = Slice::of(&*self.device, &images.pixels).map_err(on_device)?;
        self.kept = Some(Rc::new(Kept { pixels, augment }));
        Ok(())
    }

    fn batch(&mut self, examples: &Examples<'_>, config: &LossConfig, pass: &Pass) -> Result<()> {
        let kept = self.kept.clone();
        self.add_batch(|net, loss, stop| {
            match *examples {
                Examples::Images { shape, xs, labels } => net.train(shape, xs, labels, config, pass)?,
                Examples::Kept(Draft { indices, seeds, labels }) => {
                    let Some(Kept { pixels, augment }) = kept.as_deref() else {
                        let (value, expected) = ("none".into(), "those that a draft speaks of".into());
                        return Err(Error::BadValue { what: "images on the device", value, expected });
                    };
                    let bring = |device: &D, to: ViewMut<'_, D, f32>| {
                        let (indices, seeds) = (Slice::of(device, indices)?, Slice::of(device, seeds)?);
                        images::augment(device, augment, pixels.view(), indices.view(), seeds.view(), to)
                    };
                    net.train_on([indices.len(), augment.h, augment.w, 3], bring, labels, config, pass)?;
                }
            }
            Ok(net.put_loss(config, loss, stop)?)
        })
    }

    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.net.forward(xs, pass)?)
    }
}

impl<D: Engine, E: Stored, M> OnDevice for DeviceLearner<D, E, M> {
    fn name(&self) -> String {
        self.device.name()
    }

    fn update(&mut self, lr: f64) -> Result<()> {
        match std::mem::take(&mut self.batches) {
            0 => {
                let (value, expected) = ("0".into(), "at least 1 since the last step".into());
                return Err(Error::BadValue { what: "batches", value, expected });
            }
            1 => {}
            batches => self.net.scale_gradient(1.0 / batches as f64)?,
        }
        self.steps += 1;
        self.apply(lr).map_err(on_device)?;
        self.net.weights_changed()?;
        if let Some(Moving { decay, running, .. }) = &mut self.averages {
            let decay = decay_at(*decay, self.steps);
            let stop = Some(self.losses.stop.view());
            optim::ema(&*self.device, decay, self.net.running().view(), running.view_mut(), stop).map_err(on_device)?;
        }
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f64>> {
        self.losses.take(&self.device).map_err(on_device)
    }

    fn swap_averages(&mut self) -> Result<()> {
        match &mut self.averages {
            Some(Moving { weights, running, .. }) => Ok(self.net.exchange(weights, running)?),
            None => Ok(()),
        }
    }

    fn download(&self, learner: &mut Learner) -> Result<()> {
        let device = &*self.device;
        self.net.download()?;
        let (state, steps) = learner.optimizer.state_mut();
        *steps = self.steps;
        for (host, slice) in state.iter_mut().zip(&self.state).filter(|(host, _)| !host.is_empty()) {
            self.net.to_host_layout(&slice.to_vec(device).map_err(on_device)?, host);
        }
        if let (Some(Averages::Moving(host)), Some(moving)) = (&mut learner.averages, &self.averages) {
            let [parameters, statistics] = host.values_mut();
            self.net.to_host_layout(&moving.weights.to_vec(device).map_err(on_device)?, parameters);
            statistics.copy_from_slice(&moving.running.to_vec(device).map_err(on_device)?);
        }
        Ok(())
    }

    fn upload(&mut self, learner: &Learner) -> Result<()> {
        let device = &*self.device;
        self.net.upload()?;
        let (state, steps) = learner.optimizer.state();
        (self.steps, self.batches) = (steps, 0);
        self.losses.clear(device).map_err(on_device)?;
        for ((host, slice), name) in state.iter().zip(&mut self.state).zip(self.config.rule.state()) {
            let values = self.net.to_device_layout(host, gap(name));
            slice.view_mut().write(device, &values).map_err(on_device)?;
        }
        if let (Some(Averages::Moving(host)), Some(moving)) = (&learner.averages, &mut self.averages) {
            let [parameters, statistics] = host.values();
            let weights = self.net.to_device_layout(parameters, 0.0);
            moving.weights.view_mut().write(device, &weights).map_err(on_device)?;
            moving.running.view_mut().write(device, statistics).map_err(on_device)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use swish_emulation::Host;

    #[test]
    fn no_loss_is_lost_or_told_twice_where_the_room_is_full() {
        let Some(host) = Host::new(&std::env::temp_dir()) else { return };
        let mut losses = Losses::new(&host, 3).unwrap();
        let add = |losses: &mut Losses<Host>, loss: f32| {
            losses.place().0.write(&host, &[loss]).unwrap();
            losses.added(&host).unwrap();
        };
        (0..7).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(losses.take(&host).unwrap(), [0.0; 0]);
        (7..10).for_each(|loss| add(&mut losses, loss as f32));
        assert_eq!(losses.take(&host).unwrap(), [7.0, 8.0, 9.0]);
        losses.place().1.write(&host, &[1]).unwrap();
        add(&mut losses, 10.0);
        losses.clear(&host).unwrap();
        assert_eq!(losses.take(&host).unwrap(), [0.0; 0]);
        assert_eq!(losses.stop.to_vec(&host).unwrap(), [0]);
    }
}
