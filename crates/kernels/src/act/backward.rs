//! The derivative of a program on a tile: a reverse sweep over the recomputed values.

use super::Program;
use super::forward::{Inputs, Values, evaluate};
use super::fused;
use super::plan::{Plan, Step};
use super::slope::{Side, d_first, d_gate, d_second, d_side, d_unary, product, unary_with_slope};
use super::tile::TILE;
use crate::real::Real;
use crate::simd::add_to;

/// The values and the adjoints (derivatives of the sum of `d_ys * ys`) of a program's slots on one tile.
pub(crate) struct Sweep<'p, T> {
    values: Values<'p, T>,
    /// By step: what [`Step::keeps_slope`] describes, where the value was computed.
    slopes: Vec<T>,
    adjoints: Vec<T>,
    /// By slot: has its adjoint been written? The first contribution is stored, the others are added.
    written: Vec<bool>,
    /// Two tiles.
    scratch: Vec<T>,
}

impl<'p, T: Real> Sweep<'p, T> {
    pub(crate) fn new(program: &'p Program) -> Self {
        let plan = &program.plan;
        let slots = plan.active.len();
        Self {
            values: Values::new(program),
            slopes: vec![T::ZERO; plan.steps.len() * TILE],
            adjoints: vec![T::ZERO; slots * TILE],
            written: vec![false; slots],
            scratch: vec![T::ZERO; 2 * TILE],
        }
    }

    /// `d_xs` is overwritten; the parameters' derivatives are read with [`Sweep::add_d_param`].
    pub(crate) fn run(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], d_xs: &mut [T]) {
        let plan = self.values.plan;
        for (i, &step) in plan.steps.iter().enumerate() {
            let slot = plan.first_step() + i;
            if plan.needed[slot] {
                let (value, out) = self.values.split(inputs, slot);
                compute(plan, slot, step, value, out, &mut self.slopes[i * TILE..][..inputs.tile.len]);
            }
        }
        self.sweep(inputs, d_ys, None, d_xs);
    }

    /// As [`Sweep::run`], and `ys = f(xs)` from the same computation.
    pub(crate) fn run_with_value(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], ys: &mut [T], d_xs: &mut [T]) {
        let plan = self.values.plan;
        for (i, &step) in plan.steps.iter().enumerate() {
            let slot = plan.first_step() + i;
            let (value, out) = self.values.split(inputs, slot);
            let out = if slot == plan.result { &mut *ys } else { out };
            compute(plan, slot, step, value, out, &mut self.slopes[i * TILE..][..inputs.tile.len]);
        }
        if plan.steps.is_empty() {
            ys.copy_from_slice(self.values.get(inputs, plan.result));
        }
        self.sweep(inputs, d_ys, Some(ys), d_xs);
    }

    /// The reverse sweep; `ys` are the values of the result if they and all others were computed.
    fn sweep(&mut self, inputs: Inputs<'_, T>, d_ys: &[T], ys: Option<&[T]>, d_xs: &mut [T]) {
        let Self { values, slopes, adjoints, written, scratch } = self;
        let (plan, len) = (values.plan, inputs.tile.len);
        written.fill(false);
        if plan.steps.is_empty() {
            written[plan.result] = true;
            match plan.result {
                0 => d_xs.copy_from_slice(d_ys),
                slot => adjoints[slot * TILE..][..len].copy_from_slice(d_ys),
            }
        }
        let (scratch_1, scratch_2) = scratch.split_at_mut(TILE);
        let (scratch_1, scratch_2) = (&mut scratch_1[..len], &mut scratch_2[..len]);
        for (i, &step) in plan.steps.iter().enumerate().rev() {
            let slot = plan.first_step() + i;
            if !plan.active[slot] {
                continue;
            }
            let (lower, upper) = adjoints.split_at_mut(slot * TILE);
            let d = if slot == plan.result { d_ys } else { &upper[..len] };
            let mut to = Contributions { plan, d_xs: &mut *d_xs, lower, written, len };
            let value = |slot| match ys {
                Some(ys) if slot == plan.result => ys,
                _ => values.get(inputs, slot),
            };
            let kept = (step.keeps_slope() && (ys.is_some() || plan.needed[slot])).then(|| &slopes[i * TILE..][..len]);
            match (step, kept) {
                (Step::Unary(_, a) | Step::Fold(_, a), Some(slopes)) => {
                    to.add(a, |add, out| product(add, d, slopes, out));
                }
                (Step::Unary(op, a), None) => to.add(a, |add, out| d_unary(op, add, value(a), value(slot), d, out)),
                (Step::Fold(fold, a), None) => {
                    unary_with_slope(fold.inner, value(a), scratch_1, scratch_2);
                    to.add(a, |add, out| fused::d_fold(fold, add, value(a), scratch_1, scratch_2, d, out));
                }
                (Step::Swish(a, Some(p)), gates) if plan.active[p] => {
                    if let Some((d_a, d_p)) = to.first_two(a, p) {
                        fused::d_swish(value(a), value(p), gates, d, d_a, d_p);
                    } else {
                        fused::d_swish(value(a), value(p), gates, d, scratch_1, scratch_2);
                        to.add_tile(a, scratch_1);
                        to.add_tile(p, scratch_2);
                    }
                }
                (Step::Swish(a, p), gates) => {
                    if let Some(out) = to.first(a) {
                        fused::d_swish_by_x(value(a), p.map(value), gates, d, out);
                    } else {
                        fused::d_swish_by_x(value(a), p.map(value), gates, d, scratch_1);
                        to.add_tile(a, scratch_1);
                    }
                }
                (Step::Join(op, a, b), _) => {
                    to.add(a, |add, out| d_first(op, add, value(a), value(b), d, out));
                    to.add(b, |add, out| d_second(op, add, value(a), value(b), d, out));
                }
                (Step::Gated(op, p, a, b), _) => {
                    let operands = [value(p), value(a), value(b), value(slot)];
                    to.add(p, |add, out| d_gate(op, add, operands, d, out));
                    to.add(a, |add, out| d_side(op, Side::First, add, operands, d, out));
                    to.add(b, |add, out| d_side(op, Side::Second, add, operands, d, out));
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

/// The value of a step, and its slope where it is kept.
fn compute<'a, T: Real>(
    plan: &Plan,
    slot: usize,
    step: Step,
    value: impl Fn(usize) -> &'a [T],
    out: &mut [T],
    slopes: &mut [T],
) {
    match step {
        _ if !plan.active[slot] || !step.keeps_slope() => evaluate(step, value, out),
        Step::Unary(op, a) => unary_with_slope(op, value(a), out, slopes),
        Step::Fold(fold, a) => {
            unary_with_slope(fold.inner, value(a), out, slopes);
            fused::fold_with_slope(fold, value(a), out, slopes);
        }
        Step::Swish(a, p) => fused::swish_keeping(value(a), p.map(value), out, slopes),
        Step::Join(..) | Step::Gated(..) => evaluate(step, value, out),
    }
}

/// Where the contributions of one step to the adjoints of its operands go.
struct Contributions<'a, T> {
    plan: &'a Plan,
    /// The adjoint of slot 0.
    d_xs: &'a mut [T],
    /// The adjoints of the slots below the step's.
    lower: &'a mut [T],
    written: &'a mut [bool],
    len: usize,
}

impl<T: Real> Contributions<'_, T> {
    /// Calls `gradient(add, out)`, which stores or adds, unless the operand is constant.
    fn add(&mut self, operand: usize, gradient: impl FnOnce(bool, &mut [T])) {
        if self.plan.active[operand] {
            let out = match operand {
                0 => &mut *self.d_xs,
                _ => &mut self.lower[operand * TILE..][..self.len],
            };
            gradient(std::mem::replace(&mut self.written[operand], true), out);
        }
    }

    /// Adds a contribution that has been computed.
    fn add_tile(&mut self, operand: usize, tile: &[T]) {
        self.add(operand, |add, out| if add { add_to(out, tile) } else { out.copy_from_slice(tile) });
    }

    /// The adjoint of an operand that nothing has been written to; from here on something has.
    fn first(&mut self, operand: usize) -> Option<&mut [T]> {
        if !self.plan.active[operand] || std::mem::replace(&mut self.written[operand], true) {
            return None;
        }
        match operand {
            0 => Some(&mut *self.d_xs),
            _ => Some(&mut self.lower[operand * TILE..][..self.len]),
        }
    }

    /// [`Contributions::first`] of two different operands, if that is true of both.
    fn first_two(&mut self, a: usize, b: usize) -> Option<(&mut [T], &mut [T])> {
        let fresh = |slot: usize| self.plan.active[slot] && !self.written[slot];
        if !fresh(a) || !fresh(b) {
            return None;
        }
        (self.written[a], self.written[b]) = (true, true);
        let len = self.len;
        let (lower, d_xs) = (&mut *self.lower, &mut *self.d_xs);
        Some(if a == 0 {
            (d_xs, &mut lower[b * TILE..][..len])
        } else if b == 0 {
            (&mut lower[a * TILE..][..len], d_xs)
        } else {
            let (low, high) = lower.split_at_mut(a.max(b) * TILE);
            let (low, high) = (&mut low[a.min(b) * TILE..][..len], &mut high[..len]);
            if a < b { (low, high) } else { (high, low) }
        })
    }
}
