//! Figures 4 to 7 of the paper: Swish and its derivative, the preactivations that it meets, the betas that training makes of it.

use crate::args::TableArgs;
use crate::distributions::{Preactivations, pooled, write_csv};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use swish_core::activation::Activation;
use swish_core::models::{self, Net};
use swish_core::nn::{Pass, weights};
use swish_data::{Data, Dataset};
use swish_record::plot::{CurveLine, FunctionPanel, FunctionPlot, HistogramPanel, HistogramPlot, Reference};
use swish_record::stats::Histogram;
use swish_record::{Profile, RunRecord, RunStore};
use swish_train::Recipe;
use swish_train::cell::Cell;
use swish_train::evaluate::{batch, images};
use swish_train::jobs::with_threads;
use swish_train::progress::Progress;
use swish_train::recipes::{self, ImageNetModel};
use swish_train::trainer::{RunOptions, run_cell, weights_file};

/// Swish for the betas of Figures 4 and 5.
const BETAS: [f64; 3] = [0.1, 1.0, 10.0];
/// The range of preactivations that the paper speaks of.
const BUMP: (f64, f64) = (-5.0, 0.0);

/// Figure 4, Swish for three betas, and Figure 5, its first derivatives.
///
/// # Errors
/// Files that cannot be written.
pub fn swish_and_derivatives(args: &TableArgs) -> Result<Vec<PathBuf>> {
    let swish = Activation::named("swish")?;
    let value: &dyn Fn(f64, f64) -> f64 = &|x, beta| swish.eval(x, &[beta]);
    let slope: &dyn Fn(f64, f64) -> f64 = &|x, beta| swish.grad(x, &[beta]).dx;
    let mut written = Vec::new();
    for (number, title, [heading, y_label], y_range, f) in [
        (4, "Swish for three values of β", ["f(x) = x sigmoid(βx)", "f(x)"], (-1.0, 5.0), value),
        (5, "first derivatives of Swish", ["f'(x) = β f(x) + sigmoid(βx) (1 − β f(x))", "f'(x)"], (-0.25, 1.25), slope),
    ] {
        let line = |beta: f64| CurveLine {
            label: format!("β = {beta}"),
            points: (-250..=250).map(|i| f64::from(i) / 50.0).map(|x| (x, f(x, beta))).collect(),
        };
        let lines = BETAS.map(line).to_vec();
        let panel = FunctionPanel { heading: heading.into(), y_label: y_label.into(), y_range, lines };
        let title = format!("Figure {number}: {title}");
        let plot = FunctionPlot { title, notes: Vec::new(), x_range: (-5.0, 5.0), panels: vec![panel] };
        written.extend(plot.write(args.results.join("figures").join(format!("figure_{number:02}")))?);
    }
    Ok(written)
}

/// Figure 6: trains ResNet-32 with Swish-1, then counts what its activations are applied to, on test images.
///
/// # Errors
/// Missing data, a run that failed, files that cannot be written.
pub fn preactivations(args: &TableArgs) -> Result<Vec<PathBuf>> {
    let (steps, batch, test_images) = match args.profile {
        Profile::Smoke => (4, 8, 16),
        Profile::Reduced => (1000, 64, 2000),
        // As for ResNet-164.
        Profile::Paper => (64_000, 128, 10_000),
    };
    let info = models::find("resnet32")?;
    let recipe = Recipe { batch, ..recipes::plain(info, Dataset::Cifar10, steps) };
    let data = args.load(Dataset::Cifar10)?;
    let (cell, record, file) = trained(args, recipe, Activation::named("swish-1")?, &data)?;
    let sites = with_threads(threads(), || counted(args, &cell, &data, &file, test_images))??;
    let all = pooled(&sites).context("the network has no activation")?;

    let part = |(name, histogram): &(String, Histogram)| HistogramPanel {
        heading: name.clone(),
        histogram: histogram.clone(),
    };
    let heading = format!("all {} layers", sites.len());
    let plot = HistogramPlot {
        title: format!("Figure 6: preactivations of ResNet-32 with Swish-1{}", reduced(&cell, &record)),
        notes: vec![
            note(&data, &record),
            format!(
                "What the activations are applied to, on {test_images} test images; {:.2} % lies outside the axis. Orange: {}",
                100.0 * (all.below + all.above) as f64 / all.total().max(1) as f64,
                "the range from −5 to 0, with the share of it."
            ),
        ],
        x_label: "preactivation".into(),
        y_label: format!("% of the preactivations, in bins of {}", all.width()),
        band: Some(BUMP),
        references: Vec::new(),
        whole: HistogramPanel { heading, histogram: all.clone() },
        parts: sites.iter().map(part).collect(),
    };
    let base = base(args, 6, Some(&data));
    let mut written = plot.write(&base)?.to_vec();
    let whole = [("all".to_owned(), all)];
    written.push(write_csv(&with_ending(&base, "csv"), &[&whole[..], &sites].concat())?);
    Ok(written)
}

/// Runs the trained network on test images.
fn counted(
    args: &TableArgs,
    cell: &Cell,
    data: &Data,
    file: &Path,
    test_images: usize,
) -> Result<Vec<(String, Histogram)>> {
    let source = cell.recipe.preprocess.source(data, None, NonZeroUsize::MIN)?;
    args.device.cpu_only()?;
    let info = models::find(&cell.recipe.model)?;
    let net = Net::undrawn(info, &cell.activation, source.classes(), DType::F32, &Device::Cpu)?;
    weights::load_for_evaluation(&net.params, &weights::read_file(file)?, file)?;
    let probe = Arc::new(Preactivations::new(Histogram::new(-8.0, 8.0, 64)));
    let pass = Pass { probe: Some(probe.clone()), ..Pass::eval() };
    let (size, mut left) = (source.image_size(), test_images);
    for found in source.eval_batches(batch(size).min(test_images))? {
        let found = found?;
        if found.n > left {
            break;
        }
        left -= found.n;
        let (xs, _) = images(found, size)?;
        net.forward(&xs, &pass)?;
    }
    if left > 0 {
        bail!("{} test images, {test_images} are needed", source.eval_len());
    }
    Ok(probe.sites())
}

/// Figure 7: the betas of Mobile NASNet-A, of `weights` or of a run that is trained for it.
///
/// # Errors
/// Missing data, a run that failed, a file that has no betas or cannot be read, files that cannot be written.
pub fn betas(args: &TableArgs, weights: Option<&Path>) -> Result<Vec<PathBuf>> {
    let title = "Figure 7: trained β of Mobile NASNet-A";
    let (title, note, file, base) = match weights {
        Some(file) => {
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
            (title.to_owned(), format!("Weights: {name}"), file.to_path_buf(), base(args, 7, None))
        }
        None => {
            let data = args.load(Dataset::ImageNet)?;
            let recipe = ImageNetModel::MobileNasNetA.recipe(args.profile);
            let (cell, record, file) = trained(args, recipe, Activation::named("swish")?, &data)?;
            let title = format!("{title}{}", reduced(&cell, &record));
            (title, note(&data, &record), file, base(args, 7, Some(&data)))
        }
    };
    let values = betas_of(&file)?;
    let mut histogram = bins(&values);
    values.iter().for_each(|beta| histogram.add(*beta));
    let plot = HistogramPlot {
        title,
        notes: vec![
            note,
            format!("{} values, one a channel of every activation but those of the auxiliary head.", values.len()),
            "In the paper they lie from 0 to 1.5, with a peak near 1.".into(),
        ],
        x_label: "β".into(),
        y_label: format!("% of the values, in bins of {:.3}", histogram.width()),
        band: None,
        references: vec![Reference { value: 1.0, label: "start".into() }],
        whole: HistogramPanel { heading: String::new(), histogram: histogram.clone() },
        parts: Vec::new(),
    };
    let mut written = plot.write(&base)?.to_vec();
    written.push(write_csv(&with_ending(&base, "csv"), &[("beta".to_owned(), histogram)])?);
    Ok(written)
}

/// Some sixty empty bins of a round width about all values and 1, where training starts.
fn bins(values: &[f64]) -> Histogram {
    let (low, high) = values.iter().fold((1.0_f64, 1.0_f64), |(low, high), beta| (low.min(*beta), high.max(*beta)));
    let rough = ((high - low) / 60.0).max(1e-4);
    let power = 10_f64.powf(rough.log10().floor());
    let width = [1.0, 2.0, 5.0].map(|m| m * power).into_iter().find(|width| *width >= rough).unwrap_or(10.0 * power);
    let (first, end) = ((low / width).floor() - 1.0, (high / width).floor() + 2.0);
    Histogram::new(first * width, end * width, (end - first) as usize)
}

/// Every beta of a file of weights but those of auxiliary heads.
fn betas_of(file: &Path) -> Result<Vec<f64>> {
    let tensors = weights::read_file(file)?;
    let mut names: Vec<&String> =
        tensors.keys().filter(|name| name.ends_with(".beta") && !name.starts_with("aux")).collect();
    names.sort();
    let mut betas = Vec::new();
    for name in names {
        betas.extend(tensors[name].flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
    }
    if betas.is_empty() {
        bail!("{}: expected weights of a network with Swish, found no tensor called *.beta", file.display());
    }
    Ok(betas)
}

/// Trains a cell, or finds it trained, and keeps its weights: in a folder of the figures' own, as tables keep none.
fn trained(
    args: &TableArgs,
    recipe: Recipe,
    activation: Activation,
    data: &Data,
) -> Result<(Cell, RunRecord, PathBuf)> {
    let (precision, profile) = (args.precision, args.profile);
    let cell = Cell { recipe, activation, seed: 1, precision, profile };
    let store = RunStore::new(args.results.join("runs/figures"));
    let options = RunOptions {
        store: store.clone(),
        experiment: "figures".into(),
        device: args.device.into(),
        threads: threads(),
        checkpoint_every: Duration::from_secs(60),
        keep_weights: true,
        tensorboard: args.tensorboard,
        progress: Progress::default(),
        begun: None,
    };
    let record = with_threads(options.threads, || run_cell(&cell, data, &options))??;
    if let Some(why) = &record.err {
        bail!("{}: {why}", cell.label());
    }
    let file = weights_file(&store, &record.id);
    if !file.exists() {
        let dir = store.run_dir(&record.id);
        bail!("{}: the run's weights are gone; remove its folder, and it is trained again", dir.display());
    }
    Ok((cell, record, file))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What a title says of a run that is not the paper's.
fn reduced(cell: &Cell, record: &RunRecord) -> String {
    match cell.profile {
        Profile::Paper => String::new(),
        profile => format!(", {profile}: {}, {} steps of {}", record.model, record.steps, record.batch),
    }
}

/// Where the numbers are from.
fn note(data: &Data, record: &RunRecord) -> String {
    let top1 = record.top1.map_or(String::new(), |top1| format!(", top-1 {top1:.2} %"));
    format!("{} ({}), recipe {}{top1}", data.dataset(), data.source(), record.recipe)
}

/// Files of different profiles or data never overwrite each other.
fn base(args: &TableArgs, number: u8, data: Option<&Data>) -> PathBuf {
    let ending = data.map_or("-weights".to_owned(), |data| format!("-{}-{}", args.profile, data.source()));
    args.results.join("figures").join(format!("figure_{number:02}{ending}"))
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}
