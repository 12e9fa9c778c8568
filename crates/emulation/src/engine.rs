//! What libraries do on a GPU, by the CPU's kernels in double precision.

use crate::host::{Host, HostError};
use swish_kernels::conv::{self, Conv2d};
use swish_kernels::cuda::{Engine, Matrices, Misfit, Precision, Stored, View, ViewMut};

fn fits(function: &'static str, what: &'static str, found: usize, expected: usize) -> Result<(), Misfit> {
    if found == expected { Ok(()) } else { Err(Misfit::Length { function, what, found, expected }) }
}

/// As libraries ask for it, of whole numbers of their widest load.
fn aligned<T>(function: &'static str, what: &'static str, start: usize) -> Result<(), Misfit> {
    let bytes = start * size_of::<T>() % 256;
    if bytes == 0 {
        return Ok(());
    }
    let value = format!("{bytes} bytes behind a multiple of 256");
    Err(Misfit::Value { function, what, value, expected: "a start at a multiple" })
}

fn doubled<E: Stored>(host: &Host, view: View<'_, Host, E>) -> Result<Vec<f64>, HostError> {
    Ok(view.to_vec(host)?.into_iter().map(|x| f64::from(x.widen())).collect())
}

/// Stores the result, or the sum of it and what is there.
fn put<E: Stored>(host: &Host, values: &[f64], mut to: ViewMut<'_, Host, E>, add: bool) -> Result<(), HostError> {
    let before = if add { doubled(host, to.view())? } else { vec![0.0; values.len()] };
    let sum: Vec<E> = values.iter().zip(before).map(|(value, before)| E::narrow((value + before) as f32)).collect();
    to.write(host, &sum)
}

/// (n, a, b) to (n, b, a).
fn transposed([n, a, b]: [usize; 3], xs: &[f64]) -> Vec<f64> {
    (0..n * a * b).map(|at| xs[at / (a * b) * a * b + at % a * b + at / a % b]).collect()
}

/// The sizes of a weight: c_out, c_in / groups, taps.
fn weight_shape(conv: &Conv2d) -> [usize; 3] {
    [conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw]
}

fn check<E: Stored>(function: &'static str, conv: &Conv2d, [x, w, y]: [View<'_, Host, E>; 3]) -> Result<(), Misfit> {
    for (what, view, expected) in
        [("input", x, conv.in_len()), ("weight", w, conv.weight_len()), ("output", y, conv.out_len())]
    {
        fits(function, what, view.len(), expected)?;
        aligned::<E>(function, what, view.place().1)?;
    }
    Ok(())
}

impl Engine for Host {
    fn convolve<E: Stored>(
        &self,
        conv: &Conv2d,
        _: Precision,
        xs: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        ys: ViewMut<'_, Self, E>,
    ) -> Result<(), HostError> {
        check("convolve", conv, [xs, weight, ys.view()])?;
        let [c_out, c_in, taps] = weight_shape(conv);
        let weight = transposed([c_out, taps, c_in], &doubled(self, weight)?);
        let mut made = vec![0.0; conv.out_len()];
        conv::forward(conv, &doubled(self, xs)?, &weight, &mut made);
        put(self, &made, ys, false)
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
        check("convolve_back", conv, [d_xs.view(), weight, d_ys])?;
        let [c_out, c_in, taps] = weight_shape(conv);
        let weight = transposed([c_out, taps, c_in], &doubled(self, weight)?);
        let mut made = vec![0.0; conv.in_len()];
        conv::backward_data(conv, &doubled(self, d_ys)?, &weight, &mut made);
        put(self, &made, d_xs, add)
    }

    fn convolve_weight<E: Stored>(
        &self,
        conv: &Conv2d,
        _: Precision,
        xs: View<'_, Self, E>,
        d_ys: View<'_, Self, E>,
        d_weight: ViewMut<'_, Self, E>,
    ) -> Result<(), HostError> {
        check("convolve_weight", conv, [xs, d_weight.view(), d_ys])?;
        let mut made = vec![0.0; conv.weight_len()];
        conv::backward_weight(conv, &doubled(self, xs)?, &doubled(self, d_ys)?, &mut made);
        put(self, &transposed(weight_shape(conv), &made), d_weight, false)
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
        let &Matrices { rows, columns, inner, a_transposed, b_transposed } = matrices;
        for (what, view, expected) in [
            ("first factor", a, rows * inner),
            ("second factor", b, inner * columns),
            ("product", to.view(), rows * columns),
        ] {
            fits("multiply", what, view.len(), expected)?;
            aligned::<E>("multiply", what, view.place().1)?;
        }
        let (a, b) = (doubled(self, a)?, doubled(self, b)?);
        let a = |row: usize, k: usize| if a_transposed { a[k * rows + row] } else { a[row * inner + k] };
        let b = |k: usize, column: usize| if b_transposed { b[column * inner + k] } else { b[k * columns + column] };
        let sum = |at: usize| (0..inner).map(|k| a(at / columns, k) * b(k, at % columns)).sum();
        let made: Vec<f64> = (0..rows * columns).map(sum).collect();
        put(self, &made, to, add)
    }
}
