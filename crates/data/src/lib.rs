//! Data for training: CIFAR-10, CIFAR-100, ImageNet and WMT's English-German text from a folder, from the hub, or stand-ins made by
//! the program; and the batches made of it. Images are NHWC everywhere.
//!
//! | module | for |
//! |---|---|
//! | `opened` | [`Data`]: any of the data sets, opened |
//! | `source` | [`ImageSource`]: any of the data sets with a recipe's preprocessing, as a trainer sees it |
//! | [`imagenet`] | ImageNet, image by image |
//! | [`text`] | parallel text, tokenizer, batches of sentence pairs |
//! | [`bleu`] | scores of translations |
//! | `load` | CIFAR: which data a run gets, and the line that says so: [`load()`] |
//! | `files` | finding a data set in a folder |
//! | `hub` | the Hugging Face cache and hub |
//! | `published` | [`Published`]: weights on the hub |
//! | `fetch` | getting a data set once, checked: [`fetch()`] |
//! | `parquet_file`, `binary` | the two file formats |
//! | `cache` | decoded images kept on disk |
//! | `embedded` | images made by the program |
//! | `dataset` | [`Dataset`], [`Images`], class names |
//! | `augment` | [`Normalise`], [`Augment`]: each recipe's own |
//! | `batches` | [`TrainBatches`], [`Drafts`] of them, [`eval_batches`], [`split`] |
//! | `ahead` | batches made ahead, on a thread |
//! | `digest` | content hashes |
//! | `stream` | random streams by purpose, epoch and position |
//! | `whole` | files that are there whole or not at all |
//! | `error` | [`DataError`] |

mod ahead;
mod augment;
mod batches;
mod binary;
pub mod bleu;
mod cache;
mod dataset;
mod digest;
mod embedded;
mod error;
mod fetch;
mod files;
mod hub;
pub mod imagenet;
mod load;
mod opened;
mod parquet_file;
mod published;
mod source;
mod stream;
pub mod text;
mod whole;

pub use augment::{Augment, Normalise, PadMode};
pub use batches::{Batch, Draft, Drafts, EvalBatches, TrainBatches, eval_batches, split};
pub use dataset::{Dataset, IMAGE_BYTES, Images, SIDE};
pub use error::DataError;
pub use fetch::{Fetched, fetch};
pub use hub::Progress;
pub use load::{DataChoice, DataOptions, DataSource, LoadedData, load};
pub use opened::Data;
pub use published::Published;
pub use source::{Batches, ImageSource, InMemory, Streamed};

#[cfg(test)]
mod tests;
