//! `swish data`: getting data sets.

use crate::args::{download_progress, say};
use anyhow::Result;
use std::path::PathBuf;
use swish_data::Dataset;

/// Get data sets
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Fetch(FetchArgs),
}

/// Download a data set from the hub and check all of it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish data fetch --dataset cifar10")]
struct FetchArgs {
    /// cifar10, cifar100 or imagenet (150 GB; its terms have to be accepted on the hub first, see data/README.md)
    #[arg(long)]
    dataset: Dataset,
    /// Also copy the files to this folder, in the layout that --data-dir reads
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let What::Fetch(args) = args.what;
    let fetched = swish_data::fetch(args.dataset, args.to.as_deref(), &mut download_progress())?;
    say(fetched.note)?;
    for file in fetched.files {
        say(file.display())?;
    }
    Ok(())
}
