//! [`Element`]: what feature maps are stored in. Arithmetic is done in the wider [`Real`] behind it.

use half::bf16;

use crate::block::Reuse;
use crate::conv::Operands;
use crate::real::Real;
use crate::simd::simd_fn;

/// A stored element: `f32`, `f64` (for checks of gradients), or `bf16`, which halves the traffic to memory.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// What it is computed in.
    type Real: Real + Reuse;
    /// How the factors of products are rounded: to what is stored.
    const OPERANDS: Operands;

    /// Exact.
    fn widen(self) -> Self::Real;
    /// To the nearest, ties to even.
    fn narrow(x: Self::Real) -> Self;
    /// The slice itself, where elements are stored as they are computed.
    fn as_real(xs: &[Self]) -> Option<&[Self::Real]>;
    /// As [`Element::as_real`], to write.
    fn as_real_mut(xs: &mut [Self]) -> Option<&mut [Self::Real]>;
}

macro_rules! stored_as_computed {
    ($t:ty) => {
        impl Element for $t {
            type Real = $t;
            const OPERANDS: Operands = Operands::Exact;

            #[inline(always)]
            fn widen(self) -> $t {
                self
            }
            #[inline(always)]
            fn narrow(x: $t) -> $t {
                x
            }
            fn as_real(xs: &[$t]) -> Option<&[$t]> {
                Some(xs)
            }
            fn as_real_mut(xs: &mut [$t]) -> Option<&mut [$t]> {
                Some(xs)
            }
        }
    };
}
stored_as_computed!(f32);
stored_as_computed!(f64);

impl Element for bf16 {
    type Real = f32;
    const OPERANDS: Operands = Operands::Bf16;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn narrow(x: f32) -> bf16 {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        // The payload of a NaN could be carried away by the rounding.
        bf16::from_bits(if x.is_nan() { 0x7fc0 } else { rounded as u16 })
    }
    fn as_real(_: &[bf16]) -> Option<&[f32]> {
        None
    }
    fn as_real_mut(_: &mut [bf16]) -> Option<&mut [f32]> {
        None
    }
}

simd_fn! {
    /// `ys = xs`, widened.
    pub fn load<E: Element>(xs: &[E], ys: &mut [E::Real]) {
        for (y, &x) in ys.iter_mut().zip(xs) {
            *y = x.widen();
        }
    }
}

simd_fn! {
    /// `ys = xs`, rounded.
    pub fn store<E: Element>(xs: &[E::Real], ys: &mut [E]) {
        for (y, &x) in ys.iter_mut().zip(xs) {
            *y = E::narrow(x);
        }
    }
}

simd_fn! {
    /// `ys += xs`.
    pub fn add<E: Element>(ys: &mut [E::Real], xs: &[E]) {
        for (y, &x) in ys.iter_mut().zip(xs) {
            *y += x.widen();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, load, store};
    use half::bf16;

    /// The half crate's own conversion is the reference.
    #[test]
    fn bf16_is_rounded_to_nearest_even() {
        let xs: Vec<f32> = (0..400_000u32).map(|i| f32::from_bits(i.wrapping_mul(10_737))).collect();
        let mut stored = vec![bf16::ZERO; xs.len()];
        store(&xs, &mut stored);
        let mut back = vec![0.0; xs.len()];
        load(&stored, &mut back);
        for (&x, (&s, &b)) in xs.iter().zip(stored.iter().zip(&back)) {
            let expected = bf16::from_f32(x).to_f32();
            assert!(b == expected || (x.is_nan() && b.is_nan()), "{x:e}");
            assert_eq!(s.widen().to_bits(), b.to_bits());
        }
    }
}
