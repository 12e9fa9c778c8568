//! The tool's other commands, as a user types them.

use crate::common::data::{parquet_files, ten_classes};
use crate::common::swish;
use serde_json::Value;

fn json(args: &[&str]) -> Value {
    let out = swish().args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn activation_gives_value_and_derivative() {
    let v = json(&["activation", "x*sigmoid(beta*x)", "--at", "-2,0,3", "--json"]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for point in v["at"].as_array().unwrap() {
        let x = point["x"].as_f64().unwrap();
        let (s, value) = (sigmoid(x), x * sigmoid(x));
        assert!((point["value"].as_f64().unwrap() - value).abs() < 1e-12);
        // Section 4 of the paper: f' = f + sigmoid (1 - f), for beta = 1.
        assert!((point["derivative"].as_f64().unwrap() - (value + s * (1.0 - value))).abs() < 1e-12);
    }
    assert_eq!(v["params"][0]["name"], "beta");
    assert_eq!(json(&["activation", "swish", "--json"])["id"], v["id"], "equal functions have equal ids");
}

#[test]
fn activations_are_drawn_and_shown_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let plot = |file: &str, functions: &[&str]| {
        let file = dir.path().join(file);
        let out = swish().arg("activation").args(functions).arg("--plot").arg(&file).output().unwrap();
        (out, std::fs::read(&file).unwrap_or_default())
    };
    let (out, svg) = plot("two.svg", &["swish", "cos(x)-x"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("cos(x)-x") && svg.contains("derivative"), "{svg}");
    assert_eq!(String::from_utf8(out.stdout).unwrap().lines().filter(|line| line.starts_with("formula")).count(), 2);
    assert!(plot("one.png", &["gelu"]).1.starts_with(b"\x89PNG"));
    let (out, bytes) = plot("one.pdf", &["gelu"]);
    assert!(!out.status.success() && bytes.is_empty());
    assert!(String::from_utf8_lossy(&out.stderr).contains(".png or .svg"));
    let both = json(&["activation", "relu", "swish", "--json"]);
    assert_eq!((both[0]["name"].as_str(), both[1]["name"].as_str()), (Some("relu"), Some("swish")));
}

/// Parameters and multiply-adds as published, or counted in PyTorch by another program.
#[test]
fn models_have_their_sizes() {
    let rows = json(&["models", "--json"]);
    let expected = [
        ("resnet20", 269_722, 40_551_040, 19, 688),
        ("resnet20_b", 272_474, 40_813_184, 19, 688),
        ("resnet20_v2", 272_282, 40_813_184, 19, 688),
        ("resnet32", 464_154, 68_862_592, 31, 1_136),
        ("resnet32_v2", 466_714, 69_124_736, 31, 1_136),
        ("resnet164", 1_703_258, 244_500_992, 163, 12_112),
        ("wrn28_10", 36_479_194, 5_243_328_768_u64, 25, 8_976),
        ("densenet100_12", 6_979_642, 1_769_516_448, 99, 58_608),
        ("densenet100_12_init24", 7_083_538, 1_816_743_408, 99, 59_400),
        ("densenet100_12_bc", 769_162, 287_929_692, 99, 11_994),
    ];
    for (name, params, macs, sites, channels) in expected {
        let row = rows.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
        let found = ["params", "macs", "activation_sites", "activation_channels"].map(|k| row[k].as_u64().unwrap());
        assert_eq!(found, [params, macs, sites, channels], "{name}");
    }
    // A pair of sentences of 32 tokens each.
    let texts = [
        ("transformer_base", 63_045_632, 2_034_368_512_u64, 12, 24_576),
        ("transformer_12", 107_147_264, 3_462_529_024, 24, 49_152),
    ];
    for (name, params, macs, sites, channels) in texts {
        let row = rows.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
        let found = ["params", "macs", "activation_sites", "activation_channels"].map(|k| row[k].as_u64().unwrap());
        assert_eq!(found, [params, macs, sites, channels], "{name}");
    }
    // Without the auxiliary head, then the head's own: parameters, BatchNorm statistics, activation sites and their channels.
    let imagenet = [
        ("nasnet_a_mobile", 563_638_816_u64, [5_289_978, 36_738, 192, 30_465], [2_411_240, 1_792, 3, 1_424]),
        ("mobilenet_v1", 568_740_352, [4_231_976, 21_888, 27, 10_944], [0; 4]),
        ("mobilenet_v1_same", 568_740_352, [4_231_976, 21_888, 27, 10_944], [0; 4]),
        ("inception_v3", 5_713_216_096, [23_834_568, 34_432, 94, 17_216], [3_326_696, 1_792, 2, 896]),
        ("inception_v3_tfpool", 5_713_216_096, [23_834_568, 34_432, 94, 17_216], [3_326_696, 1_792, 2, 896]),
        ("inception_v4", 12_253_974_624, [42_679_816, 63_168, 149, 31_584], [3_359_464, 1_792, 2, 896]),
        ("inception_resnet_v2", 13_155_794_016, [55_843_464, 60_544, 243, 73_952], [3_367_656, 1_792, 2, 896]),
    ];
    for (name, macs, main, head) in imagenet {
        let row = rows.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
        let found = |prefix: &str| {
            ["params", "norm_statistics", "activation_sites", "activation_channels"]
                .map(|key| row[format!("{prefix}{key}")].as_u64().unwrap())
        };
        assert_eq!((row["macs"].as_u64().unwrap(), found(""), found("aux_")), (macs, main, head), "{name}");
    }
}

#[test]
fn bench_step_prints_one_line_of_json() {
    let v = json(&[
        "bench",
        "step",
        "--model",
        "WRN_10_1",
        "--batch",
        "4",
        "--steps",
        "2",
        "--activation",
        "max(x, sin(x))",
    ]);
    assert!(v["ms_median"].as_f64().unwrap() > 0.0 && v["images_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn transformers_are_timed_by_tokens() {
    let step = ["bench", "step", "--model", "transformer-tiny", "--batch", "60", "--steps", "2", "--precision", "bf16"];
    let v = json(&step);
    assert_eq!(v["batch"], 64, "whole sentences of 32 tokens");
    assert!(v["ms_median"].as_f64().unwrap() > 0.0 && v["tokens_per_second"].as_f64().unwrap() > 0.0);
    let v = json(&["bench", "translate", "--model", "transformer_tiny", "--batch", "3", "--beam", "2", "--steps", "1"]);
    assert!(v["batch"] == 3 && v["tokens"].as_u64().unwrap() > 0 && v["tokens_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn weights_of_a_run_evaluate_to_what_the_run_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().to_str().unwrap();
    parquet_files(dir.path(), &ten_classes());
    let common = ["--model", "wrn-10-1", "--activation", "prelu", "--data-dir", results];
    let mut args = vec!["train"];
    args.extend(common);
    args.extend(["--steps", "6", "--batch", "8", "--results", results]);
    let record = json(&args);
    let weights = dir.path().join("runs").join(record["id"].as_str().unwrap()).join("model.safetensors");
    let mut args = vec!["eval"];
    args.extend(common);
    args.extend(["--weights", weights.to_str().unwrap()]);
    let evaluated = json(&args);
    assert_eq!(evaluated["top1"], record["top1"]);
    assert_eq!(evaluated["top5"], record["top5"]);
}

#[test]
fn imagenet_trains_on_what_the_program_draws() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["train", "--dataset", "imagenet", "--data", "embedded", "--model", "mobilenet-v1-025-64"];
    let more = ["--activation", "swish", "--steps", "2", "--batch", "4", "--results", dir.path().to_str().unwrap()];
    let record = json(&[&args[..], &more[..]].concat());
    assert_eq!((record["dataset"].as_str(), record["data_source"].as_str()), (Some("imagenet"), Some("embedded")));
    assert!(record["err"].is_null() && record["top5"].as_f64().unwrap() > 0.0, "{record}");
    let recipe = dir.path().join("runs").join(record["id"].as_str().unwrap()).join("recipe.json");
    let recipe: Value = serde_json::from_slice(&std::fs::read(recipe).unwrap()).unwrap();
    assert!(recipe.to_string().contains(r#"{"resize":"tf1","size":64}"#), "{recipe}");
}

/// The table's columns stand under their titles, however long the names are.
#[test]
fn the_list_of_models_is_aligned() {
    let out = swish().arg("models").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let (title, rows) = text.split_once('\n').unwrap();
    let about = title.find("what it is").unwrap();
    for row in rows.lines() {
        let words: Vec<&str> = row[..about].split_whitespace().collect();
        assert!(row.is_char_boundary(about) && row[..about].ends_with("  ") && (6..=7).contains(&words.len()), "{row}");
    }
    let image = |model: &str| {
        let row = rows.lines().find(|row| row.split_whitespace().next() == Some(model)).unwrap();
        row.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(["resnet20", "inception_v4", "mobilenet-v1-025-64"].map(image), ["32x32", "299x299", "64x64"]);
}

/// sacreBLEU 2.6.0 gives these translations 28.387021 with tokens 13a.
#[test]
fn bleu_scores_files_and_refuses_those_of_unlike_lengths() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let translations = file("hyp.de", "Das ist ein altes Haus.\nEs kostet 1,000.5 Euro-Cent.\n");
    let references = file("ref.de", "Das ist ein neues Haus.\nEs kostet 1.000,5 Euro-Cent.\n");
    let v = json(&["bleu", &translations, &references, "--json"]);
    assert!((v["score"].as_f64().unwrap() - 28.387_021).abs() < 1e-5, "{v}");
    assert!(
        v["signature"].as_str().unwrap().starts_with("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:swish-")
    );
    let v = json(&["bleu", &translations, &references, "--json", "--tokenize", "moses-compound"]);
    assert_eq!((v["hyp_len"].as_u64(), v["precisions"].as_array().unwrap().len()), (Some(13), 4));
    let fails = |args: &[&str], wanted: &str| {
        let out = swish().arg("bleu").args(args).output().unwrap();
        assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains(wanted), "{out:?}");
    };
    let short = file("short.de", "Das ist ein neues Haus.\n");
    fails(&[&translations, &short], "2 translations for 1 references; expected one for each");
    fails(&[&translations, &references, "--tokenize", "zh"], "expected 13a or moses-compound");
    fails(&[&translations, "no such file"], "no such file: No such file or directory");
}

#[test]
fn data_show_says_which_text_a_run_would_get() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("train/a.en", "One.\nTwo words.\n"),
        ("train/a.de", "Eins.\nZwei Wörter.\n"),
        ("eval/b.en", "Three.\n"),
        ("eval/b.de", "Drei.\n"),
    ] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let show = |args: &[&str]| {
        let out = swish().args(["data", "show", "--dataset", "wmt14"]).args(args).output().unwrap();
        (out.status.success(), String::from_utf8(if out.status.success() { out.stdout } else { out.stderr }).unwrap())
    };
    let folder = dir.path().to_str().unwrap();
    let (good, text) = show(&["--data-dir", folder]);
    assert!(
        good && text
            .starts_with(&format!("data: dir English-German text ({folder}, line-aligned files), 2 training pairs"))
    );
    assert!(text.ends_with("\ntrain\ta\t2\t3\t3\neval\tb\t1\t1\t1\n"), "{text}");
    let (good, text) = show(&["--data-dir", folder, "--sets", "a,c"]);
    assert!(!good && text == "error: no set c; there are a, b\n", "{text}");
    assert!(show(&["--data", "embedded"]).1.starts_with("data: embedded phrases (asked for), 30000 training pairs"));
}

#[test]
fn every_command_has_help_with_an_example() {
    for args in [
        &["activation"][..],
        &["export"],
        &["models"],
        &["forward"],
        &["train"],
        &["eval"],
        &["bench", "step"],
        &["bench", "translate"],
        &["data", "fetch"],
        &["data", "show"],
        &["bleu"],
        &["translate"],
    ] {
        let out = swish().args(args).arg("--help").output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("Example"), "{args:?}: {text}");
    }
}

/// Without a GPU the tool says what is missing, whatever it was built with.
#[test]
fn gpu_is_listed_or_named_as_missing() {
    let out = swish().arg("gpu").output().unwrap();
    let (text, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    match out.status.success() {
        true => assert!(text.contains("cuda:0") && text.contains("compute capability"), "{text}"),
        false => assert!(error.contains("no GPU") || error.contains("driver"), "{error}"),
    }
    for what in ["check", "bandwidth"] {
        let help = swish().args(["gpu", what, "--help"]).output().unwrap();
        assert!(String::from_utf8_lossy(&help.stdout).contains("Example"), "{what}");
    }
    if cfg!(not(feature = "cuda")) {
        let out = swish().args(["gpu", "bandwidth", "--shapes", "64x16,32x8"]).output().unwrap();
        let (text, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(text.contains("nothing was run") && text.contains("2 shapes"), "{text}");
        assert!(!out.status.success() && error.contains("CPU build"), "{error}");
    }
    let out = swish().args(["gpu", "bandwidth", "--shapes", "64"]).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("such as 131072x16"));
}
