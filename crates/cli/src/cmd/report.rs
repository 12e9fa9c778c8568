//! `swish report`: the results as one page.

use crate::args::say;
use anyhow::{Result, bail};
use std::path::PathBuf;
use swish_record::write_atomic;
use swish_report::Report;

/// Write all results as one page that needs no network: tables, figures, speed, searches
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish report --results results --output results/index.html\n\nShows what lies in DIR/tables, DIR/figures, DIR/bench and DIR/search; for what is missing, the paper's numbers and the command that makes it."
)]
pub struct Args {
    /// Folder of results
    #[arg(long, default_value = "results", value_name = "DIR")]
    results: PathBuf,
    /// The page; DIR/index.html unless given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    if !args.results.is_dir() {
        bail!("{}: no folder of results", args.results.display());
    }
    let output = args.output.unwrap_or_else(|| args.results.join("index.html"));
    let report = Report::read(&args.results)?;
    let page = report.html()?;
    write_atomic(&output, &page)?;
    say(format_args!("{}: {}, {} KiB", output.display(), report.summary(), page.len() >> 10))
}
