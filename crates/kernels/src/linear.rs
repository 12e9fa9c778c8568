//! Fully connected layer: `ys = xs * weight^T + bias`.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::conv::Operands;
use crate::gemm::{Mat, MatMut, product};
use crate::par::rows_per_task;
use crate::real::Real;

/// Fewest rows of a matrix that one task takes.
const MIN_ROWS: usize = 16;

/// The values as they enter the products.
fn operand<T: Real>(operands: Operands, values: &[T]) -> Cow<'_, [T]> {
    match operands {
        Operands::Exact => Cow::Borrowed(values),
        Operands::Bf16 => Cow::Owned(values.iter().map(|x| x.round_bf16()).collect()),
    }
}

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
    let weight = operand(operands, weight);
    let rows = rows_per_task(n, MIN_ROWS);
    ys.par_chunks_mut(rows * c_out).zip(xs.par_chunks(rows * c_in)).for_each(|(ys, xs)| {
        if let Some(bias) = bias {
            ys.chunks_exact_mut(c_out).for_each(|y| y.copy_from_slice(bias));
        }
        product(
            (xs.len() / c_in, c_out, c_in),
            MatMut { data: ys, rs: c_out, cs: 1 },
            bias.is_some(),
            Mat { data: &operand(operands, xs), rs: c_in, cs: 1 },
            Mat { data: &weight, rs: 1, cs: c_in },
        );
    });
}

/// Gradients of [`forward`] that are wanted; all are overwritten.
pub struct LinearGrads<'a, T> {
    /// Of the input, (n, c_in).
    pub d_xs: Option<&'a mut [T]>,
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
        d_bias.fill(T::ZERO);
        for d_y in d_ys.chunks_exact(c_out) {
            for (sum, &d_y) in d_bias.iter_mut().zip(d_y) {
                *sum += d_y;
            }
        }
    }
    let d_ys = operand(operands, d_ys);
    if let Some(d_xs) = grads.d_xs {
        assert!(d_xs.len() == xs.len(), "the gradient of the input must have its {} elements", xs.len());
        let weight = operand(operands, weight);
        let rows = rows_per_task(n, MIN_ROWS);
        d_xs.par_chunks_mut(rows * c_in).zip(d_ys.par_chunks(rows * c_out)).for_each(|(d_xs, d_ys)| {
            product(
                (d_ys.len() / c_out, c_in, c_out),
                MatMut { data: d_xs, rs: c_in, cs: 1 },
                false,
                Mat { data: d_ys, rs: c_out, cs: 1 },
                Mat { data: &weight, rs: c_in, cs: 1 },
            );
        });
    }
    let xs = operand(operands, xs);
    let rows = rows_per_task(c_out, MIN_ROWS);
    grads.d_weight.par_chunks_mut(rows * c_in).enumerate().for_each(|(task, d_weight)| {
        if n == 0 {
            d_weight.fill(T::ZERO);
            return;
        }
        product(
            (d_weight.len() / c_in, c_in, n),
            MatMut { data: d_weight, rs: c_in, cs: 1 },
            false,
            Mat { data: &d_ys[task * rows..], rs: 1, cs: c_out },
            Mat { data: &xs, rs: c_in, cs: 1 },
        );
    });
}

fn check(n: usize, c_in: usize, c_out: usize, x_len: usize, weight_len: usize, y_len: usize) {
    assert!(
        c_in > 0 && c_out > 0 && x_len == n * c_in && weight_len == c_out * c_in && y_len == n * c_out,
        "linear layer {c_in} -> {c_out} of {n} rows with input {x_len}, weight {weight_len}, output {y_len}"
    );
}
