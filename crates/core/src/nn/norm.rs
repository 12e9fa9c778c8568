//! BatchNorm's numbers in one pass: what the kernels take, and what comes back from them.

use super::error::Result;
use super::params::{Compute, Values};
use super::tape::{Pull, narrow};
use super::unit::NormLayer;
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::block::{InputSums, Moments, NormAct};

/// A norm with its statistics; one value a channel.
pub(super) struct Norm<T> {
    layer: Arc<NormLayer>,
    mean: Vec<T>,
    scale: Vec<T>,
    beta: Vec<T>,
    params: Vec<T>,
    inv_std: Vec<f64>,
    slope: Vec<f64>,
}

impl<T: Compute> Norm<T> {
    /// `moments` may have more channels than the layer, which then takes the first ones.
    pub(super) fn new(layer: &Arc<NormLayer>, moments: &Moments, values: Values<'_>) -> Result<Self> {
        let values = T::values(values)?;
        let c = layer.channels;
        let inv_std: Vec<f64> = moments.var[..c].iter().map(|var| 1.0 / (var + layer.config.eps).sqrt()).collect();
        let slope: Vec<f64> =
            values[layer.gamma.clone()].iter().zip(&inv_std).map(|(gamma, inv_std)| gamma.to_f64() * inv_std).collect();
        Ok(Self {
            layer: layer.clone(),
            mean: narrow(&moments.mean[..c]),
            scale: narrow(&slope),
            beta: values[layer.beta.clone()].to_vec(),
            params: values[layer.params.clone()].to_vec(),
            inv_std,
            slope,
        })
    }

    /// As the kernels take it.
    pub(super) fn kernel(&self) -> NormAct<'_, T> {
        NormAct {
            program: &self.layer.program,
            mean: &self.mean,
            scale: &self.scale,
            beta: &self.beta,
            params: &self.params,
        }
    }

    /// d x / d u without the part through the statistics.
    pub(super) fn scale(&self) -> &[T] {
        &self.scale
    }

    /// As [`Norm::scale`].
    pub(super) fn slope(&self) -> &[f64] {
        &self.slope
    }

    /// From the kernels' sums over `rows` pixels to the gradients of the parameters, which are added to `d_params`, and to what the
    /// statistics pull at the input.
    pub(super) fn finish(&self, sums: &InputSums, rows: usize, d_params: &mut [T]) -> Pull {
        let of_scale: Vec<f64> = sums.d_u_x.iter().zip(&self.inv_std).map(|(sum, inv_std)| sum * inv_std).collect();
        let mut add = |range: &Range<usize>, sums: &[f64]| {
            for (d, &sum) in d_params[range.clone()].iter_mut().zip(sums) {
                *d += T::from_f64(sum);
            }
        };
        add(&self.layer.params, &sums.d_params);
        add(&self.layer.beta, &sums.d_u);
        add(&self.layer.gamma, &of_scale);
        // d x = slope (du - mean(du) - xhat mean(du xhat)).
        let rows = rows as f64;
        let channels = 0..self.layer.channels;
        Pull {
            pull: channels.clone().map(|i| -self.slope[i] * self.inv_std[i] * of_scale[i] / rows).collect(),
            term: channels.map(|i| -self.slope[i] * sums.d_u[i] / rows).collect(),
        }
    }
}
