//! Real samples, where they lie beside the repository.

use super::{bytes_of, golden, options};
use crate::imagenet::ImageNetOptions;
use crate::imagenet::{ImageNet, ImageNetTransform, Resize, load, open_val};
use crate::{DataOptions, ImageSource, Streamed};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::OnceLock;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The folder of the samples, or `None` with a loud word.
fn samples() -> Option<PathBuf> {
    let dir = crate::tests::support::shared()?.join("imagenet");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("SKIPPED: ../shared/data/imagenet is missing");
    None
}

/// Ten classes of 200 and 45 images.
fn imagenette() -> Option<&'static ImageNet> {
    static DATA: OnceLock<Option<ImageNet>> = OnceLock::new();
    DATA.get_or_init(|| samples().map(|dir| load(&options(&dir)).unwrap())).as_ref()
}

#[test]
fn counts_classes_and_grey_images() {
    let Some(data) = imagenette() else { return };
    assert!(data.note.contains("archives), 2000 training and 450 validation images, 10 classes"), "{}", data.note);
    assert_eq!((data.train.class_counts(), data.val.class_counts()), (vec![200; 10], vec![45; 10]));
    assert_eq!((data.class_names[0].as_str(), data.class_names[9].as_str()), ("n01440764", "n03888257"));
    // 28 and 8 grey JPEGs, and one in each that has colour components and no colour.
    for (set, expected) in [(&data.train, 28 + 1), (&data.val, 8 + 1)] {
        let is_grey = |i: &usize| {
            let image = set.image(*i).ok().unwrap();
            assert_eq!((image.h, image.w), (224, 224));
            image.pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2])
        };
        assert_eq!((0..set.len()).filter(is_grey).count(), expected);
    }
}

/// Within 1/255 of Pillow's decoding and resizing, and of TensorFlow 1's resizing, on fifty images.
#[test]
fn evaluation_is_that_of_pillow_and_tensorflow() {
    let Some(data) = imagenette() else { return };
    let index = |name: &str| (0..data.val.len()).find(|i| data.val.name(*i).ends_with(name)).unwrap();
    let (mut seen, mut worst_sample, mut worst_mean, mut sum, mut n) = (0, 0.0_f32, 0.0_f32, 0.0, 0.0);
    for words in golden("eval") {
        let size: usize = words[2].parse().unwrap();
        let resize = if words[1] == "tf1" { Resize::Tf1 } else { Resize::Antialias };
        let transform = ImageNetTransform { size, resize };
        let mut out = vec![0.0; transform.len()];
        transform.eval(&data.val.image(index(&words[0])).ok().unwrap(), &mut out);
        // -1..1 to 0..255.
        let grey = |value: f32| (value / 2.0 + 0.5) * 255.0;
        for c in 0..3 {
            let mean = out.iter().skip(c).step_by(3).map(|v| f64::from(grey(*v))).sum::<f64>() / (size * size) as f64;
            worst_mean = worst_mean.max((mean as f32 - words[3 + c].parse::<f32>().unwrap()).abs());
        }
        for (k, expected) in bytes_of(&words[6]).chunks_exact(3).enumerate() {
            let (y, x) = ((37 * k + 11) % size, (61 * k + 5) % size);
            for c in 0..3 {
                let error = (grey(out[(y * size + x) * 3 + c]) - f32::from(expected[c])).abs();
                worst_sample = worst_sample.max(error);
                (sum, n) = (sum + error, n + 1.0);
            }
        }
        seen += 1;
    }
    eprintln!("mean error {} / 255, worst {worst_sample}, worst mean of an image {worst_mean}", sum / n);
    assert_eq!(seen, 150);
    // Pillow rounds to whole values twice, which alone makes about 0.3.
    assert!(sum / n < 1.0 && worst_mean < 0.5 && worst_sample < 8.0, "{} {worst_mean} {worst_sample}", sum / n);
}

#[test]
fn a_thousand_classes_and_ten_of_them() {
    let Some(dir) = samples() else { return };
    let cache = tempfile::tempdir().unwrap();
    let list = dir.join("classes.tsv");
    let whole = open_val(&dir.join("eval1000.tar.gz"), Some(&list), cache.path()).unwrap();
    assert_eq!((whole.val.len(), whole.val.class_counts()), (1000, vec![1; 1000]));
    let own = open_val(&dir.join("eval1000.tar.gz"), None, cache.path()).unwrap();
    assert_eq!(own.val.labels(), whole.val.labels());
    let ten = load(&ImageNetOptions {
        classes: Some(list),
        data: DataOptions { cache: cache.path().into(), ..options(&dir).data },
        ..options(&dir)
    })
    .unwrap();
    assert_eq!(ten.train.classes(), 1000);
    // Tench is the first class of all, the parachute number 701.
    assert_eq!((ten.val.labels()[0], ten.val.labels()[449]), (0, 701));
    assert_eq!(whole.class_names[701], "n03888257");
}

#[test]
fn an_epoch_of_real_images_is_the_same_with_any_number_of_workers() {
    let Some(data) = imagenette() else { return };
    let transform = ImageNetTransform::slim(64);
    let source = |workers| Streamed::new(data, transform, transform, workers).unwrap();
    let mut one = source(NonZeroUsize::MIN).train_batches(125, 5, 15).unwrap();
    let mut two = source(TWO).train_batches(125, 5, 13).unwrap().skip(2);
    // The last step of the first epoch and the first of the second.
    for step in 15..17 {
        let (one, two) = (one.next().unwrap().unwrap(), two.next().unwrap().unwrap());
        assert_eq!(one.labels, two.labels);
        assert!(one.xs.iter().all(|value| (-1.0..=1.0).contains(value)));
        let other = one.xs.iter().zip(&two.xs).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(other, None, "step {step}");
    }
    assert!(source(TWO).damaged().is_empty());
}
