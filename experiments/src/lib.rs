//! What the binaries of the tables share. The paper is visible in `src/bin`: one file a table.
//!
//! | module | what it has |
//! |---|---|
//! | [`args`] | the flags of every table |
//! | [`runs`] | cells to records, or to an estimate of their time; files of a table |
//! | [`trials`] | several learning rates an activation, the best of them again |
//! | [`cifar`] | the CIFAR tables |
//! | [`imagenet`] | the ImageNet tables |
//! | [`translation`] | the table of translation |
//! | [`figures`] | Swish and what it meets in trained networks |
//! | [`distributions`] | preactivations, counted while a network runs |

pub mod args;
pub mod cifar;
pub mod distributions;
pub mod figures;
pub mod imagenet;
pub mod runs;
pub mod translation;
pub mod trials;

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
