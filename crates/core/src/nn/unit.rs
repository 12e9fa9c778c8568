//! [`Unit`]: the block that every network here is made of. One candle operator a block.

use super::error::{Error, Result};
use super::params::{Buffer, Builder, Role};
use super::pass::Pass;
use super::unit_op::{ConvStage, NormAct, Statistics, Trace, UnitOp};
use candle_core::{DType, Tensor, Var};
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use swish_kernels::act::Program;
use swish_kernels::conv::{Conv2d, Operands, Pad};

pub use super::unit_op::Join;

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

    fn at(&self, n: usize, h: usize, w: usize, operands: Operands) -> Conv2d {
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

/// BatchNorm and activation of a unit.
#[derive(Clone, Debug)]
struct NormLayer {
    channels: usize,
    config: NormConfig,
    gamma: usize,
    beta: usize,
    params: Range<usize>,
    program: Arc<Program>,
    running_mean: Buffer,
    running_var: Buffer,
}

/// Names a norm and the activation behind it, as in `("bn1", "act1")`.
pub type NormNames<'a> = (&'a str, &'a str);

/// A block: [BatchNorm, activation], convolution, [BatchNorm, join, activation], each stage optional.
///
/// Images are (n, h, w, c). The block's parameters are one flat variable; their names follow PyTorch.
#[derive(Clone, Debug)]
pub struct Unit {
    name: String,
    pre: Option<NormLayer>,
    conv: Option<(ConvConfig, Range<usize>)>,
    post: Option<NormLayer>,
    params: Var,
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
        let mut block = vb.block();
        let mut used = 0;
        let program = Arc::new(vb.activation().program());
        let per_site = vb.activation().params().len();
        let add_norm = |block: &mut super::params::Block<'_>, used: &mut usize, (bn, act): NormNames<'_>, c: usize| {
            let at = vb.pp(bn);
            block.add(&at, "weight", &[c], Role::NormWeight);
            block.add(&at, "bias", &[c], Role::NormBias);
            block.add_activation(vb, act, c);
            let start = *used;
            *used += c * (2 + per_site);
            Ok::<_, Error>(NormLayer {
                channels: c,
                config: norm,
                gamma: start,
                beta: start + c,
                params: start + 2 * c..*used,
                program: program.clone(),
                running_mean: at.buffer("running_mean", c, 0.0)?,
                running_var: at.buffer("running_var", c, 1.0)?,
            })
        };
        let pre = pre.map(|(names, c)| add_norm(&mut block, &mut used, names, c)).transpose()?;
        let c_out = conv.as_ref().map(|(_, conv)| conv.c_out);
        let conv = conv.map(|(name, conv)| {
            let shape = [conv.c_out, conv.c_in / conv.groups, conv.kernel.0, conv.kernel.1];
            block.add(&vb.pp(name), "weight", &shape, Role::ConvWeight);
            let start = used;
            used += shape.iter().product::<usize>();
            (conv, start..used)
        });
        let post = match (post, c_out) {
            (Some(names), Some(c)) => Some(add_norm(&mut block, &mut used, names, c)?),
            _ => None,
        };
        Ok(Self { name: vb.path().to_string(), pre, conv, post, params: block.finish()? })
    }

    /// Runs the block on images (n, h, w, c_in).
    pub fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.run(xs, None, pass)
    }

    /// Runs the block and joins its result with `other`: the residual sum, or DenseNet's concatenation.
    pub fn forward_join(&self, xs: &Tensor, join: Join, other: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.run(xs, Some((join, other)), pass)
    }

    fn run(&self, xs: &Tensor, join: Option<(Join, &Tensor)>, pass: &Pass) -> Result<Tensor> {
        let [n, h, w, c] = self.image_shape(xs)?;
        let conv = self
            .conv
            .as_ref()
            .map(|(config, weight)| ConvStage { conv: config.at(n, h, w, pass.operands), weight: weight.clone() });
        let mut out_shape = [n, h, w, c];
        if let Some(ConvStage { conv, .. }) = &conv {
            pass.count(n as u64 * conv.macs());
            out_shape = [n, conv.out_h(), conv.out_w(), conv.c_out];
        }
        if let Some((join, other)) = join {
            let found = self.image_shape_of_join(other, join, out_shape)?;
            if join == Join::Concat {
                out_shape[3] += found[3];
            }
        }
        let trace = Arc::new(Trace::default());
        let op = UnitOp {
            pre: self.pre.as_ref().map(|l| l.stage(pass)).transpose()?,
            conv,
            post: self.post.as_ref().map(|l| l.stage(pass)).transpose()?,
            join: join.map(|(join, _)| join),
            out_shape,
            trace: trace.clone(),
            keep: pass.train,
        };
        let (xs, params) = (xs.contiguous()?, self.params.as_tensor());
        let ys = match (join, pass.train) {
            (None, true) => xs.apply_op2(params, op)?,
            (None, false) => xs.apply_op2_no_bwd(params, &op)?,
            (Some((_, other)), true) => xs.apply_op3(params, &other.contiguous()?, op)?,
            (Some((_, other)), false) => xs.apply_op3_no_bwd(params, &other.contiguous()?, &op)?,
        };
        if pass.train {
            let [pre, post] = trace.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let [pre_rows, post_rows] = [n * h * w, out_shape[0] * out_shape[1] * out_shape[2]];
            for (layer, batch, rows) in [(&self.pre, pre, pre_rows), (&self.post, post, post_rows)] {
                if let (Some(layer), Some(batch)) = (layer, batch) {
                    layer.update_running(&batch, rows, pass)?;
                }
            }
        }
        Ok(ys)
    }

    fn image_shape(&self, xs: &Tensor) -> Result<[usize; 4]> {
        let c_in = self.pre.as_ref().map(|l| l.channels).or(self.conv.as_ref().map(|(c, _)| c.c_in));
        let bad = || Error::BadInput {
            layer: self.name.clone(),
            found: xs.dims().to_vec(),
            expected: format!("(n, h, w, {})", c_in.unwrap_or_default()),
        };
        let &[n, h, w, c] = xs.dims() else {
            return Err(bad());
        };
        if c_in != Some(c) || n * h * w == 0 {
            return Err(bad());
        }
        if let Some((conv, _)) = &self.conv {
            let (kh, kw) = conv.kernel;
            if h + conv.pad.top + conv.pad.bottom < kh || w + conv.pad.left + conv.pad.right < kw {
                return Err(bad());
            }
        }
        Ok([n, h, w, c])
    }

    fn image_shape_of_join(&self, other: &Tensor, join: Join, own: [usize; 4]) -> Result<[usize; 4]> {
        let bad = || Error::BadInput {
            layer: self.name.clone(),
            found: other.dims().to_vec(),
            expected: format!("second input to be joined with {own:?}"),
        };
        let &[n, h, w, c] = other.dims() else {
            return Err(bad());
        };
        let fits = [n, h, w] == own[..3] && (join == Join::Concat || c == own[3]);
        if fits { Ok([n, h, w, c]) } else { Err(bad()) }
    }
}

impl NormLayer {
    fn stage(&self, pass: &Pass) -> Result<NormAct> {
        let running = if pass.train {
            None
        } else {
            Some(Statistics { mean: to_f64(&self.running_mean.get())?, var: to_f64(&self.running_var.get())? })
        };
        Ok(NormAct {
            channels: self.channels,
            eps: self.config.eps,
            gamma: self.gamma,
            beta: self.beta,
            params: self.params.clone(),
            program: self.program.clone(),
            running,
        })
    }

    /// running = (1 - momentum) running + momentum * batch, the variance unbiased, as PyTorch does.
    fn update_running(&self, batch: &Statistics, rows: usize, pass: &Pass) -> Result<()> {
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
