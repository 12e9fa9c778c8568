//! [`Program`]: an activation function as a list of operations, checked and prepared for the tile interpreter.

use super::plan::Plan;

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

impl Unary {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Neg,
        Self::Abs,
        Self::Square,
        Self::Cube,
        Self::Sqrt,
        Self::LogAbs,
        Self::Exp,
        Self::Expm1,
        Self::Sin,
        Self::Cos,
        Self::Sinh,
        Self::Cosh,
        Self::Tanh,
        Self::Asinh,
        Self::Atan,
        Self::Sinc,
        Self::Relu,
        Self::MinZero,
        Self::Sigmoid,
        Self::Softplus,
        Self::Gauss,
        Self::Erf,
    ];
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

/// The operands of an operation, by index.
pub(super) fn operands(op: Op) -> [Option<usize>; 3] {
    match op {
        Op::X | Op::Const(_) | Op::Param(_) => [None; 3],
        Op::Unary(_, a) => [Some(a.into()), None, None],
        Op::Binary(_, a, b) => [Some(a.into()), Some(b.into()), None],
        Op::Gated(_, p, a, b) => [Some(p.into()), Some(a.into()), Some(b.into())],
    }
}
