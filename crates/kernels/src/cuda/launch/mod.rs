//! The functions, by the names of the CPU's: checks of lengths, sizes of grids, arguments in order.
//!
//! Shapes are the CPU's ([`crate::conv::Conv2d`], [`crate::pool::Pool2d`], ...). A map is f32 or bf16 ([`Stored`]), everything that belongs to
//! channels or parameters f32. All functions return the device's errors, among them [`Misfit`] for lengths that disagree.

pub mod act;
pub mod attention;
pub mod depthwise;
pub mod dropout;
pub mod embedding;
pub mod heads;
pub mod images;
pub mod layer_norm;
pub mod layout;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod optim;
pub mod pool;
pub mod sums;

use super::device::{Arg, Device, Launch, Misfit, Stored, fits, int};
use super::source::{Part, Source, Subject};

/// Threads of a block (`THREADS` in `common.cu`).
const THREADS: usize = 256;
/// Blocks of a kernel that goes through elements, about: a dozen for each of the 132 multiprocessors of a large GPU, whole rounds where one
/// holds two, three, four or six at once.
const BLOCKS: usize = 12 * 132;
/// Terms of the second stage of a sum that a thread adds up at the end of the first, at most.
const TERMS_A_THREAD: usize = 32;
/// Columns of blocks that count themselves, at most (`MAX_COLUMNS` in `common.cu`).
const MAX_COLUMNS: u32 = 64;
/// CUDA's limit of a grid's second and third side.
const MAX_SIDE: usize = 65_535;

/// Arguments in order.
macro_rules! args {
    ($($arg:expr),+ $(,)?) => { vec![$($crate::cuda::device::Arg::from($arg)),+] };
}
use args;

/// Blocks and threads of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Grid {
    grid: [u32; 3],
    block: [u32; 2],
}

impl Grid {
    /// A thread for each of `n`.
    fn each(function: &'static str, n: usize) -> Result<Self, Misfit> {
        let blocks = n.div_ceil(THREADS);
        int(function, "number of blocks", blocks)?;
        Ok(Self { grid: [blocks as u32, 1, 1], block: [THREADS as u32, 1] })
    }

    /// A block for each of `n`.
    fn blocks(function: &'static str, n: usize) -> Result<Self, Misfit> {
        int(function, "number of blocks", n)?;
        Ok(Self { grid: [n as u32, 1, 1], block: [THREADS as u32, 1] })
    }

    /// A channel kernel on (rows, channels). Small maps are spread over the GPU too: a thread takes few rows before there are more blocks.
    fn channels(rows: usize, channels: usize, vec: usize) -> Self {
        Self::cut(rows, channels, vec, 2, BLOCKS)
    }

    /// One that adds up rows: each of its blocks is a term of the second stage, so there are no more than the GPU holds at once.
    fn sums(rows: usize, channels: usize, vec: usize) -> Self {
        Self::cut(rows, channels, vec, 4, BLOCKS / 4)
    }

    /// At most so many blocks, with so many rows a thread at least.
    fn cut(rows: usize, channels: usize, vec: usize, rows_a_thread: usize, most: usize) -> Self {
        let packs = channels.div_ceil(vec);
        let across = packs.next_power_of_two().min(32);
        let down = THREADS / across;
        let columns = packs.div_ceil(across);
        let blocks = rows.div_ceil(down * rows_a_thread).clamp(1, most.div_ceil(columns.max(1)));
        Self { grid: [columns as u32, blocks as u32, 1], block: [across as u32, down as u32] }
    }

    /// The second stage of sums over rows.
    fn finish(channels: usize, quantities: usize) -> Self {
        Self { grid: [channels.div_ceil(32) as u32, quantities as u32, 1], block: [32, 16] }
    }

    /// Whether the last of the blocks that share channels adds up what all of them have written: where that is not much, it is quicker than
    /// another launch. A launch of a channel kernel with so many elements a thread.
    fn is_whole(self, vec: usize) -> bool {
        let terms_a_thread = (self.row_blocks() * self.block[0] as usize * vec).div_ceil(THREADS);
        terms_a_thread <= TERMS_A_THREAD && self.grid[0] <= MAX_COLUMNS
    }

    /// Blocks among which the rows are cut.
    fn row_blocks(self) -> usize {
        self.grid[1] as usize
    }

    fn depth(mut self, z: usize) -> Self {
        self.grid[2] = z as u32;
        self
    }
}

/// The widest load for maps of so many channels (or elements) that begin at these elements of their buffers: the largest power of two that
/// divides all of them.
fn width<E: Stored>(channels: usize, starts: impl IntoIterator<Item = usize>) -> usize {
    let bits = starts.into_iter().fold(channels | E::WIDE, |bits, start| bits | start);
    1 << bits.trailing_zeros()
}

fn source<E: Stored>(subject: Subject, vec: usize) -> Source<'static> {
    Source { subject, bf16: E::BF16, vec, part: Part::None }
}

fn run<'a, D: Device>(
    device: &D,
    source: Source<'a>,
    entry: &'static str,
    Grid { grid, block }: Grid,
    args: Vec<Arg<'a, D>>,
) -> Result<(), D::Error> {
    if grid.contains(&0) {
        return Ok(());
    }
    device.launch(&Launch { source, entry, grid, block, args })
}

/// Errs where a slice is no whole number of rows.
fn rows_of(function: &'static str, len: usize, channels: usize) -> Result<usize, Misfit> {
    if channels == 0 || !len.is_multiple_of(channels) {
        let expected = len.next_multiple_of(channels.max(1));
        return Err(Misfit::Length { function, what: "map", found: len, expected });
    }
    Ok(len / channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn channel_grids_cover_all_and_stay_small() {
        for (rows, channels, vec) in [(1, 3, 1), (1_000_000, 16, 8), (98_000, 64, 4), (50_000, 2048, 8), (7, 513, 1)] {
            for (Grid { grid, block }, most) in
                [(Grid::channels(rows, channels, vec), BLOCKS), (Grid::sums(rows, channels, vec), BLOCKS / 4)]
            {
                assert_eq!(block[0] * block[1], THREADS as u32);
                assert!(block.iter().all(|n| n.is_power_of_two()));
                assert!(block[0] as usize * vec <= THREADS, "sums over rows have a thread for each channel of a block");
                assert!(grid[0] as usize * block[0] as usize * vec >= channels);
                assert!((grid[0] * grid[1]) as usize <= most + grid[0] as usize);
            }
        }
        assert_eq!(Grid::channels(10_000, 8, 8), Grid { grid: [1, 20, 1], block: [1, 256] });
        assert_eq!(Grid::sums(10_000, 8, 8), Grid { grid: [1, 10, 1], block: [1, 256] });
        assert_eq!(Grid::channels(10, 0, 4).grid[0], 0);
    }

    #[test]
    fn loads_are_wide_where_they_are_aligned() {
        assert_eq!(
            [width::<f32>(8, [0, 4]), width::<f32>(8, [2]), width::<f32>(6, []), width::<f32>(7, [])],
            [4, 2, 2, 1]
        );
        assert_eq!([width::<bf16>(16, [8]), width::<bf16>(12, [0]), width::<bf16>(8, [0, 1])], [8, 4, 1]);
    }
}
