//! Optimizer steps against the CPU's, group by group.

use super::{Check, doubled, normal, singles};
use crate::cuda::device::{Device, Slice};
use crate::cuda::launch::optim::{self, Groups, Parameters};
use crate::optim::{self as cpu, AdamStep, RmsPropStep, SgdStep};

/// Lengths and penalties; the last group alone is longer than a block.
const GROUPS: [(usize, f64); 4] = [(5, 0.01), (1, 0.0), (300, 1e-4), (9000, 0.1)];
const STEPS: u64 = 3;
const AVERAGE: f64 = 0.9;
const TOLERANCE: f64 = 5e-6;

#[derive(Clone, Copy, Debug)]
enum Rule {
    Sgd { nesterov: bool },
    RmsProp,
    Adam,
}

impl Rule {
    fn sgd(self) -> SgdStep {
        let nesterov = matches!(self, Self::Sgd { nesterov: true });
        SgdStep { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.0 }
    }

    fn rms_prop() -> RmsPropStep {
        RmsPropStep { lr: 0.045, decay: 0.9, momentum: 0.9, epsilon: 1.0, weight_decay: 0.0 }
    }

    fn adam(t: u64) -> AdamStep {
        AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay: 0.0, t }
    }
}

/// Weights, average and the two buffers of a run in double precision.
struct State {
    w: Vec<f64>,
    average: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

fn factor(limit: f64, w: &[f64], g: &[f64]) -> f64 {
    let mut squares = 0.0;
    let mut start = 0;
    for (len, decay) in GROUPS {
        squares += (start..start + len).map(|i| (g[i] + decay * w[i]).powi(2)).sum::<f64>();
        start += len;
    }
    let norm = squares.sqrt();
    if norm > limit { limit / norm } else { 1.0 }
}

impl State {
    fn step(&mut self, rule: Rule, t: u64, g: &[f64], clip: f64) {
        let mut start = 0;
        for (len, decay) in GROUPS {
            let r = start..start + len;
            let g: Vec<f64> = g[r.clone()].iter().map(|g| clip * g).collect();
            let (w, first, second) = (&mut self.w[r.clone()], &mut self.first[r.clone()], &mut self.second[r]);
            let weight_decay = clip * decay;
            match rule {
                Rule::Sgd { .. } => cpu::sgd(&SgdStep { weight_decay, ..rule.sgd() }, w, &g, first),
                Rule::RmsProp => cpu::rms_prop(&RmsPropStep { weight_decay, ..Rule::rms_prop() }, w, &g, first, second),
                Rule::Adam => cpu::adam(&AdamStep { weight_decay, ..Rule::adam(t) }, w, &g, first, second),
            }
            start += len;
        }
        cpu::ema(AVERAGE, &self.w, &mut self.average);
    }
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for rule in [Rule::Sgd { nesterov: false }, Rule::Sgd { nesterov: true }, Rule::RmsProp, Rule::Adam] {
        for limit in [None, Some(1.0), Some(1e6)] {
            steps(check, rule, limit)?;
        }
    }
    averages(check)
}

fn averages<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let (xs, before) = (normal::<f32>(1, 1000), normal::<f32>(2, 1000));
    let mut want = doubled(&before);
    cpu::ema(AVERAGE, &doubled(&xs), &mut want);
    let (x, mut averages) = (check.slice(&xs)?, check.slice(&before)?);
    let stop = check.slice(&[0])?;
    optim::ema(check.device, AVERAGE, x.view(), averages.view_mut(), Some(stop.view()))?;
    let stop = check.slice(&[1])?;
    optim::ema(check.device, AVERAGE, x.view(), averages.view_mut(), Some(stop.view()))?;
    let got = averages.to_vec(check.device)?;
    check.add("optim::ema", "1000", "f32", &got, &singles(&want), TOLERANCE);
    Ok(())
}

fn steps<D: Device>(check: &mut Check<'_, D>, rule: Rule, limit: Option<f64>) -> Result<(), D::Error> {
    let device = check.device;
    let n = GROUPS.iter().map(|group| group.0).sum();
    let start: Vec<f32> = normal(1, n);
    let begin = if matches!(rule, Rule::RmsProp) { RmsPropStep::TENSORFLOW_MEAN_SQUARE } else { 0.0 };
    let mut want = State { w: doubled(&start), average: doubled(&start), first: vec![begin; n], second: vec![0.0; n] };
    let groups = Groups::new(device, &GROUPS)?;
    let (mut w, mut average) = (check.slice(&start)?, check.slice(&start)?);
    let (mut first, mut second) = (check.slice(&vec![begin as f32; n])?, Slice::zeros(device, n)?);
    let (mut stop, mut clip) = (Slice::new(device, 1)?, Slice::new(device, 1)?);
    for t in 1..=STEPS {
        let g: Vec<f32> = normal(10 + t, n);
        let clip_by = limit.map_or(1.0, |limit| factor(limit, &want.w, &doubled(&g)));
        want.step(rule, t, &doubled(&g), clip_by);
        let g = check.slice(&g)?;
        if let Some(limit) = limit {
            let scratch = &mut check.scratch;
            optim::clip_factor(device, scratch, limit, &groups, w.view(), g.view(), clip.view_mut())?;
            let got = clip.to_vec(device)?;
            check.add("optim::clip_factor", &format!("limit {limit}"), "f32", &got, &[clip_by as f32], TOLERANCE);
        }
        // Every step twice, of which the first changes nothing.
        for stopped in [1, 0] {
            stop.view_mut().write(device, &[stopped])?;
            let parameters = Parameters {
                w: w.view_mut(),
                g: g.view(),
                clip: limit.map(|_| clip.view()),
                average: Some((average.view_mut(), AVERAGE)),
                stop: Some(stop.view()),
            };
            let (first, second) = (first.view_mut(), second.view_mut());
            match rule {
                Rule::Sgd { .. } => optim::sgd(device, &rule.sgd(), &groups, &parameters, &first)?,
                Rule::RmsProp => optim::rms_prop(device, &Rule::rms_prop(), &groups, &parameters, &first, &second)?,
                Rule::Adam => optim::adam(device, &Rule::adam(t), &groups, &parameters, &first, &second)?,
            }
        }
    }
    let case = format!("{STEPS} steps, clip {limit:?}");
    let function = format!("optim::{rule:?}");
    check.map(&function, &case, &w, &singles(&want.w), TOLERANCE)?;
    for (what, got, want) in [
        ("average", &average, &want.average),
        ("first buffer", &first, &want.first),
        ("second buffer", &second, &want.second),
    ] {
        check.map(&format!("{function} {what}"), &case, got, &singles(want), TOLERANCE)?;
    }
    Ok(())
}
