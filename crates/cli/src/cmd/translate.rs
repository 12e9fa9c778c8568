//! `swish translate`: lines of English on standard input, their German on standard output.

use crate::args::{AnyModel, BeamArgs, ComputeArgs, Weights};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, IsTerminal, Write};
use swish_core::models::transformer::Beam;
use swish_train::cell::Precision;
use swish_train::jobs::with_threads;
use swish_train::translation::Translator;

/// Lines translated at a time: enough that sentences of like length stand side by side, few enough to be waited for.
const LINES: usize = 512;

/// Translate lines from standard input with trained weights, a line each
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  echo 'A dog runs.' | swish translate --model transformer-small --activation swish --weights results/runs/ID/model.safetensors\n\nThe tokenizer is the file tokenizer.json beside the weights, or that of --tokenizer. Empty lines stay empty."
)]
pub struct Args {
    /// Transformer, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Weights: a safetensors file, or hub:OWNER/NAME or hub:OWNER/NAME@REVISION for its model.safetensors
    #[arg(long)]
    weights: Weights,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    beam: BeamArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    let info = match AnyModel::find(&args.model)? {
        AnyModel::Text(info) => info,
        AnyModel::Images(info) => bail!("{} takes images: expected a Transformer", info.name),
    };
    let (activation, file) = (args.activation.parse()?, args.weights.file()?);
    with_threads(args.compute.threads(), || {
        let (tokenizer, device) = (args.beam.tokenizer.as_deref(), args.compute.device());
        let mut translator = Translator::open(info.name, &activation, &file, tokenizer, args.precision, device)?;
        translate(&mut translator, &args.beam.search())
    })?
}

fn translate(translator: &mut Translator, beam: &Beam) -> Result<()> {
    let input = std::io::stdin();
    // Whoever types waits for every line.
    let at_once = if input.is_terminal() { 1 } else { LINES };
    let mut lines = input.lock().lines().enumerate();
    loop {
        let line = |(n, line): (usize, std::io::Result<String>)| {
            line.with_context(|| format!("standard input: line {}", n + 1))
        };
        let some = lines.by_ref().take(at_once).map(line).collect::<Result<Vec<_>>>()?;
        if some.is_empty() {
            return Ok(());
        }
        let translations = translator.translate(some.iter().map(String::as_str), beam)?;
        let mut output = std::io::stdout().lock();
        translations.iter().try_for_each(|line| writeln!(output, "{line}")).context("standard output")?;
        output.flush().context("standard output")?;
    }
}
