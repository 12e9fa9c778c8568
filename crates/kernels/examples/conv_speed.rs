//! Times of the convolution kernels on the layers of CIFAR networks, in f32 and with factors rounded to bfloat16.
//! `cargo run --release -p swish-kernels --example conv_speed`; `RAYON_NUM_THREADS=1` for one core, `SWISH_SIMD` for other instructions.
//!
//! A time is the best of several calls of the whole-batch functions, packing of the weights included; the totals count every layer
//! as often as the network has it.

use std::time::Instant;

use swish_kernels::conv::{Conv2d, Operands, Pad, backward_data, backward_weight, forward};

/// Best of several runs, in milliseconds: what the code takes where nothing else runs.
fn measure(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while runs < 5 || (start.elapsed().as_secs_f64() < 0.3 && runs < 50) {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    best
}

/// A layer and how often its network has it.
struct Layer {
    count: usize,
    conv: Conv2d,
}

/// A depthwise layer for one image, which the caches hold as they do in a network's blocks.
fn depthwise(count: usize, size: usize, c: usize, k: usize, stride: usize) -> Layer {
    let Layer { conv, .. } = layer(count, 1, size, (c, c), k, stride);
    Layer { count, conv: Conv2d { groups: c, ..conv } }
}

fn layer(count: usize, n: usize, size: usize, (c_in, c_out): (usize, usize), k: usize, stride: usize) -> Layer {
    let conv = Conv2d {
        n,
        h: size,
        w: size,
        c_in,
        c_out,
        kh: k,
        kw: k,
        stride: (stride, stride),
        pad: Pad::same(k, k),
        groups: 1,
        operands: Operands::Exact,
    };
    Layer { count, conv }
}

/// ResNet-20 has every layer of its list; the lists of the other networks are samples, except WRN-28-10's.
fn networks() -> [(&'static str, Vec<Layer>); 7] {
    [
        (
            "ResNet-20",
            vec![
                layer(1, 128, 32, (3, 16), 3, 1),
                layer(6, 128, 32, (16, 16), 3, 1),
                layer(1, 128, 32, (16, 32), 3, 2),
                layer(5, 128, 16, (32, 32), 3, 1),
                layer(1, 128, 16, (32, 64), 3, 2),
                layer(5, 128, 8, (64, 64), 3, 1),
            ],
        ),
        (
            "ResNet-164, some layers",
            vec![
                layer(1, 128, 32, (64, 16), 1, 1),
                layer(1, 128, 32, (16, 64), 1, 1),
                layer(1, 128, 8, (256, 64), 1, 1),
            ],
        ),
        ("DenseNet, some layers", vec![layer(1, 128, 32, (216, 48), 1, 1), layer(1, 128, 32, (48, 12), 3, 1)]),
        (
            "WRN-28-10",
            vec![
                layer(1, 32, 32, (3, 16), 3, 1),
                layer(1, 32, 32, (16, 160), 3, 1),
                layer(1, 32, 32, (16, 160), 1, 1),
                layer(7, 32, 32, (160, 160), 3, 1),
                layer(1, 32, 32, (160, 320), 3, 2),
                layer(1, 32, 32, (160, 320), 1, 2),
                layer(7, 32, 16, (320, 320), 3, 1),
                layer(1, 32, 16, (320, 640), 3, 2),
                layer(1, 32, 16, (320, 640), 1, 2),
                layer(7, 32, 8, (640, 640), 3, 1),
            ],
        ),
        (
            "MobileNet, depthwise",
            vec![
                depthwise(1, 112, 32, 3, 1),
                depthwise(1, 112, 64, 3, 2),
                depthwise(1, 56, 128, 3, 1),
                depthwise(1, 56, 128, 3, 2),
                depthwise(1, 28, 256, 3, 1),
                depthwise(1, 28, 256, 3, 2),
                depthwise(5, 14, 512, 3, 1),
                depthwise(1, 14, 512, 3, 2),
                depthwise(1, 7, 1024, 3, 1),
            ],
        ),
        (
            "NASNet, depthwise, some layers",
            vec![
                depthwise(1, 56, 22, 5, 2),
                depthwise(1, 56, 22, 7, 2),
                depthwise(1, 28, 44, 3, 1),
                depthwise(1, 28, 44, 5, 1),
                depthwise(1, 14, 88, 5, 1),
                depthwise(1, 28, 88, 7, 2),
                depthwise(1, 7, 176, 5, 1),
            ],
        ),
        ("Others", vec![layer(1, 128, 4, (128, 128), 3, 1), layer(1, 16, 35, (192, 64), 5, 1)]),
    ]
}

/// Milliseconds of the three directions.
fn times(conv: &Conv2d) -> [f64; 3] {
    let fill = |len: usize| (0..len).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<_>>();
    let (mut xs, mut weight, mut ys) = (fill(conv.in_len()), fill(conv.weight_len()), fill(conv.out_len()));
    let d_ys = ys.clone();
    let x_again = xs.clone();
    [
        measure(|| forward(conv, &xs, &weight, &mut ys)),
        measure(|| backward_data(conv, &d_ys, &weight, &mut xs)),
        measure(|| backward_weight(conv, &x_again, &d_ys, &mut weight)),
    ]
}

fn main() {
    println!("{} threads, {:?}", rayon::current_num_threads(), swish_kernels::simd::level());
    let only = std::env::args().nth(1);
    for (name, layers) in networks() {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        for operands in [Operands::Bf16, Operands::Exact] {
            println!("\n{name}, {operands:?}: milliseconds (TFLOP/s)");
            println!("{:<26} {:>5} {:>16} {:>16} {:>16}", "layer", "times", "forward", "data", "weight");
            let mut totals = [0.0; 3];
            for Layer { count, conv } in &layers {
                let conv = Conv2d { operands, ..*conv };
                let times = times(&conv);
                let operations = 2.0 * conv.macs() as f64 * conv.n as f64;
                let columns = times.map(|ms| format!("{ms:.3} ({:.2})", operations / ms / 1e9));
                let [f, d, w] = &columns;
                let shape =
                    format!("{}x{}/{} {}->{} {}", conv.kh, conv.kw, conv.stride.0, conv.c_in, conv.c_out, conv.h);
                println!("{shape:<26} {count:>5} {f:>16} {d:>16} {w:>16}");
                for (total, time) in totals.iter_mut().zip(times) {
                    *total += time * *count as f64;
                }
            }
            let [f, d, w] = totals;
            println!("{:<26} {:>5} {f:>16.2} {d:>16.2} {w:>16.2} = {:.1} ms", "all", "", f + d + w);
        }
    }
}
