//! Table 3 of the paper: on how many models Swish is better than, equal to, or worse than each baseline, counted from the tables that
//! are there.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use swish_record::{overview, table};

/// Table 3: count from results/tables on how many models Swish is better, equal or worse
#[derive(Parser)]
#[command(version, after_help = "Example:\n  table_overview --results results")]
struct Args {
    /// Folder of results
    #[arg(long, default_value = "results")]
    results: PathBuf,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let overviews = overview::of_tables(&table::read_folder(&args.results)?);
    if overviews.is_empty() {
        bail!(
            "{}: no tables with runs of Tables 4 to 11: make table-cifar makes two",
            args.results.join("tables").display()
        );
    }
    for overview in overviews {
        let files = overview.write(&args.results)?;
        writeln!(std::io::stdout(), "{}", overview.markdown()).context("standard output")?;
        for file in files {
            eprintln!("wrote {}", file.display());
        }
    }
    Ok(())
}
