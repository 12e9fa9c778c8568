//! Numbers worked by hand, plain loops in double precision, and the number of threads.
#![allow(clippy::unwrap_used)]
use super::*;

fn close(got: &[f64], expected: &[f64]) {
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-14, "{got:?} {expected:?}");
    }
}

/// Worked by hand from torch.optim.SGD's documentation, lr 0.1, momentum 0.9, weight decay 0.5, w = 1, gradients 2 and -1.
/// Step 1: g = 2 + 0.5 = 2.5, buf = 2.5. Plain: w = 1 - 0.25 = 0.75. Nesterov: w = 1 - 0.1 (2.5 + 2.25) = 0.525.
/// Step 2: plain g = -1 + 0.375 = -0.625, buf = 2.25 - 0.625 = 1.625, w = 0.75 - 0.1625 = 0.5875.
/// Nesterov g = -1 + 0.2625 = -0.7375, buf = 2.25 - 0.7375 = 1.5125, w = 0.525 - 0.1 (-0.7375 + 1.36125) = 0.462625.
#[test]
fn two_steps_by_hand() {
    for (nesterov, after, buffer) in [(false, [0.75, 0.5875], 1.625), (true, [0.525, 0.462_625], 1.5125)] {
        let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.5 };
        let (mut w, mut buf) = ([1.0], [0.0]);
        sgd(&step, &mut w, &[2.0], &mut buf);
        close(&w, &after[..1]);
        sgd(&step, &mut w, &[-1.0], &mut buf);
        close(&w, &after[1..]);
        close(&buf, &[buffer]);
    }
}

#[test]
fn no_momentum_is_plain_descent() {
    let step = SgdStep { lr: 0.25, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let (mut w, mut buf) = ([1.0, -3.0], [0.0; 2]);
    for _ in 0..3 {
        sgd(&step, &mut w, &[4.0, -2.0], &mut buf);
    }
    close(&w, &[-2.0, -1.5]);
}

#[test]
fn threads_do_not_matter() {
    let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4 };
    let g: Vec<f32> = (0..100_000).map(|i| (i as f32).sin()).collect();
    let run = |threads| {
        let (mut w, mut buf) = (vec![0.5f32; g.len()], vec![0.1; g.len()]);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| sgd(&step, &mut w, &g, &mut buf));
        (w, buf)
    };
    assert_eq!(run(1), run(3));
}

/// RMSProp by hand from TensorFlow's documentation: lr 0.1, decay 0.75, momentum 0.5, epsilon 0.25, w = 1, ms = 1.
/// Step 1, g = 3: ms = 0.75 + 0.25 * 9 = 3, buf = 0.3 / sqrt(3.25) = 0.166410058867569, w = 0.833589941132431.
/// Step 2, g = -1: ms = 2.25 + 0.25 = 2.5, buf = 0.0832050294337844 - 0.1 / sqrt(2.75) = 0.0229024000457..., and w less by it.
#[test]
fn rms_prop_by_hand() {
    let step = RmsPropStep { lr: 0.1, decay: 0.75, momentum: 0.5, epsilon: 0.25, weight_decay: 0.0 };
    let (mut w, mut ms, mut buf) = ([1.0], [RmsPropStep::TENSORFLOW_MEAN_SQUARE], [0.0]);
    rms_prop(&step, &mut w, &[3.0], &mut ms, &mut buf);
    close(&[w[0], ms[0], buf[0]], &[0.833_589_941_132_431, 3.0, 0.166_410_058_867_569]);
    rms_prop(&step, &mut w, &[-1.0], &mut ms, &mut buf);
    let second = 0.083_205_029_433_784_5 - 0.060_302_268_915_552_7;
    close(&[w[0], ms[0], buf[0]], &[0.833_589_941_132_431 - second, 2.5, second]);
}

/// Adam by hand: with bias correction the first step is lr g / (|g| + epsilon), here 0.1 * 2 / (2 + 0.5) = 0.08.
/// Step 2, beta1 0.5, beta2 0.75, g = -1: m = 0.5 * 1 - 0.5 = 0, so w stays; v = 0.75 * 1 + 0.25 = 1.
/// Step 3, g = 7: m = 3.5, v = 0.75 + 0.25 * 49 = 13; corrected 3.5 / 0.875 = 4 and 13 / 0.578125 = 22.486486486...,
/// root 4.74199182691..., so w = 0.92 - 0.4 / 5.24199182691...
#[test]
fn adam_by_hand() {
    let step = |t| AdamStep { lr: 0.1, beta1: 0.5, beta2: 0.75, epsilon: 0.5, weight_decay: 0.0, t };
    let (mut w, mut m, mut v) = ([1.0], [0.0], [0.0]);
    adam(&step(1), &mut w, &[2.0], &mut m, &mut v);
    close(&[w[0], m[0], v[0]], &[0.92, 1.0, 1.0]);
    adam(&step(2), &mut w, &[-1.0], &mut m, &mut v);
    close(&[w[0], m[0], v[0]], &[0.92, 0.0, 1.0]);
    adam(&step(3), &mut w, &[7.0], &mut m, &mut v);
    close(&[w[0], m[0], v[0]], &[0.92 - 0.4 / ((13.0f64 / 0.578_125).sqrt() + 0.5), 3.5, 13.0]);
}

/// 1 towards 3 by a quarter and then by half of the rest: 1.5, 2.25.
#[test]
fn average_by_hand() {
    let mut average = [1.0];
    ema(0.75, &[3.0], &mut average);
    close(&average, &[1.5]);
    ema(0.5, &[3.0], &mut average);
    close(&average, &[2.25]);
}

fn gradient(i: usize, t: u64) -> f64 {
    ((i as f64) * 0.37 + t as f64).sin() * 10f64.powi((i % 7) as i32 - 3)
}

/// Ten steps in single precision against loops written straight from the definitions in double precision.
#[test]
fn single_precision_follows_plain_loops() {
    let n = 1000;
    let rms = RmsPropStep { lr: 0.01, decay: 0.9, momentum: 0.9, epsilon: 1e-3, weight_decay: 1e-2 };
    let adam_at = |t| AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay: 1e-2, t };
    let mut plain = vec![[0.5, 1.0, 0.0, 0.5, 0.0, 0.0, 0.5]; n];
    let mut single: [Vec<f32>; 7] = [0.5, 1.0, 0.0, 0.5, 0.0, 0.0, 0.5].map(|start| vec![start; n]);
    for t in 1..=10 {
        let g: Vec<f32> = (0..n).map(|i| gradient(i, t) as f32).collect();
        let [w, ms, buf, u, m, v, average] = &mut single;
        rms_prop(&rms, w, &g, ms, buf);
        adam(&adam_at(t), u, &g, m, v);
        ema(0.9, u, average);
        for (i, [w, ms, buf, u, m, v, average]) in plain.iter_mut().enumerate() {
            let g = f64::from(g[i]);
            let d = g + 0.01 * *w;
            *ms = 0.9 * *ms + 0.1 * d * d;
            *buf = 0.9 * *buf + 0.01 * d / (*ms + 1e-3).sqrt();
            *w -= *buf;
            let d = g + 0.01 * *u;
            *m = 0.9 * *m + 0.1 * d;
            *v = 0.98 * *v + 0.02 * d * d;
            let (m_hat, v_hat) = (*m / (1.0 - 0.9f64.powi(t as i32)), *v / (1.0 - 0.98f64.powi(t as i32)));
            *u -= 0.01 * m_hat / (v_hat.sqrt() + 1e-9);
            *average = 0.9 * *average + 0.1 * *u;
        }
    }
    for (i, plain) in plain.iter().enumerate() {
        for (quantity, &expected) in plain.iter().enumerate() {
            let got = f64::from(single[quantity][i]);
            assert!((got - expected).abs() <= 2e-5 * expected.abs().max(0.1), "{quantity} {i}: {got} {expected}");
        }
    }
}

#[test]
fn threads_do_not_matter_to_any_step() {
    let n = 100_000;
    let g: Vec<f32> = (0..n).map(|i| gradient(i, 0) as f32).collect();
    let rms = RmsPropStep { lr: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1.0, weight_decay: 1e-4 };
    let adam_step = AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, t: 3 };
    let run = |threads| {
        let mut state = [0.5f32, 1.0, 0.1, 0.5, 0.1, 0.2, 0.3].map(|start| vec![start; n]);
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let [w, ms, buf, u, m, v, average] = &mut state;
            rms_prop(&rms, w, &g, ms, buf);
            adam(&adam_step, u, &g, m, v);
            ema(0.9, u, average);
        });
        state
    };
    assert_eq!(run(1), run(3));
}
