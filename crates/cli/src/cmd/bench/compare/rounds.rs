//! The times of one case: a round is ours, then each of PyTorch's modes, each in a process of its own.

use super::case::{Case, MODES, What};
use super::process::{Measured, Programs};
use anyhow::{Result, anyhow};
use swish_core::activation::Activation;
use swish_record::stats::{Summary, median};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Rounds.
    pub rounds: usize,
    /// Threads.
    pub threads: usize,
    /// After the first round, of PyTorch's modes only the fastest.
    pub fastest_only: bool,
}

/// What the rounds of a case gave.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Our medians, one a round.
    pub ours: Vec<f64>,
    /// The medians of each of [`MODES`], one a round; `None` where it was not measured.
    pub peers: [Vec<Option<f64>>; MODES.len()],
    /// Our largest resident memory, and that of the mode `eager`.
    pub rss: [Option<f64>; 2],
    /// Modes that failed, with the reason.
    pub failed: Vec<String>,
}

/// PyTorch's fastest mode beside ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fastest {
    /// Its name.
    pub mode: &'static str,
    /// Its time by ours, over the rounds.
    pub ratio: Summary,
}

impl Rounds {
    /// Measures a case.
    ///
    /// # Errors
    /// When ours fails; a mode of PyTorch that fails is noted and left out.
    pub fn measure(case: &Case, wanted: &[&str], programs: &Programs, effort: &Effort) -> Result<Self> {
        let formula = formula(&case.activation)?;
        let arguments = case.arguments(&formula, effort.threads);
        let mut rounds = Self::default();
        let mut modes: Vec<usize> = (0..MODES.len())
            .filter(|&m| case.what.modes(&case.model).contains(&MODES[m]) && wanted.contains(&MODES[m]))
            .collect();
        for round in 0..effort.rounds {
            let tell = |name: &str, time: &str| {
                eprintln!("{}: round {} of {}: {name} {time}", case.label(), round + 1, effort.rounds);
            };
            let ours = programs.ours(&arguments).map_err(|reason| anyhow!("{}: {reason}", case.label()))?;
            tell("ours", &shown(&ours, case.what));
            rounds.ours.push(ours.median);
            largest(&mut rounds.rss[0], ours.peak_rss_mib);
            for times in &mut rounds.peers {
                times.push(None);
            }
            modes.retain(|&m| match programs.peer(&arguments, MODES[m]).and_then(|peer| peer.beside(&ours)) {
                Ok(measured) => {
                    tell(MODES[m], &shown(&measured, case.what));
                    rounds.peers[m][round] = Some(measured.median);
                    if MODES[m] == "eager" {
                        largest(&mut rounds.rss[1], measured.peak_rss_mib);
                    }
                    true
                }
                Err(reason) => {
                    tell(MODES[m], &reason);
                    rounds.failed.push(format!("{}: {reason}", MODES[m]));
                    false
                }
            });
            if effort.fastest_only {
                let fastest = rounds.fastest().map(|f| f.mode);
                modes.retain(|&m| Some(MODES[m]) == fastest);
            }
        }
        Ok(rounds)
    }

    /// Median of our times.
    pub fn our_median(&self) -> Option<f64> {
        median(&self.ours)
    }

    /// Median of each mode's times.
    pub fn peer_medians(&self) -> [Option<f64>; MODES.len()] {
        std::array::from_fn(|m| median(&self.peers[m].iter().flatten().copied().collect::<Vec<_>>()))
    }

    /// The mode with the smallest median of all, compiled or not. Ratios are taken within a round, where both saw the same
    /// machine.
    pub fn fastest(&self) -> Option<Fastest> {
        let medians = self.peer_medians();
        let measured = (0..MODES.len()).filter_map(|m| Some((m, medians[m]?)));
        let (m, _) = measured.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let pairs = self.peers[m].iter().zip(&self.ours);
        let ratios: Vec<f64> = pairs.filter_map(|(peer, ours)| Some((*peer)? / ours)).collect();
        Some(Fastest { mode: MODES[m], ratio: Summary::of(&ratios)? })
    }
}

/// The activation as both programs read it: a name only where PyTorch has its own function for it.
fn formula(activation: &str) -> Result<String> {
    let activation: Activation = activation.parse()?;
    Ok(match activation.name() {
        Some(name @ ("relu" | "swish")) => name.into(),
        _ => activation.formula(),
    })
}

fn largest(known: &mut Option<f64>, new: Option<f64>) {
    *known = match (*known, new) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
}

fn shown(measured: &Measured, what: What) -> String {
    format!("{:.3} {}", measured.median, what.unit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rounds(peers: &[(&str, &[Option<f64>])]) -> Rounds {
        let mut rounds = Rounds { ours: vec![10.0, 20.0, 10.0], ..Rounds::default() };
        for (mode, times) in peers {
            rounds.peers[MODES.iter().position(|m| m == mode).unwrap()] = times.to_vec();
        }
        rounds
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The second round was disturbed for both: the ratio does not see it.
        let all =
            rounds(&[("eager", &[Some(30.0), Some(60.0), Some(33.0)]), ("compile", &[Some(15.0), Some(40.0), None])]);
        let fastest = all.fastest().unwrap();
        assert_eq!(fastest.mode, "compile");
        assert_eq!((fastest.ratio.median, fastest.ratio.min, fastest.ratio.max), (1.75, 1.5, 2.0));
        assert_eq!(all.our_median(), Some(10.0));
        assert_eq!(all.peer_medians(), [Some(33.0), None, Some(27.5), None, None]);
    }

    #[test]
    fn without_a_peer_there_is_no_ratio() {
        assert_eq!(rounds(&[]).fastest(), None);
        assert_eq!(rounds(&[("eager", &[None, None, None])]).fastest(), None);
    }

    #[test]
    fn functions_that_pytorch_has_go_by_name() {
        for (written, passed) in
            [("max(x,0)", "relu"), ("Swish", "swish"), ("max(x, sin(x))", "max(x,sin(x))"), ("cos_minus_x", "cos(x)-x")]
        {
            assert_eq!(formula(written).unwrap(), passed);
        }
    }

    #[test]
    fn memory_is_the_largest_that_is_known() {
        let mut rss = None;
        for (new, known) in [(None, None), (Some(3.0), Some(3.0)), (Some(2.0), Some(3.0)), (None, Some(3.0))] {
            largest(&mut rss, new);
            assert_eq!(rss, known);
        }
    }
}
