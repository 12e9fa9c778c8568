//! ImageNet (ILSVRC2012): read image by image from the forms it is handed around in, or drawn by the program; decoded,
//! augmented and batched on any number of threads.
//!
//! | module | for |
//! |---|---|
//! | `load` | which data a run gets: [`load()`], [`ImageNet`]; a validation set alone: [`open_val`] |
//! | `layout` | finding it in a folder |
//! | `listing`, `archive`, `index` | image files in folders and tar archives |
//! | `labels`, `classes` | files of labels, lists of classes |
//! | `shards` | parquet |
//! | `drawn` | images made by the program |
//! | `set` | [`ImageSet`]: the images of one split |
//! | `decode` | JPEG and PNG to RGB |
//! | `boxes`, `resize`, `transform` | [`ImageNetTransform`]: crops, [`Resize`], colours |
//! | `order`, `stream` | the order of an epoch, the batches |

mod archive;
mod boxes;
mod classes;
mod decode;
mod drawn;
mod index;
mod labels;
mod layout;
mod listing;
mod load;
mod order;
mod resize;
mod set;
mod shards;
pub(crate) mod stream;
mod transform;

pub(crate) use load::count_shards;
pub use load::{ImageNet, ImageNetOptions, load, open_val};
pub use resize::Resize;
pub use set::ImageSet;
pub use transform::ImageNetTransform;

#[cfg(test)]
mod tests;
