//! Optimizer steps over flat slices, one pass each.

use rayon::prelude::*;

use crate::real::Real;
use crate::simd::simd_fn;

/// Elements of a task.
const CHUNK: usize = 1 << 15;

/// Settings of stochastic gradient descent, with PyTorch's meaning (`torch.optim.SGD`, dampening 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the momentum buffer; 0 for none.
    pub momentum: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

/// One step: `g += weight_decay w; buf = momentum buf + g; w -= lr (nesterov ? g + momentum buf : buf)`.
///
/// A buffer of zeros before the first step gives PyTorch's first step.
///
/// # Panics
/// If the lengths differ.
pub fn sgd<T: Real>(step: &SgdStep, w: &mut [T], g: &[T], momentum_buf: &mut [T]) {
    assert!(w.len() == g.len() && w.len() == momentum_buf.len(), "weights, gradients and momentum are of one length");
    if w.len() <= CHUNK {
        sgd_chunk(step, w, g, momentum_buf);
    } else {
        let chunks = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(momentum_buf.par_chunks_mut(CHUNK));
        chunks.for_each(|((w, g), buf)| sgd_chunk(step, w, g, buf));
    }
}

simd_fn! {
    fn sgd_chunk<T: Real>(step: &SgdStep, w: &mut [T], g: &[T], momentum_buf: &mut [T]) {
        let [lr, momentum, weight_decay] = [step.lr, step.momentum, step.weight_decay].map(T::from_f64);
        if step.nesterov {
            for ((w, &g), buf) in w.iter_mut().zip(g).zip(momentum_buf) {
                let g = g + weight_decay * *w;
                *buf = momentum * *buf + g;
                *w -= lr * (g + momentum * *buf);
            }
        } else {
            for ((w, &g), buf) in w.iter_mut().zip(g).zip(momentum_buf) {
                *buf = momentum * *buf + (g + weight_decay * *w);
                *w -= lr * *buf;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(got: &[f64], expected: &[f64]) {
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-14, "{got:?} {expected:?}");
        }
    }

    /// Worked by hand from torch.optim.SGD's documentation, lr 0.1, momentum 0.9, weight decay 0.5, w = 1, gradients 2 and -1.
    /// Step 1: g = 2 + 0.5 = 2.5, buf = 2.5. Plain: w = 1 - 0.25 = 0.75. Nesterov: w = 1 - 0.1 (2.5 + 2.25) = 0.525.
    /// Step 2: plain g = -1 + 0.375 = -0.625, buf = 2.25 - 0.625 = 1.625, w = 0.75 - 0.1625 = 0.5875.
    /// Nesterov g = -1 + 0.2625 = -0.7375, buf = 2.25 - 0.7375 = 1.5125, w = 0.525 - 0.1 (-0.7375 + 1.36125) = 0.462625.
    #[test]
    fn two_steps_by_hand() {
        for (nesterov, after, buffer) in [(false, [0.75, 0.5875], 1.625), (true, [0.525, 0.462_625], 1.5125)] {
            let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.5 };
            let (mut w, mut buf) = ([1.0], [0.0]);
            sgd(&step, &mut w, &[2.0], &mut buf);
            close(&w, &after[..1]);
            sgd(&step, &mut w, &[-1.0], &mut buf);
            close(&w, &after[1..]);
            close(&buf, &[buffer]);
        }
    }

    #[test]
    fn no_momentum_is_plain_descent() {
        let step = SgdStep { lr: 0.25, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        let (mut w, mut buf) = ([1.0, -3.0], [0.0; 2]);
        for _ in 0..3 {
            sgd(&step, &mut w, &[4.0, -2.0], &mut buf);
        }
        close(&w, &[-2.0, -1.5]);
    }

    #[test]
    fn threads_do_not_matter() {
        let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4 };
        let g: Vec<f32> = (0..100_000).map(|i| (i as f32).sin()).collect();
        let run = |threads| {
            let (mut w, mut buf) = (vec![0.5f32; g.len()], vec![0.1; g.len()]);
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| sgd(&step, &mut w, &g, &mut buf));
            (w, buf)
        };
        assert_eq!(run(1), run(3));
    }
}
