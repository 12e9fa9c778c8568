//! [`Engine`] by the CPU's kernels in f32: stored numbers are widened, results rounded once. No precision is less than f32's.

use std::marker::PhantomData;
use std::ops::Range;

use half::bf16;
use swish_kernels::conv::{self, Conv2d};
use swish_kernels::cuda::engine::check_convolution;
use swish_kernels::cuda::{Engine, Matrices, Precision, Rank, Stored, View, ViewMut};
use swish_kernels::layout::{nchw_to_nhwc, nhwc_to_nchw};
use swish_kernels::linear;

use crate::memory::Place;
use crate::{Host, HostError};

impl Engine for Host {
    fn name(&self) -> String {
        "emulation".into()
    }

    fn convolve<E: Stored>(
        &self,
        conv: &Conv2d,
        _: Precision,
        xs: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        ys: ViewMut<'_, Self, E>,
    ) -> Result<(), HostError> {
        check_convolution("convolve", conv, xs, weight, ys.view())?;
        let (conv, xs, weight, ys) = (of::<E>(conv), Numbers::of(xs), Numbers::of(weight), Numbers::of(ys.view()));
        self.act(move |_| {
            let mut result = vec![0.0; ys.len()];
            conv::forward(&conv, &xs.read(), &weight.read_weight(&conv), &mut result);
            ys.store(result, false);
            Ok(())
        })
    }

    fn convolve_back<E: Stored>(
        &self,
        conv: &Conv2d,
        _: Precision,
        d_ys: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        d_xs: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), HostError> {
        check_convolution("convolve_back", conv, d_xs.view(), weight, d_ys)?;
        let (conv, weight) = (of::<E>(conv), Numbers::of(weight));
        let (d_ys, d_xs) = (Numbers::of(d_ys), Numbers::of(d_xs.view()));
        self.act(move |_| {
            let mut result = vec![0.0; d_xs.len()];
            conv::backward_data(&conv, &d_ys.read(), &weight.read_weight(&conv), &mut result);
            d_xs.store(result, add);
            Ok(())
        })
    }

    fn convolve_weight<E: Stored>(
        &self,
        conv: &Conv2d,
        _: Precision,
        xs: View<'_, Self, E>,
        d_ys: View<'_, Self, E>,
        d_weight: ViewMut<'_, Self, E>,
    ) -> Result<(), HostError> {
        check_convolution("convolve_weight", conv, xs, d_weight.view(), d_ys)?;
        let conv = of::<E>(conv);
        let (xs, d_ys, d_weight) = (Numbers::of(xs), Numbers::of(d_ys), Numbers::of(d_weight.view()));
        self.act(move |_| {
            let [mut result, mut packed] = [(); 2].map(|()| vec![0.0; d_weight.len()]);
            conv::backward_weight(&conv, &xs.read(), &d_ys.read(), &mut result);
            nchw_to_nhwc(conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw, &result, &mut packed);
            d_weight.store(packed, false);
            Ok(())
        })
    }

    fn multiply<E: Stored>(
        &self,
        matrices: &Matrices,
        _: Precision,
        a: View<'_, Self, E>,
        b: View<'_, Self, E>,
        to: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), HostError> {
        matrices.check("multiply", a, b, to.view())?;
        let Matrices { batch, rows, columns, inner, a_transposed, b_transposed } = *matrices;
        let (a, b, to) = (Numbers::of(a), Numbers::of(b), Numbers::of(to.view()));
        self.act(move |_| {
            // The CPU's product takes both with `inner` last.
            let last = |xs: Vec<f32>, outer: usize, transposed: bool| {
                if !transposed {
                    return xs;
                }
                let mut ys = vec![0.0; xs.len()];
                nchw_to_nhwc(batch, inner, outer, &xs, &mut ys);
                ys
            };
            let (a, b) = (last(a.read(), rows, a_transposed), last(b.read(), columns, !b_transposed));
            let mut result = vec![0.0; to.len()];
            let factors = a.chunks_exact(rows * inner).zip(b.chunks_exact(inner * columns));
            for ((a, b), result) in factors.zip(result.chunks_exact_mut(rows * columns)) {
                linear::forward(rows, inner, columns, a, b, None, result, E::OPERANDS);
            }
            to.store(result, add);
            Ok(())
        })
    }

    fn rank(&self) -> Rank {
        self.group.as_ref().map_or(Rank::ALONE, |group| group.rank())
    }

    fn average(&self, xs: ViewMut<'_, Self, f32>) -> Result<(), HostError> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        let xs = Numbers::of(xs.view());
        self.act(move |_| group.average(&xs.place, xs.bytes.clone()))
    }

    fn averaged(&self) -> Result<(), HostError> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        self.act(move |_| group.averaged())
    }
}

/// Factors of bf16 are not changed by being rounded to it, only faster.
fn of<E: Stored>(conv: &Conv2d) -> Conv2d {
    Conv2d { operands: E::OPERANDS, ..*conv }
}

/// The numbers of a view, with their memory.
struct Numbers<E> {
    place: Place,
    bytes: Range<usize>,
    stored: PhantomData<E>,
}

impl<E: Stored> Numbers<E> {
    fn of(view: View<'_, Host, E>) -> Self {
        let ((buffer, first), size) = (view.place(), size_of::<E>());
        Self { place: buffer.place().clone(), bytes: first * size..(first + view.len()) * size, stored: PhantomData }
    }

    fn len(&self) -> usize {
        self.bytes.len() / size_of::<E>()
    }

    fn read(&self) -> Vec<f32> {
        let memory = self.place.bytes();
        let bytes = &memory[self.bytes.clone()];
        if E::BF16 {
            return bytes.as_chunks().0.iter().map(|&bytes| bf16::from_ne_bytes(bytes).to_f32()).collect();
        }
        bytes.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect()
    }

    /// Weights (c_out, kh, kw, c_in / groups) as the CPU's (c_out, c_in / groups, kh, kw).
    fn read_weight(&self, conv: &Conv2d) -> Vec<f32> {
        let packed = self.read();
        let mut weight = vec![0.0; packed.len()];
        nhwc_to_nchw(conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw, &packed, &mut weight);
        weight
    }

    /// Rounds a result, or its sum with what is there.
    fn store(&self, mut result: Vec<f32>, add: bool) {
        if add {
            result.iter_mut().zip(self.read()).for_each(|(x, before)| *x += before);
        }
        let mut memory = self.place.bytes_mut();
        let bytes = &mut memory[self.bytes.clone()];
        if E::BF16 {
            let numbers = bytes.as_chunks_mut().0.iter_mut().zip(&result);
            numbers.for_each(|(bytes, &x)| *bytes = bf16::from_f32(x).to_ne_bytes());
        } else {
            let numbers = bytes.as_chunks_mut().0.iter_mut().zip(&result);
            numbers.for_each(|(bytes, x)| *bytes = x.to_ne_bytes());
        }
    }
}
