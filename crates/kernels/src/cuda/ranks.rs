//! [`Rank`]: which of several devices that learn together one is, and how they find each other.

use std::fmt;
use std::str::FromStr;

use super::device::Misfit;

/// Which of several devices that learn together one is, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    number: usize,
    of: usize,
}

impl Rank {
    /// Of a device that learns by itself.
    pub const ALONE: Self = Self { number: 0, of: 1 };

    /// Number `number` of `of`.
    ///
    /// # Errors
    /// [`Misfit::Value`] for a number that is not below `of`.
    pub fn new(number: usize, of: usize) -> Result<Self, Misfit> {
        match number < of {
            true => Ok(Self { number, of }),
            false => {
                let value = format!("{number} of {of}");
                Err(Misfit::Value {
                    function: "Rank::new",
                    what: "rank",
                    value,
                    expected: "a number below their count",
                })
            }
        }
    }

    /// Its number.
    pub fn number(self) -> usize {
        self.number
    }

    /// How many there are, at least 1.
    pub fn of(self) -> usize {
        self.of
    }

    /// Whether it is the only one.
    pub fn is_alone(self) -> bool {
        self.of == 1
    }

    /// Whether it is the one that writes records and evaluates.
    pub fn is_first(self) -> bool {
        self.number == 0
    }

    /// Batches that it has of a step of so many; `None` where they cannot be shared out evenly.
    pub fn share(self, batches: u64) -> Option<u64> {
        let of = self.of as u64;
        batches.is_multiple_of(of).then_some(batches / of)
    }

    /// Whether batch number `batch` of a step is one of its own: they are dealt out in turn.
    pub fn takes(self, batch: u64) -> bool {
        batch % self.of as u64 == self.number as u64
    }

    /// Whether batch number `batch` of a step of so many is the last of its own.
    pub fn ends(self, batch: u64, batches: u64) -> bool {
        self.takes(batch) && batch + self.of as u64 >= batches
    }
}

/// What the ranks of one run find each other by: NCCL's unique id. As text, 256 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting(pub [u8; Meeting::LEN]);

impl Meeting {
    /// Its bytes.
    pub const LEN: usize = 128;
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Meeting {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let bytes = digits.filter(|digits| digits.len() == 2 * Self::LEN).map(|digits| {
            let mut bytes = [0; Self::LEN];
            bytes.iter_mut().zip(digits.chunks_exact(2)).for_each(|(byte, pair)| *byte = pair[0] << 4 | pair[1]);
            bytes
        });
        let (function, what) = ("Meeting::from_str", "meeting of the ranks");
        let wrong = || Misfit::Value { function, what, value: format!("{text:?}"), expected: "256 hexadecimal digits" };
        bytes.map(Self).ok_or_else(wrong)
    }
}

/// A rank, and where it meets the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which of them it is.
    pub rank: Rank,
    /// The same for all of them.
    pub meeting: Meeting,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_batch_of_a_step_has_one_rank() {
        for (of, batches) in [(1, 1), (1, 3), (2, 2), (2, 6), (3, 3), (4, 8)] {
            let ranks: Vec<Rank> = (0..of).map(|number| Rank::new(number, of).unwrap()).collect();
            for batch in 0..batches {
                assert_eq!(
                    ranks.iter().filter(|rank| rank.takes(batch)).count(),
                    1,
                    "{batch} of {batches}, {of} ranks"
                );
            }
            for rank in ranks {
                let own = (0..batches).filter(|&batch| rank.takes(batch)).count() as u64;
                assert_eq!(rank.share(batches), Some(own), "{rank:?} of {batches}");
                let last = (0..batches).rfind(|&batch| rank.takes(batch));
                let ends: Vec<u64> = (0..batches).filter(|&batch| rank.ends(batch, batches)).collect();
                assert_eq!(ends, Vec::from_iter(last), "{rank:?} of {batches}");
            }
        }
        let first = Rank::new(0, 2).unwrap();
        assert_eq!((first.share(3), first.share(1)), (None, None));
        assert!(first.is_first() && !first.is_alone() && Rank::ALONE.is_alone());
        let error = Rank::new(2, 2).unwrap_err().to_string();
        assert!(error.contains("2 of 2"), "{error}");
    }

    #[test]
    fn a_meeting_goes_through_text() {
        let meeting = Meeting(std::array::from_fn(|i| (i * 7) as u8));
        assert_eq!(meeting.to_string().parse(), Ok(meeting));
        for wrong in ["", "00", &meeting.to_string()[1..], &meeting.to_string().replace("00", "0x")] {
            assert!(wrong.parse::<Meeting>().unwrap_err().to_string().contains("256 hexadecimal digits"));
        }
    }
}
