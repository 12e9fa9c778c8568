//! [`Unit`]: the block that every network here is made of.

use super::error::{Error, Result};
use super::graph::Op;
use super::map::{Map, Pending};
use super::norm::{NormConfig, NormLayer, Stage};
use super::padding::Padding;
use super::params::{Builder, Role};
use super::run::{Run, typed};
use super::unit_step;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
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
    /// Zeros around the image.
    pub pad: Padding,
    /// Groups; `c_in` for a depthwise convolution.
    pub groups: usize,
}

impl ConvConfig {
    /// A square `kernel` x `kernel` convolution padded by `kernel / 2`, the convolution of the CIFAR networks.
    pub fn same(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Self {
        let pad = Padding::Fixed(Pad::all(kernel / 2));
        Self { c_in, c_out, kernel: (kernel, kernel), stride: (stride, stride), pad, groups: 1 }
    }

    /// A square convolution without padding (TensorFlow's VALID).
    pub fn valid(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Self {
        Self { pad: Padding::Fixed(Pad::default()), ..Self::same(c_in, c_out, kernel, stride) }
    }

    /// A convolution of stride 1 that keeps the size; `kernel` is odd in both directions.
    pub fn keep(c_in: usize, c_out: usize, kernel: (usize, usize)) -> Self {
        let pad = Padding::Fixed(Pad::same(kernel.0, kernel.1));
        Self { c_in, c_out, kernel, stride: (1, 1), pad, groups: 1 }
    }

    /// A depthwise convolution, one filter a channel.
    pub fn depthwise(channels: usize, kernel: usize, stride: usize, pad: Padding) -> Self {
        Self { pad, groups: channels, ..Self::same(channels, channels, kernel, stride) }
    }

    pub(super) fn at(&self, [n, h, w, _]: [usize; 4], operands: Operands) -> Conv2d {
        let &Self { c_in, c_out, kernel: (kh, kw), stride, pad, groups } = self;
        let pad = pad.of([h, w], self.kernel, stride);
        Conv2d { n, h, w, c_in, c_out, kh, kw, stride, pad, groups, operands }
    }
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
    /// Whether a norm will ask for the moments of the convolution's result.
    measured: bool,
}

impl Unit {
    /// Convolution alone, weight `NAME.weight`.
    pub fn conv(vb: &Builder, name: &str, conv: ConvConfig) -> Result<Self> {
        Self::build(vb, None, Some((name, conv)), None)
    }

    /// Convolution, BatchNorm, activation (post-activation networks).
    pub fn conv_norm_act(
        vb: &Builder,
        name: &str,
        conv: ConvConfig,
        (norm, act): NormNames<'_>,
        config: NormConfig,
    ) -> Result<Self> {
        Self::build(vb, None, Some((name, conv)), Some(Stage::Norm { norm, config, act: Some(act) }))
    }

    /// Convolution, BatchNorm.
    pub fn conv_norm(vb: &Builder, name: &str, conv: ConvConfig, norm: &str, config: NormConfig) -> Result<Self> {
        Self::build(vb, None, Some((name, conv)), Some(Stage::Norm { norm, config, act: None }))
    }

    /// Convolution with bias `NAME.bias`, times `factor` and, where `act` names one, the activation. With [`Unit::forward_add`] the
    /// residual comes in after the factor (Inception-ResNet).
    pub fn conv_scale_act(vb: &Builder, name: &str, conv: ConvConfig, factor: f64, act: Option<&str>) -> Result<Self> {
        let mut unit = Self::build(vb, None, Some((name, conv)), None)?.without_moments();
        let bias = vb.pp(name).add("bias", &[conv.c_out], Role::Bias);
        unit.post = Some(NormLayer::new(vb, Stage::Scale { factor, bias, act }, conv.c_out)?);
        Ok(unit)
    }

    /// BatchNorm, activation, convolution (pre-activation networks).
    pub fn norm_act_conv(
        vb: &Builder,
        (norm, act): NormNames<'_>,
        name: &str,
        conv: ConvConfig,
        config: NormConfig,
    ) -> Result<Self> {
        let pre = Stage::Norm { norm, config, act: Some(act) };
        Self::build(vb, Some((pre, conv.c_in)), Some((name, conv)), None)
    }

    /// Activation, convolution.
    pub fn act_conv(vb: &Builder, act: &str, name: &str, conv: ConvConfig) -> Result<Self> {
        Self::build(vb, Some((Stage::Act(act), conv.c_in)), Some((name, conv)), None)
    }

    /// Activation, convolution, BatchNorm (NASNet).
    pub fn act_conv_norm(
        vb: &Builder,
        act: &str,
        name: &str,
        conv: ConvConfig,
        norm: &str,
        config: NormConfig,
    ) -> Result<Self> {
        let post = Stage::Norm { norm, config, act: None };
        Self::build(vb, Some((Stage::Act(act), conv.c_in)), Some((name, conv)), Some(post))
    }

    /// BatchNorm and activation alone.
    pub fn norm_act(vb: &Builder, (norm, act): NormNames<'_>, channels: usize, config: NormConfig) -> Result<Self> {
        Self::build(vb, Some((Stage::Norm { norm, config, act: Some(act) }, channels)), None, None)
    }

    /// BatchNorm alone.
    pub fn norm(vb: &Builder, norm: &str, channels: usize, config: NormConfig) -> Result<Self> {
        Self::build(vb, Some((Stage::Norm { norm, config, act: None }, channels)), None, None)
    }

    /// The activation alone.
    pub fn act(vb: &Builder, act: &str, channels: usize) -> Result<Self> {
        Self::build(vb, Some((Stage::Act(act), channels)), None, None)
    }

    /// The same block for a result that no norm reads: its moments are not found on the way.
    pub fn without_moments(self) -> Self {
        Self { measured: false, ..self }
    }

    fn build(
        vb: &Builder,
        pre: Option<(Stage<'_>, usize)>,
        conv: Option<(&str, ConvConfig)>,
        post: Option<Stage<'_>>,
    ) -> Result<Self> {
        let pre = pre.map(|(stage, c)| NormLayer::new(vb, stage, c)).transpose()?;
        let conv = conv.map(|(name, conv)| {
            let shape = [conv.c_out, conv.c_in / conv.groups, conv.kernel.0, conv.kernel.1];
            (conv, vb.pp(name).add("weight", &shape, Role::ConvWeight))
        });
        let post = match (post, &conv) {
            (Some(stage), Some((conv, _))) => Some(NormLayer::new(vb, stage, conv.c_out)?),
            _ => None,
        };
        let measured = conv.is_some();
        Ok(Self { name: vb.path().to_string(), pre, conv, post, measured })
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
        if run.records() {
            return self.recorded(xs, other, out, run);
        }
        typed!(xs, E => {
            let source = unit_step::source::<E>(self, xs, run)?;
            let conv = self.prepare::<E>(xs.shape(), run)?;
            let shortcut = match (other, &self.post) {
                (Some(other), None) => Some(unit_step::plain::<E>(other, run)?),
                _ => None,
            };
            let node = unit_step::run_unit::<E>(&self.name, conv, source, shortcut, out, self.measured, run)?;
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

    /// The block as operators of their own.
    pub(super) fn recorded(&self, xs: &Map, other: Option<&Map>, out: [usize; 4], run: &mut Run<'_>) -> Result<Map> {
        let mut made = xs.clone();
        if let Some(pre) = &self.pre {
            let op = Op::Norm { layer: pre.clone(), xs: run.value(&made), residual: None };
            made = run.record(op, xs.shape());
        }
        let added = other.map(|other| run.value(other));
        if let Some((config, weight)) = &self.conv {
            run.note(&self.name, weight.start)?;
            let conv = config.at(xs.shape(), Operands::Exact);
            let shortcut = added.filter(|_| self.post.is_none());
            made = run.record(Op::Conv { conv, weight: weight.clone(), xs: run.value(&made), shortcut }, out);
        } else if let Some(added) = added {
            made = run.record(Op::Sum { terms: vec![run.value(&made), added] }, out);
        }
        if let Some(post) = &self.post {
            let op = Op::Norm { layer: post.clone(), xs: run.value(&made), residual: added };
            made = run.record(op, out);
        }
        Ok(made)
    }

    pub(super) fn out_shape(&self, shape: [usize; 4]) -> Result<[usize; 4]> {
        let [n, h, w, c] = shape;
        let c_in = self.pre.as_ref().map(|l| l.channels).or(self.conv.as_ref().map(|(c, _)| c.c_in));
        let bad = |expected| Err(Error::BadInput { layer: self.name.clone(), found: shape.to_vec(), expected });
        if c_in != Some(c) || n * h * w == 0 {
            return bad(format!("(n, h, w, {})", c_in.unwrap_or_default()));
        }
        let Some((config, _)) = &self.conv else {
            return Ok(shape);
        };
        let conv = config.at(shape, Operands::Exact);
        if conv.out_h() * conv.out_w() == 0 {
            let (kh, kw) = config.kernel;
            return bad(format!("images of at least {kh} x {kw} with their padding"));
        }
        Ok([n, conv.out_h(), conv.out_w(), conv.c_out])
    }
}
