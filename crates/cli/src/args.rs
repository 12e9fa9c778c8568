//! Options that several commands share, and how results are printed.

use anyhow::{Context, Result, bail};
use clap::builder::TypedValueParser;
use std::fmt::{self, Display};
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use swish_core::models::transformer::{self, Beam, TransformerInfo};
use swish_core::models::{self, ModelInfo};
use swish_core::nn::Compute;
use swish_data::text::{self, Corpus, TextOptions};
use swish_data::{Data, DataChoice, DataError, DataOptions, Dataset, Published};
use swish_train::translation::Search;

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

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0);
    number.ok_or_else(|| "expected a number above 0".into())
}

/// The number of a GPU, as 1 or cuda:1.
pub fn gpu(text: &str) -> Result<usize, String> {
    let number = text.strip_prefix("cuda:").unwrap_or(text).parse();
    number.map_err(|_| "expected the number of a GPU, such as 0 or cuda:0".into())
}

/// Errs where one of `--devices` is named twice.
pub fn distinct(gpus: &[usize]) -> Result<()> {
    match gpus.iter().enumerate().find(|(i, gpu)| gpus[..*i].contains(gpu)) {
        Some((_, gpu)) => bail!("--devices: cuda:{gpu} is named twice"),
        None => Ok(()),
    }
}

/// One line of results on standard output.
///
/// # Errors
/// When standard output is closed or full: unlike `println!`, without a panic.
pub fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

/// A model by its name.
#[derive(Clone, Copy, Debug)]
pub enum AnyModel {
    /// That takes images.
    Images(&'static ModelInfo),
    /// That translates.
    Text(&'static TransformerInfo),
}

impl AnyModel {
    /// The model of that name.
    pub fn find(name: &str) -> Result<Self> {
        match (models::find(name), transformer::find(name)) {
            (Ok(info), _) => Ok(Self::Images(info)),
            (_, Ok(info)) => Ok(Self::Text(info)),
            // Of the two lists of near names the one that is meant.
            (_, Err(e)) if name.to_ascii_lowercase().starts_with("trans") => Err(e.into()),
            (Err(e), _) => Err(e.into()),
        }
    }
}

/// What a data set holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Images.
    Images(Dataset),
    /// English-German text.
    Text,
}

/// Name of the data set of text.
const TEXT: &str = "wmt-en-de";

impl FromStr for Content {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "wmt" | "wmt14" | "wmtende" | "wmt14ende" => Ok(Self::Text),
            _ => name.parse().map(Self::Images).map_err(|e| match e {
                DataError::Argument { what, value, .. } => {
                    let expected = format!("cifar10, cifar100, imagenet or {TEXT}");
                    DataError::Argument { what, value, expected }
                }
                other => other,
            }),
        }
    }
}

/// Where data comes from.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Data set: cifar10 (the default), cifar100 or imagenet; for Transformers wmt-en-de
    #[arg(long)]
    dataset: Option<Content>,
    /// Where it comes from: auto (directory, then hub, then embedded), hub, dir, embedded
    #[arg(long = "data", default_value = "auto")]
    pub choice: DataChoice,
    /// Folder with the data set's files, for imagenet also an archive (also SWISH_DATA)
    #[arg(long, env = "SWISH_DATA", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    /// The folder as seen from anywhere, for other processes.
    pub fn absolute_dir(&self) -> Result<Option<PathBuf>> {
        let absolute = |dir: &PathBuf| std::path::absolute(dir).with_context(|| dir.display().to_string());
        self.data_dir.as_ref().map(absolute).transpose()
    }

    /// The data set of images.
    pub fn images(&self) -> Result<Dataset> {
        match self.dataset {
            Some(Content::Text) => bail!("{TEXT} is text, for Transformers: expected cifar10, cifar100 or imagenet"),
            Some(Content::Images(dataset)) => Ok(dataset),
            None => Ok(Dataset::Cifar10),
        }
    }

    /// Loads text and says where it came from.
    pub fn text(&self, sets: &TextSets) -> Result<Corpus> {
        let corpus = self.open_text(sets)?;
        eprintln!("{}", corpus.note);
        Ok(corpus)
    }

    /// Loads text.
    pub fn open_text(&self, sets: &TextSets) -> Result<Corpus> {
        if let Some(Content::Images(dataset)) = self.dataset {
            bail!("{dataset} has images, and Transformers translate: expected {TEXT}");
        }
        let TextSets { sets, eval_sets } = sets.clone();
        Ok(text::load(&TextOptions { data: self.options(), sets, eval: eval_sets })?)
    }

    /// As the library takes them.
    pub fn options(&self) -> DataOptions {
        DataOptions {
            choice: self.choice,
            dir: self.data_dir.clone(),
            cache: DataOptions::default_cache(),
            require_real: false,
        }
    }

    /// Loads the data and says where it came from.
    pub fn load(&self) -> Result<Data> {
        let data = self.open()?;
        eprintln!("{}", data.note());
        Ok(data)
    }

    /// Loads the data.
    pub fn open(&self) -> Result<Data> {
        Ok(Data::open(self.images()?, self.options())?)
    }
}

/// Which sets of text.
#[derive(Clone, Debug, clap::Args)]
pub struct TextSets {
    /// Transformers: only these training sets, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "S,S,..")]
    pub sets: Vec<String>,
    /// Transformers: these evaluation sets, separated by commas, the development set first; without it newstest2013 to 2016, or what the
    /// data have instead
    #[arg(long, value_delimiter = ',', value_name = "S,S,..")]
    pub eval_sets: Vec<String>,
}

/// Refuses flags that the model has no use for: each with whether it was given, and what it is `meant` for.
pub fn refuse(flags: &[(&str, bool)], meant: &str, model: &str) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => bail!("{flag} is for {meant}, and {model} is none of them"),
        None => Ok(()),
    }
}

/// How a Transformer translates.
#[derive(Clone, Debug, clap::Args)]
pub struct BeamArgs {
    /// Transformers: hypotheses kept a sentence
    #[arg(long, default_value = "4")]
    beam: NonZeroUsize,
    /// Transformers: the likeliest token at each step, as --beam 1
    #[arg(long, conflicts_with = "beam")]
    pub greedy: bool,
    /// Transformers: tokenizer.json of the weights, where it does not lie beside them
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
}

impl BeamArgs {
    /// As the library takes it.
    pub fn search(&self) -> Beam {
        Beam { width: if self.greedy { 1 } else { self.beam.get() }, ..Search::default().into() }
    }
}

/// Says how far downloads are, a line every tenth part of a file.
pub fn download_progress() -> impl FnMut(&str, u64, u64) {
    let mut last = 0;
    move |file: &str, done: u64, total: u64| {
        let percent = (100 * done).checked_div(total).unwrap_or(0);
        if percent >= last + 10 || percent < last {
            eprintln!("{file}: {percent} % of {} MiB", total >> 20);
            last = percent;
        }
    }
}

/// Where weights come from.
#[derive(Clone, Debug)]
pub enum Weights {
    /// A file of this machine.
    File(PathBuf),
    /// A repository of the hub.
    Hub(Published),
}

impl FromStr for Weights {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        text.strip_prefix("hub:").map_or_else(|| Ok(Self::File(text.into())), |place| Ok(Self::Hub(place.parse()?)))
    }
}

impl Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Hub(place) => write!(f, "hub:{place}"),
        }
    }
}

impl Weights {
    /// The file, downloaded where it has to be.
    pub fn file(&self) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Hub(place) => Ok(place.weights(&mut download_progress())?),
        }
    }
}

/// Where to compute.
#[derive(clap::Args)]
pub struct ComputeArgs {
    /// cpu, or cuda:N in a build with CUDA
    #[arg(long, default_value = "cpu")]
    device: Compute,
    /// CPU threads; all cores unless given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

impl ComputeArgs {
    /// The device.
    pub fn device(&self) -> Compute {
        self.device
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.workers().get()
    }

    /// The number of threads of each of so many processes.
    pub fn threads_of(&self, processes: usize) -> usize {
        self.threads.map_or_else(|| (self.threads() / processes.max(1)).max(1), NonZeroUsize::get)
    }

    /// The number of threads, for those who want no 0.
    pub fn workers(&self) -> NonZeroUsize {
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(all)
    }
}
