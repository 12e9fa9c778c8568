//! Every model by name.

use super::Model;
use super::densenet::{Config, DenseNet};
use super::preact::{Branch, PreActNet};
use super::resnet::{ResNet, Shortcut};
use crate::activation::error::nearest;
use crate::nn::init::Scheme;
use crate::nn::{Builder, Error, Result};

/// A registered model.
pub struct ModelInfo {
    /// Its name; hyphens, underscores and case do not matter when it is looked up.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Channels, height and width of the images that it is made for.
    pub input: [usize; 3],
    /// How its authors draw the parameters.
    pub scheme: Scheme,
    pub(super) build: fn(&Builder, usize) -> Result<Box<dyn Model>>,
}

impl std::fmt::Debug for ModelInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelInfo({})", self.name)
    }
}

const CIFAR: [usize; 3] = [3, 32, 32];

macro_rules! model {
    ($name:literal, $about:literal, $scheme:ident, $vb:ident, $classes:ident => $net:expr) => {
        ModelInfo {
            name: $name,
            about: $about,
            input: CIFAR,
            scheme: Scheme::$scheme,
            build: |$vb, $classes| Ok(Box::new($net?)),
        }
    };
}

/// Widths of a Wide ResNet's three groups.
const fn wide(widen_factor: usize) -> [usize; 3] {
    [16 * widen_factor, 32 * widen_factor, 64 * widen_factor]
}

const fn dense(depth: usize, growth_rate: usize, bc: bool, c_first: usize) -> Config {
    Config { depth, growth_rate, bc, c_first }
}

/// The models of the paper's CIFAR experiments, then the smaller members of their families for reduced profiles.
pub const MODELS: &[ModelInfo] = &[
    model!("resnet20", "ResNet-20 v1, shortcut A", RESNET, vb, k => ResNet::new(vb, 3, Shortcut::A, k)),
    model!("resnet20_b", "ResNet-20 v1, shortcut B", RESNET, vb, k => ResNet::new(vb, 3, Shortcut::B, k)),
    model!("resnet20_v2", "ResNet-20 v2 (pre-activation)", RESNET, vb, k => PreActNet::new(vb, 3, wide(1), Branch::Basic, k)),
    model!("resnet32", "ResNet-32 v1, shortcut A", RESNET, vb, k => ResNet::new(vb, 5, Shortcut::A, k)),
    model!("resnet32_b", "ResNet-32 v1, shortcut B", RESNET, vb, k => ResNet::new(vb, 5, Shortcut::B, k)),
    model!("resnet32_v2", "ResNet-32 v2 (pre-activation)", RESNET, vb, k => PreActNet::new(vb, 5, wide(1), Branch::Basic, k)),
    model!("resnet164", "pre-activation ResNet-164, bottlenecks", RESNET, vb, k => PreActNet::new(vb, 18, wide(4), Branch::Bottleneck, k)),
    model!("wrn28_10", "Wide ResNet 28-10", WIDE_RESNET, vb, k => PreActNet::new(vb, 4, wide(10), Branch::Basic, k)),
    model!("densenet100_12", "DenseNet-100-12, plain", RESNET, vb, k => DenseNet::new(vb, dense(100, 12, false, 16), k)),
    model!("densenet100_12_init24", "DenseNet-100-12, plain, first convolution of 24 channels", RESNET, vb, k => DenseNet::new(vb, dense(100, 12, false, 24), k)),
    model!("densenet100_12_bc", "DenseNet-BC-100-12", RESNET, vb, k => DenseNet::new(vb, dense(100, 12, true, 24), k)),
    model!("resnet-preact-11", "pre-activation ResNet-11, bottlenecks: ResNet-164's small sister", RESNET, vb, k => PreActNet::new(vb, 1, wide(4), Branch::Bottleneck, k)),
    model!("wrn-10-1", "Wide ResNet 10-1: WRN-28-10's small sister", WIDE_RESNET, vb, k => PreActNet::new(vb, 1, wide(1), Branch::Basic, k)),
    model!("densenet-bc-22-12", "DenseNet-BC-22-12: DenseNet-BC-100-12's small sister", RESNET, vb, k => DenseNet::new(vb, dense(22, 12, true, 24), k)),
    model!("resnet-preact-11-half", "pre-activation ResNet-11 with half of ResNet-164's widths", RESNET, vb, k => PreActNet::new(vb, 1, wide(2), Branch::Bottleneck, k)),
    model!("resnet8-v2-stride2", "ResNet-8 v2 on maps of half the size: its first convolution has stride 2", RESNET, vb, k => PreActNet::with_stem(vb, 2, 1, wide(1), Branch::Basic, k)),
    model!("densenet-bc-16-6", "DenseNet-BC-16-6", RESNET, vb, k => DenseNet::new(vb, dense(16, 6, true, 12), k)),
];

fn key(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The model of that name.
///
/// # Errors
/// [`Error::UnknownModel`], with the nearest name.
pub fn find(name: &str) -> Result<&'static ModelInfo> {
    MODELS.iter().find(|m| key(m.name) == key(name)).ok_or_else(|| Error::UnknownModel {
        name: name.to_string(),
        suggestion: nearest(name, MODELS.iter().map(|m| m.name)),
    })
}
