//! The derivative of a program on a tile: a reverse sweep over the recomputed values.

use super::forward::{Inputs, Values};
use super::math;
use super::program::{Gated, Join, Step, Unary};
use super::tile::{TILE, add_to};
use super::{EPS, Program};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// The values and the adjoints (derivatives of the sum of `d_ys * ys`) of a program's slots on one tile.
pub(crate) struct Sweep<'p, T> {
    values: Values<'p, T>,
    adjoints: Vec<T>,
    /// By slot: has its adjoint been written? The first contribution is stored, the others are added.
    written: Vec<bool>,
}

impl<'p, T: Real> Sweep<'p, T> {
    pub(crate) fn new(program: &'p Program) -> Self {
        let values = Values::new(program);
        let slots = values.plan.active.len();
        Self { values, adjoints: vec![T::ZERO; slots * TILE], written: vec![false; slots] }
    }

    /// `d_xs` is overwritten; the parameters' derivatives are read with [`Sweep::add_d_param`].
    pub(crate) fn run(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], d_xs: &mut [T]) {
        self.values.recompute(inputs);
        self.sweep(inputs, d_ys, None, d_xs);
    }

    /// As [`Sweep::run`], and `ys = f(xs)` from the same computation.
    #[allow(dead_code, reason = "for blocks that fuse an activation with what follows it")]
    pub(crate) fn run_with_value(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], ys: &mut [T], d_xs: &mut [T]) {
        self.values.forward(inputs, ys);
        self.sweep(inputs, d_ys, Some(ys), d_xs);
    }

    /// The reverse sweep; the value of the result is in `ys` or, where its derivative needs it, in its slot.
    fn sweep(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], ys: Option<&[T]>, d_xs: &mut [T]) {
        let Self { values, adjoints, written } = self;
        let (plan, len) = (values.plan, inputs.tile.len);
        written.fill(false);
        if plan.steps.is_empty() {
            written[plan.result] = true;
            match plan.result {
                0 => d_xs.copy_from_slice(d_ys),
                slot => adjoints[slot * TILE..][..len].copy_from_slice(d_ys),
            }
        }
        for (i, &step) in plan.steps.iter().enumerate().rev() {
            let slot = plan.first_step() + i;
            if !plan.active[slot] {
                continue;
            }
            let (lower, upper) = adjoints.split_at_mut(slot * TILE);
            let d = if slot == plan.result { d_ys } else { &upper[..len] };
            let value = |slot| match ys {
                Some(ys) if slot == plan.result => ys,
                _ => values.get(inputs, slot),
            };
            let mut contribute = |operand: usize, gradient: &dyn Fn(bool, &mut [T])| {
                if plan.active[operand] {
                    let out = if operand == 0 { &mut *d_xs } else { &mut lower[operand * TILE..][..len] };
                    gradient(std::mem::replace(&mut written[operand], true), out);
                }
            };
            match step {
                Step::Unary(op, a) => contribute(a, &|add, out| d_unary(op, add, value(a), value(slot), d, out)),
                Step::Join(op, a, b) => {
                    contribute(a, &|add, out| d_first(op, add, value(a), value(b), d, out));
                    contribute(b, &|add, out| d_second(op, add, value(a), value(b), d, out));
                }
                Step::Gated(op, p, a, b) => {
                    let operands = [value(p), value(a), value(b), value(slot)];
                    contribute(p, &|add, out| d_gate(op, add, operands, d, out));
                    contribute(a, &|add, out| d_side(op, Side::First, add, operands, d, out));
                    contribute(b, &|add, out| d_side(op, Side::Second, add, operands, d, out));
                }
            }
        }
        if !written[0] {
            d_xs.fill(T::ZERO);
        }
    }

    /// Adds the derivative by parameter `k` of the last [`Sweep::run`] to the sums.
    pub(crate) fn add_d_param(&self, k: usize, sums: &mut [T]) {
        if self.written[1 + k] {
            add_to(sums, &self.adjoints[(1 + k) * TILE..][..sums.len()]);
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
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
    fn d_unary<T: Real>(op: Unary, add: bool, xs: &[T], ys: &[T], d: &[T], out: &mut [T]) {
        let two = T::from_f64(2.0);
        let eps = T::from_f64(EPS);
        macro_rules! by_x {
            ($x:ident => $e:expr) => { contribute!(add, out, [d in d, $x in xs] => d * $e) };
        }
        macro_rules! by_y {
            ($y:ident => $e:expr) => { contribute!(add, out, [d in d, $y in ys] => d * $e) };
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
            Unary::Sin if math::trig_is_fast(xs) => by_x!(x => math::fast_cos::<T, FMA>(x)),
            Unary::Sin => by_x!(x => x.cos()),
            Unary::Cos if math::trig_is_fast(xs) => by_x!(x => -math::fast_sin::<T, FMA>(x)),
            Unary::Cos => by_x!(x => -x.sin()),
            Unary::Sinc if math::trig_is_fast(xs) => {
                contribute!(add, out, [d in d, x in xs, y in ys] => d * math::d_sinc::<T, FMA>(x, y, math::fast_cos::<T, FMA>(x)));
            }
            Unary::Sinc => contribute!(add, out, [d in d, x in xs, y in ys] => d * math::d_sinc::<T, FMA>(x, y, x.cos())),
            Unary::Sinh => by_x!(x => math::cosh::<T, FMA>(x)),
            Unary::Cosh => by_x!(x => math::sinh::<T, FMA>(x)),
            Unary::Tanh => by_y!(y => T::ONE - y * y),
            Unary::Asinh => by_x!(x => T::ONE / mul_add::<T, FMA>(x, x, T::ONE).sqrt()),
            Unary::Atan => by_x!(x => T::ONE / mul_add::<T, FMA>(x, x, T::ONE)),
            Unary::Relu => by_x!(x => if x > T::ZERO { T::ONE } else { T::ZERO }),
            Unary::MinZero => by_x!(x => if x > T::ZERO { T::ZERO } else { T::ONE }),
            Unary::Sigmoid => by_y!(y => y * (T::ONE - y)),
            Unary::Softplus => by_x!(x => math::sigmoid::<T, FMA>(x)),
            // x y first: it is 0 where 2 x could overflow.
            Unary::Gauss => contribute!(add, out, [d in d, x in xs, y in ys] => d * (-two * (x * y))),
            Unary::Erf => {
                let c = T::from_f64(std::f64::consts::FRAC_2_SQRT_PI);
                by_x!(x => c * math::exp_of_negative::<T, FMA>(-(x * x)));
            }
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
    fn d_first<T: Real>(op: Join, add: bool, a: &[T], b: &[T], d: &[T], out: &mut [T]) {
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
    fn d_second<T: Real>(op: Join, add: bool, a: &[T], b: &[T], d: &[T], out: &mut [T]) {
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
    fn d_gate<T: Real>(op: Gated, add: bool, operands: [&[T]; 4], d: &[T], out: &mut [T]) {
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
    fn d_side<T: Real>(op: Gated, side: Side, add: bool, operands: [&[T]; 4], d: &[T], out: &mut [T]) {
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
