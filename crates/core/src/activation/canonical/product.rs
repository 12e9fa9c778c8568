//! Products: factors are collected by power.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ops::Func;
use super::{Norm, Num, call, sum};

/// A coefficient and factors with powers, on the way to a [`Norm::Product`].
struct Factors {
    coefficient: f64,
    powers: BTreeMap<Norm, u32>,
}

/// The product of these, each with its power.
pub(super) fn product(items: impl IntoIterator<Item = (Norm, u32)>) -> Norm {
    let mut product = Factors { coefficient: 1.0, powers: BTreeMap::new() };
    for (item, n) in items {
        product.push(item, n);
    }
    while product.halves() || product.sines() {}
    product.finish()
}

impl Factors {
    fn push(&mut self, item: Norm, n: u32) {
        let power = |c: f64| (0..n).fold(1.0, |p, _| p * c);
        match item {
            _ if n == 0 => {}
            Norm::Const(c) => self.coefficient *= power(c.0),
            Norm::Product(c, factors) => {
                self.coefficient *= power(c.0);
                for (f, m) in factors {
                    self.push(f, m * n);
                }
            }
            Norm::Sum(number, mut terms) => {
                let sum = Norm::Sum(number, terms.clone());
                if !sum.is_negative() {
                    *self.powers.entry(sum).or_insert(0) += n;
                    return;
                }
                for (_, c) in &mut terms {
                    *c = Num::new(-c.0);
                }
                self.coefficient *= power(-1.0);
                *self.powers.entry(Norm::Sum(Num::new(-number.0), terms)).or_insert(0) += n;
            }
            other => *self.powers.entry(other).or_insert(0) += n,
        }
    }

    fn power(&self, f: &Norm) -> u32 {
        self.powers.get(f).copied().unwrap_or(0)
    }

    /// Brings the factors `y`, `|y|`, `sqrt(y)`, `max(y,0)` and `min(y,0)` of one `y` to one way of writing their product.
    /// True if anything changed.
    fn halves(&mut self) -> bool {
        let bases: BTreeSet<Norm> = self
            .powers
            .keys()
            .filter_map(|f| match f {
                Norm::Call(Func::Abs | Func::Sqrt | Func::Relu | Func::MinZero, y) => Some((**y).clone()),
                _ => None,
            })
            .collect();
        bases.into_iter().any(|y| self.halves_of(y))
    }

    fn halves_of(&mut self, y: Norm) -> bool {
        let part = |f: Func| Norm::Call(f, Box::new(y.clone()));
        let forms = [y.clone(), part(Func::Abs), part(Func::Sqrt), part(Func::Relu), part(Func::MinZero)];
        let [plain, abs, sqrt, relu, min] = [0, 1, 2, 3, 4].map(|i| self.power(&forms[i]));
        let whole = plain + abs + sqrt / 2 + relu + min;
        // Where y is below 0 the product is 0 if it has a square root or a max; above 0 if it has a min.
        let positive = sqrt > 0 || relu > 0;
        let mut sign = 1.0;
        let new: [u32; 5] = if positive && min > 0 {
            sign = 0.0;
            [0; 5]
        } else if sqrt % 2 == 1 {
            [whole, 0, 1, 0, 0]
        } else if positive {
            [0, 0, 0, whole, 0]
        } else if min > 0 {
            if abs % 2 == 1 {
                sign = -1.0;
            }
            [0, 0, 0, 0, whole]
        } else {
            [whole - abs % 2, abs % 2, 0, 0, 0]
        };
        if new == [plain, abs, sqrt, relu, min] {
            return false;
        }
        for form in &forms {
            self.powers.remove(form);
        }
        self.coefficient *= sign;
        let [plain_form, ..] = forms;
        for (n, func) in
            new.into_iter().zip([None, Some(Func::Abs), Some(Func::Sqrt), Some(Func::Relu), Some(Func::MinZero)])
        {
            if n > 0 {
                let form = func.map_or_else(|| plain_form.clone(), |f| call::call(f, plain_form.clone()));
                self.push(form, n);
            }
        }
        true
    }

    /// `y*sinc(y) = sin(y)`. True if anything changed.
    fn sines(&mut self) -> bool {
        let found = self.powers.iter().find_map(|(f, n)| match f {
            Norm::Call(Func::Sinc, y) => {
                Some((f.clone(), (**y).clone(), (*n).min(self.power(y)))).filter(|(_, _, n)| *n > 0)
            }
            _ => None,
        });
        let Some((sinc, y, n)) = found else {
            return false;
        };
        for part in [&sinc, &y] {
            let left = self.power(part) - n;
            self.powers.remove(part);
            self.push(part.clone(), left);
        }
        self.push(call::call(Func::Sin, y), n);
        true
    }

    fn finish(self) -> Norm {
        let c = self.coefficient;
        if c == 0.0 || self.powers.is_empty() {
            return Norm::number(c);
        }
        let mut factors: Vec<(Norm, u32)> = self.powers.into_iter().collect();
        if let [(_, 1)] = factors.as_slice() {
            if c == 1.0 {
                return factors.swap_remove(0).0;
            }
            if let (Norm::Sum(number, terms), true) = (&factors[0].0, c == -1.0) {
                let negative = terms.iter().map(|(t, k)| (-k.0, t.clone()));
                return sum::sum(negative.chain([(-number.0, Norm::number(1.0))]));
            }
        }
        Norm::Product(Num::new(c), factors)
    }
}
