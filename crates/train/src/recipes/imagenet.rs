//! The recipes of the ImageNet tables (Tables 6 to 10 of the paper) and their reduced forms.
//!
//! The paper says RMSProp, three learning rates an activation of which the best is taken, and a fixed number of steps, but neither the
//! rates nor the steps; each function takes the rest from the model's own authors and says so. Where not even they give a number of
//! steps, it is that of so many epochs as are named there. The reduced forms train small members of the same families for so few steps
//! that every row of a table is seen within minutes to hours on two CPU cores: their numbers say nothing about the paper's.

use crate::optimizer::{DecayOn, OptimizerConfig, Rule};
use crate::preprocess::Preprocess;
use crate::recipe::Recipe;
use crate::schedule::{Schedule, Warmup, decay_steps};
use swish_core::nn::LossConfig;
use swish_data::Dataset;
use swish_data::imagenet::ImageNetTransform;
use swish_record::Profile;

/// Training examples of ImageNet (ILSVRC 2012).
const EXAMPLES: u64 = 1_281_167;

/// What the base rate of a recipe is multiplied with for the three rates of an activation. The paper does not print its rates: the
/// authors' own, one below it, as the paper advises for Swish, and one above, so that the best is seen to lie between two.
pub const RATE_FACTORS: [f64; 3] = [0.5, 1.0, 2.0];

/// A model of the paper's ImageNet tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageNetModel {
    /// Mobile NASNet-A, 4 @ 1056 (Table 6).
    MobileNasNetA,
    /// Inception-ResNet-v2 (Table 7).
    InceptionResNetV2,
    /// MobileNet 1.0, 224 (Table 8).
    MobileNet,
    /// Inception-v3 (Table 9).
    InceptionV3,
    /// Inception-v4 (Table 10).
    InceptionV4,
}

impl ImageNetModel {
    /// All five, in the paper's order.
    pub const ALL: [Self; 5] =
        [Self::MobileNasNetA, Self::InceptionResNetV2, Self::MobileNet, Self::InceptionV3, Self::InceptionV4];

    /// The model's name in the paper's tables.
    pub fn paper_name(self) -> &'static str {
        match self {
            Self::MobileNasNetA => "mobile-nasnet-a",
            Self::InceptionResNetV2 => "inception-resnet-v2",
            Self::MobileNet => "mobilenet",
            Self::InceptionV3 => "inception-v3",
            Self::InceptionV4 => "inception-v4",
        }
    }

    /// The network of the registry, and the small member of its family that stands for it in the reduced profile; each with the height
    /// and width of its images.
    fn networks(self) -> [(&'static str, usize); 2] {
        match self {
            Self::MobileNasNetA => [("nasnet_a_mobile", 224), ("nasnet-a-mini-96", 96)],
            Self::InceptionResNetV2 => [("inception_resnet_v2", 299), ("inception-resnet-v2-mini-107", 107)],
            Self::MobileNet => [("mobilenet_v1_same", 224), ("mobilenet-v1-025-64", 64)],
            Self::InceptionV3 => [("inception_v3_tfpool", 299), ("inception-v3-mini-107", 107)],
            Self::InceptionV4 => [("inception_v4", 299), ("inception-v4-mini-107", 107)],
        }
    }

    /// The recipe for this model in a profile, with its authors' learning rate.
    pub fn recipe(self, profile: Profile) -> Recipe {
        let full = match self {
            Self::MobileNasNetA => mobile_nasnet_a(),
            Self::InceptionResNetV2 => inception_resnet_v2(),
            Self::MobileNet => mobilenet(),
            Self::InceptionV3 => inception_v3(),
            Self::InceptionV4 => inception_v4(),
        };
        match profile {
            Profile::Paper => full,
            // MobileNet's steps are a quarter as long as the others'.
            Profile::Reduced if self == Self::MobileNet => self.reduced(full, 480, 4),
            Profile::Reduced => self.reduced(full, 120, 4),
            Profile::Smoke => self.reduced(full, 4, 1),
        }
    }

    /// The small sister for `steps` steps of 32 images, evaluated so often: the rate of a single replica falls along a cosine, BatchNorm's
    /// statistics follow within some ten steps, all else as in the full recipe.
    fn reduced(self, full: Recipe, steps: u64, evaluations: u64) -> Recipe {
        let [_, (model, size)] = self.networks();
        let lr = if self == Self::MobileNasNetA { NASNET_RATE } else { full.schedule.lr };
        Recipe {
            name: format!("imagenet-reduced/{}/{model}", self.paper_name()),
            model: model.into(),
            preprocess: Preprocess::ImageNet(ImageNetTransform::slim(size)),
            schedule: Schedule { warmup: Warmup::Linear { steps: steps / 16 }, ..Schedule::cosine(lr) },
            batch: 32,
            replicas: 1,
            steps,
            log_every: steps.div_ceil(16),
            eval_every: steps / evaluations,
            norm_momentum: Some(0.1),
            ..full
        }
    }
}

/// Steps of so many epochs.
fn epochs(n: u64, batch: usize, replicas: u64) -> u64 {
    n * EXAMPLES / (batch as u64 * replicas)
}

/// RMSProp as TensorFlow's scripts have it: decay and momentum 0.9, epsilon 1, weight decay 4e-5.
fn rms_prop(decay_on: DecayOn) -> OptimizerConfig {
    let rule = Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 };
    OptimizerConfig { rule, weight_decay: 4e-5, decay_on, clip_norm: None }
}

/// What the three Inceptions share: `inception_distributed_train.py` and Szegedy et al. 2016 (Inception-v4). 32 images a replica, rate
/// 0.045 times 0.94 every two epochs, label smoothing 0.1, auxiliary loss times 0.4, averages of decay 0.9999.
fn inception(name: &str, model: ImageNetModel, replicas: u64, n_epochs: u64) -> Recipe {
    let steps = epochs(n_epochs, 32, replicas);
    let [(network, size), _] = model.networks();
    Recipe {
        name: format!("imagenet/{name}"),
        model: network.into(),
        dataset: Dataset::ImageNet,
        optimizer: rms_prop(DecayOn::Weights),
        schedule: Schedule::staircase(0.045, 0.94, decay_steps(EXAMPLES, 32, 2.0, replicas)),
        batch: 32,
        steps,
        label_smoothing: 0.1,
        preprocess: Preprocess::ImageNet(ImageNetTransform::slim(size)),
        log_every: epochs(1, 32, replicas) / 4,
        eval_every: epochs(1, 32, replicas),
        holdout: None,
        aux_weight: LossConfig::AUX_WEIGHT,
        replicas,
        ema_decay: Some(0.9999),
        norm_momentum: None,
    }
}

/// Inception-v3: Szegedy et al. 2015 (v3) and `inception_distributed_train.py`. 50 replicas for the paper's own 100 epochs, 80K steps.
/// The v3 paper clips gradients at 2.0, its script does not, nor does this. The Swish paper's ReLU row has 78.4 / 94.2 %.
pub fn inception_v3() -> Recipe {
    inception("inception_v3", ImageNetModel::InceptionV3, 50, 100)
}

/// Inception-v4: Szegedy et al. 2016 (v4), section 5. 20 replicas; 160 epochs, the length of that paper's training curves: 320K steps.
/// The Swish paper's ReLU row has 79.2 / 94.6 %.
pub fn inception_v4() -> Recipe {
    inception("inception_v4", ImageNetModel::InceptionV4, 20, 160)
}

/// Inception-ResNet-v2: as [`inception_v4`], and slim's `inception_resnet_v2_arg_scope` decays biases too. The Swish paper's ReLU row
/// has 79.5, 79.6, 79.8 / 94.8, 94.8, 94.8 % in three runs.
pub fn inception_resnet_v2() -> Recipe {
    let shared = inception("inception_resnet_v2", ImageNetModel::InceptionResNetV2, 20, 160);
    Recipe { optimizer: rms_prop(DecayOn::WeightsAndBiases), ..shared }
}

/// NASNet's rate for a single replica of 32 images.
const NASNET_RATE: f64 = 0.04;

/// Mobile NASNet-A: slim's `nasnet.py` (`mobile_imagenet_config`: 250K steps, auxiliary loss times 0.4) and README. 50 synchronous
/// replicas of 32 images, rate 0.04 a replica times 0.97 every 2.4 epochs, label smoothing 0.1, gradients clipped at norm 10. Its
/// authors report 74.0 / 91.6 %; the Swish paper's ReLU row has 73.5, 73.6, 73.8 / 91.4, 91.5, 91.6 % in three runs.
pub fn mobile_nasnet_a() -> Recipe {
    let replicas = 50;
    let rate = NASNET_RATE * replicas as f64;
    Recipe {
        optimizer: OptimizerConfig { clip_norm: Some(10.0), ..rms_prop(DecayOn::Weights) },
        schedule: Schedule::staircase(rate, 0.97, decay_steps(EXAMPLES, 32, 2.4, replicas)),
        steps: 250_000,
        ..inception("nasnet_a_mobile", ImageNetModel::MobileNasNetA, replicas, 1)
    }
}

/// MobileNet 1.0, 224: Howard et al. 2017 (RMSProp) and slim's `mobilenet_v1_train.py` (64 images a step, rate 0.045 times 0.94 every 2.5
/// epochs, no label smoothing, no decay of depthwise kernels). 100 epochs, 2M steps: neither source gives their number. Its authors
/// report 70.6 % with ReLU6; the Swish paper's ReLU row has 72.0 / 90.8 %.
pub fn mobilenet() -> Recipe {
    let batch = 64;
    Recipe {
        optimizer: rms_prop(DecayOn::WeightsExceptDepthwise),
        schedule: Schedule::staircase(0.045, 0.94, decay_steps(EXAMPLES, batch, 2.5, 1)),
        batch,
        steps: epochs(100, batch, 1),
        label_smoothing: 0.0,
        aux_weight: 0.0,
        log_every: epochs(1, batch, 1) / 4,
        eval_every: epochs(1, batch, 1),
        ..inception("mobilenet_v1", ImageNetModel::MobileNet, 1, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;

    /// Worked out by hand from the sources that each recipe names, with 1,281,167 images.
    #[test]
    fn full_recipes_have_their_authors_schedules() {
        // Steps; images a step; base rate; the rate 1,602 steps later, after one decay or none.
        let told = |r: Recipe| {
            (r.steps, r.examples_a_step(), r.schedule.lr, (r.schedule.at(1_602, r.steps) * 1e9).round() / 1e9)
        };
        assert_eq!(told(inception_v3()), (80_072, 1600, 0.045, 0.0423));
        assert_eq!(told(inception_v4()), (320_291, 640, 0.045, 0.045));
        assert_eq!(told(inception_resnet_v2()), (320_291, 640, 0.045, 0.045));
        // Its first decay is at step 1,922.
        assert_eq!(told(mobile_nasnet_a()), (250_000, 1600, 2.0, 2.0));
        assert!((mobile_nasnet_a().schedule.at(1_922, 250_000) - 1.94).abs() < 1e-12);
        assert_eq!(told(mobilenet()), (2_001_823, 64, 0.045, 0.045));
    }

    #[test]
    fn images_have_the_size_that_the_networks_are_made_for() {
        for (name, size) in ImageNetModel::ALL.into_iter().flat_map(ImageNetModel::networks) {
            assert_eq!(swish_core::models::find(name).map(|model| model.input).ok(), Some([3, size, size]), "{name}");
        }
    }

    #[test]
    fn every_recipe_makes_sense_in_every_profile() {
        for model in ImageNetModel::ALL {
            for profile in [Profile::Smoke, Profile::Reduced, Profile::Paper] {
                let recipe = model.recipe(profile);
                assert!(recipe.check().is_ok(), "{recipe:?}");
                assert_eq!(recipe.optimizer.clip_norm.is_some(), model == ImageNetModel::MobileNasNetA);
            }
        }
    }
}
