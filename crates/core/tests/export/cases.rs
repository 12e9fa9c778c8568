//! Functions, points and our values there, which every target has to reach.

use swish_core::activation::{Activation, Binary, CoreUnit, CoreUnits, Grad, Input, NAMED, Unary};

/// Points of every case.
pub const POINTS: usize = 1000;
/// Points that a case compares at least.
const COMPARED: usize = 600;

/// One function.
pub struct Case {
    pub activation: Activation,
    /// Whether it has a name, rather than being drawn from the search space.
    pub named: bool,
    pub xs: Vec<f64>,
    /// Values of each parameter, one a point.
    pub params: Vec<Vec<f64>>,
    /// Ours; `None` where f64 itself does not tell the digits that are compared.
    pub expected: Vec<Option<Grad>>,
}

/// All named functions but the identity, and 50 of one to three core units.
pub fn cases() -> Vec<Case> {
    let named = NAMED.iter().filter(|row| row.name != "identity");
    let mut cases: Vec<Case> = named.map(|row| Case::new(Activation::named(row.name).unwrap(), true)).collect();
    let named = cases.len();
    let mut lcg = Lcg(20);
    while cases.len() < named + 50 {
        let Ok(activation) = drawn(&mut lcg).activation() else { continue };
        let new = cases.iter().all(|case| case.activation != activation);
        if !new || !activation.canonical_expr().uses_x() || activation.is_identity() {
            continue;
        }
        let case = Case::new(activation, false);
        if case.expected.iter().flatten().count() >= COMPARED {
            cases.push(case);
        }
    }
    cases
}

impl Case {
    fn new(activation: Activation, named: bool) -> Self {
        let mut lcg = Lcg(7);
        // Kinks and ties first.
        let grid = (-10..=10).map(|i| f64::from(i) / 2.0);
        let xs: Vec<f64> = grid.chain(std::iter::repeat_with(|| 10.0 * lcg.unit() - 5.0)).take(POINTS).collect();
        let params: Vec<Vec<f64>> =
            activation.params().iter().map(|p| (0..POINTS).map(|_| p.init * (0.5 + lcg.unit())).collect()).collect();
        let expected = (0..POINTS).map(|i| settled(&activation, xs[i], &at(&params, i))).collect();
        Self { activation, named, xs, params, expected }
    }
}

/// Values of the parameters at a point.
pub fn at(params: &[Vec<f64>], i: usize) -> Vec<f64> {
    params.iter().map(|values| values[i]).collect()
}

/// All numbers of a gradient: value, df/dx, df/dp.
pub fn numbers(grad: &Grad) -> Vec<f64> {
    [grad.value, grad.dx].into_iter().chain(grad.dparams.iter().copied()).collect()
}

/// The gradient where arguments that differ in the 13th digit give the same within 1e-8.
fn settled(activation: &Activation, x: f64, params: &[f64]) -> Option<Grad> {
    let grad = activation.grad(x, params);
    let shifted = |factor: f64| {
        let params: Vec<f64> = params.iter().map(|p| p * factor).collect();
        activation.grad(x * factor, &params)
    };
    let steady = [shifted(1.0 + 1e-13), shifted(1.0 - 1e-13)].iter().all(|other| {
        numbers(&grad)
            .iter()
            .zip(numbers(other))
            .all(|(a, b)| a.is_finite() && (a - b).abs() <= 1e-8 * a.abs().max(1.0))
    });
    steady.then_some(grad)
}

fn drawn(lcg: &mut Lcg) -> CoreUnits {
    let units = 1 + lcg.below(3);
    let unit = |n: usize, lcg: &mut Lcg| CoreUnit {
        inputs: [0, 1].map(|_| match lcg.below(n + 1) {
            0 => Input::X,
            k => Input::Unit(k - 1),
        }),
        unary: [0, 1].map(|_| Unary::ALL[lcg.below(Unary::ALL.len())]),
        binary: Binary::ALL[lcg.below(Binary::ALL.len())],
        beta: lcg.below(2) as u8,
    };
    CoreUnits::new((0..units).map(|n| unit(n, lcg)).collect()).unwrap()
}

/// A small generator, so that the cases do not depend on another module.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        self.next() as f64 / f64::from(1_u32 << 31)
    }
}
