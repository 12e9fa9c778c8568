//! What the binaries of the tables share. The paper is visible in `src/bin`: one file a table.
//!
//! | module | what it has |
//! |---|---|
//! | [`args`] | the flags of every table |
//! | [`cifar`] | cells of the CIFAR tables, their estimate of time, tables and plots |

pub mod args;
pub mod cifar;

use std::process::ExitCode;

/// How a binary ends: a failure is one line on standard error.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
