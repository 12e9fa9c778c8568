//! Table 8 of the paper: nine activations in MobileNet on ImageNet.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, ImageNetTable, run};
use swish_train::recipes::ImageNetModel;

const TABLE: ImageNetTable = ImageNetTable {
    experiment: "imagenet-mobilenet",
    number: 8,
    model: ImageNetModel::MobileNet,
    title: "MobileNet",
    runs: 1,
    curves: None,
};

/// Table 8: nine activations x three learning rates in MobileNet
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  imagenet_mobilenet --profile reduced --data-dir DIR --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    imagenet: ImageNetArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&TABLE, &Args::parse().imagenet))
}
