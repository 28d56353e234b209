//! Values as places on a scale, and scales of round numbers.

use super::context::Axis;

/// The part of an [`Axis`] that places are worked out from.
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub is_log: bool,
}

impl Scale {
    /// Where the value lies, from 0 to 1; never outside.
    fn place(&self, value: f64) -> f64 {
        let (value, low, high) = match self.is_log {
            true => (value.max(self.low).ln(), self.low.ln(), self.high.ln()),
            false => (value, self.low, self.high),
        };
        if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }

    /// The value's place in percent from the low end.
    pub fn at(&self, value: f64) -> String {
        coordinate(100.0 * self.place(value))
    }

    /// The same from above: charts count from their upper edge.
    pub fn up(&self, value: f64) -> String {
        coordinate(100.0 * (1.0 - self.place(value)))
    }

    /// A length in percent of the whole scale.
    pub fn length(&self, value: f64) -> String {
        let span = self.high - self.low;
        coordinate(if span > 0.0 { 100.0 * (value.abs() / span).min(1.0) } else { 0.0 })
    }
}

/// A coordinate of a drawing: two decimals at most.
pub fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// A scale of round numbers around what is shown, of about so many steps.
pub fn axis(low: f64, high: f64, steps: u32) -> Axis {
    let steps = f64::from(steps);
    let span = (high - low).max(1e-6);
    let power = 10f64.powf((span / steps).log10().floor());
    let fits = |times: &&f64| span / (power * **times) <= steps + 0.5;
    let step = power * [1.0, 2.0, 2.5, 5.0, 10.0].iter().find(fits).copied().unwrap_or(10.0);
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil().max(first + 1.0);
    let count = (last - first).min(100.0) as u32;
    let ticks: Vec<f64> =
        (0..=count).map(|tick| ((first + f64::from(tick)) * step * 1e10).round() / 1e10 + 0.0).collect();
    Axis { low: ticks[0], high: ticks[ticks.len() - 1], ticks, is_log: false }
}

/// A scale of shares on which each step is about a doubling.
pub fn log_axis(low: f64, high: f64) -> Axis {
    const STEPS: [f64; 13] =
        [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
    let first = STEPS.iter().rposition(|step| *step <= low.max(STEPS[0])).unwrap_or(0).min(STEPS.len() - 2);
    let last = STEPS.iter().position(|step| *step >= high.min(1.0)).unwrap_or(STEPS.len() - 1);
    let last = last.max(first + 1);
    Axis { low: STEPS[first], high: STEPS[last], ticks: STEPS[first..=last].to_vec(), is_log: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_what_is_shown() {
        assert_eq!(axis(-0.3, 6.4, 5).ticks, [-2.0, 0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(axis(0.0, 1.0, 5).ticks, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(axis(-100.0, 100.0, 5).ticks, [-100.0, -50.0, 0.0, 50.0, 100.0]);
        for (low, high) in [(0.0, 0.0), (3.0, 3.0), (-1e9, 1e9), (0.0, 1e-12), (-0.04, 0.0)] {
            let axis = axis(low, high, 5);
            assert!(
                axis.low <= low && high <= axis.high && axis.low < axis.high,
                "{low} to {high}: {axis:?}"
            );
            assert!(axis.ticks.len() <= 101);
        }
    }

    #[test]
    fn shares_stand_on_doublings() {
        assert_eq!(log_axis(0.011, 0.19).ticks, [0.01, 0.02, 0.05, 0.1, 0.2]);
        assert_eq!(log_axis(1.0, 1.0).ticks, [0.5, 1.0]);
        assert_eq!(log_axis(0.0, 0.0).low, 0.0001);
    }

    #[test]
    fn places_stay_inside() {
        let scale = Scale { low: -2.0, high: 8.0, is_log: false };
        assert_eq!([scale.at(0.0), scale.up(0.0), scale.length(-5.0)], ["20", "80", "50"]);
        assert_eq!([scale.at(-9.0), scale.at(99.0)], ["0", "100"]);
        let scale = Scale { low: 0.01, high: 1.0, is_log: true };
        assert_eq!([scale.at(0.1), scale.at(0.0), scale.at(2.0)], ["50", "0", "100"]);
        assert_eq!(coordinate(-0.001), "0");
        assert_eq!(coordinate(33.333), "33.33");
    }
}
