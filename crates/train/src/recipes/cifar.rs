//! The recipes of the CIFAR tables (Tables 1, 2, 4 and 5 of the paper) and their reduced forms.
//!
//! The paper trains with the hyper-parameters of each model's own authors; each function names its source and what
//! those authors report. The reduced forms exist to see every row of a table within minutes on two CPU cores: smaller
//! members of the same families, few steps. Their numbers say nothing about the paper's.

use crate::optimizer::{DecayOn, OptimizerConfig, Rule};
use crate::recipe::Recipe;
use crate::schedule::{Schedule, Warmup};
use swish_data::{Augment, Dataset};
use swish_record::Profile;

/// Training examples of CIFAR-10 and CIFAR-100.
const EXAMPLES: u64 = 50_000;

/// A model of the paper's CIFAR tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CifarModel {
    /// Pre-activation ResNet-164.
    ResNet,
    /// Wide ResNet 28-10.
    WideResNet,
    /// DenseNet 100-12.
    DenseNet,
}

impl CifarModel {
    /// All three, in the paper's order.
    pub const ALL: [Self; 3] = [Self::ResNet, Self::WideResNet, Self::DenseNet];

    /// The model's name in the paper's tables.
    pub fn paper_name(self) -> &'static str {
        match self {
            Self::ResNet => "resnet-164",
            Self::WideResNet => "wrn-28-10",
            Self::DenseNet => "densenet-100-12",
        }
    }

    /// The recipe for this model in a profile.
    pub fn recipe(self, dataset: Dataset, profile: Profile) -> Recipe {
        match (profile, self) {
            (Profile::Paper, Self::ResNet) => resnet164(dataset),
            (Profile::Paper, Self::WideResNet) => wrn28_10(dataset),
            (Profile::Paper, Self::DenseNet) => densenet100_12(dataset),
            (Profile::Reduced, model) => model.reduced(dataset, 120),
            (Profile::Smoke, model) => model.reduced(dataset, 4),
        }
    }

    /// The small sister for `steps` steps of 32 images: cosine from the family's usual rate, augmentation as in the
    /// full recipe.
    fn reduced(self, dataset: Dataset, steps: u64) -> Recipe {
        let (model, full) = match self {
            Self::ResNet => ("resnet-preact-11-half", resnet164(dataset)),
            Self::WideResNet => ("wrn-10-1", wrn28_10(dataset)),
            Self::DenseNet => ("densenet-bc-16-6", densenet100_12(dataset)),
        };
        Recipe {
            name: format!("cifar-reduced/{model}"),
            model: model.into(),
            schedule: Schedule { warmup: Warmup::Linear { steps: steps / 16 }, ..Schedule::cosine(0.1) },
            batch: 32,
            steps,
            log_every: steps.div_ceil(16),
            eval_every: steps,
            ..full
        }
    }
}

fn epochs(n: u64, batch: usize) -> u64 {
    n * (EXAMPLES / batch as u64)
}

/// SGD with momentum 0.9 that decays all parameters.
pub(super) fn sgd(nesterov: bool, weight_decay: f64) -> OptimizerConfig {
    let rule = Rule::Sgd { momentum: 0.9, nesterov };
    OptimizerConfig { rule, weight_decay, decay_on: DecayOn::All, clip_norm: None }
}

/// Pre-activation ResNet-164: He et al. 2016 and fb.resnet.torch (`opts.lua`, `train.lua`). 64K steps of 128, rate 0.1
/// divided by 10 at 32K and 48K, 0.01 for the first 400 steps. Its authors report 5.46 % / 24.33 % error on
/// CIFAR-10 / CIFAR-100; the Swish paper's ReLU row has 93.8 / 74.2 % accuracy.
pub fn resnet164(dataset: Dataset) -> Recipe {
    let steps = Schedule::steps(0.1, &[32_000, 48_000], 0.1);
    Recipe {
        name: "cifar/resnet164".into(),
        model: "resnet164".into(),
        dataset,
        optimizer: sgd(true, 1e-4),
        schedule: Schedule { warmup: Warmup::Flat { steps: 400, lr: 0.01 }, ..steps },
        batch: 128,
        steps: 64_000,
        label_smoothing: 0.0,
        preprocess: Augment::fb_resnet(dataset).into(),
        log_every: epochs(1, 128) / 4,
        eval_every: epochs(1, 128),
        holdout: None,
        aux_weight: 0.0,
        replicas: 1,
        ema_decay: None,
        norm_momentum: None,
    }
}

/// WRN-28-10: szagoruyko/wide-residual-networks `train.lua`, `scripts/train_cifar.sh`. 200 epochs of 128, rate 0.1
/// times 0.2 at epochs 60, 120, 160, no dropout. Its authors report 4.00 % / 19.25 % error; the Swish paper's ReLU
/// row has 95.3 / 77.8 % accuracy.
pub fn wrn28_10(dataset: Dataset) -> Recipe {
    let at = [60, 120, 160].map(|e| epochs(e, 128));
    Recipe {
        name: "cifar/wrn28_10".into(),
        model: "wrn28_10".into(),
        dataset,
        optimizer: sgd(true, 5e-4),
        schedule: Schedule::steps(0.1, &at, 0.2),
        batch: 128,
        steps: epochs(200, 128),
        label_smoothing: 0.0,
        preprocess: Augment::wide_resnet().into(),
        log_every: epochs(1, 128) / 4,
        eval_every: epochs(1, 128),
        holdout: None,
        aux_weight: 0.0,
        replicas: 1,
        ema_decay: None,
        norm_momentum: None,
    }
}

/// DenseNet-BC-100-12: liuzhuang13/DenseNet `opts.lua`, `train.lua`, README. 300 epochs of 64, rate 0.1 divided by 10
/// at half and three quarters. Its authors report 4.51 % / 22.27 % error; the Swish paper's ReLU row has 94.8 / 83.7 %
/// accuracy (the latter above anything published for this network).
pub fn densenet100_12(dataset: Dataset) -> Recipe {
    let at = [150, 225].map(|e| epochs(e, 64));
    Recipe {
        name: "cifar/densenet100_12_bc".into(),
        model: "densenet100_12_bc".into(),
        dataset,
        optimizer: sgd(true, 1e-4),
        schedule: Schedule::steps(0.1, &at, 0.1),
        batch: 64,
        steps: epochs(300, 64),
        label_smoothing: 0.0,
        preprocess: Augment::fb_resnet(dataset).into(),
        log_every: epochs(1, 64) / 4,
        eval_every: epochs(1, 64),
        holdout: None,
        aux_weight: 0.0,
        replicas: 1,
        ema_decay: None,
        norm_momentum: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps and rates worked out by hand from the sources that each recipe names.
    #[test]
    fn full_recipes_have_their_authors_schedules() {
        let d = Dataset::Cifar10;
        let lr = |r: &Recipe, step| (r.schedule.at(step, r.steps) * 1e9).round() / 1e9;
        let r = resnet164(d);
        assert_eq!([0, 399, 400, 31_999, 32_000, 48_000].map(|s| lr(&r, s)), [0.01, 0.01, 0.1, 0.1, 0.01, 0.001]);
        let w = wrn28_10(d);
        assert_eq!(w.steps, 78_000);
        assert_eq!([0, 23_400, 46_800, 62_400].map(|s| lr(&w, s)), [0.1, 0.02, 0.004, 0.0008]);
        let n = densenet100_12(d);
        assert_eq!(n.steps, 234_300);
        assert_eq!([0, 117_150, 175_725].map(|s| lr(&n, s)), [0.1, 0.01, 0.001]);
    }
}
