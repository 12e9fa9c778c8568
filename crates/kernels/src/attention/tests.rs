use super::{Attention, Grads, Inputs, Kept, Lanes};
use crate::conv::Operands;
use crate::rng::Rng;

/// Two sentences of two heads, whose second is padded.
struct Example {
    queries: usize,
    keys: usize,
    lengths: Vec<usize>,
    causal: bool,
}

const HEADS: usize = 2;
const SIZE: usize = 3;
const WIDTH: usize = HEADS * SIZE;

impl Example {
    fn shape(&self) -> Attention<'_> {
        let &Self { queries, keys, causal, .. } = self;
        let lengths = &self.lengths;
        Attention { heads: HEADS, size: SIZE, queries, keys, lengths, causal, operands: Operands::Exact }
    }

    /// From the definition; queries (tokens, width), keys and values side by side.
    fn naive(&self, q: &[f64], kv: &[f64]) -> Vec<f64> {
        let mut ys = vec![0.0; q.len()];
        for (sentence, &length) in self.lengths.iter().enumerate() {
            for query in 0..self.queries {
                let token = sentence * self.queries + query;
                let seen = if self.causal { length.min(query + 1) } else { length };
                for head in 0..HEADS {
                    let key = |i: usize| (sentence * self.keys + i) * 2 * WIDTH + head * SIZE;
                    let at = token * WIDTH + head * SIZE;
                    let score =
                        |i: usize| (0..SIZE).map(|c| q[at + c] * kv[key(i) + c]).sum::<f64>() / (SIZE as f64).sqrt();
                    let exps: Vec<f64> = (0..seen).map(|i| score(i).exp()).collect();
                    let sum: f64 = exps.iter().sum();
                    for c in 0..SIZE {
                        ys[at + c] = exps.iter().enumerate().map(|(i, e)| e / sum * kv[key(i) + WIDTH + c]).sum();
                    }
                }
            }
        }
        ys
    }
}

fn inputs<'a>(q: &'a [f64], kv: &'a [f64]) -> Inputs<'a, f64> {
    Inputs {
        q: (q, Lanes { stride: WIDTH, first: 0 }),
        k: (kv, Lanes { stride: 2 * WIDTH, first: 0 }),
        v: (kv, Lanes { stride: 2 * WIDTH, first: WIDTH }),
    }
}

/// More queries than a block has, padding, a sentence without keys; gradients by finite differences.
#[test]
fn values_and_gradients_agree_with_the_definition() {
    for example in [
        Example { queries: 4, keys: 5, lengths: vec![5, 2], causal: false },
        Example { queries: 150, keys: 150, lengths: vec![150, 140], causal: true },
        Example { queries: 2, keys: 3, lengths: vec![0, 3], causal: false },
    ] {
        let mut rng = Rng::new(6);
        let mut drawn = |len: usize| -> Vec<f64> { (0..len).map(|_| rng.normal()).collect() };
        let n = example.lengths.len();
        let (mut q, mut kv) = (drawn(n * example.queries * WIDTH), drawn(n * example.keys * 2 * WIDTH));
        let d_ys = drawn(q.len());
        let (mut ys, mut log_sums) = (vec![9.0; q.len()], vec![9.0; n * example.queries * HEADS]);
        example.shape().forward(&inputs(&q, &kv), &mut ys, &mut log_sums);
        let off = ys.iter().zip(example.naive(&q, &kv)).fold(0.0_f64, |off, (y, exact)| off.max((y - exact).abs()));
        assert!(off < 1e-12, "{off:e}");
        let (mut d_q, mut d_kv) = (vec![9.0; q.len()], vec![9.0; kv.len()]);
        let kept = Kept { ys: &ys, log_sums: &log_sums };
        let grads = Grads { d_q: &mut d_q, d_kv: Some(&mut d_kv) };
        example.shape().backward(&inputs(&q, &kv), &kept, &d_ys, grads);
        let sum = |q: &[f64], kv: &[f64]| -> f64 { example.naive(q, kv).iter().zip(&d_ys).map(|(y, d)| y * d).sum() };
        for place in (0..q.len()).step_by(1 + q.len() / 20) {
            let mut at = |h: f64| {
                q[place] += h;
                let sum = sum(&q, &kv);
                q[place] -= h;
                sum
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((d_q[place] - difference).abs() < 1e-8, "query {place}: {} {difference}", d_q[place]);
        }
        for place in (0..kv.len()).step_by(1 + kv.len() / 20) {
            let mut at = |h: f64| {
                kv[place] += h;
                let sum = sum(&q, &kv);
                kv[place] -= h;
                sum
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((d_kv[place] - difference).abs() < 1e-8, "key or value {place}: {} {difference}", d_kv[place]);
        }
    }
}

/// Queries, keys and values of one projection, in f32, against f64; the same with any number of threads.
#[test]
#[expect(clippy::unwrap_used, reason = "a pool of a few threads")]
fn one_projection_in_f32() {
    let (n, len) = (3, 40);
    let mut rng = Rng::new(7);
    let xs: Vec<f64> = (0..n * len * 3 * WIDTH).map(|_| rng.normal()).collect();
    let d_ys: Vec<f64> = (0..n * len * WIDTH).map(|_| rng.normal()).collect();
    let lengths = [40, 33, 1];
    fn run<T: crate::Real>(xs: &[f64], d_ys: &[f64], lengths: &[usize], len: usize) -> (Vec<T>, Vec<T>) {
        let narrow = |xs: &[f64]| -> Vec<T> { xs.iter().map(|&x| T::from_f64(x)).collect() };
        let (xs, d_ys) = (narrow(xs), narrow(d_ys));
        let lanes = |i: usize| (&xs[..], Lanes { stride: 3 * WIDTH, first: i * WIDTH });
        let inputs = Inputs { q: lanes(0), k: lanes(1), v: lanes(2) };
        let (heads, size, causal, operands) = (HEADS, SIZE, true, Operands::Exact);
        let shape = Attention { heads, size, queries: len, keys: len, lengths, causal, operands };
        let (mut ys, mut log_sums) = (vec![T::ZERO; d_ys.len()], vec![T::ZERO; lengths.len() * len * HEADS]);
        shape.forward(&inputs, &mut ys, &mut log_sums);
        let mut d_xs = vec![T::ZERO; xs.len()];
        let kept = Kept { ys: &ys, log_sums: &log_sums };
        shape.backward(&inputs, &kept, &d_ys, Grads { d_q: &mut d_xs, d_kv: None });
        (ys, d_xs)
    }
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run::<f32>(&xs, &d_ys, &lengths, len))
    };
    let (ys, d_xs) = on(1);
    assert!((&ys, &d_xs) == (&on(3).0, &on(3).1));
    let (exact_ys, exact_d_xs) = run::<f64>(&xs, &d_ys, &lengths, len);
    for (single, double) in ys.iter().zip(&exact_ys).chain(d_xs.iter().zip(&exact_d_xs)) {
        assert!((f64::from(*single) - double).abs() < 1e-5, "{single} {double}");
    }
}
