//! What the tests of learning share.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use swish_core::models;
use swish_data::text::{self, Bitext, Corpus, TextOptions};
use swish_data::{Data, DataChoice, DataOptions, DataSource, Dataset, Images, LoadedData};
use swish_emulation::Host;
use swish_kernels::rng::Rng;
use swish_record::Profile;
use swish_train::cell::{Cell, Precision};
use swish_train::optimizer::{DecayOn, OptimizerConfig, Rule};
use swish_train::recipes::{Depth, plain, translation};
use swish_train::session::Session;
use swish_train::translation::TextData;
use swish_train::{Recipe, Training, TranslationRecipe};

pub const MODEL: &str = "resnet8-v2-stride2";

pub fn host() -> Option<Rc<Host>> {
    Host::new(Path::new(env!("CARGO_TARGET_TMPDIR"))).map(Rc::new)
}

/// So many images of noise, ten classes in turn.
pub fn data(n: usize) -> Data {
    let mut rng = Rng::new(5);
    let pixels = (0..n * 32 * 32 * 3).map(|_| rng.below(256) as u8).collect();
    let labels = (0..n).map(|i| (i % 10) as u16).collect();
    let images = Arc::new(Images { pixels, labels, h: 32, w: 32, classes: 10 });
    Data::from(LoadedData {
        dataset: Dataset::Cifar10,
        train: images.clone(),
        test: images,
        source: DataSource::Embedded,
        version: "noise".into(),
        note: String::new(),
        class_names: Vec::new(),
    })
}

pub fn cell(optimizer: OptimizerConfig, change: impl FnOnce(Recipe) -> Recipe) -> Cell {
    let recipe = change(Recipe { batch: 4, ..plain(models::find(MODEL).unwrap(), Dataset::Cifar10, 12) });
    let recipe = Recipe { optimizer, ..recipe };
    let activation = "swish".parse().unwrap();
    Cell { recipe, activation, seed: 3, precision: Precision::F32, profile: Profile::Smoke }
}

pub fn optimizer(rule: Rule, decay_on: DecayOn, clip_norm: Option<f64>) -> OptimizerConfig {
    OptimizerConfig { rule, weight_decay: 1e-3, decay_on, clip_norm }
}

pub fn weights(session: &Session<'_>) -> Vec<f32> {
    session.learner().params.flat.to_vec1().unwrap()
}

pub fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let worst = found.iter().zip(expected).fold(0f32, |worst, (x, y)| worst.max((x - y).abs()));
    assert!(worst <= tolerance * largest, "{what}: {worst} off, the largest is {largest}");
}

/// So many of the program's phrases to train on, and of each set to evaluate on.
pub fn corpus(train: usize, eval: usize) -> Corpus {
    let data =
        DataOptions { choice: DataChoice::Embedded, dir: None, cache: std::env::temp_dir(), require_real: false };
    let mut corpus = text::load(&TextOptions::new(data)).unwrap();
    let some = |set: &Bitext, n: usize| Bitext::new(&set.name, set.pairs().take(n));
    corpus.train = corpus.train.iter().map(|set| some(set, train)).collect();
    corpus.eval = corpus.eval.iter().map(|set| some(set, eval)).collect();
    corpus
}

/// Some of the phrases as a recipe takes them.
pub fn phrases(recipe: &TranslationRecipe) -> TextData {
    TextData::prepare(Arc::new(corpus(200, 3)), recipe, None).unwrap()
}

/// Two batches a step, and averages of checkpoints two steps apart.
pub fn translation_cell() -> Cell<TranslationRecipe> {
    let recipe = TranslationRecipe { tokens: 128, ..translation(Profile::Smoke, Depth::Six) };
    assert!(recipe.replicas == 2 && recipe.average.is_some_and(|average| average.every == 2));
    Cell { recipe, activation: "swish".parse().unwrap(), seed: 3, precision: Precision::F32, profile: Profile::Smoke }
}

/// Adam's first steps are as long whatever the gradient, so that here and there its last bits count.
pub fn assert_mostly_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let differing = found.iter().zip(expected).filter(|(x, y)| (*x - *y).abs() > 1e-4).count();
    assert!(differing * 1000 < found.len(), "{what}: {differing} of {}", found.len());
}
