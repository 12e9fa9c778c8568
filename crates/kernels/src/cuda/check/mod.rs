//! Every function of [`super::launch`] compared with the CPU's, on any [`Device`]: sizes that are odd, smaller than a wide load, and large
//! enough for several blocks and for sums in two stages.

mod act;
mod attention;
mod convolution;
mod depthwise;
mod embedding;
mod heads;
pub mod images;
mod layer_norm;
mod layout;
mod linear;
mod loss;
mod norm;
mod optim;
mod pool;
mod sums;

pub use act::{SETS, random_set};

use std::fmt;

use super::device::{Device, Scratch, Slice, Stored, Word};
use super::engine::{Engine, Precision};
use super::source::Subject;
use crate::conv::{self, Conv2d};
use crate::rng::Rng;

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The function, and which of its results.
    pub function: String,
    /// Sizes and settings.
    pub case: String,
    /// What maps are stored in.
    pub element: &'static str,
    /// Numbers compared.
    pub count: usize,
    /// The largest difference, relative to the number's size plus the root mean square of all; infinite where one side alone is NaN.
    pub error: f64,
    /// The largest that passes.
    pub tolerance: f64,
}

impl Row {
    /// Is the difference as small as it has to be?
    pub fn passed(&self) -> bool {
        self.error <= self.tolerance
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, case, element, count, error, tolerance } = self;
        let word = if self.passed() { "ok" } else { "WRONG" };
        write!(f, "{word}: {function} {element} {case}: {count} numbers, error {error:.2e}, at most {tolerance:.0e}")
    }
}

/// Runs the comparisons of one file of kernels.
///
/// # Errors
/// The device's. A difference is no error, but stands in its row.
pub fn run<D: Device>(device: &D, subject: Subject) -> Result<Vec<Row>, D::Error> {
    let mut check = Check::new(device);
    match subject {
        Subject::Activation => act::run(&mut check)?,
        Subject::Moments => norm::run_moments(&mut check)?,
        Subject::Norm => norm::run(&mut check)?,
        Subject::Sums => sums::run(&mut check)?,
        Subject::Pool => pool::run(&mut check)?,
        Subject::Loss => loss::run(&mut check)?,
        Subject::Dropout => layout::run_dropout(&mut check)?,
        Subject::LayerNorm => layer_norm::run(&mut check)?,
        Subject::Attention => attention::run(&mut check)?,
        Subject::Embedding => embedding::run(&mut check)?,
        Subject::Depthwise => depthwise::run(&mut check)?,
        Subject::Optim => optim::run(&mut check)?,
        Subject::Images => images::run(&mut check)?,
        Subject::Layout => layout::run(&mut check)?,
    }
    Ok(check.rows)
}

/// Runs the comparisons of what libraries bring: convolutions, fully connected layers and attention of products of
/// matrices.
///
/// # Errors
/// As [`run`].
pub fn run_libraries<D: Engine>(device: &D) -> Result<Vec<Row>, D::Error> {
    let mut check = Check::new(device);
    convolution::run(&mut check)?;
    linear::run(&mut check)?;
    heads::run(&mut check)?;
    Ok(check.rows)
}

/// What [`run_libraries`] allows: f32 the rounding of sums of some thousand terms, TF32 and bf16 that of their factors and results.
fn library_tolerance<E: Stored>(precision: Precision) -> f64 {
    match (E::BF16, precision) {
        // Results are stored in 8 bits, factors are exact.
        (true, _) => 0.01,
        (false, Precision::Tf32) => 0.005,
        (false, Precision::Exact) => 3e-5,
    }
}

/// Calls a function of a stored type for both of them.
macro_rules! both {
    ($function:ident($($arg:expr),*)) => {{
        $function::<D, f32>($($arg),*)?;
        $function::<D, half::bf16>($($arg),*)
    }};
}
use both;

/// A device and what was found on it.
pub(super) struct Check<'d, D: Device> {
    pub(super) device: &'d D,
    pub(super) scratch: Scratch<D>,
    pub(super) rows: Vec<Row>,
}

impl<'d, D: Device> Check<'d, D> {
    pub(super) fn new(device: &'d D) -> Self {
        Self { device, scratch: Scratch::default(), rows: Vec::new() }
    }

    /// Compares a map on the device.
    pub(super) fn map<E: Stored>(
        &mut self,
        function: &str,
        case: &str,
        got: &Slice<D, E>,
        want: &[f32],
        tolerance: f64,
    ) -> Result<(), D::Error> {
        let got = widened(&got.to_vec(self.device)?);
        let tolerance = if E::BF16 { tolerance.max(BF16_TOLERANCE) } else { tolerance };
        self.add(function, case, E::NAME, &got, want, tolerance);
        Ok(())
    }

    pub(super) fn add(
        &mut self,
        function: &str,
        case: &str,
        element: &'static str,
        got: &[f32],
        want: &[f32],
        tolerance: f64,
    ) {
        let error = if got.len() == want.len() { difference(got, want) } else { f64::INFINITY };
        let (function, case) = (function.to_string(), case.to_string());
        self.rows.push(Row { function, case, element, count: want.len(), error, tolerance });
    }

    pub(super) fn slice<T: Word>(&self, values: &[T]) -> Result<Slice<D, T>, D::Error> {
        Slice::of(self.device, values)
    }
}

/// One rounding to 8 bits, and now and then to the other neighbour.
const BF16_TOLERANCE: f64 = 0.005;

/// See [`Row::error`].
fn difference(got: &[f32], want: &[f32]) -> f64 {
    let finite: Vec<f64> = want.iter().filter(|w| w.is_finite()).map(|&w| f64::from(w).powi(2)).collect();
    let size = (finite.iter().sum::<f64>() / finite.len().max(1) as f64).sqrt();
    let one = |(&got, &want): (&f32, &f32)| {
        if got == want || (got.is_nan() && want.is_nan()) {
            return 0.0;
        }
        let (got, want) = (f64::from(got), f64::from(want));
        let error = (got - want).abs() / (want.abs() + size);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    got.iter().zip(want).map(one).fold(0.0, f64::max)
}

/// Normal numbers, as they are stored.
pub(super) fn normal<E: Stored>(seed: u64, n: usize) -> Vec<E> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| E::narrow(rng.normal() as f32)).collect()
}

fn widened<E: Stored>(values: &[E]) -> Vec<f32> {
    values.iter().map(|x| x.widen()).collect()
}

pub(super) fn doubled<E: Stored>(values: &[E]) -> Vec<f64> {
    values.iter().map(|x| f64::from(x.widen())).collect()
}

pub(super) fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

/// The CPU's results of a convolution, computed in double precision: output, gradient of the input, gradient of the weight.
pub(super) fn convolved<E: Stored, W: Stored>(conv: &Conv2d, xs: &[E], weight: &[W], d_ys: &[E]) -> [Vec<f32>; 3] {
    let (xs, weight, d_ys) = (doubled(xs), doubled(weight), doubled(d_ys));
    let [mut ys, mut d_xs, mut d_weight] = [conv.out_len(), conv.in_len(), conv.weight_len()].map(|len| vec![0.0; len]);
    conv::forward(conv, &xs, &weight, &mut ys);
    conv::backward_data(conv, &d_ys, &weight, &mut d_xs);
    conv::backward_weight(conv, &xs, &d_ys, &mut d_weight);
    [ys, d_xs, d_weight].map(|values| singles(&values))
}

fn narrowed<E: Stored>(values: &[f32]) -> Vec<E> {
    values.iter().map(|&x| E::narrow(x)).collect()
}

/// Rounded to what is stored and back.
fn rounded<E: Stored>(values: &[f32]) -> Vec<f32> {
    widened(&narrowed::<E>(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Element;
    use half::bf16;

    #[test]
    fn differences_are_seen() {
        assert_eq!(difference(&[1.0, f32::NAN, f32::INFINITY], &[1.0, f32::NAN, f32::INFINITY]), 0.0);
        assert_eq!(difference(&[f32::NAN], &[1.0]), f64::INFINITY);
        assert_eq!(difference(&[1.0], &[f32::NAN]), f64::INFINITY);
        assert_eq!(difference(&[f32::INFINITY], &[1.0]), f64::INFINITY);
        assert!((difference(&[1.5, 1.0], &[1.0, 1.0]) - 0.25).abs() < 1e-12);
        let row = Row {
            function: "f".into(),
            case: String::new(),
            element: "f32",
            count: 1,
            error: f64::NAN,
            tolerance: 1.0,
        };
        assert!(!row.passed() && row.to_string().starts_with("WRONG"));
        assert_eq!(bf16::from_f32(1.0).widen(), rounded::<bf16>(&[1.001])[0]);
    }
}
