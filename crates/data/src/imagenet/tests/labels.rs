#![allow(clippy::unwrap_used)]
use super::*;

const FILES_OF_THREE: [&str; 3] = ["a_1.JPEG", "a_2.JPEG", "a_3.JPEG"];

fn read(text: &str, mapping: Option<&str>) -> Result<Labels, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.txt");
    std::fs::write(&path, text).unwrap();
    if let Some(mapping) = mapping {
        std::fs::write(folder.path().join(MAPPING), mapping).unwrap();
    }
    Labels::read(&path)
}

fn classes() -> Classes {
    Classes::of(["n00000030", "n00000010", "n00000020"].into_iter())
}

#[test]
fn every_form_is_understood() {
    let mapping = "n00000030 1 tench\nn00000010 2 shark\nn00000020 3 cock\n";
    for (text, mapping) in [
        ("a_3.JPEG n00000010\na_1.JPEG n00000030\na_2.JPEG n00000020\n", None),
        (
            "ImageId,PredictionString\na_3,n00000010 1 2 3 4\na_1,n00000030 5 6 7 8\na_2,n00000020 5 6 7 8 n00000020 1 2 3 4\n",
            None,
        ),
        ("a_1.JPEG 2\na_2.JPEG 1\na_3.JPEG 0\n", None),
        ("n00000030\nn00000020\nn00000010\n", None),
        ("1\n3\n2\n", Some(mapping)),
    ] {
        let labels = read(text, mapping).unwrap();
        assert_eq!(labels.of(&FILES_OF_THREE, &classes()).unwrap(), [2, 1, 0], "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let of = |text, mapping| {
        read(text, mapping).and_then(|labels| labels.of(&FILES_OF_THREE, &classes())).unwrap_err().to_string()
    };
    for (text, mapping, expected) in [
        ("n00000030\nn00000020\n", None, "labels.txt: 2 labels for 3 images"),
        ("a_1.JPEG n00000030\na_2.JPEG n00000020\n", None, "labels.txt: no label for a_3.JPEG"),
        ("n00000030\nwhat is this\n", None, "line 2: \"what is this\"; expected `file wnid`"),
        ("n00000030\na_2 n00000020\n", None, "line 2: \"a_2 n00000020\"; expected `file wnid`"),
        ("n00000030\nn00000020\nn00000099\n", None, "line 3: Wnid(\"n00000099\") is not among the 3 training classes"),
        ("a_1 0\na_2 1\na_3 3\n", None, "line 3: Place(3) is not among the 3 training classes"),
        ("1\n2\n3\n", None, "its numbers are ILSVRC2012_IDs; expected map_clsloc.txt (lines `wnid ID name`) beside it"),
        ("1\n2\n0\n", Some(""), "line 3: \"0\"; expected"),
    ] {
        let message = of(text, mapping);
        assert!(message.contains(expected), "{message}");
    }
}
