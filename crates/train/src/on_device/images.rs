//! A network for images that learns on another device, which keeps images that are all in memory.

use super::{DeviceLearner, OnDevice, on_device};
use crate::cell;
use crate::error::{Error, Result};
use crate::learner::Learner;
use candle_core::Tensor;
use std::rc::Rc;
use swish_core::device::{self, Behind, DeviceNetwork, Make, Seat};
use swish_core::models::Net;
use swish_core::nn::{LossConfig, Pass};
use swish_data::{Augment, Draft, Normalise, PadMode};
use swish_kernels::cuda::launch::images;
use swish_kernels::cuda::{Engine, Precision, Slice, Stored, ViewMut};

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
pub(super) struct Kept<D: Engine> {
    pixels: Slice<D, u8>,
    /// Those of a batch, and the seeds of what is done to them.
    indices: Slice<D, u32>,
    seeds: Slice<D, u64>,
    augment: images::Augment,
}

/// What learns from images.
pub trait OnImages: OnDevice {
    /// Brings all training images to the device, which augments them from then on.
    ///
    /// # Errors
    /// The device's, such as memory.
    fn keep(&mut self, images: &swish_data::Images, augment: &Augment) -> Result<()>;

    /// One batch of a step, which ends with it where the learning rate is given.
    ///
    /// # Errors
    /// Images that the network does not take, a draft where none are kept, and the device's.
    fn batch(&mut self, examples: &Examples<'_>, config: &LossConfig, pass: &Pass, lr: Option<f64>) -> Result<()>;

    /// Logits (n, classes) of images (n, h, w, c) in an evaluation pass.
    ///
    /// # Errors
    /// Images that the network does not take, and the device's.
    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor>;
}

/// A learner on the device asked for; `None` for the CPU, where the host's own learns. One of several devices waits for the others.
///
/// # Errors
/// A GPU that is not there, ranks that do not meet, or a build without CUDA; as [`DeviceLearner::new`].
pub fn open(
    seat: impl Into<Seat>,
    net: &Net,
    learner: &Learner,
    precision: cell::Precision,
) -> Result<Option<Box<dyn OnImages>>> {
    device::make(seat, precision.operands(), OfImages { net, learner })
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
        let device = &*self.device;
        let bring = || Ok((Slice::of(device, &images.pixels)?, Slice::new(device, 0)?, Slice::new(device, 0)?));
        let (pixels, indices, seeds) = bring().map_err(on_device::<D::Error>)?;
        self.kept = Some(Kept { pixels, indices, seeds, augment });
        Ok(())
    }

    fn batch(&mut self, examples: &Examples<'_>, config: &LossConfig, pass: &Pass, lr: Option<f64>) -> Result<()> {
        let mut kept = self.kept.take();
        let run = |net: &mut DeviceNetwork<D, E>, behind: Option<Behind<'_, D, E>>| match *examples {
            Examples::Images { shape, xs, labels } => Ok(net.train(shape, xs, labels, config, pass, behind)?),
            Examples::Kept(draft) => {
                let Some(Kept { pixels, indices, seeds, augment }) = &mut kept else {
                    let (value, expected) = ("none".into(), "those that a draft speaks of".into());
                    return Err(Error::BadValue { what: "images on the device", value, expected });
                };
                let shape = [draft.indices.len(), augment.h, augment.w, 3];
                let bring = |device: &D, to: ViewMut<'_, D, f32>| {
                    indices.set(device, &draft.indices)?;
                    seeds.set(device, &draft.seeds)?;
                    images::augment(device, augment, pixels.view(), indices.view(), seeds.view(), to)
                };
                Ok(net.train_on(shape, bring, &draft.labels, config, pass, behind)?)
            }
        };
        let done = self.add_batch(lr, run, |net, losses| net.put_loss(config, losses));
        self.kept = kept;
        done
    }

    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.net.forward(xs, pass)?)
    }
}
