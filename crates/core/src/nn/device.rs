//! [`Compute`]: where a network runs.

use super::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Where a network runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// This machine's processor.
    #[default]
    Cpu,
    /// The GPU of that number, counted from 0.
    Cuda(usize),
}

impl Compute {
    /// For what runs on the CPU only.
    ///
    /// # Errors
    /// [`Error::BadDevice`] for a GPU.
    pub fn cpu_only(self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(_) => {
                Err(Error::BadDevice { name: self.to_string(), reason: "this runs on the CPU only; use `cpu`" })
            }
        }
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(number) => f.pad(&format!("cuda:{number}")),
        }
    }
}

impl FromStr for Compute {
    type Err = Error;

    /// `cpu`, `cuda` or `cuda:N`.
    fn from_str(name: &str) -> Result<Self> {
        let number = match name {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        let unknown = || Error::BadDevice { name: name.to_string(), reason: "expected `cpu` or `cuda:N`" };
        number.map(Self::Cuda).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Compute;

    #[test]
    fn names_come_back() {
        for (name, compute) in [("cpu", Compute::Cpu), ("cuda:0", Compute::Cuda(0)), ("cuda:7", Compute::Cuda(7))] {
            assert_eq!((name.parse::<Compute>().unwrap(), compute.to_string().as_str()), (compute, name));
        }
        assert_eq!("cuda".parse::<Compute>().unwrap(), Compute::Cuda(0));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(
                wrong.parse::<Compute>().unwrap_err().to_string().contains("expected `cpu` or `cuda:N`"),
                "{wrong}"
            );
        }
    }
}
