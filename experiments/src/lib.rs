//! What the binaries of the tables share. The paper is visible in `src/bin`: one file a table.
//!
//! | module | what it has |
//! |---|---|
//! | [`args`] | the flags of every table |
//! | [`cifar`] | cells of the CIFAR tables, their estimate of time, tables and plots |

pub mod args;
pub mod cifar;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
