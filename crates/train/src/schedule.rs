//! Learning rates over the steps of a run.

use crate::error::Result;
use crate::task::{at_least_1, number};
use serde::{Deserialize, Serialize};

/// The shape of a schedule after its warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The same rate throughout.
    Constant,
    /// Multiplied by `factor` at each of these steps.
    Steps {
        /// Steps (0-based) from which one more factor applies.
        at: Vec<u64>,
        /// The factor.
        factor: f64,
    },
    /// Multiplied by `factor` once every `decay_steps` steps (`tf.train.exponential_decay` with `staircase`).
    Exponential {
        /// The factor.
        factor: f64,
        /// Steps from one decay to the next; TensorFlow's scripts do not round them to a whole number.
        decay_steps: f64,
    },
    /// Rises linearly over `warmup` steps, then falls with the root of the step: lr * hidden^-0.5 * min((step + 1) * warmup^-1.5,
    /// (step + 1)^-0.5) (Vaswani et al. 2017, section 5.3, and tensor2tensor's `noam`, whose steps begin with 0).
    Noam {
        /// Width of the model.
        hidden: usize,
        /// Steps of the rise.
        warmup: u64,
    },
    /// Half a cosine from the base rate to 0 at the last step (Loshchilov and Hutter 2016, without restarts).
    Cosine,
}

/// The first steps of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// None.
    None,
    /// This rate for so many steps (He et al. 2015, section 4.2: 0.01 until the training error falls).
    Flat {
        /// Number of steps.
        steps: u64,
        /// Learning rate during them.
        lr: f64,
    },
    /// From 0 up to the schedule's rate, linearly, over so many steps.
    Linear {
        /// Number of steps.
        steps: u64,
    },
}

/// A learning rate for every step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The base rate.
    pub lr: f64,
    /// What becomes of it.
    pub shape: Shape,
    /// The first steps.
    pub warmup: Warmup,
}

impl Schedule {
    /// Cosine from `lr` to 0.
    pub fn cosine(lr: f64) -> Self {
        Self { lr, shape: Shape::Cosine, warmup: Warmup::None }
    }

    /// `lr`, multiplied by `factor` at each of the steps `at`.
    pub fn steps(lr: f64, at: &[u64], factor: f64) -> Self {
        Self { lr, shape: Shape::Steps { at: at.to_vec(), factor }, warmup: Warmup::None }
    }

    /// `lr`, multiplied by `factor` every `decay_steps` steps.
    pub fn staircase(lr: f64, factor: f64, decay_steps: f64) -> Self {
        Self { lr, shape: Shape::Exponential { factor, decay_steps }, warmup: Warmup::None }
    }

    /// Vaswani's rate for a model `hidden` wide, times `factor`.
    pub fn noam(factor: f64, hidden: usize, warmup: u64) -> Self {
        Self { lr: factor, shape: Shape::Noam { hidden, warmup }, warmup: Warmup::None }
    }

    /// The same rates with what `scale` makes of the number of steps over which they rise.
    #[must_use]
    pub fn with_warmup(mut self, scale: impl Fn(u64) -> u64) -> Self {
        if let Shape::Noam { warmup, .. } = &mut self.shape {
            *warmup = scale(*warmup);
        }
        if let Warmup::Linear { steps } = &mut self.warmup {
            *steps = scale(*steps);
        }
        self
    }

    /// Checks that the values make sense.
    ///
    /// # Errors
    /// [`crate::Error::BadValue`].
    pub fn check(&self) -> Result<()> {
        match self.shape {
            Shape::Exponential { decay_steps, .. } => number("steps of a decay", decay_steps, "above 0", |x| x > 0.0)?,
            Shape::Noam { hidden, warmup } => {
                at_least_1("width of the schedule", hidden as u64)?;
                at_least_1("steps of the warm-up", warmup)?;
            }
            Shape::Constant | Shape::Steps { .. } | Shape::Cosine => (),
        }
        number("learning rate", self.lr, "above 0", |x| x > 0.0)
    }

    /// The learning rate of step `step` (0-based) out of `total`.
    pub fn at(&self, step: u64, total: u64) -> f64 {
        let base = match &self.shape {
            Shape::Constant => self.lr,
            Shape::Steps { at, factor } => {
                let passed = at.iter().filter(|&&s| s <= step).count();
                self.lr * factor.powi(passed as i32)
            }
            Shape::Exponential { factor, decay_steps } => {
                self.lr * factor.powi((step as f64 / decay_steps).floor() as i32)
            }
            &Shape::Noam { hidden, warmup } => {
                let (t, warmup) = ((step + 1) as f64, warmup as f64);
                self.lr * (hidden as f64).powf(-0.5) * (t * warmup.powf(-1.5)).min(t.powf(-0.5))
            }
            Shape::Cosine => {
                let t = step as f64 / total.max(1) as f64;
                self.lr * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
        };
        match self.warmup {
            Warmup::Flat { steps, lr } if step < steps => lr,
            Warmup::Linear { steps } if step < steps => base * (step + 1) as f64 / steps as f64,
            _ => base,
        }
    }
}

/// Steps from one decay to the next where the rate falls every so many `epochs`, as slim's training script counts them
/// (`train_image_classifier.py`): an epoch in batches of one replica, cut to a whole number, then shared out among the replicas.
pub fn decay_steps(examples: u64, batch: usize, epochs: f64, replicas: u64) -> f64 {
    (examples as f64 / batch as f64 * epochs).trunc() / replicas as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fall_at_their_steps_and_not_before() {
        let s = Schedule::steps(0.1, &[32_000, 48_000], 0.1);
        assert_eq!(s.at(31_999, 64_000), 0.1);
        assert!((s.at(32_000, 64_000) - 0.01).abs() < 1e-15);
        assert!((s.at(63_999, 64_000) - 0.001).abs() < 1e-15);
    }

    /// Worked out by hand: 1,281,167 / 32 * 2 = 80,072.9, cut and shared out among 50 replicas: 1601.44, so that the rate falls at steps
    /// 1602, 3203 and 4805.
    #[test]
    fn a_staircase_falls_where_tensorflows_does() {
        let every = decay_steps(1_281_167, 32, 2.0, 50);
        assert_eq!(every, 1601.44);
        let s = Schedule::staircase(0.045, 0.94, every);
        let falls = |k: i32| 0.045 * 0.94_f64.powi(k);
        for (step, k) in [(0, 0), (1601, 0), (1602, 1), (3202, 1), (3203, 2), (4804, 2), (4805, 3)] {
            assert_eq!(s.at(step, 100_000), falls(k), "step {step}");
        }
    }

    #[test]
    fn cosine_starts_at_the_rate_is_half_in_the_middle_and_ends_near_zero() {
        let s = Schedule::cosine(0.2);
        assert_eq!(s.at(0, 100), 0.2);
        assert!((s.at(50, 100) - 0.1).abs() < 1e-15);
        assert!(s.at(99, 100) < 1e-4);
    }

    /// Worked out in Python: `512**-.5 * 4000**-1.5`, `512**-.5 * 4000**-.5`, `512**-.5 * 16000**-.5`.
    #[test]
    fn noam_rises_for_its_warm_up_and_falls_with_the_root() {
        let s = Schedule::noam(1.0, 512, 4_000);
        for (step, rate) in [(0, 1.746928107421711e-7), (3_999, 6.987712429686843e-4), (15_999, 3.4938562148434216e-4)]
        {
            assert!((s.at(step, 300_000) / rate - 1.0).abs() < 1e-12, "step {step}: {}", s.at(step, 300_000));
        }
        assert!((Schedule::noam(0.5, 512, 4_000).at(15_999, 1) / 1.7469281074217108e-4 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn warm_up_replaces_or_scales_the_first_steps_only() {
        let flat = Schedule { warmup: Warmup::Flat { steps: 400, lr: 0.01 }, ..Schedule::steps(0.1, &[], 0.1) };
        assert_eq!((flat.at(399, 1000), flat.at(400, 1000)), (0.01, 0.1));
        let linear = Schedule { lr: 1.0, shape: Shape::Constant, warmup: Warmup::Linear { steps: 4 } };
        assert_eq!([0, 1, 2, 3, 4].map(|s| linear.at(s, 10)), [0.25, 0.5, 0.75, 1.0, 1.0]);
    }
}
