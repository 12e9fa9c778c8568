//! [`Padding`]: fixed, or TensorFlow's SAME, which depends on the size of the image.

use swish_kernels::conv::Pad;

/// Cells around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As many, whatever the image.
    Fixed(Pad),
    /// TensorFlow's SAME: as many as make ceil(size / stride) windows; an odd one stands after the image.
    Same,
}

impl From<Pad> for Padding {
    fn from(pad: Pad) -> Self {
        Self::Fixed(pad)
    }
}

impl Padding {
    /// For an image of this height and width.
    pub(super) fn of(self, [h, w]: [usize; 2], kernel: (usize, usize), stride: (usize, usize)) -> Pad {
        match self {
            Self::Fixed(pad) => pad,
            Self::Same => {
                let (top, bottom) = same(h, kernel.0, stride.0);
                let (left, right) = same(w, kernel.1, stride.1);
                Pad { top, bottom, left, right }
            }
        }
    }
}

/// Cells before and after `n`. A stride of 0 is refused where the window is run.
fn same(n: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let stride = stride.max(1);
    let covered = n.div_ceil(stride).saturating_sub(1) * stride + kernel;
    let total = covered.saturating_sub(n);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::same;

    /// NASNet-A's stem: from 111 to 56 symmetric, from 56 to 28 not.
    #[test]
    fn same_padding_puts_the_odd_cell_behind() {
        assert_eq!((same(111, 3, 2), same(56, 3, 2), same(56, 7, 2), same(56, 5, 1)), ((1, 1), (0, 1), (2, 3), (2, 2)));
        assert_eq!(same(4, 1, 2), (0, 0));
    }
}
