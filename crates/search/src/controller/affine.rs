//! Affine maps whose weights lie in one long list of parameters.

use std::ops::Range;

/// Sums that [`dot`] keeps apart, so that the additions need not wait for one another.
const LANES: usize = 8;

/// `y = x W + b` with `W` of `[inputs][outputs]`, `b` of `[outputs]`.
#[derive(Clone, Debug)]
pub struct Affine {
    outputs: usize,
    weights: Range<usize>,
    bias: Range<usize>,
}

impl Affine {
    /// A map whose parameters begin at `at`.
    pub fn new(at: usize, inputs: usize, outputs: usize) -> Self {
        let end = at + inputs * outputs;
        Self { outputs, weights: at..end, bias: end..end + outputs }
    }

    /// Where the weights lie; the biases follow them.
    pub fn weights(&self) -> Range<usize> {
        self.weights.clone()
    }

    /// The first place after the parameters.
    pub fn end(&self) -> usize {
        self.bias.end
    }

    /// The first `n` outputs for `x` of `[inputs]`.
    pub fn forward(&self, params: &[f64], x: &[f64], n: usize) -> Vec<f64> {
        let mut y = params[self.bias.clone()][..n].to_vec();
        for (x, row) in x.iter().zip(params[self.weights()].chunks_exact(self.outputs)) {
            for (y, w) in y.iter_mut().zip(row) {
                *y += x * w;
            }
        }
        y
    }

    /// From the gradient of the first outputs for `x`: adds that of the parameters to `grads`, returns that of `x`.
    pub fn backward(&self, params: &[f64], grads: &mut [f64], x: &[f64], dy: &[f64]) -> Vec<f64> {
        for (db, dy) in grads[self.bias.clone()].iter_mut().zip(dy) {
            *db += dy;
        }
        for (x, row) in x.iter().zip(grads[self.weights()].chunks_exact_mut(self.outputs)) {
            for (dw, dy) in row.iter_mut().zip(dy) {
                *dw += x * dy;
            }
        }
        params[self.weights()].chunks_exact(self.outputs).map(|row| dot(&row[..dy.len()], dy)).collect()
    }
}

/// Inner product of two lists of one length.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}
