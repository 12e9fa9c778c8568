//! Rows of a table by their number, and back.

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, Slice, View, ViewMut};

/// No id is padding.
const NO_PADDING: u32 = u32::MAX;

/// The tokens of a batch and, for the way back, which of them have each id. As many tokens lie in the same memory whichever they are, and
/// launches for them are the same.
#[derive(Debug)]
pub struct Tokens<D: Device> {
    /// Ids, the ids that there are, the tokens sorted by id, and where in them each id begins: n, n, n and n + 1 numbers.
    words: Slice<D, u32>,
    n: usize,
    padding: Option<u32>,
    end: u32,
}

impl<D: Device> Tokens<D> {
    /// Sorts the tokens by their ids, on the host. A token of the id `padding` is a vector of zeros and trains nothing.
    ///
    /// # Errors
    /// More tokens than fit 32 bits, and the device's.
    pub fn new(device: &D, ids: &[u32], padding: Option<u32>) -> Result<Self, D::Error> {
        let mut tokens = Self { words: Slice::new(device, 1)?, n: 0, padding, end: 0 };
        tokens.set(device, ids)?;
        Ok(tokens)
    }

    /// Takes other tokens, with the same padding.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn set(&mut self, device: &D, ids: &[u32]) -> Result<(), D::Error> {
        let n = ids.len();
        int("embedding", "number of tokens", n)?;
        let mut tokens: Vec<u32> = (0..n as u32).filter(|&token| Some(ids[token as usize]) != self.padding).collect();
        // Stable: the tokens of one id stay in their order.
        tokens.sort_by_key(|&token| ids[token as usize]);
        let (mut rows, mut starts) = (Vec::new(), Vec::new());
        for (place, &token) in tokens.iter().enumerate() {
            if rows.last() != Some(&ids[token as usize]) {
                rows.push(ids[token as usize]);
                starts.push(place as u32);
            }
        }
        // The others have no tokens.
        starts.resize(n + 1, tokens.len() as u32);
        [&mut rows, &mut tokens].into_iter().for_each(|list| list.resize(n, 0));
        self.words.set(device, &[ids, &rows, &tokens, &starts].concat())?;
        (self.n, self.end) = (n, ids.iter().max().map_or(0, |&largest| largest.saturating_add(1)));
        Ok(())
    }

    /// Ids, rows, tokens and starts.
    fn lists(&self) -> [View<'_, D, u32>; 4] {
        let (all, n) = (self.words.view(), self.n);
        [0..n, n..2 * n, 2 * n..3 * n, 3 * n..all.len()].map(|range| all.range(range))
    }

    fn check(&self, function: &'static str, table: usize, map: usize, width: usize) -> Result<(), Misfit> {
        let vocabulary = rows_of(function, table, width)?;
        fits(function, "map", map, self.n * width)?;
        if self.end as usize > vocabulary {
            let value = (self.end - 1).to_string();
            return Err(Misfit::Value { function, what: "an id", value, expected: "below the rows of the table" });
        }
        Ok(())
    }
}

/// `ys` (tokens, width) = scale * rows of `table` (vocabulary, width) + `signal` (positions, width), which begins again where it ends.
///
/// # Errors
/// Lengths that disagree, an id beyond the table, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    width: usize,
    scale: f64,
    tokens: &Tokens<D>,
    table: View<'_, D, f32>,
    signal: Option<View<'_, D, f32>>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "embedding_forward";
    tokens.check(NAME, table.len(), ys.len(), width)?;
    let padding = tokens.padding.unwrap_or(NO_PADDING);
    let positions = signal.map_or(Ok(1), |signal| rows_of(NAME, signal.len(), width))?;
    if positions == 0 {
        let (what, value) = ("the signal", "empty".into());
        return Err(Misfit::Value { function: NAME, what, value, expected: "one position at least" }.into());
    }
    let (positions, width) = (int(NAME, "positions", positions)?, int(NAME, "width", width)?);
    let [ids, ..] = tokens.lists();
    let args = args![ids, table, signal, &ys, positions, width, scale as f32, padding];
    run(device, source::<E>(Subject::Embedding, 1), NAME, Grid::blocks(NAME, tokens.n)?, args)
}

/// Adds the gradient of [`forward`] to `d_table`; the tokens of one id are summed in their order.
///
/// # Errors
/// Lengths that disagree, an id beyond the table, and the device's.
pub fn backward<D: Device, E: Stored>(
    device: &D,
    width: usize,
    scale: f64,
    tokens: &Tokens<D>,
    d_ys: View<'_, D, E>,
    d_table: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "embedding_backward";
    tokens.check(NAME, d_table.len(), d_ys.len(), width)?;
    let [_, rows, sorted, starts] = tokens.lists();
    let args = args![rows, starts, sorted, d_ys, &d_table, int(NAME, "width", width)?, scale as f32];
    run(device, source::<E>(Subject::Embedding, 1), NAME, Grid::blocks(NAME, tokens.n)?, args)
}
