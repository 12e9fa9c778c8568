//! Softmax of attention scores with a mask, in between two products; attention of single queries as a whole.

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, Slice, View, ViewMut};

/// Sizes and mask of the scores (batch, heads, queries, keys).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Sentences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of a sentence.
    pub queries: usize,
    /// Keys of a sentence.
    pub keys: usize,
    /// What scores are multiplied by: 1 / sqrt(width of a head).
    pub scale: f64,
    /// Whether query i sees keys 0..=i only.
    pub causal: bool,
}

impl Scores {
    fn rows(&self) -> usize {
        self.batch * self.heads * self.queries
    }

    fn check(&self, function: &'static str, xs: usize, ys: usize) -> Result<(), Misfit> {
        fits(function, "scores", xs, self.rows() * self.keys)?;
        fits(function, "ys", ys, xs)
    }
}

/// `ys` = softmax of scale * scores over the keys that are seen: the first `lengths[batch]` ones, all without `lengths`. Others get 0,
/// as does everything in a row without any.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn softmax_forward<D: Device, E: Stored>(
    device: &D,
    scores: &Scores,
    xs: View<'_, D, E>,
    lengths: Option<View<'_, D, u32>>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "attention_softmax_forward";
    scores.check(NAME, xs.len(), ys.len())?;
    fits(NAME, "lengths", lengths.map_or(scores.batch, |lengths| lengths.len()), scores.batch)?;
    let (heads, queries) = (int(NAME, "heads", scores.heads)?, int(NAME, "queries", scores.queries)?);
    let (keys, scale) = (int(NAME, "keys", scores.keys)?, scores.scale as f32);
    let args = args![xs, lengths, &ys, heads, queries, keys, scale, scores.causal];
    run(device, source::<E>(Subject::Attention, 1), NAME, Grid::blocks(NAME, scores.rows())?, args)
}

/// The gradient of the scores from the softmax `ys` and its gradient.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn softmax_backward<D: Device, E: Stored>(
    device: &D,
    scores: &Scores,
    ys: View<'_, D, E>,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "attention_softmax_backward";
    scores.check(NAME, d_xs.len(), ys.len())?;
    fits(NAME, "d_ys", d_ys.len(), ys.len())?;
    let args = args![ys, d_ys, &d_xs, int(NAME, "keys", scores.keys)?, scores.scale as f32];
    run(device, source::<E>(Subject::Attention, 1), NAME, Grid::blocks(NAME, scores.rows())?, args)
}

/// Which rows of keys and values each of some queries sees.
#[derive(Debug)]
pub struct Places<D: Device> {
    /// (queries, most) places, then how many of them each query sees.
    words: Slice<D, u32>,
    queries: usize,
    /// The longest list.
    most: usize,
    end: u32,
}

impl<D: Device> Places<D> {
    /// For no queries.
    ///
    /// # Errors
    /// The device's.
    pub fn new(device: &D) -> Result<Self, D::Error> {
        Ok(Self { words: Slice::new(device, 0)?, queries: 0, most: 0, end: 0 })
    }

    /// Takes a list for each query.
    ///
    /// # Errors
    /// The device's.
    pub fn set(&mut self, device: &D, lists: &[Vec<u32>]) -> Result<(), D::Error> {
        let most = lists.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |list: &Vec<u32>| list.iter().copied().chain(std::iter::repeat_n(0, most - list.len())).collect();
        let mut words: Vec<u32> = lists.iter().flat_map(|list| -> Vec<u32> { padded(list) }).collect();
        words.extend(lists.iter().map(|list| list.len() as u32));
        let end = lists.iter().flatten().max().map_or(0, |&last| last.saturating_add(1));
        (self.queries, self.most, self.end) = (lists.len(), most, end);
        self.words.set(device, &words)
    }
}

/// Attention of single queries, each to rows that are named. The queries are the first `heads * size` of `stride` channels in rows; `kv`
/// is (rows, 2 * heads * size), keys, then values; `ys` is (queries, heads * size). A query that sees nothing gets zeros. `weights` is for
/// results in between, (queries, heads, longest list) at least.
///
/// # Errors
/// Lengths that disagree, a place beyond `kv`, and the device's.
pub fn single<D: Device, E: Stored>(
    device: &D,
    [heads, size, stride]: [usize; 3],
    q: View<'_, D, E>,
    kv: View<'_, D, E>,
    places: &Places<D>,
    weights: ViewMut<'_, D, f32>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "attention_single";
    let (width, &Places { queries, most, end, .. }) = (heads * size, places);
    let rows = rows_of(NAME, kv.len(), 2 * width)?;
    fits(NAME, "q", q.len(), queries * stride)?;
    fits(NAME, "ys", ys.len(), queries * width)?;
    if stride < width || end as usize > rows {
        let value = format!("{stride} channels, place {}", i64::from(end) - 1);
        let expected = "at least the heads' channels, and a row of keys and values";
        return Err(Misfit::Value { function: NAME, what: "a query", value, expected }.into());
    }
    if weights.len() < queries * heads * most {
        fits(NAME, "weights", weights.len(), queries * heads * most)?;
    }
    let (lists, seen) = (places.words.view().range(0..queries * most), places.words.view());
    let seen = seen.range(queries * most..queries * (most + 1));
    let (blocks, scale) = (Grid::blocks(NAME, queries * heads)?, (size as f32).sqrt().recip());
    let [heads, size, stride, most] =
        [("heads", heads), ("size", size), ("stride", stride), ("places", most)].map(|(what, n)| int(NAME, what, n));
    let args = args![q, kv, lists, seen, &weights, &ys, heads?, size?, stride?, most?, scale];
    run(device, source::<E>(Subject::Attention, 1), NAME, blocks, args)
}
