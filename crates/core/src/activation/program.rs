//! Expressions compiled to the programs that the kernels run.

use swish_kernels::act::{Binary, Op, Program, Unary};

use super::error::Problem;
use super::eval::{self, Env};
use super::expr::{Expr, Symbol};
use super::ops::{Func, Join};

/// The program of an expression: equal parts are computed once, parts without `x` and parameters beforehand.
/// Parameter `k` of the program is `symbols[k]`. `sigmoid(a)*b` stays two operations: the backward sweep then has the sigmoid at
/// hand instead of computing it again.
///
/// # Errors
/// [`Problem::NotFinite`] for a constant part that is not finite; [`Problem::Program`] if the kernels refuse the program.
pub(super) fn compile(expr: &Expr, symbols: &[Symbol]) -> Result<Program, Problem> {
    let mut compiler = Compiler { symbols, ops: Vec::new() };
    let result = compiler.expr(expr)?;
    // The value of a program is its last operation.
    compiler.ops.truncate(usize::from(result) + 1);
    Program::new(compiler.ops, symbols.len()).map_err(|e| Problem::Program(e.to_string()))
}

struct Compiler<'a> {
    symbols: &'a [Symbol],
    ops: Vec<Op>,
}

impl Compiler<'_> {
    /// The operation's index, shared with an equal one.
    fn op(&mut self, op: Op) -> Result<u16, Problem> {
        let at = self.ops.iter().position(|o| *o == op).unwrap_or_else(|| {
            self.ops.push(op);
            self.ops.len() - 1
        });
        u16::try_from(at).map_err(|_| Problem::Program(format!("more than {} operations", u16::MAX)))
    }

    fn expr(&mut self, expr: &Expr) -> Result<u16, Problem> {
        match expr {
            Expr::X => self.op(Op::X),
            Expr::Param(s) => {
                let k = self.symbols.iter().position(|t| t == s).and_then(|k| u8::try_from(k).ok());
                let k = k.ok_or_else(|| Problem::Program(format!("{s} is not among its parameters")))?;
                self.op(Op::Param(k))
            }
            _ if !expr.uses_x() && !expr.uses_params() => {
                let c = eval::value(expr, 0.0, Env { symbols: &[], values: &[] });
                if c.is_finite() { self.op(Op::Const(c)) } else { Err(Problem::NotFinite) }
            }
            Expr::Const(c) => self.op(Op::Const(*c)),
            Expr::Call(Func::Exp, a) => match &**a {
                Expr::Call(Func::Neg, b) if matches!(**b, Expr::Pow(_, 2)) => match &**b {
                    Expr::Pow(y, _) => self.call(Unary::Gauss, y),
                    _ => self.call(Unary::Exp, a),
                },
                _ => self.call(Unary::Exp, a),
            },
            Expr::Call(f, a) => self.call(unary(*f), a),
            Expr::Pow(a, n) => {
                let a = self.expr(a)?;
                self.power(a, *n)
            }
            Expr::Join(j, a, b) => {
                let (a, b) = (self.expr(a)?, self.expr(b)?);
                self.op(Op::Binary(binary(*j), a, b))
            }
        }
    }

    fn call(&mut self, f: Unary, a: &Expr) -> Result<u16, Problem> {
        let a = self.expr(a)?;
        self.op(Op::Unary(f, a))
    }

    /// `a^n` in few multiplications.
    fn power(&mut self, a: u16, n: u32) -> Result<u16, Problem> {
        match n {
            1 => Ok(a),
            2 => self.op(Op::Unary(Unary::Square, a)),
            n if n % 3 == 0 => {
                let third = self.power(a, n / 3)?;
                self.op(Op::Unary(Unary::Cube, third))
            }
            n if n % 2 == 0 => {
                let half = self.power(a, n / 2)?;
                self.op(Op::Unary(Unary::Square, half))
            }
            _ => {
                let below = self.power(a, n - 1)?;
                self.op(Op::Binary(Binary::Mul, a, below))
            }
        }
    }
}

fn unary(f: Func) -> Unary {
    match f {
        Func::Neg => Unary::Neg,
        Func::Abs => Unary::Abs,
        Func::Sqrt => Unary::Sqrt,
        Func::LogAbs => Unary::LogAbs,
        Func::Exp => Unary::Exp,
        Func::Expm1 => Unary::Expm1,
        Func::Sin => Unary::Sin,
        Func::Cos => Unary::Cos,
        Func::Sinh => Unary::Sinh,
        Func::Cosh => Unary::Cosh,
        Func::Tanh => Unary::Tanh,
        Func::Asinh => Unary::Asinh,
        Func::Atan => Unary::Atan,
        Func::Sinc => Unary::Sinc,
        Func::Relu => Unary::Relu,
        Func::MinZero => Unary::MinZero,
        Func::Sigmoid => Unary::Sigmoid,
        Func::Softplus => Unary::Softplus,
        Func::Gauss => Unary::Gauss,
        Func::Erf => Unary::Erf,
    }
}

fn binary(j: Join) -> Binary {
    match j {
        Join::Add => Binary::Add,
        Join::Sub => Binary::Sub,
        Join::Mul => Binary::Mul,
        Join::Div => Binary::Div,
        Join::Max => Binary::Max,
        Join::Min => Binary::Min,
    }
}
