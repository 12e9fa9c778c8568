//! SGD, RMSProp or Adam over the flat variable of a network.

mod clip;
mod config;

pub use config::{DecayOn, OptimizerConfig, Rule};

use crate::error::{Error, Result};
use crate::values::with_values;
use candle_core::{DType, Device, Tensor, Var};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use swish_core::nn::Params;
use swish_kernels::optim::{self, AdamStep, RmsPropStep, SgdStep};

/// How the names of an optimizer's state begin in a checkpoint.
const PREFIX: &str = "optimizer.";

/// A stretch of the variable whose parameters are treated alike.
#[derive(Clone, Debug)]
struct Group {
    range: Range<usize>,
    weight_decay: f64,
}

/// An optimizer at work: weight decay by groups of parameters, clipping, and what the rule remembers.
pub struct Optimizer {
    config: OptimizerConfig,
    flat: Var,
    groups: Vec<Group>,
    /// One buffer a name of [`Rule::state`], as long as the variable; the second of SGD is empty.
    state: [Vec<f32>; 2],
    /// Steps done.
    steps: u64,
}

impl Optimizer {
    /// An optimizer for all parameters of a network, before its first step.
    pub fn new(params: &Params, config: &OptimizerConfig) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for p in &params.params {
            let weight_decay = if config.decay_on.covers(p) { config.weight_decay } else { 0.0 };
            let range = p.range();
            match groups.last_mut() {
                Some(g) if g.weight_decay == weight_decay && g.range.end == range.start => g.range.end = range.end,
                _ => groups.push(Group { range, weight_decay }),
            }
        }
        let n = params.flat.elem_count();
        let state = match config.rule {
            Rule::Sgd { .. } => [vec![0.0; n], Vec::new()],
            Rule::RmsProp { .. } => [vec![RmsPropStep::TENSORFLOW_MEAN_SQUARE as f32; n], vec![0.0; n]],
            Rule::Adam { .. } => [vec![0.0; n], vec![0.0; n]],
        };
        Self { config: *config, flat: params.flat.clone(), groups, state, steps: 0 }
    }

    /// One step with learning rate `lr` against `gradient`, laid out as the network's variable.
    ///
    /// # Errors
    /// A gradient of another length, parameters that are not f32.
    pub fn step(&mut self, gradient: &[f32], lr: f64) -> Result<()> {
        let n = self.flat.elem_count();
        if gradient.len() != n {
            let (value, expected) = (format!("{} values", gradient.len()), format!("one for each of {n} parameters"));
            return Err(Error::BadValue { what: "gradient", value, expected });
        }
        let flat = self.flat.clone();
        self.steps += 1;
        with_values(&flat, |w| self.update(w, gradient, lr))
    }

    fn update(&mut self, w: &mut [f32], gradient: &[f32], lr: f64) {
        let clip = self.config.clip_norm.map_or(1.0, |limit| clip::factor(limit, &self.groups, w, gradient));
        let mut gradient = Cow::Borrowed(gradient);
        if clip < 1.0 {
            gradient.to_mut().iter_mut().for_each(|g| *g = (f64::from(*g) * clip) as f32);
        }
        let [first, second] = &mut self.state;
        for group in &self.groups {
            let r = group.range.clone();
            let weight_decay = clip * group.weight_decay;
            let (w, g, first) = (&mut w[r.clone()], &gradient[r.clone()], &mut first[r.clone()]);
            match self.config.rule {
                Rule::Sgd { momentum, nesterov } => {
                    optim::sgd(&SgdStep { lr, momentum, nesterov, weight_decay }, w, g, first);
                }
                Rule::RmsProp { decay, momentum, epsilon } => {
                    let step = RmsPropStep { lr, decay, momentum, epsilon, weight_decay };
                    optim::rms_prop(&step, w, g, first, &mut second[r]);
                }
                Rule::Adam { beta1, beta2, epsilon } => {
                    let step = AdamStep { lr, beta1, beta2, epsilon, weight_decay, t: self.steps };
                    optim::adam(&step, w, g, first, &mut second[r]);
                }
            }
        }
    }

    /// What the recipe says.
    pub(crate) fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// What the rule remembers, one buffer a name of [`Rule::state`], and the steps done: for a device to go on from.
    pub(crate) fn state(&self) -> (&[Vec<f32>; 2], u64) {
        (&self.state, self.steps)
    }

    /// As [`Optimizer::state`], to bring it up to date.
    pub(crate) fn state_mut(&mut self) -> (&mut [Vec<f32>; 2], &mut u64) {
        (&mut self.state, &mut self.steps)
    }

    /// What the rule remembers, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let named = self.config.rule.state().iter().zip(&self.state);
        named
            .map(|(name, values)| Ok(((*name).into(), Tensor::from_slice(values, values.len(), &Device::Cpu)?)))
            .collect()
    }

    /// Goes on from the state among the tensors of a checkpoint, after so many steps.
    ///
    /// # Errors
    /// Why it cannot: the state of another rule, or of another network.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>, steps: u64) -> Result<(), String> {
        let expected = self.config.rule.state();
        let mut found: Vec<&str> = tensors.keys().map(String::as_str).filter(|name| name.starts_with(PREFIX)).collect();
        found.sort_unstable();
        if found != expected {
            let (rule, found, expected) = (self.config.rule, found.join(", "), expected.join(", "));
            return Err(format!("holds another optimizer's state ({found}) than that of {rule} ({expected})"));
        }
        for (name, values) in expected.iter().zip(&mut self.state) {
            let saved = &tensors[*name];
            if saved.dims() != [values.len()] || saved.dtype() != DType::F32 {
                return Err(format!("its `{name}` is another network's"));
            }
            *values = saved.to_vec1().map_err(|e| e.to_string())?;
        }
        self.steps = steps;
        Ok(())
    }
}
