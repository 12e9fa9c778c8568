//! A cell from its start, or from its checkpoint, to its record.

use crate::cell::Cell;
use crate::checkpoint::{self, Standing};
use crate::error::{Error, Result};
use crate::progress::{Progress, RunProgress};
use crate::task::{Origin, Outcome, Outline, Task, Training};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swish_core::device::Seat;
use swish_core::nn::weights;
use swish_data::DataSource;
use swish_record::metrics::{self, MetricsWriter, Row};
use swish_record::tensorboard::{self, EventWriter};
use swish_record::{RunRecord, RunStore, provenance, write_atomic};

/// Where and how a cell is run: nothing here changes its numbers, but that a GPU rounds otherwise than the CPU, and several
/// devices sum in another order; records say what ran.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where records go.
    pub store: RunStore,
    /// Experiment that the record belongs to, such as `table-cifar`.
    pub experiment: String,
    /// Where to compute: a device, or one of several that learn together, of which [`run_cell`] is for the first and
    /// [`follow`](crate::ranks::follow) for the others.
    pub device: Seat,
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
    /// Is told the run's folder when the network stands where it learns, before the first step.
    pub begun: Option<fn(&Path)>,
}

impl RunOptions {
    /// Says which training examples of a run were damaged.
    pub(crate) fn say_damaged(&self, label: &str, session: &impl Training) {
        for line in session.damaged() {
            self.progress.say(&format!("{label}: damaged, another example was taken: {line}"));
        }
    }
}

/// Trains a cell unless it has a record already; returns the record.
///
/// A run that diverges ends with a record that says so in `err`. A run that is killed goes on from its last
/// checkpoint when it is started again, and on the same device its result is the same to the bit.
///
/// # Errors
/// What keeps the run from being done at all: files, data, an impossible recipe.
pub fn run_cell<R: Task>(cell: &Cell<R>, data: &R::Data, options: &RunOptions) -> Result<RunRecord> {
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

struct Run<'a, R: Task + 'a> {
    cell: &'a Cell<R>,
    data: &'a R::Data,
    outline: Outline<'a>,
    options: &'a RunOptions,
    dir: PathBuf,
    session: R::Session<'a>,
    metrics: MetricsWriter,
    events: Option<EventWriter>,
    at: Standing,
    /// Steps whose losses are known, and the last of these.
    known: (u64, f64),
    /// When this process began, less the seconds of earlier ones.
    clock: (Instant, f64),
}

/// How the steps ended.
enum End<E> {
    Finished(E),
    Diverged(String),
}

/// What an evaluation of a recipe finds.
type Found<'a, R> = <<R as Task>::Session<'a> as Training>::Evaluation;

impl<'a, R: Task> Run<'a, R> {
    fn start(cell: &'a Cell<R>, data: &'a R::Data, options: &'a RunOptions, id: String) -> Result<Self> {
        let dir = options.store.run_dir(&id);
        let recipe = serde_json::to_string_pretty(&cell.recipe).unwrap_or_default();
        write_atomic(dir.join("recipe.json"), recipe + "\n")?;
        let mut session = R::open(cell, data, options.device)?;
        session.keep(&dir)?;
        let found = checkpoint::load(&checkpoint_file(&dir), &id, &mut session)?;
        if found.is_some() {
            session.resume()?;
        }
        if let Some(begun) = options.begun {
            begun(&dir);
        }
        let mut at = found.unwrap_or_else(|| Standing { id, started: provenance::utc_now(), ..Standing::default() });
        if at.devices.last() != Some(&session.device()) {
            at.devices.push(session.device());
        }
        let metrics = match at.step {
            0 => MetricsWriter::create(dir.join("metrics.csv"), Found::<R>::COLUMNS)?,
            step => MetricsWriter::resume(dir.join("metrics.csv"), Found::<R>::COLUMNS, step)?,
        };
        let events = options.tensorboard.then(|| events(&dir)).transpose()?;
        let clock = (Instant::now(), at.seconds);
        let outline = cell.recipe.outline();
        let known = (at.step, f64::NAN);
        Ok(Self { cell, data, outline, options, dir, session, metrics, events, at, known, clock })
    }

    fn finish(mut self) -> Result<RunRecord> {
        let label = self.cell.label();
        let progress = self.options.progress.start(&label, self.outline.steps, self.at.step);
        let end = self.train(&progress)?;
        let seconds = self.seconds();
        let record = self.record(&end, seconds);
        if self.options.keep_weights {
            self.session.settle()?;
            let tensors = self.session.averaged(|session| Ok(weights::state_dict(&session.learner().params)?))?;
            let marks = self.session.marks();
            let bytes = weights::to_bytes(&tensors, Some(marks).filter(|marks| !marks.is_empty()))?;
            write_atomic(weights_file(&self.options.store, &record.id), bytes)?;
        }
        if let End::Finished(evaluation) = &end {
            evaluation.keep(&self.dir)?;
        }
        self.options.store.write(&record)?;
        // The record stands: the checkpoint has served, and a leftover one would do no harm.
        remove_if_there(&checkpoint_file(&self.dir))?;
        self.options.say_damaged(&label, &self.session);
        progress.finish(&match &end {
            End::Finished(e) => format!("{}, {seconds:.0} s", e.words()),
            End::Diverged(why) => why.clone(),
        });
        Ok(record)
    }

    fn train(&mut self, progress: &RunProgress) -> Result<End<Found<'a, R>>> {
        let Outline { steps, log_every, eval_every, .. } = self.outline;
        let mut batches = self.session.batches(self.at.step)?;
        let (begin, mut last_save) = (Instant::now(), Instant::now());
        let mut evaluation = Found::<R>::default();
        while self.at.step < steps {
            let lr = self.outline.lr_at(self.at.step);
            self.session.step(&mut batches, self.at.step)?;
            self.at.step += 1;
            let last = self.at.step == steps;
            let due = |every: u64| self.at.step.is_multiple_of(every.max(1)) || last;
            let (log, evaluate) = (due(log_every), due(eval_every));
            // Never after the last step: a run that goes on always makes its last row itself.
            let save = !last && last_save.elapsed() >= self.options.checkpoint_every;
            let before = self.known.0;
            if let Some(why) = self.take_losses(log || evaluate || save)? {
                return Ok(End::Diverged(why));
            }
            if let (true, (known, loss)) = (self.known.0 > before, self.known) {
                let pace = self.session.tokens().map(|tokens| tokens as f64 / begin.elapsed().as_secs_f64());
                progress.step(known, loss, pace);
            }
            if evaluate {
                evaluation = self.session.evaluate(last)?;
            }
            if log || evaluate {
                self.row(lr, evaluate.then_some(&evaluation), progress)?;
            }
            if save {
                self.save()?;
                last_save = Instant::now();
            }
        }
        let loss = evaluation.loss();
        if !loss.is_finite() {
            return Ok(End::Diverged(format!("diverged: test loss is {loss} after the last step")));
        }
        Ok(End::Finished(evaluation))
    }

    /// Takes in the losses that are known, or waits for all; why it is over, where one is not finite.
    fn take_losses(&mut self, wait: bool) -> Result<Option<String>> {
        for loss in self.session.losses(wait)? {
            if !loss.is_finite() {
                return Ok(Some(format!("diverged: training loss is {loss} at step {}", self.known.0)));
            }
            self.known = (self.known.0 + 1, loss);
            self.at.loss_sum += loss;
            self.at.loss_steps += 1;
        }
        Ok(None)
    }

    /// Adds a row to the curve: the mean loss since the last one, and an evaluation where there was one.
    fn row(&mut self, lr: f64, evaluation: Option<&Found<'a, R>>, progress: &RunProgress) -> Result<()> {
        let train_loss = self.at.loss_sum / self.at.loss_steps.max(1) as f64;
        (self.at.loss_sum, self.at.loss_steps) = (0.0, 0);
        self.at.last_loss = Some(train_loss);
        let epoch = self.session.epochs(self.at.step);
        let mut row = Row { step: self.at.step, epoch, lr, train_loss, ..Row::default() };
        if let Some(evaluation) = evaluation {
            evaluation.fill_row(&mut row);
        }
        self.metrics.write(&row)?;
        self.metrics.sync()?;
        if let Some(events) = &mut self.events {
            events.write(&row)?;
        }
        if let Some(evaluation) = evaluation {
            progress.evaluated(self.at.step, train_loss, &evaluation.words());
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.at.seconds = self.seconds();
        self.session.settle()?;
        checkpoint::save(&checkpoint_file(&self.dir), &self.session, &self.at)
    }

    fn seconds(&self) -> f64 {
        self.clock.1 + self.clock.0.elapsed().as_secs_f64()
    }

    fn record(&self, end: &End<Found<'a, R>>, seconds: f64) -> RunRecord {
        let (cell, outline) = (self.cell, &self.outline);
        let mut record = RunRecord {
            id: self.at.id.clone(),
            experiment: self.options.experiment.clone(),
            model: outline.model.into(),
            dataset: self.data.dataset(),
            data_source: match self.data.source() {
                DataSource::Hub => swish_record::DataSource::Hub,
                DataSource::Dir => swish_record::DataSource::Dir,
                DataSource::Embedded => swish_record::DataSource::Embedded,
            },
            data_version: self.data.version().into(),
            profile: cell.profile,
            recipe: outline.name.into(),
            activation: cell.activation.to_string(),
            formula: cell.activation.formula(),
            canonical: cell.activation.canonical(),
            seed: cell.seed,
            lr: outline.schedule.lr,
            steps: outline.steps,
            batch: outline.examples_a_step as usize,
            precision: cell.precision.to_string(),
            device: self.at.devices.join(", then "),
            threads: self.options.threads,
            commit: provenance::commit().into(),
            dirty: provenance::dirty(),
            seconds,
            started: self.at.started.clone(),
            train_loss: self.at.last_loss,
            top1: None,
            top5: None,
            bleu: None,
            scores: Vec::new(),
            params: self.session.learner().params.count() as u64,
            err: None,
        };
        match end {
            End::Finished(evaluation) => evaluation.fill_record(&mut record),
            End::Diverged(why) => record.err = Some(why.clone()),
        }
        record
    }
}

/// Goes on with the events as far as `metrics.csv` has come.
fn events(dir: &Path) -> Result<EventWriter> {
    Ok(EventWriter::resume(dir.join(tensorboard::FILE), &metrics::read(dir.join("metrics.csv"))?)?)
}

/// The checkpoint of a run with this folder.
pub fn checkpoint_file(dir: &Path) -> PathBuf {
    dir.join("checkpoint.safetensors")
}

fn remove_if_there(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { file: file.to_path_buf(), source: e }),
        _ => Ok(()),
    }
}
