//! What a time depends on beside the program.

use anyhow::{Context, Result};
use swish_kernels::simd;

/// Name of the processor; the architecture where the system does not tell.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpu_name(&info).unwrap_or(std::env::consts::ARCH).to_string()
}

/// The name in the text of `/proc/cpuinfo`.
fn cpu_name(info: &str) -> Option<&str> {
    let names = info.lines().filter_map(|line| line.split_once(':')).filter(|(key, _)| key.trim() == "model name");
    names.map(|(_, name)| name.trim()).next()
}

/// The vector instructions that the kernels use: `scalar`, `avx2`, ...
pub fn simd() -> String {
    format!("{:?}", simd::level()).to_lowercase()
}

/// Peak resident memory of this process; `None` where the system does not tell.
pub fn peak_rss_mib() -> Result<Option<f64>> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return Ok(None);
    };
    let Some(line) = status.lines().find(|l| l.starts_with("VmHWM:")) else {
        return Ok(None);
    };
    let kib: f64 = line.split_whitespace().nth(1).unwrap_or_default().parse().context("/proc/self/status")?;
    Ok(Some(kib / 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_once_or_not_at_all() {
        let info =
            "processor\t: 0\nmodel\t\t: 143\nmodel name\t: A CPU @ 2.0GHz\n\nprocessor\t: 1\nmodel name\t: another\n";
        assert_eq!(cpu_name(info), Some("A CPU @ 2.0GHz"));
        assert_eq!(cpu_name("Features\t: fp asimd\n"), None);
    }
}
