//! The binaries of tables and figures, as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod all_reduced;
mod figures;
mod imagenet;
mod table_cifar;
mod table_overview;
mod wmt_transformer;
