//! Fully connected layers; see [`crate::linear`]. Weights are (c_out, c_in) of the maps' type.

use super::{layout, sums};
use crate::cuda::device::{Scratch, Stored, View, ViewMut};
use crate::cuda::engine::{Engine, Matrices, Precision};

/// `ys` (n, c_out) from `xs` (n, c_in), `weight` (c_out, c_in) and `bias` (c_out); `sizes` are n, c_in, c_out.
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
    let product = Matrices { rows: n, columns: c_out, inner: c_in, a_transposed: false, b_transposed: true };
    device.multiply(&product, precision, xs, weight, ys.reborrow(), false)?;
    match bias {
        Some(bias) => layout::add_bias(device, bias, ys),
        None => Ok(()),
    }
}

/// The gradient of the input, (n, c_in), from `d_ys` (n, c_out); overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn backward_data<D: Engine, E: Stored>(
    device: &D,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    d_ys: View<'_, D, E>,
    weight: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let product = Matrices { rows: n, columns: c_in, inner: c_out, a_transposed: false, b_transposed: false };
    device.multiply(&product, precision, d_ys, weight, d_xs, false)
}

/// The gradients of the weight, (c_out, c_in), and of the bias; both are overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn backward_weight<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    xs: View<'_, D, E>,
    d_ys: View<'_, D, E>,
    d_weight: ViewMut<'_, D, E>,
    d_bias: Option<ViewMut<'_, D, f32>>,
) -> Result<(), D::Error> {
    let product = Matrices { rows: c_out, columns: c_in, inner: n, a_transposed: true, b_transposed: false };
    device.multiply(&product, precision, d_ys, xs, d_weight, false)?;
    match d_bias {
        Some(d_bias) => sums::column_sums(device, scratch, d_ys, d_bias),
        None => Ok(()),
    }
}
