//! f(x) = max(cos(max(x,sin(x))),tanh(max(x,sin(x))))
//!
//! Found by a search of the program swish, or written for it, in the search space of
//! "Searching for Activation Functions" (Ramachandran, Zoph and Le 2017, arXiv
//! 1710.05941).

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Module, Result, Shape, Tensor, WithDType, bail};

/// The activation. It runs on the CPU, on f32 and f64.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedAlike;

impl Module for NamedAlike {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        xs.contiguous()?.apply_op1(Value)
    }
}

/// f(x).
fn value(x: f64) -> f64 {
    let larger_2 = larger(x, x.sin());
    larger(larger_2.cos(), larger_2.tanh())
}

/// df/dx.
fn slope(x: f64) -> f64 {
    let sine_x = x.sin();
    let larger_2 = larger(x, sine_x);
    let tangent_h = larger_2.tanh();
    let share = wins(larger_2.cos(), tangent_h);
    let product = (1.0 - share) * (1.0 - tangent_h.powi(2));
    let difference = product - share * larger_2.sin();
    let share_2 = wins(x, sine_x);
    difference * share_2 + difference * (1.0 - share_2) * x.cos()
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// The larger number's share of a gradient: a tie is shared.
fn wins(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => 0.0,
        _ => 0.5,
    }
}

struct Value;

struct Slope;

impl CustomOp1 for Value {
    fn name(&self) -> &'static str {
        "NamedAlike"
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
        "slope of NamedAlike"
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
            bail!("NamedAlike needs a contiguous tensor");
        };
        let xs = &T::cpu_storage_as_slice(xs)?[from..to];
        let ys = xs.iter().map(|x| T::from_f64(f(x.to_f64()))).collect();
        Ok(T::to_cpu_storage_owned(ys))
    }
    let ys = match xs {
        CpuStorage::F32(_) => map::<f32>(xs, layout, f)?,
        CpuStorage::F64(_) => map::<f64>(xs, layout, f)?,
        other => bail!("NamedAlike takes f32 and f64, not {:?}", other.dtype()),
    };
    Ok((ys, layout.shape().clone()))
}
