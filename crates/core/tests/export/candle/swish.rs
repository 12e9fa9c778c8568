//! f(x) = x*sigmoid(beta*x)
//!
//! Swish, section 4 of "Searching for Activation Functions" (Ramachandran, Zoph and Le
//! 2017, arXiv 1710.05941).
//! Trainable, one value a channel: beta from 1.0.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Module, Result, Shape, Tensor, WithDType, bail};
use candle_nn::{Init, VarBuilder};

/// The activation with its parameters. It runs on the CPU, on f32 and f64.
#[derive(Clone, Debug)]
pub struct Swish {
    beta: Tensor,
    channel_dim: usize,
}

impl Swish {
    /// For inputs whose dimension `channel_dim` has `channels` channels.
    pub fn new(channels: usize, channel_dim: usize, vb: VarBuilder) -> Result<Self> {
        let beta = vb.get_with_hints(channels, "beta", Init::Const(1.0))?;
        Ok(Self {
            beta,
            channel_dim,
        })
    }
}

impl Module for Swish {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let params = Tensor::stack(&[&self.beta], 0)?;
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
fn value(x: f64, [beta]: [f64; 1]) -> f64 {
    x * sigmoid(beta * x)
}

/// df/dx, then the derivatives by the parameters.
fn slopes(x: f64, [beta]: [f64; 1]) -> [f64; 2] {
    let gate = sigmoid(beta * x);
    let product = x * gate * (1.0 - gate);
    [gate + product * beta, product * x]
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

struct Value {
    channel_dim: usize,
}

struct Slopes {
    channel_dim: usize,
}

impl CustomOp2 for Value {
    fn name(&self) -> &'static str {
        "Swish"
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
        let d_params = (1..2)
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
        "slopes of Swish"
    }

    /// The slopes one after the other: (2, shape of xs).
    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let all = each((xs, layout), (params, params_layout), self.channel_dim, slopes)?;
        let dims = [&[2], layout.dims()].concat();
        Ok((all, dims.into()))
    }
}

/// The first values of `f` for all numbers, then the second ones, and so on.
fn each<const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; 1]) -> [f64; K],
) -> Result<CpuStorage> {
    match xs.0 {
        CpuStorage::F32(_) => each_of::<f32, K>(xs, params, channel_dim, f),
        CpuStorage::F64(_) => each_of::<f64, K>(xs, params, channel_dim, f),
        other => bail!("Swish takes f32 and f64, not {:?}", other.dtype()),
    }
}

fn each_of<T: WithDType, const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; 1]) -> [f64; K],
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
        None => bail!("Swish needs contiguous tensors"),
    }
}
