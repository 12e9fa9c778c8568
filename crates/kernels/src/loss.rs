//! Softmax cross-entropy with label smoothing.

use rayon::prelude::*;

use crate::act::exp_of_negative;
use crate::real::Real;
use crate::simd::simd_fn;

/// Elements of a task, about.
const CHUNK: usize = 1 << 13;

/// Why there is no loss.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LossError {
    /// No example.
    #[error("cross-entropy of an empty batch: expected at least one example and one class")]
    Empty,
    /// The logits are no rows of `classes` for each target.
    #[error("cross-entropy: {logits} logits for {targets} targets of {classes} classes; expected {} logits", targets * classes)]
    Length {
        /// Number of logits.
        logits: usize,
        /// Number of targets.
        targets: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A label that is no class.
    #[error("cross-entropy: target {target} of example {example} is no class; expected 0..{classes}")]
    Target {
        /// Index in the batch.
        example: usize,
        /// The label.
        target: u32,
        /// Number of classes.
        classes: usize,
    },
    /// Smoothing out of range.
    #[error("cross-entropy: label smoothing {0} is not in [0, 1]")]
    Smoothing(f64),
}

/// Mean over the batch of the cross-entropy between softmax(logits) and `(1 - smoothing) onehot(target) + smoothing / classes`
/// (Szegedy et al. 2016). `logits` is (n, classes); `d_logits`, of the same shape, gets the gradient of the mean.
///
/// The row's maximum is subtracted first; exponentials are those of `T`, sums are in double precision. NaN among the logits gives NaN.
///
/// # Errors
/// [`LossError`] for an empty batch, a target that is no class, lengths that disagree, or smoothing out of range.
pub fn softmax_cross_entropy<T: Real>(
    classes: usize,
    logits: &[T],
    targets: &[u32],
    smoothing: f64,
    d_logits: Option<&mut [T]>,
) -> Result<f64, LossError> {
    let n = targets.len();
    if n == 0 || classes == 0 {
        return Err(LossError::Empty);
    }
    for len in [logits.len(), d_logits.as_ref().map_or(logits.len(), |d| d.len())] {
        if len != n * classes {
            return Err(LossError::Length { logits: len, targets: n, classes });
        }
    }
    if let Some(example) = targets.iter().position(|&target| target as usize >= classes) {
        return Err(LossError::Target { example, target: targets[example], classes });
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(LossError::Smoothing(smoothing));
    }
    let (rows, len) = ((CHUNK / classes).max(1), (CHUNK / classes).max(1) * classes);
    let row = Row { smoothing, n };
    let sums: Vec<f64> = match d_logits {
        None => {
            let work = |(logits, targets): (&[T], &[u32])| -> f64 {
                let mut exps = vec![T::ZERO; classes];
                logits
                    .chunks_exact(classes)
                    .zip(targets)
                    .map(|(logits, &target)| row.loss(logits, target, &mut exps).0)
                    .sum()
            };
            if n <= rows {
                vec![work((logits, targets))]
            } else {
                logits.par_chunks(len).zip(targets.par_chunks(rows)).map(work).collect()
            }
        }
        Some(d_logits) => {
            let work = |((logits, targets), d_logits): ((&[T], &[u32]), &mut [T])| -> f64 {
                let examples = logits.chunks_exact(classes).zip(targets).zip(d_logits.chunks_exact_mut(classes));
                examples.map(|((logits, &target), d_logits)| row.gradient(logits, target, d_logits)).sum()
            };
            if n <= rows {
                vec![work(((logits, targets), d_logits))]
            } else {
                logits
                    .par_chunks(len)
                    .zip(targets.par_chunks(rows))
                    .zip(d_logits.par_chunks_mut(len))
                    .map(work)
                    .collect()
            }
        }
    };
    Ok(sums.iter().sum::<f64>() / n as f64)
}

/// What every example shares.
#[derive(Clone, Copy)]
struct Row {
    smoothing: f64,
    n: usize,
}

impl Row {
    /// The loss of one example and the sum of `exps`, which become e^(logit - maximum).
    fn loss<T: Real>(self, logits: &[T], target: u32, exps: &mut [T]) -> (f64, f64) {
        let max = logits.iter().fold(T::NEG_INFINITY, |max, &z| if z > max { z } else { max });
        let sum = exp_below(logits, max, exps);
        let log_sum = max.to_f64() + sum.ln();
        let to_target = log_sum - logits[target as usize].to_f64();
        if self.smoothing == 0.0 {
            return (to_target, sum);
        }
        let to_all: f64 = logits.iter().map(|&z| log_sum - z.to_f64()).sum::<f64>() / logits.len() as f64;
        ((1.0 - self.smoothing) * to_target + self.smoothing * to_all, sum)
    }

    /// The loss of one example; `d_logits` gets its gradient divided by n.
    fn gradient<T: Real>(self, logits: &[T], target: u32, d_logits: &mut [T]) -> f64 {
        let (loss, sum) = self.loss(logits, target, d_logits);
        let n = self.n as f64;
        let (scale, floor) = (1.0 / (sum * n), self.smoothing / (logits.len() as f64 * n));
        let target = target as usize;
        let at_target = d_logits[target].to_f64() * scale - floor - (1.0 - self.smoothing) / n;
        for d in d_logits.iter_mut() {
            *d = T::from_f64(d.to_f64() * scale - floor);
        }
        d_logits[target] = T::from_f64(at_target);
        loss
    }
}

simd_fn! {
    /// `exps = e^(logits - max)`; returns their sum.
    pub(crate) fn exp_below<T: Real>(logits: &[T], max: T, exps: &mut [T]) -> f64 {
        for (e, &z) in exps.iter_mut().zip(logits) {
            *e = exp_of_negative::<T, FMA>(z - max);
        }
        // Eight running sums, so that additions do not wait for each other.
        let mut sums = [0.0; 8];
        let (blocks, rest) = exps.as_chunks::<8>();
        for block in blocks {
            for (sum, e) in sums.iter_mut().zip(block) {
                *sum += e.to_f64();
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|e| e.to_f64()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng::Rng;

    /// Straight from the definition, without any care for overflow.
    fn naive(classes: usize, logits: &[f64], targets: &[u32], smoothing: f64) -> f64 {
        let mut total = 0.0;
        for (row, &target) in logits.chunks(classes).zip(targets) {
            let sum: f64 = row.iter().map(|z| z.exp()).sum();
            for (class, z) in row.iter().enumerate() {
                let onehot = f64::from(u8::from(class == target as usize));
                let label = (1.0 - smoothing) * onehot + smoothing / classes as f64;
                total -= label * (z.exp() / sum).ln();
            }
        }
        total / targets.len() as f64
    }

    fn example(n: usize, classes: usize) -> (Vec<f64>, Vec<u32>) {
        let mut rng = Rng::new(11);
        (
            (0..n * classes).map(|_| 3.0 * rng.normal()).collect(),
            (0..n).map(|_| rng.below(classes as u64) as u32).collect(),
        )
    }

    #[test]
    fn value_and_gradient_against_the_definition() {
        let (n, classes) = (7, 5);
        let (logits, targets) = example(n, classes);
        for smoothing in [0.0, 0.1, 1.0] {
            let mut d = vec![0.0; logits.len()];
            let loss = softmax_cross_entropy(classes, &logits, &targets, smoothing, Some(&mut d)).unwrap();
            assert!((loss - naive(classes, &logits, &targets, smoothing)).abs() < 1e-13);
            assert_eq!(softmax_cross_entropy(classes, &logits, &targets, smoothing, None).unwrap(), loss);
            for i in 0..logits.len() {
                let at = |h: f64| {
                    let mut moved = logits.clone();
                    moved[i] += h;
                    naive(classes, &moved, &targets, smoothing)
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((d[i] - difference).abs() < 1e-9, "{i}: {} {difference}", d[i]);
            }
        }
    }

    #[test]
    fn large_logits_neither_overflow_nor_lose_digits() {
        // log(1 + e^-1 + e^-2000) with all logits moved by 1000.
        let loss = softmax_cross_entropy(3, &[1000.0f32, 999.0, -1000.0], &[0], 0.0, None).unwrap();
        assert!((loss - (-1.0f64).exp().ln_1p()).abs() < 1e-7, "{loss}");
        let loss = softmax_cross_entropy(3, &[1000.0f64, 999.0, -1000.0], &[0], 0.0, None).unwrap();
        assert!((loss - (-1.0f64).exp().ln_1p()).abs() < 1e-12, "{loss}");
        assert!(softmax_cross_entropy(2, &[f32::NAN, 0.0], &[1], 0.0, None).unwrap().is_nan());
    }

    #[test]
    fn wrong_input_is_named() {
        let loss =
            |logits: &[f32], targets: &[u32], smoothing| softmax_cross_entropy(2, logits, targets, smoothing, None);
        assert_eq!(loss(&[0.0; 4], &[0, 2], 0.0), Err(LossError::Target { example: 1, target: 2, classes: 2 }));
        assert_eq!(loss(&[], &[], 0.0), Err(LossError::Empty));
        assert_eq!(loss(&[0.0; 3], &[0], 0.0), Err(LossError::Length { logits: 3, targets: 1, classes: 2 }));
        assert_eq!(loss(&[0.0; 2], &[0], 1.5), Err(LossError::Smoothing(1.5)));
    }

    #[test]
    fn threads_do_not_matter() {
        let (n, classes) = (4000, 10);
        let (logits, targets) = example(n, classes);
        let logits: Vec<f32> = logits.iter().map(|&z| z as f32).collect();
        let run = |threads| {
            let mut d = vec![0.0; logits.len()];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let loss = pool.install(|| softmax_cross_entropy(classes, &logits, &targets, 0.1, Some(&mut d)).unwrap());
            (loss.to_bits(), d)
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
