//! Functions of one expression, and `max` and `min`: signs, scales and idempotence.

use std::collections::BTreeSet;

use super::super::eval;
use super::super::ops::{Func, Join};
use super::Norm;
use super::product::product;

/// `f(a)`.
pub(super) fn call(f: Func, a: Norm) -> Norm {
    if let Norm::Const(c) = a {
        return Norm::number(eval::func(f, c.0).0);
    }
    match f {
        Func::Neg => a.negated(),
        Func::Gauss => call(Func::Exp, product([(Norm::number(-1.0), 1), (a, 2)])),
        Func::Sin | Func::Sinh | Func::Tanh | Func::Asinh | Func::Atan | Func::Erf => {
            let (negative, a) = a.unsigned();
            let called = plain(f, a);
            if negative { called.negated() } else { called }
        }
        Func::Cos | Func::Cosh | Func::Sinc | Func::LogAbs => {
            let (_, a) = a.unsigned();
            match a {
                Norm::Call(Func::Abs, y) => plain(f, *y),
                a => plain(f, a),
            }
        }
        Func::Abs => {
            let (c, body) = a.split();
            let (_, body) = body.unsigned();
            let body = if body.is_nonnegative() { body } else { plain(f, body) };
            times(c.abs(), body)
        }
        Func::Relu | Func::MinZero => half(f, a),
        Func::Sqrt => sqrt(a),
        _ => plain(f, a),
    }
}

fn plain(f: Func, a: Norm) -> Norm {
    Norm::Call(f, Box::new(a))
}

fn times(c: f64, a: Norm) -> Norm {
    product([(Norm::number(c), 1), (a, 1)])
}

/// `max(a,0)` or `min(a,0)`; a positive scale comes out.
fn half(f: Func, a: Norm) -> Norm {
    let (c, body) = a.split();
    let a = if c < 0.0 { body.negated() } else { body };
    let kept = match (f, a.is_nonnegative(), a.is_nonpositive()) {
        (Func::Relu, true, _) | (Func::MinZero, _, true) => a,
        (_, true, _) | (_, _, true) => return Norm::number(0.0),
        _ => {
            let kind = if f == Func::Relu { Join::Max } else { Join::Min };
            match a {
                Norm::Extremum(j, mut items) if j == kind => {
                    items.push(Norm::number(0.0));
                    extremum(kind, items)
                }
                a => plain(f, a),
            }
        }
    };
    times(c.abs(), kept)
}

fn sqrt(a: Norm) -> Norm {
    if a.is_nonpositive() {
        return Norm::number(0.0);
    }
    let (c, body) = a.split();
    match body {
        // sqrt(y^2) = |y|
        Norm::Product(_, factors) if c > 0.0 && factors.iter().all(|(_, n)| n % 2 == 0) => {
            let roots = factors.into_iter().map(|(f, n)| (call(Func::Abs, f), n / 2));
            product(roots.chain([(Norm::number(c.sqrt()), 1)]))
        }
        Norm::Call(Func::Relu, y) if c > 0.0 => plain(Func::Sqrt, times(c, *y)),
        body => plain(Func::Sqrt, times(c, body)),
    }
}

/// The maximum or minimum of these.
pub(super) fn extremum(kind: Join, items: impl IntoIterator<Item = Norm>) -> Norm {
    let is_max = kind == Join::Max;
    let clipped = if is_max { Func::Relu } else { Func::MinZero };
    let mut number: Option<f64> = None;
    let mut rest = BTreeSet::new();
    let mut open: Vec<Norm> = items.into_iter().collect();
    while let Some(item) = open.pop() {
        match item {
            Norm::Const(c) => {
                let best = number.map_or(c.0, |n| if is_max { n.max(c.0) } else { n.min(c.0) });
                number = Some(best);
            }
            Norm::Extremum(j, inner) if j == kind => open.extend(inner),
            Norm::Call(f, y) if f == clipped => open.extend([*y, Norm::number(0.0)]),
            other => {
                rest.insert(other);
            }
        }
    }
    fold_opposites(is_max, &mut rest);
    drop_dominated(is_max, &mut number, &mut rest);
    absorb(kind, &mut rest);
    let mut items: Vec<Norm> = number.map(Norm::number).into_iter().chain(rest).collect();
    match items.as_slice() {
        [_] => items.swap_remove(0),
        [Norm::Const(c), y] if c.0 == 0.0 => half(clipped, y.clone()),
        _ => Norm::Extremum(kind, items),
    }
}

/// `max(y,-y) = |y|`, `max(y,|y|) = |y|`, and `min` likewise.
fn fold_opposites(is_max: bool, rest: &mut BTreeSet<Norm>) {
    let pairs: Vec<Norm> =
        rest.iter().filter(|y| !y.is_negative() && rest.contains(&(*y).clone().negated())).cloned().collect();
    for y in pairs {
        rest.remove(&y.clone().negated());
        rest.remove(&y);
        let abs = call(Func::Abs, y);
        rest.insert(if is_max { abs } else { abs.negated() });
    }
    let sizes: Vec<Norm> = rest.iter().filter(|n| matches!(n, Norm::Call(Func::Abs, _))).cloned().collect();
    for abs in sizes {
        let Norm::Call(_, y) = &abs else { continue };
        let negated = (**y).clone().negated();
        if is_max {
            rest.remove(&**y);
            rest.remove(&negated);
        } else if rest.contains(&**y) || rest.contains(&negated) {
            rest.remove(&abs);
        }
    }
}

/// Leaves out what something on the other side of 0 makes idle: `max(exp(x),0) = exp(x)`, `min(exp(x),-1) = -1`,
/// `max(exp(x),min(x,0)) = exp(x)`.
fn drop_dominated(is_max: bool, number: &mut Option<f64>, rest: &mut BTreeSet<Norm>) {
    let above: fn(&Norm) -> bool = Norm::is_nonnegative;
    let below: fn(&Norm) -> bool = Norm::is_nonpositive;
    let (winning, losing) = if is_max { (above, below) } else { (below, above) };
    let constant = number.map(Norm::number);
    if rest.iter().chain(&constant).any(winning) {
        rest.retain(|n| !losing(n));
    }
    if rest.iter().any(winning) && constant.as_ref().is_some_and(losing) {
        *number = None;
    }
}

/// `max(x,min(x,y)) = x`, and the same with the two exchanged.
fn absorb(kind: Join, rest: &mut BTreeSet<Norm>) {
    let all = rest.clone();
    rest.retain(|n| match n {
        Norm::Extremum(j, items) if *j != kind => !items.iter().any(|i| all.contains(i)),
        Norm::Call(Func::MinZero, y) if kind == Join::Max => !all.contains(y),
        Norm::Call(Func::Relu, y) if kind == Join::Min => !all.contains(y),
        _ => true,
    });
}
