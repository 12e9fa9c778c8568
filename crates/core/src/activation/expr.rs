//! The expression tree of an activation function.

use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};

use super::ops::{Func, Join};

/// The largest exponent that `^` takes.
pub const MAX_POWER: u32 = 9;

/// A formula in `x` and trainable parameters, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The preactivation.
    X,
    /// A number.
    Const(f64),
    /// A trainable parameter.
    Param(Symbol),
    /// A function of one expression.
    Call(Func, Box<Expr>),
    /// A power with an exponent from 2 to [`MAX_POWER`].
    Pow(Box<Expr>, u32),
    /// A function of two expressions.
    Join(Join, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// `func(self)`.
    pub fn call(self, func: Func) -> Expr {
        Expr::Call(func, Box::new(self))
    }

    /// `self` joined with `other`.
    pub fn join(self, join: Join, other: Expr) -> Expr {
        Expr::Join(join, Box::new(self), Box::new(other))
    }

    /// `self^n`, made of factors of at most [`MAX_POWER`] where `n` is larger.
    pub fn pow(self, n: u32) -> Expr {
        match n {
            0 => Expr::Const(1.0),
            1 => self,
            2..=MAX_POWER => Expr::Pow(Box::new(self), n),
            _ => self.clone().pow(MAX_POWER) * self.pow(n - MAX_POWER),
        }
    }

    /// The expression with each node for which `leaf` has an answer replaced by it (leaves only: `x`, numbers, parameters).
    pub fn map_leaves(&self, leaf: &impl Fn(&Expr) -> Option<Expr>) -> Expr {
        match self {
            Expr::X | Expr::Const(_) | Expr::Param(_) => leaf(self).unwrap_or_else(|| self.clone()),
            Expr::Call(f, a) => a.map_leaves(leaf).call(*f),
            Expr::Pow(a, n) => Expr::Pow(Box::new(a.map_leaves(leaf)), *n),
            Expr::Join(j, a, b) => a.map_leaves(leaf).join(*j, b.map_leaves(leaf)),
        }
    }

    /// The expression with `x` replaced.
    pub fn substitute(&self, x: &Expr) -> Expr {
        self.map_leaves(&|leaf| (*leaf == Expr::X).then(|| x.clone()))
    }

    /// The distinct parameters, betas before alphas, by label.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut found = Vec::new();
        self.visit(&mut |e| {
            if let Expr::Param(s) = e {
                found.push(*s);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Number of nodes.
    pub fn size(&self) -> usize {
        let mut n = 0;
        self.visit(&mut |_| n += 1);
        n
    }

    /// True where `x` occurs.
    pub fn uses_x(&self) -> bool {
        let mut uses = false;
        self.visit(&mut |e| uses |= *e == Expr::X);
        uses
    }

    /// True where a parameter occurs.
    pub fn uses_params(&self) -> bool {
        let mut uses = false;
        self.visit(&mut |e| uses |= matches!(e, Expr::Param(_)));
        uses
    }

    fn visit(&self, f: &mut impl FnMut(&Expr)) {
        f(self);
        match self {
            Expr::X | Expr::Const(_) | Expr::Param(_) => {}
            Expr::Call(_, a) | Expr::Pow(a, _) => a.visit(f),
            Expr::Join(_, a, b) => {
                a.visit(f);
                b.visit(f);
            }
        }
    }
}

impl Add for Expr {
    type Output = Expr;
    fn add(self, other: Expr) -> Expr {
        self.join(Join::Add, other)
    }
}

impl Sub for Expr {
    type Output = Expr;
    fn sub(self, other: Expr) -> Expr {
        self.join(Join::Sub, other)
    }
}

impl Mul for Expr {
    type Output = Expr;
    fn mul(self, other: Expr) -> Expr {
        self.join(Join::Mul, other)
    }
}

impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        self.call(Func::Neg)
    }
}

/// The two kinds of trainable parameter; they differ in where training starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The search space's `beta`, 1.0 at the start.
    Beta,
    /// PReLU's `alpha`, 0.25 at the start (He et al. 2015).
    Alpha,
}

/// A trainable parameter inside an expression: `beta`, `alpha` (label 0), `beta1`, `beta2`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// Its kind.
    pub family: Family,
    /// Its number, 0 for none.
    pub label: u8,
}

impl Symbol {
    /// The `beta` that all units share unless told otherwise.
    pub const BETA: Symbol = Symbol { family: Family::Beta, label: 0 };

    /// The value at the start of training.
    pub fn init(self) -> f64 {
        match self.family {
            Family::Beta => 1.0,
            Family::Alpha => 0.25,
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.family {
            Family::Beta => "beta",
            Family::Alpha => "alpha",
        })?;
        if self.label > 0 { write!(f, "{}", self.label) } else { Ok(()) }
    }
}
