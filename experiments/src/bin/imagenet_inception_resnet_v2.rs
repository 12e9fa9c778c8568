//! Table 7 of the paper: nine activations in Inception-ResNet-v2 on ImageNet, three runs of each.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, ImageNetTable, run};
use swish_train::recipes::ImageNetModel;

const TABLE: ImageNetTable = ImageNetTable {
    experiment: "imagenet-inception-resnet-v2",
    number: 7,
    model: ImageNetModel::InceptionResNetV2,
    title: "Inception-ResNet-v2",
    runs: 3,
    curves: None,
};

/// Table 7: nine activations x three learning rates in Inception-ResNet-v2
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  imagenet_inception_resnet_v2 --profile reduced --data-dir DIR --activations 'relu;swish'"
)]
struct Args {
    #[command(flatten)]
    imagenet: ImageNetArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&TABLE, &Args::parse().imagenet))
}
