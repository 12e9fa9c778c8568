//! `swish bench translate`: beam search.

use super::text;
use crate::args::{ComputeArgs, Whole};
use anyhow::Result;
use swish_train::cell::Precision;
use swish_train::jobs::with_threads;

/// Time the translation of random sentences of 32 tokens: one JSON line
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish bench translate --model transformer_base --batch 64 --precision bf16")]
pub struct Args {
    /// Transformer, as `swish models` lists them
    #[arg(long)]
    pub model: String,
    /// Activation: a name or an expression
    #[arg(long, default_value = "swish")]
    pub activation: String,
    /// Sentences
    #[arg(long, default_value_t = 32, value_parser = Whole(1..=1_000_000))]
    pub batch: usize,
    /// How often they are translated and timed, after once that is not
    #[arg(long, default_value_t = 3, value_parser = Whole(1..=1_000_000))]
    pub steps: usize,
    /// Hypotheses kept a sentence; 1 is greedy
    #[arg(long, default_value_t = 4, value_parser = Whole(1..=64))]
    pub beam: usize,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    let threads = args.compute.threads();
    with_threads(threads, || text::translate(&args, threads))?
}
