//! GFLOP/s of the convolution kernels on the layers of CIFAR residual and dense networks, batch 128, f32.
//! `cargo run --release -p swish-kernels --example conv_speed`; `RAYON_NUM_THREADS=1` for one core, `SWISH_SIMD` for other instructions.

use std::time::Instant;

use swish_kernels::conv::{Conv2d, Operands, Pad, backward_data, backward_weight, forward};

/// Best of several runs, in GFLOP/s (a multiply-accumulate is two operations).
fn measure(conv: &Conv2d, mut run: impl FnMut()) -> f64 {
    let seconds = (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    2.0 * conv.macs() as f64 * conv.n as f64 / seconds / 1e9
}

fn main() {
    let base = Conv2d {
        n: 128,
        h: 32,
        w: 32,
        c_in: 16,
        c_out: 16,
        kh: 3,
        kw: 3,
        stride: (1, 1),
        pad: Pad::all(1),
        groups: 1,
        operands: Operands::Exact,
    };
    let pointwise = Conv2d { kh: 1, kw: 1, pad: Pad::default(), ..base };
    let shapes = [
        Conv2d { c_in: 3, ..base },
        base,
        Conv2d { operands: Operands::Bf16, ..base },
        Conv2d { h: 16, w: 16, c_in: 32, c_out: 32, ..base },
        Conv2d { h: 8, w: 8, c_in: 64, c_out: 64, ..base },
        Conv2d { c_out: 32, stride: (2, 2), ..base },
        Conv2d { h: 16, w: 16, c_in: 32, c_out: 64, stride: (2, 2), ..base },
        Conv2d { c_in: 48, c_out: 12, ..base },
        Conv2d { c_in: 24, c_out: 48, ..pointwise },
        Conv2d { c_in: 200, c_out: 48, h: 16, w: 16, ..pointwise },
        Conv2d { c_in: 400, c_out: 48, h: 8, w: 8, ..pointwise },
        Conv2d { c_in: 64, c_out: 256, h: 8, w: 8, ..pointwise },
        Conv2d { c_in: 160, c_out: 160, h: 16, w: 16, n: 32, ..base },
        Conv2d { c_in: 32, c_out: 64, stride: (2, 2), h: 16, w: 16, ..pointwise },
        Conv2d { c_in: 48, c_out: 48, groups: 48, ..base },
        Conv2d { c_in: 48, c_out: 48, groups: 48, kh: 5, kw: 5, pad: Pad::all(2), ..base },
        Conv2d { c_in: 48, c_out: 48, groups: 48, kh: 5, kw: 5, pad: Pad::all(2), stride: (2, 2), ..base },
    ];
    println!("{} threads, {:?}", rayon::current_num_threads(), swish_kernels::simd::level());
    println!("{:<44} {:>8} {:>8} {:>8}", "GFLOP/s", "forward", "data", "weight");
    for conv in shapes {
        let fill = |len: usize| (0..len).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<_>>();
        let (mut xs, mut weight, mut ys) = (fill(conv.in_len()), fill(conv.weight_len()), fill(conv.out_len()));
        let d_ys = ys.clone();
        let f = measure(&conv, || forward(&conv, &xs, &weight, &mut ys));
        let x_again = xs.clone();
        let d = measure(&conv, || backward_data(&conv, &d_ys, &weight, &mut xs));
        let w = measure(&conv, || backward_weight(&conv, &x_again, &d_ys, &mut weight));
        let Conv2d { h, w: width, c_in, c_out, kh, kw, stride, groups, operands, .. } = conv;
        let name = format!("{kh}x{kw}/{} {c_in}->{c_out} on {h}x{width} groups {groups} {operands:?}", stride.0);
        println!("{name:<44} {f:>8.1} {d:>8.1} {w:>8.1}");
    }
}
