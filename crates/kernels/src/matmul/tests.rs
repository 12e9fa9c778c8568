use super::{Mat, Right};
use crate::conv::Operands;
use crate::real::Real;
use crate::rng::Rng;
use crate::simd::{Level, level};

fn drawn<T: Real>(rng: &mut Rng, len: usize) -> Vec<T> {
    (0..len).map(|_| T::from_f64(rng.normal())).collect()
}

/// The worst difference from the definition in f64, relative to the root of the depth.
fn off<T: Real>(rows: usize, lanes: usize, depth: usize, layout: [bool; 2], operands: Operands) -> f64 {
    let mut rng = Rng::new((rows * lanes + depth) as u64);
    let (lhs, rhs) = (drawn::<T>(&mut rng, rows * depth), drawn::<T>(&mut rng, depth * lanes));
    let start: Vec<T> = drawn(&mut rng, rows * lanes);
    let [left_transposed, right_transposed] = layout;
    let (lr, lc) = if left_transposed { (1, rows) } else { (depth, 1) };
    let (rr, rc) = if right_transposed { (1, depth) } else { (lanes, 1) };
    let right = Right::new(depth, lanes, Mat { data: &rhs, rs: rr, cs: rc }, operands);
    let mut dst = start.clone();
    right.product_of_all(&lhs, left_transposed, &mut dst, true, |_| ());
    let mut fresh = start.clone();
    right.product_of_all(&lhs, left_transposed, &mut fresh, false, |_| ());
    let factor = |x: T| operands.round(x).to_f64();
    let mut worst = 0.0_f64;
    for row in 0..rows {
        for lane in 0..lanes {
            let exact: f64 = (0..depth).map(|k| factor(lhs[row * lr + k * lc]) * factor(rhs[k * rr + lane * rc])).sum();
            let i = row * lanes + lane;
            worst = worst.max((fresh[i].to_f64() - exact).abs());
            worst = worst.max((dst[i].to_f64() - exact - start[i].to_f64()).abs());
        }
    }
    worst / (depth as f64).sqrt()
}

/// Sizes that fill tiles and that do not, few rows and many, more factors than are summed at once. Without a matrix unit f32 sums all of
/// them in one place, which is off by as much more as there are more of them.
#[test]
fn products_agree_with_the_definition() {
    for (rows, lanes, depth) in
        [(1, 1, 1), (16, 32, 32), (5, 19, 7), (37, 50, 70), (130, 40, 33), (3, 530, 65), (17, 33, 2100)]
    {
        for layout in [[false, false], [false, true], [true, false], [true, true]] {
            for operands in [Operands::Exact, Operands::Bf16] {
                let (single, double) = (
                    off::<f32>(rows, lanes, depth, layout, operands),
                    off::<f64>(rows, lanes, depth, layout, operands),
                );
                let bound = if level() == Level::Amx { 2e-6 } else { f64::max(2e-6, 1e-7 * (depth as f64).sqrt()) };
                assert!(
                    single < bound && double < 1e-13,
                    "{rows} {lanes} {depth} {layout:?} {operands:?}: {single:e} {double:e}"
                );
            }
        }
    }
}

/// Whether one thread and three give the same bits.
fn threads_do_not_matter<T: Real>((rows, lanes, depth): (usize, usize, usize), rs: usize, cs: usize) {
    let mut rng = Rng::new(3);
    let (lhs, rhs) = (drawn::<T>(&mut rng, rows * depth), drawn::<T>(&mut rng, depth * lanes));
    let run = |threads| {
        let mut dst = vec![T::ZERO; rows * lanes];
        #[expect(clippy::unwrap_used, reason = "a pool of a few threads")]
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let right = Right::new(depth, lanes, Mat { data: &rhs, rs, cs }, Operands::Exact);
            right.product_of_all(&lhs, false, &mut dst, false, |_| ());
        });
        dst
    };
    assert!(run(1) == run(3), "{rows} {lanes} {depth}");
}

/// The small sizes are those at which the gemm crate changes its ways.
#[test]
fn results_do_not_depend_on_the_threads() {
    for sizes in [(300, 96, 200), (128, 10, 64), (49, 40, 65)] {
        let (_, lanes, depth) = sizes;
        for (rs, cs) in [(lanes, 1), (1, depth)] {
            threads_do_not_matter::<f32>(sizes, rs, cs);
            threads_do_not_matter::<f64>(sizes, rs, cs);
        }
    }
}
