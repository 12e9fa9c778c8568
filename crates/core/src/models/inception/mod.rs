//! What the Inception networks are made of: chains of convolutions side by side.
//!
//! Every convolution is followed by BatchNorm and an activation. Names of parameters as in timm.

mod resnet_v2;
mod v3;
mod v4;

pub(super) use resnet_v2::InceptionResNetV2;
pub(super) use v3::InceptionV3;
pub(super) use v4::InceptionV4;

use Kernel::{Halve, Keep, Valid};

use super::auxiliary::AuxiliaryHead;
use crate::nn::join::concat;
use crate::nn::{Builder, ConvConfig, Map, NormConfig, Pool, PoolKind, Result, Run, Unit};

/// Probability of dropout before the classifier: slim keeps 0.8.
const DROPOUT: f64 = 0.2;

/// Size of a member of one of the families.
#[derive(Clone, Copy, Debug)]
pub(in crate::models) struct Config {
    /// Channels are divided by it; 1 is the original.
    pub divisor: usize,
    /// Blocks at each of the three sizes of map, without those that change the size.
    pub blocks: [usize; 3],
    /// Height and width of the images that the auxiliary head is made for.
    pub image: usize,
    /// How the pooling branches treat the padding: `Average` is TensorFlow's, `AverageWithPadding` PyTorch's.
    pub pooling: PoolKind,
}

/// Geometry of one convolution in a chain.
#[derive(Clone, Copy)]
enum Kernel {
    /// Height and width, stride 1, size kept.
    Keep(usize, usize),
    /// Square, stride 1, without padding.
    Valid(usize),
    /// Square, stride 2, without padding.
    Halve(usize),
}

/// Declares units under one name, with channels divided.
struct Parts {
    vb: Builder,
    divisor: usize,
}

/// Name, output channels (before they are divided) and geometry of a unit.
type Layer<'a> = (&'a str, usize, Kernel);

impl Parts {
    /// The same one name further down.
    fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { vb: self.vb.pp(name), ..*self }
    }

    /// A convolution, BatchNorm and activation: `NAME.conv`, `NAME.bn`, `NAME.bn.act`. `c_in` and `c_out` are as they are.
    fn unit(&self, c_in: usize, name: &str, c_out: usize, kernel: Kernel) -> Result<Unit> {
        let conv = match kernel {
            Keep(height, width) => ConvConfig::keep(c_in, c_out, (height, width)),
            Valid(size) => ConvConfig::valid(c_in, c_out, size, 1),
            Halve(size) => ConvConfig::valid(c_in, c_out, size, 2),
        };
        Unit::conv_norm_act(&self.vb.pp(name), "conv", conv, ("bn", "bn.act"), NormConfig::SLIM)
    }

    /// Units one after the other, and the channels behind them.
    fn chain(&self, mut c_in: usize, layers: &[Layer<'_>]) -> Result<(Vec<Unit>, usize)> {
        let mut units = Vec::with_capacity(layers.len());
        for &(name, c_out, kernel) in layers {
            let c_out = c_out / self.divisor;
            units.push(self.unit(c_in, name, c_out, kernel)?);
            c_in = c_out;
        }
        Ok((units, c_in))
    }

    /// A block that reads `c_in` channels.
    fn mixed(&self, c_in: usize, branches: &[Plan<'_>]) -> Result<Mixed> {
        let mut mixed = Mixed { branches: Vec::with_capacity(branches.len()), c_out: 0 };
        for plan in branches {
            let (branch, c_out) = match *plan {
                Plan::Chain(layers) => {
                    let (units, c_out) = self.chain(c_in, layers)?;
                    (Branch { pool: None, units, ends: Vec::new() }, c_out)
                }
                Plan::Fork(layers, ends) => {
                    let (units, c_mid) = self.chain(c_in, layers)?;
                    let ends: Vec<_> = ends.iter().map(|end| self.chain(c_mid, &[*end])).collect::<Result<_>>()?;
                    let c_out = ends.iter().map(|(_, c)| c).sum();
                    let ends = ends.into_iter().flat_map(|(units, _)| units).collect();
                    (Branch { pool: None, units, ends }, c_out)
                }
                Plan::Average(kind, layer) => {
                    let (units, c_out) = self.chain(c_in, &[layer])?;
                    (Branch { pool: Some(Pool::square(kind, 3, 1, 1)), units, ends: Vec::new() }, c_out)
                }
                Plan::Max => {
                    let pool = Some(max_pool());
                    (Branch { pool, units: Vec::new(), ends: Vec::new() }, c_in)
                }
            };
            mixed.branches.push(branch);
            mixed.c_out += c_out;
        }
        Ok(mixed)
    }
}

/// What a branch of a block will be.
enum Plan<'a> {
    /// Units one after the other.
    Chain(&'a [Layer<'a>]),
    /// Units one after the other, then two that read the same map.
    Fork(&'a [Layer<'a>], [Layer<'a>; 2]),
    /// Average pooling over 3x3 and a 1x1 convolution.
    Average(PoolKind, Layer<'a>),
    /// Maximum pooling that halves the size.
    Max,
}

/// 3x3 with stride 2, without padding.
fn max_pool() -> Pool {
    Pool::square(PoolKind::Max, 3, 2, 0)
}

struct Branch {
    pool: Option<Pool>,
    units: Vec<Unit>,
    /// Where there are any, their results are the branch's.
    ends: Vec<Unit>,
}

/// Branches that read one map, their results side by side.
struct Mixed {
    branches: Vec<Branch>,
    c_out: usize,
}

impl Mixed {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let xs = xs.shared();
        let mut made = Vec::new();
        for branch in &self.branches {
            let mut ys = match &branch.pool {
                Some(pool) => pool.forward(&xs, run)?,
                None => xs.clone(),
            };
            for unit in &branch.units {
                ys = unit.forward(&ys, run)?;
            }
            if branch.ends.is_empty() {
                made.push(ys);
                continue;
            }
            let ys = ys.shared();
            for end in &branch.ends {
                made.push(end.forward(&ys, run)?);
            }
        }
        concat(&made, run)
    }
}

/// Runs units one after the other.
fn chained(units: &[Unit], xs: &Map, run: &mut Run<'_>) -> Result<Map> {
    units.iter().try_fold(xs.clone(), |xs, unit| unit.forward(&xs, run))
}

/// Convolutions and maximum pooling that Inception-v3 and Inception-ResNet-v2 begin with: from the images to 192 channels at an eighth of
/// their size.
struct Stem {
    first: Vec<Unit>,
    second: Vec<Unit>,
}

impl Stem {
    fn new(parts: &Parts, [a, b, c, d, e]: [&str; 5]) -> Result<(Self, usize)> {
        let (first, c_mid) = parts.chain(3, &[(a, 32, Halve(3)), (b, 32, Valid(3)), (c, 64, Keep(3, 3))])?;
        let (second, c_out) = parts.chain(c_mid, &[(d, 80, Valid(1)), (e, 192, Valid(3))])?;
        Ok((Self { first, second }, c_out))
    }

    /// Size of its maps.
    fn size(image: usize) -> usize {
        halved(valid(halved(valid(halved(image)))))
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let xs = max_pool().forward(&chained(&self.first, xs, run)?, run)?;
        max_pool().forward(&chained(&self.second, &xs, run)?, run)
    }
}

/// Size of a map behind 3x3 windows with stride 2 and without padding.
fn halved(size: usize) -> usize {
    size.saturating_sub(3) / 2 + 1
}

/// Size of a map behind 3x3 windows without padding.
fn valid(size: usize) -> usize {
    size.saturating_sub(2)
}

/// Channels behind the last of these blocks.
fn c_behind(blocks: &[Mixed]) -> usize {
    blocks.last().map_or(0, |block| block.c_out)
}
