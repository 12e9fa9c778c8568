//! The memory of a planned pass on a device.

use super::buckets::Bucket;
use super::plan::{Lengths, Plan, Slot};
use super::recorded::Recorded;
use crate::models::transformer::PAD;
use crate::nn::graph::{Op, Step, Value};
use crate::nn::{Pass, PoolKind};
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::cmp::Reverse;
use std::rc::Rc;
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
    /// What the sums of losses over the rows are divided by.
    pub(super) count: Slice<D, f32>,
    /// Of the masks of dropout in this pass.
    pub(super) seed: Slice<D, u64>,
    pub(super) recorded: RefCell<Recorded<D>>,
    /// When it was last planned for.
    pub(super) used: u64,
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

/// Memory that plans lie in one over the other, since one pass is run at a time.
pub(super) struct Memory<D: Device, E> {
    maps: Stock<D, E>,
    features: Stock<D, f32>,
}

impl<D: Device, E> Default for Memory<D, E> {
    fn default() -> Self {
        Self { maps: Stock(Vec::new()), features: Stock(Vec::new()) }
    }
}

impl<D: Device, E: Stored> Memory<D, E> {
    /// Whether a plan lies in it without more.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        self.maps.fits(&lengths(&plan.maps, plan.shared[0]))
            && self.features.fits(&lengths(&plan.features, plan.shared[1]))
    }
}

/// Buffers of one type, the largest first.
struct Stock<D: Device, T>(Vec<Shared<D, T>>);

/// A buffer that several plans use.
type Shared<D, T> = Rc<RefCell<Slice<D, T>>>;

impl<D: Device, T: Word> Stock<D, T> {
    fn len(&self, place: usize) -> Option<usize> {
        self.0.get(place).map(|slice| slice.borrow().len())
    }

    /// Whether there are buffers as long as these, each for one.
    fn fits(&self, lens: &[usize]) -> bool {
        let mut sorted = lens.to_vec();
        sorted.sort_unstable_by_key(|&len| Reverse(len));
        sorted.into_iter().enumerate().all(|(place, len)| self.len(place) >= Some(len))
    }

    /// A buffer at least as long for each; those that are too short are given up.
    fn take(&mut self, device: &D, lens: &[usize]) -> Result<Vec<Shared<D, T>>, D::Error> {
        let mut order: Vec<usize> = (0..lens.len()).collect();
        order.sort_by_key(|&i| Reverse(lens[i]));
        for (place, &i) in order.iter().enumerate() {
            if self.len(place) < Some(lens[i]) {
                if place < self.0.len() {
                    self.0.remove(place);
                }
                self.0.insert(place, Rc::new(RefCell::new(Slice::new(device, lens[i])?)));
            }
        }
        let mut taken: Vec<(usize, _)> = order.into_iter().zip(self.0.iter().cloned()).collect();
        taken.sort_by_key(|(i, _)| *i);
        Ok(taken.into_iter().map(|(_, slice)| slice).collect())
    }
}

/// The lengths of a plan's buffers, and of the one for a gradient that is added to another.
fn lengths(lengths: &Lengths, shared: usize) -> Vec<usize> {
    lengths.lens.iter().copied().chain([shared]).collect()
}

/// Buffers of one type.
struct Pool<D: Device, T> {
    slots: Vec<Shared<D, T>>,
    /// For a gradient that is added to another.
    shared: Shared<D, T>,
}

impl<D: Device, T: Word> Pool<D, T> {
    /// The last of the buffers is that for gradients to be added.
    fn new(device: &D, stock: &mut Stock<D, T>, lens: &[usize]) -> Result<Self, D::Error> {
        let mut slots = stock.take(device, lens)?;
        let shared = match slots.pop() {
            Some(shared) => shared,
            None => Rc::new(RefCell::new(Slice::new(device, 0)?)),
        };
        Ok(Self { slots, shared })
    }
}

impl<D: Device, E: Stored> Ready<D, E> {
    pub(super) fn new(
        device: &D,
        memory: &mut Memory<D, E>,
        plan: Plan,
        buckets: Vec<Bucket>,
    ) -> Result<Self, D::Error> {
        let steps = &plan.graph.steps;
        let beside =
            |(step, wanted): (&Step, &bool)| if *wanted { Beside::new(device, step) } else { Ok(Beside::Nothing) };
        let images = steps.iter().find(|step| matches!(step.op, Op::Input)).map_or(0, Step::len);
        let [n, h, w, _] = steps[plan.graph.logits].shape;
        let none = || Tokens::new(device, &[], Some(PAD));
        Ok(Self {
            maps: Pool::new(device, &mut memory.maps, &lengths(&plan.maps, plan.shared[0]))?,
            features: Pool::new(device, &mut memory.features, &lengths(&plan.features, plan.shared[1]))?,
            beside: steps.iter().zip(&plan.wanted).map(beside).collect::<Result<_, _>>()?,
            images: Slice::new(device, images)?,
            targets: Slice::new(device, n * h * w)?,
            count: Slice::new(device, 1)?,
            seed: Slice::zeros(device, 1)?,
            recorded: RefCell::new(Recorded::Nothing),
            used: 0,
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

    /// Brings what a pass has numbers for: its seed and, where there are losses, what their sums are divided by.
    pub(super) fn begin(&mut self, device: &D, pass: &Pass, count: Option<usize>) -> Result<(), D::Error> {
        if let Some(seed) = pass.drops() {
            self.seed.view_mut().write(device, &[seed])?;
        }
        count.map_or(Ok(()), |count| self.count.view_mut().write(device, &[count as f32]))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use swish_emulation::Host;

    #[test]
    fn plans_lie_over_each_other_until_one_is_longer() {
        let Some(host) = Host::new(&std::env::temp_dir()) else { return };
        let mut stock = Stock::<Host, f32>(Vec::new());
        assert!(!stock.fits(&[3]) && stock.fits(&[]));
        let first = stock.take(&host, &[3, 9, 5]).unwrap();
        let lens = |taken: &[Shared<Host, f32>]| taken.iter().map(|slice| slice.borrow().len()).collect::<Vec<_>>();
        assert_eq!(lens(&first), [3, 9, 5], "each in its place");
        assert!(stock.fits(&[8, 4]) && stock.fits(&[3, 5, 9]) && !stock.fits(&[6, 6]) && !stock.fits(&[1, 1, 1, 1]));
        let second = stock.take(&host, &[4, 8]).unwrap();
        assert!(Rc::ptr_eq(&second[1], &first[1]) && Rc::ptr_eq(&second[0], &first[2]));
        // What is too short is replaced, the rest stays.
        let third = stock.take(&host, &[6, 6, 2, 1]).unwrap();
        assert_eq!(lens(&third), [9, 6, 3, 1]);
        assert!(Rc::ptr_eq(&third[0], &first[1]) && Rc::ptr_eq(&third[2], &first[0]));
        let lens: Vec<usize> = stock.0.iter().map(|slice| slice.borrow().len()).collect();
        assert_eq!(lens, [9, 6, 3, 1]);
    }
}
