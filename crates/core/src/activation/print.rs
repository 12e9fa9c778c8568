//! Expressions in the paper's notation.

use std::fmt;

use super::expr::Expr;
use super::ops::{Func, Join};

/// How strongly the outermost operator of a text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Product,
    Negation,
    Power,
    Atom,
}

impl Expr {
    fn level(&self) -> Level {
        match self {
            Expr::Const(c) if c.is_sign_negative() => Level::Negation,
            Expr::X | Expr::Const(_) | Expr::Param(_) => Level::Atom,
            Expr::Call(Func::Neg, _) => Level::Negation,
            Expr::Call(..) => Level::Atom,
            Expr::Pow(..) => Level::Power,
            Expr::Join(Join::Add | Join::Sub, ..) => Level::Sum,
            Expr::Join(Join::Mul | Join::Div, ..) => Level::Product,
            Expr::Join(Join::Max | Join::Min, ..) => Level::Atom,
        }
    }
}

/// The expression in parentheses if it binds less strongly than its place asks for.
struct At<'a>(&'a Expr, Level);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.level() < self.1 { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::X => f.write_str("x"),
            Expr::Const(c) => number(f, *c),
            Expr::Param(s) => write!(f, "{s}"),
            Expr::Call(func, a) => call(f, *func, a),
            Expr::Pow(a, n) => write!(f, "{}^{n}", At(a, Level::Atom)),
            Expr::Join(Join::Add, a, b) => write!(f, "{a}+{}", At(b, second_term(b))),
            Expr::Join(Join::Sub, a, b) => write!(f, "{a}-{}", At(b, second_term(b))),
            Expr::Join(Join::Mul, a, b) => {
                write!(f, "{}*{}", At(a, Level::Product), At(b, Level::Power))
            }
            Expr::Join(Join::Div, a, b) => write!(f, "{}/({b}+eps)", At(a, Level::Product)),
            Expr::Join(Join::Max, a, b) => write!(f, "max({a},{b})"),
            Expr::Join(Join::Min, a, b) => write!(f, "min({a},{b})"),
        }
    }
}

/// What a second term must bind like to stand without parentheses; one that begins with a minus gets them.
fn second_term(e: &Expr) -> Level {
    let mut first = e;
    while let Expr::Join(Join::Mul | Join::Div, a, _) = first {
        first = a;
    }
    if first.level() == Level::Negation { Level::Atom } else { Level::Product }
}

fn call(f: &mut fmt::Formatter<'_>, func: Func, a: &Expr) -> fmt::Result {
    match func {
        Func::Neg => write!(f, "-{}", At(a, Level::Product)),
        Func::Abs => write!(f, "|{a}|"),
        Func::LogAbs => write!(f, "log(|{a}|+eps)"),
        Func::Relu => write!(f, "max({a},0)"),
        Func::MinZero => write!(f, "min({a},0)"),
        Func::Softplus => write!(f, "log(1+exp({a}))"),
        Func::Gauss => write!(f, "exp(-{}^2)", At(a, Level::Atom)),
        _ => write!(f, "{}({a})", func.names()[0]),
    }
}

/// The shortest decimal that reads back as the same number, with an exponent where it would be long.
fn number(f: &mut fmt::Formatter<'_>, c: f64) -> fmt::Result {
    let short = format!("{c:?}");
    f.write_str(short.strip_suffix(".0").unwrap_or(&short))
}
