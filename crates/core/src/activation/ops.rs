//! The operators: the paper's 25 unary and 10 binary ones, and the primitive functions that expressions are made of.

use super::expr::{Expr, Symbol};

/// A primitive function of one number, as it stands in an [`Expr`].
///
/// These are the paper's unary operators less those that are only arithmetic (`x`, `x^2`, `beta*x`, ...), plus [`Func::Expm1`],
/// which ELU and SELU need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Func {
    /// `-x`
    Neg,
    /// `|x|`, derivative 0 at 0
    Abs,
    /// `sqrt(max(x,0))`, derivative 0 for `x <= 0`
    Sqrt,
    /// `log(|x|+eps)`, derivative 0 at 0
    LogAbs,
    /// `exp(x)`
    Exp,
    /// `exp(x)-1`
    Expm1,
    /// `sin(x)`
    Sin,
    /// `cos(x)`
    Cos,
    /// `sinh(x)`
    Sinh,
    /// `cosh(x)`
    Cosh,
    /// `tanh(x)`
    Tanh,
    /// `asinh(x)`
    Asinh,
    /// `atan(x)`
    Atan,
    /// `sin(x)/x`, 1 at 0
    Sinc,
    /// `max(x,0)`, derivative 0 at 0
    Relu,
    /// `min(x,0)`, derivative 1 at 0
    MinZero,
    /// `1/(1+exp(-x))`
    Sigmoid,
    /// `log(1+exp(x))`
    Softplus,
    /// `exp(-x^2)`
    Gauss,
    /// `erf(x)`
    Erf,
}

impl Func {
    /// Every primitive function.
    pub const ALL: [Func; 20] = [
        Func::Neg,
        Func::Abs,
        Func::Sqrt,
        Func::LogAbs,
        Func::Exp,
        Func::Expm1,
        Func::Sin,
        Func::Cos,
        Func::Sinh,
        Func::Cosh,
        Func::Tanh,
        Func::Asinh,
        Func::Atan,
        Func::Sinc,
        Func::Relu,
        Func::MinZero,
        Func::Sigmoid,
        Func::Softplus,
        Func::Gauss,
        Func::Erf,
    ];

    /// The names under which the parser takes it, the first being its own.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Func::Neg => &["neg"],
            Func::Abs => &["abs"],
            Func::Sqrt => &["sqrt"],
            Func::LogAbs => &["log_abs"],
            Func::Exp => &["exp"],
            Func::Expm1 => &["expm1"],
            Func::Sin => &["sin"],
            Func::Cos => &["cos"],
            Func::Sinh => &["sinh"],
            Func::Cosh => &["cosh"],
            Func::Tanh => &["tanh"],
            Func::Asinh => &["asinh", "arcsinh", "arsinh"],
            Func::Atan => &["atan", "arctan"],
            Func::Sinc => &["sinc"],
            Func::Relu => &["relu"],
            Func::MinZero => &["min0"],
            Func::Sigmoid => &["sigmoid", "sigma", "σ"],
            Func::Softplus => &["softplus"],
            Func::Gauss => &["gauss"],
            Func::Erf => &["erf"],
        }
    }
}

/// A function of two numbers, as it stands in an [`Expr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Join {
    /// `a+b`
    Add,
    /// `a-b`
    Sub,
    /// `a*b`
    Mul,
    /// `a/(b+eps)`
    Div,
    /// `max(a,b)`; at a tie each side takes half the gradient
    Max,
    /// `min(a,b)`; at a tie each side takes half the gradient
    Min,
}

/// One of the 25 unary operators of the search space (paper, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant's formula is its row in `UNARY`")]
pub enum Unary {
    Identity,
    Neg,
    Abs,
    Square,
    Cube,
    Sqrt,
    BetaMul,
    BetaAdd,
    LogAbs,
    Exp,
    Sin,
    Cos,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Atan,
    Sinc,
    Relu,
    MinZero,
    Sigmoid,
    Softplus,
    Gauss,
    Erf,
    Beta,
}

/// Operator, functional name, paper notation, in the paper's order.
const UNARY: [(Unary, &str, &str); 25] = [
    (Unary::Identity, "identity", "x"),
    (Unary::Neg, "neg", "-x"),
    (Unary::Abs, "abs", "|x|"),
    (Unary::Square, "square", "x^2"),
    (Unary::Cube, "cube", "x^3"),
    (Unary::Sqrt, "sqrt", "sqrt(x)"),
    (Unary::BetaMul, "beta_mul", "beta*x"),
    (Unary::BetaAdd, "beta_add", "x+beta"),
    (Unary::LogAbs, "log_abs", "log(|x|+eps)"),
    (Unary::Exp, "exp", "exp(x)"),
    (Unary::Sin, "sin", "sin(x)"),
    (Unary::Cos, "cos", "cos(x)"),
    (Unary::Sinh, "sinh", "sinh(x)"),
    (Unary::Cosh, "cosh", "cosh(x)"),
    (Unary::Tanh, "tanh", "tanh(x)"),
    (Unary::Asinh, "asinh", "asinh(x)"),
    (Unary::Atan, "atan", "atan(x)"),
    (Unary::Sinc, "sinc", "sinc(x)"),
    (Unary::Relu, "relu", "max(x,0)"),
    (Unary::MinZero, "min0", "min(x,0)"),
    (Unary::Sigmoid, "sigmoid", "sigmoid(x)"),
    (Unary::Softplus, "softplus", "log(1+exp(x))"),
    (Unary::Gauss, "gauss", "exp(-x^2)"),
    (Unary::Erf, "erf", "erf(x)"),
    (Unary::Beta, "beta", "beta"),
];

impl Unary {
    /// The 25 operators in the paper's order; `Unary::ALL[u as usize] == u`.
    pub const ALL: [Unary; 25] = {
        let mut all = [Unary::Identity; 25];
        let mut i = 0;
        while i < all.len() {
            all[i] = UNARY[i].0;
            i += 1;
        }
        all
    };

    /// The name of the operator as a function, as in `square` for `x^2`; the parser takes `square(x)`.
    pub fn name(self) -> &'static str {
        UNARY[self as usize].1
    }

    /// The operator applied to `x`, as the paper writes it.
    pub fn notation(self) -> &'static str {
        UNARY[self as usize].2
    }

    /// The operator with this functional name.
    pub fn from_name(name: &str) -> Option<Self> {
        UNARY.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The operator applied to an expression; `beta` is the parameter that it uses, if it uses one.
    pub fn apply(self, x: Expr, beta: Symbol) -> Expr {
        let func = match self {
            Unary::Identity => return x,
            Unary::Square => return x.pow(2),
            Unary::Cube => return x.pow(3),
            Unary::BetaMul => return Expr::Param(beta) * x,
            Unary::BetaAdd => return x + Expr::Param(beta),
            Unary::Beta => return Expr::Param(beta),
            Unary::Neg => Func::Neg,
            Unary::Abs => Func::Abs,
            Unary::Sqrt => Func::Sqrt,
            Unary::LogAbs => Func::LogAbs,
            Unary::Exp => Func::Exp,
            Unary::Sin => Func::Sin,
            Unary::Cos => Func::Cos,
            Unary::Sinh => Func::Sinh,
            Unary::Cosh => Func::Cosh,
            Unary::Tanh => Func::Tanh,
            Unary::Asinh => Func::Asinh,
            Unary::Atan => Func::Atan,
            Unary::Sinc => Func::Sinc,
            Unary::Relu => Func::Relu,
            Unary::MinZero => Func::MinZero,
            Unary::Sigmoid => Func::Sigmoid,
            Unary::Softplus => Func::Softplus,
            Unary::Gauss => Func::Gauss,
            Unary::Erf => Func::Erf,
        };
        x.call(func)
    }
}

/// One of the 10 binary operators of the search space (paper, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant's formula is its row in `BINARY`")]
pub enum Binary {
    Add,
    Mul,
    Sub,
    Div,
    Max,
    Min,
    SigmoidMul,
    Gauss,
    Laplace,
    Mix,
}

/// Operator, functional name, paper notation, in the paper's order.
const BINARY: [(Binary, &str, &str); 10] = [
    (Binary::Add, "add", "x1+x2"),
    (Binary::Mul, "mul", "x1*x2"),
    (Binary::Sub, "sub", "x1-x2"),
    (Binary::Div, "div", "x1/(x2+eps)"),
    (Binary::Max, "max", "max(x1,x2)"),
    (Binary::Min, "min", "min(x1,x2)"),
    (Binary::SigmoidMul, "sigmoid_mul", "sigmoid(x1)*x2"),
    (Binary::Gauss, "gauss2", "exp(-beta*(x1-x2)^2)"),
    (Binary::Laplace, "laplace", "exp(-beta*|x1-x2|)"),
    (Binary::Mix, "mix", "beta*x1+(1-beta)*x2"),
];

impl Binary {
    /// The 10 operators in the paper's order; `Binary::ALL[b as usize] == b`.
    pub const ALL: [Binary; 10] = {
        let mut all = [Binary::Add; 10];
        let mut i = 0;
        while i < all.len() {
            all[i] = BINARY[i].0;
            i += 1;
        }
        all
    };

    /// The name of the operator as a function, as in `sigmoid_mul`; the parser takes `sigmoid_mul(a,b)`.
    pub fn name(self) -> &'static str {
        BINARY[self as usize].1
    }

    /// The operator applied to `x1` and `x2`, as the paper writes it.
    pub fn notation(self) -> &'static str {
        BINARY[self as usize].2
    }

    /// The operator with this functional name.
    pub fn from_name(name: &str) -> Option<Self> {
        BINARY.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// True for the three operators that have a parameter of their own.
    pub fn has_parameter(self) -> bool {
        matches!(self, Binary::Gauss | Binary::Laplace | Binary::Mix)
    }

    /// The operator applied to two expressions; `p` is the parameter of the three operators that have one.
    pub fn apply(self, a: Expr, b: Expr, p: Expr) -> Expr {
        match self {
            Binary::Add => a + b,
            Binary::Mul => a * b,
            Binary::Sub => a - b,
            Binary::Div => a.join(Join::Div, b),
            Binary::Max => a.join(Join::Max, b),
            Binary::Min => a.join(Join::Min, b),
            Binary::SigmoidMul => a.call(Func::Sigmoid) * b,
            Binary::Gauss => (-(p * (a - b).pow(2))).call(Func::Exp),
            Binary::Laplace => (-(p * (a - b).call(Func::Abs))).call(Func::Exp),
            Binary::Mix => p.clone() * a + (Expr::Const(1.0) - p) * b,
        }
    }
}
