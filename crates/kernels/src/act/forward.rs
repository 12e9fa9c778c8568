//! The value of a program on a tile: step by step, each a loop over the tile.

use super::fused;
use super::math;
use super::plan::{Join, Plan, Step};
use super::program::{Gated, Unary};
use super::tile::{Pattern, TILE, Tile};
use super::{EPS, Program};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// What a program reads on a tile.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a, T: Real> {
    /// The tile's elements.
    pub(crate) xs: &'a [T],
    /// The parameters of all channels.
    pub(crate) params: &'a [Pattern<'a, T>],
    /// Where the tile lies.
    pub(crate) tile: Tile,
}

/// The values of a program's slots on one tile; kept for the backward sweep, and from tile to tile for the constants.
pub(crate) struct Values<'p, T> {
    pub(super) plan: &'p Plan,
    slots: Vec<T>,
}

impl<'p, T: Real> Values<'p, T> {
    pub(crate) fn new(program: &'p Program) -> Self {
        let plan = &program.plan;
        let mut slots = vec![T::ZERO; (plan.first_step() + plan.steps.len()) * TILE];
        for (values, &value) in slots.chunks_exact_mut(TILE).skip(1 + plan.n_params).zip(&plan.consts) {
            values.fill(T::from_f64(value));
        }
        Self { plan, slots }
    }

    /// The value of the whole program.
    pub(crate) fn forward(&mut self, inputs: Inputs<'_, T>, ys: &mut [T]) {
        match self.plan.steps.split_last() {
            None => ys.copy_from_slice(read(self.plan, &self.slots, inputs, self.plan.result)),
            Some((&last, steps)) => {
                self.run(steps, inputs);
                evaluate(last, |slot| read(self.plan, &self.slots, inputs, slot), ys);
            }
        }
    }

    /// The value of a slot.
    pub(super) fn get<'a>(&'a self, inputs: Inputs<'a, T>, slot: usize) -> &'a [T] {
        read(self.plan, &self.slots, inputs, slot)
    }

    /// The values of lower slots than a step's, and where its own goes.
    pub(super) fn split<'a>(
        &'a mut self,
        inputs: Inputs<'a, T>,
        slot: usize,
    ) -> (impl Fn(usize) -> &'a [T] + Copy, &'a mut [T]) {
        let plan = self.plan;
        let (done, out) = self.slots.split_at_mut(slot * TILE);
        let done = &*done;
        (move |operand| read(plan, done, inputs, operand), &mut out[..inputs.tile.len])
    }

    fn run(&mut self, steps: &[Step], inputs: Inputs<'_, T>) {
        for (slot, &step) in (self.plan.first_step()..).zip(steps) {
            let (value, out) = self.split(inputs, slot);
            evaluate(step, value, out);
        }
    }
}

fn read<'a, T: Real>(plan: &Plan, slots: &'a [T], inputs: Inputs<'a, T>, slot: usize) -> &'a [T] {
    if slot == 0 {
        inputs.xs
    } else if slot <= plan.n_params {
        inputs.params[slot - 1].at(inputs.tile)
    } else {
        &slots[slot * TILE..][..inputs.tile.len]
    }
}

/// The value of a step from those of its operands.
pub(super) fn evaluate<'a, T: Real>(step: Step, read: impl Fn(usize) -> &'a [T], out: &mut [T]) {
    match step {
        Step::Unary(op, a) => unary(op, read(a), out),
        Step::Join(op, a, b) => join(op, read(a), read(b), out),
        Step::Gated(op, p, a, b) => gated(op, read(p), read(a), read(b), out),
        Step::Swish(a, p) => fused::swish(read(a), p.map(read), out),
        Step::Fold(fold, a) => {
            unary(fold.inner, read(a), out);
            fused::fold(fold, read(a), out);
        }
    }
}

simd_fn! {
    fn unary<T: Real>(op: Unary, xs: &[T], ys: &mut [T]) {
        // A macro and not a closure: its body has to be compiled with the caller's instructions.
        macro_rules! map {
            ($x:ident => $y:expr) => {
                for (y, &$x) in ys.iter_mut().zip(xs) {
                    *y = $y;
                }
            };
        }
        // Once more by the library where an argument was too large.
        macro_rules! map_trig {
            ($x:ident => $fast:expr, $any:expr) => {
                let mut far = false;
                for (y, &$x) in ys.iter_mut().zip(xs) {
                    far |= !math::trig_is_fast($x);
                    *y = $fast;
                }
                if far {
                    map!($x => $any);
                }
            };
        }
        match op {
            Unary::Neg => map!(x => -x),
            Unary::Abs => map!(x => x.abs()),
            Unary::Square => map!(x => x * x),
            Unary::Cube => map!(x => x * x * x),
            Unary::Sqrt => map!(x => math::relu(x).sqrt()),
            Unary::LogAbs => {
                let eps = T::from_f64(EPS);
                map!(x => math::ln::<T, FMA>(x.abs() + eps));
            }
            Unary::Exp => map!(x => math::exp::<T, FMA>(x)),
            Unary::Expm1 => map!(x => math::exp_m1::<T, FMA>(x)),
            Unary::Sin => { map_trig!(x => math::sin::<T, FMA>(x), x.sin()); }
            Unary::Cos => { map_trig!(x => math::cos::<T, FMA>(x), x.cos()); }
            Unary::Sinc => { map_trig!(x => math::sinc::<T, FMA>(x), math::sinc_from(x, x.sin())); }
            Unary::Sinh => map!(x => math::sinh::<T, FMA>(x)),
            Unary::Cosh => map!(x => math::cosh::<T, FMA>(x)),
            Unary::Tanh => map!(x => math::tanh::<T, FMA>(x)),
            Unary::Asinh => map!(x => math::asinh::<T, FMA>(x)),
            Unary::Atan => map!(x => math::atan::<T, FMA>(x)),
            Unary::Relu => map!(x => math::relu(x)),
            Unary::MinZero => map!(x => if x > T::ZERO { T::ZERO } else { x }),
            Unary::Sigmoid => map!(x => math::sigmoid::<T, FMA>(x)),
            Unary::Softplus => map!(x => math::softplus::<T, FMA>(x)),
            Unary::Gauss => map!(x => math::exp_of_negative::<T, FMA>(-(x * x))),
            Unary::Erf => map!(x => math::erf::<T, FMA>(x)),
        }
    }
}

simd_fn! {
    fn join<T: Real>(op: Join, xs: &[T], zs: &[T], ys: &mut [T]) {
        macro_rules! map {
            ($a:ident, $b:ident => $y:expr) => {
                for ((y, &$a), &$b) in ys.iter_mut().zip(xs).zip(zs) {
                    *y = $y;
                }
            };
        }
        match op {
            Join::Add => map!(a, b => a + b),
            Join::Mul => map!(a, b => a * b),
            Join::Sub => map!(a, b => a - b),
            Join::Div => {
                let eps = T::from_f64(EPS);
                map!(a, b => a / (b + eps));
            }
            // NaN on either side is the value.
            Join::Max => map!(a, b => if a > b || a.is_nan() { a } else { b }),
            Join::Min => map!(a, b => if a < b || a.is_nan() { a } else { b }),
        }
    }
}

simd_fn! {
    fn gated<T: Real>(op: Gated, ps: &[T], xs: &[T], zs: &[T], ys: &mut [T]) {
        macro_rules! map {
            ($p:ident, $a:ident, $b:ident => $y:expr) => {
                for (((y, &$p), &$a), &$b) in ys.iter_mut().zip(ps).zip(xs).zip(zs) {
                    *y = $y;
                }
            };
        }
        match op {
            // (p d) d and not p d^2: no 0 * inf where p is 0 and d^2 overflows.
            Gated::Gauss => map!(p, a, b => math::exp::<T, FMA>(-((p * (a - b)) * (a - b)))),
            Gated::Laplace => map!(p, a, b => math::exp::<T, FMA>(-(p * (a - b).abs()))),
            Gated::Mix => map!(p, a, b => mul_add::<T, FMA>(p, a, (T::ONE - p) * b)),
        }
    }
}
