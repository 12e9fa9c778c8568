//! Getting a data set from the hub once, and checking all of it.

use crate::hub::{Hub, Progress};
use crate::{DataError, Dataset, Images, digest, hub, parquet_file};
use std::path::{Path, PathBuf};

/// What [`fetch`] got.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The (training, test) files.
    pub files: [PathBuf; 2],
    /// Images in them: (training, test).
    pub counts: (usize, usize),
    /// One line for the user: what was checked.
    pub note: String,
}

/// Gets a data set from the hub (into the Hugging Face cache, where [`load`](crate::load()) finds it), and checks all of it: every image
/// decodes, the counts are the complete ones, and for CIFAR-10 the content is exactly CIFAR-10, whatever the row order.
/// With `dir`, the files are also copied to `dir` in the layout `load` reads from a folder.
///
/// # Errors
/// [`DataError::Hub`] when the hub cannot be reached; [`DataError::NotGenuine`] when the content is not the data set.
pub fn fetch(dataset: Dataset, dir: Option<&Path>, progress: Progress) -> Result<Fetched, DataError> {
    fetch_with(dataset, dir, progress, &Hub::from_env())
}

pub(crate) fn fetch_with(
    dataset: Dataset,
    dir: Option<&Path>,
    progress: Progress,
    hub: &Hub,
) -> Result<Fetched, DataError> {
    let files = hub.files(dataset, progress)?;
    let [train, test] = files.each_ref().map(|path| parquet_file::read(path, dataset));
    let (train, test) = (train?, test?);
    let note = check_genuine(dataset, &files, [&train, &test])?;
    let files = match dir {
        None => files,
        Some(dir) => copy_to(dir, dataset, &files)?,
    };
    Ok(Fetched { files, counts: (train.len(), test.len()), note })
}

/// The order-free digests of CIFAR-10, training and test. Computed from a copy whose pixels and labels were compared with
/// the original batches; a test computes them again.
const CIFAR10_DIGESTS: [&str; 2] = [
    "76f226de88bc83d45eca29ff6226b007c8416a8a7869772bf3a0cba54ee836fe",
    "49b135eec06acedd8ca906566a4a19005b557637f85630292578a84e8e8d5244",
];

pub(crate) fn check_genuine(dataset: Dataset, paths: &[PathBuf; 2], images: [&Images; 2]) -> Result<String, DataError> {
    let (full_train, full_test) = dataset.full_counts();
    for ((path, images), expected) in paths.iter().zip(images).zip([full_train, full_test]) {
        if images.len() != expected {
            return Err(DataError::NotGenuine {
                path: path.clone(),
                detail: format!("{} images; expected {expected}", images.len()),
            });
        }
        let per_class = expected / dataset.classes();
        if let Some((class, count)) = images.class_counts().iter().enumerate().find(|(_, count)| **count != per_class) {
            return Err(DataError::NotGenuine {
                path: path.clone(),
                detail: format!("{count} images of class {class}; expected {per_class}"),
            });
        }
    }
    if dataset == Dataset::Cifar100 {
        return Ok(format!("{dataset}: {full_train} training and {full_test} test images decoded, classes balanced"));
    }
    for ((path, images), expected) in paths.iter().zip(images).zip(CIFAR10_DIGESTS) {
        let found = digest::hex(&digest::unordered(images), 64);
        if found != expected {
            let detail =
                format!("content digest {found}; expected {expected} (another encoding of CIFAR-10, or damaged)");
            return Err(DataError::NotGenuine { path: path.clone(), detail });
        }
    }
    Ok(format!("{dataset}: {full_train} training and {full_test} test images decoded, content digest as expected"))
}

fn copy_to(dir: &Path, dataset: Dataset, files: &[PathBuf; 2]) -> Result<[PathBuf; 2], DataError> {
    let (_, name, in_hub) = hub::place(dataset);
    let targets = in_hub.map(|file| dir.join(name).join(file));
    for (source, target) in files.iter().zip(&targets) {
        let folder = target.parent().unwrap_or(dir);
        let failed = |e: std::io::Error| DataError::io(target, &e);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut reader = std::fs::File::open(source).map_err(|e| DataError::io(source, &e))?;
        std::io::copy(&mut reader, copy.as_file_mut()).map_err(failed)?;
        copy.as_file().sync_all().map_err(failed)?;
        copy.persist(target).map_err(|e| failed(e.error))?;
    }
    Ok(targets)
}
