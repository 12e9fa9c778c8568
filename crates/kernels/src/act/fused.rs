//! The compound steps `a sigmoid(p a)` and `op(g(f(a)), a)` on a tile: each value and each derivative in one loop after f.

use super::math;
use super::plan::{Fold, FoldOp};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

simd_fn! {
    /// `ys = xs sigmoid(ps xs)`; no ps are ones.
    pub(super) fn swish<T: Real>(xs: &[T], ps: Option<&[T]>, ys: &mut [T]) {
        match ps {
            None => {
                for (y, &x) in ys.iter_mut().zip(xs) {
                    *y = x * math::sigmoid::<T, FMA>(x);
                }
            }
            Some(ps) => {
                for ((y, &x), &p) in ys.iter_mut().zip(xs).zip(ps) {
                    *y = x * math::sigmoid::<T, FMA>(p * x);
                }
            }
        }
    }
}

simd_fn! {
    /// [`swish`], and the sigmoids for [`d_swish`].
    pub(super) fn swish_keeping<T: Real>(xs: &[T], ps: Option<&[T]>, ys: &mut [T], gates: &mut [T]) {
        match ps {
            None => {
                for ((y, &x), gate) in ys.iter_mut().zip(xs).zip(gates) {
                    *gate = math::sigmoid::<T, FMA>(x);
                    *y = x * *gate;
                }
            }
            Some(ps) => {
                for (((y, &x), &p), gate) in ys.iter_mut().zip(xs).zip(ps).zip(gates) {
                    *gate = math::sigmoid::<T, FMA>(p * x);
                    *y = x * *gate;
                }
            }
        }
    }
}

/// The derivatives of x s with s = sigmoid(p x): by x, and by p divided by x.
#[inline(always)]
fn swish_slopes<T: Real, const FMA: bool>(x: T, p: T, s: T) -> (T, T) {
    // s (1 - s) first: it is 0 where the product of the others could overflow.
    let by_p = x * mul_add::<T, FMA>(-s, s, s);
    (mul_add::<T, FMA>(p, by_p, s), by_p)
}

simd_fn! {
    /// `d_xs = d * d(x sigmoid(p x))/dx` and `d_ps = d * .../dp`, from the sigmoids where they were kept.
    pub(super) fn d_swish<T: Real>(
        xs: &[T],
        ps: &[T],
        gates: Option<&[T]>,
        d: &[T],
        d_xs: &mut [T],
        d_ps: &mut [T],
    ) {
        let n = d.len();
        let (xs, ps, d_xs, d_ps) = (&xs[..n], &ps[..n], &mut d_xs[..n], &mut d_ps[..n]);
        macro_rules! store {
            ($i:ident => $gate:expr) => {
                for $i in 0..d.len() {
                    let (x, p) = (xs[$i], ps[$i]);
                    let (slope, by_p) = swish_slopes::<T, FMA>(x, p, $gate);
                    d_xs[$i] = d[$i] * slope;
                    d_ps[$i] = (d[$i] * x) * by_p;
                }
            };
        }
        match gates {
            None => store!(i => math::sigmoid::<T, FMA>(ps[i] * xs[i])),
            Some(gates) => {
                let gates = &gates[..n];
                store!(i => gates[i]);
            }
        }
    }
}

simd_fn! {
    /// [`d_swish`] by x alone, where nothing is trained behind p; no ps are ones.
    pub(super) fn d_swish_by_x<T: Real>(xs: &[T], ps: Option<&[T]>, gates: Option<&[T]>, d: &[T], d_xs: &mut [T]) {
        let n = d.len();
        let (xs, d_xs) = (&xs[..n], &mut d_xs[..n]);
        macro_rules! store {
            ($i:ident, $x:ident => $p:expr, $gate:expr) => {
                for $i in 0..d.len() {
                    let $x = xs[$i];
                    d_xs[$i] = d[$i] * swish_slopes::<T, FMA>($x, $p, $gate).0;
                }
            };
        }
        match (ps.map(|ps| &ps[..n]), gates.map(|gates| &gates[..n])) {
            (None, None) => store!(i, x => T::ONE, math::sigmoid::<T, FMA>(x)),
            (None, Some(gates)) => store!(i, x => T::ONE, gates[i]),
            (Some(ps), None) => store!(i, x => ps[i], math::sigmoid::<T, FMA>(ps[i] * x)),
            (Some(ps), Some(gates)) => store!(i, x => ps[i], gates[i]),
        }
    }
}

impl Fold {
    /// The constant parameter of [`fold_at`].
    fn code(self) -> u8 {
        self.op as u8 + if self.square { SQUARE } else { 0 }
    }
}

const ADD: u8 = FoldOp::Add as u8;
const SUB: u8 = FoldOp::Sub as u8;
const SUB_FROM: u8 = FoldOp::SubFrom as u8;
const MUL: u8 = FoldOp::Mul as u8;
const MAX: u8 = FoldOp::Max as u8;
/// Added to the others.
const SQUARE: u8 = 6;

/// Value and derivative of `op(g(u), x)` by x, where u = f(x) has the derivative `slope`.
#[inline(always)]
fn fold_at<T: Real, const CODE: u8, const FMA: bool>(x: T, u: T, slope: T) -> (T, T) {
    let (u, slope) = if CODE >= SQUARE { (u * u, (u + u) * slope) } else { (u, slope) };
    let chosen = |u_first: bool, x_first: bool| {
        // NaN on either side is the value; at a tie each side gets half.
        let y = if u_first || u.is_nan() { u } else { x };
        let tie = T::from_f64(0.5) * (slope + T::ONE);
        let d = if x_first { T::ONE } else { tie };
        (y, if u_first { slope } else { d })
    };
    match CODE % SQUARE {
        ADD => (u + x, slope + T::ONE),
        SUB => (u - x, slope - T::ONE),
        SUB_FROM => (x - u, T::ONE - slope),
        MUL => (u * x, mul_add::<T, FMA>(x, slope, u)),
        MAX => chosen(u > x, x > u),
        _ => chosen(u < x, x < u),
    }
}

/// Runs `$run!(code)` with the constant of a fold.
macro_rules! by_code {
    ($fold:expr, $run:ident) => {
        match $fold.code() {
            0 => $run!(0),
            1 => $run!(1),
            2 => $run!(2),
            3 => $run!(3),
            4 => $run!(4),
            5 => $run!(5),
            6 => $run!(6),
            7 => $run!(7),
            8 => $run!(8),
            9 => $run!(9),
            10 => $run!(10),
            _ => $run!(11),
        }
    };
}

simd_fn! {
    /// f(x) in `ys` becomes `op(g(f(x)), x)`.
    pub(super) fn fold<T: Real>(fold: Fold, xs: &[T], ys: &mut [T]) {
        macro_rules! run {
            ($code:literal) => {
                for (y, &x) in ys.iter_mut().zip(xs) {
                    *y = fold_at::<T, $code, FMA>(x, *y, T::ONE).0;
                }
            };
        }
        by_code!(fold, run);
    }
}

simd_fn! {
    /// f(x) in `ys` and its derivative in `slopes` become those of `op(g(f(x)), x)`.
    pub(super) fn fold_with_slope<T: Real>(fold: Fold, xs: &[T], ys: &mut [T], slopes: &mut [T]) {
        macro_rules! run {
            ($code:literal) => {
                for ((y, &x), slope) in ys.iter_mut().zip(xs).zip(slopes) {
                    (*y, *slope) = fold_at::<T, $code, FMA>(x, *y, *slope);
                }
            };
        }
        by_code!(fold, run);
    }
}

simd_fn! {
    /// `out (+)= d * d(op(g(f(x)), x))/dx` from f(x) in `us` and its derivative in `slopes`.
    pub(super) fn d_fold<T: Real>(
        fold: Fold,
        add: bool,
        xs: &[T],
        us: &[T],
        slopes: &[T],
        d: &[T],
        out: &mut [T],
    ) {
        let n = out.len();
        let (xs, us, slopes, d) = (&xs[..n], &us[..n], &slopes[..n], &d[..n]);
        macro_rules! run {
            ($code:literal) => {
                if add {
                    for i in 0..n {
                        out[i] += d[i] * fold_at::<T, $code, FMA>(xs[i], us[i], slopes[i]).1;
                    }
                } else {
                    for i in 0..n {
                        out[i] = d[i] * fold_at::<T, $code, FMA>(xs[i], us[i], slopes[i]).1;
                    }
                }
            };
        }
        by_code!(fold, run);
    }
}
