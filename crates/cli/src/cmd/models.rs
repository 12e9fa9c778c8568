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

/// List the models: parameters (without and with the auxiliary head), multiply-adds and activation sites (without it)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish models --classes 100")]
pub struct Args {
    /// Number of classes; without it 10 for the models of CIFAR, 1000 for those of ImageNet
    #[arg(long, value_parser = CLASSES)]
    classes: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    if !args.json {
        let title = format!(
            "{:<29}{:>7}{:>12}{:>12}{:>16}{:>7}{:>11}  {}",
            "model", "image", "parameters", "+ aux. head", "MACs/example", "sites", "channels", "what it is"
        );
        say(title)?;
    }
    let mut rows = Vec::new();
    for info in MODELS {
        let classes = args.classes.unwrap_or(info.classes);
        let net = Net::undrawn(info, &Activation::named("relu")?, classes, DType::F32, &Device::Cpu)?;
        let [c, h, w] = info.input;
        let tally = Arc::new(Tally::default());
        let pass = Pass { tally: Some(tally.clone()), ..Pass::eval() };
        net.forward(&Tensor::zeros((1, h, w, c), DType::F32, &Device::Cpu)?, &pass)?;
        let (main, aux) = (net.params.size(false), net.params.size(true));
        if args.json {
            rows.push(json!({
                "name": info.name, "about": info.about, "input": info.input, "classes": classes, "macs": tally.macs(),
                "params": main.params, "activation_sites": main.sites, "activation_channels": main.channels,
                "norm_statistics": main.statistics, "aux_params": aux.params, "aux_activation_sites": aux.sites,
                "aux_activation_channels": aux.channels, "aux_norm_statistics": aux.statistics,
            }));
        } else {
            say(format_args!(
                "{:<29}{:>7}{:>12}{:>12}{:>16}{:>7}{:>11}  {}",
                info.name,
                format!("{h}x{w}"),
                main.params,
                if aux.params > 0 { (main.params + aux.params).to_string() } else { String::new() },
                tally.macs(),
                main.sites,
                main.channels,
                info.about
            ))?;
        }
    }
    if args.json { say(serde_json::Value::Array(rows)) } else { Ok(()) }
}
