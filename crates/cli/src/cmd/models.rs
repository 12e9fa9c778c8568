//! `swish models`: every model with its size.

use crate::args::{CLASSES, say};
use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::sync::Arc;
use swish_core::activation::Activation;
use swish_core::models::{MODELS, Net};
use swish_core::nn::Pass;
use swish_core::nn::pass::Tally;

/// List the models: parameters, multiply-adds, activation sites
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish models --classes 100")]
pub struct Args {
    /// Number of classes
    #[arg(long, default_value_t = 10, value_parser = CLASSES)]
    classes: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    if !args.json {
        let title = format!(
            "{:<24}{:>12}{:>16}{:>7}{:>11}  {}",
            "model", "parameters", "MACs/example", "sites", "channels", "what it is"
        );
        say(title)?;
    }
    let mut rows = Vec::new();
    for info in MODELS {
        let net = Net::new(info, &Activation::named("relu")?, args.classes, 0, DType::F32, &Device::Cpu)?;
        let [c, h, w] = info.input;
        let tally = Arc::new(Tally::default());
        let pass = Pass { tally: Some(tally.clone()), ..Pass::eval() };
        net.forward(&Tensor::zeros((1, h, w, c), DType::F32, &Device::Cpu)?, &pass)?;
        let (params, sites) = (net.params.count(), net.params.sites.len());
        let channels: usize = net.params.sites.iter().map(|s| s.channels).sum();
        if args.json {
            rows.push(json!({
                "name": info.name, "about": info.about, "input": info.input, "classes": args.classes,
                "params": params, "macs": tally.macs(), "activation_sites": sites, "activation_channels": channels,
            }));
        } else {
            let name = info.name;
            say(format_args!("{name:<24}{params:>12}{:>16}{sites:>7}{channels:>11}  {}", tally.macs(), info.about))?;
        }
    }
    if args.json { say(serde_json::Value::Array(rows)) } else { Ok(()) }
}
