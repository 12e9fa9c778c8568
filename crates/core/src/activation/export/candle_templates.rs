//! The files for candle, with marks that [`super::candle`] replaces.

/// A function without parameters.
pub(super) const PLAIN: &str = r#"@ABOUT
@ALLOW

use candle_core::backend::BackendStorage;
@ERF
use candle_core::{CpuStorage, CustomOp1, Layout, Module, Result, Shape, Tensor, WithDType, bail};

/// The activation. It runs on the CPU, on f32 and f64.
#[derive(Clone, Copy, Debug, Default)]
pub struct @CLASS;

impl Module for @CLASS {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        xs.contiguous()?.apply_op1(Value)
    }
}

/// f(x).
fn value(x: f64) -> f64 {
@VALUE_BODY
}

/// df/dx.
fn slope(@SLOPES_X: f64) -> f64 {
@SLOPES_BODY
}
@HELPERS

struct Value;

struct Slope;

impl CustomOp1 for Value {
    fn name(&self) -> &'static str {
        "@CLASS"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each(xs, layout, value)
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((grad * xs.apply_op1_no_bwd(&Slope)?)?))
    }
}

impl CustomOp1 for Slope {
    fn name(&self) -> &'static str {
        "slope of @CLASS"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each(xs, layout, slope)
    }
}

fn each(xs: &CpuStorage, layout: &Layout, f: impl Fn(f64) -> f64) -> Result<(CpuStorage, Shape)> {
    fn map<T: WithDType>(
        xs: &CpuStorage,
        layout: &Layout,
        f: impl Fn(f64) -> f64,
    ) -> Result<CpuStorage> {
        let Some((from, to)) = layout.contiguous_offsets() else {
            bail!("@CLASS needs a contiguous tensor");
        };
        let xs = &T::cpu_storage_as_slice(xs)?[from..to];
        let ys = xs.iter().map(|x| T::from_f64(f(x.to_f64()))).collect();
        Ok(T::to_cpu_storage_owned(ys))
    }
    let ys = match xs {
        CpuStorage::F32(_) => map::<f32>(xs, layout, f)?,
        CpuStorage::F64(_) => map::<f64>(xs, layout, f)?,
        other => bail!("@CLASS takes f32 and f64, not {:?}", other.dtype()),
    };
    Ok((ys, layout.shape().clone()))
}
"#;

/// A function with parameters.
pub(super) const PER_CHANNEL: &str = r#"@ABOUT
@ALLOW

use candle_core::backend::BackendStorage;
@ERF
use candle_core::{CpuStorage, CustomOp2, Layout, Module, Result, Shape, Tensor, WithDType, bail};
use candle_nn::{Init, VarBuilder};

/// The activation with its parameters. It runs on the CPU, on f32 and f64.
#[derive(Clone, Debug)]
pub struct @CLASS {
@FIELDS
    channel_dim: usize,
}

impl @CLASS {
    /// For inputs whose dimension `channel_dim` has `channels` channels.
    pub fn new(channels: usize, channel_dim: usize, vb: VarBuilder) -> Result<Self> {
@READ
        Ok(Self {
@NAMES
            channel_dim,
        })
    }
}

impl Module for @CLASS {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let params = Tensor::stack(&[@STACKED], 0)?;
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
fn value(x: f64, [@VALUE_PARAMS]: [f64; @N]) -> f64 {
@VALUE_BODY
}

/// df/dx, then the derivatives by the parameters.
fn slopes(@SLOPES_X: f64, [@SLOPES_PARAMS]: [f64; @N]) -> [f64; @COUNT] {
@SLOPES_BODY
}
@HELPERS

struct Value {
    channel_dim: usize,
}

struct Slopes {
    channel_dim: usize,
}

impl CustomOp2 for Value {
    fn name(&self) -> &'static str {
        "@CLASS"
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
        let d_params = (1..@COUNT)
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
        "slopes of @CLASS"
    }

    /// The slopes one after the other: (@COUNT, shape of xs).
    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let all = each((xs, layout), (params, params_layout), self.channel_dim, slopes)?;
        let dims = [&[@COUNT], layout.dims()].concat();
        Ok((all, dims.into()))
    }
}

/// The first values of `f` for all numbers, then the second ones, and so on.
fn each<const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; @N]) -> [f64; K],
) -> Result<CpuStorage> {
    match xs.0 {
        CpuStorage::F32(_) => each_of::<f32, K>(xs, params, channel_dim, f),
        CpuStorage::F64(_) => each_of::<f64, K>(xs, params, channel_dim, f),
        other => bail!("@CLASS takes f32 and f64, not {:?}", other.dtype()),
    }
}

fn each_of<T: WithDType, const K: usize>(
    xs: (&CpuStorage, &Layout),
    params: (&CpuStorage, &Layout),
    channel_dim: usize,
    f: impl Fn(f64, [f64; @N]) -> [f64; K],
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
        None => bail!("@CLASS needs contiguous tensors"),
    }
}
"#;
