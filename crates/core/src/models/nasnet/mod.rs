//! Mobile NASNet-A, "4 @ 1056" (Zoph et al. 2017; tensorflow/models slim `nasnet/nasnet.py`): 5,289,978 parameters, and 2,411,240 of the
//! auxiliary head (1000 classes). Names of parameters as in Cadene's `nasnet_mobile.py`. Tables 6 and 7.
//!
//! The activation stands before every convolution and each reader of a map has its own. No path dropout, as slim has it for Mobile.

mod cell;

use super::Model;
use super::auxiliary::AuxiliaryHead;
use crate::nn::shape::{dropout, global_mean};
use crate::nn::{Builder, ConvConfig, Linear, Map, NormConfig, Result, Run, Unit};
use cell::{Cell, Kind, Previous};

/// Probability of dropout before the classifier: slim keeps 0.5.
const DROPOUT: f64 = 0.5;

/// Size of a NASNet-A.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    /// Filters of the first normal cells (slim's `num_conv_filters`); a multiple of 4.
    pub filters: usize,
    /// Normal cells at each of the three sizes of map.
    pub cells: usize,
    /// Channels of the first convolution.
    pub stem: usize,
    /// Height and width of the images that the auxiliary head is made for.
    pub image: usize,
    /// The auxiliary head's channels are divided by it; 1 is the original.
    pub aux_divisor: usize,
}

pub(super) struct NasNet {
    conv0: Unit,
    cells: Vec<Cell>,
    /// The cell whose result the auxiliary head reads, the activation before the head, and the head.
    auxiliary: (usize, Unit, AuxiliaryHead),
    act: Unit,
    last_linear: Linear,
}

impl NasNet {
    pub(super) fn new(vb: &Builder, config: Config, classes: usize) -> Result<Self> {
        let Config { filters: f, cells: n, stem, image, aux_divisor } = config;
        let first = ConvConfig::valid(3, stem, 3, 2);
        let conv0 = Unit::conv_norm(&vb.pp("conv0"), "conv", first, "bn", NormConfig::SLIM)?;
        let mut plan =
            vec![("cell_stem_0".to_string(), Kind::Reduction, f / 4), ("cell_stem_1".into(), Kind::Reduction, f / 2)];
        let mut tap = 0;
        for stage in 0..3 {
            if stage > 0 {
                plan.push((format!("reduction_cell_{}", stage - 1), Kind::Reduction, f << stage));
            }
            plan.extend((0..n).map(|i| (format!("cell_{}", stage * (n + 2) + i), Kind::Normal, f << stage)));
            if stage == 1 {
                tap = plan.len() - 1;
            }
        }
        let mut cells = Vec::new();
        let (mut cur, mut size, mut tapped) = (stem, image.saturating_sub(3) / 2 + 1, (0, 0));
        let mut prev = (stem, Previous::Raw);
        for (i, (name, kind, f)) in plan.into_iter().enumerate() {
            cells.push(Cell::new(&vb.pp(name), cur, prev, f, kind)?);
            let reduces = kind == Kind::Reduction;
            prev = (cur, if reduces { Previous::Larger } else { Previous::Same });
            cur = kind.parts() * f;
            size = if reduces { size.div_ceil(2) } else { size };
            if i == tap {
                tapped = (cur, size);
            }
        }
        let at = vb.pp("aux").for_auxiliary_head();
        let head = AuxiliaryHead::new(&at, tapped, aux_divisor, ("bn", "act"), classes)?;
        let auxiliary = (tap, Unit::act(&at, "act", tapped.0)?, head);
        let act = Unit::act(vb, "act", cur)?;
        Ok(Self { conv0, cells, auxiliary, act, last_linear: Linear::new(vb, "last_linear", cur, classes) })
    }
}

impl Model for NasNet {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut cur = self.conv0.forward(xs, run)?;
        let mut prev = cur.clone();
        let (tap, act, head) = &self.auxiliary;
        for (i, cell) in self.cells.iter().enumerate() {
            let made = cell.forward(&cur, &prev, run)?;
            prev = std::mem::replace(&mut cur, made);
            if i == *tap {
                run.auxiliary(|run| head.forward(&act.forward(&cur, run)?, run))?;
            }
        }
        let features = global_mean(&self.act.forward(&cur, run)?, run)?;
        self.last_linear.forward(&dropout(&features, DROPOUT, 0, run)?, run)
    }
}
