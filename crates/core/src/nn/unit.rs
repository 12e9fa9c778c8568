//! [`Unit`]: the block that every network here is made of.

use super::error::{Error, Result};
use super::map::{Map, Pending};
use super::params::{Buffer, Builder, Role};
use super::pass::Pass;
use super::run::{Run, typed};
use super::unit_step;
use candle_core::{DType, Tensor};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use swish_kernels::act::Program;
use swish_kernels::block::Moments;
use swish_kernels::conv::{Conv2d, Operands, Pad};

/// A convolution's geometry, without the image size.
#[derive(Clone, Copy, Debug)]
pub struct ConvConfig {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Kernel height and width.
    pub kernel: (usize, usize),
    /// Vertical and horizontal stride.
    pub stride: (usize, usize),
    /// Zero padding on the four sides.
    pub pad: Pad,
    /// Groups; `c_in` for a depthwise convolution.
    pub groups: usize,
}

impl ConvConfig {
    /// A square `kernel` x `kernel` convolution padded by `kernel / 2`, the convolution of the CIFAR networks.
    pub fn same(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Self {
        let p = kernel / 2;
        let pad = Pad { top: p, bottom: p, left: p, right: p };
        Self { c_in, c_out, kernel: (kernel, kernel), stride: (stride, stride), pad, groups: 1 }
    }

    pub(super) fn at(&self, [n, h, w, _]: [usize; 4], operands: Operands) -> Conv2d {
        let &Self { c_in, c_out, kernel: (kh, kw), stride, pad, groups } = self;
        Conv2d { n, h, w, c_in, c_out, kh, kw, stride, pad, groups, operands }
    }
}

/// BatchNorm's constants.
#[derive(Clone, Copy, Debug)]
pub struct NormConfig {
    /// Added to the variance.
    pub eps: f64,
    /// Share of the batch's statistics in the new running ones (PyTorch's `momentum`).
    pub momentum: f64,
}

impl NormConfig {
    /// Torch's: eps 1e-5, momentum 0.1; what all CIFAR networks use (SPEC 4).
    pub const TORCH: Self = Self { eps: 1e-5, momentum: 0.1 };
}

/// BatchNorm and activation of a unit, with the places of their parameters.
#[derive(Debug)]
pub(crate) struct NormLayer {
    pub(super) channels: usize,
    pub(super) config: NormConfig,
    pub(super) gamma: Range<usize>,
    pub(super) beta: Range<usize>,
    pub(super) params: Range<usize>,
    pub(super) program: Arc<Program>,
    running_mean: Buffer,
    running_var: Buffer,
}

/// Names a norm and the activation behind it, as in `("bn1", "act1")`.
pub type NormNames<'a> = (&'a str, &'a str);

/// A block: [BatchNorm, activation], convolution, [BatchNorm, sum, activation], each stage optional.
///
/// Images are (n, h, w, c). The names of parameters follow PyTorch. The last norm and activation are run by the layer that reads the
/// result, so that only the convolution's output is stored.
#[derive(Clone, Debug)]
pub struct Unit {
    pub(super) name: String,
    pub(super) pre: Option<Arc<NormLayer>>,
    pub(super) conv: Option<(ConvConfig, Range<usize>)>,
    post: Option<Arc<NormLayer>>,
}

impl Unit {
    /// Convolution alone, weight `NAME.weight`.
    pub fn conv(vb: &Builder, name: &str, conv: ConvConfig) -> Result<Self> {
        Self::build(vb, None, Some((name, conv)), None, NormConfig::TORCH)
    }

    /// Convolution, BatchNorm, activation (post-activation networks).
    pub fn conv_norm_act(
        vb: &Builder,
        name: &str,
        conv: ConvConfig,
        post: NormNames<'_>,
        norm: NormConfig,
    ) -> Result<Self> {
        Self::build(vb, None, Some((name, conv)), Some(post), norm)
    }

    /// BatchNorm, activation, convolution (pre-activation networks).
    pub fn norm_act_conv(
        vb: &Builder,
        pre: NormNames<'_>,
        name: &str,
        conv: ConvConfig,
        norm: NormConfig,
    ) -> Result<Self> {
        Self::build(vb, Some((pre, conv.c_in)), Some((name, conv)), None, norm)
    }

    /// BatchNorm and activation alone.
    pub fn norm_act(vb: &Builder, names: NormNames<'_>, channels: usize, norm: NormConfig) -> Result<Self> {
        Self::build(vb, Some((names, channels)), None, None, norm)
    }

    fn build(
        vb: &Builder,
        pre: Option<(NormNames<'_>, usize)>,
        conv: Option<(&str, ConvConfig)>,
        post: Option<NormNames<'_>>,
        norm: NormConfig,
    ) -> Result<Self> {
        let program = Arc::new(vb.activation().program());
        let norm_layer = |(bn, act): NormNames<'_>, c: usize| {
            let at = vb.pp(bn);
            Ok::<_, Error>(Arc::new(NormLayer {
                channels: c,
                config: norm,
                gamma: at.add("weight", &[c], Role::NormWeight),
                beta: at.add("bias", &[c], Role::NormBias),
                params: vb.add_activation(act, c),
                program: program.clone(),
                running_mean: at.buffer("running_mean", c, 0.0)?,
                running_var: at.buffer("running_var", c, 1.0)?,
            }))
        };
        let pre = pre.map(|(names, c)| norm_layer(names, c)).transpose()?;
        let conv = conv.map(|(name, conv)| {
            let shape = [conv.c_out, conv.c_in / conv.groups, conv.kernel.0, conv.kernel.1];
            (conv, vb.pp(name).add("weight", &shape, Role::ConvWeight))
        });
        let post = match (post, &conv) {
            (Some(names), Some((conv, _))) => Some(norm_layer(names, conv.c_out)?),
            _ => None,
        };
        Ok(Self { name: vb.path().to_string(), pre, conv, post })
    }

    /// Runs the block on images (n, h, w, c_in).
    ///
    /// # Errors
    /// [`Error::BadInput`] for images of another shape.
    pub fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        self.forward_with(xs, None, run)
    }

    /// Runs the block with `other` added: before the last activation if the block ends with a norm, else to the result.
    ///
    /// # Errors
    /// [`Error::BadInput`] for images of another shape.
    pub fn forward_add(&self, xs: &Map, other: &Map, run: &mut Run<'_>) -> Result<Map> {
        self.forward_with(xs, Some(other), run)
    }

    fn forward_with(&self, xs: &Map, other: Option<&Map>, run: &mut Run<'_>) -> Result<Map> {
        let out = self.out_shape(xs.shape())?;
        if let (Some((conv, _)), Some(tally)) = (&self.conv, &run.pass.tally) {
            tally.add(xs.shape()[0] as u64 * conv.at(xs.shape(), Operands::Exact).macs());
        }
        if let Some(other) = other.filter(|other| other.shape() != out) {
            let expected = format!("second input of shape {out:?}");
            return Err(Error::BadInput { layer: self.name.clone(), found: other.shape().to_vec(), expected });
        }
        typed!(xs, E => {
            let source = unit_step::source::<E>(self, xs, run)?;
            let conv = self.prepare::<E>(xs.shape(), run)?;
            let shortcut = match (other, &self.post) {
                (Some(other), None) => Some(unit_step::plain::<E>(other, run)?),
                _ => None,
            };
            let node = unit_step::run_unit::<E>(&self.name, conv, source, shortcut, out, run)?;
            let pending = match &self.post {
                None => None,
                Some(post) => Some(Arc::new(Pending {
                    norm: post.clone(),
                    moments: post.moments(&node, run.pass)?,
                    // After the convolution, which may have kept these very values.
                    residual: other.map(|other| unit_step::plain::<E>(other, run)).transpose()?,
                    shared: AtomicBool::new(false),
                    kept: OnceLock::new(),
                })),
            };
            Ok(Map { node, pending })
        })
    }

    pub(super) fn out_shape(&self, shape: [usize; 4]) -> Result<[usize; 4]> {
        let [n, h, w, c] = shape;
        let c_in = self.pre.as_ref().map(|l| l.channels).or(self.conv.as_ref().map(|(c, _)| c.c_in));
        let covered = self.conv.as_ref().is_none_or(|(conv, _)| {
            h + conv.pad.top + conv.pad.bottom >= conv.kernel.0 && w + conv.pad.left + conv.pad.right >= conv.kernel.1
        });
        if c_in != Some(c) || n * h * w == 0 || !covered {
            let expected = format!("(n, h, w, {})", c_in.unwrap_or_default());
            return Err(Error::BadInput { layer: self.name.clone(), found: shape.to_vec(), expected });
        }
        Ok(match &self.conv {
            None => shape,
            Some((conv, _)) => {
                let conv = conv.at(shape, Operands::Exact);
                [n, conv.out_h(), conv.out_w(), conv.c_out]
            }
        })
    }
}

impl NormLayer {
    /// The statistics to normalise `node` with: in training the batch's, which also move the running ones.
    pub(super) fn moments(&self, node: &super::map::Node, pass: &Pass) -> Result<Arc<Moments>> {
        if !pass.train {
            return self.running();
        }
        let moments = unit_step::moments(node)?;
        self.update_running(&moments, node.pixels(), pass)?;
        Ok(moments)
    }

    pub(super) fn running(&self) -> Result<Arc<Moments>> {
        Ok(Arc::new(Moments { mean: to_f64(&self.running_mean.get())?, var: to_f64(&self.running_var.get())? }))
    }

    /// running = (1 - momentum) running + momentum * batch, the variance unbiased, as PyTorch does.
    pub(super) fn update_running(&self, batch: &Moments, rows: usize, pass: &Pass) -> Result<()> {
        let momentum = pass.norm_momentum.unwrap_or(self.config.momentum);
        let unbiased = rows as f64 / (rows as f64 - 1.0).max(1.0);
        for (buffer, new, factor) in [(&self.running_mean, &batch.mean, 1.0), (&self.running_var, &batch.var, unbiased)]
        {
            let old = buffer.get();
            let mixed: Vec<f64> =
                to_f64(&old)?.iter().zip(new).map(|(o, n)| (1.0 - momentum) * o + momentum * n * factor).collect();
            buffer.set(Tensor::from_vec(mixed, self.channels, old.device())?.to_dtype(old.dtype())?);
        }
        Ok(())
    }
}

fn to_f64(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.to_vec1()?)
}
