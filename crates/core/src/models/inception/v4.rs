//! Inception-v4 (Szegedy et al. 2016; tensorflow/models slim `inception_v4.py`): 42,679,816 parameters, and 3,359,464 of the auxiliary
//! head (1000 classes). Tables 6 and 8.

use super::{AuxiliaryHead, Config, DROPOUT, Halve, Keep, Mixed, Parts, Plan, Valid, c_behind, chained, halved, valid};
use crate::models::Model;
use crate::nn::shape::{dropout, global_mean};
use crate::nn::{Builder, Linear, Map, PoolKind, Result, Run, Unit};

pub(in crate::models) struct InceptionV4 {
    stem: Vec<Unit>,
    /// Up to the auxiliary head.
    lower: Vec<Mixed>,
    auxiliary: AuxiliaryHead,
    upper: Vec<Mixed>,
    fc: Linear,
}

impl InceptionV4 {
    pub(in crate::models) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { divisor, blocks: [a, b, c], image, pooling } = config;
        let parts = Parts { vb: vb.pp("features"), divisor };
        let (stem, c_in) = parts.chain(3, &[("0", 32, Halve(3)), ("1", 32, Valid(3)), ("2", 64, Keep(3, 3))])?;
        let mut index = stem.len();
        let mut next = || {
            index += 1;
            parts.at(index - 1)
        };
        let mut lower = vec![mixed_3a(&next(), c_in)?];
        lower.push(mixed_4a(&next(), c_behind(&lower))?);
        lower.push(mixed_5a(&next(), c_behind(&lower))?);
        for _ in 0..a {
            lower.push(block_a(&next(), c_behind(&lower), pooling)?);
        }
        lower.push(reduction_a(&next(), c_behind(&lower))?);
        for _ in 0..b {
            lower.push(block_b(&next(), c_behind(&lower), pooling)?);
        }
        let c_in = c_behind(&lower);
        let size = halved(halved(valid(halved(valid(halved(image))))));
        let auxiliary = AuxiliaryHead::new(&vb.pp("aux"), (c_in, size), divisor, ("bn", "act"), classes)?;
        let mut upper = vec![reduction_b(&next(), c_in)?];
        for _ in 0..c {
            upper.push(block_c(&next(), c_behind(&upper), pooling)?);
        }
        let fc = Linear::new(vb, "last_linear", c_behind(&upper), classes);
        Ok(Self { stem, lower, auxiliary, upper, fc })
    }
}

fn mixed_3a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(c_in, &[Plan::Max, Plan::Chain(&[("conv", 96, Halve(3))])])
}

fn mixed_4a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0.0", 64, Keep(1, 1)), ("branch0.1", 96, Valid(3))]),
            Plan::Chain(&[
                ("branch1.0", 64, Keep(1, 1)),
                ("branch1.1", 64, Keep(1, 7)),
                ("branch1.2", 64, Keep(7, 1)),
                ("branch1.3", 96, Valid(3)),
            ]),
        ],
    )
}

fn mixed_5a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(c_in, &[Plan::Chain(&[("conv", 192, Halve(3))]), Plan::Max])
}

fn block_a(parts: &Parts, c_in: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 96, Keep(1, 1))]),
            Plan::Chain(&[("branch1.0", 64, Keep(1, 1)), ("branch1.1", 96, Keep(3, 3))]),
            Plan::Chain(&[("branch2.0", 64, Keep(1, 1)), ("branch2.1", 96, Keep(3, 3)), ("branch2.2", 96, Keep(3, 3))]),
            Plan::Average(pooling, ("branch3.1", 96, Keep(1, 1))),
        ],
    )
}

fn reduction_a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 384, Halve(3))]),
            Plan::Chain(&[
                ("branch1.0", 192, Keep(1, 1)),
                ("branch1.1", 224, Keep(3, 3)),
                ("branch1.2", 256, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block_b(parts: &Parts, c_in: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 384, Keep(1, 1))]),
            Plan::Chain(&[
                ("branch1.0", 192, Keep(1, 1)),
                ("branch1.1", 224, Keep(1, 7)),
                ("branch1.2", 256, Keep(7, 1)),
            ]),
            Plan::Chain(&[
                ("branch2.0", 192, Keep(1, 1)),
                ("branch2.1", 192, Keep(7, 1)),
                ("branch2.2", 224, Keep(1, 7)),
                ("branch2.3", 224, Keep(7, 1)),
                ("branch2.4", 256, Keep(1, 7)),
            ]),
            Plan::Average(pooling, ("branch3.1", 128, Keep(1, 1))),
        ],
    )
}

fn reduction_b(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0.0", 192, Keep(1, 1)), ("branch0.1", 192, Halve(3))]),
            Plan::Chain(&[
                ("branch1.0", 256, Keep(1, 1)),
                ("branch1.1", 256, Keep(1, 7)),
                ("branch1.2", 320, Keep(7, 1)),
                ("branch1.3", 320, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block_c(parts: &Parts, c_in: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch0", 256, Keep(1, 1))]),
            Plan::Fork(
                &[("branch1_0", 384, Keep(1, 1))],
                [("branch1_1a", 256, Keep(1, 3)), ("branch1_1b", 256, Keep(3, 1))],
            ),
            Plan::Fork(
                &[("branch2_0", 384, Keep(1, 1)), ("branch2_1", 448, Keep(3, 1)), ("branch2_2", 512, Keep(1, 3))],
                [("branch2_3a", 256, Keep(1, 3)), ("branch2_3b", 256, Keep(3, 1))],
            ),
            Plan::Average(pooling, ("branch3.1", 256, Keep(1, 1))),
        ],
    )
}

impl Model for InceptionV4 {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = chained(&self.stem, xs, run)?;
        for block in &self.lower {
            xs = block.forward(&xs, run)?;
        }
        run.auxiliary(|run| self.auxiliary.forward(&xs, run))?;
        for block in &self.upper {
            xs = block.forward(&xs, run)?;
        }
        self.fc.forward(&dropout(&global_mean(&xs, run)?, DROPOUT, 0, run)?, run)
    }
}
