//! Table 11 of the paper: nine activations in a Transformer on English-German translation.

use clap::Parser;
use std::process::ExitCode;
use swish_experiments::translation::{TranslationArgs, run};

/// Table 11: nine activations x two learning rates in a Transformer that translates English into German
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  wmt_transformer --profile reduced --activations 'relu;swish'\n  wmt_transformer --profile paper --data-dir DIR --layers 6"
)]
struct Args {
    #[command(flatten)]
    translation: TranslationArgs,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse().translation))
}
