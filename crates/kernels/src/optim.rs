//! Optimizer steps over flat slices, one pass each. An element's result depends on that element alone, so neither the threads nor
//! the cutting into tasks matter.

#[cfg(test)]
mod tests;

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

/// Settings of RMSProp, in TensorFlow's form (`tf.compat.v1.train.RMSPropOptimizer`, not centred), in which the recipes of Inception,
/// MobileNet and NASNet are given: epsilon stands inside the square root, and the rate is in the momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean square (`decay` or rho), 0.9 in the recipes.
    pub decay: f64,
    /// Decay of the momentum buffer, 0.9 in the recipes; 0 for none.
    pub momentum: f64,
    /// Added to the mean square: 1.0 in the recipes, 1e-10 TensorFlow's default.
    pub epsilon: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

impl RmsPropStep {
    /// What TensorFlow's optimizer fills the mean square with before the first step (`_create_slots` of `RMSPropOptimizer`), so
    /// that first steps are not too long. Keras and PyTorch begin with 0.
    pub const TENSORFLOW_MEAN_SQUARE: f64 = 1.0;
}

/// One step: `g += weight_decay w; ms = decay ms + (1 - decay) g^2; buf = momentum buf + lr g / sqrt(ms + epsilon); w -= buf`.
///
/// Before the first step `momentum_buf` is 0 and `mean_square` is [`RmsPropStep::TENSORFLOW_MEAN_SQUARE`] or 0.
///
/// # Panics
/// If the lengths differ.
pub fn rms_prop<T: Real>(step: &RmsPropStep, w: &mut [T], g: &[T], mean_square: &mut [T], momentum_buf: &mut [T]) {
    let n = w.len();
    assert!(
        g.len() == n && mean_square.len() == n && momentum_buf.len() == n,
        "weights, gradients, mean square and momentum are of one length"
    );
    if n <= CHUNK {
        rms_prop_chunk(step, w, g, mean_square, momentum_buf);
    } else {
        let buffers = mean_square.par_chunks_mut(CHUNK).zip(momentum_buf.par_chunks_mut(CHUNK));
        let chunks = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(buffers);
        chunks.for_each(|((w, g), (ms, buf))| rms_prop_chunk(step, w, g, ms, buf));
    }
}

simd_fn! {
    fn rms_prop_chunk<T: Real>(step: &RmsPropStep, w: &mut [T], g: &[T], mean_square: &mut [T], momentum_buf: &mut [T]) {
        let settings = [step.lr, step.decay, 1.0 - step.decay, step.momentum, step.epsilon, step.weight_decay];
        let [lr, decay, rest, momentum, epsilon, weight_decay] = settings.map(T::from_f64);
        for (((w, &g), ms), buf) in w.iter_mut().zip(g).zip(mean_square).zip(momentum_buf) {
            let g = g + weight_decay * *w;
            *ms = decay * *ms + rest * (g * g);
            *buf = momentum * *buf + lr * g / (*ms + epsilon).sqrt();
            *w -= *buf;
        }
    }
}

/// Settings of Adam (Kingma & Ba 2015), with PyTorch's meaning (`torch.optim.Adam`): epsilon is added to the bias-corrected root.
///
/// TensorFlow adds it to the root before the correction, which is the same as `epsilon / sqrt(1 - beta2^t)` here: no matter for
/// the Transformer's 1e-9 (Vaswani et al. 2017: beta2 0.98).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub t: u64,
}

/// One step: `g += weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// w -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)`.
///
/// Both buffers are 0 before the first step.
///
/// # Panics
/// If the lengths differ or `t` is 0.
pub fn adam<T: Real>(step: &AdamStep, w: &mut [T], g: &[T], mean: &mut [T], mean_square: &mut [T]) {
    let n = w.len();
    assert!(step.t > 0, "steps of Adam are counted from 1");
    assert!(
        g.len() == n && mean.len() == n && mean_square.len() == n,
        "weights, gradients, means and mean squares are of one length"
    );
    if n <= CHUNK {
        adam_chunk(step, w, g, mean, mean_square);
    } else {
        let buffers = mean.par_chunks_mut(CHUNK).zip(mean_square.par_chunks_mut(CHUNK));
        let chunks = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(buffers);
        chunks.for_each(|((w, g), (m, v))| adam_chunk(step, w, g, m, v));
    }
}

simd_fn! {
    fn adam_chunk<T: Real>(step: &AdamStep, w: &mut [T], g: &[T], mean: &mut [T], mean_square: &mut [T]) {
        // In double precision: 1 - beta^t cancels. libm, not std: the same digits on every platform.
        let t = step.t as f64;
        let rate = step.lr / (1.0 - libm::pow(step.beta1, t));
        let root = (1.0 - libm::pow(step.beta2, t)).sqrt().recip();
        let [rate, root, epsilon, weight_decay] = [rate, root, step.epsilon, step.weight_decay].map(T::from_f64);
        let [beta1, rest1, beta2, rest2] = [step.beta1, 1.0 - step.beta1, step.beta2, 1.0 - step.beta2].map(T::from_f64);
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(mean).zip(mean_square) {
            let g = g + weight_decay * *w;
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * (g * g);
            *w -= rate * *m / (v.sqrt() * root + epsilon);
        }
    }
}

/// Moves an exponential average of the weights one step: `average -= (1 - decay) (average - w)`, as
/// `tf.train.ExponentialMovingAverage` does. That class, told the number of steps n, uses `min(decay, (1 + n) / (10 + n))`.
///
/// # Panics
/// If the lengths differ.
pub fn ema<T: Real>(decay: f64, w: &[T], average: &mut [T]) {
    assert_eq!(w.len(), average.len(), "average is as long as w");
    if w.len() <= CHUNK {
        ema_chunk(decay, w, average);
    } else {
        w.par_chunks(CHUNK).zip(average.par_chunks_mut(CHUNK)).for_each(|(w, average)| ema_chunk(decay, w, average));
    }
}

simd_fn! {
    fn ema_chunk<T: Real>(decay: f64, w: &[T], average: &mut [T]) {
        let rest = T::from_f64(1.0 - decay);
        for (average, &w) in average.iter_mut().zip(w) {
            *average -= rest * (*average - w);
        }
    }
}
