//! The recipes: functions that name their source and what it reports.
//!
//! | file | for |
//! |---|---|
//! | `cifar` | Tables 1, 2, 4 and 5 |
//! | `imagenet` | Tables 6 to 10 |
//! | `plain` | any model on any data set |
//! | `search` | the child network of the search |
//! | `translation` | Table 11 |

mod cifar;
mod imagenet;
mod plain;
mod search;
mod translation;

pub use cifar::{CifarModel, densenet100_12, resnet164, wrn28_10};
pub use imagenet::{
    ImageNetModel, RATE_FACTORS, inception_resnet_v2, inception_v3, inception_v4, mobile_nasnet_a, mobilenet,
};
pub use plain::plain;
pub use search::search_child;
pub use translation::{Depth, TRANSLATION_RATE_FACTORS, plain_translation, transformer, translation};
