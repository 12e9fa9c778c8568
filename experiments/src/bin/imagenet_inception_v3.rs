//! Table 9 of the paper: nine activations in Inception-v3 on ImageNet.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, ImageNetTable, run};
use swish_train::recipes::ImageNetModel;

const TABLE: ImageNetTable = ImageNetTable {
    experiment: "imagenet-inception-v3",
    number: 9,
    model: ImageNetModel::InceptionV3,
    title: "Inception-v3",
    runs: 1,
    curves: None,
};

/// Table 9: nine activations x three learning rates in Inception-v3
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  imagenet_inception_v3 --profile reduced --data-dir DIR --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    imagenet: ImageNetArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&TABLE, &Args::parse().imagenet))
}
