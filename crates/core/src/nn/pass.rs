//! How a network is run: training or evaluation, precision, seeds.

use super::probe::Probe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use swish_kernels::conv::Operands;

/// Counts multiply-adds of convolutions and linear layers while a network runs.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Multiply-adds so far, over all examples of the batch.
    pub fn macs(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, macs: u64) {
        self.0.fetch_add(macs, Ordering::Relaxed);
    }
}

/// One forward pass through a network.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Training: batch statistics, dropout, and a graph for the gradients. Otherwise running statistics and no graph.
    pub train: bool,
    /// Share of the batch in the new running statistics (PyTorch's sense); `None` is each layer's own.
    pub norm_momentum: Option<f64>,
    /// What BatchNorm adds to running variances, for weights that were trained with another value; `None` is each layer's own.
    pub norm_eps: Option<f64>,
    /// Seed of dropout in this step; `None` switches dropout off.
    pub dropout_seed: Option<u64>,
    /// Precision: exact, or maps and the factors of products in bfloat16 with sums in f32.
    pub operands: Operands,
    /// Counts multiply-adds when given.
    pub tally: Option<Arc<Tally>>,
    /// Is shown the preactivations when given.
    pub probe: Option<Arc<dyn Probe>>,
}

impl Pass {
    /// A training pass in full precision, without dropout.
    pub fn train() -> Self {
        Self {
            train: true,
            norm_momentum: None,
            norm_eps: None,
            dropout_seed: None,
            operands: Operands::Exact,
            tally: None,
            probe: None,
        }
    }

    /// An evaluation pass in full precision.
    pub fn eval() -> Self {
        Self { train: false, ..Self::train() }
    }

    /// The seed of dropout, where the pass drops.
    pub(crate) fn drops(&self) -> Option<u64> {
        self.dropout_seed.filter(|_| self.train)
    }
}
