//! Hashes of image sets: one that depends on the order (what a run was trained on) and one that does not (which data set it is).

use crate::Images;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// Bytes hashed by one task; fixed, so the result does not depend on the number of threads.
const CHUNK: usize = 1 << 20;

/// Hash of size, labels and pixels in their order. Pixels are hashed in chunks on all cores, then the chunks' hashes.
pub(crate) fn ordered(images: &Images) -> Hash {
    let chunks: Vec<Hash> = images.pixels.par_chunks(CHUNK).map(sha256).collect();
    let mut hasher = Sha256::new();
    for value in [images.len(), images.h, images.w, images.classes] {
        hasher.update((value as u64).to_le_bytes());
    }
    for label in &images.labels {
        hasher.update(label.to_le_bytes());
    }
    for chunk in chunks {
        hasher.update(chunk);
    }
    hasher.finalize().into()
}

/// Hash of the set of (label, pixels) pairs, whatever their order: SHA-256 of the sorted SHA-256s of each image's
/// little-endian u16 label followed by its (h, w, 3) bytes. The same data set in another row order has the same value.
pub(crate) fn unordered(images: &Images) -> Hash {
    let mut hashes: Vec<Hash> = (0..images.len())
        .into_par_iter()
        .map(|i| {
            Sha256::new().chain_update(images.labels[i].to_le_bytes()).chain_update(images.image(i)).finalize().into()
        })
        .collect();
    hashes.par_sort_unstable();
    sha256(hashes.as_flattened())
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The first `digits` hexadecimal digits of a hash.
pub(crate) fn hex(hash: &Hash, digits: usize) -> String {
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(swapped: bool) -> Images {
        let mut pixels = [vec![1; 12], vec![2; 12]];
        let mut labels = vec![3, 4];
        if swapped {
            pixels.reverse();
            labels.reverse();
        }
        Images { pixels: pixels.concat(), labels, h: 2, w: 2, classes: 10 }
    }

    #[test]
    fn order_matters_to_one_and_not_to_the_other() {
        assert_ne!(ordered(&two(false)), ordered(&two(true)));
        assert_eq!(unordered(&two(false)), unordered(&two(true)));
        let mut other = two(false);
        other.labels[0] = 4;
        assert_ne!(unordered(&two(false)), unordered(&other));
    }

    #[test]
    fn hex_of_the_empty_string() {
        // FIPS 180-4 test value.
        assert_eq!(hex(&sha256(b""), 64), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
