//! Fully connected layer; see [`crate::linear`]. Weights are (c_out, c_in) of the maps' type.

use super::{Stored, layout, sums};
use crate::cuda::device::{Device, Scratch, View, ViewMut};
use crate::cuda::engine::{Engine, Matrices, Precision};

/// `ys` (n, c_out) from `xs` (n, c_in), `weight` (c_out, c_in) and `bias` (c_out).
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn forward<D: Engine, E: Stored>(
    device: &D,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    xs: View<'_, D, E>,
    weight: View<'_, D, E>,
    bias: Option<View<'_, D, f32>>,
    mut ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let product = Matrices { batch: 1, rows: n, columns: c_out, inner: c_in, a_transposed: false, b_transposed: true };
    device.multiply(&product, precision, xs, weight, ys.reborrow(), false)?;
    match bias {
        Some(bias) => layout::add_bias(device, bias, ys),
        None => Ok(()),
    }
}

/// Gradients of [`forward`] that are wanted; all are overwritten but `d_xs`, where `add` is set.
#[derive(Debug)]
pub struct Grads<'a, D: Device, E> {
    /// Of the input, (n, c_in).
    pub d_xs: Option<ViewMut<'a, D, E>>,
    /// Whether the gradient of the input is added to what is there.
    pub add: bool,
    /// Of the weight, (c_out, c_in).
    pub d_weight: ViewMut<'a, D, E>,
    /// Of the bias, (c_out).
    pub d_bias: Option<ViewMut<'a, D, f32>>,
}

/// Gradients from `d_ys` (n, c_out).
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn backward<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    xs: View<'_, D, E>,
    weight: View<'_, D, E>,
    d_ys: View<'_, D, E>,
    grads: Grads<'_, D, E>,
) -> Result<(), D::Error> {
    if let Some(d_xs) = grads.d_xs {
        let product =
            Matrices { batch: 1, rows: n, columns: c_in, inner: c_out, a_transposed: false, b_transposed: false };
        device.multiply(&product, precision, d_ys, weight, d_xs, grads.add)?;
    }
    let product = Matrices { batch: 1, rows: c_out, columns: c_in, inner: n, a_transposed: true, b_transposed: false };
    device.multiply(&product, precision, d_ys, xs, grads.d_weight, false)?;
    match grads.d_bias {
        Some(d_bias) => sums::column_sums(device, scratch, d_ys, d_bias),
        None => Ok(()),
    }
}
