//! The cells of NASNet-A.

use crate::nn::join::{concat, join, sum};
use crate::nn::shape::every_other_pixel;
use crate::nn::{Builder, ConvConfig, Map, NormConfig, Padding, Pool, PoolKind, Result, Run, Unit};

/// The two cells that the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    /// Halves height and width.
    Reduction,
}

impl Kind {
    /// Maps that a cell joins.
    pub(super) fn parts(self) -> usize {
        match self {
            Self::Normal => 6,
            Self::Reduction => 4,
        }
    }
}

/// How the map before the last compares with the last one, which decides how a cell reads it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Previous {
    /// It is the same map, read as it is (the first cell).
    Raw,
    /// Of the same size.
    Same,
    /// Twice as high and wide.
    Larger,
}

/// The map before the last on its way into a cell.
enum Entry {
    Raw,
    /// Activation, 1x1 convolution, BatchNorm.
    Conv(Box<Unit>),
    Factorised(Box<Factorised>),
}

/// Factorised reduction: 1x1 convolutions of the even pixels and of the odd ones, side by side.
struct Factorised {
    act: Unit,
    paths: [Unit; 2],
    norm: Unit,
}

/// Twice: activation, depthwise convolution, pointwise convolution, BatchNorm.
struct Separable([Unit; 4]);

pub(super) struct Cell {
    kind: Kind,
    conv_1x1: Unit,
    entry: Entry,
    branches: [Separable; 5],
}

impl Cell {
    /// For a last map of `cur` channels and one before it of `prev`, with `f` filters.
    pub(super) fn new(
        vb: &Builder,
        cur: usize,
        (prev, previous): (usize, Previous),
        f: usize,
        kind: Kind,
    ) -> Result<Self> {
        let conv = |name: &str, c_in: usize| {
            let config = ConvConfig::same(c_in, f, 1, 1);
            Unit::act_conv_norm(&vb.pp(name), "act", "conv", config, "bn", NormConfig::SLIM)
        };
        let conv_1x1 = conv("conv_1x1", cur)?;
        let (entry, c1) = match previous {
            Previous::Raw => (Entry::Raw, prev),
            Previous::Same => (Entry::Conv(Box::new(conv("conv_prev_1x1", prev)?)), f),
            Previous::Larger => (Entry::Factorised(Box::new(Factorised::new(vb, prev, f)?)), f),
        };
        let separable = |name: &str, c_in, kernel, stride| {
            Separable::new(&vb.pp(format!("comb_iter_{name}")), (c_in, f), kernel, stride)
        };
        let branches = match kind {
            Kind::Normal => [
                separable("0_left", f, 5, 1)?,
                separable("0_right", c1, 3, 1)?,
                separable("1_left", c1, 5, 1)?,
                separable("1_right", c1, 3, 1)?,
                separable("4_left", f, 3, 1)?,
            ],
            Kind::Reduction => [
                separable("0_left", f, 5, 2)?,
                separable("0_right", c1, 7, 2)?,
                separable("1_right", c1, 7, 2)?,
                separable("2_right", c1, 5, 2)?,
                separable("4_left", f, 3, 1)?,
            ],
        };
        Ok(Self { kind, conv_1x1, entry, branches })
    }

    pub(super) fn forward(&self, cur: &Map, prev: &Map, run: &mut Run<'_>) -> Result<Map> {
        let h0 = self.conv_1x1.forward(cur, run)?;
        let h1 = match &self.entry {
            Entry::Raw => prev.clone(),
            Entry::Conv(unit) => unit.forward(prev, run)?,
            Entry::Factorised(reduction) => reduction.forward(prev, run)?,
        };
        // Several layers read them, each with its own activation.
        let (h0, h1) = (h0.shared(), h1.shared());
        match self.kind {
            Kind::Normal => self.normal(&h0, &h1, run),
            Kind::Reduction => self.reduction(&h0, &h1, run),
        }
    }

    fn normal(&self, h0: &Map, h1: &Map, run: &mut Run<'_>) -> Result<Map> {
        let [left_0, right_0, left_1, right_1, left_4] = &self.branches;
        let average = Pool::same(PoolKind::Average, 3, 1);
        let (left_0, right_0) = (left_0.forward(h0, run)?, right_0.forward(h1, run)?);
        let (left_1, right_1) = (left_1.forward(h1, run)?, right_1.forward(h1, run)?);
        let (mean_0, mean_1) = (average.forward(h0, run)?, average.forward(h1, run)?);
        let left_4 = left_4.forward(h0, run)?;
        join(
            &[
                &[h1],
                &[&left_0, &right_0],
                &[&left_1, &right_1],
                &[&mean_0, h1],
                // The search found the same pooling twice.
                &[&mean_1, &mean_1],
                &[&left_4, h0],
            ],
            run,
        )
    }

    fn reduction(&self, h0: &Map, h1: &Map, run: &mut Run<'_>) -> Result<Map> {
        let [left_0, right_0, right_1, right_2, left_4] = &self.branches;
        let average = |stride| Pool::same(PoolKind::Average, 3, stride);
        let max = Pool::same(PoolKind::Max, 3, 2).forward(h0, run)?;
        let h2 = sum(&left_0.forward(h0, run)?, &right_0.forward(h1, run)?, run)?;
        let h3 = sum(&max, &right_1.forward(h1, run)?, run)?;
        let (mean_0, mean_2) = (average(2).forward(h0, run)?, average(1).forward(&h2, run)?);
        let (right_2, left_4) = (right_2.forward(h1, run)?, left_4.forward(&h2, run)?);
        join(&[&[&h3], &[&mean_0, &right_2], &[&h3, &mean_2], &[&left_4, &max]], run)
    }
}

impl Factorised {
    fn new(vb: &Builder, c_in: usize, f: usize) -> Result<Self> {
        let path = |name: &str, stride| {
            let conv = ConvConfig::valid(c_in, f / 2, 1, stride);
            Unit::conv(&vb.pp(name), "conv", conv).map(Unit::without_moments)
        };
        Ok(Self {
            act: Unit::act(vb, "act", c_in)?,
            paths: [path("path_1", 2)?, path("path_2", 1)?],
            norm: Unit::norm(vb, "final_path_bn", f / 2 * 2, NormConfig::SLIM)?,
        })
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let xs = self.act.forward(xs, run)?;
        let even = self.paths[0].forward(&xs, run)?;
        let odd = self.paths[1].forward(&every_other_pixel(&xs, run)?, run)?;
        self.norm.forward(&concat(&[even, odd], run)?, run)
    }
}

impl Separable {
    fn new(vb: &Builder, (c_in, c_out): (usize, usize), kernel: usize, stride: usize) -> Result<Self> {
        let norm = NormConfig::SLIM;
        let first = ConvConfig::depthwise(c_in, kernel, stride, Padding::Same);
        let second = ConvConfig::depthwise(c_out, kernel, 1, Padding::Same);
        let pointwise = |c_in| ConvConfig::same(c_in, c_out, 1, 1);
        let (deep_1, point_1) = ("separable_1.depthwise_conv2d", "separable_1.pointwise_conv2d");
        let (deep_2, point_2) = ("separable_2.depthwise_conv2d", "separable_2.pointwise_conv2d");
        Ok(Self([
            Unit::act_conv(vb, "act", deep_1, first)?.without_moments(),
            Unit::conv_norm_act(vb, point_1, pointwise(c_in), ("bn_sep_1", "act1"), norm)?,
            Unit::conv(vb, deep_2, second)?.without_moments(),
            Unit::conv_norm(vb, point_2, pointwise(c_out), "bn_sep_2", norm)?,
        ]))
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        self.0.iter().try_fold(xs.clone(), |xs, unit| unit.forward(&xs, run))
    }
}
