//! A convolution whose weights are packed once, for callers that cut a batch into groups of images themselves.

use super::direct::Panels;
use super::phases::{self, Phase};
use super::{Conv2d, amx, depthwise, direct, direct_weight, im2col};
use crate::real::Real;

/// Buffers that one thread reuses from call to call.
#[derive(Default)]
pub struct Scratch<T> {
    /// Copies of the input.
    pub(super) xs: Vec<T>,
    /// Copies of the output's gradient.
    pub(super) d_ys: Vec<T>,
    /// Where the cells of a window lie.
    pub(super) offsets: Vec<usize>,
    /// Where the windows lie.
    pub(super) starts: Vec<usize>,
    amx: amx::Buffers,
}

/// Which code computes a convolution.
#[derive(Clone, Copy)]
enum Route {
    Direct,
    Depthwise,
    Columns,
}

impl Route {
    fn of(conv: &Conv2d) -> Self {
        if conv.is_depthwise() {
            Route::Depthwise
        } else if conv.groups == 1 {
            Route::Direct
        } else {
            Route::Columns
        }
    }
}

/// Weights as one route packs them.
enum Packed<T> {
    Direct(Panels<T>),
    Phases(Vec<Phase<T>>),
    Depthwise(Vec<T>),
    Columns(Vec<T>),
}

/// A convolution with its weights packed once, run on groups of whole images by the calling thread.
pub struct Prepared<T: Real> {
    conv: Conv2d,
    /// Where it is there, nothing else of this value is used.
    amx: Option<amx::Convolution>,
    route: Route,
    forward: Option<Packed<T>>,
    backward: Option<Packed<T>>,
}

impl<T: Real> Prepared<T> {
    /// Packs `weight` (c_out, c_in / groups, kh, kw) for the forward pass, and with `backward` also for the data gradient. `conv.n` does
    /// not matter.
    ///
    /// # Panics
    /// Where the shape is none (no channels, stride 0, groups that do not divide the channels) or `weight` does not have its length.
    pub fn new(conv: &Conv2d, weight: &[T], backward: bool) -> Self {
        let mut prepared = Self::for_weight_gradient(conv);
        assert_eq!(weight.len(), conv.weight_len(), "weights do not fit {conv:?}");
        if let Some(amx) = &mut prepared.amx {
            amx.pack(conv, weight, backward);
            return prepared;
        }
        prepared.forward = Some(match prepared.route {
            Route::Direct => Packed::Direct(Panels::forward(conv, weight)),
            Route::Depthwise => Packed::Depthwise(depthwise::pack(conv, weight)),
            Route::Columns => Packed::Columns(im2col::pack(conv, weight)),
        });
        prepared.backward = backward.then(|| match (prepared.route, conv.adjoint()) {
            (Route::Depthwise, _) => Packed::Depthwise(depthwise::pack(conv, weight)),
            (Route::Direct, Some(_)) => Packed::Direct(Panels::adjoint(conv, weight)),
            (Route::Direct, None) => match phases::pack(conv, weight) {
                Some(phases) => Packed::Phases(phases),
                None => Packed::Columns(im2col::pack(conv, weight)),
            },
            (Route::Columns, _) => Packed::Columns(im2col::pack(conv, weight)),
        });
        prepared
    }

    /// Without any weights, which their gradient does not need.
    pub(super) fn for_weight_gradient(conv: &Conv2d) -> Self {
        conv.check();
        Self {
            conv: *conv,
            amx: amx::Convolution::new::<T>(conv),
            route: Route::of(conv),
            forward: None,
            backward: None,
        }
    }

    /// The convolution of `images` images, its slices' lengths checked.
    fn of_images(&self, images: usize, x_len: usize, y_len: usize) -> Conv2d {
        let conv = Conv2d { n: images, ..self.conv };
        conv.check_lengths(x_len, conv.weight_len(), y_len);
        conv
    }

    /// `ys` (images, out_h, out_w, c_out) from `xs` (images, h, w, c_in). `ys` is overwritten.
    ///
    /// # Panics
    /// Where a slice does not have its length.
    pub fn forward(&self, images: usize, xs: &[T], ys: &mut [T], scratch: &mut Scratch<T>) {
        let conv = self.of_images(images, xs.len(), ys.len());
        if ys.is_empty() {
            return;
        }
        if let Some(amx) = &self.amx {
            assert!(amx.forward(xs, ys, &mut scratch.amx), "weights not packed for the forward pass: {conv:?}");
            return;
        }
        match &self.forward {
            Some(Packed::Direct(panels)) => direct::forward(&conv, xs, panels, ys, scratch),
            Some(Packed::Depthwise(filters)) => depthwise::forward(&conv, xs, filters, ys),
            Some(Packed::Columns(weights)) => im2col::forward(&conv, xs, weights, ys, scratch),
            Some(Packed::Phases(_)) | None => panic!("weights not packed for the forward pass: {conv:?}"),
        }
    }

    /// `d_xs` (images, h, w, c_in), the gradient of the input, from `d_ys` (images, out_h, out_w, c_out), that of the output. `d_xs` is
    /// overwritten.
    ///
    /// # Panics
    /// Where a slice does not have its length, or the weights were packed for the forward pass only.
    pub fn backward_data(&self, images: usize, d_ys: &[T], d_xs: &mut [T], scratch: &mut Scratch<T>) {
        let conv = self.of_images(images, d_xs.len(), d_ys.len());
        if d_ys.is_empty() {
            d_xs.fill(T::ZERO);
            return;
        }
        if let Some(amx) = &self.amx {
            let packed = amx.backward_data(d_ys, d_xs, &mut scratch.amx);
            assert!(packed, "weights not packed for the data gradient: {conv:?}");
            return;
        }
        match (&self.backward, conv.adjoint()) {
            (Some(Packed::Direct(panels)), Some(adjoint)) => direct::forward(&adjoint, d_ys, panels, d_xs, scratch),
            (Some(Packed::Depthwise(filters)), _) => depthwise::backward_data(&conv, d_ys, filters, d_xs),
            (Some(Packed::Phases(phases)), _) => phases::backward_data(&conv, d_ys, phases, d_xs, scratch),
            (Some(Packed::Columns(weights)), _) => im2col::backward_data(&conv, d_ys, weights, d_xs, scratch),
            (None | Some(Packed::Direct(_)), _) => panic!("weights not packed for the data gradient: {conv:?}"),
        }
    }

    /// Number of weights.
    pub fn weight_len(&self) -> usize {
        self.conv.weight_len()
    }

    /// Length of a partial sum of the weight gradient, in the route's own layout.
    pub fn partial_len(&self) -> usize {
        if let Some(amx) = &self.amx {
            return amx.partial_len();
        }
        match self.route {
            Route::Direct => direct_weight::partial_len(&self.conv),
            Route::Depthwise => depthwise::partial_len(&self.conv),
            Route::Columns => im2col::partial_len(&self.conv),
        }
    }

    /// Adds the weight gradient from `xs` (images, h, w, c_in) and `d_ys` (images, out_h, out_w, c_out), summed over images and
    /// positions, to `partial`, of length [`Self::partial_len`]. Partial sums start as zeros and may be added element by element.
    ///
    /// # Panics
    /// Where a slice does not have its length.
    pub fn backward_weight(&self, images: usize, xs: &[T], d_ys: &[T], partial: &mut [T], scratch: &mut Scratch<T>) {
        let conv = self.of_images(images, xs.len(), d_ys.len());
        assert_eq!(partial.len(), self.partial_len(), "length of a partial sum of {conv:?}");
        if d_ys.is_empty() {
            return;
        }
        if let Some(amx) = &self.amx {
            return amx.backward_weight(xs, d_ys, partial, &mut scratch.amx);
        }
        match self.route {
            Route::Direct => direct_weight::backward_weight(&conv, xs, d_ys, partial, scratch),
            Route::Depthwise => depthwise::backward_weight(&conv, xs, d_ys, partial),
            Route::Columns => im2col::backward_weight(&conv, xs, d_ys, partial, scratch),
        }
    }

    /// `d_weight` (c_out, c_in / groups, kh, kw) from `partial`, a partial sum or several added. `d_weight` is overwritten.
    ///
    /// # Panics
    /// Where a slice does not have its length.
    pub fn finish_weight(&self, partial: &[T], d_weight: &mut [T]) {
        let conv = &self.conv;
        assert!(
            partial.len() == self.partial_len() && d_weight.len() == conv.weight_len(),
            "lengths of a partial sum {} and the gradient {} do not fit {conv:?}",
            partial.len(),
            d_weight.len()
        );
        if let Some(amx) = &self.amx {
            return amx.finish_weight(partial, d_weight);
        }
        match self.route {
            Route::Direct => direct_weight::finish(conv, partial, d_weight),
            Route::Depthwise => depthwise::finish(conv, partial, d_weight),
            Route::Columns => im2col::finish(conv, partial, d_weight),
        }
    }
}
