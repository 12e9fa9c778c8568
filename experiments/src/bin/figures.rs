//! Figures 4 to 7 of the paper, and Figure 8 from the runs of Table 6 where they are there. Figure 3 is made with Tables 1 and 2.

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use swish_experiments::args::TableArgs;
use swish_experiments::figures::{betas, preactivations, swish_and_derivatives};
use swish_experiments::imagenet::MOBILE_NASNET_A;

/// Figures 4 to 7: Swish, its derivative, preactivations of ResNet-32, trained betas of Mobile NASNet-A
#[derive(Parser)]
#[command(version, after_help = "Example:\n  figures --profile reduced --data-dir DIR --only 4,5,6")]
struct Args {
    #[command(flatten)]
    table: TableArgs,
    /// Only these figures, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "N,N,..", value_parser = clap::value_parser!(u8).range(4..=8))]
    only: Vec<u8>,
    /// Weights of a Mobile NASNet-A with Swish for Figure 7, instead of training one
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let wanted = |number: u8| args.only.is_empty() || args.only.contains(&number);
    let mut written = Vec::new();
    if wanted(4) || wanted(5) {
        written.extend(swish_and_derivatives(&args.table)?);
    }
    if wanted(6) {
        written.extend(preactivations(&args.table)?);
    }
    if wanted(7) {
        written.extend(betas(&args.table, args.weights.as_deref())?);
    }
    if wanted(8) {
        let curves = MOBILE_NASNET_A.curves_of_records(&args.table)?;
        if curves.is_empty() {
            eprintln!("Figure 8 is left out: there are no runs of Table 6 yet (make imagenet-mobilenasnet)");
        }
        written.extend(curves);
    }
    for file in written {
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}
