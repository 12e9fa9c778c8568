//! The images of one split, each read when it is wanted.

use super::archive::{is_gzip, list_bytes, unpack};
use super::classes::Classes;
use super::decode::{Rgb, decode};
use super::drawn::Drawn;
use super::index::list_kept;
use super::labels::Labels;
use super::listing::{Found, Split, list_folder};
use super::shards::Shards;
use crate::digest::Hash;
use crate::{DataError, embedded};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The images of one split: where they lie, their labels, and nothing of their pixels.
#[derive(Debug)]
pub struct ImageSet {
    place: Place,
    labels: Vec<u16>,
    classes: usize,
    version: Hash,
}

#[derive(Debug)]
enum Place {
    Folder { root: PathBuf, files: Files },
    Archive { path: PathBuf, files: Files },
    Memory { path: PathBuf, bytes: Vec<u8>, files: Files },
    Shards(Shards),
    Drawn(Drawn),
}

/// Names and extents of a million files in few allocations.
#[derive(Debug, Default)]
struct Files {
    names: String,
    /// End of each name, first byte and number of bytes of each file.
    entries: Vec<(u32, u64, u32)>,
}

/// Why an image could not be had.
pub(crate) enum Failure {
    /// Its bytes cannot be read.
    Read(DataError),
    /// Its bytes are no image: what is wrong.
    Decode(String),
}

impl Files {
    fn new(found: &[Found], at: &Path) -> Result<Self, DataError> {
        let mut files = Self::default();
        for image in found {
            files.names.push_str(&image.name);
            let numbers = u32::try_from(files.names.len()).ok().zip(u32::try_from(image.size).ok());
            let (end, size) = numbers.ok_or_else(|| DataError::Entry {
                path: at.to_path_buf(),
                entry: image.name.clone(),
                detail: format!("{} bytes; expected less than 4 GiB, and 4 GiB of names", image.size),
            })?;
            files.entries.push((end, image.offset, size));
        }
        Ok(files)
    }

    fn name(&self, i: usize) -> &str {
        let start = i.checked_sub(1).map_or(0, |before| self.entries[before].0 as usize);
        &self.names[start..self.entries[i].0 as usize]
    }
}

impl ImageSet {
    /// Opens one split that lies in a folder of class folders, in a `.tar` or `.tar.gz` of one, or in either without class
    /// folders and with `labels`. Without `classes`, those of the images are taken. The list of a plain archive is kept
    /// in `cache`.
    ///
    /// # Errors
    /// What [`listing`](super::listing), [`archive`](super::archive) and [`labels`](super::labels) say; a class outside
    /// `classes`, or one of them without an image unless they come from a list.
    pub(crate) fn open(
        path: &Path,
        split: Split,
        labels: Option<&Labels>,
        classes: Option<&Classes>,
        cache: &Path,
    ) -> Result<(Self, Classes), DataError> {
        let (place, found) = if path.is_dir() {
            let found = list_folder(path)?;
            (Place::Folder { root: path.to_path_buf(), files: Files::new(&found, path)? }, found)
        } else if is_gzip(path)? {
            let bytes = unpack(path)?;
            let found = list_bytes(&bytes, path, split)?;
            (Place::Memory { path: path.to_path_buf(), bytes, files: Files::new(&found, path)? }, found)
        } else {
            let found = list_kept(path, split, cache)?;
            (Place::Archive { path: path.to_path_buf(), files: Files::new(&found, path)? }, found)
        };
        let names: Vec<&str> = found.iter().map(|image| image.name.as_str()).collect();
        let (labels, classes) = label(&names, path, labels, classes)?;
        let mut hasher = Sha256::new();
        for (image, label) in found.iter().zip(&labels) {
            hasher.update(format!("{} {} {label}\n", image.name, image.size));
        }
        let set = Self { place, labels, classes: classes.len(), version: hasher.finalize().into() };
        set.check_every_class(path, &classes)?;
        Ok((set, classes))
    }

    /// Opens one split in parquet shards, whose labels are below `classes.len()`.
    pub(crate) fn open_shards(files: Vec<PathBuf>, classes: &Classes) -> Result<Self, DataError> {
        let mut hasher = Sha256::new();
        for path in &files {
            let size = path.metadata().map_err(|e| DataError::io(path, &e))?.len();
            hasher.update(format!("{} {size}\n", path.file_name().unwrap_or_default().to_string_lossy()));
        }
        let at = files.first().cloned().unwrap_or_default();
        let (shards, labels) = Shards::open(files, classes.len())?;
        for label in &labels {
            hasher.update(label.to_le_bytes());
        }
        if labels.is_empty() {
            return Err(DataError::Archive { path: at, detail: "no image in these shards".into() });
        }
        let version = hasher.finalize().into();
        let set = Self { place: Place::Shards(shards), labels, classes: classes.len(), version };
        set.check_every_class(&at, classes)?;
        Ok(set)
    }

    /// No image of so many classes.
    pub(crate) fn none(classes: usize) -> Self {
        let place = Place::Memory { path: PathBuf::new(), bytes: Vec::new(), files: Files::default() };
        Self { place, labels: Vec::new(), classes, version: Sha256::new().finalize().into() }
    }

    /// Images that the program draws: `side` pixels square.
    pub(crate) fn drawn(split: Split, side: usize) -> Self {
        let drawn = Drawn::new(split, side);
        let classes = embedded::OUTLINE_CLASSES;
        let labels = (0..drawn.len()).map(|i| (i % classes) as u16).collect();
        Self { version: drawn.version(), place: Place::Drawn(drawn), labels, classes }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of classes; labels are below it.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The label of each image.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Images of each class, in label order.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for label in &self.labels {
            counts[usize::from(*label)] += 1;
        }
        counts
    }

    /// Hash of names, sizes and labels; of shards, of their names, sizes and labels.
    pub(crate) const fn version(&self) -> &Hash {
        &self.version
    }

    /// The shards, if the images lie in such.
    pub(crate) const fn shards(&self) -> Option<&Shards> {
        match &self.place {
            Place::Shards(shards) => Some(shards),
            _ => None,
        }
    }

    /// Where image `i` lies, for messages.
    pub(crate) fn name(&self, i: usize) -> String {
        match &self.place {
            Place::Folder { root: path, files }
            | Place::Archive { path, files }
            | Place::Memory { path, files, .. } => path.join(files.name(i)).display().to_string(),
            Place::Shards(shards) => shards.name(i),
            Place::Drawn(_) => format!("drawn image {i}"),
        }
    }

    /// Reads and decodes image `i`, or draws it.
    pub(crate) fn image(&self, i: usize) -> Result<Rgb, Failure> {
        // A decoder that stops at an assertion has met a damaged image.
        let decode = |bytes: &[u8]| {
            catch_unwind(|| decode(bytes))
                .unwrap_or_else(|_| Err("the decoder stopped".into()))
                .map_err(Failure::Decode)
        };
        match &self.place {
            Place::Folder { root, files } => {
                let path = root.join(files.name(i));
                decode(&std::fs::read(&path).map_err(|e| Failure::Read(DataError::io(&path, &e)))?)
            }
            Place::Archive { path, files } => {
                let (_, offset, size) = files.entries[i];
                decode(&read_part(path, offset, size as usize).map_err(|e| Failure::Read(DataError::io(path, &e)))?)
            }
            Place::Memory { bytes, files, .. } => {
                let (_, offset, size) = files.entries[i];
                decode(&bytes[offset as usize..][..size as usize])
            }
            Place::Shards(shards) => decode(shards.read(i).map_err(Failure::Read)?.data()),
            Place::Drawn(drawn) => Ok(drawn.image(i)),
        }
    }

    fn check_every_class(&self, path: &Path, classes: &Classes) -> Result<(), DataError> {
        match self.class_counts().iter().position(|count| *count == 0) {
            Some(class) if !classes.are_listed() => Err(DataError::EmptyClass {
                path: path.to_path_buf(),
                class,
                name: classes.names()[class].clone(),
                classes: self.classes,
            }),
            _ => Ok(()),
        }
    }
}

/// Each read opens the archive itself: handles of one file would share its position, and opening costs little beside decoding.
fn read_part(path: &Path, offset: u64, size: usize) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; size];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Labels of sorted `class/file` or `file` names, and the classes.
fn label(
    names: &[&str],
    path: &Path,
    labels: Option<&Labels>,
    classes: Option<&Classes>,
) -> Result<(Vec<u16>, Classes), DataError> {
    let flat = names.iter().find(|name| !name.contains('/'));
    let entry = |name: &str, detail: String| DataError::Entry { path: path.to_path_buf(), entry: name.into(), detail };
    match (flat, labels) {
        (Some(file), None) => Err(entry(
            file,
            format!(
                "is in no class folder, and there is no file of labels: one of {}",
                super::labels::FILES.join(", ")
            ),
        )),
        (Some(_), Some(labels)) => {
            let own = || labels.wnids().map(|wnids| Classes::of(wnids.into_iter()));
            let classes = classes.cloned().or_else(own).ok_or_else(|| DataError::Archive {
                path: path.to_path_buf(),
                detail: "its labels are places among sorted classes; expected a list of the classes too".into(),
            })?;
            Ok((labels.of(names, &classes)?, classes))
        }
        (None, _) => {
            let class = |name: &&str| name.split('/').next().unwrap_or_default().to_owned();
            let of_images: Vec<String> = names.iter().map(class).collect();
            let own = || Classes::of(of_images.iter().map(String::as_str));
            let classes = classes.cloned().unwrap_or_else(own);
            let number = |(name, class): (&&str, &String)| {
                let unknown = || entry(name, format!("class {class} is not among {}", classes.origin()));
                classes.label(class).ok_or_else(unknown)
            };
            let labels = names.iter().zip(&of_images).map(number).collect::<Result<_, _>>()?;
            Ok((labels, classes))
        }
    }
}
