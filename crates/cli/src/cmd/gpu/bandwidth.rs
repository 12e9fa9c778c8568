//! `swish gpu bandwidth`: how near norms with activations come to a plain copy.

use super::Result;
use std::path::PathBuf;
use swish_core::activation::Activation;

/// Time BatchNorm with an activation, forward and back, beside the GPU's own copy of as many bytes; one CSV row a function
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish gpu bandwidth --activation swish --shapes 131072x160 --out bandwidth.csv\n\nA function is charged for the maps it has to read and write, each once. Maps that fit the GPU's cache say little of its memory."
)]
pub struct Args {
    /// Number of the GPU
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// Activation: a name or an expression
    #[arg(long, default_value = "swish")]
    activation: Activation,
    /// Rows and channels of the maps; unless given, those of a batch of 128 in ResNet-20, WRN-28-10, Inception-v3 and MobileNet
    #[arg(long, value_name = "ROWSxCHANNELS,..", value_delimiter = ',', value_parser = shape,
          default_values = ["131072x16", "131072x160", "156800x288", "1605632x64"])]
    shapes: Vec<[usize; 2]>,
    /// Times that each function is measured, in turn with the others
    #[arg(long, default_value_t = 5, value_parser = crate::args::Whole(1..=1000))]
    rounds: usize,
    /// Where the CSV goes; standard output unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn shape(text: &str) -> std::result::Result<[usize; 2], String> {
    let sizes = text.split_once('x').and_then(|(rows, channels)| Some([rows.parse().ok()?, channels.parse().ok()?]));
    let sizes = sizes.filter(|sizes: &[usize; 2]| !sizes.contains(&0));
    sizes.ok_or_else(|| format!("{text}: expected rows and channels, such as 131072x16"))
}

#[cfg(not(feature = "cuda"))]
pub fn run(args: &Args) -> Result<()> {
    let Args { device, activation, shapes, rounds, out } = args;
    let out = super::device::place(out.as_deref());
    let what = format!("{activation} on {} shapes, {rounds} rounds", shapes.len());
    super::device::nothing(&format!("GPU {device}, {what}, to {out}"))
}

#[cfg(feature = "cuda")]
pub fn run(args: &Args) -> Result<()> {
    use swish_kernels::cuda::bandwidth::{self, Row, Timed};
    use swish_kernels::cuda::gpu::Gpu;
    use swish_kernels::cuda::{ActSource, Engine};
    use swish_record::provenance;

    /// Of one measurement: long beside the waiting for it.
    const SECONDS: f64 = 0.02;
    let Args { device, activation, shapes, rounds, out } = args;
    let gpu = Gpu::new(*device)?;
    let act = ActSource::new(&activation.program());
    let mut csv = super::device::writer(out.as_deref())?;
    let (name, commit, expression) = (gpu.name(), provenance::commit(), activation.to_string());
    let columns = ["function", "bytes", "microseconds", "gb_per_second", "share_of_copy"];
    let dirty = provenance::dirty().to_string();
    let of_case = ["device", "commit", "dirty", "activation", "element", "rows", "channels"];
    csv.write_record(of_case.iter().chain(&columns))?;
    for &[rows, channels] in shapes {
        let timed = Timed { rows, channels, rounds: *rounds, seconds: SECONDS };
        let shape = [rows, channels].map(|size| size.to_string());
        for Row { element, function, bytes, seconds, share } in bandwidth::run(&gpu, &act, timed)? {
            let rate = bytes as f64 / seconds / 1e9;
            let numbers = [format!("{:.3}", seconds * 1e6), format!("{rate:.1}"), format!("{share:.4}")];
            eprintln!("{element} {rows} x {channels}, {function}: {rate:.0} GB/s, {share:.2} of the copy");
            let case =
                [&name, commit, &dirty, &expression, element, &shape[0], &shape[1], function, &bytes.to_string()];
            csv.write_record(case.into_iter().chain(numbers.iter().map(String::as_str)))?;
        }
        csv.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read() {
        assert_eq!(shape("131072x16"), Ok([131_072, 16]));
        for wrong in ["", "16", "0x16", "16x0", "axb", "1x2x3"] {
            assert!(shape(wrong).is_err_and(|error| error.contains("such as")), "{wrong}");
        }
    }
}
