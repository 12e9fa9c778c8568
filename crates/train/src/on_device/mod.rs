//! [`DeviceLearner`]: parameters, optimizer and averages on a device; on the host it has the form of a [`Learner`].
//!
//! | module | what it has |
//! |---|---|
//! | `images` | networks for images, and images that the device keeps |
//! | `losses` | losses that are not asked for at every step |
//! | `update` | what a step does with its gradient |
//! | [`check`] | recorded steps compared with those started launch by launch |

pub mod check;
mod images;
mod losses;
mod update;

pub use images::{Examples, OnImages, open};

use crate::averages::Averages;
use crate::error::{Error, Result};
use crate::learner::Learner;
use images::Kept;
use losses::{KEPT, Losses};
use std::rc::Rc;
use swish_core::device::{BUCKET, Behind, DeviceNetwork};
use swish_core::nn::Network;
use swish_kernels::cuda::launch::loss::Totals;
use swish_kernels::cuda::{Engine, Rank, Stored};
use update::Update;

/// What learns on a device, whichever it is and whatever is learned from: step after step, each of one batch or several, of which the last
/// has the learning rate with it.
///
/// Such a step moves the parameters by the mean gradient of its batches, those of all ranks. It does not wait for the device. From the
/// first loss on that is not finite, steps are counted but change nothing any more until [`OnDevice::upload`], which also is what goes on
/// after an error. Where a step has one batch and the device learns by itself, those behind the first of a kind are started as a whole, by
/// one call.
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
    update: Update<D>,
    losses: Losses<D>,
    kept: Option<Kept<D>>,
    /// Steps done.
    steps: u64,
    /// Batches since the last of them.
    batches: u64,
    /// Elements of the gradient that several devices average at once, at least.
    bucket: usize,
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
        let lens = [on.len(), on.running().len()];
        let build = || Ok((Update::new(&**device, config, &decays, decay, lens)?, Losses::new(&**device, KEPT)?));
        let (update, losses) = build().map_err(on_device::<D::Error>)?;
        let (device, kept) = (device.clone(), None);
        let mut made = Self { net: on, device, update, losses, kept, steps: 0, batches: 0, bucket: BUCKET };
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

    /// Runs one batch, whose gradient is added to those since the last step. Where there is a learning rate, the step ends with it. `run`
    /// runs the pass and what is behind it, `put` puts its loss behind others.
    pub(crate) fn add_batch(
        &mut self,
        lr: Option<f64>,
        run: impl FnOnce(&mut DeviceNetwork<D, E, M>, Option<Behind<'_, D, E, M>>) -> Result<()>,
        put: impl Fn(&DeviceNetwork<D, E, M>, &mut Totals<D>) -> Result<(), D::Error>,
    ) -> Result<()> {
        let Self { net, device, update, losses, steps, batches, .. } = self;
        let (device, before, t) = (&**device, *batches, *steps + 1);
        lr.map_or(Ok(()), |lr| update.begin(device, t, lr)).map_err(on_device)?;
        let ends = lr.is_some();
        let mut behind = |net: &mut DeviceNetwork<D, E, M>| {
            put(net, &mut losses.there)?;
            if !ends || before > 0 {
                net.keep_gradient(before == 0)?;
            }
            if !ends {
                return Ok(());
            }
            if before > 0 {
                net.scale_kept(1.0 / (before + 1) as f64)?;
            }
            net.average_gradient()?;
            net.join_statistics()?;
            update.launch(device, net, losses.there.stop())
        };
        if ends && before == 0 {
            run(net, Some(&mut behind))?;
        } else {
            run(net, None)?;
            behind(net).map_err(on_device)?;
        }
        losses.added(device).map_err(on_device)?;
        (*steps, *batches) = if ends { (t, 0) } else { (*steps, before + 1) };
        Ok(())
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

    fn losses(&mut self, replicas: u64) -> Result<Vec<f64>> {
        // The loss of each batch is its mean over the ranks already.
        let own = replicas / self.rank().of() as u64;
        self.losses.take(&self.device, own).map_err(on_device)
    }

    fn swap_averages(&mut self) -> Result<()> {
        match &mut self.update.averages {
            Some(moving) => Ok(self.net.exchange(&mut moving.weights, &mut moving.running)?),
            None => Ok(()),
        }
    }

    fn download(&self, learner: &mut Learner) -> Result<()> {
        let device = &*self.device;
        self.net.download()?;
        let (state, steps) = learner.optimizer.state_mut();
        *steps = self.steps;
        for (host, slice) in state.iter_mut().zip(&self.update.state).filter(|(host, _)| !host.is_empty()) {
            self.net.to_host_layout(&slice.to_vec(device).map_err(on_device)?, host);
        }
        if let (Some(Averages::Moving(host)), Some(moving)) = (&mut learner.averages, &self.update.averages) {
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
        for ((host, slice), name) in state.iter().zip(&mut self.update.state).zip(self.update.config.rule.state()) {
            let values = self.net.to_device_layout(host, gap(name));
            slice.view_mut().write(device, &values).map_err(on_device)?;
        }
        if let (Some(Averages::Moving(host)), Some(moving)) = (&learner.averages, &mut self.update.averages) {
            let [parameters, statistics] = host.values();
            let weights = self.net.to_device_layout(parameters, 0.0);
            moving.weights.view_mut().write(device, &weights).map_err(on_device)?;
            moving.running.view_mut().write(device, statistics).map_err(on_device)?;
        }
        Ok(())
    }
}
