//! Inception-ResNet-v2 (Szegedy et al. 2016; tensorflow/models slim `inception_resnet_v2.py`): 55,843,464 parameters, and 3,367,656 of
//! the auxiliary head (1000 classes). Tables 6 and 9.
//!
//! A residual block makes f(x + s (W y + b)), where y are its branches side by side and f is the activation. The factor s, the bias and
//! the activation stand behind the convolution as a norm does elsewhere, so that the block's readers run them.

use super::{AuxiliaryHead, Config, DROPOUT, Halve, Keep, Mixed, Parts, Plan, Stem, halved};
use crate::models::Model;
use crate::nn::shape::{dropout, global_mean};
use crate::nn::{Builder, ConvConfig, Linear, Map, PoolKind, Result, Run, Unit};

/// Branches, and the 1x1 convolution that brings them back to the channels of the input.
struct Residual {
    branches: Mixed,
    up: Unit,
}

impl Residual {
    fn new(parts: &Parts, c: usize, plans: &[Plan<'_>], scale: f64, act: Option<&str>) -> Result<Self> {
        let branches = parts.mixed(c, plans)?;
        let conv = ConvConfig::same(branches.c_out, c, 1, 1);
        Ok(Self { branches, up: Unit::conv_scale_act(&parts.vb, "conv2d", conv, scale, act)? })
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let xs = xs.shared();
        let ys = self.branches.forward(&xs, run)?;
        self.up.forward_add(&ys, &xs, run)
    }
}

pub(in crate::models) struct InceptionResNetV2 {
    stem: Stem,
    mixed_5b: Mixed,
    repeat: Vec<Residual>,
    mixed_6a: Mixed,
    repeat_1: Vec<Residual>,
    auxiliary: AuxiliaryHead,
    mixed_7a: Mixed,
    repeat_2: Vec<Residual>,
    conv2d_7b: Unit,
    classif: Linear,
}

impl InceptionResNetV2 {
    /// `config.blocks` has the repeated blocks; one more without an activation follows the last of them.
    pub(in crate::models) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { divisor, blocks: [a, b, c], image, pooling } = config;
        let parts = Parts { vb: vb.clone(), divisor };
        let repeated = |name: &str, n: usize, block: &dyn Fn(&Parts) -> Result<Residual>| {
            (0..n).map(|i| block(&parts.at(name).at(i))).collect::<Result<Vec<_>>>()
        };
        let (stem, c_in) = Stem::new(&parts, ["conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a"])?;
        let mixed_5b = mixed_5b(&parts.at("mixed_5b"), c_in, pooling)?;
        let repeat = repeated("repeat", a, &|parts| block35(parts, mixed_5b.c_out))?;
        let mixed_6a = mixed_6a(&parts.at("mixed_6a"), mixed_5b.c_out)?;
        let repeat_1 = repeated("repeat_1", b, &|parts| block17(parts, mixed_6a.c_out))?;
        let mixed_7a = mixed_7a(&parts.at("mixed_7a"), mixed_6a.c_out)?;
        let c_last = mixed_7a.c_out;
        let mut repeat_2 = repeated("repeat_2", c, &|parts| block8(parts, c_last, 0.2, Some("relu")))?;
        repeat_2.push(block8(&parts.at("block8"), c_last, 1.0, None)?);
        let c_out = 1536 / divisor;
        let conv2d_7b = parts.unit(c_last, "conv2d_7b", c_out, Keep(1, 1))?;
        let classif = Linear::new(vb, "classif", c_out, classes);
        let tap = (mixed_6a.c_out, halved(Stem::size(image)));
        let auxiliary = AuxiliaryHead::new(&vb.pp("aux"), tap, divisor, ("bn", "act"), classes)?;
        Ok(Self { stem, mixed_5b, repeat, mixed_6a, repeat_1, auxiliary, mixed_7a, repeat_2, conv2d_7b, classif })
    }
}

fn mixed_5b(parts: &Parts, c_in: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 96, Keep(1, 1))]),
            Plan::Chain(&[("branch1.0", 48, Keep(1, 1)), ("branch1.1", 64, Keep(5, 5))]),
            Plan::Chain(&[("branch2.0", 64, Keep(1, 1)), ("branch2.1", 96, Keep(3, 3)), ("branch2.2", 96, Keep(3, 3))]),
            Plan::Average(pooling, ("branch3.1", 64, Keep(1, 1))),
        ],
    )
}

fn block35(parts: &Parts, c: usize) -> Result<Residual> {
    let plans = [
        Plan::Chain(&[("branch0", 32, Keep(1, 1))]),
        Plan::Chain(&[("branch1.0", 32, Keep(1, 1)), ("branch1.1", 32, Keep(3, 3))]),
        Plan::Chain(&[("branch2.0", 32, Keep(1, 1)), ("branch2.1", 48, Keep(3, 3)), ("branch2.2", 64, Keep(3, 3))]),
    ];
    Residual::new(parts, c, &plans, 0.17, Some("act"))
}

fn mixed_6a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 384, Halve(3))]),
            Plan::Chain(&[
                ("branch1.0", 256, Keep(1, 1)),
                ("branch1.1", 256, Keep(3, 3)),
                ("branch1.2", 384, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block17(parts: &Parts, c: usize) -> Result<Residual> {
    let plans = [
        Plan::Chain(&[("branch0", 192, Keep(1, 1))]),
        Plan::Chain(&[("branch1.0", 128, Keep(1, 1)), ("branch1.1", 160, Keep(1, 7)), ("branch1.2", 192, Keep(7, 1))]),
    ];
    Residual::new(parts, c, &plans, 0.1, Some("act"))
}

fn mixed_7a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0.0", 256, Keep(1, 1)), ("branch0.1", 384, Halve(3))]),
            Plan::Chain(&[("branch1.0", 256, Keep(1, 1)), ("branch1.1", 288, Halve(3))]),
            Plan::Chain(&[
                ("branch2.0", 256, Keep(1, 1)),
                ("branch2.1", 288, Keep(3, 3)),
                ("branch2.2", 320, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block8(parts: &Parts, c: usize, scale: f64, act: Option<&str>) -> Result<Residual> {
    let plans = [
        Plan::Chain(&[("branch0", 192, Keep(1, 1))]),
        Plan::Chain(&[("branch1.0", 192, Keep(1, 1)), ("branch1.1", 224, Keep(1, 3)), ("branch1.2", 256, Keep(3, 1))]),
    ];
    Residual::new(parts, c, &plans, scale, act)
}

impl Model for InceptionResNetV2 {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.mixed_5b.forward(&self.stem.forward(xs, run)?, run)?;
        for block in &self.repeat {
            xs = block.forward(&xs, run)?;
        }
        xs = self.mixed_6a.forward(&xs, run)?;
        for block in &self.repeat_1 {
            xs = block.forward(&xs, run)?;
        }
        let xs = xs.shared();
        run.auxiliary(|run| self.auxiliary.forward(&xs, run))?;
        let mut xs = self.mixed_7a.forward(&xs, run)?;
        for block in &self.repeat_2 {
            xs = block.forward(&xs, run)?;
        }
        let xs = self.conv2d_7b.forward(&xs, run)?;
        self.classif.forward(&dropout(&global_mean(&xs, run)?, DROPOUT, 0, run)?, run)
    }
}
