//! The auxiliary head of the ImageNet networks: it helps the lower layers in training and is absent in evaluation.

use crate::nn::shape::global_mean;
use crate::nn::{Builder, ConvConfig, Linear, Map, NormConfig, Pool, PoolKind, Result, Run, Unit};

/// Average pooling, a 1x1 convolution, one as large as the map, a linear layer.
pub(super) struct AuxiliaryHead {
    pool: Pool,
    convs: [Unit; 2],
    fc: Linear,
}

/// Names of a unit's norm and activation; its convolution is `conv`.
type NormNames<'a> = (&'a str, &'a str);

impl AuxiliaryHead {
    /// For maps of `c_in` channels and `size` x `size` pixels. The units stand below `conv0` and `conv1`; their channels, 128 and 768,
    /// are divided by `divisor`.
    pub(super) fn new(
        vb: &Builder,
        (c_in, size): (usize, usize),
        divisor: usize,
        names: NormNames<'_>,
        classes: usize,
    ) -> Result<Self> {
        let vb = vb.for_auxiliary_head();
        let (narrow, wide) = (128 / divisor, 768 / divisor);
        let (window, stride) = (5, 3);
        let kernel = size.saturating_sub(window) / stride + 1;
        let unit = |name, config| Unit::conv_norm_act(&vb.pp(name), "conv", config, names, NormConfig::SLIM);
        let convs = [
            unit("conv0", ConvConfig::same(c_in, narrow, 1, 1))?,
            unit("conv1", ConvConfig::valid(narrow, wide, kernel, 1))?,
        ];
        let pool = Pool::square(PoolKind::Average, window, stride, 0);
        Ok(Self { pool, convs, fc: Linear::new(&vb, "fc", wide, classes) })
    }

    pub(super) fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.pool.forward(xs, run)?;
        for conv in &self.convs {
            xs = conv.forward(&xs, run)?;
        }
        self.fc.forward(&global_mean(&xs, run)?, run)
    }
}
