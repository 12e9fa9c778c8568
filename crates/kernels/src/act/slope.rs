//! The derivatives of single steps on a tile, each a loop over the tile.

use super::EPS;
use super::math;
use super::plan::Join;
use super::program::{Gated, Unary};
use crate::real::Real;
use crate::simd::simd_fn;

/// One of the two operands of a [`Gated`].
#[derive(Clone, Copy)]
pub(super) enum Side {
    First,
    Second,
}

/// `out = expression` or `out += expression` over zipped slices. A macro and not a closure: its body has to be compiled with the
/// instructions of the function around it.
macro_rules! contribute {
    ($add:ident, $out:ident, [$($name:ident in $slice:expr),+] => $e:expr) => {{
        let n = $out.len();
        $(let $name = &$slice[..n];)+
        if $add {
            for i in 0..n {
                $(let $name = $name[i];)+
                $out[i] += $e;
            }
        } else {
            for i in 0..n {
                $(let $name = $name[i];)+
                $out[i] = $e;
            }
        }
    }};
}

simd_fn! {
    /// `out (+)= d * f'(x)`, y = f(x).
    pub(super) fn d_unary<T: Real>(op: Unary, add: bool, xs: &[T], ys: &[T], d: &[T], out: &mut [T]) {
        let two = T::from_f64(2.0);
        let eps = T::from_f64(EPS);
        macro_rules! by_x {
            ($x:ident => $e:expr) => { contribute!(add, out, [d in d, $x in xs] => d * $e) };
        }
        macro_rules! by_y {
            ($y:ident => $e:expr) => { contribute!(add, out, [d in d, $y in ys] => d * $e) };
        }
        macro_rules! by_trig {
            ($x:ident => $fast:expr, $any:expr) => {
                if xs.iter().fold(true, |fast, &x| fast & math::trig_is_fast(x)) {
                    by_x!($x => $fast)
                } else {
                    by_x!($x => $any)
                }
            };
        }
        match op {
            Unary::Neg => contribute!(add, out, [d in d] => -d),
            Unary::Abs => by_x!(x => math::sign(x)),
            Unary::Square => by_x!(x => two * x),
            Unary::Cube => by_x!(x => T::from_f64(3.0) * x * x),
            Unary::Sqrt => by_y!(y => if y > T::ZERO { T::from_f64(0.5) / y } else { T::ZERO }),
            Unary::LogAbs => by_x!(x => math::sign(x) / (x.abs() + eps)),
            Unary::Exp => by_y!(y => y),
            Unary::Expm1 => by_y!(y => y + T::ONE),
            Unary::Sin => by_trig!(x => math::cos::<T, FMA>(x), x.cos()),
            Unary::Cos => by_trig!(x => -math::sin::<T, FMA>(x), -x.sin()),
            Unary::Sinc => {
                by_trig!(x => math::sinc_and_slope::<T, FMA>(x).1, math::far_sinc_and_slope::<T, FMA>(x).1);
            }
            Unary::Sinh => by_x!(x => math::cosh::<T, FMA>(x)),
            Unary::Cosh => by_x!(x => math::sinh::<T, FMA>(x)),
            Unary::Tanh => by_y!(y => T::ONE - y * y),
            Unary::Asinh => by_x!(x => math::asinh_and_slope::<T, FMA>(x).1),
            Unary::Atan => by_x!(x => math::atan_and_slope::<T, FMA>(x).1),
            Unary::Relu => by_x!(x => if x > T::ZERO { T::ONE } else { T::ZERO }),
            Unary::MinZero => by_x!(x => if x > T::ZERO { T::ZERO } else { T::ONE }),
            Unary::Sigmoid => by_y!(y => y * (T::ONE - y)),
            Unary::Softplus => by_x!(x => math::sigmoid::<T, FMA>(x)),
            // x y first: it is 0 where 2 x could overflow.
            Unary::Gauss => contribute!(add, out, [d in d, x in xs, y in ys] => d * (-two * (x * y))),
            Unary::Erf => by_x!(x => math::erf_and_slope::<T, FMA>(x).1),
        }
    }
}

/// 1 where `a > b`, 1/2 at a tie, else 0.
#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    let tie = if a == b { T::from_f64(0.5) } else { T::ZERO };
    if a > b { T::ONE } else { tie }
}

simd_fn! {
    /// `out (+)= d * df/da`.
    pub(super) fn d_first<T: Real>(op: Join, add: bool, a: &[T], b: &[T], d: &[T], out: &mut [T]) {
        match op {
            Join::Add | Join::Sub => contribute!(add, out, [d in d] => d),
            Join::Mul => contribute!(add, out, [d in d, b in b] => d * b),
            Join::Div => {
                let eps = T::from_f64(EPS);
                contribute!(add, out, [d in d, b in b] => d / (b + eps));
            }
            Join::Max => contribute!(add, out, [d in d, a in a, b in b] => d * larger(a, b)),
            Join::Min => contribute!(add, out, [d in d, a in a, b in b] => d * larger(b, a)),
        }
    }
}

simd_fn! {
    /// `out (+)= d * df/db`.
    pub(super) fn d_second<T: Real>(op: Join, add: bool, a: &[T], b: &[T], d: &[T], out: &mut [T]) {
        match op {
            Join::Add => contribute!(add, out, [d in d] => d),
            Join::Sub => contribute!(add, out, [d in d] => -d),
            Join::Mul => contribute!(add, out, [d in d, a in a] => d * a),
            Join::Div => {
                let eps = T::from_f64(EPS);
                contribute!(add, out, [d in d, a in a, b in b] => {
                    let inverse = T::ONE / (b + eps);
                    -(d * (a * inverse) * inverse)
                });
            }
            Join::Max => contribute!(add, out, [d in d, a in a, b in b] => d * larger(b, a)),
            Join::Min => contribute!(add, out, [d in d, a in a, b in b] => d * larger(a, b)),
        }
    }
}

simd_fn! {
    /// `out (+)= d * df/dp` from p, a, b and the value.
    pub(super) fn d_gate<T: Real>(op: Gated, add: bool, operands: [&[T]; 4], d: &[T], out: &mut [T]) {
        let [_, a, b, y] = operands;
        match op {
            // The value first: it is 0 where the square could overflow.
            Gated::Gauss => contribute!(add, out, [d in d, a in a, b in b, y in y] => -(d * ((a - b) * y) * (a - b))),
            Gated::Laplace => contribute!(add, out, [d in d, a in a, b in b, y in y] => -(d * ((a - b).abs() * y))),
            Gated::Mix => contribute!(add, out, [d in d, a in a, b in b] => d * (a - b)),
        }
    }
}

simd_fn! {
    /// `out (+)= d * df/da` or `df/db` from p, a, b and the value.
    pub(super) fn d_side<T: Real>(op: Gated, side: Side, add: bool, operands: [&[T]; 4], d: &[T], out: &mut [T]) {
        let [p, a, b, y] = operands;
        let (slope, mix) = match side {
            Side::First => (-T::ONE, T::ZERO),
            Side::Second => (T::ONE, T::ONE),
        };
        let twice = slope + slope;
        match op {
            Gated::Gauss => contribute!(add, out, [d in d, p in p, a in a, b in b, y in y] => d * (twice * p * ((a - b) * y))),
            Gated::Laplace => contribute!(add, out, [d in d, p in p, a in a, b in b, y in y] => d * (slope * p * math::sign(a - b) * y)),
            // p for the first, 1 - p for the second.
            Gated::Mix => contribute!(add, out, [d in d, p in p] => d * (mix - slope * p)),
        }
    }
}

simd_fn! {
    /// `out (+)= d * slopes`.
    pub(super) fn product<T: Real>(add: bool, d: &[T], slopes: &[T], out: &mut [T]) {
        contribute!(add, out, [d in d, slope in slopes] => d * slope);
    }
}

simd_fn! {
    /// `ys = f(xs)` and its derivative, sharing what they have in common.
    pub(super) fn unary_with_slope<T: Real>(op: Unary, xs: &[T], ys: &mut [T], slopes: &mut [T]) {
        macro_rules! map {
            ($x:ident => $e:expr) => {
                for ((y, slope), &$x) in ys.iter_mut().zip(slopes.iter_mut()).zip(xs) {
                    (*y, *slope) = $e;
                }
            };
        }
        // Once more by the library where an argument was too large.
        macro_rules! map_trig {
            ($x:ident => $fast:expr, $any:expr) => {{
                let mut far = false;
                for ((y, slope), &$x) in ys.iter_mut().zip(slopes.iter_mut()).zip(xs) {
                    far |= !math::trig_is_fast($x);
                    (*y, *slope) = $fast;
                }
                if far {
                    map!($x => $any);
                }
            }};
        }
        let two = T::from_f64(2.0);
        let eps = T::from_f64(EPS);
        match op {
            Unary::Neg => map!(x => (-x, -T::ONE)),
            Unary::Abs => map!(x => (x.abs(), math::sign(x))),
            Unary::Square => map!(x => (x * x, two * x)),
            Unary::Cube => map!(x => (x * x * x, T::from_f64(3.0) * x * x)),
            Unary::Sqrt => map!(x => {
                let y = math::relu(x).sqrt();
                (y, if y > T::ZERO { T::from_f64(0.5) / y } else { T::ZERO })
            }),
            Unary::LogAbs => map!(x => {
                let a = x.abs() + eps;
                (math::ln::<T, FMA>(a), math::sign(x) / a)
            }),
            Unary::Exp => map!(x => {
                let y = math::exp::<T, FMA>(x);
                (y, y)
            }),
            Unary::Expm1 => map!(x => {
                let y = math::exp_m1::<T, FMA>(x);
                (y, y + T::ONE)
            }),
            Unary::Sin => map_trig!(x => math::sin_and_cos::<T, FMA>(x), (x.sin(), x.cos())),
            Unary::Cos => map_trig!(
                x => {
                    let (sin, cos) = math::sin_and_cos::<T, FMA>(x);
                    (cos, -sin)
                },
                (x.cos(), -x.sin())
            ),
            Unary::Sinc => map_trig!(x => math::sinc_and_slope::<T, FMA>(x), math::far_sinc_and_slope::<T, FMA>(x)),
            Unary::Sinh => map!(x => math::sinh_and_cosh::<T, FMA>(x)),
            Unary::Cosh => map!(x => {
                let (sinh, cosh) = math::sinh_and_cosh::<T, FMA>(x);
                (cosh, sinh)
            }),
            Unary::Tanh => map!(x => {
                let y = math::tanh::<T, FMA>(x);
                (y, T::ONE - y * y)
            }),
            Unary::Asinh => map!(x => math::asinh_and_slope::<T, FMA>(x)),
            Unary::Atan => map!(x => math::atan_and_slope::<T, FMA>(x)),
            Unary::Relu => map!(x => (math::relu(x), if x > T::ZERO { T::ONE } else { T::ZERO })),
            Unary::MinZero => map!(x => if x > T::ZERO { (T::ZERO, T::ZERO) } else { (x, T::ONE) }),
            Unary::Sigmoid => map!(x => {
                let y = math::sigmoid::<T, FMA>(x);
                (y, y * (T::ONE - y))
            }),
            Unary::Softplus => map!(x => math::softplus_and_slope::<T, FMA>(x)),
            Unary::Gauss => map!(x => {
                let y = math::exp_of_negative::<T, FMA>(-(x * x));
                (y, -two * (x * y))
            }),
            Unary::Erf => map!(x => math::erf_and_slope::<T, FMA>(x)),
        }
    }
}
