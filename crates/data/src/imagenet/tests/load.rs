//! Layouts, and what is wrong with them.

use super::{gzip, jpeg, options, small, tar, wnid, write};
use crate::hub::Hub;
use crate::imagenet::load::load_with;
use crate::imagenet::{ImageNet, ImageNetOptions, ImageNetTransform, load, open_val};
use crate::{DataChoice, DataOptions, DataSource, ImageSource, Streamed};
use std::num::NonZeroUsize;
use std::path::Path;

/// Every pixel that an evaluation sees, and the labels.
fn seen(data: &ImageNet) -> (Vec<f32>, Vec<u32>) {
    let transform = ImageNetTransform::slim(8);
    let source = Streamed::new(data, transform, transform, NonZeroUsize::MIN).unwrap();
    assert_eq!((source.train_len(), source.eval_len()), (data.train.len(), data.val.len()));
    assert_eq!((source.classes(), source.image_size()), (data.class_names.len(), (8, 8)));
    let batches: Vec<_> = source.eval_batches(2).unwrap().map(Result::unwrap).collect();
    (batches.iter().flat_map(|b| b.xs.clone()).collect(), batches.into_iter().flat_map(|b| b.labels).collect())
}

fn message(dir: &Path) -> String {
    load(&options(dir)).unwrap_err().to_string()
}

#[test]
fn a_folder_and_archives_of_it_are_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let files = small(3, 4);
    let of = |split: &'static str| files.iter().filter(move |(name, _)| name.starts_with(split));
    let place = |name: &str| dir.path().join(name);
    write(&place("folder"), &files);
    let plain = ["train", "val"].map(|split| (format!("x_{split}.tar"), tar(of(split), "")));
    let zipped = plain.each_ref().map(|(name, bytes)| (format!("{name}.gz"), gzip(bytes)));
    // Without the folders of the splits, and both splits in one.
    let bare = [("train.tar".to_owned(), tar(of("train"), "train/")), ("val.tar".to_owned(), tar(of("val"), "val/"))];
    let both = [("all.tgz".to_owned(), gzip(&tar(&files, "")))];
    write(&place("plain"), &plain);
    write(&place("zipped"), &zipped);
    write(&place("bare/imagenet"), &bare);
    write(&place("both"), &both);

    let first = load(&options(&place("folder"))).unwrap();
    assert_eq!((first.train.len(), first.val.len(), first.source), (12, 3, DataSource::Dir));
    assert_eq!(first.class_names, [wnid(0), wnid(1), wnid(2)]);
    assert_eq!(first.train.class_counts(), [4; 3]);
    let expected =
        "folder, folders), 12 training and 3 validation images, 3 classes; warning: not the complete 1281167 and 50000";
    assert!(first.note.starts_with("data: dir imagenet (") && first.note.ends_with(expected), "{}", first.note);
    let pixels = seen(&first);
    assert_eq!(pixels.1, [0, 1, 2]);
    for other in ["plain", "zipped", "bare", "both/all.tgz"] {
        let other = load(&ImageNetOptions {
            data: DataOptions { cache: place("cache"), ..options(&place(other)).data },
            ..options(dir.path())
        });
        let other = other.unwrap();
        assert_eq!(other.version, first.version, "{}", other.note);
        assert_eq!(seen(&other), pixels, "{}", other.note);
    }
    // The lists of plain archives are kept, and read again.
    assert_eq!(std::fs::read_dir(place("cache")).unwrap().count(), 4);
    let again = ImageNetOptions {
        data: DataOptions { cache: place("cache"), ..options(&place("plain")).data },
        ..options(dir.path())
    };
    assert_eq!(load(&again).unwrap().version, first.version);
    // Another size of one file is another version.
    std::fs::write(place("folder/train").join(wnid(0)).join("more.JPEG"), jpeg(9, 9, [1; 3])).unwrap();
    assert_ne!(load(&options(&place("folder"))).unwrap().version, first.version);
}

#[test]
fn the_archives_of_ilsvrc_and_their_labels() {
    let dir = tempfile::tempdir().unwrap();
    let files = small(3, 2);
    let class = |k: usize| {
        let strip = format!("train/{}/", wnid(k));
        (format!("{}.tar", wnid(k)), tar(files.iter().filter(|(name, _)| name.starts_with(&strip)), &strip))
    };
    let flat: Vec<(String, Vec<u8>)> = files
        .iter()
        .filter(|(name, _)| name.starts_with("val"))
        .map(|(name, bytes)| (name.rsplit('/').next().unwrap().to_owned(), bytes.clone()))
        .collect();
    std::fs::write(dir.path().join("ILSVRC2012_img_train.tar"), tar(&[class(0), class(1), class(2)], "")).unwrap();
    std::fs::write(dir.path().join("ILSVRC2012_img_val.tar"), tar(&flat, "")).unwrap();
    let expected = "ILSVRC2012_val_00000098.JPEG: is in no class folder, and there is no file of labels: one of LOC_val_solution.csv";
    assert!(message(dir.path()).contains(expected), "{}", message(dir.path()));
    // Sorted by name the validation images are of classes 2, 1, 0.
    let lines: Vec<String> = (0..3).map(|k| format!("ILSVRC2012_val_{:08}.JPEG {}", 100 - k, wnid(k))).collect();
    std::fs::write(dir.path().join("val_labels.txt"), lines.join("\n")).unwrap();
    let data = load(&options(dir.path())).unwrap();
    assert_eq!(data.val.labels(), [2, 1, 0]);
    assert_eq!(data.train.class_counts(), [2; 3]);
    // The same validation images in a folder.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &files.iter().filter(|(name, _)| name.starts_with("train")).cloned().collect::<Vec<_>>());
    write(&folder.path().join("val"), &flat);
    std::fs::copy(dir.path().join("val_labels.txt"), folder.path().join("val_labels.txt")).unwrap();
    assert_eq!(load(&options(folder.path())).unwrap().version, data.version);
    // Alone, for an evaluation.
    let alone = open_val(&folder.path().join("val"), None, folder.path()).unwrap();
    assert_eq!((alone.train.len(), alone.val.labels(), alone.class_names.len()), (0, &[2, 1, 0][..], 3));
    assert!(alone.note.contains("0 training and 3 validation images, 3 classes"), "{}", alone.note);
    assert_eq!(seen(&alone), seen(&data));
}

#[test]
fn a_list_of_classes_gives_the_labels_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &small(3, 1));
    let list = dir.path().join("classes.tsv");
    let with = |text: &str| {
        std::fs::write(&list, text).unwrap();
        load(&ImageNetOptions { classes: Some(list.clone()), ..options(dir.path()) })
    };
    let lines: Vec<String> = (0..6).rev().map(|k| format!("{k}\tn{:08}\tname", 1000 + 5 * k)).collect();
    let data = with(&format!("index\twnid\tname\n{}\n", lines.join("\n"))).unwrap();
    assert_eq!((data.train.labels(), data.train.classes(), data.class_names.len()), (&[0, 2, 4][..], 6, 6));
    let message = |text| with(text).unwrap_err().to_string();
    assert!(message("n00001000\nn00001010\n").contains("class n00001020 is not among the 2 of "));
    assert!(message("tench\n").ends_with("classes.tsv: no class; expected a wnid such as n01440764 in each line"));
    assert!(message("n00001000\nn00001000\n").ends_with("class n00001000 is listed twice"));
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &small(3, 1));
        change(dir.path());
        let message = message(dir.path());
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    };
    let remove = |dir: &Path, name: &str| std::fs::remove_dir_all(dir.join(name)).unwrap();
    check(&|dir| remove(dir, "val"), "no validation images, while train is there; imagenet needs both");
    check(&|dir| remove(dir, "train"), "no training images, while val is there; imagenet needs both");
    let both = |dir: &Path| ["train", "val"].iter().for_each(|name| remove(dir, name));
    check(
        &both,
        "no imagenet in this folder; expected train/ and val/ with class folders, ILSVRC2012_img_{train,val}.tar",
    );
    check(&|dir| remove(dir, "train/n00001010"), "class n00001010 is not among the 2 training classes");
    check(
        &|dir| remove(dir, "val/n00001010"),
        "val: class 1 (n00001010) has no image; expected every one of the 3 classes",
    );
    let empty = |dir: &Path| std::fs::create_dir(dir.join("train/n00009999")).unwrap();
    check(&empty, "class folder n00009999 has no image");
    let emptied = |dir: &Path| {
        remove(dir, "train");
        std::fs::create_dir(dir.join("train")).unwrap();
    };
    check(&emptied, "train: no image in this folder");
    let text = |dir: &Path| std::fs::write(dir.join("train/n00001010/list.txt"), "x").unwrap();
    check(&text, "list.txt: no image by its name; expected .JPEG, .jpg or .png");
    check(&|dir| std::fs::create_dir(dir.join("val/n00001010/more")).unwrap(), "more: a folder within a class folder");
    let two = |dir: &Path| {
        both(dir);
        ["a_train.tar", "b-train.tar.gz", "val.tar"]
            .iter()
            .for_each(|name| std::fs::write(dir.join(name), "").unwrap());
    };
    check(&two, "a_train.tar: b-train.tar.gz is there too; expected one archive of the train split");
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    assert!(message(&missing).ends_with("must be an existing folder that holds imagenet"), "{}", message(&missing));
    // A hidden file is none of ours.
    write(dir.path(), &small(2, 1));
    std::fs::write(dir.path().join("train/n00001010/.DS_Store"), "x").unwrap();
    assert_eq!(load(&options(dir.path())).unwrap().train.len(), 2);
}

#[test]
fn without_files_the_program_draws_and_says_why_or_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub { offline: true, cache: Some(dir.path().join("hub")), ..Hub::from_env() };
    let none = ImageNetOptions { data: DataOptions { dir: None, ..options(dir.path()).data }, ..options(dir.path()) };
    let data = load_with(&none, &hub).unwrap();
    let expected = "data: embedded imagenet (no --data-dir; hub: not in the Hugging Face cache; `swish data fetch --dataset imagenet` gets it (150 GB)), drawn at 64x64, 10000 training and 2000 validation images, 10 classes";
    assert_eq!((data.note.as_str(), data.source), (expected, DataSource::Embedded));
    assert_eq!((data.class_names.len(), data.train.class_counts()), (10, vec![1000; 10]));
    let with = |data: DataOptions| load_with(&ImageNetOptions { data, ..none.clone() }, &hub).unwrap_err().to_string();
    let real = with(DataOptions { require_real: true, ..none.data.clone() });
    assert!(
        real.starts_with("real imagenet is needed and was not found (embedded data no --data-dir; hub: not in"),
        "{real}"
    );
    let asked = with(DataOptions { choice: DataChoice::Hub, ..none.data.clone() });
    assert!(asked.starts_with("hub: imagenet: not in the Hugging Face cache; `swish data fetch"), "{asked}");
    let folder = with(DataOptions { choice: DataChoice::Dir, ..none.data.clone() });
    assert!(folder.contains("a folder with it: --data-dir or SWISH_DATA"), "{folder}");
    write(dir.path(), &small(2, 1));
    let part = with(DataOptions { require_real: true, dir: Some(dir.path().into()), ..none.data.clone() });
    assert!(part.contains("2 training and 2 validation images instead of 1281167 and 50000"), "{part}");
}

#[test]
fn drawn_images_are_those_of_cifar_larger() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = |side| {
        let data = DataOptions { choice: DataChoice::Embedded, ..options(dir.path()).data };
        load(&ImageNetOptions { data, embedded_side: side, ..options(dir.path()) })
    };
    let (small, large) = (embedded(32).unwrap(), embedded(96).unwrap());
    assert_ne!(small.version, large.version);
    let (cifar, _) = crate::embedded::generate(crate::Dataset::Cifar10);
    for i in [0, 7, 123] {
        let at = |data: &ImageNet| data.train.image(i).ok().unwrap();
        assert_eq!(at(&small).pixels, cifar.image(i));
        // Means of 3x3 pixels are near the small image but for noise and edges.
        let large = at(&large);
        let mean = |y: usize, x: usize, c: usize| {
            let sum: u32 =
                (0..9).map(|k| u32::from(large.pixels[((3 * y + k / 3) * 96 + 3 * x + k % 3) * 3 + c])).sum();
            sum as f32 / 9.0
        };
        let difference: f32 =
            (0..32 * 32 * 3).map(|p| (mean(p / 96, p / 3 % 32, p % 3) - f32::from(cifar.image(i)[p])).abs()).sum();
        assert!(difference / (32.0 * 32.0 * 3.0) < 14.0, "{}", difference / 3072.0);
    }
    assert_eq!(embedded(4).unwrap_err().to_string(), "side of embedded images 4: expected 8 to 1024 pixels");
}
