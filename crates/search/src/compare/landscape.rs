//! Made-up rewards of one core unit, shaped like those of trained children: a quarter fails, most of the others lie close together,
//! and few are as good as the best.

use swish_core::activation::{Binary, CoreUnits, Unary};
use swish_kernels::rng::{Rng, fnv1a64};

/// The reward of a member of one core unit.
pub fn reward(units: &CoreUnits) -> f64 {
    let unit = units.units()[0];
    let [a, b] = unit.unary;
    let growth = match unit.binary {
        Binary::Mul => growth(a) + growth(b),
        Binary::SigmoidMul => growth(b),
        // A denominator that comes close to 0 is as bad as growth without bounds.
        Binary::Div if !matches!(b, Unary::Cosh | Unary::Exp | Unary::Sigmoid | Unary::Softplus) => 3,
        Binary::Gauss | Binary::Laplace => 0,
        _ => growth(a).max(growth(b)),
    };
    if growth > 2 {
        return 0.0;
    }
    let linear = |u| matches!(u, Unary::Identity | Unary::Neg | Unary::BetaMul | Unary::BetaAdd | Unary::Beta);
    let sum = matches!(unit.binary, Binary::Add | Binary::Sub | Binary::Mix);
    let no_raw_input = ![a, b].iter().any(|u| matches!(u, Unary::Identity | Unary::BetaMul | Unary::Neg | Unary::Relu));
    let penalty = penalty(a)
        + penalty(b)
        + joint(unit.binary)
        + if linear(a) && linear(b) && sum { 0.12 } else { 0.0 }
        + if no_raw_input { 0.02 } else { 0.0 };
    0.46 - penalty + 0.01 * Rng::new(fnv1a64(&format!("{a:?} {b:?} {:?}", unit.binary))).normal()
}

/// How fast an operator grows.
fn growth(u: Unary) -> i32 {
    match u {
        Unary::Exp | Unary::Sinh | Unary::Cosh | Unary::Cube => 3,
        Unary::Square => 2,
        Unary::Identity
        | Unary::Neg
        | Unary::Abs
        | Unary::BetaMul
        | Unary::BetaAdd
        | Unary::Relu
        | Unary::MinZero
        | Unary::Softplus => 1,
        _ => 0,
    }
}

fn penalty(u: Unary) -> f64 {
    match u {
        Unary::Identity => 0.0,
        Unary::BetaMul | Unary::Relu => 0.004,
        Unary::Neg | Unary::BetaAdd | Unary::Sigmoid | Unary::Softplus => 0.010,
        Unary::Tanh | Unary::Atan | Unary::Asinh | Unary::Erf | Unary::MinZero => 0.015,
        Unary::Sin | Unary::Abs | Unary::Beta => 0.025,
        Unary::Sinc | Unary::Cos | Unary::Gauss | Unary::Sqrt => 0.035,
        Unary::LogAbs | Unary::Square | Unary::Exp | Unary::Sinh | Unary::Cosh | Unary::Cube => 0.045,
    }
}

fn joint(b: Binary) -> f64 {
    match b {
        Binary::Max | Binary::SigmoidMul => 0.0,
        Binary::Mul | Binary::Min => 0.006,
        Binary::Add | Binary::Sub | Binary::Mix => 0.015,
        Binary::Div => 0.03,
        Binary::Gauss | Binary::Laplace => 0.045,
    }
}
