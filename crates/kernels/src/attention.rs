//! Scaled dot-product attention of several heads (Vaswani et al. 2017), forward and backward.
//!
//! A sentence is a task; in it the queries go head by head through the keys, a block of them at a time, so that scores stay in the cache of
//! one core. The forward pass keeps the logarithm of each softmax' sum, and the backward pass makes the probabilities again from it.

use rayon::prelude::*;

use crate::act::exp_of_negative;
use crate::conv::Operands;
use crate::matmul::{Mat, MatMut, Right};
use crate::real::Real;
use crate::simd::{add_scaled, mul_add, simd_fn};
use crate::spare::Spare;

/// Queries of a block.
const BLOCK: usize = 128;

/// Sizes of attention over sentences of equal (padded) lengths.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub size: usize,
    /// Queries of a sentence.
    pub queries: usize,
    /// Keys of a sentence, padding included.
    pub keys: usize,
    /// For each sentence the keys before its padding, which alone are attended to.
    pub lengths: &'a [usize],
    /// Whether a query attends to the keys up to its own position only.
    pub causal: bool,
    /// How exact the factors of the products are.
    pub operands: Operands,
}

/// Channels of all heads inside wider rows.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    /// Elements from one token to the next.
    pub stride: usize,
    /// The first channel of the first head.
    pub first: usize,
}

/// Queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// Where queries come from, and which channels they are.
    pub q: (&'a [T], Lanes),
    /// Keys.
    pub k: (&'a [T], Lanes),
    /// Values; in the same rows as the keys.
    pub v: (&'a [T], Lanes),
}

/// What the backward pass reads of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, T> {
    /// The result, (tokens of the queries, heads * size).
    pub ys: &'a [T],
    /// The logarithms of the softmax' sums, (tokens of the queries, heads).
    pub log_sums: &'a [T],
}

/// Where [`Attention::backward`] writes. Only the channels of queries, keys and values are written; all of them are.
#[derive(Debug)]
pub struct Grads<'a, T> {
    /// Laid out as the queries are.
    pub d_q: &'a mut [T],
    /// Laid out as keys and values are; `None` where they lie in the rows of the queries.
    pub d_kv: Option<&'a mut [T]>,
}

/// One block of queries of one head in one sentence.
struct Block {
    first: usize,
    queries: usize,
    /// Keys that any of them attends to.
    keys: usize,
}

impl Attention<'_> {
    fn width(&self) -> usize {
        self.heads * self.size
    }

    fn scale<T: Real>(&self) -> T {
        T::from_f64((self.size as f64).sqrt().recip())
    }

    fn blocks(&self, sentence: usize) -> impl Iterator<Item = Block> {
        let (queries, length, causal) = (self.queries, self.lengths[sentence], self.causal);
        (0..queries).step_by(BLOCK).map(move |first| {
            let count = BLOCK.min(queries - first);
            Block { first, queries: count, keys: if causal { length.min(first + count) } else { length } }
        })
    }

    /// Keys that a query of a block attends to.
    fn visible(&self, block: &Block, query: usize) -> usize {
        if self.causal { block.keys.min(block.first + query + 1) } else { block.keys }
    }

    fn check<T>(&self, inputs: &Inputs<'_, T>) {
        let n = self.lengths.len();
        let fits = |(data, lanes): (&[T], Lanes), tokens: usize| {
            data.len() == tokens * lanes.stride && lanes.first + self.width() <= lanes.stride
        };
        assert!(self.heads * self.size * self.queries * self.keys > 0, "no empty attention: {self:?}");
        assert!(self.lengths.iter().all(|&length| length <= self.keys), "lengths within the keys");
        assert!(!self.causal || self.queries == self.keys, "a sentence that sees its past has a key for each query");
        assert!(
            fits(inputs.q, n * self.queries) && fits(inputs.k, n * self.keys) && fits(inputs.v, n * self.keys),
            "queries, keys and values of {n} sentences"
        );
        assert!(inputs.k.1.stride == inputs.v.1.stride, "keys and values lie in the same rows");
    }

    /// `ys` (tokens of the queries, heads * size): for each query the mean of the values, weighted by the softmax of the scores. Without
    /// any key the mean is zero. `log_sums` (tokens of the queries, heads) is what the backward pass needs.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn forward<T: Real>(&self, inputs: &Inputs<'_, T>, ys: &mut [T], log_sums: &mut [T]) {
        self.check(inputs);
        let (n, width, heads) = (self.lengths.len(), self.width(), self.heads);
        assert!(ys.len() == n * self.queries * width && log_sums.len() == n * self.queries * heads, "room for results");
        let sentences = ys.par_chunks_mut(self.queries * width).zip(log_sums.par_chunks_mut(self.queries * heads));
        sentences.enumerate().for_each(|(sentence, (ys, log_sums))| {
            if self.lengths[sentence] == 0 {
                ys.fill(T::ZERO);
                log_sums.fill(T::ZERO);
                return;
            }
            let mut scores = Spare::<T>::new(BLOCK.min(self.queries) * self.keys);
            for head in 0..heads {
                let [q, k, v] = self.of_head(inputs, sentence, head);
                let length = self.lengths[sentence];
                let keys = Right::small(self.size, length, Mat { data: k.data, rs: 1, cs: k.rs }, self.operands);
                let values = Right::small(length, self.size, v, self.operands);
                for block in self.blocks(sentence) {
                    let scores = &mut scores[..block.queries * length];
                    let lhs = Mat { data: &q.data[block.first * q.rs..], ..q };
                    keys.product(block.queries, lhs, MatMut { data: &mut *scores, rs: length, cs: 1 }, false);
                    for (query, scores) in scores.chunks_exact_mut(length).enumerate() {
                        let (seen, hidden) = scores.split_at_mut(self.visible(&block, query));
                        hidden.fill(T::ZERO);
                        log_sums[(block.first + query) * heads + head] = softmax(seen, self.scale());
                    }
                    let dst = MatMut { data: &mut ys[block.first * width + head * self.size..], rs: width, cs: 1 };
                    values.product(block.queries, Mat { data: &*scores, rs: length, cs: 1 }, dst, false);
                }
            }
        });
    }

    /// From the gradient of `ys`.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn backward<T: Real>(&self, inputs: &Inputs<'_, T>, kept: &Kept<'_, T>, d_ys: &[T], grads: Grads<'_, T>) {
        self.check(inputs);
        let Grads { d_q, d_kv } = grads;
        let (q_stride, kv_stride) = (inputs.q.1.stride, inputs.k.1.stride);
        assert!(
            d_ys.len() == kept.ys.len() && d_q.len() == inputs.q.0.len(),
            "gradients are as long as what they are of"
        );
        assert!(
            d_kv.as_ref().map_or(inputs.q.0.len(), |d| d.len()) == inputs.k.0.len(),
            "the gradient of keys and values is as long as they"
        );
        let n = self.lengths.len();
        let d_kv: Vec<Option<&mut [T]>> = match d_kv {
            Some(d_kv) => d_kv.chunks_mut(self.keys * kv_stride).map(Some).collect(),
            None => (0..n).map(|_| None).collect(),
        };
        let sentences = d_q.par_chunks_mut(self.queries * q_stride).zip(d_kv);
        sentences.enumerate().for_each(|(sentence, (d_q, mut d_kv))| {
            for head in 0..self.heads {
                self.head_backward(inputs, kept, d_ys, (sentence, head), d_q, d_kv.as_deref_mut());
            }
        });
    }

    /// Rows of queries, keys and values of a head in a sentence.
    fn of_head<'a, T>(&self, inputs: &Inputs<'a, T>, sentence: usize, head: usize) -> [Mat<'a, T>; 3] {
        [(inputs.q, self.queries), (inputs.k, self.keys), (inputs.v, self.keys)].map(|((data, lanes), tokens)| Mat {
            data: &data[sentence * tokens * lanes.stride + lanes.first + head * self.size..],
            rs: lanes.stride,
            cs: 1,
        })
    }

    fn head_backward<T: Real>(
        &self,
        inputs: &Inputs<'_, T>,
        kept: &Kept<'_, T>,
        d_ys: &[T],
        (sentence, head): (usize, usize),
        d_q: &mut [T],
        mut d_kv: Option<&mut [T]>,
    ) {
        let (width, size, length) = (self.width(), self.size, self.lengths[sentence]);
        let [q_first, k_first, v_first] = [inputs.q, inputs.k, inputs.v].map(|(_, lanes)| lanes.first + head * size);
        let (q_stride, kv_stride) = (inputs.q.1.stride, inputs.k.1.stride);
        // Keys add up over the blocks of queries.
        let of_keys = d_kv.as_deref_mut().unwrap_or(d_q);
        for token in of_keys.chunks_exact_mut(kv_stride) {
            token[k_first..k_first + size].fill(T::ZERO);
            token[v_first..v_first + size].fill(T::ZERO);
        }
        if length == 0 {
            return d_q.chunks_exact_mut(q_stride).for_each(|token| token[q_first..q_first + size].fill(T::ZERO));
        }
        let [q, k, v] = self.of_head(inputs, sentence, head);
        let keys = Right::small(size, length, Mat { data: k.data, rs: 1, cs: k.rs }, self.operands);
        let values = Right::small(size, length, Mat { data: v.data, rs: 1, cs: v.rs }, self.operands);
        let key_rows = Right::small(length, size, k, self.operands);
        let mut probabilities = Spare::<T>::new(BLOCK.min(self.queries) * length);
        let mut d_scores = Spare::<T>::new(BLOCK.min(self.queries) * length);
        for block in self.blocks(sentence) {
            let count = block.queries;
            let (ps, ds) = (&mut probabilities[..count * length], &mut d_scores[..count * length]);
            let first = (sentence * self.queries + block.first) * width + head * size;
            let d_y = Mat { data: &d_ys[first..], rs: width, cs: 1 };
            let q = Mat { data: &q.data[block.first * q_stride..], ..q };
            keys.product(count, q, MatMut { data: &mut *ps, rs: length, cs: 1 }, false);
            values.product(count, d_y, MatMut { data: &mut *ds, rs: length, cs: 1 }, false);
            for (query, (ps, ds)) in ps.chunks_exact_mut(length).zip(ds.chunks_exact_mut(length)).enumerate() {
                let token = first + query * width;
                let mean = dot(&kept.ys[token..token + size], &d_ys[token..token + size]);
                let log_sum = kept.log_sums[(sentence * self.queries + block.first + query) * self.heads + head];
                let seen = self.visible(&block, query);
                d_softmax(&mut ps[..seen], &mut ds[..seen], self.scale(), log_sum, mean);
                ps[seen..].fill(T::ZERO);
                ds[seen..].fill(T::ZERO);
            }
            let (ps_t, ds_t) = (Mat { data: &*ps, rs: 1, cs: length }, Mat { data: &*ds, rs: 1, cs: length });
            let of_q = MatMut { data: &mut d_q[block.first * q_stride + q_first..], rs: q_stride, cs: 1 };
            key_rows.product(count, Mat { data: &*ds, rs: length, cs: 1 }, of_q, false);
            let of_keys = d_kv.as_deref_mut().unwrap_or(d_q);
            let queries = Right::small(count, size, q, self.operands);
            queries.product(length, ds_t, MatMut { data: &mut of_keys[k_first..], rs: kv_stride, cs: 1 }, true);
            let d_y = Right::small(count, size, d_y, self.operands);
            d_y.product(length, ps_t, MatMut { data: &mut of_keys[v_first..], rs: kv_stride, cs: 1 }, true);
        }
    }
}

/// Running maxima and sums, so that they do not wait for each other.
const LANES: usize = 16;

simd_fn! {
    /// `scores = softmax(scale scores)`; returns the logarithm of the sum.
    fn softmax<T: Real>(scores: &mut [T], scale: T) -> T {
        let (blocks, rest) = scores.as_chunks_mut::<LANES>();
        let mut lanes = [T::NEG_INFINITY; LANES];
        for block in &mut *blocks {
            for (max, score) in lanes.iter_mut().zip(block) {
                *score *= scale;
                *max = if *score > *max { *score } else { *max };
            }
        }
        rest.iter_mut().for_each(|score| *score *= scale);
        let max = lanes.iter().chain(&*rest).fold(T::NEG_INFINITY, |max, &score| Real::max(max, score));
        let mut lanes = [T::ZERO; LANES];
        for block in &mut *blocks {
            for (sum, score) in lanes.iter_mut().zip(block) {
                *score = exp_of_negative::<T, FMA>(*score - max);
                *sum += *score;
            }
        }
        rest.iter_mut().for_each(|score| *score = exp_of_negative::<T, FMA>(*score - max));
        let sum: T = lanes.iter().chain(&*rest).copied().sum();
        let factor = T::ONE / sum;
        for score in scores {
            *score *= factor;
        }
        max + sum.ln()
    }
}

simd_fn! {
    /// From scores and the gradients of probabilities: `ps = e^(scale scores - log_sum)` and `ds = scale ps (ds - mean)`.
    fn d_softmax<T: Real>(ps: &mut [T], ds: &mut [T], scale: T, log_sum: T, mean: T) {
        for (p, d) in ps.iter_mut().zip(ds) {
            *p = exp_of_negative::<T, FMA>(Real::min(mul_add::<T, FMA>(*p, scale, -log_sum), T::ZERO));
            *d = scale * *p * (*d - mean);
        }
    }
}

simd_fn! {
    fn dot<T: Real>(xs: &[T], ys: &[T]) -> T {
        let ((xs, x_rest), (ys, y_rest)) = (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>());
        let mut sums = [T::ZERO; LANES];
        for (xs, ys) in xs.iter().zip(ys) {
            for i in 0..LANES {
                sums[i] = mul_add::<T, FMA>(xs[i], ys[i], sums[i]);
            }
        }
        let rest = x_rest.iter().zip(y_rest).map(|(&x, &y)| x * y);
        sums.into_iter().chain(rest).sum()
    }
}

/// Rounds keys and values, or queries, as they enter the products: [`single`] takes them rounded.
pub fn round<T: Real>(operands: Operands, xs: &mut [T]) {
    if operands == Operands::Bf16 {
        xs.iter_mut().for_each(|x| *x = x.round_bf16());
    }
}

/// Attention of one query to `rows`, each the keys of all heads, then their values, already rounded; on this thread. `q` and `y` are as
/// wide as the heads together.
///
/// # Panics
/// If the lengths disagree.
pub fn single<T: Real>(heads: usize, q: &[T], rows: &[&[T]], operands: Operands, y: &mut [T]) {
    let (width, size) = (q.len(), q.len() / heads);
    assert!(y.len() == width && rows.iter().all(|row| row.len() == 2 * width), "keys and values of {width} channels");
    let mut rounded = q.to_vec();
    round(operands, &mut rounded);
    let scale = T::from_f64((size as f64).sqrt().recip());
    let mut scores = vec![T::ZERO; rows.len()];
    y.fill(T::ZERO);
    for (head, y) in y.chunks_exact_mut(size).enumerate() {
        let first = head * size;
        let q = &rounded[first..first + size];
        scores.iter_mut().zip(rows).for_each(|(score, row)| *score = dot(q, &row[first..first + size]));
        softmax(&mut scores, scale);
        round(operands, &mut scores);
        for (&score, row) in scores.iter().zip(rows) {
            add_scaled(y, score, &row[width + first..][..size]);
        }
    }
}

#[cfg(test)]
mod tests;
