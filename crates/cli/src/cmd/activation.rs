//! `swish activation`: a function looked at.

use crate::args::say;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::PathBuf;
use swish_core::activation::{Activation, Grad};
use swish_search::plots::functions_and_derivatives;

/// Show activation functions: canonical form, parameters, value and derivative
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish activation swish --at -2,0,2\n  swish activation 'max(x, sin(x))' --json\n  swish activation swish relu gelu --plot functions.svg"
)]
pub struct Args {
    /// Names (relu, gelu, swish, ...) or any expressions of the search space
    #[arg(required = true)]
    exprs: Vec<String>,
    /// Points at which to evaluate, separated by commas; parameters have their initial values
    #[arg(long, value_name = "X,X,..", value_delimiter = ',', allow_hyphen_values = true)]
    at: Vec<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the functions and their derivatives into a file, .svg or .png
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let activations = args.exprs.iter().map(|expr| expr.parse()).collect::<Result<Vec<Activation>, _>>()?;
    if activations.len() > MOST_IN_A_PLOT && args.plot.is_some() {
        bail!("--plot: {} functions, at most {MOST_IN_A_PLOT} can be told apart", activations.len());
    }
    match (&activations[..], args.json) {
        ([activation], true) => say(json(activation, &args.at))?,
        (all, true) => say(all.iter().map(|activation| json(activation, &args.at)).collect::<Value>())?,
        (all, false) => {
            for (n, activation) in all.iter().enumerate() {
                if n > 0 {
                    say("")?;
                }
                show(activation, &args.at)?;
            }
        }
    }
    if let Some(file) = &args.plot {
        let title = match &activations[..] {
            [activation] => format!("f(x) = {}", activation.formula()),
            _ => "Activation functions".into(),
        };
        functions_and_derivatives(&title, &activations).write_file(file)?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

/// Lines differ in colour and dash up to here.
const MOST_IN_A_PLOT: usize = 15;

/// Value and derivatives at each point, parameters at their initial values.
fn points(activation: &Activation, at: &[f64]) -> Vec<(f64, Grad)> {
    at.iter().map(|&x| (x, activation.grad(x, &[]))).collect()
}

fn json(activation: &Activation, at: &[f64]) -> Value {
    let params: Vec<_> = activation.params().iter().map(|p| json!({"name": p.name, "init": p.init})).collect();
    let points: Vec<_> = points(activation, at)
        .iter()
        .map(|(x, g)| json!({"x": x, "value": g.value, "derivative": g.dx, "d_params": g.dparams}))
        .collect();
    json!({
        "name": activation.name(),
        "formula": activation.formula(),
        "canonical": activation.canonical(),
        "id": activation.id(),
        "params": params,
        "at": points,
    })
}

fn show(activation: &Activation, at: &[f64]) -> Result<()> {
    if let Some(name) = activation.name() {
        say(format_args!("name        {name}"))?;
    }
    say(format_args!("formula     {}", activation.formula()))?;
    say(format_args!("canonical   {}", activation.canonical()))?;
    say(format_args!("id          {}", activation.id()))?;
    for p in activation.params() {
        say(format_args!("parameter   {}, one a channel, {} at the start", p.name, p.init))?;
    }
    if !at.is_empty() {
        say(format_args!("{:>14} {:>22} {:>22}", "x", "f(x)", "f'(x)"))?;
        for (x, g) in points(activation, at) {
            say(format_args!("{x:>14} {:>22.15e} {:>22.15e}", g.value, g.dx))?;
        }
    }
    Ok(())
}
