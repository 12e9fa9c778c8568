//! The flags that every table has.

use anyhow::{Context, Result, bail};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use swish_core::activation::Activation;
use swish_core::nn::Compute;
use swish_data::{Data, DataChoice, DataOptions, Dataset};
use swish_record::Profile;
use swish_train::cell::Precision;

/// Flags of a table.
#[derive(Clone, Debug, clap::Args)]
pub struct TableArgs {
    /// smoke (seconds), reduced (minutes, small models) or paper (the real thing)
    #[arg(long, default_value = "reduced")]
    pub profile: Profile,
    /// Where data comes from: auto (directory, then hub, then embedded), hub, dir, embedded
    #[arg(long, default_value = "auto")]
    pub data: DataChoice,
    /// Folder with the data sets (also SWISH_DATA)
    #[arg(long, env = "SWISH_DATA", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Only these activations, separated by semicolons: names or expressions
    #[arg(long, value_delimiter = ';', value_name = "A;A;..")]
    pub activations: Vec<Activation>,
    /// cpu, or cuda:N in a build with CUDA
    #[arg(long, default_value = "cpu")]
    pub device: Compute,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    /// Runs at the same time; the cores are shared out among them
    #[arg(long)]
    pub jobs: Option<NonZeroUsize>,
    /// Write every run's curve for TensorBoard as well, beside its metrics.csv
    #[arg(long)]
    pub tensorboard: bool,
    /// List the cells and an estimate of the time, train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Folder of results
    #[arg(long, default_value = "results")]
    pub results: PathBuf,
}

impl TableArgs {
    /// Loads a data set and says where it came from. The paper profile takes real data or none.
    pub fn load(&self, dataset: Dataset) -> Result<Data> {
        let data = Data::open(dataset, self.data_options())?;
        eprintln!("{}", data.note());
        Ok(data)
    }

    /// Where data may come from. The paper profile takes real data or none.
    pub fn data_options(&self) -> DataOptions {
        DataOptions {
            choice: self.data,
            dir: self.data_dir.clone(),
            cache: DataOptions::default_cache(),
            require_real: self.profile == Profile::Paper,
        }
    }

    /// How many of `cells` runs at the same time, and the threads of each. One thread a run wastes least, so small
    /// profiles fill the cores with runs and the paper profile gives one run all cores.
    pub fn jobs(&self, cells: usize) -> (usize, usize) {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // A GPU has memory for one large network, whatever the cores.
        let alone = self.profile == Profile::Paper || self.device != Compute::Cpu;
        let default = if alone { 1 } else { cores };
        let jobs = self.jobs.map_or(default, NonZeroUsize::get).clamp(1, cells.max(1));
        (jobs, (cores / jobs).max(1))
    }

    /// The functions asked for, else the table's own.
    pub fn activations<'a>(&'a self, table: &'a [Activation]) -> &'a [Activation] {
        if self.activations.is_empty() { table } else { &self.activations }
    }

    /// Whether flags choose a part of the table, or another precision than the table's.
    pub fn selects(&self) -> bool {
        !self.activations.is_empty() || self.precision != Precision::default()
    }
}

/// The rows of Tables 4 to 11, in the paper's order.
pub const ROWS: &[&str] = &["lrelu", "prelu", "softplus", "elu", "selu", "gelu", "relu", "swish-1", "swish"];

/// The functions of a table's rows, written as in the paper.
///
/// # Errors
/// A text that is no activation.
pub fn rows(texts: &[&str]) -> Result<Vec<Activation>> {
    texts.iter().map(|text| text.parse().with_context(|| format!("the row {text}"))).collect()
}

/// The chosen ones of `all`, by name; all when nothing is chosen.
///
/// # Errors
/// A name that none of them has.
pub fn chosen<'a, T>(chosen: &[String], all: &'a [T], name: impl Fn(&T) -> &str) -> Result<Vec<&'a T>> {
    let key = |s: &str| s.replace('_', "-").to_ascii_lowercase();
    for c in chosen {
        if !all.iter().any(|t| key(name(t)) == key(c)) {
            let names: Vec<&str> = all.iter().map(&name).collect();
            bail!("unknown model {c:?}: this table has {}", names.join(", "));
        }
    }
    let wanted = |t: &&T| chosen.is_empty() || chosen.iter().any(|c| key(c) == key(name(t)));
    Ok(all.iter().filter(wanted).collect())
}
