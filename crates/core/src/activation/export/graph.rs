//! An expression as a graph whose equal parts are one node, and its derivatives as further nodes.

use super::super::eval::{self, EPS, Env};
use super::super::expr::{Expr, Symbol};
use super::super::ops::{Func, Join};

/// Index of a node; operands have smaller ones than what is made of them.
pub(super) type Id = usize;

/// A function of one number: the search space's, those that they are written with, and those that only derivatives have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prim {
    Neg,
    Abs,
    /// The square root of what is above 0, else 0.
    SafeSqrt,
    Log,
    Exp,
    Expm1,
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
    Erf,
    /// The square root of what is known to be above 0.
    Sqrt,
    /// -1, 0 or 1.
    Sign,
    /// 1 above 0, else 0.
    Step,
    SafeSqrtSlope,
    SincSlope,
}

impl Prim {
    /// Its name in most languages.
    pub fn name(self) -> &'static str {
        match self {
            Prim::Neg => "neg",
            Prim::Abs => "abs",
            Prim::SafeSqrt => "safe_sqrt",
            Prim::Log => "log",
            Prim::Exp => "exp",
            Prim::Expm1 => "expm1",
            Prim::Sin => "sin",
            Prim::Cos => "cos",
            Prim::Sinh => "sinh",
            Prim::Cosh => "cosh",
            Prim::Tanh => "tanh",
            Prim::Asinh => "asinh",
            Prim::Atan => "atan",
            Prim::Sinc => "sinc",
            Prim::Relu => "relu",
            Prim::MinZero => "min_zero",
            Prim::Sigmoid => "sigmoid",
            Prim::Softplus => "softplus",
            Prim::Erf => "erf",
            Prim::Sqrt => "sqrt",
            Prim::Sign => "sign",
            Prim::Step => "step",
            Prim::SafeSqrtSlope => "safe_sqrt_slope",
            Prim::SincSlope => "sinc_slope",
        }
    }
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Add,
    Sub,
    Mul,
    /// Without epsilon, which is a node of its own.
    Div,
    Max,
    Min,
    /// 1 where the first is larger, 0 where the second is, 0.5 at a tie.
    Wins,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node {
    X,
    Const(f64),
    Param(usize),
    Call(Prim, Id),
    Pow(Id, u32),
    Pair(Pair, Id, Id),
}

/// Nodes, operands first.
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node>,
    symbols: &'a [Symbol],
    /// Whether powers are written as products, for languages without an operator.
    multiplied: bool,
}

impl<'a> Graph<'a> {
    /// The graph of an expression and the node of its value. Parameter `k` is `symbols[k]`.
    pub fn of(expr: &Expr, symbols: &'a [Symbol]) -> (Self, Id) {
        let mut graph = Self { nodes: Vec::new(), symbols, multiplied: false };
        let value = graph.expr(expr);
        (graph, value)
    }

    /// The same graph with products in the place of powers, and where these nodes are in it.
    pub fn with_products(&self, nodes: &[Id]) -> (Self, Vec<Id>) {
        let mut graph = Self { nodes: Vec::new(), symbols: self.symbols, multiplied: true };
        let mut places: Vec<Id> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let place = match *node {
                Node::X | Node::Const(_) | Node::Param(_) => graph.node(*node),
                Node::Call(prim, a) => graph.call(prim, places[a]),
                Node::Pow(a, n) => graph.pow(places[a], n),
                Node::Pair(pair, a, b) => graph.pair(pair, places[a], places[b]),
            };
            places.push(place);
        }
        (graph, nodes.iter().map(|id| places[*id]).collect())
    }

    fn node(&mut self, node: Node) -> Id {
        self.nodes.iter().position(|n| *n == node).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    fn constant(&self, id: Id) -> Option<f64> {
        match self.nodes[id] {
            Node::Const(c) => Some(c),
            _ => None,
        }
    }

    fn negated(&self, id: Id) -> Option<Id> {
        match self.nodes[id] {
            Node::Call(Prim::Neg, a) => Some(a),
            _ => None,
        }
    }

    pub fn number(&mut self, c: f64) -> Id {
        self.node(Node::Const(c))
    }

    pub fn call(&mut self, prim: Prim, a: Id) -> Id {
        match (prim, self.constant(a), self.negated(a)) {
            (Prim::Neg, Some(c), _) => self.number(-c),
            (Prim::Neg, _, Some(b)) => b,
            _ => self.node(Node::Call(prim, a)),
        }
    }

    pub fn neg(&mut self, a: Id) -> Id {
        self.call(Prim::Neg, a)
    }

    pub fn add(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(a), Some(b)) => return self.number(a + b),
            (Some(0.0), _) => return b,
            (_, Some(0.0)) => return a,
            (_, Some(c)) if c < 0.0 => {
                let c = self.number(-c);
                return self.sub(a, c);
            }
            _ => {}
        }
        match (self.negated(a), self.negated(b)) {
            (_, Some(b)) => self.sub(a, b),
            (Some(a), None) => self.sub(b, a),
            _ => self.node(Node::Pair(Pair::Add, a, b)),
        }
    }

    pub fn sub(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(a), Some(b)) => return self.number(a - b),
            (Some(0.0), _) => return self.neg(b),
            (_, Some(0.0)) => return a,
            _ => {}
        }
        match self.negated(b) {
            Some(b) => self.add(a, b),
            None => self.node(Node::Pair(Pair::Sub, a, b)),
        }
    }

    /// What is multiplied with 0 is 0, as in [`eval::grad`].
    pub fn mul(&mut self, a: Id, b: Id) -> Id {
        match (self.constant(a), self.constant(b)) {
            (Some(a), Some(b)) => return self.number(a * b),
            (Some(0.0), _) | (_, Some(1.0)) => return a,
            (_, Some(0.0)) | (Some(1.0), _) => return b,
            (Some(c), _) if c < 0.0 => {
                let c = self.number(-c);
                let product = self.mul(c, b);
                return self.neg(product);
            }
            // A number stands first.
            (None, Some(_)) => return self.mul(b, a),
            _ => {}
        }
        if let Some(a) = self.negated(a) {
            let product = self.mul(a, b);
            return self.neg(product);
        }
        if let Some(b) = self.negated(b) {
            let product = self.mul(a, b);
            return self.neg(product);
        }
        if let (Some(c), Node::Pair(Pair::Mul, d, e)) = (self.constant(a), self.nodes[b])
            && let Some(d) = self.constant(d)
        {
            let c = self.number(c * d);
            return self.mul(c, e);
        }
        for (factor, other) in [(a, b), (b, a)] {
            if let Node::Pair(Pair::Div, one, divisor) = self.nodes[factor]
                && self.constant(one) == Some(1.0)
            {
                return self.div(other, divisor);
            }
        }
        self.node(Node::Pair(Pair::Mul, a, b))
    }

    pub fn div(&mut self, a: Id, b: Id) -> Id {
        if self.constant(a) == Some(0.0) || self.constant(b) == Some(1.0) {
            return a;
        }
        let signs = (self.negated(a), self.negated(b));
        if signs != (None, None) {
            let quotient = self.div(signs.0.unwrap_or(a), signs.1.unwrap_or(b));
            return if signs.0.is_some() && signs.1.is_some() { quotient } else { self.neg(quotient) };
        }
        self.node(Node::Pair(Pair::Div, a, b))
    }

    pub fn pow(&mut self, a: Id, n: u32) -> Id {
        match n {
            0 => self.number(1.0),
            1 => a,
            n if !self.multiplied => self.node(Node::Pow(a, n)),
            2 => self.mul(a, a),
            n if n.is_multiple_of(2) => {
                let half = self.pow(a, n / 2);
                self.mul(half, half)
            }
            n => {
                let below = self.pow(a, n - 1);
                self.mul(below, a)
            }
        }
    }

    pub fn pair(&mut self, pair: Pair, a: Id, b: Id) -> Id {
        match pair {
            Pair::Add => self.add(a, b),
            Pair::Sub => self.sub(a, b),
            Pair::Mul => self.mul(a, b),
            Pair::Div => self.div(a, b),
            Pair::Max | Pair::Min | Pair::Wins => self.node(Node::Pair(pair, a, b)),
        }
    }

    /// `|a| + eps`, or any other sum with epsilon.
    fn plus_eps(&mut self, a: Id) -> Id {
        let eps = self.number(EPS);
        self.add(a, eps)
    }

    fn expr(&mut self, expr: &Expr) -> Id {
        match expr {
            Expr::X => self.node(Node::X),
            Expr::Param(s) => {
                let k = self.symbols.iter().position(|t| t == s).unwrap_or(self.symbols.len());
                self.node(Node::Param(k))
            }
            _ if !expr.uses_x() && !expr.uses_params() => {
                self.number(eval::value(expr, 0.0, Env { symbols: &[], values: &[] }))
            }
            Expr::Const(c) => self.number(*c),
            Expr::Call(Func::LogAbs, a) => {
                let a = self.expr(a);
                let size = self.call(Prim::Abs, a);
                let sum = self.plus_eps(size);
                self.call(Prim::Log, sum)
            }
            Expr::Call(Func::Gauss, a) => {
                let a = self.expr(a);
                let square = self.pow(a, 2);
                let exponent = self.neg(square);
                self.call(Prim::Exp, exponent)
            }
            Expr::Call(f, a) => {
                let a = self.expr(a);
                self.call(prim(*f), a)
            }
            Expr::Pow(a, n) => {
                let a = self.expr(a);
                self.pow(a, *n)
            }
            Expr::Join(join, a, b) => {
                let (a, b) = (self.expr(a), self.expr(b));
                match join {
                    Join::Add => self.add(a, b),
                    Join::Sub => self.sub(a, b),
                    Join::Mul => self.mul(a, b),
                    Join::Max => self.pair(Pair::Max, a, b),
                    Join::Min => self.pair(Pair::Min, a, b),
                    Join::Div => {
                        let b = self.plus_eps(b);
                        self.div(a, b)
                    }
                }
            }
        }
    }
}

/// The operators that are one function of every language; the other two are written out.
fn prim(f: Func) -> Prim {
    match f {
        Func::Neg => Prim::Neg,
        Func::Abs => Prim::Abs,
        Func::Sqrt => Prim::SafeSqrt,
        Func::LogAbs => Prim::Log,
        Func::Exp | Func::Gauss => Prim::Exp,
        Func::Expm1 => Prim::Expm1,
        Func::Sin => Prim::Sin,
        Func::Cos => Prim::Cos,
        Func::Sinh => Prim::Sinh,
        Func::Cosh => Prim::Cosh,
        Func::Tanh => Prim::Tanh,
        Func::Asinh => Prim::Asinh,
        Func::Atan => Prim::Atan,
        Func::Sinc => Prim::Sinc,
        Func::Relu => Prim::Relu,
        Func::MinZero => Prim::MinZero,
        Func::Sigmoid => Prim::Sigmoid,
        Func::Softplus => Prim::Softplus,
        Func::Erf => Prim::Erf,
    }
}
