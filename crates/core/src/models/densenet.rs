//! DenseNet (Huang et al. 2016; liuzhuang13/DenseNet `models/densenet.lua`): each layer's output is appended to its
//! input. DenseNet-BC-100-12 has 769,162 parameters (10 classes), the plain DenseNet-100-12 6,979,642.
//! Tables 1, 2, 4 and 5 ("DenseNet 100-12").

use super::Model;
use crate::nn::shape::global_mean;
use crate::nn::{
    Builder, ConvConfig, DenseBlock, DenseLayer, Linear, Map, NormConfig, Pool, PoolKind, Result, Run, Unit,
};

/// The shape of a DenseNet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    /// Layers with weights, 3n + 4 (BC: 6n + 4).
    pub depth: usize,
    /// Channels that each layer adds.
    pub growth_rate: usize,
    /// Bottleneck layers (1x1 to 4 growth rates first) and transitions that halve the channels.
    pub bc: bool,
    /// Channels of the first convolution.
    pub c_first: usize,
}

struct Stage {
    block: DenseBlock,
    transition: Option<Unit>,
}

pub(super) struct DenseNet {
    stem: Unit,
    stages: Vec<Stage>,
    last: Unit,
    fc: Linear,
}

impl DenseNet {
    pub(super) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { depth, growth_rate, bc, c_first } = config;
        let norm = NormConfig::TORCH;
        let layers_per_block = (depth - 4) / if bc { 6 } else { 3 };
        let stem = Unit::conv(vb, "conv1", ConvConfig::same(3, c_first, 3, 1))?;
        let mut stages = Vec::new();
        let mut c = c_first;
        for b in 1..=3 {
            let mut layers = Vec::new();
            for i in 0..layers_per_block {
                layers.push(layer(&vb.pp(format!("block{b}")).pp(i), c, growth_rate, bc)?);
                c += growth_rate;
            }
            let transition = if b < 3 {
                let c_out = if bc { c / 2 } else { c };
                let at = vb.pp(format!("trans{b}"));
                let unit = Unit::norm_act_conv(&at, ("bn", "act"), "conv", ConvConfig::same(c, c_out, 1, 1), norm)?;
                c = c_out;
                Some(unit)
            } else {
                None
            };
            stages.push(Stage { block: DenseBlock { layers }, transition });
        }
        let last = Unit::norm_act(vb, ("bn", "act"), c, norm)?;
        Ok(Self { stem, stages, last, fc: Linear::new(vb, "fc", c, classes) })
    }
}

fn layer(vb: &Builder, c_in: usize, growth_rate: usize, bc: bool) -> Result<DenseLayer> {
    let norm = NormConfig::TORCH;
    if !bc {
        let conv = ConvConfig::same(c_in, growth_rate, 3, 1);
        return Ok(DenseLayer { narrow: None, grow: Unit::norm_act_conv(vb, ("bn1", "act1"), "conv1", conv, norm)? });
    }
    let c_mid = 4 * growth_rate;
    let narrow = ConvConfig::same(c_in, c_mid, 1, 1);
    let grow = ConvConfig::same(c_mid, growth_rate, 3, 1);
    Ok(DenseLayer {
        narrow: Some(Unit::norm_act_conv(vb, ("bn1", "act1"), "conv1", narrow, norm)?),
        grow: Unit::norm_act_conv(vb, ("bn2", "act2"), "conv2", grow, norm)?,
    })
}

impl Model for DenseNet {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let halve = Pool::square(PoolKind::Average, 2, 2, 0);
        let mut xs = self.stem.forward(xs, run)?;
        for stage in &self.stages {
            xs = stage.block.forward(&xs, run)?;
            if let Some(transition) = &stage.transition {
                xs = halve.forward(&transition.forward(&xs, run)?, run)?;
            }
        }
        self.fc.forward(&global_mean(&self.last.forward(&xs, run)?, run)?, run)
    }
}
