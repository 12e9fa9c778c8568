//! [`Program`]: an activation function as a list of operations, checked and prepared for the tile interpreter.

/// A function of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// -x.
    Neg,
    /// |x|; derivative 0 at 0.
    Abs,
    /// x^2.
    Square,
    /// x^3.
    Cube,
    /// Square root of max(x, 0); derivative 0 for x <= 0.
    Sqrt,
    /// log(|x| + [`EPS`](super::EPS)); derivative sign(x) / (|x| + eps), 0 at 0.
    LogAbs,
    /// e^x.
    Exp,
    /// e^x - 1.
    Expm1,
    /// sin x.
    Sin,
    /// cos x.
    Cos,
    /// sinh x.
    Sinh,
    /// cosh x.
    Cosh,
    /// tanh x.
    Tanh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse tangent.
    Atan,
    /// sin(x) / x, 1 at 0.
    Sinc,
    /// max(x, 0); derivative 0 at 0.
    Relu,
    /// min(x, 0); derivative 1 at 0.
    MinZero,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// log(1 + e^x).
    Softplus,
    /// e^(-x^2).
    Gauss,
    /// Gauss error function.
    Erf,
}

/// A function of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// x1 + x2.
    Add,
    /// x1 * x2.
    Mul,
    /// x1 - x2.
    Sub,
    /// x1 / (x2 + [`EPS`](super::EPS)).
    Div,
    /// The larger; at a tie each side gets half the gradient.
    Max,
    /// The smaller; at a tie each side gets half the gradient.
    Min,
    /// sigmoid(x1) * x2.
    SigmoidMul,
}

/// A function of a parameter p and two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gated {
    /// e^(-p (x1 - x2)^2).
    Gauss,
    /// e^(-p |x1 - x2|).
    Laplace,
    /// p x1 + (1 - p) x2.
    Mix,
}

/// One operation of a [`Program`]; operands are indices of earlier operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The input.
    X,
    /// A number.
    Const(f64),
    /// A trainable parameter, one value a channel.
    Param(u8),
    /// A function of one operand.
    Unary(Unary, u16),
    /// A function of two operands.
    Binary(Binary, u16, u16),
    /// A function of a parameter (first index; any operand will do) and two operands.
    Gated(Gated, u16, u16, u16),
}

/// Why a list of operations is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// There is no operation.
    #[error("activation program is empty: expected at least the input")]
    Empty,
    /// An operand is not an earlier operation.
    #[error("activation program: operation {op} uses operand {operand}; operands must be earlier operations")]
    Operand {
        /// Index of the operation.
        op: usize,
        /// The operand it names.
        operand: usize,
    },
    /// A parameter that does not exist.
    #[error("activation program: operation {op} uses parameter {param}, but there are {n_params}")]
    Param {
        /// Index of the operation.
        op: usize,
        /// The parameter it names.
        param: usize,
        /// How many there are.
        n_params: usize,
    },
}

/// A checked activation function; the last operation is its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    ops: Vec<Op>,
    pub(crate) plan: Plan,
}

impl Program {
    /// Checks and prepares the operations.
    ///
    /// # Errors
    /// [`ProgramError`] if there are none, if an operand is not an earlier operation or a parameter is not below `n_params`.
    pub fn new(ops: Vec<Op>, n_params: usize) -> Result<Self, ProgramError> {
        if ops.is_empty() {
            return Err(ProgramError::Empty);
        }
        for (op, &kind) in ops.iter().enumerate() {
            for operand in operands(kind).into_iter().flatten() {
                if operand >= op {
                    return Err(ProgramError::Operand { op, operand });
                }
            }
            if let Op::Param(param) = kind
                && usize::from(param) >= n_params
            {
                return Err(ProgramError::Param { op, param: param.into(), n_params });
            }
        }
        let plan = Plan::new(&ops, n_params);
        Ok(Self { ops, plan })
    }

    /// The function that returns its input.
    pub fn identity() -> Self {
        let ops = vec![Op::X];
        let plan = Plan::new(&ops, 0);
        Self { ops, plan }
    }

    /// The operations as given.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Number of trainable parameters a channel.
    pub fn n_params(&self) -> usize {
        self.plan.n_params
    }

    /// True if the value is the input itself.
    pub fn is_identity(&self) -> bool {
        self.plan.result == 0
    }
}

fn operands(op: Op) -> [Option<usize>; 3] {
    match op {
        Op::X | Op::Const(_) | Op::Param(_) => [None; 3],
        Op::Unary(_, a) => [Some(a.into()), None, None],
        Op::Binary(_, a, b) => [Some(a.into()), Some(b.into()), None],
        Op::Gated(_, p, a, b) => [Some(p.into()), Some(a.into()), Some(b.into())],
    }
}

/// The functions of two operands that are one loop over a tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Join {
    Add,
    Mul,
    Sub,
    Div,
    Max,
    Min,
}

/// One computed slot; operands are slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Unary(Unary, usize),
    Join(Join, usize, usize),
    Gated(Gated, usize, usize, usize),
}

impl Step {
    /// Does the derivative use the step's own value?
    pub(super) fn derivative_uses_value(self) -> bool {
        match self {
            Self::Unary(op, _) => {
                matches!(
                    op,
                    Unary::Sqrt | Unary::Exp | Unary::Expm1 | Unary::Tanh | Unary::Sinc | Unary::Sigmoid | Unary::Gauss
                )
            }
            Self::Join(..) => false,
            Self::Gated(op, ..) => op != Gated::Mix,
        }
    }
}

/// The operations that the value needs, in slots: 0 is the input, then the parameters, the constants, the steps. Operands are always
/// in lower slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(super) n_params: usize,
    pub(super) consts: Vec<f64>,
    pub(super) steps: Vec<Step>,
    /// By slot: does it depend on the input or on a parameter?
    pub(super) active: Vec<bool>,
    /// The slot of the value.
    pub(super) result: usize,
}

impl Plan {
    fn new(ops: &[Op], n_params: usize) -> Self {
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
        let n_consts = ops.iter().enumerate().filter(is_live_const).count();
        let mut plan =
            Self { n_params, consts: Vec::new(), steps: Vec::new(), active: vec![true; 1 + n_params], result: 0 };
        plan.active.resize(1 + n_params + n_consts, false);
        let mut slot_of = vec![0; ops.len()];
        for (i, &op) in ops.iter().enumerate().filter(|&(i, _)| live[i]) {
            let slot = |operand: u16| slot_of[usize::from(operand)];
            plan.result = match op {
                Op::X => 0,
                Op::Param(k) => 1 + usize::from(k),
                Op::Const(value) => {
                    plan.consts.push(value);
                    n_params + plan.consts.len()
                }
                Op::Unary(f, a) => plan.push(Step::Unary(f, slot(a)), &[slot(a)]),
                // Its derivative needs the sigmoid, so the sigmoid is kept as a step.
                Op::Binary(Binary::SigmoidMul, a, b) => {
                    let (a, b) = (slot(a), slot(b));
                    let gate = plan.push(Step::Unary(Unary::Sigmoid, a), &[a]);
                    plan.join(Join::Mul, gate, b)
                }
                Op::Binary(Binary::Add, a, b) => plan.join(Join::Add, slot(a), slot(b)),
                Op::Binary(Binary::Mul, a, b) => plan.join(Join::Mul, slot(a), slot(b)),
                Op::Binary(Binary::Sub, a, b) => plan.join(Join::Sub, slot(a), slot(b)),
                Op::Binary(Binary::Div, a, b) => plan.join(Join::Div, slot(a), slot(b)),
                Op::Binary(Binary::Max, a, b) => plan.join(Join::Max, slot(a), slot(b)),
                Op::Binary(Binary::Min, a, b) => plan.join(Join::Min, slot(a), slot(b)),
                Op::Gated(f, p, a, b) => {
                    plan.push(Step::Gated(f, slot(p), slot(a), slot(b)), &[slot(p), slot(a), slot(b)])
                }
            };
            slot_of[i] = plan.result;
        }
        plan
    }

    fn join(&mut self, op: Join, a: usize, b: usize) -> usize {
        self.push(Step::Join(op, a, b), &[a, b])
    }

    fn push(&mut self, step: Step, operands: &[usize]) -> usize {
        self.steps.push(step);
        self.active.push(operands.iter().any(|&slot| self.active[slot]));
        self.active.len() - 1
    }

    /// The slot of step 0.
    pub(super) fn first_step(&self) -> usize {
        1 + self.n_params + self.consts.len()
    }
}
