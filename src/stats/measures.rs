//! From sums and their moments to measures with intervals.
//!
//! Each measure is a function of sums over answers; its influence is a combination of the nine sums of
//! `moments` (the delta method), so its variance is a quadratic form. κ = 1 is the process that makes such
//! answers, κ = 0 these answers. Intervals are t with exposed clusters − 1 degrees of freedom; the risk
//! ratio's is taken on the log scale.

use super::clusters::{Grouping, variance};
use super::moments::{Moments, SUMS};
use super::quantiles::{t_p_value, t_quantile};

/// A number with its two intervals of 95%.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    /// For the process (κ = 1): what is published. None where the spread cannot be known.
    pub process: Option<Interval>,
    /// For these answers (κ = 0).
    pub these: Option<Interval>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// In the measure's unit; of the logarithm for a risk ratio.
    pub std_error: f64,
    pub low: f64,
    pub high: f64,
}

/// The measures of one touchpoint over one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// NPS points gained if it were undone, over all answers of the target.
    pub nps_points: Estimate,
    /// Mean fall of the detractor probability over the exposed (0 to 1).
    pub risk_difference: Estimate,
    /// Σ p_D(x) / Σ p_D(x⁰) over the exposed.
    pub risk_ratio: Estimate,
    /// Number of answers: exposed × risk difference.
    pub avoidable_detractors: Estimate,
    /// Of all detractors (0 to 1; negative where it protects).
    pub avoidable_detractor_share: Estimate,
    /// Number of answers: Σ over the exposed of p_P(x⁰) − p_P(x).
    pub promoters_gained: Estimate,
    /// Two-sided, of no effect on NPS.
    pub p_value: Option<f64>,
    /// Exposed clusters − 1.
    pub degrees: f64,
}

/// Sums over the answers of a target.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Σ w, and of the detractors among them.
    pub weight: f64,
    pub detractors: f64,
    /// Σ w over the exposed, and Σ w gain.
    pub exposed: f64,
    pub gains: [f64; 3],
}

impl Sums {
    pub fn nps_points(&self) -> f64 {
        100.0 * (self.gains[0] + self.gains[1]) / self.weight
    }
}

/// Positions in the nine sums; see `moments`.
const OWN: usize = 3;
const EXPOSED: usize = 6;
const WEIGHT: usize = 7;
const DETRACTORS: usize = 8;

/// Measures from sums and, per grouping, moments.
pub fn measures(sums: &Sums, groupings: &[Grouping], moments: &[Moments], degrees: f64) -> Measures {
    let spread = Spread { groupings, moments, quantile: t_quantile(0.975, degrees) };
    let [fall, rise, risk] = sums.gains;
    let nps = sums.nps_points();
    let over_all = 100.0 / sums.weight;
    let nps_points = spread.estimate(
        nps,
        &[(0, over_all), (1, over_all)],
        &[(OWN, over_all), (OWN + 1, over_all), (WEIGHT, -nps / sums.weight)],
    );
    let difference = fall / sums.exposed;
    let per_exposed = 1.0 / sums.exposed;
    let (with, without) = (risk, risk - fall);
    let ratio = spread.estimate(
        (with / without).ln(),
        &[(2, 1.0 / with - 1.0 / without), (0, 1.0 / without)],
        &[(OWN + 2, 1.0 / with - 1.0 / without), (OWN, 1.0 / without)],
    );
    let share = fall / sums.detractors;
    let of_detractors = 1.0 / sums.detractors;
    let p_value = nps_points.process.and_then(|interval| t_p_value(nps / interval.std_error, degrees));
    Measures {
        nps_points,
        risk_difference: spread.estimate(
            difference,
            &[(0, per_exposed)],
            &[(OWN, per_exposed), (EXPOSED, -difference * per_exposed)],
        ),
        risk_ratio: Estimate {
            value: with / without,
            process: ratio.process.map(exponential),
            these: ratio.these.map(exponential),
        },
        avoidable_detractors: spread.estimate(
            fall,
            &[(0, 1.0)],
            &[(OWN, 1.0), (WEIGHT, -fall / sums.weight)],
        ),
        avoidable_detractor_share: spread.estimate(
            share,
            &[(0, of_detractors)],
            &[(OWN, of_detractors), (DETRACTORS, -share * of_detractors)],
        ),
        promoters_gained: spread.estimate(
            rise,
            &[(1, 1.0)],
            &[(OWN + 1, 1.0), (WEIGHT, -rise / sums.weight)],
        ),
        p_value,
        degrees,
    }
}

fn exponential(log: Interval) -> Interval {
    Interval { std_error: log.std_error, low: log.low.exp(), high: log.high.exp() }
}

impl Estimate {
    /// A number whose standard errors are known, in both readings.
    pub fn of(value: f64, process: Option<f64>, these: Option<f64>, degrees: f64) -> Estimate {
        let quantile = t_quantile(0.975, degrees);
        Estimate {
            value,
            process: interval(value, process, quantile),
            these: interval(value, these, quantile),
        }
    }

    /// The process interval of another level, such as 0.9; not for ratios.
    pub fn interval_of(&self, level: f64, degrees: f64) -> Option<(f64, f64)> {
        let reach = t_quantile(0.5 + level / 2.0, degrees)? * self.process?.std_error;
        Some((self.value - reach, self.value + reach))
    }
}

fn interval(value: f64, std_error: Option<f64>, quantile: Option<f64>) -> Option<Interval> {
    let (std_error, quantile) = (std_error?, quantile?);
    let is_known = value.is_finite() && std_error.is_finite();
    let reach = quantile * std_error;
    is_known.then_some(Interval { std_error, low: value - reach, high: value + reach })
}

struct Spread<'a> {
    groupings: &'a [Grouping],
    moments: &'a [Moments],
    quantile: Option<f64>,
}

impl Spread<'_> {
    /// `model` and `own`: positions in the nine sums with their factors.
    fn estimate(&self, value: f64, model: &[(usize, f64)], own: &[(usize, f64)]) -> Estimate {
        let mut factors = [0.0; SUMS];
        model.iter().for_each(|(at, factor)| factors[*at] += factor);
        let these = self.std_error(&factors);
        own.iter().for_each(|(at, factor)| factors[*at] += factor);
        let process = self.std_error(&factors);
        Estimate {
            value,
            process: interval(value, process, self.quantile),
            these: interval(value, these, self.quantile),
        }
    }

    fn std_error(&self, factors: &[f64; SUMS]) -> Option<f64> {
        let squares: Vec<f64> = self.moments.iter().map(|moments| form(factors, moments)).collect();
        variance(self.groupings, &squares).map(f64::sqrt)
    }
}

fn form(factors: &[f64; SUMS], moments: &Moments) -> f64 {
    (0..SUMS).map(|i| factors[i] * (0..SUMS).map(|j| factors[j] * moments[i][j]).sum::<f64>()).sum()
}
