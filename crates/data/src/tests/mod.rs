//! Tests that go through files: bad input, the hub, and the real data. Those of a single module stand in that module, or
//! here under its name.

mod files;
mod hub;
mod real;
mod source;
pub(crate) mod support;
