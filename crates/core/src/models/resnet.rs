//! ResNet for CIFAR with the activation after the convolution (v1): He et al. 2015, section 4.2; fb.resnet.torch
//! `models/resnet.lua`. ResNet-20 has 269,722 parameters (shortcut A, 10 classes), ResNet-32 464,154.

use super::Model;
use crate::nn::shape::{global_mean, subsample_pad};
use crate::nn::{Builder, ConvConfig, Linear, Map, NormConfig, Result, Run, Unit};

/// What stands in the shortcut where the shape changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// Every second pixel, zero channels appended: no parameters.
    A,
    /// A strided 1x1 convolution and BatchNorm.
    B,
}

enum Bypass {
    Identity,
    Subsample { stride: usize, c_out: usize },
    Projection(Box<Unit>),
}

struct Basic {
    first: Unit,
    second: Unit,
    bypass: Bypass,
}

/// Depth 6n + 2 with widths 16, 32, 64.
pub(super) struct ResNet {
    stem: Unit,
    blocks: Vec<Basic>,
    fc: Linear,
}

impl ResNet {
    pub(super) fn new(vb: &Builder, n: usize, shortcut: Shortcut, classes: usize) -> Result<Self> {
        let norm = NormConfig::TORCH;
        let stem = Unit::conv_norm_act(vb, "conv1", ConvConfig::same(3, 16, 3, 1), ("bn1", "act1"), norm)?;
        let mut blocks = Vec::new();
        let mut c_in = 16;
        for (stage, c_out) in [16, 32, 64].into_iter().enumerate() {
            for i in 0..n {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let at = vb.pp(format!("layer{}", stage + 1)).pp(i);
                blocks.push(Basic::new(&at, c_in, c_out, stride, shortcut)?);
                c_in = c_out;
            }
        }
        Ok(Self { stem, blocks, fc: Linear::new(vb, "fc", c_in, classes) })
    }
}

impl Basic {
    fn new(vb: &Builder, c_in: usize, c_out: usize, stride: usize, shortcut: Shortcut) -> Result<Self> {
        let norm = NormConfig::TORCH;
        let first = Unit::conv_norm_act(vb, "conv1", ConvConfig::same(c_in, c_out, 3, stride), ("bn1", "act1"), norm)?;
        let second = Unit::conv_norm_act(vb, "conv2", ConvConfig::same(c_out, c_out, 3, 1), ("bn2", "act2"), norm)?;
        let bypass = match shortcut {
            _ if c_in == c_out => Bypass::Identity,
            Shortcut::A => Bypass::Subsample { stride, c_out },
            Shortcut::B => {
                let conv = ConvConfig::same(c_in, c_out, 1, stride);
                let unit = Unit::conv_norm(&vb.pp("shortcut"), "0", conv, "1", norm)?;
                Bypass::Projection(Box::new(unit))
            }
        };
        Ok(Self { first, second, bypass })
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        // The branch goes first: on its way it makes the values that the shortcut takes.
        let xs = xs.shared();
        let ys = self.first.forward(&xs, run)?;
        let shortcut = match &self.bypass {
            Bypass::Identity => xs,
            Bypass::Subsample { stride, c_out } => subsample_pad(&xs, *stride, *c_out, run)?,
            Bypass::Projection(unit) => unit.forward(&xs, run)?,
        };
        self.second.forward_add(&ys, &shortcut, run)
    }
}

impl Model for ResNet {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.stem.forward(xs, run)?;
        for block in &self.blocks {
            xs = block.forward(&xs, run)?;
        }
        self.fc.forward(&global_mean(&xs, run)?, run)
    }
}
