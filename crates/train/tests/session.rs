//! What a recipe says reaches the training step: label smoothing, replicas, averages; and all of it survives a checkpoint.

use crate::common::data;
use candle_core::{DType, Device, Tensor};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;
use swish_core::models::{self, Net};
use swish_core::nn::{Compute, LossConfig, Pass, weights};
use swish_data::{Batches, Dataset};
use swish_record::{Profile, RunStore, metrics};
use swish_train::cell::{Cell, Precision};
use swish_train::checkpoint::{self, Standing};
use swish_train::evaluate::evaluate;
use swish_train::optimizer::{DecayOn, Optimizer, OptimizerConfig, Rule};
use swish_train::progress::Progress;
use swish_train::recipes::plain;
use swish_train::session::{Session, TrainingBatches};
use swish_train::trainer::{RunOptions, run_cell, weights_file};
use swish_train::{Recipe, Training};

const MODEL: &str = "wrn-10-1";

/// RMSProp with decay and clipping, two batches a step, averages, label smoothing.
fn recipe() -> Recipe {
    let rule = Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 };
    let optimizer =
        OptimizerConfig { rule, weight_decay: 4e-5, decay_on: DecayOn::WeightsExceptDepthwise, clip_norm: Some(1.0) };
    Recipe {
        optimizer,
        batch: 4,
        replicas: 2,
        label_smoothing: 0.1,
        ema_decay: Some(0.9999),
        norm_momentum: Some(0.2),
        ..plain(models::find(MODEL).unwrap(), Dataset::Cifar10, 12)
    }
}

fn cell(recipe: Recipe) -> Cell {
    let activation = "swish".parse().unwrap();
    Cell { recipe, activation, seed: 3, precision: Precision::F32, profile: Profile::Smoke }
}

/// The stream of a session on the CPU.
fn stream(session: &Session<'_>, step: u64) -> Batches {
    let TrainingBatches::Images(batches) = session.batches(step).unwrap() else { panic!("drafts for a CPU") };
    batches
}

fn images(batches: &mut Batches) -> (Tensor, Vec<u32>) {
    let batch = batches.next().unwrap().unwrap();
    (Tensor::from_vec(batch.xs, (batch.n, 32, 32, 3), &Device::Cpu).unwrap(), batch.labels)
}

/// A network like that of a fresh session.
fn net(cell: &Cell) -> Net {
    let info = models::find(MODEL).unwrap();
    Net::new(info, &cell.activation, 10, cell.seed, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn the_loss_is_smoothed_cross_entropy() {
    let (data, cell) = (data(40), cell(Recipe { replicas: 1, ..recipe() }));
    let mut session = Session::new(&cell, &data, Compute::Cpu).unwrap();
    let (xs, labels) = images(&mut stream(&session, 0));
    let logits: Vec<Vec<f32>> = net(&cell).forward(&xs, &Pass::train()).unwrap().to_vec2().unwrap();
    // Target 0.9 on the label and 0.1 shared out over all ten classes.
    let mut expected = 0.0;
    for (row, &label) in logits.iter().zip(&labels) {
        let row: Vec<f64> = row.iter().map(|&l| f64::from(l)).collect();
        let log_sum = row.iter().map(|l| l.exp()).sum::<f64>().ln();
        for (class, logit) in row.iter().enumerate() {
            let target = 0.1 / 10.0 + if class == label as usize { 0.9 } else { 0.0 };
            expected -= target * (logit - log_sum) / labels.len() as f64;
        }
    }
    let mut batches = session.batches(0).unwrap();
    let loss = session.step_and_loss(&mut batches, 0).unwrap();
    assert!((loss - expected).abs() < 1e-6, "{loss}, expected {expected}");
}

#[test]
fn a_step_takes_the_mean_gradient_of_its_replicas() {
    let (data, cell) = (data(40), cell(recipe()));
    let recipe = &cell.recipe;
    let mut session = Session::new(&cell, &data, Compute::Cpu).unwrap();
    let mut batches = session.batches(0).unwrap();
    let net = net(&cell);
    let mut optimizer = Optimizer::new(&net.params, &recipe.optimizer);
    let mut again = stream(&session, 0);
    for step in 0..3 {
        let loss = session.step_and_loss(&mut batches, step).unwrap();
        let (mut mean, mut losses) = (vec![0.0_f64; net.params.count()], 0.0);
        for _ in 0..2 {
            let (xs, labels) = images(&mut again);
            let done = net.loss_and_gradient(
                &xs,
                &labels,
                &LossConfig::smoothed(0.1),
                &Pass { norm_momentum: Some(0.2), ..Pass::train() },
            );
            let done = done.unwrap();
            losses += done.loss / 2.0;
            let gradient: Vec<f32> = done.gradient.unwrap().to_tensor().unwrap().to_vec1().unwrap();
            mean.iter_mut().zip(gradient).for_each(|(mean, g)| *mean += f64::from(g) / 2.0);
        }
        let mean: Vec<f32> = mean.into_iter().map(|g| g as f32).collect();
        optimizer.step(&mean, recipe.schedule.at(step, recipe.steps)).unwrap();
        assert!((loss - losses).abs() < 1e-6, "{loss}, expected {losses}");
        let [ours, expected] = [&session.net, &net].map(|net| net.params.flat.to_vec1::<f32>().unwrap());
        let largest = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-6, "step {step}: {largest}");
    }
    assert_eq!(stream(&session, 3).next().unwrap().unwrap(), again.next().unwrap().unwrap());
}

/// All that a run goes on from, as bits.
fn bits(session: &Session<'_>) -> Vec<(String, Vec<u32>)> {
    let tensors = session.learner.tensors().unwrap();
    let bits = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    tensors.into_iter().map(|(name, tensor)| (name, bits(tensor))).collect()
}

#[test]
fn a_checkpoint_brings_every_bit_back() {
    let (dir, data) = (tempfile::tempdir().unwrap(), data(40));
    let adam = Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    for rule in [recipe().optimizer.rule, adam] {
        let cell = cell(Recipe { optimizer: OptimizerConfig { rule, ..recipe().optimizer }, ..recipe() });
        let fresh = || Session::new(&cell, &data, Compute::Cpu).unwrap();
        let train = |session: &mut Session<'_>, from: u64, to: u64| {
            let mut batches = session.batches(from).unwrap();
            for step in from..to {
                session.step_and_loss(&mut batches, step).unwrap();
            }
        };
        let mut whole = fresh();
        train(&mut whole, 0, 12);

        let (mut first, mut second) = (fresh(), fresh());
        train(&mut first, 0, 5);
        // An evaluation on the averages in between leaves no trace.
        first.evaluate(false).unwrap();
        let file = dir.path().join(format!("{rule}.safetensors"));
        let standing = Standing { id: "a".into(), step: 5, ..Standing::default() };
        checkpoint::save(&file, &first, &standing).unwrap();
        assert_eq!(checkpoint::load(&file, "a", &mut second).unwrap(), Some(standing));
        assert!(bits(&first) == bits(&second), "{rule}: saved and loaded");
        train(&mut second, 5, 12);
        assert!(bits(&whole) == bits(&second), "{rule}: gone on");
    }
}

#[test]
fn a_checkpoint_of_another_optimizer_or_without_averages_is_refused() {
    let (dir, data) = (tempfile::tempdir().unwrap(), data(40));
    let file = dir.path().join("checkpoint.safetensors");
    let bare = cell(Recipe { ema_decay: None, ..recipe() });
    let sgd =
        cell(Recipe { optimizer: plain(models::find(MODEL).unwrap(), Dataset::Cifar10, 1).optimizer, ..recipe() });
    let here = cell(recipe());
    for (other, word) in [(&bare, "averages.parameters"), (&sgd, "RMSProp")] {
        let other = Session::new(other, &data, Compute::Cpu).unwrap();
        checkpoint::save(&file, &other, &Standing { id: "a".into(), ..Standing::default() }).unwrap();
        let mut session = Session::new(&here, &data, Compute::Cpu).unwrap();
        let message = checkpoint::load(&file, "a", &mut session).unwrap_err().to_string();
        assert!(message.contains("checkpoint.safetensors") && message.contains(word), "{message}");
    }
}

fn options(results: &Path) -> RunOptions {
    RunOptions {
        tensorboard: false,
        store: RunStore::new(results),
        experiment: "test".into(),
        device: Compute::Cpu.into(),
        threads: 1,
        checkpoint_every: Duration::from_secs(60),
        keep_weights: true,
        progress: Progress::default(),
        begun: None,
    }
}

#[test]
fn the_weights_that_are_kept_are_those_that_were_evaluated() {
    let (dir, data) = (tempfile::tempdir().unwrap(), data(40));
    let cell = cell(recipe());
    let record = run_cell(&cell, &data, &options(dir.path())).unwrap();
    assert_eq!((record.batch, record.err.as_deref()), (8, None));
    let file = weights_file(&RunStore::new(dir.path()), &record.id);
    let net = net(&cell);
    let tensors = weights::read_file(&file).unwrap();
    weights::load(&net.params, &tensors, &file).unwrap();
    let images = cell.recipe.preprocess.source(&data, None, NonZeroUsize::MIN).unwrap();
    let batches = images.eval_batches(250).unwrap();
    let found = evaluate(&net, batches, images.image_size(), &Pass::eval()).unwrap();
    let rows = metrics::read(dir.path().join("runs").join(&record.id).join("metrics.csv")).unwrap();
    assert_eq!((rows.last().unwrap().test_loss, record.top1), (Some(found.loss), Some(found.top1)));
    assert_eq!(rows.last().unwrap().epoch, 12.0 * 8.0 / 40.0);
}
