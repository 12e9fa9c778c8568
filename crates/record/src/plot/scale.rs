//! Axes: positions of values, round ticks and their labels.

/// Values `low..=high` on the pixels from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub start: f64,
    pub end: f64,
}

impl Scale {
    /// A scale over `low..=high`, widened where both are equal.
    pub fn new(low: f64, high: f64, start: f64, end: f64) -> Self {
        let pad = if high > low { 0.0 } else { 0.5 * low.abs().max(1.0) };
        Self { low: low - pad, high: high + pad, start, end }
    }

    /// Pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Whether a value lies on the scale; one that is not finite does not.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round values within the scale, about `count` of them, each with its label.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let raw = (self.high - self.low) / count.max(1) as f64;
        let power = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= 0.8 * raw);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).map(|value| (value, label(value, step))).collect()
    }
}

/// Label of a tick: as many decimals as the step needs, thousands as `k`.
fn label(value: f64, step: f64) -> String {
    if step >= 1000.0 && value != 0.0 {
        return format!("{}k", value / 1000.0);
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    text.strip_prefix('-').map_or(text.clone(), |digits| format!("−{digits}"))
}

/// Round values of a logarithmic scale, whose positions are logarithms to base 10: 1, 2 and 5 times the powers of ten, or
/// the powers alone where those would be too many.
pub(super) fn log_ticks(scale: &Scale) -> Vec<(f64, String)> {
    let factors: &[f64] = if scale.high - scale.low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = scale.low.floor() as i32..=scale.high.ceil() as i32;
    let values = powers.flat_map(|power| {
        // Divided, not multiplied, by a power of ten below 1: 0.2 and not 0.2000...01.
        let value = move |factor: &f64| match power {
            0.. => factor * 10_f64.powi(power),
            _ => factor / 10_f64.powi(-power),
        };
        factors.iter().map(value)
    });
    let inside = |value: &f64| (scale.low..=scale.high).contains(&value.log10());
    values.filter(inside).map(|value| (value, value.to_string())).collect()
}

/// Smallest and largest finite value.
pub(super) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |found, value| {
        let (low, high) = found.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        Scale::new(low, high, 0.0, 1.0).ticks(count).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(0.0, 64_000.0, 4), ["0", "20k", "40k", "60k"]);
        assert_eq!(labels(91.87, 94.62, 4), ["92", "93", "94"]);
        assert_eq!(labels(93.1, 93.9, 4), ["93.2", "93.4", "93.6", "93.8"]);
        assert_eq!(labels(-1.0, 1.0, 2), ["−1", "0", "1"]);
        assert_eq!(labels(0.0, 3000.0, 2), ["0", "2k"]);
        // A single value still has an axis.
        assert!(!labels(5.0, 5.0, 3).is_empty());
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_are_round() {
        let labels = |low: f64, high: f64| {
            let scale = Scale::new(low.log10(), high.log10(), 0.0, 1.0);
            log_ticks(&scale).into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.15, 6.0), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!(labels(0.01, 100.0), ["0.01", "0.1", "1", "10", "100"]);
    }

    #[test]
    fn values_lie_where_they_belong() {
        let scale = Scale::new(10.0, 20.0, 100.0, 0.0);
        assert_eq!((scale.at(10.0), scale.at(15.0), scale.at(20.0)), (100.0, 50.0, 0.0));
        assert_eq!(bounds([3.0, f64::NAN, -1.0].into_iter()), Some((-1.0, 3.0)));
        assert_eq!(bounds(std::iter::empty()), None);
    }
}
