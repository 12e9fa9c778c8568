//! Value and derivative of an expression at one point, in f64: the reference that the kernels are tested against.
//!
//! The numeric rules (square root of negative numbers, epsilon, derivatives at kinks) are those of `swish_kernels::act`; the code is
//! its own, by forward differentiation instead of the kernels' reverse sweep.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2};

use super::expr::{Expr, Symbol};
use super::ops::{Func, Join};

/// The epsilon of `log(|x|+eps)` and of `a/(b+eps)`.
pub const EPS: f64 = 1e-7;

/// Value and derivatives of an activation at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Grad {
    /// f(x).
    pub value: f64,
    /// df/dx.
    pub dx: f64,
    /// df/dp of each parameter, in the order of the parameters.
    pub dparams: Vec<f64>,
}

impl Grad {
    /// The chain rule: a function of `self` with this value and derivative.
    fn chain(self, value: f64, slope: f64) -> Self {
        Grad { value, dx: scaled(slope, self.dx), dparams: self.dparams.iter().map(|d| scaled(slope, *d)).collect() }
    }

    /// The chain rule for two arguments.
    fn join(self, other: Self, value: f64, slopes: (f64, f64)) -> Self {
        let sum = |a: f64, b: f64| scaled(slopes.0, a) + scaled(slopes.1, b);
        let dparams = self.dparams.iter().zip(&other.dparams).map(|(a, b)| sum(*a, *b)).collect();
        Grad { value, dx: sum(self.dx, other.dx), dparams }
    }
}

/// What does not depend on the argument has derivative 0 even where the outer slope is infinite.
fn scaled(slope: f64, inner: f64) -> f64 {
    if inner == 0.0 { 0.0 } else { slope * inner }
}

/// Values of the parameters of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// The parameters in order.
    pub symbols: &'a [Symbol],
    /// Their values; a missing one has its initial value.
    pub values: &'a [f64],
}

impl Env<'_> {
    fn value(&self, index: Option<usize>, symbol: Symbol) -> f64 {
        index.and_then(|i| self.values.get(i).copied()).unwrap_or_else(|| symbol.init())
    }

    fn index(&self, symbol: Symbol) -> Option<usize> {
        self.symbols.iter().position(|s| *s == symbol)
    }
}

/// f(x).
pub fn value(expr: &Expr, x: f64, env: Env<'_>) -> f64 {
    match expr {
        Expr::X => x,
        Expr::Const(c) => *c,
        Expr::Param(s) => env.value(env.index(*s), *s),
        Expr::Call(f, a) => func(*f, value(a, x, env)).0,
        Expr::Pow(a, n) => power(value(a, x, env), *n).0,
        Expr::Join(j, a, b) => join(*j, value(a, x, env), value(b, x, env)).0,
    }
}

/// f(x), df/dx and df/dp.
pub fn grad(expr: &Expr, x: f64, env: Env<'_>) -> Grad {
    let leaf = |value, dx| Grad { value, dx, dparams: vec![0.0; env.symbols.len()] };
    match expr {
        Expr::X => leaf(x, 1.0),
        Expr::Const(c) => leaf(*c, 0.0),
        Expr::Param(s) => {
            let index = env.index(*s);
            let mut g = leaf(env.value(index, *s), 0.0);
            if let Some(i) = index {
                g.dparams[i] = 1.0;
            }
            g
        }
        Expr::Call(f, a) => {
            let a = grad(a, x, env);
            let (value, slope) = func(*f, a.value);
            a.chain(value, slope)
        }
        Expr::Pow(a, n) => {
            let a = grad(a, x, env);
            let (value, slope) = power(a.value, *n);
            a.chain(value, slope)
        }
        Expr::Join(j, a, b) => {
            let (a, b) = (grad(a, x, env), grad(b, x, env));
            let (value, slopes) = join(*j, a.value, b.value);
            a.join(b, value, slopes)
        }
    }
}

/// A primitive function's value and derivative.
pub fn func(f: Func, x: f64) -> (f64, f64) {
    match f {
        Func::Neg => (-x, -1.0),
        Func::Abs => (x.abs(), sign(x)),
        Func::Sqrt if x <= 0.0 => (0.0, 0.0),
        Func::Sqrt => (x.sqrt(), 0.5 / x.sqrt()),
        Func::LogAbs => ((x.abs() + EPS).ln(), sign(x) / (x.abs() + EPS)),
        Func::Exp => (x.exp(), x.exp()),
        Func::Expm1 => (x.exp_m1(), x.exp()),
        Func::Sin => (x.sin(), x.cos()),
        Func::Cos => (x.cos(), -x.sin()),
        Func::Sinh => (x.sinh(), x.cosh()),
        Func::Cosh => (x.cosh(), x.sinh()),
        Func::Tanh => (x.tanh(), x.cosh().powi(2).recip()),
        Func::Asinh => (asinh(x), x.hypot(1.0).recip()),
        Func::Atan => (x.atan(), (1.0 + x * x).recip()),
        Func::Sinc => sinc(x),
        Func::Relu => (clamp(x, x > 0.0), if x > 0.0 { 1.0 } else { 0.0 }),
        Func::MinZero => (clamp(x, x < 0.0), if x > 0.0 { 0.0 } else { 1.0 }),
        Func::Sigmoid => (sigmoid(x), sigmoid(x) * sigmoid(-x)),
        Func::Softplus => (clamp(x, x > 0.0) + (-x.abs()).exp().ln_1p(), sigmoid(x)),
        Func::Gauss => ((-x * x).exp(), scaled((-x * x).exp(), -2.0 * x)),
        Func::Erf => (erf(x), FRAC_2_SQRT_PI * (-x * x).exp()),
    }
}

fn power(x: f64, n: u32) -> (f64, f64) {
    let below = (1..n).fold(1.0, |p, _| p * x);
    (below * x, f64::from(n) * below)
}

fn join(j: Join, a: f64, b: f64) -> (f64, (f64, f64)) {
    match j {
        Join::Add => (a + b, (1.0, 1.0)),
        Join::Sub => (a - b, (1.0, -1.0)),
        Join::Mul => (a * b, (b, a)),
        Join::Div => {
            let d = b + EPS;
            (a / d, (d.recip(), -(a / d) / d))
        }
        Join::Max => extremum(a, b, a > b),
        Join::Min => extremum(a, b, a < b),
    }
}

/// The side that wins; both in halves at a tie; NaN if either is.
fn extremum(a: f64, b: f64, first: bool) -> (f64, (f64, f64)) {
    if a.is_nan() || b.is_nan() {
        (f64::NAN, (0.5, 0.5))
    } else if a == b {
        (a, (0.5, 0.5))
    } else if first {
        (a, (1.0, 0.0))
    } else {
        (b, (0.0, 1.0))
    }
}

fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// `x` where kept, else 0; NaN stays.
fn clamp(x: f64, kept: bool) -> f64 {
    if kept || x.is_nan() { x } else { 0.0 }
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// The standard library's doubles its argument, which overflows for the largest numbers.
fn asinh(x: f64) -> f64 {
    if x.abs() > 1e10 && x.is_finite() { (x.abs().ln() + LN_2).copysign(x) } else { x.asinh() }
}

/// `sin(x)/x` and its derivative; near 0 by its series, whose quotient forms lose all digits there.
fn sinc(x: f64) -> (f64, f64) {
    if x.is_infinite() {
        return (0.0, 0.0);
    }
    if x.abs() >= 1.0 {
        let s = x.sin() / x;
        return (s, (x.cos() - s) / x);
    }
    // sinc = sum of t_k, t_k = (-1)^k x^2k / (2k+1)!; x * sinc' = sum of 2k t_k.
    let (mut t, mut s, mut xd) = (1.0, 1.0, 0.0);
    for k in 1..=10 {
        let n = 2.0 * f64::from(k);
        t *= -x * x / (n * (n + 1.0));
        s += t;
        xd += n * t;
    }
    (s, if x == 0.0 { 0.0 } else { xd / x })
}

/// The error function to about 1e-15: its all-positive series (Abramowitz and Stegun 7.1.6) up to 3, beyond that
/// 1 - erfc by the continued fraction 7.1.14.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a < 3.0 {
        let (mut term, mut sum) = (x, x);
        let mut n = 1.0;
        while term.abs() > 1e-17 * sum.abs() {
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        FRAC_2_SQRT_PI * (-a * a).exp() * sum
    } else if a < 6.0 {
        let fraction = (1..=60).rev().fold(a, |f, k| a + f64::from(k) / 2.0 / f);
        (1.0 - (-a * a).exp() * FRAC_2_SQRT_PI / 2.0 / fraction).copysign(x)
    } else if x.is_nan() {
        x
    } else {
        1.0_f64.copysign(x)
    }
}
