//! [`DeviceLearner`]: parameters, optimizer and averages on a device; on the host it has the form of a [`Learner`].
//!
//! | module | what it has |
//! |---|---|
//! | `images` | networks for images, and images that the device keeps |
//! | `losses` | losses that are not asked for at every step |

mod images;
mod losses;

pub use images::{Examples, OnImages, open};

use crate::averages::{Averages, decay_at};
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::optimizer::{OptimizerConfig, Rule};
use images::Kept;
use losses::{KEPT, Losses};
use std::rc::Rc;
use swish_core::device::{BUCKET, DeviceNetwork};
use swish_core::nn::Network;
use swish_kernels::cuda::launch::optim::{self, Groups, Parameters};
use swish_kernels::cuda::{Engine, Rank, Scratch, Slice, Stored, ViewMut};
use swish_kernels::optim::{AdamStep, RmsPropStep, SgdStep};

/// What learns on a device, whichever it is and whatever is learned from.
pub trait OnDevice {
    /// What the device is, and how many of its kind learn together.
    fn name(&self) -> String;

    /// Which of several devices that learn together it is.
    fn rank(&self) -> Rank;

    /// Steps have so many batches from now on, which the ranks share out: each runs those that [`Rank::takes`] says are its own.
    ///
    /// # Errors
    /// A number that is no multiple of theirs.
    fn share(&mut self, batches: u64) -> Result<()>;

    /// A step with the mean gradient of the batches since the last one, those of all ranks. Does not wait for the device. From the first
    /// loss on that is not finite, steps are counted but change nothing any more until [`OnDevice::upload`].
    ///
    /// # Errors
    /// No batch since the last step, and the device's.
    fn update(&mut self, lr: f64) -> Result<()>;

    /// The mean losses of the steps since the last call, each of so many batches of all ranks, in order; waits for the device. Of a step
    /// with a loss that is not finite, that one is told.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    fn losses(&mut self, replicas: u64) -> Result<Vec<f64>>;

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
    kept: Option<Kept<D>>,
    scratch: Scratch<D>,
    /// Steps done.
    steps: u64,
    /// Batches since the last of them.
    batches: u64,
    /// Elements of the gradient that several devices average at once, at least.
    bucket: usize,
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
            bucket: BUCKET,
        };
        made.upload(learner)?;
        Ok(made)
    }

    /// The network on the device.
    pub(crate) fn net_mut(&mut self) -> &mut DeviceNetwork<D, E, M> {
        &mut self.net
    }

    /// Has several devices average at least so many elements of the gradient at once, from the next [`OnDevice::share`] on.
    pub fn set_bucket(&mut self, elements: usize) {
        self.bucket = elements;
    }

    /// Runs one batch, whose gradient is added to those since the last update. `run` puts its loss where it is told to, and sets the flag
    /// where that is not finite.
    pub(crate) fn add_batch(
        &mut self,
        run: impl FnOnce(&mut DeviceNetwork<D, E, M>, ViewMut<'_, D, f32>, ViewMut<'_, D, u32>) -> Result<()>,
    ) -> Result<()> {
        if self.batches > 0 {
            self.net.keep_gradient(self.batches == 1)?;
        }
        let (loss, stop) = self.losses.place();
        run(&mut self.net, loss, stop)?;
        self.losses.added(&self.device).map_err(on_device)?;
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

impl<D: Engine, E: Stored, M> OnDevice for DeviceLearner<D, E, M> {
    fn name(&self) -> String {
        let (name, of) = (self.device.name(), self.rank().of());
        if of == 1 { name } else { format!("{of} x {name}") }
    }

    fn rank(&self) -> Rank {
        self.device.rank()
    }

    fn share(&mut self, batches: u64) -> Result<()> {
        let of = self.rank().of();
        let Some(own) = self.rank().share(batches) else {
            let expected = format!("a multiple of the {of} devices that share them");
            return Err(Error::BadValue { what: "batches a step", value: batches.to_string(), expected });
        };
        // The gradients of several batches are added first, so that only their sum goes between the devices.
        self.net.average_in_passes((own == 1).then_some(self.bucket));
        Ok(())
    }

    fn update(&mut self, lr: f64) -> Result<()> {
        match std::mem::take(&mut self.batches) {
            0 => {
                let (value, expected) = ("0".into(), "at least 1 since the last step".into());
                return Err(Error::BadValue { what: "batches", value, expected });
            }
            1 => {}
            batches => {
                self.net.keep_gradient(false)?;
                self.net.scale_kept(1.0 / batches as f64)?;
            }
        }
        self.net.average_gradient()?;
        self.net.join_statistics()?;
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

    fn losses(&mut self, replicas: u64) -> Result<Vec<f64>> {
        // The loss of each batch is its mean over the ranks already.
        let own = replicas / self.rank().of() as u64;
        self.losses.take(&self.device, own).map_err(on_device)
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
