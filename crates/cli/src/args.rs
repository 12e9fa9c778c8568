//! Options that several commands share, and how results are printed.

use anyhow::{Context, Result};
use candle_core::Device;
use clap::builder::TypedValueParser;
use std::fmt::Display;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use swish_data::{Data, DataChoice, DataOptions, Dataset};

/// Numbers of classes that a command takes.
pub const CLASSES: Whole = Whole(1..=1_000_000);

/// A whole number within bounds.
#[derive(Clone)]
pub struct Whole(pub RangeInclusive<u64>);

impl TypedValueParser for Whole {
    type Value = usize;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<usize, clap::Error> {
        let number = clap::value_parser!(u64).range(self.0.clone()).parse_ref(command, arg, value)?;
        // The bounds used here fit into 32 bits.
        Ok(number as usize)
    }
}

/// One line of results on standard output.
///
/// # Errors
/// When standard output is closed or full: unlike `println!`, without a panic.
pub fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

/// Where data comes from.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Data set: cifar10 or cifar100
    #[arg(long, default_value = "cifar10")]
    pub dataset: Dataset,
    /// Where it comes from: auto (directory, then hub, then embedded), hub, dir, embedded
    #[arg(long = "data", default_value = "auto")]
    pub choice: DataChoice,
    /// Folder with the data set's files (also SWISH_DATA)
    #[arg(long, env = "SWISH_DATA", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    /// The folder as seen from anywhere, for other processes.
    pub fn absolute_dir(&self) -> Result<Option<PathBuf>> {
        let absolute = |dir: &PathBuf| std::path::absolute(dir).with_context(|| dir.display().to_string());
        self.data_dir.as_ref().map(absolute).transpose()
    }

    /// Loads the data and says where it came from.
    pub fn load(&self) -> Result<Data> {
        let options = DataOptions {
            choice: self.choice,
            dir: self.data_dir.clone(),
            cache: DataOptions::default_cache(),
            require_real: false,
        };
        let data = Data::open(self.dataset, options)?;
        eprintln!("{}", data.note());
        Ok(data)
    }
}

/// Where to compute.
#[derive(clap::Args)]
pub struct ComputeArgs {
    /// cpu, or cuda:N in a build with CUDA
    #[arg(long, default_value = "cpu")]
    device: String,
    /// CPU threads; all cores unless given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl ComputeArgs {
    /// The device.
    pub fn device(&self) -> Result<Device> {
        Ok(swish_core::nn::device(&self.device)?)
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(all, NonZeroUsize::get)
    }
}
