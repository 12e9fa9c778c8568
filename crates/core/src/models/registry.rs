//! Every model by name.

use super::Model;
use super::densenet::{self, DenseNet};
use super::inception::{self, InceptionResNetV2, InceptionV3, InceptionV4};
use super::mobilenet::{self, MobileNet, SYMMETRIC};
use super::nasnet::{self, NasNet};
use super::preact::{Branch, PreActNet};
use super::resnet::{ResNet, Shortcut};
use super::transformer::TRANSFORMERS;
use crate::activation::error::nearest;
use crate::nn::PoolKind::{self, Average, AverageWithPadding};
use crate::nn::init::Scheme;
use crate::nn::{Builder, Error, Padding, Result};

/// A registered model.
pub struct ModelInfo {
    /// Its name; hyphens, underscores and case do not matter when it is looked up.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Channels, height and width of the images that it is made for.
    pub input: [usize; 3],
    /// Classes of the data set that it is made for, CIFAR-10 or ImageNet.
    pub classes: usize,
    /// How its authors draw the parameters.
    pub scheme: Scheme,
    pub(super) build: fn(&Builder, usize) -> Result<Box<dyn Model>>,
}

impl std::fmt::Debug for ModelInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelInfo({})", self.name)
    }
}

macro_rules! model {
    ($name:literal, $about:literal, $scheme:ident, $vb:ident, $classes:ident => $net:expr) => {
        ModelInfo {
            name: $name,
            about: $about,
            input: [3, 32, 32],
            classes: 10,
            scheme: Scheme::$scheme,
            build: |$vb, $classes| Ok(Box::new($net?)),
        }
    };
}

/// A model for ImageNet, drawn as the paper draws all of them.
macro_rules! imagenet {
    ($name:literal, $about:literal, $size:literal, $vb:ident, $classes:ident => $net:expr) => {
        ModelInfo {
            name: $name,
            about: $about,
            input: [3, $size, $size],
            classes: 1000,
            scheme: Scheme::SLIM,
            build: |$vb, $classes| Ok(Box::new($net?)),
        }
    };
}

/// Widths of a Wide ResNet's three groups.
const fn wide(widen_factor: usize) -> [usize; 3] {
    [16 * widen_factor, 32 * widen_factor, 64 * widen_factor]
}

const fn dense(depth: usize, growth_rate: usize, bc: bool, c_first: usize) -> densenet::Config {
    densenet::Config { depth, growth_rate, bc, c_first }
}

const fn mobile(divisor: usize, pad: Padding) -> mobilenet::Config {
    mobilenet::Config { divisor, pad }
}

const fn inception(divisor: usize, blocks: [usize; 3], image: usize, pooling: PoolKind) -> inception::Config {
    inception::Config { divisor, blocks, image, pooling }
}

/// Mobile NASNet-A: 4 normal cells at each size, 44 filters.
const NASNET: nasnet::Config = nasnet::Config { filters: 44, cells: 4, stem: 32, image: 224, aux_divisor: 1 };
const NASNET_MINI: nasnet::Config = nasnet::Config { filters: 12, cells: 1, stem: 8, image: 96, aux_divisor: 8 };

/// The models of the paper's experiments on CIFAR and on ImageNet, each followed by smaller members of their families for reduced
/// profiles.
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
    imagenet!("nasnet_a_mobile", "Mobile NASNet-A, 4 @ 1056", 224, vb, k => NasNet::new(vb, NASNET, k)),
    imagenet!("mobilenet_v1", "MobileNet v1 1.0, symmetric padding", 224, vb, k => MobileNet::new(vb, mobile(1, SYMMETRIC), k)),
    imagenet!("mobilenet_v1_same", "MobileNet v1 1.0, TensorFlow's SAME padding", 224, vb, k => MobileNet::new(vb, mobile(1, Padding::Same), k)),
    imagenet!("inception_v3", "Inception-v3, average pooling counts padding (PyTorch)", 299, vb, k => InceptionV3::new(vb, inception(1, [3, 4, 2], 299, AverageWithPadding), k)),
    imagenet!("inception_v3_tfpool", "Inception-v3, average pooling without padding (TensorFlow)", 299, vb, k => InceptionV3::new(vb, inception(1, [3, 4, 2], 299, Average), k)),
    imagenet!("inception_v4", "Inception-v4", 299, vb, k => InceptionV4::new(vb, inception(1, [4, 7, 3], 299, Average), k)),
    imagenet!("inception_resnet_v2", "Inception-ResNet-v2", 299, vb, k => InceptionResNetV2::new(vb, inception(1, [10, 20, 9], 299, Average), k)),
    imagenet!("nasnet-a-mini-96", "NASNet-A with 12 filters and one normal cell at each size, 96 px", 96, vb, k => NasNet::new(vb, NASNET_MINI, k)),
    imagenet!("mobilenet-v1-025-64", "MobileNet v1 0.25, SAME padding, 64 px", 64, vb, k => MobileNet::new(vb, mobile(4, Padding::Same), k)),
    imagenet!("inception-v3-mini-107", "Inception-v3 with an eighth of the channels and one block at each size, 107 px", 107, vb, k => InceptionV3::new(vb, inception(8, [1, 1, 1], 107, Average), k)),
    imagenet!("inception-v4-mini-107", "Inception-v4 with an eighth of the channels and one block at each size, 107 px", 107, vb, k => InceptionV4::new(vb, inception(8, [1, 1, 1], 107, Average), k)),
    imagenet!("inception-resnet-v2-mini-107", "Inception-ResNet-v2 with an eighth of the channels and one repeated block at each size, 107 px", 107, vb, k => InceptionResNetV2::new(vb, inception(8, [1, 1, 1], 107, Average), k)),
];

pub(super) fn key(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The model of that name.
///
/// # Errors
/// [`Error::UnknownModel`], with the nearest name.
pub fn find(name: &str) -> Result<&'static ModelInfo> {
    MODELS.iter().find(|m| key(m.name) == key(name)).ok_or_else(|| Error::UnknownModel {
        name: name.to_string(),
        suggestion: nearest(name, MODELS.iter().map(|m| m.name).chain(TRANSFORMERS.iter().map(|m| m.name))),
    })
}
