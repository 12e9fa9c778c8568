//! Tables 4 and 5 of the paper: nine activations in ResNet-164, WRN-28-10 and DenseNet-100-12, on CIFAR-10 and CIFAR-100.

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;
use swish_data::Dataset;
use swish_experiments::args::{ROWS, rows};
use swish_experiments::cifar::{self, CifarArgs, CifarTable};

/// Tables 4 and 5: nine activations x three models on CIFAR-10 and CIFAR-100
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  table_cifar --profile reduced --data-dir DIR --models resnet-164 --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    cifar: CifarArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse().cifar))
}

fn run(args: &CifarArgs) -> Result<()> {
    let table =
        |number, dataset| Ok::<_, anyhow::Error>(CifarTable { number, dataset, activations: rows(ROWS)?, ending: "" });
    cifar::run("table-cifar", &[table(4, Dataset::Cifar10)?, table(5, Dataset::Cifar100)?], args)
}
