//! One recipe for any model on any data set.

use super::cifar::sgd;
use crate::preprocess::Preprocess;
use crate::recipe::Recipe;
use crate::schedule::Schedule;
use swish_core::models::ModelInfo;
use swish_data::imagenet::ImageNetTransform;
use swish_data::{Augment, Dataset};

/// Any registered model under one plain recipe, for `swish train`: SGD with momentum 0.9, cosine from 0.1, decay 1e-4 on all
/// parameters, batches of 128. CIFAR: flip and 4-pixel crop; ResNet-20 with Swish-1 reaches about 79.4 % on CIFAR-10 in 2,000
/// steps in PyTorch. ImageNet: slim's preprocessing at the model's size; BatchNorm's statistics follow within some ten steps,
/// since the models' own momentum is made for a hundred thousand.
pub fn plain(model: &ModelInfo, dataset: Dataset, steps: u64) -> Recipe {
    let (preprocess, norm_momentum) = match dataset {
        Dataset::Cifar10 | Dataset::Cifar100 => (Augment::fb_resnet(dataset).into(), None),
        Dataset::ImageNet => (Preprocess::ImageNet(ImageNetTransform::slim(model.input[1])), Some(0.1)),
    };
    Recipe {
        name: "plain".into(),
        model: model.name.into(),
        dataset,
        optimizer: sgd(false, 1e-4),
        schedule: Schedule::cosine(0.1),
        batch: 128,
        steps,
        label_smoothing: 0.0,
        preprocess,
        log_every: steps.div_ceil(40),
        eval_every: steps.div_ceil(5),
        holdout: None,
        aux_weight: 0.0,
        replicas: 1,
        ema_decay: None,
        norm_momentum,
    }
}
