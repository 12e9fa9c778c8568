#![allow(clippy::unwrap_used)]
use super::*;
use crate::imagenet::tests::{gzip, small, tar};

/// A tar with one entry whose header `change` has altered.
fn altered(change: impl FnOnce(&mut tar::Header), bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_path("n1/a.JPEG").unwrap();
    change(&mut header);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, bytes).unwrap();
    builder.into_inner().unwrap()
}

fn refused(bytes: &[u8]) -> String {
    list_bytes(bytes, Path::new("x.tar"), Split::Train).unwrap_err().to_string()
}

#[test]
fn entries_that_lead_out_are_refused_by_name() {
    for name in ["../evil.JPEG", "n1/../../evil.JPEG", "/n1/evil.JPEG"] {
        let bytes = altered(
            |header| header.as_old_mut().name[..=name.len()].copy_from_slice(format!("{name}\0").as_bytes()),
            b"x",
        );
        assert_eq!(refused(&bytes), format!("x.tar: {name}: leads out of the archive; refused"));
    }
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let link = |header: &mut tar::Header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
        };
        assert_eq!(refused(&altered(link, b"")), "x.tar: n1/a.JPEG: is a link; expected plain files");
    }
    let device = altered(|header| header.set_entry_type(tar::EntryType::Fifo), b"");
    assert_eq!(refused(&device), "x.tar: n1/a.JPEG: is neither a folder nor a plain file");
    let text = altered(|header| header.set_path("n1/readme.txt").unwrap(), b"x");
    assert_eq!(refused(&text), "x.tar: n1/readme.txt: no image by its name; expected .JPEG, .jpg or .png");
}

#[test]
fn an_archive_cut_anywhere_is_an_error() {
    let whole = tar(&small(2, 2), "");
    assert_eq!(list_bytes(&whole, Path::new("x.tar"), Split::Train).unwrap().len(), 4);
    // The last two blocks of 512 bytes are the end mark; of these one will do.
    for length in (0..whole.len() - 1024).step_by(256) {
        let message = refused(&whole[..length]);
        assert!(message.starts_with("x.tar: ") && message.contains("truncated"), "{length}: {message}");
    }
    let folder = tempfile::tempdir().unwrap();
    let zipped = gzip(&whole);
    for (length, ok) in [(zipped.len(), true), (zipped.len() - 4, false), (zipped.len() / 2, false), (12, false)] {
        let path = folder.path().join("x.tar.gz");
        std::fs::write(&path, &zipped[..length]).unwrap();
        match unpack(&path) {
            Ok(bytes) => assert!(ok && bytes == whole),
            Err(e) => assert!(!ok && e.to_string().contains("truncated or damaged gzip"), "{e}"),
        }
    }
    assert_eq!(refused(&tar([], "")), "x.tar: no image of the train split in this archive");
    let twice = [("n1/a.JPEG".to_owned(), vec![1]), ("./n1/a.JPEG".to_owned(), vec![2])];
    assert_eq!(refused(&tar(&twice, "")), "x.tar: n1/a.JPEG: is there twice");
}

#[test]
fn an_archive_of_archives_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let files = small(3, 2);
    let class = |k: usize| {
        let of_class =
            |(name, _): &&(String, Vec<u8>)| name.starts_with(&format!("train/{}/", crate::imagenet::tests::wnid(k)));
        let strip = format!("train/{}/", crate::imagenet::tests::wnid(k));
        (format!("{}.tar", crate::imagenet::tests::wnid(k)), tar(files.iter().filter(of_class), &strip))
    };
    let path = folder.path().join("ILSVRC2012_img_train.tar");
    let whole = tar(&[class(0), class(1), class(2)], "");
    std::fs::write(&path, &whole).unwrap();
    let found = list_file(&path, Split::Train).unwrap();
    assert_eq!(found.len(), 6);
    for image in found {
        let bytes = &files.iter().find(|(name, _)| *name == format!("train/{}", image.name)).unwrap().1;
        assert_eq!(&whole[image.offset as usize..][..image.size as usize], bytes);
    }
    // A class whose archive has been cut, and one without images.
    let (name, bytes) = class(1);
    std::fs::write(&path, tar(&[class(0), (name, bytes[..600].to_vec())], "")).unwrap();
    let message = list_file(&path, Split::Train).unwrap_err().to_string();
    assert!(message.contains("n00001010.tar") && message.contains("truncated"), "{message}");
    std::fs::write(&path, tar(&[class(0), ("n00001010.tar".into(), tar([], ""))], "")).unwrap();
    let message = list_file(&path, Split::Train).unwrap_err().to_string();
    assert!(message.ends_with("n00001010.tar: no image in this class"), "{message}");
}
