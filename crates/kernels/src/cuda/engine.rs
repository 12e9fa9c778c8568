//! [`Engine`]: a device with what libraries bring: convolutions, products of matrices, means over several devices.

use super::device::{Device, Misfit, Stored, View, ViewMut, fits};
use super::ranks::Rank;
use crate::conv::Conv2d;

/// Bytes that maps and weights start at a multiple of, which the libraries count on: what CUDA gives memory at.
pub const ALIGNMENT: usize = 256;

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
/// (columns, inner). Several products at once have their matrices one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrices {
    /// Products.
    pub batch: usize,
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

impl Matrices {
    /// Errs where a size is 0, or where matrices have other lengths or start between multiples of [`ALIGNMENT`].
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn check<D: Device, E: Stored>(
        &self,
        function: &'static str,
        a: View<'_, D, E>,
        b: View<'_, D, E>,
        to: View<'_, D, E>,
    ) -> Result<(), Misfit> {
        let &Self { batch, rows, columns, inner, .. } = self;
        if [batch, rows, columns, inner].contains(&0) {
            let (what, value) = ("a size", format!("{batch} times {rows} x {columns} x {inner}"));
            return Err(Misfit::Value { function, what, value, expected: "at least 1 each" });
        }
        fit(function, "first factor", a, batch * rows * inner)?;
        fit(function, "second factor", b, batch * inner * columns)?;
        fit(function, "product", to, batch * rows * columns)
    }
}

/// Errs where lengths cannot be told from the shape, or where input, weight and output have others or start between multiples of
/// [`ALIGNMENT`].
///
/// # Errors
/// [`Misfit`].
pub fn check_convolution<D: Device, E: Stored>(
    function: &'static str,
    conv: &Conv2d,
    x: View<'_, D, E>,
    w: View<'_, D, E>,
    y: View<'_, D, E>,
) -> Result<(), Misfit> {
    check_shape(function, conv)?;
    fit(function, "input", x, conv.in_len())?;
    fit(function, "weight", w, conv.weight_len())?;
    fit(function, "output", y, conv.out_len())
}

fn check_shape(function: &'static str, conv: &Conv2d) -> Result<(), Misfit> {
    let &Conv2d { n, h, w, c_in, c_out, kh, kw, stride, groups, .. } = conv;
    let some = ![n, h, w, c_in, c_out, kh, kw, stride.0, stride.1, groups].contains(&0);
    if some && c_in.is_multiple_of(groups) && c_out.is_multiple_of(groups) && conv.out_h() * conv.out_w() > 0 {
        return Ok(());
    }
    let (value, expected) = (format!("{conv:?}"), "sizes of at least 1, groups that divide the channels, an output");
    Err(Misfit::Value { function, what: "shape", value, expected })
}

/// Errs with another length than `expected`, and with a start that a library could not take.
fn fit<D: Device, E: Stored>(
    function: &'static str,
    what: &'static str,
    view: View<'_, D, E>,
    expected: usize,
) -> Result<(), Misfit> {
    fits(function, what, view.len(), expected)?;
    aligned(function, what, view.place().1 * size_of::<E>())
}

fn aligned(function: &'static str, what: &'static str, start: usize) -> Result<(), Misfit> {
    match start % ALIGNMENT {
        0 => Ok(()),
        beyond => {
            let value = format!("{beyond} bytes behind a multiple of {ALIGNMENT}");
            Err(Misfit::Value { function, what, value, expected: "a start at a multiple" })
        }
    }
}

/// A device with convolutions and products of matrices. Maps are NHWC, weights of convolutions (c_out, kh, kw, c_in / groups), both of one
/// type. Maps and weights start at multiples of [`ALIGNMENT`] bytes, as whole slices do.
///
/// All functions err with lengths that disagree and with what the device says.
pub trait Engine: Device {
    /// What it is, for records.
    fn name(&self) -> String;

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

    /// Which of several devices that learn together it is.
    fn rank(&self) -> Rank;

    /// Puts the mean over all ranks in the place of each element. It begins when what was launched before is done and goes on beside what
    /// is launched after, which leaves `xs` alone until [`Engine::averaged`]. All ranks ask for the same lengths in the same order. Of a
    /// device that learns by itself, `xs` stays as it is.
    ///
    /// # Errors
    /// The device's, such as a rank that is lost.
    fn average(&self, xs: ViewMut<'_, Self, f32>) -> Result<(), Self::Error>;

    /// What is launched from now on waits for the means asked for so far; the host does not.
    ///
    /// # Errors
    /// The device's, such as a rank that is lost.
    fn averaged(&self) -> Result<(), Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::{Operands, Pad};

    #[test]
    fn shapes_without_lengths_are_refused() {
        let (pad, operands) = (Pad::default(), Operands::Exact);
        let conv =
            Conv2d { n: 1, h: 8, w: 8, c_in: 4, c_out: 6, kh: 3, kw: 3, stride: (1, 1), pad, groups: 2, operands };
        assert_eq!(check_shape("f", &conv), Ok(()));
        for wrong in [
            Conv2d { groups: 0, ..conv },
            Conv2d { groups: 4, ..conv },
            Conv2d { groups: 3, ..conv },
            Conv2d { stride: (0, 1), ..conv },
            Conv2d { stride: (1, 0), ..conv },
            Conv2d { n: 0, ..conv },
            Conv2d { kh: 9, ..conv },
        ] {
            assert!(matches!(check_shape("f", &wrong), Err(Misfit::Value { what: "shape", .. })), "{wrong:?}");
        }
    }

    #[test]
    fn starts_are_multiples() {
        assert_eq!(aligned("f", "x", 512), Ok(()));
        let error = aligned("f", "x", 516).map_err(|error| error.to_string());
        assert_eq!(error, Err("f: x is 4 bytes behind a multiple of 256; expected a start at a multiple".to_string()));
    }
}
