//! The derivatives of a graph's value, by the reverse sweep, as further nodes of the graph.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::graph::{Graph, Id, Node, Pair, Prim};

/// Nodes of the derivatives of a value.
pub(super) struct Slopes {
    /// df/dx.
    pub x: Id,
    /// df/dp of each parameter.
    pub params: Vec<Id>,
}

impl Graph<'_> {
    /// The derivatives of `value` by x and by `n_params` parameters.
    pub fn slopes(&mut self, value: Id, n_params: usize) -> Slopes {
        let mut adjoints: Vec<Option<Id>> = vec![None; value + 1];
        adjoints[value] = Some(self.number(1.0));
        let active = self.active(value);
        for id in (0..=value).rev() {
            let Some(up) = adjoints[id] else { continue };
            for (operand, slope) in self.local(id) {
                if !active[operand] {
                    continue;
                }
                let part = self.mul(up, slope);
                adjoints[operand] = Some(match adjoints[operand] {
                    Some(sum) => self.add(sum, part),
                    None => part,
                });
            }
        }
        let mut of = |leaf: Node| {
            let adjoint = self.nodes[..=value].iter().position(|n| *n == leaf).and_then(|id| adjoints[id]);
            adjoint.unwrap_or_else(|| self.number(0.0))
        };
        Slopes { x: of(Node::X), params: (0..n_params).map(|k| of(Node::Param(k))).collect() }
    }

    /// Which nodes up to `value` depend on x or a parameter.
    fn active(&self, value: Id) -> Vec<bool> {
        let mut active = Vec::with_capacity(value + 1);
        for node in &self.nodes[..=value] {
            active.push(match *node {
                Node::X | Node::Param(_) => true,
                Node::Const(_) => false,
                Node::Call(_, a) | Node::Pow(a, _) => active[a],
                Node::Pair(_, a, b) => active[a] || active[b],
            });
        }
        active
    }

    /// The operands of a node, each with the node's derivative by it.
    fn local(&mut self, id: Id) -> Vec<(Id, Id)> {
        match self.nodes[id] {
            Node::X | Node::Const(_) | Node::Param(_) => Vec::new(),
            Node::Call(prim, a) => vec![(a, self.slope(prim, a, id))],
            Node::Pow(a, n) => {
                let (factor, below) = (self.number(f64::from(n)), self.pow(a, n - 1));
                vec![(a, self.mul(factor, below))]
            }
            Node::Pair(pair, a, b) => {
                let (da, db) = self.slopes_of_pair(pair, a, b, id);
                vec![(a, da), (b, db)]
            }
        }
    }

    fn slopes_of_pair(&mut self, pair: Pair, a: Id, b: Id, value: Id) -> (Id, Id) {
        let one = self.number(1.0);
        match pair {
            Pair::Add => (one, one),
            Pair::Sub => (one, self.number(-1.0)),
            Pair::Mul => (b, a),
            Pair::Div => {
                let (da, db) = (self.div(one, b), self.div(value, b));
                (da, self.neg(db))
            }
            Pair::Max | Pair::Min => {
                let (first, second) = if pair == Pair::Max { (a, b) } else { (b, a) };
                let wins = self.pair(Pair::Wins, first, second);
                (wins, self.sub(one, wins))
            }
            // Constant wherever it has a derivative.
            Pair::Wins => (self.number(0.0), self.number(0.0)),
        }
    }

    /// The derivative of `prim(a)`, which is the node `value`; rules at kinks as in [`super::super::eval`].
    fn slope(&mut self, prim: Prim, a: Id, value: Id) -> Id {
        let one = self.number(1.0);
        match prim {
            Prim::Neg => self.number(-1.0),
            Prim::Abs => self.call(Prim::Sign, a),
            Prim::SafeSqrt => self.call(Prim::SafeSqrtSlope, a),
            Prim::Log => self.div(one, a),
            Prim::Exp => value,
            Prim::Expm1 => self.call(Prim::Exp, a),
            Prim::Sin => self.call(Prim::Cos, a),
            Prim::Cos => {
                let sin = self.call(Prim::Sin, a);
                self.neg(sin)
            }
            Prim::Sinh => self.call(Prim::Cosh, a),
            Prim::Cosh => self.call(Prim::Sinh, a),
            Prim::Tanh => {
                let square = self.pow(value, 2);
                self.sub(one, square)
            }
            Prim::Asinh => {
                let sum = self.square_plus_one(a);
                let root = self.call(Prim::Sqrt, sum);
                self.div(one, root)
            }
            Prim::Atan => {
                let sum = self.square_plus_one(a);
                self.div(one, sum)
            }
            Prim::Sinc => self.call(Prim::SincSlope, a),
            Prim::Relu => self.call(Prim::Step, a),
            Prim::MinZero => {
                let step = self.call(Prim::Step, a);
                self.sub(one, step)
            }
            Prim::Sigmoid => {
                let rest = self.sub(one, value);
                self.mul(value, rest)
            }
            Prim::Softplus => self.call(Prim::Sigmoid, a),
            Prim::Erf => {
                let square = self.pow(a, 2);
                let exponent = self.neg(square);
                let (factor, bell) = (self.number(FRAC_2_SQRT_PI), self.call(Prim::Exp, exponent));
                self.mul(factor, bell)
            }
            // Only derivatives have them, and nobody asks for second ones.
            Prim::Sqrt | Prim::Sign | Prim::Step | Prim::SafeSqrtSlope | Prim::SincSlope => self.number(0.0),
        }
    }

    fn square_plus_one(&mut self, a: Id) -> Id {
        let (square, one) = (self.pow(a, 2), self.number(1.0));
        self.add(square, one)
    }
}
