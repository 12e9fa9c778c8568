//! Training of translation: what a recipe says reaches the step, all of it survives a checkpoint, and other tokenizers are refused.

use crate::common::corpus;
use candle_core::{Device, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use swish_core::models::transformer::{Beam, Transformer};
use swish_core::nn::{Compute, Pass};
use swish_kernels::rng;
use swish_record::{Profile, RunStore, metrics};
use swish_train::cell::{Cell, Precision};
use swish_train::checkpoint::{self, Standing};
use swish_train::optimizer::Optimizer;
use swish_train::progress::Progress;
use swish_train::recipes::{Depth, translation};
use swish_train::trainer::{RunOptions, run_cell, weights_file};
use swish_train::translation::{TOKENIZER_FILE, TextData, TranslationSession, Translator};
use swish_train::{Training, TranslationRecipe};

fn recipe() -> TranslationRecipe {
    translation(Profile::Smoke, Depth::Six)
}

fn data(recipe: &TranslationRecipe) -> TextData {
    TextData::prepare(Arc::new(corpus(300, 6)), recipe, None).unwrap()
}

fn cell(recipe: TranslationRecipe) -> Cell<TranslationRecipe> {
    Cell { recipe, activation: "swish".parse().unwrap(), seed: 3, precision: Precision::F32, profile: Profile::Smoke }
}

#[test]
fn a_step_takes_the_mean_gradient_of_its_replicas_at_noams_rate() {
    let cell = cell(recipe());
    let (recipe, data) = (&cell.recipe, data(&cell.recipe));
    let mut session = TranslationSession::new(&cell, &data, Compute::Cpu).unwrap();
    let config = session.net.config;
    assert_eq!((config.vocab, config.dropout), (data.tokenizer.vocab_size(), recipe.dropout));
    let net = Transformer::new(&config, &cell.activation, 3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let mut optimizer = Optimizer::new(&net.params, &recipe.optimizer);
    let (mut batches, mut stream) = (session.batches(0).unwrap(), session.batches(0).unwrap());
    for step in 0..2 {
        let loss = session.step_and_loss(&mut batches, step).unwrap();
        let (mut mean, mut losses) = (vec![0.0_f64; net.params.count()], 0.0);
        for replica in 0..2 {
            let batch = stream.next().unwrap();
            assert!(batch.n * batch.src_len.max(batch.tgt_len) <= recipe.tokens);
            let dropout_seed = Some(rng::at(3, 2 * step + replica));
            let done = net.loss_and_gradient(&batch, 0.1, &Pass { dropout_seed, ..Pass::train() }).unwrap();
            losses += done.loss / 2.0;
            let gradient: Vec<f32> = done.gradient.unwrap().to_tensor().unwrap().to_vec1().unwrap();
            mean.iter_mut().zip(gradient).for_each(|(mean, g)| *mean += f64::from(g) / 2.0);
        }
        let mean: Vec<f32> = mean.into_iter().map(|g| g as f32).collect();
        // 32^-0.5 * (step + 1) * 4^-1.5 in the rise.
        optimizer.step(&mean, 32_f64.powf(-0.5) * (step + 1) as f64 / 8.0).unwrap();
        assert!((loss - losses).abs() < 1e-6, "{loss}, expected {losses}");
        let [ours, expected] = [&session.net.params, &net.params].map(|p| p.flat.to_vec1::<f32>().unwrap());
        let largest = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Adam's first steps are as long whatever the gradient, so that its last bits count.
        let differing = ours.iter().zip(&expected).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
        assert!(differing * 1000 < ours.len(), "step {step}: {differing} of {}, {largest} at most", ours.len());
    }
    assert_eq!(session.batches(2).unwrap().next(), stream.next());
}

fn bits(session: &TranslationSession<'_>) -> Vec<(String, Vec<u32>)> {
    let bits = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    session.learner.tensors().unwrap().into_iter().map(|(name, tensor)| (name, bits(tensor))).collect()
}

#[test]
fn a_checkpoint_brings_every_bit_back_and_one_of_another_tokenizer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("checkpoint.safetensors");
    let cell = cell(recipe());
    let data = data(&cell.recipe);
    let fresh = || TranslationSession::new(&cell, &data, Compute::Cpu).unwrap();
    let train = |session: &mut TranslationSession<'_>, from: u64, to: u64| {
        let mut batches = session.batches(from).unwrap();
        (from..to).for_each(|step| assert!(session.step_and_loss(&mut batches, step).unwrap().is_finite()));
    };
    let (mut whole, mut first, mut second) = (fresh(), fresh(), fresh());
    train(&mut whole, 0, 6);
    train(&mut first, 0, 3);
    // An evaluation on the mean of checkpoints in between leaves no trace.
    let found = first.evaluate(false).unwrap();
    assert_eq!((found.sets.len(), found.samples.len()), (1, 6));
    let standing = Standing { id: "a".into(), step: 3, ..Standing::default() };
    checkpoint::save(&file, &first, &standing).unwrap();
    assert_eq!(checkpoint::load(&file, "a", &mut second).unwrap(), Some(standing));
    assert!(bits(&first) == bits(&second), "saved and loaded");
    train(&mut second, 3, 6);
    assert!(bits(&whole) == bits(&second), "gone on");

    let other = Cell { recipe: TranslationRecipe { vocab: 310, ..recipe() }, ..cell.clone() };
    let other_data = TextData::prepare(Arc::new(corpus(300, 6)), &other.recipe, None).unwrap();
    let mut session = TranslationSession::new(&other, &other_data, Compute::Cpu).unwrap();
    let message = checkpoint::load(&file, "a", &mut session).unwrap_err().to_string();
    assert!(message.contains("another tokenizer") && message.contains("checkpoint.safetensors"), "{message}");
    assert!(TranslationSession::new(&other, &data, Compute::Cpu).is_err(), "text that was encoded for another recipe");
}

fn options(results: &Path) -> RunOptions {
    RunOptions {
        store: RunStore::new(results),
        experiment: "test".into(),
        device: Compute::Cpu.into(),
        threads: 1,
        checkpoint_every: Duration::from_secs(60),
        keep_weights: true,
        tensorboard: false,
        progress: Progress::default(),
        begun: None,
    }
}

#[test]
fn a_run_leaves_its_scores_tokenizer_samples_and_the_weights_that_were_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let cell = cell(recipe());
    let data = data(&cell.recipe);
    let record = run_cell(&cell, &data, &options(dir.path())).unwrap();
    let sets: Vec<&str> = record.scores.iter().map(|score| score.set.as_str()).collect();
    assert_eq!(sets, data.eval().iter().map(|set| set.name.as_str()).collect::<Vec<_>>());
    assert_eq!((record.err.as_deref(), record.bleu), (None, Some(record.scores[0].bleu)));
    assert!(record.scores[0].signature.contains("tok:13a"), "{:?}", record.scores[0]);
    assert_eq!((record.batch, record.dataset.as_str()), (512, "phrases-en-de"));
    let run = dir.path().join("runs").join(&record.id);
    let rows = metrics::read(run.join("metrics.csv")).unwrap();
    assert_eq!(rows.iter().filter_map(|row| row.test_bleu).count(), 2);
    let samples = std::fs::read_to_string(run.join("samples.csv")).unwrap();
    assert_eq!(samples.lines().count(), 1 + 12);

    let file = weights_file(&RunStore::new(dir.path()), &record.id);
    let open = |tokenizer: Option<&Path>| {
        Translator::open("transformer_tiny", &cell.activation, &file, tokenizer, Precision::F32, Compute::Cpu)
    };
    let mut translator = open(None).unwrap();
    let beam = Beam::from(cell.recipe.search);
    assert_eq!(translator.evaluate(data.eval(), &beam).unwrap().sets, record.scores);
    // Alone, among others or after an empty line, a sentence is translated alike.
    let lines: Vec<&str> = data.eval()[0].en.iter().collect();
    let all = translator.translate(["", lines[0], lines[1]].into_iter(), &beam).unwrap();
    let alone = translator.translate([lines[1]].into_iter(), &beam).unwrap();
    assert_eq!((all[0].as_str(), &all[2]), ("", &alone[0]));

    let other =
        TextData::prepare(Arc::new(corpus(300, 6)), &TranslationRecipe { vocab: 310, ..recipe() }, None).unwrap();
    let elsewhere = dir.path().join("other").join(TOKENIZER_FILE);
    other.tokenizer.save(&elsewhere).unwrap();
    let message = open(Some(&elsewhere)).err().unwrap().to_string();
    assert!(message.contains("fingerprint"), "{message}");
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe();
    recipe.schedule.lr = 1e30;
    let cell = cell(recipe);
    let record = run_cell(&cell, &data(&cell.recipe), &options(dir.path())).unwrap();
    assert!(record.err.unwrap().starts_with("diverged") && record.bleu.is_none() && record.scores.is_empty());
}
