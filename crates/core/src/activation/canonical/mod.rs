//! The canonical form: functions that are the same by rule become one text, so that the search trains each only once.
//!
//! [`canonical`] turns an expression into a normal form [`Norm`] from the leaves up, and back into an expression. Sums collect
//! their terms and products their factors; `max` and `min` are flattened; odd and even functions shed signs. A rule is used only
//! where both sides are equal, with the numeric rules of [`super::eval`], up to rounding, wherever no part overflows; the derivatives
//! are equal too, except that at a point where the sides of a `max` or `min` tie another share of the gradient may be taken.
//!
//! | module | what it has |
//! |---|---|
//! | [`sum`] | sums of terms with numeric coefficients |
//! | [`product`] | products of factors with integer powers |
//! | [`call`] | functions of one expression, `max` and `min` |

mod call;
mod product;
mod sum;

use std::cmp::Ordering;

use super::eval::EPS;
use super::expr::{Expr, Family, MAX_POWER, Symbol};
use super::ops::{Func, Join};

/// A finite or infinite number with a total order; never -0.
#[derive(Clone, Copy, Debug)]
struct Num(f64);

impl Num {
    fn new(c: f64) -> Self {
        Num(c + 0.0)
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Num {}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Num {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// An expression in normal form. The order of the variants is the order in which factors and terms are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Norm {
    Const(Num),
    Param(Symbol),
    X,
    /// A function other than `Neg` and `Gauss`, which are products.
    Call(Func, Box<Norm>),
    /// `1/(a+eps)`
    Recip(Box<Norm>),
    /// A coefficient other than 0 and factors with their powers, sorted; at least two factors, or a power or coefficient other
    /// than 1. No factor is a product or a number. A sum alone has a coefficient other than 1 and -1.
    Product(Num, Vec<(Norm, u32)>),
    /// `Max` or `Min` of at least two, sorted, distinct; none is of the same kind.
    Extremum(Join, Vec<Norm>),
    /// A number and terms with their coefficients, sorted by term; two or more, the number counting unless it is 0. No term is a
    /// number, has a coefficient inside, or is a sum with coefficient 1 or -1.
    Sum(Num, Vec<(Norm, Num)>),
}

impl Norm {
    fn number(c: f64) -> Norm {
        Norm::Const(Num::new(c))
    }

    /// The numeric coefficient and the rest.
    fn split(self) -> (f64, Norm) {
        match self {
            Norm::Const(c) => (c.0, Norm::number(1.0)),
            Norm::Product(c, mut factors) => match factors.pop() {
                Some((f, 1)) if factors.is_empty() => (c.0, f),
                Some(last) => {
                    factors.push(last);
                    (c.0, Norm::Product(Num::new(1.0), factors))
                }
                None => (c.0, Norm::number(1.0)),
            },
            other => (1.0, other),
        }
    }

    /// The sign that [`Norm::unsigned`] takes out.
    fn is_negative(&self) -> bool {
        match self {
            Norm::Const(c) => c.0 < 0.0,
            Norm::Product(c, _) => c.0 < 0.0,
            Norm::Sum(c, terms) if c.0 == 0.0 => terms.first().is_some_and(|(_, c)| c.0 < 0.0),
            Norm::Sum(c, _) => c.0 < 0.0,
            _ => false,
        }
    }

    fn negated(self) -> Norm {
        product::product([(Norm::number(-1.0), 1), (self, 1)])
    }

    /// The expression without its sign, and whether it had one.
    fn unsigned(self) -> (bool, Norm) {
        if self.is_negative() { (true, self.negated()) } else { (false, self) }
    }

    /// Nowhere below 0, and with derivative 0 where it is 0.
    fn is_nonnegative(&self) -> bool {
        match self {
            Norm::Const(c) => c.0 >= 0.0,
            Norm::Call(f, _) => {
                matches!(
                    f,
                    Func::Exp | Func::Sigmoid | Func::Cosh | Func::Softplus | Func::Abs | Func::Sqrt | Func::Relu
                )
            }
            Norm::Product(c, factors) => c.0 >= 0.0 && factors.iter().all(|(f, n)| n % 2 == 0 || f.is_nonnegative()),
            Norm::Sum(c, terms) => c.0 >= 0.0 && terms.iter().all(|(t, c)| c.0 >= 0.0 && t.is_nonnegative()),
            _ => false,
        }
    }

    /// Nowhere above 0.
    fn is_nonpositive(&self) -> bool {
        match self {
            Norm::Const(c) => c.0 <= 0.0,
            Norm::Call(Func::MinZero, _) => true,
            Norm::Product(c, _) if c.0 < 0.0 => self.clone().negated().is_nonnegative(),
            Norm::Product(c, factors) => c.0 > 0.0 && matches!(factors.as_slice(), [(f, 1)] if f.is_nonpositive()),
            _ => false,
        }
    }

    /// The normal form of an expression.
    fn of(expr: &Expr) -> Norm {
        match expr {
            Expr::X => Norm::X,
            Expr::Const(c) => Norm::number(*c),
            Expr::Param(s) => Norm::Param(*s),
            Expr::Call(Func::Neg, a) => Norm::of(a).negated(),
            Expr::Call(Func::Gauss, a) => {
                call::call(Func::Exp, product::product([(Norm::number(-1.0), 1), (Norm::of(a), 2)]))
            }
            Expr::Call(f, a) => call::call(*f, Norm::of(a)),
            Expr::Pow(a, n) => product::product([(Norm::of(a), *n)]),
            Expr::Join(j, a, b) => {
                let (a, b) = (Norm::of(a), Norm::of(b));
                match j {
                    Join::Add => sum::sum([(1.0, a), (1.0, b)]),
                    Join::Sub => sum::sum([(1.0, a), (-1.0, b)]),
                    Join::Mul => product::product([(a, 1), (b, 1)]),
                    Join::Div => product::product([(a, 1), (recip(b), 1)]),
                    Join::Max | Join::Min => call::extremum(*j, [a, b]),
                }
            }
        }
    }

    fn expr(&self) -> Expr {
        match self {
            Norm::Const(c) => Expr::Const(c.0),
            Norm::Param(s) => Expr::Param(*s),
            Norm::X => Expr::X,
            Norm::Call(f, a) => a.expr().call(*f),
            Norm::Recip(a) => Expr::Const(1.0).join(Join::Div, a.expr()),
            Norm::Product(c, factors) if c.0 < 0.0 => -scaled(-c.0, factors),
            Norm::Product(c, factors) => scaled(c.0, factors),
            Norm::Extremum(j, items) => {
                // A number comes last, as in max(x,0).
                let numbers = items.iter().filter(|n| matches!(n, Norm::Const(_)));
                let others = items.iter().filter(|n| !matches!(n, Norm::Const(_)));
                chain(others.chain(numbers).map(Norm::expr), |a, b| match (j, &b) {
                    (Join::Max, Expr::Const(0.0)) => a.call(Func::Relu),
                    (Join::Min, Expr::Const(0.0)) => a.call(Func::MinZero),
                    _ => a.join(*j, b),
                })
            }
            Norm::Sum(c, terms) => {
                // What is added comes first, then what is taken away, so that few texts begin with a minus.
                let term = |t: &Norm, c: f64| match t {
                    Norm::Const(_) => Expr::Const(c),
                    Norm::Product(_, factors) => scaled(c, factors),
                    t => scaled(c, &[(t.clone(), 1)]),
                };
                let number = (Norm::number(1.0), *c);
                let plus = std::iter::once(&number).chain(terms).filter(|(_, c)| c.0 > 0.0);
                let minus = terms.iter().chain(std::iter::once(&number)).filter(|(_, c)| c.0 < 0.0);
                let minus = minus.map(|(t, c)| -term(t, -c.0));
                chain(plus.map(|(t, c)| term(t, c.0)).chain(minus), |a, b| match b {
                    Expr::Call(Func::Neg, b) => a - *b,
                    b => a + b,
                })
            }
        }
    }
}

fn recip(a: Norm) -> Norm {
    match a {
        Norm::Const(c) => Norm::number((c.0 + EPS).recip()),
        a => Norm::Recip(Box::new(a)),
    }
}

/// The expressions joined from the left; 0 for none.
fn chain(mut items: impl Iterator<Item = Expr>, join: impl Fn(Expr, Expr) -> Expr) -> Expr {
    let Some(first) = items.next() else {
        return Expr::Const(0.0);
    };
    items.fold(first, join)
}

/// A product with a coefficient above 0, divisors last.
fn scaled(c: f64, factors: &[(Norm, u32)]) -> Expr {
    let mut chain: Option<Expr> = (c != 1.0).then_some(Expr::Const(c));
    for (f, n) in factors.iter().filter(|(f, _)| !matches!(f, Norm::Recip(_))) {
        let mut left = *n;
        while left > 0 {
            let power = f.expr().pow(left.min(MAX_POWER));
            chain = Some(chain.map_or(power.clone(), |c| c * power));
            left -= left.min(MAX_POWER);
        }
    }
    let mut chain = chain.unwrap_or(Expr::Const(1.0));
    for (f, n) in factors {
        if let Norm::Recip(a) = f {
            for _ in 0..*n {
                chain = chain.join(Join::Div, a.expr());
            }
        }
    }
    chain
}

/// The canonical form of an expression. Parameters are renamed `beta`, `beta2`, `beta3`, ... (and `alpha`, `alpha2`, ...) in the order
/// in which they are met; of all ways to name them the one with the smallest form is taken, so the names given do not matter.
pub fn canonical(expr: &Expr) -> Expr {
    let expr = Norm::of(expr).expr();
    let symbols = expr.symbols();
    let betas = symbols.iter().filter(|s| s.family == Family::Beta).count();
    let best = permutations(betas)
        .iter()
        .flat_map(|b| permutations(symbols.len() - betas).into_iter().map(move |a| [b.clone(), a].concat()))
        .map(|labels| {
            Norm::of(&expr.map_leaves(&|leaf| match leaf {
                Expr::Param(s) => {
                    let label = symbols.iter().position(|t| t == s).map_or(0, |i| labels[i]);
                    Some(Expr::Param(Symbol { family: s.family, label }))
                }
                _ => None,
            }))
        })
        .min();
    best.map_or(expr, |n| n.expr())
}

/// Every order of the labels 0, 2, 3, ..., `n`.
fn permutations(n: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for i in 0..n {
        let label = if i == 0 { 0 } else { i as u8 + 1 };
        all = all
            .iter()
            .flat_map(|p: &Vec<u8>| {
                (0..=p.len()).map(move |at| {
                    let mut q = p.clone();
                    q.insert(at, label);
                    q
                })
            })
            .collect();
    }
    all
}
