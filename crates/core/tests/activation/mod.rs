//! Activation functions: text, values, derivatives, canonical forms, compiled programs.

mod canonical;
mod space;
mod text;
mod values;

use swish_core::activation::Activation;

fn parsed(text: &str) -> Activation {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

/// Difference relative to the size of the numbers, 0 if neither is finite.
fn difference(a: f64, b: f64) -> f64 {
    if !a.is_finite() && !b.is_finite() { 0.0 } else { (a - b).abs() / a.abs().max(b.abs()).max(1.0) }
}

/// Points of both signs from 0.03 to 9, none a kink or a tie of the simple functions.
const POINTS: [f64; 20] = [
    -8.71, -5.13, -3.37, -2.21, -1.77, -1.13, -0.83, -0.59, -0.31, -0.043, 0.037, 0.29, 0.53, 0.79, 1.19, 1.63, 2.33,
    3.19, 5.39, 8.93,
];
const BETAS: [f64; 3] = [1.0, 0.5, -0.3];

/// A small generator, so that the tests do not depend on another module.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % n as u64) as usize
    }
}
