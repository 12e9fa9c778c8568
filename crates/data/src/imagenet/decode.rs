//! The bytes of an image file to RGB.
//!
//! JPEG is decoded by `zune-jpeg`: pure Rust, fuzzed, without dependencies of its own, with vector instructions chosen when
//! it runs, and the decoder behind the `image` crate, so it is in the program anyway; its inverse transform and its chroma
//! interpolation agree with libjpeg-turbo's to a grey level or two. Full scale only: the coarser inverse transforms would
//! change the pixels that an evaluation sees.

use crate::error::one_line;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Longest side that is decoded, pixels; ILSVRC2012's longest is below 10,000.
const MAX_SIDE: usize = 16_384;
/// Most pixels that are decoded (300 MB of RGB): a small file can claim to be a large image.
const MAX_PIXELS: usize = 100_000_000;

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub(crate) h: usize,
    pub(crate) w: usize,
    /// (h, w, 3).
    pub(crate) pixels: Vec<u8>,
}

/// Decodes a JPEG or PNG, whatever its file is called (ILSVRC2012 has a PNG among its `.JPEG` files). Grey is repeated in
/// the three channels; CMYK and YCCK are taken as inverted, as Adobe writes them and Pillow reads them; transparency is dropped.
/// The error says what is wrong, without the file's name.
pub(crate) fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    let image = match bytes {
        [0xFF, 0xD8, ..] => jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        [] => Err("empty".into()),
        _ => Err(format!("{} bytes that are neither JPEG nor PNG", bytes.len())),
    }?;
    debug_assert_eq!(image.pixels.len(), image.h * image.w * 3);
    Ok(image)
}

fn jpeg(bytes: &[u8]) -> Result<Rgb, String> {
    // Lenient about stray bytes, which ILSVRC2012 has; then a file that ends early would pass with its rest grey.
    if !has_end(bytes) {
        return Err("JPEG is truncated".into());
    }
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let failed = |e: zune_jpeg::errors::DecodeErrors| format!("JPEG does not decode ({})", one_line(&format!("{e:?}")));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let (w, h) = decoder.dimensions().ok_or("JPEG has no size")?;
    check_size(h, w)?;
    let pixels = decoder.decode().map_err(failed)?;
    if pixels.len() != h * w * 3 {
        return Err(format!("JPEG of {w}x{h} decodes to {} bytes", pixels.len()));
    }
    Ok(Rgb { h, w, pixels })
}

/// Whether an end marker (FF D9) follows the last start of a scan (FF DA). Neither occurs in coded data, where FF is
/// followed by 00 or a restart marker; a thumbnail's end marker lies before the scan.
fn has_end(bytes: &[u8]) -> bool {
    let last = bytes.windows(2).rev().find(|pair| matches!(pair, [0xFF, 0xD9 | 0xDA]));
    last.is_some_and(|pair| pair[1] == 0xD9)
}

fn png(bytes: &[u8]) -> Result<Rgb, String> {
    let failed = |e: image::ImageError| format!("PNG does not decode ({})", one_line(&e.to_string()));
    let mut reader = image::ImageReader::with_format(std::io::Cursor::new(bytes), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    reader.limits(limits);
    let rgb = reader.decode().map_err(failed)?.into_rgb8();
    let (w, h) = (rgb.width() as usize, rgb.height() as usize);
    check_size(h, w)?;
    Ok(Rgb { h, w, pixels: rgb.into_raw() })
}

fn check_size(h: usize, w: usize) -> Result<(), String> {
    match h * w {
        0 => Err(format!("image is {w}x{h}")),
        pixels if pixels > MAX_PIXELS => Err(format!("image is {w}x{h}; expected at most {MAX_PIXELS} pixels")),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "tests/decode.rs"]
mod tests;
