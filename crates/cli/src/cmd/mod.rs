//! One file a command; `ranks` is what those that train have in common.

pub mod activation;
pub mod bench;
pub mod bleu;
pub mod data;
pub mod eval;
pub mod export;
pub mod forward;
pub mod gpu;
pub mod models;
pub mod ranks;
pub mod report;
pub mod search;
pub mod space;
pub mod train;
pub mod translate;
