//! Getting a data set from the hub once, and checking all of it.

use crate::hub::{Hub, Progress};
use crate::imagenet;
use crate::{DataError, Dataset, Images, digest, hub, parquet_file, whole};
use std::path::{Path, PathBuf};

/// What [`fetch`] got.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The files, training before test.
    pub files: Vec<PathBuf>,
    /// Images in them: (training, test).
    pub counts: (usize, usize),
    /// One line for the user: what was checked.
    pub note: String,
}

/// Gets a data set from the hub (into the Hugging Face cache, where [`load`](crate::load()) finds it), and checks all of it: every image
/// decodes, the counts are the complete ones, and for CIFAR-10 the content is exactly CIFAR-10, whatever the row order.
/// Of ImageNet the shards, rows and labels are checked; its images are not decoded. With `dir`, the files are also copied to `dir` in the layout `load` reads from a folder.
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
    if dataset == Dataset::ImageNet {
        return fetch_imagenet(dir, progress, hub);
    }
    let files = hub.files(dataset, progress)?;
    let [train, test] = files.each_ref().map(|path| parquet_file::read(path, dataset));
    let (train, test) = (train?, test?);
    let note = check_genuine(dataset, &files, [&train, &test])?;
    let files = match dir {
        None => files.to_vec(),
        Some(dir) => {
            let (_, name, in_hub) = hub::place(dataset);
            copy_to(&dir.join(name), &in_hub, &files)?
        }
    };
    Ok(Fetched { files, counts: (train.len(), test.len()), note })
}

fn fetch_imagenet(dir: Option<&Path>, progress: Progress, hub: &Hub) -> Result<Fetched, DataError> {
    let dataset = Dataset::ImageNet;
    let mut files = hub.shards(progress)?;
    if let Some(dir) = dir {
        let names: Vec<String> =
            files.iter().filter_map(|path| Some(format!("data/{}", path.file_name()?.to_str()?))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        files = copy_to(&dir.join("imagenet"), &names, &files)?;
    }
    let folder = files.first().and_then(|path| path.parent()).unwrap_or(Path::new("."));
    let counts = imagenet::count_shards(folder)?;
    if counts != dataset.full_counts() {
        let (train, val) = dataset.full_counts();
        let detail = format!("{} training and {} validation images; expected {train} and {val}", counts.0, counts.1);
        return Err(DataError::NotGenuine { path: folder.to_path_buf(), detail });
    }
    let note = format!(
        "{dataset}: {} training and {} validation images, each of the 1000 classes in both",
        counts.0, counts.1
    );
    Ok(Fetched { files, counts, note })
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

/// Copies `files` to the `names` under `dir`; returns the copies.
pub(crate) fn copy_to(dir: &Path, names: &[&str], files: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let targets: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    for (source, target) in files.iter().zip(&targets) {
        let mut reader = std::fs::File::open(source).map_err(|e| DataError::io(source, &e))?;
        whole::write(target, |copy| std::io::copy(&mut reader, copy).map(drop))
            .map_err(|e| DataError::io(target, &e))?;
    }
    Ok(targets)
}
