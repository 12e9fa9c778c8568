//! The mean of the last few checkpoints (Vaswani et al. 2017, section 6.1: the last 5, ten minutes apart).

use crate::error::Result;
use crate::values::with_values;
use candle_core::{DType, Device, Tensor};
use std::collections::{HashMap, VecDeque};
use swish_core::nn::Params;

/// Parameters as they were at the last few of every so many steps.
pub struct LastCheckpoints {
    /// Steps from one to the next.
    every: u64,
    /// How many are averaged.
    keep: usize,
    /// Values of a network.
    len: usize,
    /// The oldest first, each laid out as the network's variable.
    window: VecDeque<Vec<f32>>,
    /// The network's own values, while it has the mean for its values.
    own: Option<Vec<f32>>,
}

/// Name of checkpoint `i` of the window, the oldest 0, in a checkpoint.
fn name(i: usize) -> String {
    format!("averages.last.{i}")
}

impl LastCheckpoints {
    /// None so far: until there is one, the network is evaluated as it is.
    pub fn new(params: &Params, every: u64, keep: usize) -> Self {
        let (every, keep, len) = (every.max(1), keep.max(1), params.flat.elem_count());
        Self { every, keep, len, window: VecDeque::new(), own: None }
    }

    /// Whether the values after step `t` count.
    pub(super) fn takes(&self, t: u64) -> bool {
        t.is_multiple_of(self.every)
    }

    /// Takes the values in after step `t`, counted from 1, where it is one of those that count.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn update(&mut self, params: &Params, t: u64) -> Result<()> {
        if !self.takes(t) {
            return Ok(());
        }
        // The oldest makes room, and its memory is used again.
        let oldest = if self.window.len() == self.keep { self.window.pop_front() } else { None };
        let mut newest = oldest.unwrap_or_default();
        with_values(&params.flat, |w| {
            newest.clear();
            newest.extend_from_slice(w);
        })?;
        self.window.push_back(newest);
        Ok(())
    }

    /// Gives the network the mean for its values, or its own ones back.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn swap(&mut self, params: &Params) -> Result<()> {
        if let Some(own) = self.own.take() {
            return with_values(&params.flat, |w| w.copy_from_slice(&own));
        }
        if self.window.is_empty() {
            return Ok(());
        }
        let (window, mut own) = (&self.window, Vec::new());
        with_values(&params.flat, |w| {
            own = w.to_vec();
            for (i, w) in w.iter_mut().enumerate() {
                let sum: f64 = window.iter().map(|checkpoint| f64::from(checkpoint[i])).sum();
                *w = (sum / window.len() as f64) as f32;
            }
        })?;
        self.own = Some(own);
        Ok(())
    }

    /// The window, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let tensor =
            |(i, values): (usize, &Vec<f32>)| Ok((name(i), Tensor::from_slice(values, values.len(), &Device::Cpu)?));
        self.window.iter().enumerate().map(tensor).collect()
    }

    /// Goes on from the window among the tensors of a checkpoint made after so many steps.
    ///
    /// # Errors
    /// Why it cannot: a part of the window is missing, or another network's.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>, steps: u64) -> Result<(), String> {
        self.window.clear();
        while let Some(saved) = tensors.get(&name(self.window.len())) {
            if saved.dims() != [self.len] || saved.dtype() != DType::F32 || self.window.len() == self.keep {
                return Err(format!("its `{}` is another network's", name(self.window.len())));
            }
            self.window.push_back(saved.to_vec1().map_err(|e| e.to_string())?);
        }
        let (found, expected) = (self.window.len() as u64, (steps / self.every).min(self.keep as u64));
        if found != expected {
            return Err(format!("holds {found} checkpoints to average; expected {expected} after {steps} steps"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use swish_core::nn::init::Scheme;
    use swish_core::nn::{Builder, Role};

    /// Three values that are `t` at step t.
    fn params() -> Params {
        let vb = Builder::new(&"relu".parse().unwrap(), Scheme::ZERO, 0, DType::F32, &Device::Cpu);
        vb.add("bias", &[3], Role::Bias);
        vb.finish().unwrap()
    }

    fn train(averages: &mut LastCheckpoints, params: &Params, steps: std::ops::RangeInclusive<u64>) {
        for t in steps {
            params.flat.set(&Tensor::full(t as f32, 3, &Device::Cpu).unwrap()).unwrap();
            averages.update(params, t).unwrap();
        }
    }

    fn mean(averages: &mut LastCheckpoints, params: &Params) -> Vec<f32> {
        averages.swap(params).unwrap();
        let mean = params.flat.to_vec1().unwrap();
        averages.swap(params).unwrap();
        mean
    }

    #[test]
    fn the_last_few_of_every_so_many_steps_are_averaged() {
        let params = params();
        let mut averages = LastCheckpoints::new(&params, 10, 3);
        train(&mut averages, &params, 1..=9);
        assert_eq!(mean(&mut averages, &params), [9.0; 3], "none so far: as it is");
        train(&mut averages, &params, 10..=25);
        assert_eq!(mean(&mut averages, &params), [15.0; 3], "of 10 and 20");
        assert_eq!(params.flat.to_vec1::<f32>().unwrap(), [25.0; 3], "left as it was");
        train(&mut averages, &params, 26..=50);
        assert_eq!(mean(&mut averages, &params), [40.0; 3], "of 30, 40 and 50");
    }

    #[test]
    fn the_window_survives_a_checkpoint_at_any_step() {
        for at in [4, 10, 37] {
            let params = params();
            let mut whole = LastCheckpoints::new(&params, 10, 3);
            train(&mut whole, &params, 1..=at);
            let saved: HashMap<String, Tensor> = whole.tensors().unwrap().into_iter().collect();
            let mut resumed = LastCheckpoints::new(&params, 10, 3);
            resumed.restore(&saved, at).unwrap();
            let lacking = resumed.restore(&HashMap::new(), at);
            assert_eq!(lacking.is_err(), at >= 10, "{lacking:?}");
            resumed.restore(&saved, at).unwrap();
            train(&mut whole, &params, at + 1..=64);
            let expected = mean(&mut whole, &params);
            train(&mut resumed, &params, at + 1..=64);
            assert_eq!(mean(&mut resumed, &params), expected);
            assert_eq!(expected, [50.0; 3]);
        }
    }
}
