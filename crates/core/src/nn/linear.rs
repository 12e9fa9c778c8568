//! The fully connected layer.

use super::error::{Error, Result};
use super::params::{Builder, Role};
use super::pass::Pass;
use super::storage::{Element, dispatch, slice, tensor, with_slice};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result as CandleResult, Shape, Tensor, Var};
use swish_kernels::conv::Operands;
use swish_kernels::linear;

/// y = x W^T + b, with `weight` (c_out, c_in) and `bias` (c_out).
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    c_in: usize,
    c_out: usize,
    params: Var,
}

impl Linear {
    /// Declares the layer's `NAME.weight` and `NAME.bias`.
    pub fn new(vb: &Builder, name: &str, c_in: usize, c_out: usize) -> Result<Self> {
        let at = vb.pp(name);
        let mut block = vb.block();
        block.add(&at, "weight", &[c_out, c_in], Role::LinearWeight);
        block.add(&at, "bias", &[c_out], Role::Bias);
        Ok(Self { name: at.path().to_string(), c_in, c_out, params: block.finish()? })
    }

    /// (n, c_in) to (n, c_out).
    pub fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        let &Self { c_in, c_out, .. } = self;
        let n = match xs.dims() {
            &[n, c] if c == c_in => n,
            other => {
                let expected = format!("(n, {c_in})");
                return Err(Error::BadInput { layer: self.name.clone(), found: other.to_vec(), expected });
            }
        };
        pass.count((n * c_in * c_out) as u64);
        let op = LinearOp { n, c_in, c_out, operands: pass.operands };
        let (xs, params) = (xs.contiguous()?, self.params.as_tensor());
        Ok(if pass.train { xs.apply_op2(params, op)? } else { xs.apply_op2_no_bwd(params, &op)? })
    }
}

struct LinearOp {
    n: usize,
    c_in: usize,
    c_out: usize,
    operands: Operands,
}

impl LinearOp {
    fn forward<T: Element>(&self, xs: &[T], params: &[T]) -> Vec<T> {
        let (weight, bias) = params.split_at(self.c_in * self.c_out);
        let mut ys = vec![T::ZERO; self.n * self.c_out];
        linear::forward(self.n, self.c_in, self.c_out, xs, weight, Some(bias), &mut ys, self.operands);
        ys
    }

    fn backward<T: Element>(&self, xs: &[T], params: &[T], d_ys: &[T]) -> (Vec<T>, Vec<T>) {
        let (weight, _) = params.split_at(self.c_in * self.c_out);
        let mut d_xs = vec![T::ZERO; xs.len()];
        let mut d_params = vec![T::ZERO; params.len()];
        let (d_weight, d_bias) = d_params.split_at_mut(weight.len());
        linear::backward(
            self.n,
            self.c_in,
            self.c_out,
            xs,
            weight,
            d_ys,
            linear::LinearGrads { d_xs: Some(&mut d_xs), d_weight, d_bias: Some(d_bias) },
            self.operands,
        );
        (d_xs, d_params)
    }
}

impl CustomOp2 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        lx: &Layout,
        params: &CpuStorage,
        lp: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        dispatch!(xs.dtype(), self.name(), T => {
            let ys = self.forward::<T>(slice(xs, lx)?, slice(params, lp)?);
            Ok((T::storage(ys), Shape::from((self.n, self.c_out))))
        })
    }

    fn bwd(
        &self,
        xs: &Tensor,
        params: &Tensor,
        _ys: &Tensor,
        d_ys: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        dispatch!(xs.dtype(), self.name(), T => {
            let (d_xs, d_params) = with_slice::<T, _>(xs, |x| {
                with_slice(params, |p| with_slice(d_ys, |d| Ok(self.backward(x, p, d))))
            })?;
            Ok((Some(tensor(d_xs, xs.dims())?), Some(tensor(d_params, params.dims())?)))
        })
    }
}
