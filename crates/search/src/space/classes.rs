//! Merging equal functions: by canonical form, then by their values.
//!
//! The canonical form knows algebra; what it does not know (`asinh(sinh(x))`, say) shows in the values. Two functions are
//! equal here when their values agree to ten digits at [`POINTS`] for each setting of the parameters in [`BETAS`]: they are
//! then equal in training too, gradients of parameters included, up to rounding.

use std::collections::{BTreeMap, HashMap};
use swish_core::activation::Activation;

/// Points of both signs, none of them special; the outer ones tell apart what agrees near 0 only.
const POINTS: [f64; 26] = [
    -37.3, -14.9, -8.71, -5.13, -3.37, -2.21, -1.77, -1.13, -0.83, -0.59, -0.31, -0.143, -0.043, 0.037, 0.129, 0.29,
    0.53, 0.79, 1.19, 1.63, 2.33, 3.19, 5.39, 8.93, 15.7, 38.1,
];
/// Values of the parameters: the k-th parameter takes the k-th of these, going round, from each of the starts.
const BETAS: [f64; 5] = [1.0, 0.47, -0.31, 1.83, -1.27];
/// Values that differ by less, relative to the larger one and to 1e-3, are equal.
const TOLERANCE: f64 = 1e-10;
/// The same for the sum that finds candidates for a comparison; a hundredfold wider, for the sum of many differences.
const NEAR: f64 = 100.0 * TOLERANCE;

/// Number of a set of equal functions, from 0 in the order in which they were met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub usize);

/// The functions met so far, equal ones in one class.
#[derive(Debug, Default)]
pub struct Classes {
    by_form: HashMap<String, Class>,
    /// Classes by the bits of [`Fingerprint::sum`], ordered as the numbers are.
    by_sum: BTreeMap<u64, Vec<Class>>,
    members: Vec<(Activation, Fingerprint)>,
}

impl Classes {
    /// The class of a function, a new one if it equals none met before.
    pub fn insert(&mut self, activation: &Activation) -> Class {
        if let Some(class) = self.by_form.get(&activation.canonical()) {
            return *class;
        }
        let fingerprint = Fingerprint::of(activation);
        let near = ordered(fingerprint.sum - NEAR)..=ordered(fingerprint.sum + NEAR);
        let mut candidates = self.by_sum.range(near).flat_map(|(_, classes)| classes);
        let class = candidates.find(|c| self.members[c.0].1.agrees(&fingerprint)).copied().unwrap_or_else(|| {
            let class = Class(self.members.len());
            self.by_sum.entry(ordered(fingerprint.sum)).or_default().push(class);
            self.members.push((activation.clone(), fingerprint));
            class
        });
        self.by_form.insert(activation.canonical(), class);
        class
    }

    /// The first function met of a class.
    pub fn first(&self, class: Class) -> &Activation {
        &self.members[class.0].0
    }

    /// The first function met of each class.
    pub fn firsts(&self) -> impl Iterator<Item = &Activation> {
        self.members.iter().map(|(activation, _)| activation)
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether no function was met.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// What a function is known by.
#[derive(Debug)]
struct Fingerprint {
    params: usize,
    values: Vec<f64>,
    /// A sum over the values, each brought into (-1, 1) and with a weight of its own: equal for equal functions.
    sum: f64,
}

impl Fingerprint {
    fn of(activation: &Activation) -> Self {
        let params = activation.params().len();
        let settings = if params == 0 { 1 } else { BETAS.len() };
        let values: Vec<f64> = (0..settings)
            .flat_map(|start| {
                let setting: Vec<f64> = (0..params).map(|k| BETAS[(start + k) % BETAS.len()]).collect();
                POINTS.map(|x| activation.eval(x, &setting))
            })
            .collect();
        let weighted = values.iter().enumerate().map(|(i, v)| {
            let bounded = if v.is_nan() { 0.5 } else { v.atan() / std::f64::consts::FRAC_PI_2 };
            bounded * (0.618_033_988_749_895 * (i + 1) as f64).fract()
        });
        Self { params, sum: weighted.sum(), values }
    }

    fn agrees(&self, other: &Self) -> bool {
        let equal = |(a, b): (&f64, &f64)| {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-3)
        };
        self.params == other.params && self.values.iter().zip(&other.values).all(equal)
    }
}

/// Bits in the order of the numbers.
fn ordered(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}
