//! Which images make a task, by sizes alone: results do not depend on the number of threads. And the buffers that tasks reuse.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::conv::Scratch;
use crate::real::Real;

/// Elements that a task works on at once, about: input and output stay in the second-level cache.
const GROUP_ELEMENTS: usize = 32 << 10;
/// Tasks at most, where there are as many images.
const TASKS: usize = 16;
/// Weights that pass through the cache once for every group: beyond this many, groups are as large as tasks allow.
const MANY_WEIGHTS: usize = 256 << 10;
/// Elements that all partial weight gradients may take together.
const PARTIAL_ELEMENTS: usize = 16 << 20;

/// Sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Images.
    pub images: usize,
    /// Pixels of an input image.
    pub in_pixels: usize,
    /// Pixels of an output image.
    pub out_pixels: usize,
    /// Channels that the block reads.
    pub c_in: usize,
    /// Channels that it makes.
    pub c_out: usize,
}

/// Images of each task, and how many of them are worked on at once.
pub(super) struct Plan {
    pub(super) tasks: Vec<Range<usize>>,
    pub(super) group: usize,
}

impl Plan {
    /// `partial` elements of weight gradient are summed in each task; 0 for none.
    pub(super) fn new(geometry: &Geometry, weights: usize, partial: usize) -> Self {
        let images = geometry.images;
        let tasks = match partial {
            0 => TASKS,
            len => (PARTIAL_ELEMENTS / len).clamp(2, TASKS),
        };
        let tasks = tasks.min(images).max(1);
        let image = (geometry.in_pixels * geometry.c_in).max(geometry.out_pixels * geometry.c_out).max(1);
        let group = if weights > MANY_WEIGHTS { images.div_ceil(tasks) } else { GROUP_ELEMENTS / image };
        let tasks = (0..tasks).map(|task| images * task / tasks..images * (task + 1) / tasks).collect();
        Self { tasks, group: group.max(1) }
    }

    /// The groups of a task.
    pub(super) fn groups(&self, task: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (group, end) = (self.group, task.end);
        task.clone().step_by(group).map(move |first| first..(first + group).min(end))
    }

    /// Every task's own part of `ys`, where an image has `image` elements.
    pub(super) fn split<'a, T>(&self, mut ys: &'a mut [T], image: usize) -> Vec<&'a mut [T]> {
        let mut parts = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            let (part, rest) = ys.split_at_mut(task.len() * image);
            parts.push(part);
            ys = rest;
        }
        parts
    }

    /// As [`Plan::split`], for what may be absent.
    pub(super) fn split_option<'a, T>(&self, ys: Option<&'a mut [T]>, image: usize) -> Vec<Option<&'a mut [T]>> {
        match ys {
            Some(ys) => self.split(ys, image).into_iter().map(Some).collect(),
            None => self.tasks.iter().map(|_| None).collect(),
        }
    }
}

/// Buffers of one running task.
#[derive(Default)]
pub struct Workspace<T> {
    /// What the convolution reads: (pixels, c_in).
    pub(super) input: Vec<T>,
    /// What it makes: (pixels, c_out).
    pub(super) output: Vec<T>,
    /// The gradient of `input`.
    pub(super) d_input: Vec<T>,
    /// The convolution's own.
    pub(super) conv: Scratch<T>,
}

/// The first `len` elements of a buffer that only ever grows.
pub(super) fn sized<T: Real>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::ZERO);
    }
    &mut buffer[..len]
}

/// Types to compute in, for which workspaces are kept from task to task.
pub trait Reuse: Real {
    /// Those that no task uses now.
    fn workspaces() -> &'static Mutex<Vec<Workspace<Self>>>;
}

macro_rules! reuse {
    ($t:ty) => {
        impl Reuse for $t {
            fn workspaces() -> &'static Mutex<Vec<Workspace<Self>>> {
                static FREE: Mutex<Vec<Workspace<$t>>> = Mutex::new(Vec::new());
                &FREE
            }
        }
    };
}
reuse!(f32);
reuse!(f64);

/// Runs `work` with a workspace that earlier tasks have warmed up.
pub(super) fn with_workspace<T: Reuse, R>(work: impl FnOnce(&mut Workspace<T>) -> R) -> R {
    let free = || T::workspaces().lock().unwrap_or_else(PoisonError::into_inner);
    let mut workspace = free().pop().unwrap_or_default();
    let result = work(&mut workspace);
    free().push(workspace);
    result
}
