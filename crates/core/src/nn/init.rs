//! Initial values, as each model's original authors draw them, or the paper's.

use super::params::Role;
use swish_kernels::rng::{Rng, fnv1a64};

/// Spread of a convolution's normal distribution: standard deviation sqrt(2 / fan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// fan = kh * kw * c_in / groups (He et al. 2015; szagoruyko/wide-residual-networks).
    In,
    /// fan = kh * kw * c_out (fb.resnet.torch, KaimingHe/resnet-1k-layers, liuzhuang13/DenseNet).
    Out,
}

/// How BatchNorm's scale starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormScale {
    /// All ones.
    One,
    /// Uniform in [0, 1): the default of Torch, which Wide ResNet's authors kept.
    Uniform,
}

/// How weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Convolutions normal, linear ones U(-1/sqrt(c_in), 1/sqrt(c_in)): Torch's repositories.
    Torch(Fan),
    /// All normal with standard deviation sqrt(1.3 * 2 / fan-in) and none beyond two of them: He's initialisation in TensorFlow slim
    /// (`variance_scaling_initializer`), which makes up with the 1.3 for what is cut off.
    Slim,
    /// Uniform with variance 2 / (fan-in + fan-out): tensor2tensor's `uniform_unit_scaling` with gain 1, which is
    /// `variance_scaling_initializer` with `fan_avg`.
    UnitScaling,
    /// All zero, for weights that are read from a file.
    Zero,
}

/// How the parameters of a network are drawn. Biases and BatchNorm's shifts start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Weights of convolutions and linear layers.
    pub weights: Weights,
    /// BatchNorm scales.
    pub norm_scale: NormScale,
}

impl Scheme {
    /// ResNet and DenseNet: fan-out, scales of one.
    pub const RESNET: Self = Self { weights: Weights::Torch(Fan::Out), norm_scale: NormScale::One };
    /// Wide ResNet: fan-in, scales uniform in [0, 1).
    pub const WIDE_RESNET: Self = Self { weights: Weights::Torch(Fan::In), norm_scale: NormScale::Uniform };
    /// The ImageNet models of the paper, which draws all of them as He et al. do.
    pub const SLIM: Self = Self { weights: Weights::Slim, norm_scale: NormScale::One };
    /// The Transformer of tensor2tensor.
    pub const TRANSFORMER: Self = Self { weights: Weights::UnitScaling, norm_scale: NormScale::One };
    /// For weights that are read from a file.
    pub const ZERO: Self = Self { weights: Weights::Zero, norm_scale: NormScale::One };

    /// Draws one parameter. The stream depends on the seed and the name alone, so neither the order of declaration
    /// nor another layer's size changes it. Activation parameters are not drawn but start at their given value.
    pub fn draw(self, role: Role, shape: &[usize], seed: u64, name: &str) -> Vec<f64> {
        let mut rng = Rng::new(seed ^ fnv1a64(name));
        let n = shape.iter().product();
        let mut fill = |f: &mut dyn FnMut(&mut Rng) -> f64| (0..n).map(|_| f(&mut rng)).collect();
        match (role, self.weights) {
            (Role::ConvWeight | Role::LinearWeight | Role::Embedding, Weights::Zero) => vec![0.0; n],
            (Role::ConvWeight | Role::LinearWeight, Weights::Slim) => {
                let std = (1.3 * 2.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
                fill(&mut |rng| std * truncated_normal(rng))
            }
            (Role::ConvWeight | Role::LinearWeight, Weights::UnitScaling) => {
                let receptive: usize = shape[2..].iter().product();
                let bound = (6.0 / ((shape[0] + shape[1]) * receptive) as f64).sqrt();
                fill(&mut |rng| bound * (2.0 * rng.uniform() - 1.0))
            }
            // The width of a row in the place of a fan-in, whatever the other weights.
            (Role::Embedding, _) => {
                let std = (shape[1] as f64).sqrt().recip();
                fill(&mut |rng| std * rng.normal())
            }
            (Role::ConvWeight, Weights::Torch(fan)) => {
                let fan = match fan {
                    Fan::In => shape[1..].iter().product::<usize>(),
                    Fan::Out => shape[0] * shape[2..].iter().product::<usize>(),
                };
                let std = (2.0 / fan as f64).sqrt();
                fill(&mut |rng| std * rng.normal())
            }
            (Role::LinearWeight, Weights::Torch(_)) => {
                let bound = 1.0 / (shape[1] as f64).sqrt();
                fill(&mut |rng| bound * (2.0 * rng.uniform() - 1.0))
            }
            (Role::NormWeight, _) if self.norm_scale == NormScale::Uniform => fill(&mut Rng::uniform),
            (Role::NormWeight, _) => vec![1.0; n],
            (Role::Bias | Role::NormBias | Role::Activation, _) => vec![0.0; n],
        }
    }
}

/// Standard normal values without those beyond 2.
fn truncated_normal(rng: &mut Rng) -> f64 {
    loop {
        let value = rng.normal();
        if value.abs() <= 2.0 {
            return value;
        }
    }
}
