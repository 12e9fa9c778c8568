//! Table 6 of the paper, and its Figure 8: nine activations in Mobile NASNet-A on ImageNet, three runs of each.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::imagenet::{ImageNetArgs, MOBILE_NASNET_A, run};

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
    swish_experiments::exit(run(&MOBILE_NASNET_A, &Args::parse().imagenet))
}
