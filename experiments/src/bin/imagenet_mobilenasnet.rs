//! Table 6 of the paper, and its Figure 8: nine activations in Mobile NASNet-A on ImageNet, three runs of each.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, ImageNetTable, run};
use swish_train::recipes::ImageNetModel;

const TABLE: ImageNetTable = ImageNetTable {
    experiment: "imagenet-mobilenasnet",
    number: 6,
    model: ImageNetModel::MobileNasNetA,
    title: "Mobile NASNet-A",
    runs: 3,
    curves: Some(8),
};

/// Table 6 and Figure 8: nine activations x three learning rates in Mobile NASNet-A
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  imagenet_mobilenasnet --profile reduced --data-dir DIR --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    imagenet: ImageNetArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&TABLE, &Args::parse().imagenet))
}
