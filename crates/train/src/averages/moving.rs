//! Exponential moving averages of parameters and BatchNorm's running statistics, on which a network is evaluated
//! (`tf.train.ExponentialMovingAverage` with the number of steps).

use crate::error::{Error, Result};
use crate::values::with_values;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use swish_core::nn::Params;
use swish_kernels::optim;

/// Names in a checkpoint.
const PARAMETERS: &str = "averages.parameters";
const STATISTICS: &str = "averages.statistics";

/// Averages of all that a network's evaluation uses.
pub struct MovingAverages {
    /// Largest decay.
    decay: f64,
    /// Laid out as the network's variable.
    parameters: Vec<f32>,
    /// The running statistics one after the other.
    statistics: Vec<f32>,
}

/// The decay of step `t`, counted from 1: min(decay, (1 + t) / (10 + t)), short averages at first.
pub fn decay_at(decay: f64, t: u64) -> f64 {
    decay.min((1 + t) as f64 / (10 + t) as f64)
}

impl MovingAverages {
    /// Averages of a network before its first step: its values themselves.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn new(params: &Params, decay: f64) -> Result<Self> {
        let mut statistics = Vec::new();
        for buffer in &params.buffers {
            statistics.extend(buffer.get().to_vec1::<f32>()?);
        }
        Ok(Self { decay, parameters: params.flat.to_vec1()?, statistics })
    }

    /// Largest decay.
    pub(crate) fn decay(&self) -> f64 {
        self.decay
    }

    /// Averages of the parameters, laid out as the network's variable, and of the running statistics one after the other.
    pub(crate) fn values(&self) -> [&[f32]; 2] {
        [&self.parameters, &self.statistics]
    }

    /// As [`MovingAverages::values`], to change them.
    pub(crate) fn values_mut(&mut self) -> [&mut [f32]; 2] {
        [&mut self.parameters, &mut self.statistics]
    }

    /// Takes the values in after step `t`, counted from 1.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn update(&mut self, params: &Params, t: u64) -> Result<()> {
        let decay = decay_at(self.decay, t);
        with_values(&params.flat, |w| optim::ema(decay, w, &mut self.parameters))?;
        let mut rest = self.statistics.as_mut_slice();
        for buffer in &params.buffers {
            let now = buffer.get().to_vec1::<f32>()?;
            let (averages, further) = rest.split_at_mut(now.len());
            optim::ema(decay, &now, averages);
            rest = further;
        }
        Ok(())
    }

    /// Exchanges the network's values and the averages: done twice, all is as before.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn swap(&mut self, params: &Params) -> Result<()> {
        with_values(&params.flat, |w| w.swap_with_slice(&mut self.parameters))?;
        let mut rest = self.statistics.as_mut_slice();
        for buffer in &params.buffers {
            let now = buffer.get().to_vec1::<f32>()?;
            let (averages, further) = rest.split_at_mut(now.len());
            buffer.set(Tensor::from_slice(averages, now.len(), &Device::Cpu)?);
            averages.copy_from_slice(&now);
            rest = further;
        }
        Ok(())
    }

    /// The averages, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let named = [(PARAMETERS, &self.parameters), (STATISTICS, &self.statistics)];
        let tensor = |v: &Vec<f32>| Tensor::from_slice(v, v.len(), &Device::Cpu).map_err(Error::from);
        named.into_iter().map(|(name, values)| Ok((name.into(), tensor(values)?))).collect()
    }

    /// Goes on from the averages among the tensors of a checkpoint.
    ///
    /// # Errors
    /// Why it cannot: none there, or another network's.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), String> {
        for (name, values) in [(PARAMETERS, &mut self.parameters), (STATISTICS, &mut self.statistics)] {
            let saved = tensors.get(name).ok_or_else(|| format!("holds no `{name}`"))?;
            if saved.dims() != [values.len()] || saved.dtype() != DType::F32 {
                return Err(format!("its `{name}` is another network's"));
            }
            *values = saved.to_vec1().map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}
