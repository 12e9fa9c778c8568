//! `swish data`: getting data sets.

use crate::args::say;
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
    /// cifar10 or cifar100
    #[arg(long)]
    dataset: Dataset,
    /// Also copy the files to this folder, in the layout that --data-dir reads
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let What::Fetch(args) = args.what;
    let mut last = 0;
    let mut progress = |file: &str, done: u64, total: u64| {
        let percent = (100 * done).checked_div(total).unwrap_or(0);
        if percent >= last + 10 || percent < last {
            eprintln!("{file}: {percent} % of {} MiB", total >> 20);
            last = percent;
        }
    };
    let fetched = swish_data::fetch(args.dataset, args.to.as_deref(), &mut progress)?;
    say(fetched.note)?;
    for file in fetched.files {
        say(file.display())?;
    }
    Ok(())
}
