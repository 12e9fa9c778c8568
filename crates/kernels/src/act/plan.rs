//! [`Plan`]: a program's operations as steps over tiles, and which of their values the backward sweep needs.

use super::fuse;
use super::program::{Binary, Gated, Op, Unary, operands};

/// The functions of two operands that are one loop over a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Add,
    Mul,
    Sub,
    Div,
    Max,
    Min,
}

/// How a function of an operand, u, is joined with the operand itself, a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldOp {
    /// u + a.
    Add,
    /// u - a.
    Sub,
    /// a - u.
    SubFrom,
    /// u a.
    Mul,
    /// The larger.
    Max,
    /// The smaller.
    Min,
}

/// `op(g(f(a)), a)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// f.
    pub(crate) inner: Unary,
    /// g: the square or nothing.
    pub(crate) square: bool,
    pub(crate) op: FoldOp,
}

/// One computed slot; operands are slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Unary(Unary, usize),
    Join(Join, usize, usize),
    Gated(Gated, usize, usize, usize),
    /// `a sigmoid(p a)`: a, and p if it is not 1.
    Swish(usize, Option<usize>),
    Fold(Fold, usize),
}

impl Step {
    pub(super) fn operands(self) -> [Option<usize>; 3] {
        match self {
            Self::Unary(_, a) | Self::Fold(_, a) => [Some(a), None, None],
            Self::Join(_, a, b) => [Some(a), Some(b), None],
            Self::Gated(_, p, a, b) => [Some(p), Some(a), Some(b)],
            Self::Swish(a, p) => [Some(a), p, None],
        }
    }

    /// Is the slope (for [`Step::Swish`] the sigmoid) a by-product of the value that saves the backward sweep a second evaluation?
    pub(super) fn keeps_slope(self) -> bool {
        match self {
            Self::Unary(op, _) => matches!(
                op,
                Unary::Sin
                    | Unary::Cos
                    | Unary::Sinc
                    | Unary::Sinh
                    | Unary::Cosh
                    | Unary::Asinh
                    | Unary::Atan
                    | Unary::Softplus
                    | Unary::Erf
            ),
            Self::Swish(..) | Self::Fold(..) => true,
            Self::Join(..) | Self::Gated(..) => false,
        }
    }

    /// Does the derivative use the step's own value?
    fn derivative_uses_value(self) -> bool {
        match self {
            Self::Unary(op, _) => {
                matches!(op, Unary::Sqrt | Unary::Exp | Unary::Expm1 | Unary::Tanh | Unary::Sigmoid | Unary::Gauss)
            }
            Self::Gated(op, ..) => op != Gated::Mix,
            Self::Join(..) | Self::Swish(..) | Self::Fold(..) => false,
        }
    }

    /// Does the derivative use the operands' values?
    fn derivative_uses_operands(self) -> bool {
        match self {
            Self::Unary(op, _) => {
                !matches!(op, Unary::Neg | Unary::Sqrt | Unary::Exp | Unary::Expm1 | Unary::Tanh | Unary::Sigmoid)
            }
            Self::Join(op, ..) => !matches!(op, Join::Add | Join::Sub),
            Self::Gated(..) | Self::Swish(..) | Self::Fold(..) => true,
        }
    }
}

/// The operations that the value needs, in slots: 0 is the input, then the parameters, the constants, the steps. Operands are always
/// in lower slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) n_params: usize,
    pub(crate) consts: Vec<f64>,
    pub(crate) steps: Vec<Step>,
    /// By slot: does it depend on the input or on a parameter?
    pub(crate) active: Vec<bool>,
    /// By slot: does the backward sweep need its value?
    pub(super) needed: Vec<bool>,
    /// The slot of the value.
    pub(crate) result: usize,
}

impl Plan {
    pub(super) fn new(ops: &[Op], n_params: usize) -> Self {
        let mut live = vec![false; ops.len()];
        if let Some(last) = live.last_mut() {
            *last = true;
        }
        for (i, &op) in ops.iter().enumerate().rev() {
            if live[i] {
                for operand in operands(op).into_iter().flatten() {
                    live[operand] = true;
                }
            }
        }
        let is_live_const = |&(i, op): &(usize, &Op)| matches!(op, Op::Const(_)) && live[i];
        let first_step = 1 + n_params + ops.iter().enumerate().filter(is_live_const).count();
        let (mut consts, mut steps, mut result) = (Vec::new(), Vec::new(), 0);
        let mut push = |step| {
            steps.push(step);
            first_step + steps.len() - 1
        };
        let mut slot_of = vec![0; ops.len()];
        for (i, &op) in ops.iter().enumerate().filter(|&(i, _)| live[i]) {
            let slot = |operand: u16| slot_of[usize::from(operand)];
            result = match op {
                Op::X => 0,
                Op::Param(k) => 1 + usize::from(k),
                Op::Const(value) => {
                    consts.push(value);
                    n_params + consts.len()
                }
                Op::Unary(f, a) => push(Step::Unary(f, slot(a))),
                // Its derivative needs the sigmoid, so the sigmoid is kept as a step.
                Op::Binary(Binary::SigmoidMul, a, b) => {
                    let gate = push(Step::Unary(Unary::Sigmoid, slot(a)));
                    push(Step::Join(Join::Mul, gate, slot(b)))
                }
                Op::Binary(Binary::Add, a, b) => push(Step::Join(Join::Add, slot(a), slot(b))),
                Op::Binary(Binary::Mul, a, b) => push(Step::Join(Join::Mul, slot(a), slot(b))),
                Op::Binary(Binary::Sub, a, b) => push(Step::Join(Join::Sub, slot(a), slot(b))),
                Op::Binary(Binary::Div, a, b) => push(Step::Join(Join::Div, slot(a), slot(b))),
                Op::Binary(Binary::Max, a, b) => push(Step::Join(Join::Max, slot(a), slot(b))),
                Op::Binary(Binary::Min, a, b) => push(Step::Join(Join::Min, slot(a), slot(b))),
                Op::Gated(f, p, a, b) => push(Step::Gated(f, slot(p), slot(a), slot(b))),
            };
            slot_of[i] = result;
        }
        if result >= first_step {
            steps = fuse::fuse(first_step, steps);
            result = first_step + steps.len() - 1;
        }
        let active = active(n_params, first_step, &steps);
        let needed = needed(first_step, &steps, &active);
        Self { n_params, consts, steps, active, needed, result }
    }

    /// The slot of step 0.
    pub(crate) fn first_step(&self) -> usize {
        1 + self.n_params + self.consts.len()
    }
}

fn active(n_params: usize, first_step: usize, steps: &[Step]) -> Vec<bool> {
    let mut active = vec![true; 1 + n_params];
    active.resize(first_step, false);
    for step in steps {
        active.push(step.operands().into_iter().flatten().any(|slot| active[slot]));
    }
    active
}

fn needed(first_step: usize, steps: &[Step], active: &[bool]) -> Vec<bool> {
    let mut needed = vec![false; active.len()];
    for (i, &step) in steps.iter().enumerate().rev() {
        let slot = first_step + i;
        needed[slot] |= active[slot] && step.derivative_uses_value();
        if needed[slot] || (active[slot] && step.derivative_uses_operands()) {
            for operand in step.operands().into_iter().flatten() {
                needed[operand] = true;
            }
        }
    }
    needed
}
