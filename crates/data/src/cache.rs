//! Decoded images kept in a file, so that later runs read 184 MB instead of decoding 60,000 images.
//!
//! Layout, little-endian: magic (16 bytes), fingerprint of the sources (32), n, h, w, classes (u64 each), digest of the
//! content (32), labels (u16 each), pixels. Whatever does not fit (other magic, other fingerprint, wrong length, wrong
//! digest) counts as absent, and the file is written anew.

use crate::digest::{self, Hash, hex};
use crate::{DataError, Dataset, Images, whole};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const MAGIC: &[u8; 16] = b"swish-images-v1\n";
const HEADER: usize = 16 + 32 + 4 * 8 + 32;

/// Where one split is kept, and what its sources look like now.
pub(crate) struct Entry {
    file: PathBuf,
    fingerprint: Hash,
}

impl Entry {
    /// The entry of `split` decoded from `sources`. The name depends on the sources' paths, so a changed source
    /// replaces its own entry; the fingerprint on their names, lengths and modification times.
    ///
    /// # Errors
    /// A source that cannot be looked at.
    pub(crate) fn new(folder: &Path, dataset: Dataset, split: &str, sources: &[PathBuf]) -> Result<Self, DataError> {
        let (mut place, mut state) = (Sha256::new(), Sha256::new());
        for source in sources {
            let failed = |e: std::io::Error| DataError::io(source, &e);
            let path = source.canonicalize().map_err(failed)?;
            let metadata = path.metadata().map_err(failed)?;
            let modified =
                metadata.modified().map_err(failed)?.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
            place.update(path.as_os_str().as_encoded_bytes());
            place.update([0]);
            state.update(source.file_name().unwrap_or_default().as_encoded_bytes());
            state.update([0]);
            state.update(metadata.len().to_le_bytes());
            state.update(modified.to_le_bytes());
        }
        let file = folder.join(format!("{dataset}-{split}-{}.images", hex(&place.finalize().into(), 12)));
        Ok(Self { file, fingerprint: state.finalize().into() })
    }

    /// The images and their digest, if the file is there, whole, and made from the sources as they are now.
    pub(crate) fn read(&self) -> Option<(Images, Hash)> {
        let mut file = File::open(&self.file).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let (magic, rest) = header.split_at(16);
        let (fingerprint, rest) = rest.split_at(32);
        let (sizes, content) = rest.split_at(32);
        if magic != MAGIC || fingerprint != self.fingerprint {
            return None;
        }
        let mut numbers = sizes.chunks_exact(8).map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
        let mut number = || usize::try_from(numbers.next()??).ok();
        let (n, h, w, classes) = (number()?, number()?, number()?, number()?);
        let pixel_bytes = n.checked_mul(h)?.checked_mul(w)?.checked_mul(3)?;
        let length = pixel_bytes.checked_add(n.checked_mul(2)?)?.checked_add(HEADER)?;
        if file.metadata().ok()?.len() != length as u64 {
            return None;
        }
        let mut label_bytes = vec![0; n * 2];
        file.read_exact(&mut label_bytes).ok()?;
        let labels = label_bytes.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect();
        let mut pixels = vec![0; pixel_bytes];
        file.read_exact(&mut pixels).ok()?;
        let images = Images { pixels, labels, h, w, classes };
        let hash = digest::ordered(&images);
        (hash == content).then_some((images, hash))
    }

    /// Writes the images. A folder that cannot be written only
    /// costs the next run its time, so nothing is reported.
    pub(crate) fn write(&self, images: &Images, content: &Hash) {
        drop(self.try_write(images, content));
    }

    fn try_write(&self, images: &Images, content: &Hash) -> std::io::Result<()> {
        whole::write(&self.file, |file| {
            file.write_all(MAGIC)?;
            file.write_all(&self.fingerprint)?;
            for value in [images.len(), images.h, images.w, images.classes] {
                file.write_all(&(value as u64).to_le_bytes())?;
            }
            file.write_all(content)?;
            file.write_all(&images.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<_>>())?;
            file.write_all(&images.pixels)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn images() -> Images {
        Images { pixels: (0..48).collect(), labels: vec![1, 2, 0, 1], h: 2, w: 2, classes: 3 }
    }

    fn entry(folder: &Path, source: &Path) -> Entry {
        Entry::new(folder, Dataset::Cifar10, "train", &[source.to_path_buf()]).unwrap()
    }

    #[test]
    fn reads_what_was_written_and_refuses_everything_else() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::write(&source, b"one").unwrap();
        let kept = entry(&folder.path().join("new/cache"), &source);
        assert!(kept.read().is_none());
        kept.write(&images(), &digest::ordered(&images()));
        assert_eq!(kept.read().unwrap().0, images());

        let whole = std::fs::read(&kept.file).unwrap();
        for position in [0, 20, 50, HEADER - 1, HEADER, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            std::fs::write(&kept.file, damaged).unwrap();
            assert!(kept.read().is_none(), "byte {position}");
        }
        for length in [0, 10, HEADER, whole.len() - 1] {
            std::fs::write(&kept.file, &whole[..length]).unwrap();
            assert!(kept.read().is_none(), "length {length}");
        }
        std::fs::write(&kept.file, &whole).unwrap();
        assert!(kept.read().is_some());
        std::fs::write(&source, b"other").unwrap();
        assert!(entry(&folder.path().join("new/cache"), &source).read().is_none(), "stale");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::write(&source, b"one").unwrap();
        // A file where the folder should be: not writable, whoever runs the test.
        let kept = entry(&source.join("cache"), &source);
        kept.write(&images(), &digest::ordered(&images()));
        assert!(kept.read().is_none());
    }
}
