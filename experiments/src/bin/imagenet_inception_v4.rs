//! Table 10 of the paper: nine activations in Inception-v4 on ImageNet.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, ImageNetTable, run};
use swish_train::recipes::ImageNetModel;

const TABLE: ImageNetTable = ImageNetTable {
    experiment: "imagenet-inception-v4",
    number: 10,
    model: ImageNetModel::InceptionV4,
    title: "Inception-v4",
    runs: 1,
    curves: None,
};

/// Table 10: nine activations x three learning rates in Inception-v4
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  imagenet_inception_v4 --profile reduced --data-dir DIR --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    imagenet: ImageNetArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&TABLE, &Args::parse().imagenet))
}
