//! Finding the compound steps: a small rewriting of the steps that a backward sweep in one loop exists for.

use super::plan::{Fold, FoldOp, Join, Step};
use super::program::Unary;

/// Replaces steps whose only use is inside a compound step; the last step stays the last.
pub(super) fn fuse(first_step: usize, mut steps: Vec<Step>) -> Vec<Step> {
    let mut uses = vec![0; first_step + steps.len()];
    for slot in steps.iter().flat_map(|step| step.operands()).flatten() {
        uses[slot] += 1;
    }
    for i in (0..steps.len()).rev() {
        // The steps before i are as they were, because only later ones have been replaced.
        let once = |slot: usize| (slot >= first_step && uses[slot] == 1).then(|| steps[slot - first_step]);
        let compound = match steps[i] {
            Step::Join(op, a, b) => swish(op, a, b, once)
                .or_else(|| swish(op, b, a, once))
                .or_else(|| fold(op, a, b, false, once))
                .or_else(|| fold(op, b, a, true, once)),
            _ => None,
        };
        steps[i] = compound.unwrap_or(steps[i]);
    }
    without_dead(first_step, &steps)
}

/// `a sigmoid(b)` where b is a or a product of a and something else.
fn swish(op: Join, a: usize, gate: usize, once: impl Fn(usize) -> Option<Step>) -> Option<Step> {
    let (Join::Mul, Some(Step::Unary(Unary::Sigmoid, b))) = (op, once(gate)) else {
        return None;
    };
    if a == b {
        return Some(Step::Swish(a, None));
    }
    match once(b) {
        Some(Step::Join(Join::Mul, c, p) | Step::Join(Join::Mul, p, c)) if c == a && p != a => {
            Some(Step::Swish(a, Some(p)))
        }
        _ => None,
    }
}

/// `op(g(f(a)), a)`; swapped, `op(a, g(f(a)))`.
fn fold(op: Join, value: usize, a: usize, swapped: bool, once: impl Fn(usize) -> Option<Step>) -> Option<Step> {
    let (inner, square, operand) = match once(value)? {
        Step::Unary(Unary::Square, b) => match once(b) {
            Some(Step::Unary(inner, operand)) => (inner, true, operand),
            _ => return None,
        },
        Step::Unary(inner, operand) => (inner, false, operand),
        _ => return None,
    };
    let op = match op {
        Join::Add => FoldOp::Add,
        Join::Sub if swapped => FoldOp::SubFrom,
        Join::Sub => FoldOp::Sub,
        Join::Mul => FoldOp::Mul,
        Join::Max => FoldOp::Max,
        Join::Min => FoldOp::Min,
        Join::Div => return None,
    };
    (operand == a).then_some(Step::Fold(Fold { inner, square, op }, a))
}

/// Without the steps that the last one does not need, renumbered.
fn without_dead(first_step: usize, steps: &[Step]) -> Vec<Step> {
    let mut live = vec![false; steps.len()];
    if let Some(last) = live.last_mut() {
        *last = true;
    }
    for (i, step) in steps.iter().enumerate().rev() {
        for slot in step.operands().into_iter().flatten() {
            if live[i] && slot >= first_step {
                live[slot - first_step] = true;
            }
        }
    }
    let mut slot_of: Vec<usize> = (0..first_step).collect();
    let mut kept = Vec::new();
    for (&step, live) in steps.iter().zip(live) {
        slot_of.push(first_step + kept.len());
        let slot = |slot: usize| slot_of[slot];
        if live {
            kept.push(match step {
                Step::Unary(op, a) => Step::Unary(op, slot(a)),
                Step::Join(op, a, b) => Step::Join(op, slot(a), slot(b)),
                Step::Gated(op, p, a, b) => Step::Gated(op, slot(p), slot(a), slot(b)),
                Step::Swish(a, p) => Step::Swish(slot(a), p.map(slot)),
                Step::Fold(fold, a) => Step::Fold(fold, slot(a)),
            });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots: 0 the input, 1 a parameter, steps from 2.
    #[test]
    fn compound_steps_are_found_and_the_rest_is_kept() {
        let fold = |inner, square, op| Step::Fold(Fold { inner, square, op }, 0);
        let (sigmoid, sin, square) = (Unary::Sigmoid, Unary::Sin, Unary::Square);
        let cases = [
            // x sigmoid(beta x), both orders of both products.
            (
                vec![Step::Join(Join::Mul, 1, 0), Step::Unary(sigmoid, 2), Step::Join(Join::Mul, 0, 3)],
                Step::Swish(0, Some(1)),
            ),
            (
                vec![Step::Join(Join::Mul, 0, 1), Step::Unary(sigmoid, 2), Step::Join(Join::Mul, 3, 0)],
                Step::Swish(0, Some(1)),
            ),
            (vec![Step::Unary(sigmoid, 0), Step::Join(Join::Mul, 2, 0)], Step::Swish(0, None)),
            (vec![Step::Unary(sin, 0), Step::Join(Join::Sub, 2, 0)], fold(sin, false, FoldOp::Sub)),
            (vec![Step::Unary(sin, 0), Step::Join(Join::Sub, 0, 2)], fold(sin, false, FoldOp::SubFrom)),
            (vec![Step::Unary(sin, 0), Step::Join(Join::Max, 0, 2)], fold(sin, false, FoldOp::Max)),
            (
                vec![Step::Unary(sin, 0), Step::Unary(square, 2), Step::Join(Join::Mul, 0, 3)],
                fold(sin, true, FoldOp::Mul),
            ),
        ];
        for (steps, compound) in cases {
            assert_eq!(fuse(2, steps.clone()), [compound], "{steps:?}");
            // Used once more, and after a step of its own: renumbered.
            let mut longer = steps;
            longer.push(Step::Unary(Unary::Exp, longer.len() + 1));
            assert_eq!(fuse(2, longer), [compound, Step::Unary(Unary::Exp, 2)]);
        }
        // The sine is used twice, the product is of the wrong operand, the quotient has no compound step.
        for steps in [
            vec![Step::Unary(sin, 0), Step::Join(Join::Sub, 2, 0), Step::Join(Join::Div, 2, 3)],
            vec![Step::Join(Join::Mul, 1, 1), Step::Unary(sigmoid, 2), Step::Join(Join::Mul, 0, 3)],
            vec![Step::Join(Join::Mul, 0, 0), Step::Unary(sigmoid, 2), Step::Join(Join::Mul, 0, 3)],
            vec![Step::Unary(sin, 0), Step::Join(Join::Div, 2, 0)],
            vec![Step::Unary(sin, 1), Step::Join(Join::Add, 2, 0)],
        ] {
            assert_eq!(fuse(2, steps.clone()), steps);
        }
    }
}
