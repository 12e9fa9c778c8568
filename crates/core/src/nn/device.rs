//! Devices by name.

use super::error::{Error, Result};
use candle_core::Device;

/// The device called `cpu`, or `cuda:N`.
///
/// # Errors
/// [`Error::BadDevice`]: an unknown name, or CUDA in a build without it.
pub fn device(name: &str) -> Result<Device> {
    let bad = |reason| Err(Error::BadDevice { name: name.to_string(), reason });
    match name {
        "cpu" => Ok(Device::Cpu),
        _ if name == "cuda" || name.starts_with("cuda:") => bad("this is a CPU build; use `cpu`"),
        _ => bad("expected `cpu` or `cuda:N`"),
    }
}
