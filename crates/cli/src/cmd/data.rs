//! `swish data`: getting data sets, and looking at them.

use crate::args::{Content, download_progress, say};
use anyhow::Result;
use std::path::PathBuf;
use swish_data::text::{self, Bitext, Corpus, TextOptions};
use swish_data::{Data, DataChoice, DataOptions};

/// Get data sets, and look at them
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Fetch(FetchArgs),
    Show(ShowArgs),
}

/// Download a data set from the hub and check all of it
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  swish data fetch --dataset cifar10\n  swish data fetch --dataset wmt14 --to data")]
struct FetchArgs {
    /// cifar10, cifar100, imagenet (150 GB; its terms have to be accepted on the hub first, see data/README.md) or wmt14 (0.8 GB)
    #[arg(long)]
    dataset: Content,
    /// Also copy the files to this folder, in the layout that --data-dir reads
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Say which data a run would get and how much it is
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish data show --dataset wmt14 --data-dir data\n  swish data show --dataset wmt14 --data-dir data --sets tatoeba,multi30k"
)]
struct ShowArgs {
    /// cifar10, cifar100, imagenet or wmt14
    #[arg(long)]
    dataset: Content,
    /// Where it comes from: auto (directory, then hub, then embedded), hub, dir, embedded
    #[arg(long = "data", default_value = "auto")]
    choice: DataChoice,
    /// Folder with the data set's files (also SWISH_DATA)
    #[arg(long, env = "SWISH_DATA", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Of text only these training sets, by name; all unless given
    #[arg(long, value_delimiter = ',', value_name = "SET,SET,..")]
    sets: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Fetch(args) => fetch(&args),
        What::Show(args) => show(args),
    }
}

fn fetch(args: &FetchArgs) -> Result<()> {
    let (to, mut progress) = (args.to.as_deref(), download_progress());
    let fetched = match args.dataset {
        Content::Images(dataset) => swish_data::fetch(dataset, to, &mut progress)?,
        Content::Text => text::fetch(to, &mut progress)?,
    };
    say(fetched.note)?;
    for file in fetched.files {
        say(file.display())?;
    }
    Ok(())
}

fn show(args: ShowArgs) -> Result<()> {
    let cache = DataOptions::default_cache();
    let data = DataOptions { choice: args.choice, dir: args.data_dir, cache, require_real: false };
    match args.dataset {
        Content::Text => show_text(&text::load(&TextOptions { sets: args.sets, ..TextOptions::new(data) })?),
        Content::Images(_) if !args.sets.is_empty() => {
            anyhow::bail!("--sets chooses among sets of text; images have none")
        }
        Content::Images(dataset) => say(Data::open(dataset, data)?.note()),
    }
}

/// The line of the history, then a line a set.
fn show_text(corpus: &Corpus) -> Result<()> {
    say(&corpus.note)?;
    say("set\tname\tpairs\ten words\tde words")?;
    for (part, sets) in [("train", &corpus.train), ("eval", &corpus.eval)] {
        for Bitext { name, en, de } in sets {
            let [en_words, de_words] =
                [en, de].map(|side| side.iter().map(|line| line.split_whitespace().count()).sum::<usize>());
            say(format_args!("{part}\t{name}\t{}\t{en_words}\t{de_words}", en.len()))?;
        }
    }
    Ok(())
}
