//! A layer of long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

use super::affine::Affine;

/// The cell: `i, f, o = sigmoid(..)`, `g = tanh(..)` of an affine map of input and last output together;
/// `c' = f c + i g`, `h = o tanh(c')`.
#[derive(Clone, Debug)]
pub struct Lstm {
    inputs: usize,
    hidden: usize,
    map: Affine,
}

/// What is carried from step to step; also, on the way back, its gradient.
#[derive(Clone, Debug)]
pub struct State {
    /// Output, `[hidden]`.
    pub h: Vec<f64>,
    /// Memory, `[hidden]`.
    pub c: Vec<f64>,
}

impl State {
    /// All zeros.
    pub fn zeros(hidden: usize) -> Self {
        Self { h: vec![0.0; hidden], c: vec![0.0; hidden] }
    }
}

/// What the way back needs of a step.
#[derive(Debug)]
pub struct Trace {
    /// Input and last output, `[inputs + hidden]`.
    joined: Vec<f64>,
    /// Memory before the step, `[hidden]`.
    before: Vec<f64>,
    /// Per hidden value i, f, o, g and `tanh(c')`.
    gates: Vec<[f64; 5]>,
}

impl Lstm {
    /// A cell whose parameters begin at `at`.
    pub fn new(at: usize, inputs: usize, hidden: usize) -> Self {
        Self { inputs, hidden, map: Affine::new(at, inputs + hidden, 4 * hidden) }
    }

    /// Its parameters: the four gates side by side.
    pub fn map(&self) -> &Affine {
        &self.map
    }

    /// One step for `x` of `[inputs]`.
    pub fn forward(&self, params: &[f64], x: &[f64], state: &State) -> (State, Trace) {
        let joined = [x, &state.h].concat();
        let z = self.map.forward(params, &joined, 4 * self.hidden);
        let gate = |k: usize, j: usize| z[k * self.hidden + j];
        let mut next = State::zeros(self.hidden);
        let gates = (0..self.hidden).map(|j| {
            let [i, f, o] = [0, 1, 2].map(|k| sigmoid(gate(k, j)));
            let g = libm::tanh(gate(3, j));
            next.c[j] = f * state.c[j] + i * g;
            let t = libm::tanh(next.c[j]);
            next.h[j] = o * t;
            [i, f, o, g, t]
        });
        let gates = gates.collect();
        (next, Trace { joined, before: state.c.clone(), gates })
    }

    /// From the gradient of the state after a step: adds that of the parameters to `grads`, returns that of `x` and that of the
    /// state before.
    pub fn backward(&self, params: &[f64], grads: &mut [f64], trace: &Trace, after: &State) -> (Vec<f64>, State) {
        let mut dz = vec![0.0; 4 * self.hidden];
        let mut dc = vec![0.0; self.hidden];
        for (j, &[i, f, o, g, t]) in trace.gates.iter().enumerate() {
            let dh = after.h[j];
            let d = after.c[j] + dh * o * (1.0 - t * t);
            dz[j] = d * g * i * (1.0 - i);
            dz[self.hidden + j] = d * trace.before[j] * f * (1.0 - f);
            dz[2 * self.hidden + j] = dh * t * o * (1.0 - o);
            dz[3 * self.hidden + j] = d * i * (1.0 - g * g);
            dc[j] = d * f;
        }
        let mut dx = self.map.backward(params, grads, &trace.joined, &dz);
        let dh = dx.split_off(self.inputs);
        (dx, State { h: dh, c: dc })
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}
