//! [`Update`]: what a step does to the parameters once it has their gradient.

use crate::averages::decay_at;
use crate::optimizer::{OptimizerConfig, Rule};
use swish_core::device::DeviceNetwork;
use swish_kernels::cuda::launch::optim::{self, Groups, Numbers, Parameters};
use swish_kernels::cuda::{Engine, Scratch, Slice, Stored, View};
use swish_kernels::optim::{AdamStep, RmsPropStep, SgdStep};

/// Optimizer and averages on a device.
pub(super) struct Update<D: Engine> {
    pub(super) config: OptimizerConfig,
    groups: Groups<D>,
    /// Those of the step that is run.
    numbers: Numbers<D>,
    /// One a name of [`Rule::state`]; the second of SGD is empty.
    pub(super) state: [Slice<D, f32>; 2],
    pub(super) averages: Option<Moving<D>>,
    clip: Slice<D, f32>,
    scratch: Scratch<D>,
}

/// Moving averages.
pub(super) struct Moving<D: Engine> {
    /// Largest decay.
    decay: f64,
    pub(super) weights: Slice<D, f32>,
    pub(super) running: Slice<D, f32>,
}

impl<D: Engine> Update<D> {
    /// For so many weights and running statistics. `decays` are the penalties of neighbouring weights, `average` is the largest decay of
    /// moving averages, where they are kept.
    pub(super) fn new(
        device: &D,
        config: OptimizerConfig,
        decays: &[(usize, f64)],
        average: Option<f64>,
        [len, running]: [usize; 2],
    ) -> Result<Self, D::Error> {
        let zeros = |len| Slice::zeros(device, len);
        let moving = |decay| Ok::<_, D::Error>(Moving { decay, weights: zeros(len)?, running: zeros(running)? });
        let second = if config.rule.state().len() > 1 { len } else { 0 };
        Ok(Self {
            config,
            groups: Groups::new(device, decays)?,
            numbers: Numbers::new(device, rule_at(&config, 1, 0.0), 1.0)?,
            state: [zeros(len)?, zeros(second)?],
            averages: average.map(moving).transpose()?,
            clip: zeros(1)?,
            scratch: Scratch::default(),
        })
    }

    /// Before step number `t`, counted from 1: brings the numbers of its own.
    pub(super) fn begin(&mut self, device: &D, t: u64, lr: f64) -> Result<(), D::Error> {
        let decay = self.averages.as_ref().map_or(1.0, |moving| decay_at(moving.decay, t));
        self.numbers.set(device, rule_at(&self.config, t, lr), decay)
    }

    /// Moves weights and averages by the gradient of a network, unless `stop` says otherwise; the same launches at every step.
    pub(super) fn launch<E: Stored, M>(
        &mut self,
        device: &D,
        net: &mut DeviceNetwork<D, E, M>,
        stop: View<'_, D, u32>,
    ) -> Result<(), D::Error> {
        let Self { config, groups, numbers, state: [first, second], averages, clip, scratch } = self;
        let [first, second] = [first, second].map(Slice::view_mut);
        net.with_weights(|w, g| {
            if let Some(limit) = config.clip_norm {
                optim::clip_factor(device, scratch, limit, groups, w.view(), g, clip.view_mut())?;
            }
            let clip = config.clip_norm.map(|_| clip.view());
            let average = averages.as_mut().map(|moving| moving.weights.view_mut());
            let parameters = Parameters { numbers, w, g, clip, average, stop };
            optim::step(device, groups, &parameters, [&first, &second])
        })?;
        net.weights_changed()?;
        match averages {
            Some(Moving { running, .. }) => optim::ema(device, numbers, net.running().view(), running.view_mut(), stop),
            None => Ok(()),
        }
    }
}

/// The rule at step number `t` with this rate.
fn rule_at(config: &OptimizerConfig, t: u64, lr: f64) -> optim::Rule {
    let weight_decay = config.weight_decay;
    match config.rule {
        Rule::Sgd { momentum, nesterov } => optim::Rule::Sgd(SgdStep { lr, momentum, nesterov, weight_decay }),
        Rule::RmsProp { decay, momentum, epsilon } => {
            optim::Rule::RmsProp(RmsPropStep { lr, decay, momentum, epsilon, weight_decay })
        }
        Rule::Adam { beta1, beta2, epsilon } => {
            optim::Rule::Adam(AdamStep { lr, beta1, beta2, epsilon, weight_decay, t })
        }
    }
}
