//! `swish export`: a function taken home.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::PathBuf;
use swish_core::activation::Activation;
use swish_core::activation::export::{Precision, Target, export};

/// Write an activation function as code of another program, with its derivative and trainable parameters
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish export swish --to pytorch --output swish.py\n  swish export 'max(x, sin(x))' --to cuda --name wave --precision f64"
)]
pub struct Args {
    /// A name (relu, gelu, swish, ...) or any expression of the search space
    expr: String,
    /// pytorch, jax, tensorflow, cuda, c or candle
    #[arg(long, value_name = "TARGET")]
    to: Target,
    /// Name of the function, in `snake_case`; types are called by it in `CamelCase`
    #[arg(long)]
    name: Option<String>,
    /// f32 or f64, for c and cuda; the others take the type of their input
    #[arg(long)]
    precision: Option<String>,
    /// File to write; standard output unless given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let precision = match args.precision.as_deref() {
        None => Precision::default(),
        Some(_) if !args.to.has_precision() => {
            bail!("--precision is for c and cuda; {} has that of its input", args.to)
        }
        Some("f32") => Precision::F32,
        Some("f64") => Precision::F64,
        Some(other) => bail!("--precision {other}: expected f32 or f64"),
    };
    let activation: Activation = args.expr.parse()?;
    let code = export(&activation, args.to, args.name.as_deref(), precision)?;
    match &args.output {
        Some(file) => {
            swish_record::write_atomic(file, code)?;
            eprintln!("wrote {}", file.display());
            Ok(())
        }
        None => std::io::stdout().write_all(code.as_bytes()).context("standard output"),
    }
}
