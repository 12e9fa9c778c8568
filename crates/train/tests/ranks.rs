//! Learning on several devices at once, here emulations of a GPU in threads: they learn what one device learns from the same batches.

use crate::common::{MODEL, assert_near, cell, data, host, optimizer, phrases, translation_cell};
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use swish_core::models::{self, Net};
use swish_core::nn::{Compute, LossConfig, Pass};
use swish_data::Data;
use swish_emulation::{Host, Peers};
use swish_kernels::cuda::Precision as Products;
use swish_record::RunStore;
use swish_train::cell::Cell;
use swish_train::checkpoint::{self, Standing};
use swish_train::learner::Learner;
use swish_train::on_device::{DeviceLearner, Examples, OnDevice, OnImages};
use swish_train::optimizer::{DecayOn, OptimizerConfig, Rule};
use swish_train::progress::Progress;
use swish_train::ranks::{self, follow};
use swish_train::session::Session;
use swish_train::trainer::RunOptions;
use swish_train::translation::{TextData, TranslationSession};
use swish_train::{Recipe, Task, Training, TranslationRecipe};

const STEPS: u64 = 3;

/// What a session has learned.
#[derive(Debug, PartialEq)]
struct Learned {
    weights: Vec<f32>,
    tensors: Vec<(String, Vec<f32>)>,
}

impl Learned {
    fn new(session: &mut impl Training) -> Self {
        session.settle().unwrap();
        let flat = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        let tensors = session.learner().tensors().unwrap().into_iter().map(|(name, tensor)| (name, flat(tensor)));
        Self { weights: session.learner().params.flat.to_vec1().unwrap(), tensors: tensors.collect() }
    }
}

fn joined(peers: Peers) -> Option<Rc<Host>> {
    let mut host = Host::new(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    host.join(peers);
    Some(Rc::new(host))
}

fn session<'a>(cell: &'a Cell, data: &Data, host: &Rc<Host>, bucket: usize) -> swish_train::Result<Session<'a>> {
    Session::open(cell, data, |net, learner| {
        let mut learner: DeviceLearner<_, f32> = DeviceLearner::new(host, net, learner, Products::Exact)?;
        learner.set_bucket(bucket);
        Ok(Some(Box::new(learner) as Box<_>))
    })
}

/// All ranks at once, each in its thread; what `run` makes of them, by their numbers. `None` without a compiler.
fn on_ranks<T: Send>(count: usize, run: impl Fn(usize, &Rc<Host>) -> T + Sync) -> Option<Vec<T>> {
    let run = &run;
    let thread = |(rank, peers)| move || joined(peers).map(|host| run(rank, &host));
    std::thread::scope(|scope| {
        let threads = Peers::new(count).unwrap().into_iter().enumerate().map(|rank| scope.spawn(thread(rank)));
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Trains as the trainer does: with an evaluation within.
fn train_first<S: Training>(session: &mut S, first: u64, steps: u64) -> Vec<f64> {
    let mut batches = session.batches(first).unwrap();
    (first..steps)
        .map(|step| {
            let loss = session.step_and_loss(&mut batches, step).unwrap();
            if step == first {
                session.evaluate(false).unwrap();
            }
            loss
        })
        .collect()
}

/// The losses, and what each rank has learned from the checkpoint or from the start on.
fn learn(
    cell: &Cell,
    data: &Data,
    count: usize,
    bucket: usize,
    from: Option<&Path>,
) -> Option<(Vec<f64>, Vec<Learned>)> {
    let found = on_ranks(count, |rank, host| {
        let mut session = session(cell, data, host, bucket).unwrap();
        let first = from.map_or(0, |file| {
            let at = checkpoint::load(file, "x", &mut session).unwrap().unwrap();
            session.resume().unwrap();
            at.step
        });
        let losses = match rank {
            0 => train_first(&mut session, first, cell.recipe.steps),
            _ => {
                ranks::train(&mut session, &cell.recipe.outline(), first).unwrap();
                Vec::new()
            }
        };
        (losses, Learned::new(&mut session))
    })?;
    let (losses, learned): (Vec<_>, _) = found.into_iter().unzip();
    Some((losses.into_iter().next().unwrap(), learned))
}

fn assert_same(what: &str, found: &Learned, want: &Learned, tolerance: f32) {
    assert_near(&format!("{what}: weights"), &found.weights, &want.weights, tolerance);
    for ((name, found), (_, want)) in found.tensors.iter().zip(&want.tensors) {
        assert_near(&format!("{what}: {name}"), found, want, tolerance);
    }
}

/// `change` of the recipe, `replicas` batches a step.
fn of(optimizer: OptimizerConfig, replicas: u64, change: impl FnOnce(Recipe) -> Recipe) -> Cell {
    cell(optimizer, |recipe| change(Recipe { replicas, batch: 2, steps: STEPS, ..recipe }))
}

fn sgd() -> OptimizerConfig {
    optimizer(Rule::Sgd { momentum: 0.9, nesterov: true }, DecayOn::All, None)
}

#[test]
fn two_devices_learn_what_one_learns_from_both_batches() {
    let (Some(host), data) = (host(), data(40)) else { return };
    let clipped = optimizer(Rule::Sgd { momentum: 0.9, nesterov: false }, DecayOn::Weights, Some(0.5));
    let rms_prop = optimizer(Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 }, DecayOn::All, Some(1.0));
    let rich = |recipe| Recipe {
        ema_decay: Some(0.99),
        norm_momentum: Some(0.3),
        label_smoothing: 0.1,
        holdout: Some(8),
        ..recipe
    };
    for (name, cell) in [
        ("sgd", of(sgd(), 2, |recipe| recipe)),
        ("clipped sgd", of(clipped, 2, |recipe| recipe)),
        ("rms-prop, two batches each", of(rms_prop, 4, rich)),
    ] {
        let mut alone = session(&cell, &data, &host, 1).unwrap();
        let losses = train_first(&mut alone, 0, STEPS);
        let evaluation = alone.evaluate(true).unwrap();
        let want = Learned::new(&mut alone);
        assert_eq!(alone.device(), "emulation");
        for bucket in [500, usize::MAX] {
            let (found, learned) = learn(&cell, &data, 2, bucket, None).unwrap();
            for (found, want) in found.iter().zip(&losses) {
                assert!((found - want).abs() < 1e-6 * want, "{name}: losses {found}, not {want}");
            }
            // Sums of two are the same in either order.
            let tolerance = if cell.recipe.replicas == 2 { 0.0 } else { 1e-5 };
            assert_near(&format!("{name}: weights"), &learned[0].weights, &want.weights, tolerance);
            assert_same(name, &learned[0], &want, 1e-5);
            assert_eq!(learned[0], learned[1], "{name}: the ranks differ");
        }
        // Statistics and averages among them.
        let after = on_ranks(2, |rank, host| {
            let mut session = session(&cell, &data, host, 500).unwrap();
            ranks::train(&mut session, &cell.recipe.outline(), 0).unwrap();
            assert_eq!(session.device(), "2 x emulation");
            (rank == 0).then(|| session.evaluate(true).unwrap())
        });
        let found = after.unwrap()[0].unwrap();
        assert!((found.loss - evaluation.loss).abs() < 1e-5 * evaluation.loss, "{name}: {found:?}, not {evaluation:?}");
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_devices() {
    let (Some(host), data, dir) = (host(), data(40), tempfile::tempdir().unwrap()) else { return };
    let file = dir.path().join("checkpoint.safetensors");
    let cell = of(sgd(), 3, |recipe| recipe);
    let mut whole = session(&cell, &data, &host, 1).unwrap();
    let mut batches = whole.batches(0).unwrap();
    whole.step_and_loss(&mut batches, 0).unwrap();
    whole.settle().unwrap();
    checkpoint::save(&file, &whole, &Standing { id: "x".into(), step: 1, ..Standing::default() }).unwrap();
    (1..STEPS).for_each(|step| whole.step(&mut batches, step).unwrap());
    let want = Learned::new(&mut whole);
    let (_, learned) = learn(&cell, &data, 3, 500, Some(&file)).unwrap();
    assert_same("three devices", &learned[0], &want, 1e-5);
    assert_eq!(learned[1], learned[2]);
}

#[test]
fn two_devices_learn_to_translate_as_one_does() {
    let (Some(host), cell) = (host(), translation_cell()) else { return };
    let data = phrases(&cell.recipe);
    let steps = 2;
    let learn = |host: &Rc<Host>, bucket| {
        let mut session = text_session(&cell, &data, host, bucket);
        let mut batches = session.batches(0).unwrap();
        let losses: Vec<f64> = (0..steps).map(|step| session.step_and_loss(&mut batches, step).unwrap()).collect();
        (losses, session.tokens(), Learned::new(&mut session))
    };
    let (losses, tokens, want) = learn(&host, 1);
    let found = on_ranks(2, |_, host| learn(host, 2_000)).unwrap();
    for (rank, found) in found.iter().enumerate() {
        assert!(found.0.iter().zip(&losses).all(|(x, y)| (x - y).abs() < 1e-6 * y), "{:?}, not {losses:?}", found.0);
        assert_eq!(found.1, tokens);
        assert!(found.2 == want, "rank {rank}");
    }
}

fn text_session<'a>(
    cell: &'a Cell<TranslationRecipe>,
    data: &'a TextData,
    host: &Rc<Host>,
    bucket: usize,
) -> TranslationSession<'a> {
    let open = |net: &_, learner: &_| {
        let mut learner = DeviceLearner::<_, f32, _>::of(host, net, learner, Products::Exact)?;
        learner.set_bucket(bucket);
        Ok(Some(Box::new(learner) as Box<_>))
    };
    TranslationSession::open(cell, data, open).unwrap()
}

#[test]
fn a_lost_device_is_an_error_and_no_end_of_waiting() {
    let data = data(40);
    let (cell, start) = (of(sgd(), 2, |recipe| recipe), Instant::now());
    let found = on_ranks(2, |rank, host| {
        let mut session = session(&cell, &data, host, 500).unwrap();
        let mut batches = session.batches(0).unwrap();
        session.step(&mut batches, 0).unwrap();
        // The second one ends here.
        (rank == 0).then(|| session.step(&mut batches, 1).unwrap_err().to_string())
    });
    let Some(found) = found else { return };
    assert!(found[0].as_ref().unwrap().contains("rank 1 is lost"), "{found:?}");
    assert!(start.elapsed() < Duration::from_secs(100), "the patience of the emulation");
}

#[test]
fn a_loss_of_one_device_that_is_not_finite_stops_all() {
    let net =
        || Net::new(models::find(MODEL).unwrap(), &"swish".parse().unwrap(), 10, 3, DType::F32, &Device::Cpu).unwrap();
    let found = on_ranks(2, |rank, host| {
        let net = net();
        let mut learner = Learner::new(&net.params, &sgd(), None);
        let mut device: DeviceLearner<_, f32> = DeviceLearner::new(host, &net, &learner, Products::Exact).unwrap();
        device.share(2).unwrap();
        let mut step = |value: f32| {
            let xs: Vec<f32> = (0..2 * 32 * 32 * 3).map(|i| value * (i % 7) as f32).collect();
            let images = Examples::Images { shape: [2, 32, 32, 3], xs: &xs, labels: &[1, 2] };
            let pass = Pass { dropout_seed: Some(1), ..Pass::train() };
            device.batch(&images, &LossConfig::smoothed(0.0), &pass, Some(0.1)).unwrap();
            device.download(&mut learner).unwrap();
            (learner.params.flat.to_vec1::<f32>().unwrap(), device.losses(2).unwrap())
        };
        let before = step(0.1);
        let after = step(if rank == 1 { f32::NAN } else { 0.1 });
        (before, after)
    });
    let Some(found) = found else { return };
    assert_eq!(found[0].0, found[1].0);
    for ((weights, losses), (stopped, broken)) in found {
        assert!(losses.len() == 1 && losses[0].is_finite(), "{losses:?}");
        assert!(broken.len() == 1 && !broken[0].is_finite(), "{broken:?}");
        assert_eq!(weights, stopped);
    }
}

#[test]
fn batches_that_cannot_be_shared_out_are_refused() {
    let data = data(40);
    let cell = of(sgd(), 3, |recipe| recipe);
    let found = on_ranks(2, |_, host| session(&cell, &data, host, 1).err().unwrap().to_string());
    for error in found.into_iter().flatten() {
        assert_eq!(error, "batches a step is 3, expected a multiple of the 2 devices that share them");
    }
}

#[test]
fn those_that_are_not_the_first_write_nothing() {
    let (dir, data) = (tempfile::tempdir().unwrap(), data(40));
    let options = RunOptions {
        store: RunStore::new(dir.path()),
        experiment: "test".into(),
        device: Compute::Cpu.into(),
        threads: 1,
        checkpoint_every: Duration::ZERO,
        keep_weights: true,
        tensorboard: true,
        progress: Progress::default(),
        begun: None,
    };
    follow(&of(sgd(), 1, |recipe| recipe), &data, &options).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
