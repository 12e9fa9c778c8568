//! `swish models`: every model with its size.

use crate::args::{CLASSES, say};
use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::sync::Arc;
use swish_core::activation::Activation;
use swish_core::models::transformer::{EOS, TRANSFORMERS, TextBatch, Transformer};
use swish_core::models::{MODELS, Net};
use swish_core::nn::pass::Tally;
use swish_core::nn::{Pass, Size};

/// List the models: parameters (without and with the auxiliary head), multiply-adds and activation sites (without it)
///
/// An example of the Transformers is a pair of sentences of 32 tokens each.
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
    for row in images(args.classes).chain(texts()) {
        let Row { name, about, input, classes, macs, main, aux } = row?;
        if args.json {
            rows.push(json!({
                "name": name, "about": about, "input": input, "classes": classes, "macs": macs,
                "params": main.params, "activation_sites": main.sites, "activation_channels": main.channels,
                "norm_statistics": main.statistics, "aux_params": aux.params, "aux_activation_sites": aux.sites,
                "aux_activation_channels": aux.channels, "aux_norm_statistics": aux.statistics,
            }));
        } else {
            let size = match input[..] {
                [_, h, w] => format!("{h}x{w}"),
                _ => "text".into(),
            };
            say(format_args!(
                "{name:<29}{size:>7}{:>12}{:>12}{macs:>16}{:>7}{:>11}  {about}",
                main.params,
                if aux.params > 0 { (main.params + aux.params).to_string() } else { String::new() },
                main.sites,
                main.channels,
            ))?;
        }
    }
    if args.json { say(serde_json::Value::Array(rows)) } else { Ok(()) }
}

/// One model.
struct Row {
    name: &'static str,
    about: &'static str,
    /// Channels, height and width of images; tokens of source and target.
    input: Vec<usize>,
    /// Classes, or ids of the vocabulary.
    classes: usize,
    /// Multiply-adds of one example.
    macs: u64,
    main: Size,
    aux: Size,
}

fn images(classes: Option<usize>) -> impl Iterator<Item = Result<Row>> {
    MODELS.iter().map(move |info| {
        let classes = classes.unwrap_or(info.classes);
        let net = Net::undrawn(info, &Activation::named("relu")?, classes, DType::F32, &Device::Cpu)?;
        let [c, h, w] = info.input;
        let (pass, tally) = counted();
        net.forward(&Tensor::zeros((1, h, w, c), DType::F32, &Device::Cpu)?, &pass)?;
        let (main, aux) = (net.params.size(false), net.params.size(true));
        Ok(Row { name: info.name, about: info.about, input: info.input.into(), classes, macs: tally.macs(), main, aux })
    })
}

/// Tokens of a sentence of the Transformers' example.
const TOKENS: usize = 32;

fn texts() -> impl Iterator<Item = Result<Row>> {
    TRANSFORMERS.iter().map(|info| {
        let model = Transformer::undrawn(&info.config, &Activation::named("relu")?, DType::F32, &Device::Cpu)?;
        let ids = vec![EOS; TOKENS];
        let (pass, tally) = counted();
        model.logits(&TextBatch { n: 1, src_len: TOKENS, tgt_len: TOKENS, src: ids.clone(), tgt: ids }, &pass)?;
        let (main, aux) = (model.params.size(false), model.params.size(true));
        let (input, classes) = (vec![TOKENS; 2], info.config.vocab);
        Ok(Row { name: info.name, about: info.about, input, classes, macs: tally.macs(), main, aux })
    })
}

/// A pass that counts multiply-adds.
fn counted() -> (Pass, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    (Pass { tally: Some(tally.clone()), ..Pass::eval() }, tally)
}
