//! Inception-v3 (Szegedy et al. 2015; tensorflow/models slim `inception_v3.py`): 23,834,568 parameters, and 3,326,696 of the auxiliary
//! head (1000 classes). Tables 6 and 7.

use super::{AuxiliaryHead, Config, DROPOUT, Halve, Keep, Mixed, Parts, Plan, Stem, c_behind, halved};
use crate::models::Model;
use crate::nn::shape::{dropout, global_mean};
use crate::nn::{Builder, Linear, Map, PoolKind, Result, Run};

/// The blocks at each size of map, and what is particular to each: channels of the pooling branch, of the 7x7 branches.
const BLOCKS_A: [(&str, usize); 3] = [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)];
const BLOCKS_B: [(&str, usize); 4] = [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)];
const BLOCKS_C: [&str; 2] = ["Mixed_7b", "Mixed_7c"];

pub(in crate::models) struct InceptionV3 {
    stem: Stem,
    /// Up to the auxiliary head.
    lower: Vec<Mixed>,
    auxiliary: AuxiliaryHead,
    upper: Vec<Mixed>,
    fc: Linear,
}

impl InceptionV3 {
    pub(in crate::models) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { divisor, blocks: [a, b, c], image, pooling } = config;
        let parts = Parts { vb: vb.clone(), divisor };
        let names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"];
        let (stem, mut c_in) = Stem::new(&parts, names)?;
        let mut lower = Vec::new();
        for (name, c_pool) in BLOCKS_A.into_iter().take(a) {
            lower.push(block_a(&parts.at(name), c_in, c_pool, pooling)?);
            c_in = c_behind(&lower);
        }
        lower.push(reduction_a(&parts.at("Mixed_6a"), c_in)?);
        c_in = c_behind(&lower);
        for (name, c_mid) in BLOCKS_B.into_iter().take(b) {
            lower.push(block_b(&parts.at(name), c_in, c_mid, pooling)?);
            c_in = c_behind(&lower);
        }
        let size = halved(Stem::size(image));
        let auxiliary = AuxiliaryHead::new(&vb.pp("AuxLogits"), (c_in, size), divisor, ("bn", "bn.act"), classes)?;
        let mut upper = vec![reduction_b(&parts.at("Mixed_7a"), c_in)?];
        for name in BLOCKS_C.into_iter().take(c) {
            upper.push(block_c(&parts.at(name), c_behind(&upper), pooling)?);
        }
        let fc = Linear::new(vb, "fc", c_behind(&upper), classes);
        Ok(Self { stem, lower, auxiliary, upper, fc })
    }
}

fn block_a(parts: &Parts, c_in: usize, c_pool: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch1x1", 64, Keep(1, 1))]),
            Plan::Chain(&[("branch5x5_1", 48, Keep(1, 1)), ("branch5x5_2", 64, Keep(5, 5))]),
            Plan::Chain(&[
                ("branch3x3dbl_1", 64, Keep(1, 1)),
                ("branch3x3dbl_2", 96, Keep(3, 3)),
                ("branch3x3dbl_3", 96, Keep(3, 3)),
            ]),
            Plan::Average(pooling, ("branch_pool", c_pool, Keep(1, 1))),
        ],
    )
}

fn reduction_a(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch3x3", 384, Halve(3))]),
            Plan::Chain(&[
                ("branch3x3dbl_1", 64, Keep(1, 1)),
                ("branch3x3dbl_2", 96, Keep(3, 3)),
                ("branch3x3dbl_3", 96, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block_b(parts: &Parts, c_in: usize, c: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch1x1", 192, Keep(1, 1))]),
            Plan::Chain(&[
                ("branch7x7_1", c, Keep(1, 1)),
                ("branch7x7_2", c, Keep(1, 7)),
                ("branch7x7_3", 192, Keep(7, 1)),
            ]),
            Plan::Chain(&[
                ("branch7x7dbl_1", c, Keep(1, 1)),
                ("branch7x7dbl_2", c, Keep(7, 1)),
                ("branch7x7dbl_3", c, Keep(1, 7)),
                ("branch7x7dbl_4", c, Keep(7, 1)),
                ("branch7x7dbl_5", 192, Keep(1, 7)),
            ]),
            Plan::Average(pooling, ("branch_pool", 192, Keep(1, 1))),
        ],
    )
}

fn reduction_b(parts: &Parts, c_in: usize) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch3x3_1", 192, Keep(1, 1)), ("branch3x3_2", 320, Halve(3))]),
            Plan::Chain(&[
                ("branch7x7x3_1", 192, Keep(1, 1)),
                ("branch7x7x3_2", 192, Keep(1, 7)),
                ("branch7x7x3_3", 192, Keep(7, 1)),
                ("branch7x7x3_4", 192, Halve(3)),
            ]),
            Plan::Max,
        ],
    )
}

fn block_c(parts: &Parts, c_in: usize, pooling: PoolKind) -> Result<Mixed> {
    parts.mixed(
        c_in,
        &[
            Plan::Chain(&[("branch1x1", 320, Keep(1, 1))]),
            Plan::Fork(
                &[("branch3x3_1", 384, Keep(1, 1))],
                [("branch3x3_2a", 384, Keep(1, 3)), ("branch3x3_2b", 384, Keep(3, 1))],
            ),
            Plan::Fork(
                &[("branch3x3dbl_1", 448, Keep(1, 1)), ("branch3x3dbl_2", 384, Keep(3, 3))],
                [("branch3x3dbl_3a", 384, Keep(1, 3)), ("branch3x3dbl_3b", 384, Keep(3, 1))],
            ),
            Plan::Average(pooling, ("branch_pool", 192, Keep(1, 1))),
        ],
    )
}

impl Model for InceptionV3 {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.stem.forward(xs, run)?;
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
