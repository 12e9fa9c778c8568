//! SGD with momentum over the flat variable of a network.

use crate::error::{Error, Result};
use crate::recipe::Sgd as Config;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Tensor, Var};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use swish_core::nn::{Data, Params, Stored};
use swish_kernels::optim::{self, SgdStep};

/// A stretch of the variable whose parameters are treated alike.
#[derive(Clone, Debug)]
struct Group {
    range: Range<usize>,
    weight_decay: f64,
}

/// SGD with momentum, optional Nesterov, weight decay by groups of parameters; PyTorch's update rule.
pub struct Sgd {
    config: Config,
    flat: Var,
    groups: Vec<Group>,
    momentum: Vec<f32>,
}

impl Sgd {
    /// An optimizer for all parameters of a network, momentum at 0.
    pub fn new(params: &Params, config: &Config) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for p in &params.params {
            let weight_decay = if config.decay_on.covers(p.role) { config.weight_decay } else { 0.0 };
            let range = p.range();
            match groups.last_mut() {
                Some(g) if g.weight_decay == weight_decay && g.range.end == range.start => g.range.end = range.end,
                _ => groups.push(Group { range, weight_decay }),
            }
        }
        let momentum = vec![0.0; params.flat.elem_count()];
        Self { config: config.clone(), flat: params.flat.clone(), groups, momentum }
    }

    /// One step with learning rate `lr` against `gradient`, laid out as the network's variable.
    ///
    /// # Errors
    /// Gradients or parameters that are not f32.
    pub fn step(&mut self, gradient: &Data, lr: f64) -> Result<()> {
        let gradient = f32::of(gradient)?;
        if gradient.len() != self.momentum.len() {
            let expected = format!("one for each of {} parameters", self.momentum.len());
            return Err(Error::BadValue { what: "gradient", value: format!("{} values", gradient.len()), expected });
        }
        let step =
            Step { config: &self.config, lr, groups: &self.groups, gradient, momentum: Mutex::new(&mut self.momentum) };
        Ok(self.flat.as_tensor().inplace_op1(&step)?)
    }

    /// The momentum, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn state(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.momentum, self.momentum.len(), &Device::Cpu)?)
    }

    /// Sets the momentum; `None` if shape or element type are not this network's.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn restore(&mut self, state: &Tensor) -> Result<Option<()>> {
        if state.dims() != [self.momentum.len()] || state.dtype() != DType::F32 {
            return Ok(None);
        }
        self.momentum = state.to_vec1()?;
        Ok(Some(()))
    }
}

/// The update, in place.
struct Step<'a> {
    config: &'a Config,
    lr: f64,
    groups: &'a [Group],
    gradient: &'a [f32],
    momentum: Mutex<&'a mut Vec<f32>>,
}

impl InplaceOp1 for Step<'_> {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn cpu_fwd(&self, weights: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(w), Some((from, to))) = (weights, layout.contiguous_offsets()) else {
            candle_core::bail!("sgd: training needs contiguous F32 parameters")
        };
        let w = &mut w[from..to];
        let mut momentum = self.momentum.lock().unwrap_or_else(PoisonError::into_inner);
        for group in self.groups {
            let step = SgdStep {
                lr: self.lr,
                momentum: self.config.momentum,
                nesterov: self.config.nesterov,
                weight_decay: group.weight_decay,
            };
            let r = group.range.clone();
            optim::sgd(&step, &mut w[r.clone()], &self.gradient[r.clone()], &mut momentum[r]);
        }
        Ok(())
    }
}
