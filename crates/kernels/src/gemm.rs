//! Matrix product over strided slices, on the calling thread.
#![allow(
    unsafe_code,
    reason = "the gemm crate takes raw pointers; `product` checks that every element lies inside its slice"
)]

use crate::real::Real;

/// A matrix in a slice: element (i, j) is `data[i * rs + j * cs]`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rs: usize,
    pub(crate) cs: usize,
}

/// A matrix to write, laid out as [`Mat`].
pub(crate) struct MatMut<'a, T> {
    pub(crate) data: &'a mut [T],
    pub(crate) rs: usize,
    pub(crate) cs: usize,
}

/// The slice that the matrix of the given shape needs.
fn extent(rows: usize, cols: usize, rs: usize, cs: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * rs + (cols - 1) * cs + 1 }
}

/// `dst = lhs * rhs`, or `dst += lhs * rhs` with `accumulate`; `dst` is m x n, `lhs` m x k, `rhs` k x n.
pub(crate) fn product<T: Real>(
    (m, n, k): (usize, usize, usize),
    dst: MatMut<'_, T>,
    accumulate: bool,
    lhs: Mat<'_, T>,
    rhs: Mat<'_, T>,
) {
    assert!(extent(m, n, dst.rs, dst.cs) <= dst.data.len(), "gemm: the product does not fit its slice");
    assert!(extent(m, k, lhs.rs, lhs.cs) <= lhs.data.len(), "gemm: the left matrix is larger than its slice");
    assert!(extent(k, n, rhs.rs, rhs.cs) <= rhs.data.len(), "gemm: the right matrix is larger than its slice");
    // SAFETY: the assertions above show that every element addressed lies inside its slice; a stride that leads to another element is
    // below the slice's length and fits isize, one that leads to none is only multiplied by 0; `dst` is borrowed mutably and cannot overlap the others; T is f32 or f64, which the gemm crate supports.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.data.as_mut_ptr(),
            dst.cs as isize,
            dst.rs as isize,
            accumulate,
            lhs.data.as_ptr(),
            lhs.cs as isize,
            lhs.rs as isize,
            rhs.data.as_ptr(),
            rhs.cs as isize,
            rhs.rs as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Mat, MatMut, product};

    /// Against the definition, with every operand transposed or not.
    #[test]
    fn products_agree_with_the_definition() {
        let (m, n, k) = (5, 7, 3);
        let lhs: Vec<f64> = (0..m * k).map(|i| (i as f64).sin()).collect();
        let rhs: Vec<f64> = (0..k * n).map(|i| (i as f64).cos()).collect();
        for (l, r, d) in [((k, 1), (n, 1), (n, 1)), ((1, m), (1, k), (1, m)), ((k, 1), (1, k), (n, 1))] {
            let mut dst = vec![1.0; m * n];
            product(
                (m, n, k),
                MatMut { data: &mut dst, rs: d.0, cs: d.1 },
                true,
                Mat { data: &lhs, rs: l.0, cs: l.1 },
                Mat { data: &rhs, rs: r.0, cs: r.1 },
            );
            for i in 0..m {
                for j in 0..n {
                    let expected: f64 =
                        1.0 + (0..k).map(|p| lhs[i * l.0 + p * l.1] * rhs[p * r.0 + j * r.1]).sum::<f64>();
                    assert!((dst[i * d.0 + j * d.1] - expected).abs() < 1e-12);
                }
            }
        }
    }
}
