//! Candidates that need no training to be known as hopeless.

use serde::{Deserialize, Serialize};
use std::fmt;
use swish_core::activation::Activation;

/// Preactivations come out of a BatchNorm: beyond this many standard deviations there are one in 30,000.
const REACH: f64 = 4.0;
/// Points of the grid on each side of 0.
const STEPS: i32 = 64;
/// What single precision cannot hold.
const LARGEST: f64 = f32::MAX as f64;
/// Smaller differences than this, relative to the values, vanish in single precision.
const FLAT: f64 = 1e-6;

/// Why a candidate is not trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// A value or slope at a usual preactivation is not a finite f32.
    NotFinite,
    /// The same value at all preactivations: nothing of the input goes through.
    Constant,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotFinite => "not finite",
            Self::Constant => "constant",
        })
    }
}

/// Why a function is not worth a training, judged with its parameters' initial values at preactivations from -4 to 4.
pub fn screen(activation: &Activation) -> Option<Rejection> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for i in -STEPS..=STEPS {
        let g = activation.grad(REACH * f64::from(i) / f64::from(STEPS), &[]);
        let slopes = g.dparams.iter().chain([&g.dx]);
        if slopes.chain([&g.value]).any(|v| v.is_nan() || v.abs() > LARGEST) {
            return Some(Rejection::NotFinite);
        }
        (low, high) = (low.min(g.value), high.max(g.value));
    }
    (high - low <= FLAT * high.abs().max(low.abs())).then_some(Rejection::Constant)
}
