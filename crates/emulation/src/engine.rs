//! [`Engine`] by the CPU's kernels in f32: stored numbers are widened, results rounded once. No precision is less than f32's.

use swish_kernels::conv::{self, Conv2d};
use swish_kernels::cuda::engine::check_convolution;
use swish_kernels::cuda::{Engine, Matrices, Precision, Rank, Stored, View, ViewMut};
use swish_kernels::layout::{nchw_to_nhwc, nhwc_to_nchw};
use swish_kernels::linear;

use crate::ranks::Group;
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
        let mut result = vec![0.0; ys.len()];
        conv::forward(&of::<E>(conv), &read(self, xs)?, &read_weight(self, conv, weight)?, &mut result);
        store(self, &result, ys, false)
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
        let mut result = vec![0.0; d_xs.len()];
        conv::backward_data(&of::<E>(conv), &read(self, d_ys)?, &read_weight(self, conv, weight)?, &mut result);
        store(self, &result, d_xs, add)
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
        let [mut result, mut packed] = [(); 2].map(|()| vec![0.0; d_weight.len()]);
        conv::backward_weight(&of::<E>(conv), &read(self, xs)?, &read(self, d_ys)?, &mut result);
        nchw_to_nhwc(conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw, &result, &mut packed);
        store(self, &packed, d_weight, false)
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
        let &Matrices { batch, rows, columns, inner, a_transposed, b_transposed } = matrices;
        // The CPU's product takes both with `inner` last.
        let last = |xs: Vec<f32>, outer: usize, transposed: bool| {
            if !transposed {
                return xs;
            }
            let mut ys = vec![0.0; xs.len()];
            nchw_to_nhwc(batch, inner, outer, &xs, &mut ys);
            ys
        };
        let (a, b) = (last(read(self, a)?, rows, a_transposed), last(read(self, b)?, columns, !b_transposed));
        let mut result = vec![0.0; to.len()];
        let factors = a.chunks_exact(rows * inner).zip(b.chunks_exact(inner * columns));
        for ((a, b), result) in factors.zip(result.chunks_exact_mut(rows * columns)) {
            linear::forward(rows, inner, columns, a, b, None, result, E::OPERANDS);
        }
        store(self, &result, to, add)
    }

    fn rank(&self) -> Rank {
        self.group.as_ref().map_or(Rank::ALONE, Group::rank)
    }

    fn average(&self, xs: ViewMut<'_, Self, f32>) -> Result<(), HostError> {
        self.group.as_ref().map_or(Ok(()), |group| group.average(self, xs))
    }

    fn averaged(&self) -> Result<(), HostError> {
        self.group.as_ref().map_or(Ok(()), Group::averaged)
    }
}

/// Factors of bf16 are not changed by being rounded to it, only faster.
fn of<E: Stored>(conv: &Conv2d) -> Conv2d {
    Conv2d { operands: E::OPERANDS, ..*conv }
}

fn read<E: Stored>(host: &Host, xs: View<'_, Host, E>) -> Result<Vec<f32>, HostError> {
    Ok(xs.to_vec(host)?.into_iter().map(E::widen).collect())
}

/// Weights (c_out, kh, kw, c_in / groups) as the CPU's (c_out, c_in / groups, kh, kw).
fn read_weight<E: Stored>(host: &Host, conv: &Conv2d, weight: View<'_, Host, E>) -> Result<Vec<f32>, HostError> {
    let packed = read(host, weight)?;
    let mut weight = vec![0.0; packed.len()];
    nhwc_to_nchw(conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw, &packed, &mut weight);
    Ok(weight)
}

/// Rounds a result, or its sum with what is there.
fn store<E: Stored>(host: &Host, result: &[f32], mut to: ViewMut<'_, Host, E>, add: bool) -> Result<(), HostError> {
    let rounded: Vec<E> = if add {
        let before = read(host, to.view())?;
        before.iter().zip(result).map(|(before, x)| E::narrow(before + x)).collect()
    } else {
        result.iter().map(|&x| E::narrow(x)).collect()
    };
    to.write(host, &rounded)
}
