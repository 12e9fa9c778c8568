//! f(x) = max(x,0)
//!
//! A baseline of "Searching for Activation Functions" (Ramachandran, Zoph and Le 2017,
//! arXiv 1710.05941).

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Module, Result, Shape, Tensor, WithDType, bail};

/// The activation. It runs on the CPU, on f32 and f64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relu;

impl Module for Relu {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        xs.contiguous()?.apply_op1(Value)
    }
}

/// f(x).
fn value(x: f64) -> f64 {
    relu(x)
}

/// df/dx.
fn slope(x: f64) -> f64 {
    step(x)
}

fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

fn step(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

struct Value;

struct Slope;

impl CustomOp1 for Value {
    fn name(&self) -> &'static str {
        "Relu"
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
        "slope of Relu"
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
            bail!("Relu needs a contiguous tensor");
        };
        let xs = &T::cpu_storage_as_slice(xs)?[from..to];
        let ys = xs.iter().map(|x| T::from_f64(f(x.to_f64()))).collect();
        Ok(T::to_cpu_storage_owned(ys))
    }
    let ys = match xs {
        CpuStorage::F32(_) => map::<f32>(xs, layout, f)?,
        CpuStorage::F64(_) => map::<f64>(xs, layout, f)?,
        other => bail!("Relu takes f32 and f64, not {:?}", other.dtype()),
    };
    Ok((ys, layout.shape().clone()))
}
