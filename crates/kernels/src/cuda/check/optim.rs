//! Optimizer steps against the CPU's, group by group.

use super::{Check, doubled, normal, singles};
use crate::cuda::device::{Device, Slice};
use crate::cuda::launch::optim::{self, Groups, Numbers, Parameters, Rule};
use crate::optim::{self as cpu, AdamStep, RmsPropStep, SgdStep};

/// Lengths and penalties; the last group alone is longer than a block.
const GROUPS: [(usize, f64); 4] = [(5, 0.01), (1, 0.0), (300, 1e-4), (9000, 0.1)];
const STEPS: u64 = 3;
const AVERAGE: f64 = 0.9;
const TOLERANCE: f64 = 5e-6;

/// Rules at their step `t`, with what makes each a case of its own.
fn rules(t: u64) -> [(&'static str, Rule); 4] {
    let sgd = |nesterov| Rule::Sgd(SgdStep { lr: 0.1 / t as f64, momentum: 0.9, nesterov, weight_decay: 0.0 });
    let rms_prop = RmsPropStep { lr: 0.045 / t as f64, decay: 0.9, momentum: 0.9, epsilon: 1.0, weight_decay: 0.0 };
    let adam = AdamStep { lr: 0.01 / t as f64, beta1: 0.9, beta2: 0.98, epsilon: 1e-9, weight_decay: 0.0, t };
    [
        ("sgd", sgd(false)),
        ("sgd with nesterov", sgd(true)),
        ("rms_prop", Rule::RmsProp(rms_prop)),
        ("adam", Rule::Adam(adam)),
    ]
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
    fn step(&mut self, rule: &Rule, g: &[f64], clip: f64) {
        let mut start = 0;
        for (len, decay) in GROUPS {
            let r = start..start + len;
            let g: Vec<f64> = g[r.clone()].iter().map(|g| clip * g).collect();
            let (w, first, second) = (&mut self.w[r.clone()], &mut self.first[r.clone()], &mut self.second[r]);
            let weight_decay = clip * decay;
            match *rule {
                Rule::Sgd(step) => cpu::sgd(&SgdStep { weight_decay, ..step }, w, &g, first),
                Rule::RmsProp(step) => cpu::rms_prop(&RmsPropStep { weight_decay, ..step }, w, &g, first, second),
                Rule::Adam(step) => cpu::adam(&AdamStep { weight_decay, ..step }, w, &g, first, second),
            }
            start += len;
        }
        cpu::ema(AVERAGE, &self.w, &mut self.average);
    }
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for which in 0..rules(1).len() {
        for limit in [None, Some(1.0), Some(1e6)] {
            steps(check, which, limit)?;
        }
    }
    averages(check)
}

fn averages<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let (xs, before) = (normal::<f32>(1, 1000), normal::<f32>(2, 1000));
    let mut want = doubled(&before);
    cpu::ema(AVERAGE, &doubled(&xs), &mut want);
    let (x, mut averages) = (check.slice(&xs)?, check.slice(&before)?);
    let (stop, numbers) = (check.slice(&[0])?, Numbers::new(check.device, rules(1)[0].1, AVERAGE)?);
    optim::ema(check.device, &numbers, x.view(), averages.view_mut(), stop.view())?;
    let stop = check.slice(&[1])?;
    optim::ema(check.device, &numbers, x.view(), averages.view_mut(), stop.view())?;
    let got = averages.to_vec(check.device)?;
    check.add("optim::ema", "1000", "f32", &got, &singles(&want), TOLERANCE);
    Ok(())
}

/// Steps of one of the rules.
fn steps<D: Device>(check: &mut Check<'_, D>, which: usize, limit: Option<f64>) -> Result<(), D::Error> {
    let device = check.device;
    let n = GROUPS.iter().map(|group| group.0).sum();
    let start: Vec<f32> = normal(1, n);
    let begin = if matches!(rules(1)[which].1, Rule::RmsProp(_)) { RmsPropStep::TENSORFLOW_MEAN_SQUARE } else { 0.0 };
    let mut want = State { w: doubled(&start), average: doubled(&start), first: vec![begin; n], second: vec![0.0; n] };
    let groups = Groups::new(device, &GROUPS)?;
    let (mut w, mut average) = (check.slice(&start)?, check.slice(&start)?);
    let (mut first, mut second) = (check.slice(&vec![begin as f32; n])?, Slice::zeros(device, n)?);
    let (mut stop, mut clip) = (Slice::new(device, 1)?, Slice::new(device, 1)?);
    let mut numbers = Numbers::new(device, rules(1)[which].1, 1.0)?;
    for t in 1..=STEPS {
        let rule = rules(t)[which].1;
        numbers.set(device, rule, AVERAGE)?;
        let g: Vec<f32> = normal(10 + t, n);
        let clip_by = limit.map_or(1.0, |limit| factor(limit, &want.w, &doubled(&g)));
        want.step(&rule, &doubled(&g), clip_by);
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
                numbers: &numbers,
                w: w.view_mut(),
                g: g.view(),
                clip: limit.map(|_| clip.view()),
                average: Some(average.view_mut()),
                stop: stop.view(),
            };
            optim::step(device, &groups, &parameters, [&first.view_mut(), &second.view_mut()])?;
        }
    }
    let case = format!("{STEPS} steps, clip {limit:?}");
    let function = format!("optim::{}", rules(1)[which].0);
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
