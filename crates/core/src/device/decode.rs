//! Translations searched for on a device: the encoder is a planned pass, the decoder writes one token of all hypotheses at a time. Keys and
//! values of the tokens already written stay on the device, each where its step has put them.

use super::network::{Kind, on_device};
use super::text::DeviceTransformer;
use crate::models::transformer::{Beam, Hypothesis, PAD, Row, SOURCE_SITE, Writer, translate};
use crate::nn::residual::EPSILON;
use crate::nn::{Linear, Pass, Residual, Result};
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::cuda::launch::attention::{self, Places};
use swish_kernels::cuda::launch::dropout::{self, RowDropout, Seed};
use swish_kernels::cuda::launch::embedding::{self, Tokens};
use swish_kernels::cuda::launch::layer_norm::{self, Affine, RowStats};
use swish_kernels::cuda::launch::layout::{self, Columns};
use swish_kernels::cuda::launch::{act, linear};
use swish_kernels::cuda::{ActSource, Engine, Slice, Stored, View, ViewMut};
use swish_kernels::embedding::signal;

impl<D: Engine, E: Stored> DeviceTransformer<D, E> {
    /// Translations by beam search, as [`Transformer::translate`](crate::models::transformer::Transformer::translate).
    ///
    /// # Errors
    /// Those of sentences or a beam that are none, and the device's.
    pub fn translate(&mut self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>> {
        self.model.check_search(src, beam)?;
        let pass = Pass { train: false, ..pass.clone() };
        translate(&mut OnDevice { net: self, pass, state: None }, src, beam)
    }
}

/// Writes on a device.
struct OnDevice<'a, D: Engine, E: Stored> {
    net: &'a mut DeviceTransformer<D, E>,
    pass: Pass,
    /// Of the sources that have been read.
    state: Option<State<D, E>>,
}

/// What is kept from token to token, and where those of a step are made.
struct State<D: Engine, E: Stored> {
    /// Keys, then values of the sources by layer, (sentences, src_len, 2 width).
    sources: Vec<Slice<D, E>>,
    /// Those of the tokens written by layer, (steps, rows, 2 width).
    written: Vec<Slice<D, E>>,
    /// Rows of a step at most.
    rows: usize,
    src_len: usize,
    lengths: Arc<[usize]>,
    tokens: Tokens<D>,
    /// Of all positions.
    signal: Slice<D, f32>,
    /// Which tokens written, and which of the sources, the rows attend to.
    places: [Places<D>; 2],
    acts: Vec<Option<ActSource>>,
    buffers: Buffers<D, E>,
}

/// Of the rows of a step.
struct Buffers<D: Engine, E> {
    /// (rows, width): what a sublayer reads, and its sum with what it makes.
    xs: Slice<D, f32>,
    sums: Slice<D, f32>,
    /// `xs` as a map.
    narrow: Slice<D, E>,
    /// The widest that a layer makes, before and after the activation.
    made: [Slice<D, E>; 2],
    /// (rows, width): what is attended to, and what a projection makes.
    attended: Slice<D, E>,
    projected: Slice<D, E>,
    stats: [Slice<D, f32>; 2],
    logits: Slice<D, f32>,
    /// Of dropout, which there is none of.
    seed: Slice<D, u64>,
    /// Of attention, (rows, heads, places) for the longest list.
    weights: Slice<D, f32>,
}

impl<D: Engine, E: Stored> Buffers<D, E> {
    fn new(device: &D, rows: usize, [width, widest, vocab, weights]: [usize; 4]) -> Result<Self, D::Error> {
        let (map, numbers) = (|len| Slice::new(device, rows * len), |len| Slice::new(device, rows * len));
        Ok(Self {
            xs: numbers(width)?,
            sums: numbers(width)?,
            narrow: map(width)?,
            made: [map(widest)?, map(widest)?],
            attended: map(width)?,
            projected: map(width)?,
            stats: [numbers(1)?, numbers(1)?],
            logits: numbers(vocab)?,
            seed: Slice::zeros(device, 1)?,
            weights: numbers(weights)?,
        })
    }
}

impl<D: Engine, E: Stored> Writer for OnDevice<'_, D, E> {
    type Number = f32;

    fn read(&mut self, ids: &[u32], len: usize, lengths: &Arc<[usize]>, beam: &Beam) -> Result<()> {
        // Before memory for the next ones is asked for.
        self.state = None;
        let n = lengths.len();
        let kind = Kind { shape: [n, 1, len, 0], train: false, auxiliary: false };
        let (device, ready) = self.net.planned(kind, |model| model.source_graph([n, len]))?;
        let counts: Vec<u32> = lengths.iter().map(|&length| length as u32).collect();
        let mut bring = || {
            ready.sentences.src.set(device, ids)?;
            ready.sentences.lengths.set(device, &counts)
        };
        bring().map_err(on_device::<D::Error>)?;
        let ready = self.net.ready(kind)?;
        self.net.evaluation_pass(ready, &self.pass, &[])?;
        let sources = ready.features().value(ready.plan.graph.logits);
        self.state = Some(State::new(self.net, sources.view(), len, lengths, beam).map_err(on_device)?);
        Ok(())
    }

    fn write(&mut self, rows: &[Row<'_>]) -> Result<Vec<f32>> {
        let Some(state) = &mut self.state else { return Err(crate::nn::Error::NothingKept) };
        state.step(self.net, rows).map_err(on_device)
    }
}

impl<D: Engine, E: Stored> State<D, E> {
    /// From what the encoder has made of the sources, (sentences, src_len, width).
    fn new(
        net: &DeviceTransformer<D, E>,
        sources: View<'_, D, f32>,
        src_len: usize,
        lengths: &Arc<[usize]>,
        beam: &Beam,
    ) -> Result<Self, D::Error> {
        let (device, layers, config) = (net.device(), &net.model.layers, &net.model.config);
        let (width, n, rows) = (config.hidden, lengths.len() * src_len, lengths.len() * beam.width);
        let steps = lengths.iter().map(|&length| beam.limit(length)).max().unwrap_or(0);
        let mut narrow = Slice::<D, E>::new(device, n * width)?;
        layout::from_float(device, sources, narrow.view_mut())?;
        let kv = |layer: &Linear| -> Result<Slice<D, E>, D::Error> {
            let mut kv = Slice::new(device, n * 2 * width)?;
            net.linear(layer, n, narrow.view(), kv.view_mut())?;
            Ok(kv)
        };
        let act = |end: &Residual| end.act.as_ref().map(|(program, _)| ActSource::new(program));
        Ok(Self {
            sources: layers.decoder.iter().map(|layer| kv(&layer.source.kv)).collect::<Result<_, _>>()?,
            written: layers
                .decoder
                .iter()
                .map(|_| Slice::new(device, steps * rows * 2 * width))
                .collect::<Result<_, _>>()?,
            rows,
            src_len,
            lengths: lengths.clone(),
            tokens: Tokens::new(device, &[], Some(PAD))?,
            signal: Slice::of(device, &signal(0, steps, width))?,
            places: [Places::new(device)?, Places::new(device)?],
            acts: layers.decoder.iter().map(|layer| act(&layer.ffn.out)).collect(),
            buffers: Buffers::new(
                device,
                rows,
                [width, config.filter.max(3 * width), config.vocab, config.heads * steps.max(src_len)],
            )?,
        })
    }

    /// Logits (rows, vocab) of the tokens that may follow.
    fn step(&mut self, net: &DeviceTransformer<D, E>, rows: &[Row<'_>]) -> Result<Vec<f32>, D::Error> {
        let (device, layers, config) = (net.device(), &net.model.layers, &net.model.config);
        let (n, width, heads) = (rows.len(), config.hidden, config.heads);
        let position = rows.first().map_or(0, |row| row.path.len());
        self.see(device, rows, position)?;
        let ids: Vec<u32> = rows.iter().map(|row| row.last.unwrap_or(PAD)).collect();
        self.tokens.set(device, &ids)?;
        let table = net.weight(&layers.embedding.weight);
        let signal = Some(self.signal.view().range(position * width..(position + 1) * width));
        let Buffers { xs, narrow, .. } = &mut self.buffers;
        let (mut xs, all) = (xs.view_mut().range(0..n * width), 0..n * width);
        embedding::forward(device, width, layers.embedding.kernel().scale, &self.tokens, table, signal, xs.reborrow())?;
        layout::from_float(device, xs.view(), narrow.view_mut().range(all))?;
        for (i, layer) in layers.decoder.iter().enumerate() {
            let Buffers { narrow, made: [qkv, _], attended, weights, .. } = &mut self.buffers;
            let size = width / heads;
            let mut made = qkv.view_mut().range(0..n * 3 * width);
            net.linear(&layer.itself.qkv, n, narrow.view().range(0..n * width), made.reborrow())?;
            let (from, to) = (Columns { stride: 3 * width, first: width }, Columns { stride: 2 * width, first: 0 });
            let first = position * self.rows * 2 * width;
            let kept = self.written[i].view_mut().range(first..first + n * 2 * width);
            layout::copy_channels(device, 2 * width, (made.view(), from), (kept, to))?;
            let (kv, y) = (self.written[i].view(), attended.view_mut().range(0..n * width));
            attention::single(
                device,
                [heads, size, 3 * width],
                made.view(),
                kv,
                &self.places[0],
                weights.view_mut(),
                y,
            )?;
            self.buffers.end(net, &layer.itself.out, n, Ended::Attended)?;

            let Buffers { narrow, made: [q, _], attended, weights, .. } = &mut self.buffers;
            let mut made = q.view_mut().range(0..n * width);
            net.linear(&layer.source.q, n, narrow.view().range(0..n * width), made.reborrow())?;
            let (kv, y) = (self.sources[i].view(), attended.view_mut().range(0..n * width));
            attention::single(device, [heads, size, width], made.view(), kv, &self.places[1], weights.view_mut(), y)?;
            self.buffers.end(net, &layer.source.out, n, Ended::Attended)?;

            let Buffers { narrow, made: [hs, _], .. } = &mut self.buffers;
            let made = hs.view_mut().range(0..n * config.filter);
            net.linear(&layer.ffn.fc1, n, narrow.view().range(0..n * width), made)?;
            self.buffers.end(net, &layer.ffn.out, n, Ended::Hidden(self.acts[i].as_ref()))?;
        }
        let Buffers { xs, logits, .. } = &mut self.buffers;
        let mut logits = logits.view_mut().range(0..n * config.vocab);
        let sizes = [n, width, config.vocab];
        let xs = xs.view().range(0..n * width);
        linear::forward(device, sizes, net.precision, xs, table, None, logits.reborrow())?;
        logits.view().to_vec(device)
    }

    /// Brings what the rows attend to.
    fn see(&mut self, device: &D, rows: &[Row<'_>], position: usize) -> Result<(), D::Error> {
        let written = |(i, row): (usize, &Row<'_>)| {
            let before = row.path.iter().enumerate().map(|(step, &row)| (step * self.rows + row) as u32);
            before.chain([(position * self.rows + i) as u32]).collect()
        };
        let lists: Vec<Vec<u32>> = rows.iter().enumerate().map(written).collect();
        self.places[0].set(device, &lists)?;
        let source = |row: &Row<'_>| {
            let first = row.sentence * self.src_len;
            (first..first + self.lengths[row.sentence]).map(|row| row as u32).collect()
        };
        let lists: Vec<Vec<u32>> = rows.iter().map(source).collect();
        self.places[1].set(device, &lists)
    }
}

/// What a sublayer's end reads.
enum Ended<'a> {
    Attended,
    /// The first of what was made, and the activation to come.
    Hidden(Option<&'a ActSource>),
}

impl<D: Engine, E: Stored> Buffers<D, E> {
    /// The end of a sublayer: [activation], projection, sum, LayerNorm; `xs` and its map are then what the next one reads.
    fn end(
        &mut self,
        net: &DeviceTransformer<D, E>,
        layer: &Residual,
        n: usize,
        from: Ended<'_>,
    ) -> Result<(), D::Error> {
        let Self { xs, sums, narrow, made: [hs, activated], attended, projected, stats, seed, .. } = self;
        let (device, all) = (net.device(), 0..n * layer.width);
        let read = match from {
            Ended::Attended => attended.view().range(all.clone()),
            Ended::Hidden(act) => {
                let (hs, mut ys) = (hs.view().range(0..n * layer.c_in), activated.view_mut().range(0..n * layer.c_in));
                match (act, &layer.act) {
                    (Some(act), Some((_, params))) => {
                        act::forward(device, act, layer.c_in, hs, net.weight(params), ys.reborrow())?;
                        activated.view().range(0..n * layer.c_in)
                    }
                    _ => hs,
                }
            }
        };
        let sizes = [n, layer.c_in, layer.width];
        let mut made = projected.view_mut().range(all.clone());
        linear::forward(device, sizes, net.precision, read, net.matrix(&layer.weight), None, made.reborrow())?;
        let dropout = RowDropout { width: layer.width, p: 0.0, seed: Seed { base: seed.view(), site: SOURCE_SITE } };
        let (bias, before) = (layer.bias.as_ref().map(|bias| net.weight(bias)), xs.view().range(all.clone()));
        let sum = sums.view_mut().range(all.clone());
        dropout::residual_forward(device, &dropout, made.view(), bias, before, sum)?;
        // They lie one behind the other.
        let first = net.places.find(&layer.gamma).start;
        let [gamma, beta] =
            [first, first + layer.width].map(|first| net.weights.view().range(first..first + layer.width));
        let affine = Affine { gamma, beta };
        let [mean, inv_std] = stats;
        let stats = RowStats { mean: mean.view_mut().range(0..n), inv_std: inv_std.view_mut().range(0..n) };
        let ys = xs.view_mut().range(all.clone());
        layer_norm::forward(device, EPSILON, affine, sums.view().range(all.clone()), ys, stats)?;
        layout::from_float(device, xs.view().range(all.clone()), narrow.view_mut().range(all))
    }
}

impl<D: Engine, E: Stored> DeviceTransformer<D, E> {
    /// Parameters as f32.
    fn weight(&self, place: &Range<usize>) -> View<'_, D, f32> {
        self.weights.view().range(self.places.find(place))
    }

    /// A matrix as products read it.
    fn matrix(&self, place: &Range<usize>) -> View<'_, D, E> {
        self.matrices.view().range(self.places.find(place))
    }

    /// A layer of `n` rows of a map.
    fn linear(&self, layer: &Linear, n: usize, xs: View<'_, D, E>, ys: ViewMut<'_, D, E>) -> Result<(), D::Error> {
        let bias = layer.bias.as_ref().map(|bias| self.weight(bias));
        let sizes = [n, layer.c_in, layer.c_out];
        linear::forward(self.device(), sizes, self.precision, xs, self.matrix(&layer.weight), bias, ys)
    }
}
