//! Recipes are part of the identity of a run: were they written otherwise, finished runs would be done again.

use std::sync::Arc;
use swish_core::models;
use swish_data::{Data, DataSource, Dataset, Images, LoadedData};
use swish_record::Profile;
use swish_train::Recipe;
use swish_train::cell::{Cell, Precision};
use swish_train::recipes::{CifarModel, ImageNetModel, plain, search_child};

/// Ids of Swish with seed 2 in f32 under the recipes of the three models and of the search's child, as they were when Tables 1, 2, 4
/// and 5 were made.
const IDS: [(Dataset, Profile, [&str; 4]); 6] = [
    (
        Dataset::Cifar10,
        Profile::Smoke,
        ["3b37d146e6094a40", "e454b6eb95f1e995", "42c49913b49b075c", "c7810126182f6343"],
    ),
    (
        Dataset::Cifar10,
        Profile::Reduced,
        ["c7c07d348e204c65", "d7d9e68097fe33e8", "45a63e260b10c570", "1520186ff1814260"],
    ),
    (
        Dataset::Cifar10,
        Profile::Paper,
        ["27b8fbb0ebe3bbd0", "5d5f02434ec0dc7a", "755c691571a6d15e", "1c406f3a12d4a84d"],
    ),
    (
        Dataset::Cifar100,
        Profile::Smoke,
        ["12b8be17e8a6b412", "e28702306bd9b1d5", "6e34f29f9187d6b4", "3ad50bf1b0b3809a"],
    ),
    (
        Dataset::Cifar100,
        Profile::Reduced,
        ["8fbd36a2d139c703", "1e232555a1d79671", "8ebf1bd5e908b2f2", "36363b3a34b4dd98"],
    ),
    (
        Dataset::Cifar100,
        Profile::Paper,
        ["a9b583642e60ad48", "e2aca97560f194b0", "0c2ff138fa2c42a3", "3eb661a375add5b5"],
    ),
];

fn data(dataset: Dataset) -> Data {
    let images = Arc::new(Images { pixels: vec![0; 3 * 32 * 32], labels: vec![0], h: 32, w: 32, classes: 10 });
    Data::from(LoadedData {
        dataset,
        train: images.clone(),
        test: images,
        source: DataSource::Dir,
        version: "eaf4d7c3b95e".into(),
        note: String::new(),
        class_names: Vec::new(),
    })
}

#[test]
fn the_runs_of_the_cifar_tables_and_of_the_search_keep_their_ids() {
    for (dataset, profile, ids) in IDS {
        let models = CifarModel::ALL.iter().map(|m| m.recipe(dataset, profile));
        for (recipe, id) in models.chain([search_child(dataset, profile)]).zip(ids) {
            let cell =
                Cell { recipe, activation: "swish".parse().unwrap(), seed: 2, precision: Precision::F32, profile };
            assert_eq!(cell.id(&data(dataset)), id, "{} {dataset} {profile}", cell.recipe.name);
        }
    }
}

#[test]
fn a_recipe_is_written_as_it_was_and_read_back() {
    let text = concat!(
        r#"{"name":"plain","model":"resnet20","dataset":"cifar10","#,
        r#""optimizer":{"momentum":0.9,"nesterov":false,"weight_decay":0.0001,"decay_on":"all"},"#,
        r#""schedule":{"lr":0.1,"shape":"cosine","warmup":"none"},"batch":128,"steps":2000,"label_smoothing":0.0,"#,
        r#""augment":{"normalise":{"channel":{"mean":[125.3,123.0,113.9],"std":[63.0,62.1,66.7]}},"#,
        r#""pad":4,"pad_mode":"zero","crop":true,"flip":true},"log_every":50,"eval_every":400}"#
    );
    let recipe = plain(models::find("resnet20").unwrap(), Dataset::Cifar10, 2000);
    assert_eq!(serde_json::to_string(&recipe).unwrap(), text);
    assert_eq!(serde_json::from_str::<Recipe>(text).unwrap(), recipe);
}

#[test]
fn what_the_imagenet_recipes_add_is_written_and_read_back() {
    for model in ImageNetModel::ALL {
        let recipe = model.recipe(Profile::Paper);
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        let rule =
            r#""optimizer":{"rms_prop":{"decay":0.9,"momentum":0.9,"epsilon":1.0},"weight_decay":0.00004,"decay_on":""#;
        assert!(text.contains(rule) && text.contains(r#""ema_decay":0.9999"#), "{text}");
    }
}
