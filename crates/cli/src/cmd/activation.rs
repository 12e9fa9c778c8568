//! `swish activation`: a function looked at.

use crate::args::say;
use anyhow::Result;
use serde_json::json;
use swish_core::activation::Activation;

/// Show an activation function: canonical form, parameters, value and derivative
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  swish activation swish --at -2,0,2\n  swish activation 'max(x, sin(x))' --json")]
pub struct Args {
    /// A name (relu, gelu, swish, ...) or any expression of the search space
    expr: String,
    /// Points at which to evaluate, separated by commas; parameters have their initial values
    #[arg(long, value_name = "X,X,..", value_delimiter = ',', allow_hyphen_values = true)]
    at: Vec<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    let activation: Activation = args.expr.parse()?;
    let initial: Vec<f64> = activation.params().iter().map(|p| p.init).collect();
    let points: Vec<_> = args.at.iter().map(|&x| (x, activation.grad(x, &initial))).collect();
    if args.json {
        let params: Vec<_> = activation.params().iter().map(|p| json!({"name": p.name, "init": p.init})).collect();
        let points: Vec<_> = points
            .iter()
            .map(|(x, g)| json!({"x": x, "value": g.value, "derivative": g.dx, "d_params": g.dparams}))
            .collect();
        return say(json!({
            "name": activation.name(),
            "formula": activation.formula(),
            "canonical": activation.canonical(),
            "id": activation.id(),
            "params": params,
            "at": points,
        }));
    }
    if let Some(name) = activation.name() {
        say(format_args!("name        {name}"))?;
    }
    say(format_args!("formula     {}", activation.formula()))?;
    say(format_args!("canonical   {}", activation.canonical()))?;
    say(format_args!("id          {}", activation.id()))?;
    for p in activation.params() {
        say(format_args!("parameter   {}, one a channel, {} at the start", p.name, p.init))?;
    }
    if !points.is_empty() {
        say(format_args!("{:>14} {:>22} {:>22}", "x", "f(x)", "f'(x)"))?;
        for (x, g) in points {
            say(format_args!("{x:>14} {:>22.15e} {:>22.15e}", g.value, g.dx))?;
        }
    }
    Ok(())
}
