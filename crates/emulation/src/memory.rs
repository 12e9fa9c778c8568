//! [`Buffer`]: memory of the emulation, and [`Place`]: where launches find it.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

/// Memory, which is given back when this is dropped.
#[derive(Debug)]
pub struct Buffer(Place);

impl Buffer {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Place(Rc::new(RefCell::new(Some(bytes)))))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.0.0.take();
    }
}

/// Where a buffer lies, as its address on a GPU: a recording that knows it does not keep the memory.
#[derive(Clone, Debug)]
pub(crate) struct Place(Rc<RefCell<Option<Vec<u8>>>>);

/// What a GPU would not say.
const GIVEN_BACK: &str = "memory is used that was given back: a recording, or a mean that was begun, has outlived it";

impl Place {
    /// The bytes.
    ///
    /// # Panics
    /// If they were given back.
    pub(crate) fn bytes(&self) -> Ref<'_, Vec<u8>> {
        Ref::filter_map(self.0.borrow(), Option::as_ref).unwrap_or_else(|_| panic!("{GIVEN_BACK}"))
    }

    /// The bytes, to change them.
    ///
    /// # Panics
    /// If they were given back.
    pub(crate) fn bytes_mut(&self) -> RefMut<'_, Vec<u8>> {
        RefMut::filter_map(self.0.borrow_mut(), Option::as_mut).unwrap_or_else(|_| panic!("{GIVEN_BACK}"))
    }

    /// Whether it is the same buffer.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// For an order of buffers.
    pub(crate) fn address(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}
