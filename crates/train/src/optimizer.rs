//! SGD with momentum over the flat variables of a network.

use crate::error::Result;
use crate::recipe::Sgd as Config;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use swish_core::nn::Params;
use swish_kernels::optim::{self, SgdStep};

/// A stretch of a flat variable whose parameters are treated alike.
#[derive(Clone, Debug)]
struct Group {
    range: Range<usize>,
    weight_decay: f64,
}

struct Block {
    var: Var,
    groups: Vec<Group>,
    momentum: Vec<f32>,
}

/// SGD with momentum, optional Nesterov, weight decay by groups of parameters; PyTorch's update rule.
pub struct Sgd {
    config: Config,
    blocks: Vec<Block>,
}

impl Sgd {
    /// An optimizer for all parameters of a network, momentum at 0.
    pub fn new(params: &Params, config: &Config) -> Self {
        let mut blocks: Vec<Block> = params
            .vars
            .iter()
            .map(|var| Block { var: var.clone(), groups: Vec::new(), momentum: vec![0.0; var.elem_count()] })
            .collect();
        for p in &params.params {
            let weight_decay = if config.decay_on.covers(p.role) { config.weight_decay } else { 0.0 };
            let range = p.offset..p.offset + p.elements();
            let groups = &mut blocks[p.block].groups;
            match groups.last_mut() {
                Some(g) if g.weight_decay == weight_decay && g.range.end == range.start => g.range.end = range.end,
                _ => groups.push(Group { range, weight_decay }),
            }
        }
        Self { config: config.clone(), blocks }
    }

    /// One step with learning rate `lr`. Variables without a gradient stay as they are.
    pub fn step(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        for block in &mut self.blocks {
            if let Some(grad) = grads.get(block.var.as_tensor()) {
                let op =
                    Step { config: &self.config, lr, groups: &block.groups, momentum: Mutex::new(&mut block.momentum) };
                block.var.as_tensor().inplace_op2(&grad.contiguous()?, &op)?;
            }
        }
        Ok(())
    }

    /// The momentum of every block, for a checkpoint.
    pub fn state(&self) -> Result<Vec<Tensor>> {
        self.blocks
            .iter()
            .map(|b| Ok(Tensor::from_slice(&b.momentum, b.momentum.len(), &candle_core::Device::Cpu)?))
            .collect()
    }

    /// Sets the momentum of every block; `None` if the shapes are not this network's.
    pub fn restore(&mut self, state: &[Tensor]) -> Result<Option<()>> {
        let fits = state.len() == self.blocks.len()
            && state.iter().zip(&self.blocks).all(|(t, b)| t.dims() == [b.momentum.len()]);
        if !fits {
            return Ok(None);
        }
        for (tensor, block) in state.iter().zip(&mut self.blocks) {
            block.momentum = tensor.to_vec1()?;
        }
        Ok(Some(()))
    }
}

/// The update of one block, in place.
struct Step<'a> {
    config: &'a Config,
    lr: f64,
    groups: &'a [Group],
    momentum: Mutex<&'a mut Vec<f32>>,
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        lw: &Layout,
        grads: &CpuStorage,
        lg: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(w), CpuStorage::F32(g)) = (weights, grads) else {
            candle_core::bail!("sgd: training needs F32 parameters and gradients")
        };
        let (Some((w0, w1)), Some((g0, g1))) = (lw.contiguous_offsets(), lg.contiguous_offsets()) else {
            candle_core::bail!("sgd: expected contiguous tensors")
        };
        let (w, g) = (&mut w[w0..w1], &g[g0..g1]);
        let mut momentum = self.momentum.lock().unwrap_or_else(PoisonError::into_inner);
        for group in self.groups {
            let step = SgdStep {
                lr: self.lr,
                momentum: self.config.momentum,
                nesterov: self.config.nesterov,
                weight_decay: group.weight_decay,
            };
            let r = group.range.clone();
            optim::sgd(&step, &mut w[r.clone()], &g[r.clone()], &mut momentum[r]);
        }
        Ok(())
    }
}
