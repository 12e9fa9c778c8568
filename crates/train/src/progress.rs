//! How a run is seen: a bar on a terminal, a plain line per evaluation elsewhere. All of it on standard error.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Shows any number of runs at the same time.
#[derive(Clone, Debug)]
pub struct Progress {
    /// `None` where standard error is not a terminal.
    bars: Option<MultiProgress>,
}

/// Shows one run.
#[derive(Debug)]
pub struct RunProgress {
    label: String,
    total: u64,
    owner: Progress,
    bar: Option<ProgressBar>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }
}

impl Progress {
    /// A line of talk that does not disturb the bars.
    pub fn say(&self, line: &str) {
        match &self.bars {
            // Both fail only when standard error is gone, and then there is nobody to tell.
            Some(bars) => drop(bars.println(line)),
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    /// Starts to show a run of `total` steps that has `done` behind it.
    pub fn start(&self, label: &str, total: u64, done: u64) -> RunProgress {
        let bar = self.bars.as_ref().map(|bars| {
            let template = "{prefix:44} {wide_bar} {pos}/{len} steps  {msg}  {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::new(total).with_style(style).with_prefix(label.to_string()));
            bar.set_position(done);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        if done > 0 {
            self.say(&format!("{label}: going on from step {done} of {total}"));
        }
        RunProgress { label: label.to_string(), total, owner: self.clone(), bar }
    }
}

impl RunProgress {
    /// After a step; `pace` in tokens a second, where there are tokens.
    pub fn step(&self, done: u64, loss: f64, pace: Option<f64>) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            let pace = pace.map(|pace| format!(", {pace:.0} tokens/s")).unwrap_or_default();
            bar.set_message(format!("loss {loss:.3}{pace}"));
        }
    }

    /// After an evaluation that found what the `words` say.
    pub fn evaluated(&self, done: u64, train_loss: f64, words: &str) {
        if self.bar.is_none() {
            let Self { label, total, .. } = self;
            self.owner.say(&format!("{label}: step {done}/{total}, train loss {train_loss:.4}, test {words}"));
        }
    }

    /// At the end, with a line that says how it ended.
    pub fn finish(self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.owner.say(&format!("{}: {line}", self.label));
    }
}
