//! Training images a second that ImageNet's stream makes, beside `bench/data_peer.py` (torchvision) on the same files.
//! `cargo run --release -p swish-data --example imagenet_speed DIR [--size 224] [--workers 2] [--batch 64] [--rounds 5]`; DIR may be
//! `embedded`. One JSON line: median and range over rounds, each of one epoch.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;
use swish_data::imagenet::{ImageNetOptions, ImageNetTransform, load};
use swish_data::{DataChoice, DataOptions, ImageSource, Streamed};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.first().filter(|arg| !arg.starts_with('-')).ok_or("usage: imagenet_speed DIR [--size N] ...")?;
    let number = |name: &str, default: usize| -> Result<usize, Box<dyn std::error::Error>> {
        let at = args.iter().position(|arg| arg == name);
        Ok(at.and_then(|at| args.get(at + 1)).map_or(Ok(default), |value| value.parse())?)
    };
    let (size, workers) = (number("--size", 224)?, number("--workers", 2)?);
    let (batch, rounds) = (number("--batch", 64)?, number("--rounds", 5)?.max(1));
    let data = load(&ImageNetOptions {
        data: DataOptions {
            choice: if dir == "embedded" { DataChoice::Embedded } else { DataChoice::Dir },
            dir: Some(PathBuf::from(dir)),
            cache: DataOptions::default_cache(),
            require_real: false,
        },
        classes: None,
        embedded_side: size,
    })?;
    eprintln!("{}", data.note);
    let workers = NonZeroUsize::new(workers).ok_or("--workers 0: expected at least 1")?;
    let transform = ImageNetTransform::slim(size);
    let source = Streamed::new(&data, transform, transform, workers)?;
    let steps = source.train_len() / batch.max(1);
    let mut batches = source.train_batches(batch, 0, 0)?;
    // One epoch brings the files into memory.
    batches.by_ref().take(steps).try_for_each(|batch| batch.map(drop))?;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        batches.by_ref().take(steps).try_for_each(|batch| batch.map(drop))?;
        rates.push((steps * batch) as f64 / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{{\"peer\": \"swish\", \"images\": {}, \"size\": {size}, \"workers\": {workers}, \"batch\": {batch}, \"images_per_second\": {:.0}, \"least\": {:.0}, \"most\": {:.0}}}",
        source.train_len(),
        rates[rates.len() / 2],
        rates[0],
        rates[rates.len() - 1]
    );
    Ok(())
}
