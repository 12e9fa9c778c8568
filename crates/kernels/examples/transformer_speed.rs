//! Times of the Transformer's kernels at the sizes of the base model with 2,048 tokens, in f32 and with factors rounded to bfloat16.
//! `cargo run --release -p swish-kernels --example transformer_speed`; `RAYON_NUM_THREADS=1` for one core, `SWISH_SIMD` for other
//! instructions.
//!
//! A time is the best of several calls, packing of the weights included; rates count multiply-adds twice.

use std::time::Instant;

use swish_kernels::attention::{Attention, Grads, Inputs, Kept, Lanes};
use swish_kernels::conv::Operands;
use swish_kernels::linear::{LinearGrads, backward, forward};
use swish_kernels::rng::Rng;
use swish_kernels::vocabulary::Vocabulary;

const TOKENS: usize = 2048;
const LENGTH: usize = 32;
const HEADS: usize = 8;
const WIDTH: usize = 512;
const IDS: usize = 37_000;

/// Best of several runs, in milliseconds: what the code takes where nothing else runs.
fn measure(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while runs < 3 || (start.elapsed().as_secs_f64() < 0.5 && runs < 50) {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    best
}

fn drawn(len: usize, scale: f64) -> Vec<f32> {
    let mut rng = Rng::new(len as u64);
    (0..len).map(|_| (scale * rng.normal()) as f32).collect()
}

/// Prints milliseconds and GFLOP/s of each of `parts`.
fn report(name: &str, operands: Operands, parts: &[(&str, f64, f64)]) {
    let text: Vec<String> =
        parts.iter().map(|(part, ms, flops)| format!("{part} {ms:8.2} ms {:6.0}", flops / ms / 1e6)).collect();
    println!("{name:<20} {operands:?}\t{} GFLOP/s", text.join("  "));
}

fn linear(c_in: usize, c_out: usize, operands: Operands) {
    let (xs, weight, d_ys) = (drawn(TOKENS * c_in, 1.0), drawn(c_out * c_in, 0.05), drawn(TOKENS * c_out, 1.0));
    let (mut ys, mut d_xs, mut d_weight) = (d_ys.clone(), xs.clone(), weight.clone());
    let flops = 2.0 * (TOKENS * c_in * c_out) as f64;
    let there = measure(|| forward(TOKENS, c_in, c_out, &xs, &weight, None, &mut ys, operands));
    let back = measure(|| {
        let grads = LinearGrads { d_xs: Some(&mut d_xs), add: false, d_weight: &mut d_weight, d_bias: None };
        backward(TOKENS, c_in, c_out, &xs, &weight, &d_ys, grads, operands);
    });
    report(
        &format!("linear {c_in} -> {c_out}"),
        operands,
        &[("forward", there, flops), ("backward", back, 2.0 * flops)],
    );
}

fn attention(operands: Operands) {
    let (qkv, d_ys) = (drawn(TOKENS * 3 * WIDTH, 1.0), drawn(TOKENS * WIDTH, 1.0));
    let (mut ys, mut log_sums, mut d_qkv) = (d_ys.clone(), vec![0.0; TOKENS * HEADS], qkv.clone());
    let lengths = [LENGTH; TOKENS / LENGTH];
    let (size, queries, keys) = (WIDTH / HEADS, LENGTH, LENGTH);
    let shape = Attention { heads: HEADS, size, queries, keys, lengths: &lengths, causal: false, operands };
    let lanes = |i: usize| (&qkv[..], Lanes { stride: 3 * WIDTH, first: i * WIDTH });
    let inputs = Inputs { q: lanes(0), k: lanes(1), v: lanes(2) };
    let flops = 4.0 * (TOKENS * LENGTH * WIDTH) as f64;
    let there = measure(|| shape.forward(&inputs, &mut ys, &mut log_sums));
    let back = measure(|| {
        let kept = Kept { ys: &ys, log_sums: &log_sums };
        shape.backward(&inputs, &kept, &d_ys, Grads { d_q: &mut d_qkv, d_kv: None });
    });
    report("attention", operands, &[("forward", there, flops), ("backward", back, 2.5 * flops)]);
}

fn vocabulary(operands: Operands) {
    let (xs, weight) = (drawn(TOKENS * WIDTH, 1.0), drawn(IDS * WIDTH, 0.05));
    let labels: Vec<u32> = (0..TOKENS).map(|i| (i * 17 % IDS) as u32).collect();
    let (mut d_xs, mut d_weight) = (xs.clone(), weight.clone());
    let layer = Vocabulary { weight: &weight, width: WIDTH, smoothing: 0.1, operands };
    let flops = 2.0 * (TOKENS * WIDTH * IDS) as f64;
    let scored = layer.loss(&xs, &labels);
    let there = measure(|| drop(layer.loss(&xs, &labels)));
    let back = measure(|| layer.gradients(&xs, &labels, &scored, &mut d_xs, &mut d_weight));
    report("vocabulary", operands, &[("forward", there, flops), ("backward", back, 3.0 * flops)]);
}

fn main() {
    for operands in [Operands::Exact, Operands::Bf16] {
        for (c_in, c_out) in [(WIDTH, WIDTH), (WIDTH, 3 * WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)] {
            linear(c_in, c_out, operands);
        }
        attention(operands);
        vocabulary(operands);
    }
}
