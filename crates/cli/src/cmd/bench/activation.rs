//! `swish bench activation`: an activation function alone, as the kernels run it.

use super::machine::{cpu, peak_rss_mib, simd};
use super::times::Times;
use crate::args::{ComputeArgs, Whole, say};
use anyhow::{Result, bail};
use serde_json::json;
use std::time::Instant;
use swish_core::activation::Activation;
use swish_kernels::act;
use swish_kernels::rng::Rng;
use swish_record::provenance;
use swish_train::jobs::with_threads;

/// Time an activation function on random numbers, nanoseconds an element: one JSON line
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish bench activation 'max(x, sin(x))' --elements 10000000")]
pub struct Args {
    /// Activation: a name or an expression
    expr: String,
    /// Elements at least; rounded up to whole rows of channels
    #[arg(long, default_value_t = 10_000_000, value_parser = Whole(1..=1_000_000_000))]
    elements: usize,
    /// Channels, each with its own value of every parameter
    #[arg(long, default_value_t = 16, value_parser = Whole(1..=65_536))]
    channels: usize,
    /// Repeats that count; three more warm up
    #[arg(long, default_value_t = 20, value_parser = Whole(1..=1_000_000))]
    repeats: usize,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    args.compute.device().cpu_only()?;
    let threads = args.compute.threads();
    with_threads(threads, || time(&args, threads))?
}

fn time(args: &Args, threads: usize) -> Result<()> {
    let activation: Activation = args.expr.parse()?;
    let program = activation.program();
    let channels = args.channels;
    let len = args.elements.next_multiple_of(channels);
    let mut rng = Rng::new(1);
    let xs: Vec<f32> = (0..len).map(|_| rng.normal() as f32).collect();
    let d_ys: Vec<f32> = (0..len).map(|_| rng.normal() as f32).collect();
    let params: Vec<f32> =
        activation.params().iter().flat_map(|p| std::iter::repeat_n(p.init as f32, channels)).collect();
    let (mut ys, mut d_xs, mut d_params) = (vec![0.0; len], vec![0.0; len], vec![0.0; params.len()]);

    let nanoseconds = |run: &mut dyn FnMut()| {
        let mut times = Vec::new();
        for i in 0..args.repeats + 3 {
            let start = Instant::now();
            run();
            if i >= 3 {
                times.push(start.elapsed().as_secs_f64() * 1e9 / len as f64);
            }
        }
        Times::of(times)
    };
    let forward = nanoseconds(&mut || act::forward(&program, channels, &xs, &params, &mut ys));
    let both = nanoseconds(&mut || {
        act::forward(&program, channels, &xs, &params, &mut ys);
        act::backward(&program, channels, &xs, &params, &d_ys, &mut d_xs, &mut d_params);
    });
    if !ys.iter().chain(&d_xs).chain(&d_params).all(|v| v.is_finite()) {
        bail!("{activation}: a value or a derivative is not finite: these times would mean nothing");
    }
    say(json!({
        "activation": activation.to_string(), "elements": len, "channels": channels, "repeats": args.repeats,
        "precision": "f32", "device": "cpu", "threads": threads,
        "ns_forward_median": forward.median, "ns_forward_p20": forward.p20, "ns_forward_p80": forward.p80,
        "ns_forward_backward_median": both.median, "ns_forward_backward_p20": both.p20,
        "ns_forward_backward_p80": both.p80, "peak_rss_mib": peak_rss_mib()?,
        "cpu": cpu(), "simd": simd(), "commit": provenance::commit(), "dirty": provenance::dirty(),
    }))
}
