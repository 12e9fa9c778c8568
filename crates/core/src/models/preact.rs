//! Pre-activation residual networks (v2): BatchNorm and activation before each convolution, nothing after the sum.
//!
//! - Bottleneck units: He et al. 2016, KaimingHe/resnet-1k-layers `resnet-pre-act.lua`; ResNet-164 has 1,703,258
//!   parameters (10 classes). Tables 1, 2, 4 and 5.
//! - Basic units: ResNet-20/32 v2, and Wide ResNet (Zagoruyko and Komodakis 2016, szagoruyko/wide-residual-networks
//!   `models/wide-resnet.lua`); WRN-28-10 has 36,479,194 parameters. Tables 1, 2, 4 and 5.

use super::Model;
use crate::nn::shape::global_mean;
use crate::nn::{Builder, ConvConfig, Linear, Map, NormConfig, Result, Run, Unit};

/// What a residual branch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1 (with the stride), 3x3, 1x1; a quarter of the width inside.
    Bottleneck,
}

/// Three groups of `n` units with the given output widths; strides 1, 2, 2.
pub(super) struct PreActNet {
    stem: Unit,
    units: Vec<PreActUnit>,
    last: Unit,
    fc: Linear,
}

/// Where channels change, the first BatchNorm and activation serve both branches and the shortcut is a 1x1 convolution.
enum Entry {
    Same(Box<Unit>),
    Shared(Box<SharedEntry>),
}

struct SharedEntry {
    norm_act: Unit,
    conv: Unit,
    shortcut: Unit,
}

struct PreActUnit {
    entry: Entry,
    rest: Vec<Unit>,
}

impl PreActNet {
    pub(super) fn new(vb: &Builder, n: usize, widths: [usize; 3], branch: Branch, classes: usize) -> Result<Self> {
        Self::with_stem(vb, 1, n, widths, branch, classes)
    }

    /// The network whose first convolution has this stride.
    pub(super) fn with_stem(
        vb: &Builder,
        stride: usize,
        n: usize,
        widths: [usize; 3],
        branch: Branch,
        classes: usize,
    ) -> Result<Self> {
        let stem = Unit::conv(vb, "conv1", ConvConfig::same(3, 16, 3, stride))?;
        let mut units = Vec::new();
        let mut c_in = 16;
        for (stage, c_out) in widths.into_iter().enumerate() {
            for i in 0..n {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let at = vb.pp(format!("layer{}", stage + 1)).pp(i);
                units.push(PreActUnit::new(&at, c_in, c_out, stride, branch)?);
                c_in = c_out;
            }
        }
        let last = Unit::norm_act(vb, ("bn", "act"), c_in, NormConfig::TORCH)?;
        Ok(Self { stem, units, last, fc: Linear::new(vb, "fc", c_in, classes) })
    }
}

impl PreActUnit {
    fn new(vb: &Builder, c_in: usize, c_out: usize, stride: usize, branch: Branch) -> Result<Self> {
        let norm = NormConfig::TORCH;
        let (first, rest) = match branch {
            Branch::Basic => (ConvConfig::same(c_in, c_out, 3, stride), vec![ConvConfig::same(c_out, c_out, 3, 1)]),
            Branch::Bottleneck => {
                let c_mid = c_out / 4;
                let rest = vec![ConvConfig::same(c_mid, c_mid, 3, 1), ConvConfig::same(c_mid, c_out, 1, 1)];
                (ConvConfig::same(c_in, c_mid, 1, stride), rest)
            }
        };
        let entry = if c_in == c_out {
            Entry::Same(Box::new(Unit::norm_act_conv(vb, ("bn1", "act1"), "conv1", first, norm)?))
        } else {
            Entry::Shared(Box::new(SharedEntry {
                norm_act: Unit::norm_act(vb, ("bn1", "act1"), c_in, norm)?,
                conv: Unit::conv(vb, "conv1", first)?,
                shortcut: Unit::conv(vb, "shortcut", ConvConfig::same(c_in, c_out, 1, stride))?,
            }))
        };
        let rest = (2..)
            .zip(rest)
            .map(|(i, conv)| {
                let names = (format!("bn{i}"), format!("act{i}"));
                Unit::norm_act_conv(vb, (&names.0, &names.1), &format!("conv{i}"), conv, norm)
            })
            .collect::<Result<_>>()?;
        Ok(Self { entry, rest })
    }

    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let (mut ys, shortcut) = match &self.entry {
            Entry::Same(unit) => (unit.forward(xs, run)?, xs.clone()),
            Entry::Shared(entry) => {
                let h = entry.norm_act.forward(xs, run)?;
                (entry.conv.forward(&h, run)?, entry.shortcut.forward(&h, run)?)
            }
        };
        for (i, unit) in self.rest.iter().enumerate() {
            ys = if i + 1 < self.rest.len() { unit.forward(&ys, run)? } else { unit.forward_add(&ys, &shortcut, run)? };
        }
        Ok(ys)
    }
}

impl Model for PreActNet {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = self.stem.forward(xs, run)?;
        for unit in &self.units {
            xs = unit.forward(&xs, run)?;
        }
        self.fc.forward(&global_mean(&self.last.forward(&xs, run)?, run)?, run)
    }
}
