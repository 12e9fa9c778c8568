//! The functions that the parser knows, by name.

use super::expr::{Expr, Symbol};
use super::named::{self, Named};
use super::ops::{Binary, Func, Unary};

/// A function of one argument.
pub(super) enum One {
    Func(Func),
    Unary(Unary),
    Named(&'static Named),
}

impl One {
    /// The function of `x`.
    pub fn apply(&self, x: Expr) -> Expr {
        match self {
            One::Func(f) => x.call(*f),
            One::Unary(u) => u.apply(x, Symbol::BETA),
            One::Named(row) => row.expr().substitute(&x),
        }
    }
}

/// What stands before an opening parenthesis.
pub(super) enum Callable {
    One(One),
    Two(Binary),
    Log,
}

/// The function of this name.
pub(super) fn callable(name: &str) -> Option<Callable> {
    if matches!(name, "log" | "ln") {
        return Some(Callable::Log);
    }
    if let Some(f) = Func::ALL.into_iter().find(|f| f.names().contains(&name)) {
        return Some(Callable::One(One::Func(f)));
    }
    if let Some(b) = Binary::from_name(name) {
        return Some(Callable::Two(b));
    }
    if let Some(u) = Unary::from_name(name).filter(|u| *u != Unary::Beta) {
        return Some(Callable::One(One::Unary(u)));
    }
    named::find(name).map(|row| Callable::One(One::Named(row)))
}

/// Every name that the parser knows, for suggestions.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    ["x", "beta", "alpha", "eps", "pi", "log"]
        .into_iter()
        .chain(Func::ALL.into_iter().flat_map(|f| f.names().iter().copied()))
        .chain(Unary::ALL.into_iter().map(Unary::name))
        .chain(Binary::ALL.into_iter().map(Binary::name))
        .chain(named::names())
}

/// A binary operator as it is written: `max(x,0)` and `min(x,0)` are the unary operators.
pub(super) fn two(binary: Binary, a: Expr, b: Expr, p: Expr) -> Expr {
    let zero = Expr::Const(0.0);
    let func = match binary {
        Binary::Max => Func::Relu,
        Binary::Min => Func::MinZero,
        _ => return binary.apply(a, b, p),
    };
    if b == zero {
        a.call(func)
    } else if a == zero {
        b.call(func)
    } else {
        binary.apply(a, b, p)
    }
}
