#![allow(clippy::unwrap_used)]
use super::*;
use crate::imagenet::tests::{bytes_of, golden, jpeg};

/// CMYK, YCCK, grey, progressive and PNG, beside Pillow.
#[test]
fn unusual_files_decode_as_pillow_decodes_them() {
    let mut seen = 0;
    for words in golden("file") {
        let [name, data, w, h, expected] = words.as_slice() else { panic!("{words:?}") };
        let image = decode(&bytes_of(data)).unwrap();
        assert_eq!([image.w.to_string(), image.h.to_string()], [w.clone(), h.clone()], "{name}");
        let worst = image.pixels.iter().zip(bytes_of(expected)).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        // Rounding of the inverse transform and of the colours, and libjpeg's smoothing of progressive images; a wrong
        // inversion would be off by a hundred.
        assert!(worst <= 4, "{name}: {worst}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn what_is_no_image_says_so() {
    let whole = jpeg(40, 30, [200, 100, 50]);
    assert_eq!(decode(&whole).unwrap().pixels.len(), 40 * 30 * 3);
    for (bytes, expected) in [
        (&b""[..], "empty"),
        (b"GIF89a etc", "10 bytes that are neither JPEG nor PNG"),
        (&whole[..whole.len() - 2], "JPEG is truncated"),
        (&whole[..whole.len() / 2], "JPEG is truncated"),
        (b"\x89PNG\r\n\x1a\n", "PNG does not decode"),
        (b"\xFF\xD8\xFF\xD9", "JPEG does not decode"),
    ] {
        let message = decode(bytes).unwrap_err();
        assert!(message.starts_with(expected) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn bytes_after_the_end_do_no_harm() {
    let mut bytes = jpeg(16, 16, [10, 20, 30]);
    let clean = decode(&bytes).unwrap();
    bytes.extend(b"camera notes");
    assert_eq!(decode(&bytes).unwrap(), clean);
}

#[test]
fn an_image_that_claims_to_be_huge_is_refused_without_its_memory() {
    let mut bytes = jpeg(16, 16, [0; 3]);
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    // Height and width follow marker, length and precision.
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x3F, 0xFF, 0x3F, 0xFF]);
    let message = decode(&bytes).unwrap_err();
    assert!(message.contains("16383x16383"), "{message}");
}
