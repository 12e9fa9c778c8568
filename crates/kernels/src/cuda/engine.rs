//! [`Engine`]: a device with what libraries bring: convolutions and products of matrices.

use super::device::{Device, Stored, View, ViewMut};
use crate::conv::Conv2d;

/// How exact products of f32 are. Those of bf16 are summed in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Factors as they are.
    #[default]
    Exact,
    /// Factors rounded to 11 bits (TF32), for the matrix units.
    Tf32,
}

/// Sizes of `to` (rows, columns) = a b, where a is (rows, inner), or lies as (inner, rows), and b is (inner, columns), or lies as
/// (columns, inner).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrices {
    /// Rows of the product.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// Terms of each of its sums.
    pub inner: usize,
    /// Whether a lies as (inner, rows).
    pub a_transposed: bool,
    /// Whether b lies as (columns, inner).
    pub b_transposed: bool,
}

/// A device with convolutions and products of matrices. Maps are NHWC, weights of convolutions (c_out, kh, kw, c_in / groups), both of one
/// type. Maps and weights start at multiples of 256 bytes, as whole slices do.
///
/// All functions err with lengths that disagree and with what the device says.
pub trait Engine: Device {
    /// `ys` (n, out_h, out_w, c_out) from `xs` (n, h, w, c_in).
    ///
    /// # Errors
    /// Lengths that disagree, and the device's.
    fn convolve<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        xs: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        ys: ViewMut<'_, Self, E>,
    ) -> Result<(), Self::Error>;

    /// The gradient of the input, added to what `d_xs` holds where `add` is set.
    ///
    /// # Errors
    /// Lengths that disagree, and the device's.
    fn convolve_back<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        d_ys: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        d_xs: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), Self::Error>;

    /// The gradient of the weight; overwritten.
    ///
    /// # Errors
    /// Lengths that disagree, and the device's.
    fn convolve_weight<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        xs: View<'_, Self, E>,
        d_ys: View<'_, Self, E>,
        d_weight: ViewMut<'_, Self, E>,
    ) -> Result<(), Self::Error>;

    /// `to` = a b, or `to` += a b where `add` is set.
    ///
    /// # Errors
    /// Lengths that disagree, and the device's.
    fn multiply<E: Stored>(
        &self,
        matrices: &Matrices,
        precision: Precision,
        a: View<'_, Self, E>,
        b: View<'_, Self, E>,
        to: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), Self::Error>;
}
