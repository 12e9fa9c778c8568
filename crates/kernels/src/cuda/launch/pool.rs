//! Pooling of NHWC images; see [`crate::pool`].

use super::{Grid, MAX_SIDE, Stored, Subject, args, fits, int, run, source, width};
use crate::cuda::device::{Device, Misfit, View, ViewMut};
use crate::pool::Pool2d;

/// Checks the shape, then the lengths of input and output; returns the structure `Pool` of `pool.cu`.
fn check(function: &'static str, pool: &Pool2d, [x, y]: [usize; 2]) -> Result<Vec<u32>, Misfit> {
    if [pool.kh, pool.kw, pool.c, pool.stride.0, pool.stride.1].contains(&0) {
        let value = format!("{pool:?}");
        return Err(Misfit::Value { function, what: "shape", value, expected: "a window, channels and a stride" });
    }
    fits(function, "input", x, pool.in_len())?;
    fits(function, "output", y, pool.out_len())?;
    [
        ("n", pool.n),
        ("h", pool.h),
        ("w", pool.w),
        ("c", pool.c),
        ("kh", pool.kh),
        ("kw", pool.kw),
        ("stride", pool.stride.0),
        ("stride", pool.stride.1),
        ("pad", pool.pad.top),
        ("pad", pool.pad.left),
        ("out_h", pool.out_h()),
        ("out_w", pool.out_w()),
        ("count_padding", pool.count_padding.into()),
    ]
    .into_iter()
    .map(|(what, value)| Ok(int(function, what, value)? as u32))
    .collect()
}

/// Largest value of every window, and in `argmax` the index (row * w + column) of its cell.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn max_forward<D: Device, E: Stored>(
    device: &D,
    pool: &Pool2d,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
    argmax: ViewMut<'_, D, u32>,
) -> Result<(), D::Error> {
    const NAME: &str = "max_pool_forward";
    let shape = check(NAME, pool, [xs.len(), ys.len()])?;
    fits(NAME, "argmax", argmax.len(), ys.len())?;
    let vec = width::<E>(pool.c, [xs.place().1, ys.view().place().1]);
    let grid = Grid::each(NAME, ys.len() / vec)?;
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args![xs, &ys, &argmax, shape])
}

/// Gradient of [`max_forward`]; `d_xs` is overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn max_backward<D: Device, E: Stored>(
    device: &D,
    pool: &Pool2d,
    argmax: View<'_, D, u32>,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "max_pool_backward";
    let shape = check(NAME, pool, [d_xs.len(), d_ys.len()])?;
    fits(NAME, "argmax", argmax.len(), d_ys.len())?;
    let vec = width::<E>(pool.c, [d_ys.place().1, d_xs.view().place().1]);
    let grid = Grid::each(NAME, d_xs.len() / vec)?;
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args![argmax, d_ys, &d_xs, shape])
}

/// Average of every window; see [`Pool2d::count_padding`].
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn avg_forward<D: Device, E: Stored>(
    device: &D,
    pool: &Pool2d,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "avg_pool_forward";
    let shape = check(NAME, pool, [xs.len(), ys.len()])?;
    let vec = width::<E>(pool.c, [xs.place().1, ys.view().place().1]);
    let grid = Grid::each(NAME, ys.len() / vec)?;
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args![xs, &ys, shape])
}

/// Gradient of [`avg_forward`]; `d_xs` is overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn avg_backward<D: Device, E: Stored>(
    device: &D,
    pool: &Pool2d,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "avg_pool_backward";
    let shape = check(NAME, pool, [d_xs.len(), d_ys.len()])?;
    let vec = width::<E>(pool.c, [d_ys.place().1, d_xs.view().place().1]);
    let grid = Grid::each(NAME, d_xs.len() / vec)?;
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args![d_ys, &d_xs, shape])
}

/// Mean over the `hw` pixels of each of `n` images: `ys` (n, c), in f32 whatever the map is stored in, from `xs` (n, hw, c).
///
/// # Errors
/// Lengths that disagree, no pixels, and the device's.
pub fn global_avg_forward<D: Device, E: Stored>(
    device: &D,
    [n, hw, c]: [usize; 3],
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "global_avg_forward";
    global_check(NAME, [n, hw, c], xs.len(), ys.len())?;
    let vec = width::<E>(c, [xs.place().1]);
    // One block down, so that it has the whole sum.
    let grid = Grid::channels(1, c, vec).depth(n);
    let args = args![xs, &ys, int(NAME, "hw", hw)?, int(NAME, "c", c)?];
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args)
}

/// Gradient of [`global_avg_forward`]: `d_xs` (n, hw, c) from `d_ys` (n, c). `d_xs` is overwritten.
///
/// # Errors
/// Lengths that disagree, no pixels, and the device's.
pub fn global_avg_backward<D: Device, E: Stored>(
    device: &D,
    [n, hw, c]: [usize; 3],
    d_ys: View<'_, D, f32>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "global_avg_backward";
    global_check(NAME, [n, hw, c], d_xs.len(), d_ys.len())?;
    let vec = width::<E>(c, [d_xs.view().place().1]);
    let grid = Grid::channels(hw, c, vec).depth(n);
    let args = args![d_ys, &d_xs, int(NAME, "hw", hw)?, int(NAME, "c", c)?];
    run(device, source::<E>(Subject::Pool, vec), NAME, grid, args)
}

/// Checks lengths.
fn global_check(function: &'static str, [n, hw, c]: [usize; 3], large: usize, small: usize) -> Result<(), Misfit> {
    let bad = |what, value: usize, expected| Misfit::Value { function, what, value: value.to_string(), expected };
    if hw * c == 0 {
        return Err(bad("pixels times channels", 0, "at least 1"));
    }
    if n > MAX_SIDE {
        return Err(bad("images", n, "at most 65535"));
    }
    fits(function, "(n, hw, c) map", large, n * hw * c)?;
    fits(function, "(n, c) map", small, n * c)
}
