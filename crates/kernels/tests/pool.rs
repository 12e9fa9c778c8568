//! Pooling against its definition over a padded image, written independently in f64, and gradients against the adjoint identity and
//! finite differences.

use swish_kernels::conv::Pad;
use swish_kernels::pool::{
    Pool2d, avg_backward, avg_forward, global_avg_backward, global_avg_forward, max_backward, max_forward,
};

/// Distinct values in a scrambled order: multiples of a prime modulo a larger one.
fn scrambled(len: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7_919 + 13) % 104_729) as f64 / 104_729.0 - 0.5).collect()
}

fn shapes() -> Vec<Pool2d> {
    let b = Pool2d { n: 2, h: 7, w: 8, c: 5, kh: 3, kw: 3, stride: (2, 2), pad: Pad::all(1), count_padding: false };
    let mut shapes = vec![
        b,
        Pool2d { stride: (1, 1), ..b },
        Pool2d { kh: 2, kw: 2, pad: Pad::default(), ..b },
        Pool2d { kh: 3, kw: 2, stride: (3, 1), pad: Pad { top: 0, bottom: 2, left: 1, right: 0 }, ..b },
        Pool2d { kh: 2, kw: 3, stride: (3, 4), ..b },
        Pool2d { kh: 7, kw: 8, pad: Pad::default(), ..b },
        Pool2d { c: 17, n: 3, ..b },
        // Windows that lie in the padding alone.
        Pool2d { kh: 1, kw: 2, stride: (1, 2), pad: Pad::all(2), ..b },
        Pool2d { n: 0, ..b },
    ];
    for i in 0..shapes.len() {
        shapes.push(Pool2d { count_padding: true, ..shapes[i] });
    }
    shapes
}

/// The values under one window, None for padding, with their indices.
fn window(p: &Pool2d, image: usize, y: usize, x: usize, c: usize) -> Vec<Option<usize>> {
    let mut cells = Vec::new();
    for ky in 0..p.kh {
        for kx in 0..p.kw {
            let y = (y * p.stride.0 + ky) as isize - p.pad.top as isize;
            let x = (x * p.stride.1 + kx) as isize - p.pad.left as isize;
            let inside = y >= 0 && x >= 0 && y < p.h as isize && x < p.w as isize;
            cells.push(inside.then(|| ((image * p.h + y as usize) * p.w + x as usize) * p.c + c));
        }
    }
    cells
}

fn for_each_window(p: &Pool2d, mut visit: impl FnMut(usize, Vec<Option<usize>>)) {
    for image in 0..p.n {
        for y in 0..p.out_h() {
            for x in 0..p.out_w() {
                for c in 0..p.c {
                    visit(((image * p.out_h() + y) * p.out_w() + x) * p.c + c, window(p, image, y, x, c));
                }
            }
        }
    }
}

#[test]
fn maximum_and_its_gradient_agree_with_the_definition() {
    for p in shapes() {
        let (xs, d_ys) = (scrambled(p.in_len()), scrambled(p.out_len()));
        let (mut ys, mut argmax) = (vec![9.0; p.out_len()], vec![7; p.out_len()]);
        max_forward(&p, &xs, &mut ys, &mut argmax);
        let mut d_xs = vec![9.0; p.in_len()];
        max_backward(&p, &argmax, &d_ys, &mut d_xs);
        let mut expected = vec![0.0; p.in_len()];
        for_each_window(&p, |i, cells| {
            let best = cells.into_iter().flatten().max_by(|&a, &b| xs[a].total_cmp(&xs[b]));
            assert_eq!(ys[i], best.map_or(f64::NEG_INFINITY, |best| xs[best]), "{p:?}");
            if let Some(best) = best {
                expected[best] += d_ys[i];
            }
        });
        for (got, expected) in d_xs.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-12, "{p:?}");
        }
    }
}

#[test]
fn average_and_its_gradient_agree_with_the_definition() {
    for p in shapes() {
        let (xs, d_ys) = (scrambled(p.in_len()), scrambled(p.out_len()));
        let mut ys = vec![9.0; p.out_len()];
        avg_forward(&p, &xs, &mut ys);
        let mut d_xs = vec![9.0; p.in_len()];
        avg_backward(&p, &d_ys, &mut d_xs);
        let mut expected = vec![0.0; p.in_len()];
        for_each_window(&p, |i, cells| {
            let inside: Vec<usize> = cells.iter().flatten().copied().collect();
            let count = if p.count_padding { cells.len() } else { inside.len().max(1) } as f64;
            let mean = inside.iter().map(|&cell| xs[cell]).sum::<f64>() / count;
            assert!((ys[i] - mean).abs() < 1e-12, "{p:?}");
            for cell in inside {
                expected[cell] += d_ys[i] / count;
            }
        });
        for (got, expected) in d_xs.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-12, "{p:?}");
        }
    }
}

/// Central differences of sum(y * r): exact up to rounding for both, since the maximum is locally linear where values are distinct.
#[test]
fn gradients_agree_with_finite_differences() {
    let p = Pool2d { n: 1, h: 5, w: 4, c: 3, ..shapes()[0] };
    let (xs, d_ys) = (scrambled(p.in_len()), scrambled(p.out_len()));
    let loss = |xs: &[f64], max: bool| {
        let (mut ys, mut argmax) = (vec![0.0; p.out_len()], vec![0; p.out_len()]);
        if max {
            max_forward(&p, xs, &mut ys, &mut argmax)
        } else {
            avg_forward(&p, xs, &mut ys)
        }
        ys.iter().zip(&d_ys).map(|(y, d)| y * d).sum::<f64>()
    };
    for max in [true, false] {
        let mut d_xs = vec![0.0; p.in_len()];
        if max {
            let (mut ys, mut argmax) = (vec![0.0; p.out_len()], vec![0; p.out_len()]);
            max_forward(&p, &xs, &mut ys, &mut argmax);
            max_backward(&p, &argmax, &d_ys, &mut d_xs);
        } else {
            avg_backward(&p, &d_ys, &mut d_xs);
        }
        for (i, &got) in d_xs.iter().enumerate() {
            let (mut up, mut down) = (xs.clone(), xs.clone());
            up[i] += 1e-6;
            down[i] -= 1e-6;
            assert!((got - (loss(&up, max) - loss(&down, max)) / 2e-6).abs() < 1e-8);
        }
    }
}

#[test]
fn the_first_of_equal_values_and_the_first_nan_win() {
    let p = Pool2d { n: 1, h: 2, w: 4, c: 1, kh: 2, kw: 2, stride: (2, 2), pad: Pad::default(), count_padding: false };
    let xs = [1.0f32, 3.0, f32::NEG_INFINITY, f32::NEG_INFINITY, 3.0, 3.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let (mut ys, mut argmax) = ([0.0; 2], [0; 2]);
    max_forward(&p, &xs, &mut ys, &mut argmax);
    assert_eq!((ys, argmax), ([3.0, f32::NEG_INFINITY], [1, 2]));
    let xs = [1.0f32, f32::NAN, 0.0, 1.0, 5.0, f32::NAN, f32::INFINITY, f32::NAN];
    max_forward(&p, &xs, &mut ys, &mut argmax);
    assert!(ys.iter().all(|y| y.is_nan()));
    assert_eq!(argmax, [1, 7]);
}

#[test]
fn global_average_and_its_gradient() {
    let (n, hw, c) = (3, 49, 10);
    let (xs, d_ys) = (scrambled(n * hw * c), scrambled(n * c));
    let mut ys = vec![9.0; n * c];
    global_avg_forward(n, hw, c, &xs, &mut ys);
    let mut d_xs = vec![9.0; n * hw * c];
    global_avg_backward(n, hw, c, &d_ys, &mut d_xs);
    for image in 0..n {
        for channel in 0..c {
            let mean = (0..hw).map(|i| xs[(image * hw + i) * c + channel]).sum::<f64>() / hw as f64;
            assert!((ys[image * c + channel] - mean).abs() < 1e-12);
            for i in 0..hw {
                assert!((d_xs[(image * hw + i) * c + channel] - d_ys[image * c + channel] / hw as f64).abs() < 1e-15);
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let p = Pool2d { n: 7, h: 21, w: 20, c: 9, ..shapes()[0] };
    let xs: Vec<f32> = scrambled(p.in_len()).into_iter().map(|x| x as f32).collect();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (mut max, mut argmax, mut avg) = (vec![0.0; p.out_len()], vec![0; p.out_len()], vec![0.0; p.out_len()]);
            let mut d_xs = vec![0.0; p.in_len()];
            max_forward(&p, &xs, &mut max, &mut argmax);
            avg_forward(&p, &xs, &mut avg);
            avg_backward(&p, &avg, &mut d_xs);
            (max, argmax, avg, d_xs)
        })
    };
    let first = run(1);
    for threads in [1, 2, 3] {
        assert!(run(threads) == first);
    }
}
