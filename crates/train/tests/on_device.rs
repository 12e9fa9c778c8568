//! Learning on a device, the emulation of a GPU and where there is one a GPU: what it learns is what the CPU learns, and checkpoints go
//! from one to the other.

use crate::common::{
    MODEL, assert_mostly_near, assert_near, cell, data, host, optimizer, phrases, translation_cell, weights,
};
use half::bf16;
use std::rc::Rc;
use swish_core::models;
use swish_core::models::transformer::{self, TransformerConfig};
use swish_core::nn::Compute;
use swish_data::Data;
use swish_emulation::{Sums, on_each_device};
use swish_kernels::cuda::{Device, Engine, Precision as Products};
use swish_train::cell::Cell;
use swish_train::checkpoint::{self, Standing};
use swish_train::on_device::{DeviceLearner, check};
use swish_train::optimizer::{DecayOn, Rule};
use swish_train::session::Session;
use swish_train::translation::TranslationSession;
use swish_train::{Recipe, Training};

on_each_device!(
    a_device_learns_what_the_cpu_learns,
    checkpoints_go_from_device_to_device,
    a_loss_that_is_not_finite_leaves_the_weights,
    a_device_learns_to_translate_as_the_cpu_does,
    recorded_steps_are_those_started_one_by_one,
);

/// All that a recipe can ask for, between them.
fn cells() -> [Cell; 3] {
    let sgd = optimizer(Rule::Sgd { momentum: 0.9, nesterov: true }, DecayOn::All, None);
    let rms_prop = Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 };
    let adam = optimizer(Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 }, DecayOn::Weights, Some(1.0));
    [
        cell(sgd, |recipe| recipe),
        cell(optimizer(rms_prop, DecayOn::WeightsExceptDepthwise, Some(1.0)), |recipe| Recipe {
            replicas: 2,
            label_smoothing: 0.1,
            ema_decay: Some(0.99),
            holdout: Some(8),
            norm_momentum: Some(0.2),
            ..recipe
        }),
        cell(adam, |mut recipe| {
            recipe.schedule.lr = 0.001;
            Recipe { ema_decay: Some(0.5), ..recipe }
        }),
    ]
}

fn one_batch_a_step(cell: Cell) -> Cell {
    Cell { recipe: Recipe { replicas: 1, ..cell.recipe }, ..cell }
}

fn on_device<'a, D: Engine + 'static>(cell: &'a Cell, data: &Data, device: &Rc<D>) -> Session<'a> {
    let open = |net: &_, learner: &_| {
        let learner: DeviceLearner<_, f32> = DeviceLearner::new(device, net, learner, Products::Exact)?;
        Ok(Some(Box::new(learner) as Box<_>))
    };
    Session::open(cell, data, open).unwrap()
}

fn a_device_learns_what_the_cpu_learns<D: Engine + 'static>(device: &Rc<D>, sums: Sums) {
    let (data, near) = (data(40), sums.pick(1.0, 10.0));
    let [sgd, rms_prop, adam] = cells();
    for cell in [sgd, rms_prop.clone(), one_batch_a_step(rms_prop), adam] {
        let rule = cell.recipe.optimizer.rule;
        let (mut there, mut here) =
            (on_device(&cell, &data, device), Session::new(&cell, &data, Compute::Cpu).unwrap());
        let (mut batches_there, mut batches_here) = (there.batches(0).unwrap(), here.batches(0).unwrap());
        for step in 0..6 {
            if step == 3 {
                // Brings its own passes and exchanges the averages, between steps that are recorded.
                let (found, want) = (there.evaluate(false).unwrap(), here.evaluate(false).unwrap());
                assert!((found.loss - want.loss).abs() < near * 1e-4 * want.loss, "{rule}: {found:?}, not {want:?}");
            }
            let (loss, want) = (
                there.step_and_loss(&mut batches_there, step).unwrap(),
                here.step_and_loss(&mut batches_here, step).unwrap(),
            );
            assert!((loss - want).abs() < near * 1e-4 * want, "{rule}, step {step}: loss {loss}, on the CPU {want}");
        }
        let (found, want) = (there.evaluate(true).unwrap(), here.evaluate(true).unwrap());
        assert!((found.loss - want.loss).abs() < near * 1e-4 * want.loss, "{rule}: {found:?}, on the CPU {want:?}");
        assert_ne!(
            weights(&there),
            weights(&here),
            "{rule}: the host's are those of the start until they are asked for"
        );
        there.settle().unwrap();
        assert_near(&format!("{rule}: weights"), &weights(&there), &weights(&here), near as f32 * 1e-4);
        let tensors = |session: &Session<'_>| session.learner().tensors().unwrap();
        for ((name, found), (_, want)) in tensors(&there).into_iter().zip(tensors(&here)) {
            let flat = |tensor: candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_near(&format!("{rule}: {name}"), &flat(found), &flat(want), near as f32 * 1e-3);
        }
    }
}

fn checkpoints_go_from_device_to_device<D: Engine + 'static>(device: &Rc<D>, sums: Sums) {
    let (data, dir) = (data(40), tempfile::tempdir().unwrap());
    let file = dir.path().join("checkpoint.safetensors");
    for cell in cells() {
        let rule = cell.recipe.optimizer.rule;
        let mut whole = on_device(&cell, &data, device);
        let mut batches = whole.batches(0).unwrap();
        for step in 0..2 {
            whole.step_and_loss(&mut batches, step).unwrap();
        }
        whole.settle().unwrap();
        checkpoint::save(&file, &whole, &Standing { id: "x".into(), step: 2, ..Standing::default() }).unwrap();
        let expected: Vec<f64> = (2..4).map(|step| whole.step_and_loss(&mut batches, step).unwrap()).collect();
        let go_on = |mut session: Session<'_>, tolerance: f64| {
            checkpoint::load(&file, "x", &mut session).unwrap().unwrap();
            session.resume().unwrap();
            let mut batches = session.batches(2).unwrap();
            for (step, want) in (2..4).zip(&expected) {
                let loss = session.step_and_loss(&mut batches, step).unwrap();
                assert!((loss - want).abs() <= tolerance * want, "{rule}, step {step}: {loss}, not {want}");
            }
        };
        go_on(on_device(&cell, &data, device), 0.0);
        go_on(Session::new(&cell, &data, Compute::Cpu).unwrap(), sums.pick(1e-4, 1e-3));
    }
}

fn a_loss_that_is_not_finite_leaves_the_weights<D: Engine + 'static>(device: &Rc<D>, _: Sums) {
    let data = data(40);
    let sgd = optimizer(Rule::Sgd { momentum: 0.0, nesterov: false }, DecayOn::All, None);
    let cell = cell(sgd, |mut recipe| {
        recipe.schedule.lr = 1e30;
        recipe
    });
    let mut session = on_device(&cell, &data, device);
    let mut batches = session.batches(0).unwrap();
    let start = session.learner().params.flat.copy().unwrap();
    session.step(&mut batches, 0).unwrap();
    session.settle().unwrap();
    let before = weights(&session);
    (1..3).for_each(|step| session.step(&mut batches, step).unwrap());
    session.settle().unwrap();
    assert_eq!(weights(&session), before);
    assert_eq!(session.losses(false).unwrap(), [0.0; 0], "told to who waits");
    let losses = session.losses(true).unwrap();
    assert!(losses.len() == 3 && losses[0].is_finite() && !losses[1].is_finite(), "{losses:?}");
    // It stands still until it is given sound weights.
    session.learner().params.flat.set(&start).unwrap();
    session.resume().unwrap();
    assert!(session.step_and_loss(&mut batches, 3).unwrap().is_finite());
    session.settle().unwrap();
    assert_ne!(weights(&session), start.to_vec1::<f32>().unwrap());
}

fn a_device_learns_to_translate_as_the_cpu_does<D: Engine + 'static>(device: &Rc<D>, sums: Sums) {
    let (cell, dir) = (translation_cell(), tempfile::tempdir().unwrap());
    let (data, file) = (phrases(&cell.recipe), dir.path().join("checkpoint.safetensors"));
    let on_device = || {
        let open = |net: &_, learner: &_| {
            let learner = DeviceLearner::<_, f32, _>::of(device, net, learner, Products::Exact)?;
            Ok(Some(Box::new(learner) as Box<_>))
        };
        TranslationSession::open(&cell, &data, open).unwrap()
    };
    let on_cpu = || TranslationSession::new(&cell, &data, Compute::Cpu).unwrap();
    let (mut there, mut here) = (on_device(), on_cpu());
    assert_eq!((there.device(), here.device()), (device.name(), "cpu".to_string()));
    let (mut batches_there, mut batches_here) = (there.batches(0).unwrap(), here.batches(0).unwrap());
    for step in 0..3 {
        let (loss, want) = (
            there.step_and_loss(&mut batches_there, step).unwrap(),
            here.step_and_loss(&mut batches_here, step).unwrap(),
        );
        assert!((loss - want).abs() < 1e-3 * want, "step {step}: loss {loss}, on the CPU {want}");
    }
    assert_eq!(there.tokens(), here.tokens());
    // Of the mean of checkpoints, of which there is one.
    let (found, want) = (there.evaluate(true).unwrap(), here.evaluate(true).unwrap());
    assert!((found.sets[0].loss - want.sets[0].loss).abs() < 1e-3 * want.sets[0].loss, "{found:?}, not {want:?}");
    there.settle().unwrap();
    let tensors = |session: &TranslationSession<'_>| session.learner().tensors().unwrap();
    let (found, want) = (tensors(&there), tensors(&here));
    assert!(want.iter().any(|(name, _)| name == "averages.last.0") && found.len() == want.len());
    let flat = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let all = |tensors: &[(String, candle_core::Tensor)]| tensors.iter().flat_map(|(_, tensor)| flat(tensor)).collect();
    let (found, want): (Vec<f32>, Vec<f32>) = (all(&found), all(&want));
    if sums == Sums::Same {
        assert_mostly_near("state", &found, &want);
    }

    checkpoint::save(&file, &there, &Standing { id: "x".into(), step: 3, ..Standing::default() }).unwrap();
    let expected: Vec<f64> = (3..5).map(|step| there.step_and_loss(&mut batches_there, step).unwrap()).collect();
    for (mut session, tolerance) in [(on_device(), 0.0), (on_cpu(), 1e-3)] {
        checkpoint::load(&file, "x", &mut session).unwrap().unwrap();
        session.resume().unwrap();
        let mut batches = session.batches(3).unwrap();
        for (step, want) in (3..5).zip(&expected) {
            let loss = session.step_and_loss(&mut batches, step).unwrap();
            assert!((loss - want).abs() <= tolerance * want, "step {step}: {loss}, not {want}");
        }
    }
}

fn recorded_steps_are_those_started_one_by_one<D: Engine + 'static>(device: &Rc<D>, _: Sums) {
    let (info, tiny) = (models::find(MODEL).unwrap(), transformer::find("transformer_tiny").unwrap().config);
    let mut rows = check::images::<D, bf16>(device, info, 2, Products::Exact).unwrap();
    let config = TransformerConfig { dropout: 0.2, ..tiny };
    rows.extend(check::sentences::<D, f32>(device, &config, 2, Products::Exact).unwrap());
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert!(row.passed(), "{row}");
    }
}

/// Of steps of one batch; what is launched by itself is the augmentation of the images.
#[test]
fn one_call_starts_a_whole_step() {
    let Some(host) = host() else { return };
    let data = data(40);
    for cell in cells().map(one_batch_a_step) {
        let mut session = on_device(&cell, &data, &host);
        let mut batches = session.batches(0).unwrap();
        session.step(&mut batches, 0).unwrap();
        let before = (host.replays(), host.launches());
        (1..6).for_each(|step| session.step(&mut batches, step).unwrap());
        assert_eq!((host.replays() - before.0, host.launches() - before.1), (5, 5), "{}", cell.recipe.optimizer.rule);
        let losses = session.losses(true).unwrap();
        assert!(losses.len() == 6 && losses.windows(2).all(|pair| pair[0] != pair[1]), "{losses:?}");
    }
}

#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    let (data, [cell, ..], text) = (data(40), cells(), translation_cell());
    // A thousand GPUs no machine has, so this holds in a build with CUDA too.
    let images = Session::new(&cell, &data, Compute::Cuda(1000)).err().unwrap().to_string();
    let sentences = TranslationSession::new(&text, &phrases(&text.recipe), Compute::Cuda(1000)).err().unwrap();
    for error in [images, sentences.to_string()] {
        assert!(error.contains("GPU") || error.contains("CPU build"), "{error}");
    }
}
