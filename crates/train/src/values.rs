//! The parameters of a network as one slice, in place.

use crate::error::Result;
use candle_core::{CpuStorage, InplaceOp1, Layout, Var};
use std::cell::Cell;

/// Calls `f` with the values of a network's variable, which it may change.
///
/// # Errors
/// Values that are not contiguous f32 on the CPU.
pub(crate) fn with_values(flat: &Var, f: impl FnOnce(&mut [f32])) -> Result<()> {
    Ok(flat.as_tensor().inplace_op1(&InPlace(Cell::new(Some(f))))?)
}

/// Runs its function once.
struct InPlace<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "values in place"
    }

    fn cpu_fwd(&self, values: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((from, to))) = (values, layout.contiguous_offsets()) else {
            candle_core::bail!("training needs contiguous F32 parameters")
        };
        if let Some(f) = self.0.take() {
            f(&mut values[from..to]);
        }
        Ok(())
    }
}
