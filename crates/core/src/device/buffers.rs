//! The memory of a planned pass on a device.

use super::buckets::Bucket;
use super::plan::{Lengths, Plan, Slot};
use crate::nn::PoolKind;
use crate::nn::graph::{Op, Step, Value};
use std::cell::{Cell, Ref, RefCell, RefMut};
use swish_kernels::cuda::device::Word;
use swish_kernels::cuda::launch::embedding::Tokens;
use swish_kernels::cuda::launch::layout;
use swish_kernels::cuda::{Device, Slice, Stored, View, ViewMut};
use swish_kernels::embedding::signal;

/// A plan with its buffers.
pub(super) struct Ready<D: Device, E> {
    pub(super) plan: Plan,
    /// What is averaged on the way back, the end of the layout first.
    pub(super) buckets: Vec<Bucket>,
    maps: Pool<D, E>,
    features: Pool<D, f32>,
    /// What each step has beside its map.
    pub(super) beside: Vec<Beside<D>>,
    /// (n, h, w, c), as they come from the host.
    pub(super) images: Slice<D, f32>,
    /// One class a row of logits.
    pub(super) targets: Slice<D, u32>,
    pub(super) sentences: Sentences<D>,
    /// Of each map, whether a gradient has come back to it in this pass.
    arrived: Vec<Cell<bool>>,
}

/// What a step has beside its map.
pub(super) enum Beside<D: Device> {
    Nothing,
    /// Where maxima are.
    Argmax(RefCell<Slice<D, u32>>),
    /// Mean and 1 / standard deviation of each row.
    Rows([RefCell<Slice<D, f32>>; 2]),
    /// The signal of positions.
    Signal(Slice<D, f32>),
}

impl<D: Device> Beside<D> {
    fn new(device: &D, step: &Step) -> Result<Self, D::Error> {
        let [n, h, w, c] = step.shape;
        Ok(match &step.op {
            Op::Pool { kind: PoolKind::Max, .. } => Self::Argmax(RefCell::new(Slice::new(device, step.len())?)),
            Op::LayerNorm { .. } => {
                let rows = || Slice::new(device, n * h * w).map(RefCell::new);
                Self::Rows([rows()?, rows()?])
            }
            Op::Embedding { .. } => Self::Signal(Slice::of(device, &signal(0, w, c))?),
            _ => Self::Nothing,
        })
    }
}

/// Sentences of a batch of pairs.
pub(super) struct Sentences<D: Device> {
    pub(super) src: Tokens<D>,
    /// What a target's tokens are written after.
    pub(super) tgt: Tokens<D>,
    /// Of the sources, before their padding.
    pub(super) lengths: Slice<D, u32>,
}

/// Buffers of one type.
struct Pool<D: Device, T> {
    slots: Vec<RefCell<Slice<D, T>>>,
    /// For a gradient that is added to another.
    shared: RefCell<Slice<D, T>>,
}

impl<D: Device, T: Word> Pool<D, T> {
    fn new(device: &D, lengths: &Lengths, shared: usize) -> Result<Self, D::Error> {
        let slice = |len| Slice::new(device, len).map(RefCell::new);
        let slots = lengths.lens.iter().map(|&len| slice(len)).collect::<Result<_, _>>()?;
        Ok(Self { slots, shared: slice(shared)? })
    }
}

impl<D: Device, E: Stored> Ready<D, E> {
    pub(super) fn new(device: &D, plan: Plan, buckets: Vec<Bucket>) -> Result<Self, D::Error> {
        let steps = &plan.graph.steps;
        let beside =
            |(step, wanted): (&Step, &bool)| if *wanted { Beside::new(device, step) } else { Ok(Beside::Nothing) };
        let images = steps.iter().find(|step| matches!(step.op, Op::Input)).map_or(0, Step::len);
        let [n, h, w, _] = steps[plan.graph.logits].shape;
        let none = || Tokens::new(device, &[], None);
        Ok(Self {
            maps: Pool::new(device, &plan.maps, plan.shared[0])?,
            features: Pool::new(device, &plan.features, plan.shared[1])?,
            beside: steps.iter().zip(&plan.wanted).map(beside).collect::<Result<_, _>>()?,
            images: Slice::new(device, images)?,
            targets: Slice::new(device, n * h * w)?,
            sentences: Sentences { src: none()?, tgt: none()?, lengths: Slice::new(device, 0)? },
            arrived: vec![Cell::new(false); steps.len()],
            plan,
            buckets,
        })
    }

    pub(super) fn maps(&self) -> Buffers<'_, D, E> {
        Buffers { pool: &self.maps, plan: &self.plan, arrived: &self.arrived }
    }

    pub(super) fn features(&self) -> Buffers<'_, D, f32> {
        Buffers { pool: &self.features, plan: &self.plan, arrived: &self.arrived }
    }

    /// Classes of the logits.
    pub(super) fn classes(&self) -> usize {
        self.plan.graph.steps[self.plan.graph.logits].shape[3]
    }

    /// Before the way back.
    pub(super) fn forget_gradients(&self) {
        self.arrived.iter().for_each(|arrived| arrived.set(false));
    }

    /// Whether a gradient has come back to a map.
    pub(super) fn has_gradient(&self, value: Value) -> bool {
        self.arrived[value].get()
    }
}

/// Maps or features of a pass, and their gradients.
pub(super) struct Buffers<'a, D: Device, T> {
    pool: &'a Pool<D, T>,
    plan: &'a Plan,
    arrived: &'a [Cell<bool>],
}

/// A buffer that is read.
pub(super) struct Reading<'a, D: Device, T> {
    slice: Ref<'a, Slice<D, T>>,
    len: usize,
}

impl<D: Device, T: Word> Reading<'_, D, T> {
    pub(super) fn view(&self) -> View<'_, D, T> {
        self.slice.view().range(0..self.len)
    }
}

/// A buffer that is written.
pub(super) struct Writing<'a, D: Device, T> {
    slice: RefMut<'a, Slice<D, T>>,
    len: usize,
}

impl<D: Device, T: Word> Writing<'_, D, T> {
    pub(super) fn view_mut(&mut self) -> ViewMut<'_, D, T> {
        self.slice.view_mut().range(0..self.len)
    }
}

impl<'a, D: Device, T: Word> Buffers<'a, D, T> {
    fn len(&self, value: Value) -> usize {
        self.plan.graph.steps[value].len()
    }

    /// The buffer of a place that the plan has. Where it has none, which would be a mistake of the plan, lengths show it.
    fn slot(&self, slot: Option<Slot>) -> &'a RefCell<Slice<D, T>> {
        slot.and_then(|slot| self.pool.slots.get(slot)).unwrap_or(&self.pool.shared)
    }

    /// What a step has made.
    pub(super) fn value(&self, value: Value) -> Reading<'a, D, T> {
        Reading { slice: self.slot(self.plan.values[value]).borrow(), len: self.len(value) }
    }

    /// Where a step's map goes.
    pub(super) fn value_mut(&self, value: Value) -> Writing<'a, D, T> {
        Writing { slice: self.slot(self.plan.values[value]).borrow_mut(), len: self.len(value) }
    }

    /// The gradient of a step's map.
    pub(super) fn gradient(&self, value: Value) -> Reading<'a, D, T> {
        Reading { slice: self.slot(self.plan.gradients[value]).borrow(), len: self.len(value) }
    }

    /// Where the gradient of a map goes, and whether it is to be added to what is there; `None` where nobody wants it.
    pub(super) fn receiver(&self, value: Value) -> Option<(Writing<'a, D, T>, bool)> {
        self.plan.tracked[value].then(|| {
            let add = self.arrived[value].replace(true);
            (Writing { slice: self.slot(self.plan.gradients[value]).borrow_mut(), len: self.len(value) }, add)
        })
    }
}

impl<D: Device, T: Stored> Buffers<'_, D, T> {
    /// Lets `make` write the gradient of a map, or what is added to it; does nothing where nobody wants it.
    pub(super) fn receive(
        &self,
        device: &D,
        value: Value,
        make: impl FnOnce(ViewMut<'_, D, T>) -> Result<(), D::Error>,
    ) -> Result<(), D::Error> {
        match self.receiver(value) {
            None => Ok(()),
            Some((mut gradient, false)) => make(gradient.view_mut()),
            Some((mut gradient, true)) => {
                let mut more = Writing { slice: self.pool.shared.borrow_mut(), len: self.len(value) };
                make(more.view_mut())?;
                layout::add(device, more.view_mut().view(), gradient.view_mut())
            }
        }
    }
}
