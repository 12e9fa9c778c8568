//! What a training pass remembers, and the way back through it.
//!
//! The tape stands in place of candle's graph, for which every gradient would be a new tensor of zeros and a sum: here a layer adds to the
//! gradient that is there, and gives a gradient on that it does not change.

use super::buffer::{Buffer, Data, Memory, Stored};
use super::error::Result;
use super::params::Values;
use std::collections::HashMap;
use std::sync::Arc;
use swish_kernels::Real;

/// One layer's way back.
pub(crate) trait Step: Send {
    /// Takes the gradient of what the layer made and puts that of what it read.
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()>;
}

/// The steps of a training pass, in the order in which they were done.
#[derive(Default)]
pub(crate) struct Tape {
    steps: Vec<Box<dyn Step>>,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tape of {} steps", self.steps.len())
    }
}

impl Tape {
    pub(crate) fn push(&mut self, step: impl Step + 'static) {
        self.steps.push(Box::new(step));
    }

    /// Goes back from the gradients of nodes, given by their ids. Returns the parameters' gradient, laid out as they are, and the gradients left over:
    /// those of the maps that no layer made.
    pub(crate) fn backward(
        self,
        memory: &Arc<Memory>,
        values: Values<'_>,
        made: impl IntoIterator<Item = (usize, Data)>,
    ) -> Result<(Data, Gradients)> {
        let d_params = match values {
            Values::F32(values) => Data::F32(Buffer::zeros(memory, values.len())),
            Values::F64(values) => Data::F64(Buffer::zeros(memory, values.len())),
        };
        let mut back = Backward { values, d_params, gradients: Gradients::default(), memory: memory.clone() };
        for (id, gradient) in made {
            back.gradients.put(id, Gradient::plain(Arc::new(gradient)));
        }
        // A step is dropped when it is done, and with it the maps that only it needed.
        for step in self.steps.into_iter().rev() {
            step.backward(&mut back)?;
        }
        Ok((back.d_params, back.gradients))
    }
}

/// The state of a way back.
pub(crate) struct Backward<'a> {
    pub(crate) values: Values<'a>,
    pub(crate) d_params: Data,
    pub(crate) gradients: Gradients,
    pub(crate) memory: Arc<Memory>,
}

/// The gradient of a node: `slope d + pull (z - mean) + term`, where z are the node's values and mean their mean.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    pub(crate) d: Arc<Data>,
    pub(crate) slope: Option<Vec<f64>>,
    pub(crate) correction: Option<Pull>,
}

/// One pull and one term a channel.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) pull: Vec<f64>,
    pub(crate) term: Vec<f64>,
}

impl Pull {
    /// For a map of `channels` channels, of which the norm reads the first.
    pub(crate) fn padded(mut self, channels: usize) -> Self {
        self.pull.resize(channels, 0.0);
        self.term.resize(channels, 0.0);
        self
    }

    /// Adds the pulls of a norm that reads the first channels.
    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in [(&mut self.pull, &other.pull), (&mut self.term, &other.term)] {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }
}

impl Gradient {
    pub(crate) fn plain(d: Arc<Data>) -> Self {
        Self { d, slope: None, correction: None }
    }
}

/// Gradients by node.
#[derive(Debug, Default)]
pub(crate) struct Gradients(HashMap<usize, Gradient>);

impl Gradients {
    pub(crate) fn take(&mut self, id: usize) -> Option<Gradient> {
        self.0.remove(&id)
    }

    /// A copy that shares the buffer.
    pub(crate) fn get(&self, id: usize) -> Option<Gradient> {
        self.0.get(&id).cloned()
    }

    pub(crate) fn put(&mut self, id: usize, gradient: Gradient) {
        self.0.insert(id, gradient);
    }

    /// Adds a gradient without slope and correction to what the node has.
    pub(crate) fn add<E: Stored>(&mut self, id: usize, d: Arc<Data>) -> Result<()> {
        let Some(mut own) = self.take(id) else {
            self.put(id, Gradient::plain(d));
            return Ok(());
        };
        let sum = Arc::make_mut(&mut own.d);
        add_to(E::of_mut(sum)?, E::of(&d)?);
        self.put(id, own);
        Ok(())
    }
}

/// `ys += xs`.
pub(crate) fn add_to<E: Stored>(ys: &mut [E], xs: &[E]) {
    use rayon::prelude::*;
    const CHUNK: usize = 1 << 14;
    ys.par_chunks_mut(CHUNK).zip(xs.par_chunks(CHUNK)).for_each(|(ys, xs)| {
        ys.iter_mut().zip(xs).for_each(|(y, x)| *y = E::narrow(y.widen() + x.widen()));
    });
}

/// In the type to compute in.
pub(crate) fn narrow<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}
