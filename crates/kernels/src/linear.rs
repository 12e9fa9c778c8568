//! Fully connected layer: `ys = xs * weight^T + bias`.

use rayon::prelude::*;

use crate::conv::Operands;
use crate::matmul::{Mat, Right, TASK_ROWS};
use crate::real::Real;
use crate::simd::add_to;

/// `ys` (n, c_out) from `xs` (n, c_in), `weight` (c_out, c_in) and `bias` (c_out). `ys` is overwritten.
#[expect(clippy::too_many_arguments, reason = "three sizes and the operands of one layer")]
pub fn forward<T: Real>(
    n: usize,
    c_in: usize,
    c_out: usize,
    xs: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    ys: &mut [T],
    operands: Operands,
) {
    check(n, c_in, c_out, xs.len(), weight.len(), ys.len());
    assert!(bias.is_none_or(|bias| bias.len() == c_out), "the bias must have {c_out} elements");
    Packed::new(c_in, c_out, weight, operands).forward(xs, bias, ys);
}

/// A layer whose weights are packed once for several calls.
pub struct Packed<'a, T: Real> {
    right: Right<'a, T>,
    c_out: usize,
}

impl<'a, T: Real> Packed<'a, T> {
    /// Packs `weight` (c_out, c_in).
    ///
    /// # Panics
    /// If `weight` does not have its length.
    pub fn new(c_in: usize, c_out: usize, weight: &'a [T], operands: Operands) -> Self {
        assert!(c_in * c_out > 0 && weight.len() == c_in * c_out, "weight of a linear layer {c_in} -> {c_out}");
        // Lane o of factor i is weight (o, i).
        Self { right: Right::new(c_in, c_out, Mat { data: weight, rs: 1, cs: c_in }, operands), c_out }
    }

    /// As [`forward`]; the number of rows is that of `xs` (n, c_in).
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn forward(&self, xs: &[T], bias: Option<&[T]>, ys: &mut [T]) {
        self.right.product_of_all(xs, false, ys, false, |ys| {
            if let Some(bias) = bias {
                ys.chunks_exact_mut(self.c_out).for_each(|y| add_to(y, bias));
            }
        });
    }
}

/// Gradients of [`forward`] that are wanted; all are overwritten, but for `d_xs` with `add`.
pub struct LinearGrads<'a, T> {
    /// Of the input, (n, c_in).
    pub d_xs: Option<&'a mut [T]>,
    /// Whether the gradient of the input is added to what is there.
    pub add: bool,
    /// Of the weight, (c_out, c_in).
    pub d_weight: &'a mut [T],
    /// Of the bias, (c_out).
    pub d_bias: Option<&'a mut [T]>,
}

/// Gradients from `d_ys` (n, c_out).
#[expect(clippy::too_many_arguments, reason = "three sizes and the operands of one layer")]
pub fn backward<T: Real>(
    n: usize,
    c_in: usize,
    c_out: usize,
    xs: &[T],
    weight: &[T],
    d_ys: &[T],
    grads: LinearGrads<'_, T>,
    operands: Operands,
) {
    check(n, c_in, c_out, xs.len(), weight.len(), d_ys.len());
    assert!(grads.d_weight.len() == weight.len(), "the gradient of the weight must have its {} elements", weight.len());
    if let Some(d_bias) = grads.d_bias {
        assert!(d_bias.len() == c_out, "the gradient of the bias must have {c_out} elements");
        column_sums(c_out, d_ys, d_bias);
    }
    if let Some(d_xs) = grads.d_xs {
        assert!(d_xs.len() == xs.len(), "the gradient of the input must have its {} elements", xs.len());
        let right = Right::new(c_out, c_in, Mat { data: weight, rs: c_in, cs: 1 }, operands);
        right.product_of_all(d_ys, false, d_xs, grads.add, |_| ());
    }
    weight_gradient(n, c_in, xs, d_ys, grads.d_weight, operands);
}

/// `d_weight` (c_out, c_in), summed over the rows.
pub(crate) fn weight_gradient<T: Real>(
    n: usize,
    c_in: usize,
    xs: &[T],
    d_ys: &[T],
    d_weight: &mut [T],
    operands: Operands,
) {
    if n == 0 {
        return d_weight.fill(T::ZERO);
    }
    let right = Right::new(n, c_in, Mat { data: xs, rs: c_in, cs: 1 }, operands);
    right.product_of_all(d_ys, true, d_weight, false, |_| ());
}

/// The sum of each column, in order.
fn column_sums<T: Real>(columns: usize, xs: &[T], sums: &mut [T]) {
    let parts = xs.par_chunks(TASK_ROWS * columns).map(|xs| {
        let mut sums = vec![T::ZERO; columns];
        xs.chunks_exact(columns).for_each(|x| add_to(&mut sums, x));
        sums
    });
    let parts: Vec<Vec<T>> = parts.collect();
    for (column, sum) in sums.iter_mut().enumerate() {
        *sum = T::from_f64(parts.iter().map(|part| part[column].to_f64()).sum());
    }
}

fn check(n: usize, c_in: usize, c_out: usize, x_len: usize, weight_len: usize, y_len: usize) {
    assert!(
        c_in > 0 && c_out > 0 && x_len == n * c_in && weight_len == c_out * c_in && y_len == n * c_out,
        "linear layer {c_in} -> {c_out} of {n} rows with input {x_len}, weight {weight_len}, output {y_len}"
    );
}
