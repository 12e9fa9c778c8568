//! The recipe of the search's child network.

use super::cifar::sgd;
use crate::recipe::Recipe;
use crate::schedule::{Schedule, Warmup};
use swish_data::{Augment, Dataset};
use swish_record::Profile;

/// The search's child network (section 2 of the paper): ResNet-20 on CIFAR-10 for 10K steps, rewarded with its accuracy on
/// 5,000 training images that are held out. The paper names no more than that; pre-activation, because superlinear functions
/// among those it found explode in the residual stream of a v1 network, and the rest as in [`super::resnet164`] with a cosine.
/// Reduced: a ResNet-8 on maps of half the size, so few steps that all functions of one core unit are tried within about an
/// hour on two CPU cores.
pub fn search_child(dataset: Dataset, profile: Profile) -> Recipe {
    let (model, batch, steps) = match profile {
        Profile::Paper => ("resnet20_v2", 128, 10_000),
        Profile::Reduced => ("resnet8-v2-stride2", 64, 200),
        Profile::Smoke => ("resnet8-v2-stride2", 32, 8),
    };
    Recipe {
        name: format!("search-child/{model}"),
        model: model.into(),
        dataset,
        optimizer: sgd(true, 1e-4),
        schedule: Schedule { warmup: Warmup::Linear { steps: steps / 16 }, ..Schedule::cosine(0.1) },
        batch,
        steps,
        label_smoothing: 0.0,
        preprocess: Augment::fb_resnet(dataset).into(),
        log_every: steps,
        eval_every: steps,
        holdout: Some(5_000),
        aux_weight: 0.0,
        replicas: 1,
        ema_decay: None,
        norm_momentum: None,
    }
}
