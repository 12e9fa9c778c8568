//! Sums: terms are collected by coefficient.

use std::collections::BTreeMap;

use super::super::ops::Func;
use super::product::product;
use super::{Norm, Num, call};

/// A number and terms with coefficients, on the way to a [`Norm::Sum`].
#[derive(Default)]
struct Terms {
    number: f64,
    terms: BTreeMap<Norm, f64>,
}

/// The sum of these, each times a number.
pub(super) fn sum(items: impl IntoIterator<Item = (f64, Norm)>) -> Norm {
    let mut sum = Terms::default();
    for (c, item) in items {
        sum.add(c, item);
    }
    while sum.halves() || sum.complement() || sum.expm1() {}
    sum.finish()
}

impl Terms {
    fn add(&mut self, c: f64, item: Norm) {
        match item {
            Norm::Sum(number, terms) if c.abs() == 1.0 => {
                self.number += c * number.0;
                for (term, k) in terms {
                    self.add(c * k.0, term);
                }
            }
            item => {
                let (k, body) = item.split();
                let c = c * k;
                match body {
                    Norm::Const(one) => self.number += c * one.0,
                    Norm::Sum(..) if c.abs() == 1.0 => self.add(c, body),
                    body => self.add_term(c, body),
                }
            }
        }
    }

    fn add_term(&mut self, c: f64, body: Norm) {
        let total = self.terms.get(&body).copied().unwrap_or(0.0) + c;
        self.terms.remove(&body);
        if total == 0.0 {
            return;
        }
        match body {
            // Two multiples of a sum have become the sum itself.
            Norm::Sum(..) if total.abs() == 1.0 => self.add(total, body),
            body => {
                self.terms.insert(body, total);
            }
        }
    }

    fn coefficient(&self, body: &Norm) -> f64 {
        self.terms.get(body).copied().unwrap_or(0.0)
    }

    /// `max(y,0)+min(y,0) = y`: of the three at most two stay.
    fn halves(&mut self) -> bool {
        let inner = |t: &Norm| match t {
            Norm::Call(Func::Relu | Func::MinZero, y) => Some((**y).clone()),
            _ => None,
        };
        let found = self.terms.keys().filter_map(inner).find_map(|y| {
            let relu = Norm::Call(Func::Relu, Box::new(y.clone()));
            let min = Norm::Call(Func::MinZero, Box::new(y.clone()));
            let (sign, body) = y.clone().split();
            let (a, b, c) = (self.coefficient(&relu), self.coefficient(&min), self.coefficient(&body) * sign);
            (c != 0.0 || a == b).then_some((y, [(relu, a), (min, b), (body, c * sign)]))
        });
        let Some((y, parts)) = found else {
            return false;
        };
        let (sign, _) = y.clone().split();
        let whole = parts[2].1 * sign;
        for (part, c) in &parts {
            self.add_term(-c, part.clone());
        }
        let [(relu, a), (min, b), _] = parts;
        if a == b {
            self.add(a + whole, y);
        } else {
            self.add_term(a + whole, relu);
            self.add_term(b + whole, min);
        }
        true
    }

    /// `p*a + (1-p)*a = a`: a term with a factor that is a number and one term, whose product with that term is cancelled by another.
    fn complement(&mut self) -> bool {
        let found = self.terms.iter().find_map(|(body, c)| {
            let factors = match body {
                Norm::Sum(..) => vec![(body.clone(), 1)],
                Norm::Product(_, factors) => factors.clone(),
                _ => return None,
            };
            (0..factors.len()).find_map(|i| {
                let mut rest = factors.clone();
                let (Norm::Sum(number, terms), 1) = rest.remove(i) else {
                    return None;
                };
                let [(inner, k)] = terms.as_slice() else {
                    return None;
                };
                let mut other = rest.clone();
                other.push((inner.clone(), 1));
                let (sign, other) = product(other).split();
                let cancelled = -(c * k.0) * sign;
                (self.terms.get(&other) == Some(&cancelled))
                    .then(|| (body.clone(), *c, other, cancelled, number.0, rest))
            })
        });
        let Some((body, c, other, cancelled, number, rest)) = found else {
            return false;
        };
        self.add_term(-c, body);
        self.add_term(-cancelled, other);
        self.add(c * number, product(rest));
        true
    }

    /// `c*exp(y)-c = c*expm1(y)` and back.
    fn expm1(&mut self) -> bool {
        let number = self.number;
        if number == 0.0 {
            return false;
        }
        let found = self.terms.iter().find_map(|(body, c)| match body {
            Norm::Call(Func::Exp, y) if *c == -number => {
                Some((body.clone(), *c, call::call(Func::Expm1, (**y).clone())))
            }
            Norm::Call(Func::Expm1, y) if *c == number => {
                Some((body.clone(), *c, call::call(Func::Exp, (**y).clone())))
            }
            _ => None,
        });
        let Some((body, c, new)) = found else {
            return false;
        };
        self.number = 0.0;
        self.add_term(-c, body);
        self.add_term(c, new);
        true
    }

    fn finish(self) -> Norm {
        let number = Num::new(self.number);
        let mut terms: Vec<(Norm, Num)> = self.terms.into_iter().map(|(t, c)| (t, Num::new(c))).collect();
        match (number.0 == 0.0, terms.len()) {
            (_, 0) => Norm::Const(number),
            (true, 1) => {
                let (term, c) = terms.swap_remove(0);
                product([(Norm::Const(c), 1), (term, 1)])
            }
            _ => Norm::Sum(number, terms),
        }
    }
}
