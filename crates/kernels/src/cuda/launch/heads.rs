//! Attention of several heads from a library's products; see [`crate::attention`].
//!
//! Its two halves are functions of their own, so that what lies between them, the weights of the keys, is a map as any other: the weights
//! from queries and keys, and the means of the values that they weight.

use super::attention::{Scores, softmax_backward, softmax_forward};
use super::layout::Columns;
use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source, width};
use crate::cuda::device::{Device, Misfit, Scratch, View, ViewMut};
use crate::cuda::engine::{ALIGNMENT, Engine, Matrices, Precision};

/// Sizes of attention over sentences of equal (padded) lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Sentences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub size: usize,
    /// Queries of a sentence.
    pub queries: usize,
    /// Keys of a sentence, padding included.
    pub keys: usize,
    /// Whether query i sees keys 0..=i only.
    pub causal: bool,
}

/// Rows of tokens, and which of their columns are the heads' channels side by side; one column is the first, all heads' follow.
pub type Rows<'a, D, E> = (View<'a, D, E>, Columns);

impl Heads {
    fn scores(&self) -> Scores {
        let &Self { batch, heads, size, queries, keys, causal } = self;
        Scores { batch, heads, queries, keys, scale: (size as f64).sqrt().recip(), causal }
    }

    /// Elements of the queries, the keys (as of the values), and the weights.
    fn lens(&self) -> [usize; 3] {
        let all = self.batch * self.heads;
        [all * self.queries * self.size, all * self.keys * self.size, all * self.queries * self.keys]
    }

    /// A product of each head of each sentence.
    fn products(&self, rows: usize, columns: usize, inner: usize, a_transposed: bool, b_transposed: bool) -> Matrices {
        Matrices { batch: self.batch * self.heads, rows, columns, inner, a_transposed, b_transposed }
    }

    /// Brings each head's rows together: (batch, heads, tokens, size).
    fn apart<D: Device, E: Stored>(
        &self,
        device: &D,
        (xs, from): Rows<'_, D, E>,
        ys: ViewMut<'_, D, E>,
    ) -> Result<(), D::Error> {
        let grid = self.place::<D, E>("heads_apart", (xs, from), ys.view())?;
        grid.launch(device, xs, ys)
    }

    /// The way back of [`Heads::apart`]; other columns stay as they are.
    fn together<D: Device, E: Stored>(
        &self,
        device: &D,
        xs: View<'_, D, E>,
        (ys, to): (ViewMut<'_, D, E>, Columns),
    ) -> Result<(), D::Error> {
        let grid = self.place::<D, E>("heads_together", (ys.view(), to), xs)?;
        grid.launch(device, xs, ys)
    }

    /// Checks lengths.
    fn place<D: Device, E: Stored>(
        &self,
        name: &'static str,
        (rows, columns): Rows<'_, D, E>,
        heads: View<'_, D, E>,
    ) -> Result<Placed, Misfit> {
        let Columns { stride, first } = columns;
        let all = self.heads * self.size;
        if first + all > stride {
            let value = format!("{first}..{} of {stride}", first + all);
            return Err(Misfit::Value { function: name, what: "columns", value, expected: "columns of a row" });
        }
        let tokens = rows_of(name, rows_of(name, rows.len(), stride)?, self.batch)?;
        fits(name, "heads", heads.len(), self.batch * tokens * all)?;
        let vec = width::<E>(self.size, [stride, first, rows.place().1, heads.place().1]);
        let sizes = [self.heads, tokens, self.size, stride, first];
        let [heads_count, tokens, size, stride, first] = sizes.map(|value| int(name, "size", value));
        Ok(Placed { name, vec, len: heads.len(), sizes: [heads_count?, tokens?, size?, stride?, first?] })
    }
}

/// A launch that moves heads.
struct Placed {
    name: &'static str,
    vec: usize,
    len: usize,
    /// Heads, tokens, channels of a head, stride and first column of the rows.
    sizes: [i32; 5],
}

impl Placed {
    fn launch<D: Device, E: Stored>(
        &self,
        device: &D,
        xs: View<'_, D, E>,
        ys: ViewMut<'_, D, E>,
    ) -> Result<(), D::Error> {
        let [heads, tokens, size, stride, first] = self.sizes;
        let args = args![xs, &ys, self.len as u64, heads, tokens, size, stride, first];
        let grid = Grid::each(self.name, self.len / self.vec)?;
        run(device, source::<E>(Subject::Attention, self.vec), self.name, grid, args)
    }
}

/// Matrices of these lengths for results in between, each where a library can take it.
fn between<'a, D: Device, E: Stored, const N: usize>(
    device: &D,
    scratch: &'a mut Scratch<D>,
    lens: [usize; N],
) -> Result<[ViewMut<'a, D, E>; N], D::Error> {
    let mut end = 0;
    let ranges = lens.map(|len| {
        let start = end;
        end += len.next_multiple_of(ALIGNMENT / size_of::<E>());
        start..start + len
    });
    Ok(scratch.get(device, end)?.ranges(ranges))
}

/// `weights` (batch, heads, queries, keys) = softmax(q k^T / sqrt(size)) over the keys that are seen, the first `lengths[batch]` ones.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn weights_forward<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    heads: &Heads,
    precision: Precision,
    q: Rows<'_, D, E>,
    k: Rows<'_, D, E>,
    lengths: Option<View<'_, D, u32>>,
    weights: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let &Heads { size, queries, keys, .. } = heads;
    let [of_queries, of_keys, all] = heads.lens();
    let [mut qs, mut ks, mut scores] = between(device, scratch, [of_queries, of_keys, all])?;
    heads.apart(device, q, qs.reborrow())?;
    heads.apart(device, k, ks.reborrow())?;
    let product = heads.products(queries, keys, size, false, true);
    device.multiply(&product, precision, qs.view(), ks.view(), scores.reborrow(), false)?;
    softmax_forward(device, &heads.scores(), scores.view(), lengths, weights)
}

/// Where [`weights_backward`] writes: the columns of queries and keys alone.
#[derive(Debug)]
pub struct Grads<'a, D: Device, E> {
    /// Laid out as the queries.
    pub d_q: ViewMut<'a, D, E>,
    /// Laid out as the keys; `None` where they lie in the rows of the queries.
    pub d_k: Option<ViewMut<'a, D, E>>,
}

/// Gradients of queries and keys from that of the weights.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn weights_backward<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    heads: &Heads,
    precision: Precision,
    q: Rows<'_, D, E>,
    k: Rows<'_, D, E>,
    weights: View<'_, D, E>,
    d_weights: View<'_, D, E>,
    grads: Grads<'_, D, E>,
) -> Result<(), D::Error> {
    let &Heads { size, queries, keys, .. } = heads;
    let [of_queries, of_keys, all] = heads.lens();
    let lens = [of_queries, of_keys, all, of_queries, of_keys];
    let [mut qs, mut ks, mut d_scores, mut d_qs, mut d_ks] = between(device, scratch, lens)?;
    heads.apart(device, q, qs.reborrow())?;
    heads.apart(device, k, ks.reborrow())?;
    softmax_backward(device, &heads.scores(), weights, d_weights, d_scores.reborrow())?;
    let product = heads.products(queries, size, keys, false, false);
    device.multiply(&product, precision, d_scores.view(), ks.view(), d_qs.reborrow(), false)?;
    let product = heads.products(keys, size, queries, true, false);
    device.multiply(&product, precision, d_scores.view(), qs.view(), d_ks.reborrow(), false)?;
    let Grads { mut d_q, d_k } = grads;
    heads.together(device, d_qs.view(), (d_q.reborrow(), q.1))?;
    heads.together(device, d_ks.view(), (d_k.unwrap_or(d_q), k.1))
}

/// `ys` (batch, queries, heads * size) = the means of the values `v` by their weights.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn means_forward<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    heads: &Heads,
    precision: Precision,
    weights: View<'_, D, E>,
    v: Rows<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let &Heads { size, queries, keys, .. } = heads;
    let [of_queries, of_keys, _] = heads.lens();
    let [mut vs, mut means] = between(device, scratch, [of_keys, of_queries])?;
    heads.apart(device, v, vs.reborrow())?;
    let product = heads.products(queries, size, keys, false, false);
    device.multiply(&product, precision, weights, vs.view(), means.reborrow(), false)?;
    heads.together(device, means.view(), (ys, Columns { stride: heads.heads * size, first: 0 }))
}

/// The gradient of the weights, which is overwritten, and that of the values, whose columns alone are written.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn means_backward<D: Engine, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    heads: &Heads,
    precision: Precision,
    weights: View<'_, D, E>,
    v: Rows<'_, D, E>,
    d_ys: View<'_, D, E>,
    d_weights: ViewMut<'_, D, E>,
    d_v: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    let &Heads { size, queries, keys, .. } = heads;
    let [of_queries, of_keys, _] = heads.lens();
    let [mut vs, mut d_means, mut d_vs] = between(device, scratch, [of_keys, of_queries, of_keys])?;
    heads.apart(device, v, vs.reborrow())?;
    heads.apart(device, (d_ys, Columns { stride: heads.heads * size, first: 0 }), d_means.reborrow())?;
    let product = heads.products(queries, keys, size, false, true);
    device.multiply(&product, precision, d_means.view(), vs.view(), d_weights, false)?;
    let product = heads.products(keys, size, queries, true, false);
    device.multiply(&product, precision, weights, d_means.view(), d_vs.reborrow(), false)?;
    heads.together(device, d_vs.view(), (d_v, v.1))
}
