//! [`Map`]: the images or features that flow from layer to layer.

use super::buffer::Data;
use super::norm::NormLayer;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use swish_kernels::block::Moments;

/// Values that a layer has made, (n, h, w, c).
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) shape: [usize; 4],
    pub(crate) data: Data,
    /// Mean and variance of each channel, where its maker found them.
    pub(crate) moments: OnceLock<Arc<Moments>>,
    /// Whether anything wants its gradient.
    pub(crate) tracked: bool,
}

impl Node {
    pub(crate) fn new(shape: [usize; 4], data: Data, tracked: bool) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, shape, data, moments: OnceLock::new(), tracked }
    }

    pub(crate) fn with_moments(self, moments: Option<Moments>) -> Self {
        if let Some(moments) = moments {
            // The cell is new, so it is empty.
            let _ = self.moments.set(Arc::new(moments));
        }
        self
    }

    /// Pixels of all images.
    pub(crate) fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1] * self.shape[2]
    }
}

/// A norm and an activation that have not been run yet: the convolution that reads the map runs them on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) norm: Arc<NormLayer>,
    pub(crate) moments: Arc<Moments>,
    pub(crate) residual: Option<Arc<Node>>,
    /// Whether the first reader keeps the activated values for others.
    pub(crate) shared: AtomicBool,
    /// The activated values.
    pub(crate) kept: OnceLock<Arc<Node>>,
}

/// Images (n, h, w, c) on their way through a network; features (n, 1, 1, c) behind the global mean.
#[derive(Clone, Debug)]
pub struct Map {
    pub(crate) node: Arc<Node>,
    pub(crate) pending: Option<Arc<Pending>>,
}

impl Map {
    pub(crate) fn of(node: Node) -> Self {
        Self { node: Arc::new(node), pending: None }
    }

    /// (n, h, w, c).
    pub fn shape(&self) -> [usize; 4] {
        self.node.shape
    }

    /// The shape of the values as a tensor: features are (n, c).
    pub(crate) fn dims(&self) -> Vec<usize> {
        dims(self.node.shape)
    }

    /// The same map, which more than one layer will read: the first of them keeps the activated values.
    pub fn shared(&self) -> Self {
        if let Some(pending) = &self.pending {
            pending.shared.store(true, Ordering::Relaxed);
        }
        self.clone()
    }
}

/// Features as (n, c), images as (n, h, w, c).
pub(crate) fn dims([n, h, w, c]: [usize; 4]) -> Vec<usize> {
    if h * w == 1 { vec![n, c] } else { vec![n, h, w, c] }
}
