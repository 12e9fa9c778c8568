//! f(x) = sinc(x)+sqrt(x)+log(|x|+eps)*exp(-x^2)+sinh(x)/(cosh(x)+eps)+asinh(x)*atan(x)+erf(beta*x)+log(1+exp(alpha*x))+expm1(min(x,0))+max(x,sin(x))+min(x,cos(x))*tanh(x)+max(x,0)*sigmoid(x)+|x|^3
//!
//! Found by a search of the program swish, or written for it, in the search space of
//! "Searching for Activation Functions" (Ramachandran, Zoph and Le 2017, arXiv
//! 1710.05941).
//! Trainable, one value a channel: beta from 1.0, alpha from 0.25.

#![allow(clippy::approx_constant)]

use candle_core::backend::BackendStorage;
use candle_core::cpu::erf::erf_f64;
use candle_core::{CpuStorage, CustomOp2, Layout, Module, Result, Shape, Tensor, WithDType, bail};
use candle_nn::{Init, VarBuilder};

/// The activation with its parameters. It runs on the CPU, on f32 and f64.
#[derive(Clone, Debug)]
pub struct EveryOperator {
    beta: Tensor,
    alpha: Tensor,
    channel_dim: usize,
}

impl EveryOperator {
    /// For inputs whose dimension `channel_dim` has `channels` channels.
    pub fn new(channels: usize, channel_dim: usize, vb: VarBuilder) -> Result<Self> {
        let beta = vb.get_with_hints(channels, "beta", Init::Const(1.0))?;
        let alpha = vb.get_with_hints(channels, "alpha", Init::Const(0.25))?;
        Ok(Self {
            beta,
            alpha,
            channel_dim,
        })
    }
}

impl Module for EveryOperator {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let params = Tensor::stack(&[&self.beta, &self.alpha], 0)?;
        let channel_dim = self.channel_dim;
        if xs.dims().get(channel_dim) != params.dims().get(1) {
            let channels = params.dim(1)?;
            bail!(
                "expected {channels} channels in dimension {channel_dim}, found {:?}",
                xs.dims()
            );
        }
        xs.contiguous()?
            .apply_op2(&params.contiguous()?, Value { channel_dim })
    }
}

/// f(x).
fn value(x: f64, [beta, alpha]: [f64; 2]) -> f64 {
    let sum = safe_sqrt(x) + min_zero(x).exp_m1() + sinc(x);
    let x_squared = x.powi(2);
    let size_x = x.abs();
    let sum_2 = sum + softplus(alpha * x) + erf_f64(beta * x);
    let product = (size_x + 1e-7).ln() * (-x_squared).exp();
    let sum_3 = sum_2 + x_squared * size_x + product;
    let sum_4 = sum_3 + x.sinh() / (x.cosh() + 1e-7);
    let sum_5 = sum_4 + x.tanh() * smaller(x, x.cos()) + x.asinh() * x.atan();
    sum_5 + relu(x) * sigmoid(x) + larger(x, x.sin())
}

/// df/dx, then the derivatives by the parameters.
fn slopes(x: f64, [beta, alpha]: [f64; 2]) -> [f64; 3] {
    let sine_x = x.sin();
    let share = wins(x, sine_x);
    let cosine_x = x.cos();
    let gate_x = sigmoid(x);
    let product = relu(x) * gate_x * (1.0 - gate_x);
    let step_of_x = step(x);
    let x_squared = x.powi(2);
    let sum = x_squared + 1.0;
    let sum_2 = share + (1.0 - share) * cosine_x + product + gate_x * step_of_x;
    let tangent_h_x = x.tanh();
    let share_2 = wins(cosine_x, x);
    let sum_3 = sum_2 + x.asinh() / sum + x.atan() / sum.sqrt();
    let product_2 = tangent_h_x * (1.0 - share_2) * sine_x;
    let product_3 = smaller(x, cosine_x) * (1.0 - tangent_h_x.powi(2));
    let sinus_h_x = x.sinh();
    let cosinus_h_x = x.cosh();
    let sum_4 = cosinus_h_x + 1e-7;
    let sum_5 = sum_3 + tangent_h_x * share_2 - product_2 + product_3;
    let difference = sum_5 - sinus_h_x / sum_4 / sum_4 * sinus_h_x;
    let e_to = (-x_squared).exp();
    let size_x = x.abs();
    let sum_6 = size_x + 1e-7;
    let product_4 = (e_to / sum_6 + x_squared) * sign(x);
    let sum_7 = difference + cosinus_h_x / sum_4 + product_4;
    let product_5 = 1.1283791670955126 * (-(beta * x).powi(2)).exp();
    let sum_8 = sum_7 + (size_x - sum_6.ln() * e_to) * 2.0 * x;
    let gate = sigmoid(alpha * x);
    let sum_9 = sum_8 + product_5 * beta + gate * alpha + sinc_slope(x);
    let sum_10 = sum_9 + min_zero(x).exp() * (1.0 - step_of_x);
    [sum_10 + safe_sqrt_slope(x), product_5 * x, gate * x]
}

fn safe_sqrt(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x.sqrt() }
}

fn safe_sqrt_slope(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { 0.5 / x.sqrt() }
}

fn sinc(x: f64) -> f64 {
    let s = x * x;
    if s < 0.0625 {
        return 1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0)));
    }
    x.sin() / x
}

fn sinc_slope(x: f64) -> f64 {
    let s = x * x;
    if s < 0.0625 {
        let rest = 1.0 - s / 54.0 * (1.0 - s / 88.0);
        return -x / 3.0 * (1.0 - s / 10.0 * (1.0 - s / 28.0 * rest));
    }
    (x.cos() - x.sin() / x) / x
}

fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

fn min_zero(x: f64) -> f64 {
    if x >= 0.0 { 0.0 } else { x }
}

fn step(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

fn softplus(x: f64) -> f64 {
    let positive = if x <= 0.0 { 0.0 } else { x };
    positive + (-x.abs()).exp().ln_1p()
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

fn smaller(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The larger number's share of a gradient: a tie is shared.
fn wins(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => 0.0,
        _ => 0.5,
    }
}

struct Value {
    channel_dim: usize,
}

struct Slopes {
    channel_dim: usize,
}

impl CustomOp2 for Value {
    fn name(&self) -> &'static str {
        "EveryOperator"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let f = |x, params| [value(x, params)];
        let ys = each((xs, layout), (params, params_layout), self.channel_dim, f)?;
        Ok((ys, layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        params: &Tensor,
        _ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let channel_dim = self.channel_dim;
        let slopes = xs.apply_op2_no_bwd(params, &Slopes { channel_dim })?;
        let d_params = (1..3)
            .map(|k| {
                (grad * slopes.get(k)?)?
                    .transpose(0, channel_dim)?
                    .flatten_from(1)?
                    .sum(1)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok((Some((grad * slopes.get(0)?)?), Some(Tensor::stack(&d_params, 0)?)))
    }
}

impl CustomOp2 for Slopes {
    fn name(&self) -> &'static str {
        "slopes of EveryOperator"
    }

    /// The slopes one after the other: (3, shape of xs).
    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let all = each((xs, layout), (params, params_layout), self.channel_dim, slopes)?;
        let dims = [&[3], layout.dims()].concat();
        Ok((all, dims.into()))
    }
}

/// The first values of `f` for all numbers, then the second ones, and so on.
fn each<const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; 2]) -> [f64; K],
) -> Result<CpuStorage> {
    match xs.0 {
        CpuStorage::F32(_) => each_of::<f32, K>(xs, params, channel_dim, f),
        CpuStorage::F64(_) => each_of::<f64, K>(xs, params, channel_dim, f),
        other => bail!("EveryOperator takes f32 and f64, not {:?}", other.dtype()),
    }
}

fn each_of<T: WithDType, const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; 2]) -> [f64; K],
) -> Result<CpuStorage> {
    let dims = xs.1.dims();
    let (channels, inner) = (dims[channel_dim], dims[channel_dim + 1..].iter().product::<usize>());
    let (xs, params) = (values::<T>(xs)?, values::<T>(params)?);
    let mut out = vec![T::from_f64(0.0); K * xs.len()];
    for (i, x) in xs.iter().enumerate() {
        let channel = i / inner % channels;
        let of_channel = std::array::from_fn(|k| params[k * channels + channel].to_f64());
        for (k, y) in f(x.to_f64(), of_channel).into_iter().enumerate() {
            out[k * xs.len() + i] = T::from_f64(y);
        }
    }
    Ok(T::to_cpu_storage_owned(out))
}

fn values<'a, T: WithDType>((storage, layout): (&'a CpuStorage, &Layout)) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&T::cpu_storage_as_slice(storage)?[from..to]),
        None => bail!("EveryOperator needs contiguous tensors"),
    }
}
