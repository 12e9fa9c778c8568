//! Rows of a table by their number, and back.

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, Slice, View, ViewMut};

/// No id is padding.
const NO_PADDING: u32 = u32::MAX;

/// The tokens of a batch and, for the way back, which of them have each id.
#[derive(Debug)]
pub struct Tokens<D: Device> {
    ids: Slice<D, u32>,
    rows: Slice<D, u32>,
    starts: Slice<D, u32>,
    tokens: Slice<D, u32>,
    padding: Option<u32>,
    end: u32,
}

impl<D: Device> Tokens<D> {
    /// Sorts the tokens by their ids, on the host. A token of the id `padding` is a vector of zeros and trains nothing.
    ///
    /// # Errors
    /// More tokens than fit 32 bits, and the device's.
    pub fn new(device: &D, ids: &[u32], padding: Option<u32>) -> Result<Self, D::Error> {
        int("embedding", "number of tokens", ids.len())?;
        let mut tokens: Vec<u32> =
            (0..ids.len() as u32).filter(|&token| Some(ids[token as usize]) != padding).collect();
        // Stable: the tokens of one id stay in their order.
        tokens.sort_by_key(|&token| ids[token as usize]);
        let (mut rows, mut starts) = (Vec::new(), Vec::new());
        for (place, &token) in tokens.iter().enumerate() {
            if rows.last() != Some(&ids[token as usize]) {
                rows.push(ids[token as usize]);
                starts.push(place as u32);
            }
        }
        starts.push(tokens.len() as u32);
        Ok(Self {
            ids: Slice::of(device, ids)?,
            rows: Slice::of(device, &rows)?,
            starts: Slice::of(device, &starts)?,
            tokens: Slice::of(device, &tokens)?,
            padding,
            end: ids.iter().max().map_or(0, |&largest| largest.saturating_add(1)),
        })
    }

    fn check(&self, function: &'static str, table: usize, map: usize, width: usize) -> Result<(), Misfit> {
        let vocabulary = rows_of(function, table, width)?;
        fits(function, "map", map, self.ids.len() * width)?;
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
    let args = args![tokens.ids.view(), table, signal, &ys, positions, width, scale as f32, padding];
    run(device, source::<E>(Subject::Embedding, 1), NAME, Grid::blocks(NAME, tokens.ids.len())?, args)
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
    let lists = (tokens.rows.view(), tokens.starts.view(), tokens.tokens.view());
    let args = args![lists.0, lists.1, lists.2, d_ys, &d_table, int(NAME, "width", width)?, scale as f32];
    run(device, source::<E>(Subject::Embedding, 1), NAME, Grid::blocks(NAME, tokens.rows.len())?, args)
}
