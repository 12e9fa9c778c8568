//! Convolution of a whole batch on all threads, in tasks of a few images each.

use std::any::Any;
use std::cell::RefCell;

use rayon::prelude::*;

use super::{Conv2d, Prepared, Scratch};
use crate::par::rows_per_task;
use crate::real::Real;
use crate::spare::Spare;

/// Elements that all partial sums of one weight gradient may take together.
const MAX_PARTIAL_ELEMENTS: usize = 4 << 20;
/// Partial sums of one weight gradient, at least (where there are as many images) and at most.
const PARTIALS: (usize, usize) = (4, 32);
/// Output pixels that one task computes, so that wide layers do not read their weights for a few pixels only.
const TASK_PIXELS: usize = 1024;

/// Elements that one task sums over all partial sums.
const SUM_CHUNK: usize = 16 << 10;

/// At most 32 tasks; at least 8 where there are as many images.
fn images_per_task(conv: &Conv2d) -> usize {
    let wanted = TASK_PIXELS.div_ceil(conv.out_h() * conv.out_w());
    rows_per_task(conv.n, wanted.min(conv.n.div_ceil(8)))
}

/// Runs `work` with the thread's own scratch of type `Scratch<T>`.
fn with_scratch<T: Real>(work: impl FnOnce(&mut Scratch<T>)) {
    thread_local! {
        /// One scratch an element type.
        static SCRATCHES: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
    }
    let kept = SCRATCHES.with_borrow_mut(|kept| {
        let i = kept.iter().position(|scratch| scratch.is::<Scratch<T>>())?;
        kept.swap_remove(i).downcast::<Scratch<T>>().ok()
    });
    let mut scratch = kept.unwrap_or_default();
    work(&mut scratch);
    SCRATCHES.with_borrow_mut(|kept| kept.push(scratch));
}

/// `ys` (n, out_h, out_w, c_out) from `xs` (n, h, w, c_in) and `weight` (c_out, c_in / groups, kh, kw). `ys` is overwritten.
pub fn forward<T: Real>(conv: &Conv2d, xs: &[T], weight: &[T], ys: &mut [T]) {
    conv.check_lengths(xs.len(), weight.len(), ys.len());
    if xs.is_empty() || ys.is_empty() {
        ys.fill(T::ZERO);
        return;
    }
    let prepared = Prepared::new(conv, weight, false);
    let (x_len, y_len) = (xs.len() / conv.n, ys.len() / conv.n);
    let step = images_per_task(conv);
    ys.par_chunks_mut(step * y_len).zip(xs.par_chunks(step * x_len)).for_each(|(ys, xs)| {
        with_scratch(|scratch| prepared.forward(ys.len() / y_len, xs, ys, scratch));
    });
}

/// `d_xs`, the gradient of the input, from `d_ys`, that of the output. `d_xs` is overwritten.
pub fn backward_data<T: Real>(conv: &Conv2d, d_ys: &[T], weight: &[T], d_xs: &mut [T]) {
    conv.check_lengths(d_xs.len(), weight.len(), d_ys.len());
    if d_xs.is_empty() || d_ys.is_empty() {
        d_xs.fill(T::ZERO);
        return;
    }
    let prepared = Prepared::new(conv, weight, true);
    let (x_len, y_len) = (d_xs.len() / conv.n, d_ys.len() / conv.n);
    let step = images_per_task(conv);
    d_xs.par_chunks_mut(step * x_len).zip(d_ys.par_chunks(step * y_len)).for_each(|(d_xs, d_ys)| {
        with_scratch(|scratch| prepared.backward_data(d_ys.len() / y_len, d_ys, d_xs, scratch));
    });
}

/// `d_weight`, the gradient of the weights, summed over images and positions. `d_weight` is overwritten.
pub fn backward_weight<T: Real>(conv: &Conv2d, xs: &[T], d_ys: &[T], d_weight: &mut [T]) {
    conv.check_lengths(xs.len(), d_weight.len(), d_ys.len());
    if xs.is_empty() || d_ys.is_empty() {
        d_weight.fill(T::ZERO);
        return;
    }
    let prepared = Prepared::<T>::for_weight_gradient(conv);
    let (x_len, y_len) = (xs.len() / conv.n, d_ys.len() / conv.n);
    let len = prepared.partial_len();
    let tasks = (MAX_PARTIAL_ELEMENTS / len).clamp(PARTIALS.0, PARTIALS.1).min(conv.n);
    let mut partials = Spare::new(tasks * len);
    partials.par_chunks_mut(len).enumerate().for_each(|(task, partial)| {
        partial.fill(T::ZERO);
        let (first, end) = (conv.n * task / tasks, conv.n * (task + 1) / tasks);
        let (xs, d_ys) = (&xs[first * x_len..end * x_len], &d_ys[first * y_len..end * y_len]);
        with_scratch(|scratch| prepared.backward_weight(end - first, xs, d_ys, partial, scratch));
    });
    let (total, others) = partials.split_at_mut(len);
    total.par_chunks_mut(SUM_CHUNK).enumerate().for_each(|(chunk, total)| {
        for partial in others.chunks_exact(len) {
            for (sum, &part) in total.iter_mut().zip(&partial[chunk * SUM_CHUNK..]) {
                *sum += part;
            }
        }
    });
    prepared.finish_weight(total, d_weight);
}
