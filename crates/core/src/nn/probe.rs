//! [`Probe`]: a look at what the activation is applied to, while a network runs.
//!
//! Norm, residual and activation are one sweep inside the kernels, so preactivations are stored nowhere: for a probe they are made once
//! more, with the identity in the activation's place.

use super::error::Result;
use super::norm::Norm;
use super::run::{Kind, Run};
use std::fmt::Debug;
use swish_kernels::Real;
use swish_kernels::act::Program;
use swish_kernels::block::{self, Geometry, Input, Lanes, NormAct, Output};

/// Is shown the preactivations of every site of the activation in networks of images (Transformers show none), once a pass.
pub trait Probe: Debug + Send + Sync {
    /// What the activation at `site` is applied to, (pixels of all images, channels).
    fn preactivations(&self, site: &str, values: &[f32]);
}

impl Run<'_> {
    /// Shows the probe, where there is one, what is behind `norm` and before its activation.
    pub(super) fn observe<E: Kind>(
        &mut self,
        norm: Option<&Norm<E::Real>>,
        geometry: &Geometry,
        input: &Input<'_, E>,
    ) -> Result<()> {
        let (Some(probe), Some(norm)) = (&self.pass.probe, norm) else { return Ok(()) };
        let Some(site) = norm.site() else { return Ok(()) };
        // A map that several layers read may be activated on the way to each.
        if !self.observed.insert(site.to_owned()) {
            return Ok(());
        }
        let identity = Program::identity();
        let norm = NormAct { program: &identity, params: &[], ..norm.kernel() };
        let Geometry { images, in_pixels, c_in, .. } = *geometry;
        let mut us = self.buffer::<E>(images * in_pixels * c_in);
        block::forward(
            &Geometry { out_pixels: in_pixels, c_out: c_in, ..*geometry },
            &Input { norm: Some(norm), ..*input },
            None,
            Output {
                ys: &mut us,
                lanes: Lanes::all(c_in),
                shortcut: None,
                activated: None,
                add: false,
                moments: false,
            },
        );
        let values: Vec<f32> = us.iter().map(|u| u.widen().to_f64() as f32).collect();
        probe.preactivations(site, &values);
        Ok(())
    }
}
