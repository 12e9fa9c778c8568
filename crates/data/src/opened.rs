//! A data set as a run opens it, whichever it is.

use crate::imagenet::{self, ImageNet, ImageNetOptions};
use crate::{DataError, DataOptions, DataSource, Dataset, LoadedData};

/// An opened data set, with its history.
#[derive(Debug, Clone)]
pub enum Data {
    /// CIFAR: images in memory.
    InMemory(LoadedData),
    /// Images that are read when they are wanted.
    ImageNet(ImageNet),
}

impl From<LoadedData> for Data {
    fn from(data: LoadedData) -> Self {
        Self::InMemory(data)
    }
}

impl From<ImageNet> for Data {
    fn from(data: ImageNet) -> Self {
        Self::ImageNet(data)
    }
}

impl Data {
    /// Opens a data set, as [`load`](crate::load()) and [`imagenet::load`] do.
    ///
    /// # Errors
    /// Theirs.
    pub fn open(dataset: Dataset, options: DataOptions) -> Result<Self, DataError> {
        Ok(match dataset {
            Dataset::Cifar10 | Dataset::Cifar100 => Self::InMemory(crate::load(dataset, &options)?),
            Dataset::ImageNet => Self::ImageNet(imagenet::load(&ImageNetOptions::new(options))?),
        })
    }

    /// Which data set.
    pub fn dataset(&self) -> Dataset {
        match self {
            Self::InMemory(data) => data.dataset,
            Self::ImageNet(_) => Dataset::ImageNet,
        }
    }

    /// Where it came from.
    pub fn source(&self) -> DataSource {
        match self {
            Self::InMemory(data) => data.source,
            Self::ImageNet(data) => data.source,
        }
    }

    /// 12 hexadecimal digits that identify the content.
    pub fn version(&self) -> &str {
        match self {
            Self::InMemory(data) => &data.version,
            Self::ImageNet(data) => &data.version,
        }
    }

    /// Names of the classes, in label order.
    pub fn class_names(&self) -> &[String] {
        match self {
            Self::InMemory(data) => &data.class_names,
            Self::ImageNet(data) => &data.class_names,
        }
    }

    /// One line for the user: which data, why, how many images.
    pub fn note(&self) -> &str {
        match self {
            Self::InMemory(data) => &data.note,
            Self::ImageNet(data) => &data.note,
        }
    }
}
