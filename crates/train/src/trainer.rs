//! A cell from its start, or from its checkpoint, to its record.

use crate::cell::Cell;
use crate::checkpoint::{self, Standing};
use crate::error::{Error, Result};
use crate::evaluate::Evaluation;
use crate::progress::{Progress, RunProgress};
use crate::session::Session;
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swish_core::nn::weights;
use swish_data::{Data, DataSource};
use swish_record::metrics::{self, MetricsWriter, Row};
use swish_record::tensorboard::{self, EventWriter};
use swish_record::{RunRecord, RunStore, provenance, write_atomic};

/// Where and how a cell is run: nothing here changes its numbers.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where records go.
    pub store: RunStore,
    /// Experiment that the record belongs to, such as `table-cifar`.
    pub experiment: String,
    /// Where to compute.
    pub device: Device,
    /// Threads that the run has.
    pub threads: usize,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Whether `model.safetensors`, the weights that were evaluated, is kept beside the record.
    pub keep_weights: bool,
    /// Whether the curve is also written for TensorBoard, beside `metrics.csv`.
    pub tensorboard: bool,
    /// Where the run is shown.
    pub progress: Progress,
}

/// Trains a cell unless it has a record already; returns the record.
///
/// A run that diverges ends with a record that says so in `err`. A run that is killed goes on from its last
/// checkpoint when it is started again, and its result is the same to the bit.
///
/// # Errors
/// What keeps the run from being done at all: files, data, an impossible recipe.
pub fn run_cell(cell: &Cell, data: &Data, options: &RunOptions) -> Result<RunRecord> {
    cell.recipe.check()?;
    let id = cell.id(data);
    if let Some(record) = options.store.read(&id)? {
        return Ok(record);
    }
    Run::start(cell, data, options, id)?.finish()
}

/// Where a cell's trained weights lie, if they were kept.
pub fn weights_file(store: &RunStore, id: &str) -> PathBuf {
    store.run_dir(id).join("model.safetensors")
}

struct Run<'a> {
    cell: &'a Cell,
    data: &'a Data,
    options: &'a RunOptions,
    dir: PathBuf,
    session: Session<'a>,
    metrics: MetricsWriter,
    events: Option<EventWriter>,
    at: Standing,
    /// When this process began, less the seconds of earlier ones.
    clock: (Instant, f64),
}

/// How the steps ended.
enum End {
    Finished(Evaluation),
    Diverged(String),
}

impl<'a> Run<'a> {
    fn start(cell: &'a Cell, data: &'a Data, options: &'a RunOptions, id: String) -> Result<Self> {
        let dir = options.store.run_dir(&id);
        let recipe = serde_json::to_string_pretty(&cell.recipe).unwrap_or_default();
        write_atomic(dir.join("recipe.json"), recipe + "\n")?;
        let mut session = Session::new(cell, data, &options.device)?;
        let found = checkpoint::load(&checkpoint_file(&dir), &id, &mut session)?;
        let at = found.unwrap_or_else(|| Standing { id, started: provenance::utc_now(), ..Standing::default() });
        let metrics = match at.step {
            0 => MetricsWriter::create(dir.join("metrics.csv"))?,
            step => MetricsWriter::resume(dir.join("metrics.csv"), step)?,
        };
        let events = options.tensorboard.then(|| events(&dir)).transpose()?;
        let clock = (Instant::now(), at.seconds);
        Ok(Self { cell, data, options, dir, session, metrics, events, at, clock })
    }

    fn finish(mut self) -> Result<RunRecord> {
        let label = self.cell.label();
        let progress = self.options.progress.start(&label, self.cell.recipe.steps, self.at.step);
        let end = self.train(&progress)?;
        let seconds = self.seconds();
        let record = self.record(&end, seconds);
        if self.options.keep_weights {
            let tensors = self.session.averaged(|session| Ok(weights::state_dict(&session.net.params)?))?;
            let bytes = weights::to_bytes(&tensors, None)?;
            write_atomic(weights_file(&self.options.store, &record.id), bytes)?;
        }
        self.options.store.write(&record)?;
        // The record stands: the checkpoint has served, and a leftover one would do no harm.
        remove_if_there(&checkpoint_file(&self.dir))?;
        for line in self.session.damaged() {
            self.options.progress.say(&format!("{label}: damaged, another image was taken: {line}"));
        }
        progress.finish(&match &end {
            End::Finished(e) => format!("top-1 {:.2} %, {seconds:.0} s", e.top1),
            End::Diverged(why) => why.clone(),
        });
        Ok(record)
    }

    fn train(&mut self, progress: &RunProgress) -> Result<End> {
        let recipe = &self.cell.recipe;
        let mut batches = self.session.batches(self.at.step)?;
        let mut last_save = Instant::now();
        let mut evaluation = Evaluation::default();
        while self.at.step < recipe.steps {
            let lr = recipe.schedule.at(self.at.step, recipe.steps);
            let loss = self.session.step(&mut batches, self.at.step)?;
            if !loss.is_finite() {
                return Ok(End::Diverged(format!("diverged: training loss is {loss} at step {}", self.at.step)));
            }
            self.at.step += 1;
            self.at.loss_sum += loss;
            self.at.loss_steps += 1;
            progress.step(self.at.step, loss);
            let due = |every: u64| self.at.step.is_multiple_of(every.max(1)) || self.at.step == recipe.steps;
            let (log, evaluate) = (due(recipe.log_every), due(recipe.eval_every));
            if evaluate {
                evaluation = self.session.evaluate()?;
            }
            if log || evaluate {
                self.row(lr, evaluate.then_some(evaluation), progress)?;
            }
            // Never after the last step: a run that goes on always makes its last row itself.
            if self.at.step < recipe.steps && last_save.elapsed() >= self.options.checkpoint_every {
                self.save()?;
                last_save = Instant::now();
            }
        }
        if !evaluation.loss.is_finite() {
            return Ok(End::Diverged(format!("diverged: test loss is {} after the last step", evaluation.loss)));
        }
        Ok(End::Finished(evaluation))
    }

    /// Adds a row to the curve: the mean loss since the last one, and an evaluation where there was one.
    fn row(&mut self, lr: f64, evaluation: Option<Evaluation>, progress: &RunProgress) -> Result<()> {
        let train_loss = self.at.loss_sum / self.at.loss_steps.max(1) as f64;
        (self.at.loss_sum, self.at.loss_steps) = (0.0, 0);
        self.at.last_loss = Some(train_loss);
        let examples = self.at.step * self.cell.recipe.examples_a_step();
        let epoch = examples as f64 / self.session.train_len() as f64;
        let row = Row {
            step: self.at.step,
            epoch,
            lr,
            train_loss,
            test_loss: evaluation.map(|e| e.loss),
            test_top1: evaluation.map(|e| e.top1),
        };
        self.metrics.write(&row)?;
        self.metrics.sync()?;
        if let Some(events) = &mut self.events {
            events.write(&row)?;
        }
        if let Some(e) = evaluation {
            progress.evaluated(self.at.step, train_loss, e.top1);
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.at.seconds = self.seconds();
        checkpoint::save(&checkpoint_file(&self.dir), &self.session, &self.at)
    }

    fn seconds(&self) -> f64 {
        self.clock.1 + self.clock.0.elapsed().as_secs_f64()
    }

    fn record(&self, end: &End, seconds: f64) -> RunRecord {
        let (cell, recipe) = (self.cell, &self.cell.recipe);
        let (evaluation, err) = match end {
            End::Finished(e) => (Some(*e), None),
            End::Diverged(why) => (None, Some(why.clone())),
        };
        RunRecord {
            id: self.at.id.clone(),
            experiment: self.options.experiment.clone(),
            model: recipe.model.clone(),
            dataset: recipe.dataset.to_string(),
            data_source: match self.data.source() {
                DataSource::Hub => swish_record::DataSource::Hub,
                DataSource::Dir => swish_record::DataSource::Dir,
                DataSource::Embedded => swish_record::DataSource::Embedded,
            },
            data_version: self.data.version().into(),
            profile: cell.profile,
            recipe: recipe.name.clone(),
            activation: cell.activation.to_string(),
            formula: cell.activation.formula(),
            canonical: cell.activation.canonical(),
            seed: cell.seed,
            lr: recipe.schedule.lr,
            steps: recipe.steps,
            batch: recipe.examples_a_step() as usize,
            precision: cell.precision.to_string(),
            device: "cpu".into(),
            threads: self.options.threads,
            commit: provenance::commit().into(),
            dirty: provenance::dirty(),
            seconds,
            started: self.at.started.clone(),
            train_loss: self.at.last_loss,
            top1: evaluation.map(|e| e.top1),
            top5: evaluation.map(|e| e.top5),
            bleu: None,
            params: self.session.net.params.count() as u64,
            err,
        }
    }
}

/// Goes on with the events as far as `metrics.csv` has come.
fn events(dir: &Path) -> Result<EventWriter> {
    Ok(EventWriter::resume(dir.join(tensorboard::FILE), &metrics::read(dir.join("metrics.csv"))?)?)
}

fn checkpoint_file(dir: &Path) -> PathBuf {
    dir.join("checkpoint.safetensors")
}

fn remove_if_there(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { file: file.to_path_buf(), source: e }),
        _ => Ok(()),
    }
}
