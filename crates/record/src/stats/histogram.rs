//! Counts of numbers in bins of equal width.

/// Counts in equal bins from `low` to `high`; numbers outside are counted apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin, which is not part of it.
    pub high: f64,
    /// Numbers in each bin.
    pub counts: Vec<u64>,
    /// Numbers below all bins.
    pub below: u64,
    /// Numbers above all bins, and those that are none.
    pub above: u64,
}

impl Histogram {
    /// `bins` empty bins, at least one.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, counts: vec![0; bins.max(1)], below: 0, above: 0 }
    }

    /// Width of a bin.
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.counts.len() as f64
    }

    /// Edges of bin `n`.
    pub fn edges(&self, n: usize) -> (f64, f64) {
        (self.low + n as f64 * self.width(), self.low + (n + 1) as f64 * self.width())
    }

    /// Counts a number.
    pub fn add(&mut self, value: f64) {
        if value < self.low {
            self.below += 1;
        } else if value < self.high {
            let bin = ((value - self.low) / self.width()) as usize;
            let last = self.counts.len() - 1;
            self.counts[bin.min(last)] += 1;
        } else {
            self.above += 1;
        }
    }

    /// Counts all that another has counted in the same bins.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.below += other.below;
        self.above += other.above;
    }

    /// All numbers.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.below + self.above
    }

    /// Share of bin `n` in all numbers.
    pub fn share(&self, n: usize) -> f64 {
        self.counts[n] as f64 / self.total().max(1) as f64
    }

    /// Share of the numbers from `low` to `high`, to the nearest edges of bins.
    pub fn share_between(&self, low: f64, high: f64) -> f64 {
        let edge =
            |value: f64| ((value - self.low) / self.width()).round().clamp(0.0, self.counts.len() as f64) as usize;
        let (first, end) = (edge(low), edge(high));
        self.counts[first..end.max(first)].iter().sum::<u64>() as f64 / self.total().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn every_number_is_counted_once() {
        let mut histogram = Histogram::new(-2.0, 2.0, 8);
        for value in [-2.1, -2.0, -1.6, -0.1, 0.0, 0.49, 1.99, 2.0, f64::NAN, f64::INFINITY] {
            histogram.add(value);
        }
        assert_eq!(histogram.counts, [2, 0, 0, 1, 2, 0, 0, 1]);
        assert_eq!((histogram.below, histogram.above, histogram.total()), (1, 3, 10));
        assert_eq!((histogram.edges(1), histogram.share(0)), ((-1.5, -1.0), 0.2));
        assert_eq!(histogram.share_between(-2.0, 0.0), 0.3);
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        assert_eq!((twice.total(), twice.share(4)), (20, 0.2));
    }
}
