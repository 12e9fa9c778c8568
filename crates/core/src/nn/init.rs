//! Initial values, as each model's original authors draw them (SPEC 4.5).

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

/// How the parameters of a network are drawn. Linear weights are U(-1/sqrt(c_in), 1/sqrt(c_in)), Torch's default in
/// all three original repositories; biases and BatchNorm's shifts start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Convolution weights: He's normal distribution over this fan.
    pub conv: Fan,
    /// BatchNorm scales.
    pub norm_scale: NormScale,
}

impl Scheme {
    /// ResNet and DenseNet: fan-out, scales of one.
    pub const RESNET: Self = Self { conv: Fan::Out, norm_scale: NormScale::One };
    /// Wide ResNet: fan-in, scales uniform in [0, 1).
    pub const WIDE_RESNET: Self = Self { conv: Fan::In, norm_scale: NormScale::Uniform };

    /// Draws one parameter. The stream depends on the seed and the name alone, so neither the order of declaration
    /// nor another layer's size changes it. Activation parameters are not drawn but start at their given value.
    pub fn draw(self, role: Role, shape: &[usize], seed: u64, name: &str) -> Vec<f64> {
        let mut rng = Rng::new(seed ^ fnv1a64(name));
        let n = shape.iter().product();
        let mut fill = |f: &mut dyn FnMut(&mut Rng) -> f64| (0..n).map(|_| f(&mut rng)).collect();
        match role {
            Role::ConvWeight => {
                let fan = match self.conv {
                    Fan::In => shape[1..].iter().product::<usize>(),
                    Fan::Out => shape[0] * shape[2..].iter().product::<usize>(),
                };
                let std = (2.0 / fan as f64).sqrt();
                fill(&mut |rng| std * rng.normal())
            }
            Role::LinearWeight => {
                let bound = 1.0 / (shape[1] as f64).sqrt();
                fill(&mut |rng| bound * (2.0 * rng.uniform() - 1.0))
            }
            Role::NormWeight if self.norm_scale == NormScale::Uniform => fill(&mut Rng::uniform),
            Role::NormWeight => vec![1.0; n],
            Role::Bias | Role::NormBias | Role::Activation => vec![0.0; n],
        }
    }
}
