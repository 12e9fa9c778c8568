//! MobileNet v1 (Howard et al. 2017; tensorflow/models slim `mobilenet_v1.py`): depthwise and pointwise convolutions in turn, with
//! BatchNorm and an activation behind each. 4,231,976 parameters (1000 classes). Names of parameters as in timm. Tables 6 and 7.

use super::Model;
use crate::nn::shape::{dropout, global_mean};
use crate::nn::{Builder, ConvConfig, Linear, Map, NormConfig, Padding, Result, Run, Unit};
use swish_kernels::conv::Pad;

/// Probability of dropout before the classifier: slim keeps 0.999.
const DROPOUT: f64 = 0.001;

/// Output channels and strides of the blocks, stage by stage.
const STAGES: [&[(usize, usize)]; 5] = [
    &[(64, 1)],
    &[(128, 2), (128, 1)],
    &[(256, 2), (256, 1)],
    &[(512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)],
    &[(1024, 2), (1024, 1)],
];

/// A MobileNet's shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    /// Channels are divided by it: 1 over the paper's width multiplier.
    pub divisor: usize,
    /// Padding of the 3x3 convolutions: TensorFlow's SAME, or one cell on every side as in PyTorch's ports.
    pub pad: Padding,
}

/// One cell on every side.
pub(super) const SYMMETRIC: Padding = Padding::Fixed(Pad { top: 1, bottom: 1, left: 1, right: 1 });

pub(super) struct MobileNet {
    stem: Unit,
    blocks: Vec<[Unit; 2]>,
    classifier: Linear,
}

impl MobileNet {
    pub(super) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { divisor, pad } = config;
        let norm = NormConfig::SLIM;
        let mut c_in = 32 / divisor;
        let conv = ConvConfig { pad, ..ConvConfig::same(3, c_in, 3, 2) };
        let stem = Unit::conv_norm_act(vb, "conv_stem", conv, ("bn1", "bn1.act"), norm)?;
        let mut blocks = Vec::new();
        for (s, stage) in STAGES.iter().enumerate() {
            for (b, &(c_out, stride)) in stage.iter().enumerate() {
                let (at, c_out) = (vb.pp("blocks").pp(s).pp(b), c_out / divisor);
                let depthwise = ConvConfig::depthwise(c_in, 3, stride, pad);
                let pointwise = ConvConfig::same(c_in, c_out, 1, 1);
                blocks.push([
                    Unit::conv_norm_act(&at, "conv_dw", depthwise, ("bn1", "bn1.act"), norm)?,
                    Unit::conv_norm_act(&at, "conv_pw", pointwise, ("bn2", "bn2.act"), norm)?,
                ]);
                c_in = c_out;
            }
        }
        Ok(Self { stem, blocks, classifier: Linear::new(vb, "classifier", c_in, classes) })
    }
}

impl Model for MobileNet {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.stem.forward(xs, run)?;
        for unit in self.blocks.iter().flatten() {
            xs = unit.forward(&xs, run)?;
        }
        let features = dropout(&global_mean(&xs, run)?, DROPOUT, 0, run)?;
        self.classifier.forward(&features, run)
    }
}
