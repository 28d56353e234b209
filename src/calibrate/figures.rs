//! From worlds to figures: coverage and error rates, with what chance leaves open.

use std::collections::BTreeMap;

use super::method::Method;
use super::scenarios::Scenario;
use super::world::{Against, Measure, Seen, Shown, What};

/// Sums over worlds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cell {
    pub worlds: u64,
    /// Worlds with an interval, and those whose interval holds the truth.
    pub intervals: u64,
    pub covered: u64,
    estimates: f64,
    squares: f64,
    truths: f64,
    std_errors: f64,
}

impl Cell {
    fn add(&mut self, seen: &Seen) {
        self.worlds += 1;
        self.intervals += u64::from(seen.interval.is_some());
        self.covered += u64::from(seen.is_covered());
        self.estimates += seen.estimate;
        self.squares += seen.estimate * seen.estimate;
        self.truths += seen.truth;
        self.std_errors += seen.std_error.unwrap_or(0.0);
    }

    pub fn coverage(&self) -> Option<f64> {
        (self.intervals > 0).then(|| self.covered as f64 / self.intervals as f64)
    }

    pub fn mean_estimate(&self) -> f64 {
        self.estimates / self.worlds as f64
    }

    pub fn mean_truth(&self) -> f64 {
        self.truths / self.worlds as f64
    }

    pub fn mean_std_error(&self) -> Option<f64> {
        (self.intervals > 0).then(|| self.std_errors / self.intervals as f64)
    }

    /// Standard deviation of the estimates over worlds.
    pub fn spread(&self) -> Option<f64> {
        let n = self.worlds as f64;
        let variance = (self.squares - self.estimates * self.estimates / n) / (n - 1.0);
        (self.worlds > 1).then(|| variance.max(0.0).sqrt())
    }
}

/// A share over worlds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    pub worlds: u64,
    sum: f64,
    squares: f64,
}

impl Rate {
    fn add(&mut self, value: f64) {
        self.worlds += 1;
        self.sum += value;
        self.squares += value * value;
    }

    pub fn mean(&self) -> f64 {
        self.sum / self.worlds as f64
    }

    /// In how many worlds, of a fact that holds or does not.
    pub fn found(&self) -> u64 {
        self.sum.round() as u64
    }

    pub fn std_error(&self) -> f64 {
        let n = self.worlds as f64;
        ((self.squares / n - self.mean() * self.mean()).max(0.0) / n).sqrt()
    }
}

/// What kind of interval: the touchpoints of one kind are pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub method: Method,
    pub estimand: &'static str,
    pub measure: Measure,
    pub against: Against,
}

impl What {
    pub fn kind(&self) -> Kind {
        let What { method, estimand, measure, against, .. } = *self;
        Kind { method, estimand, measure, against }
    }
}

/// The coverage of all intervals of a kind. Those of one world go together, so its error is that between
/// worlds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pooled {
    /// Worlds with an interval.
    pub worlds: u64,
    pub intervals: u64,
    pub covered: u64,
    /// Σ over worlds of covered², covered × intervals, intervals².
    products: [f64; 3],
}

impl Pooled {
    fn add(&mut self, covered: u64, intervals: u64) {
        self.worlds += 1;
        self.intervals += intervals;
        self.covered += covered;
        let (c, n) = (covered as f64, intervals as f64);
        [c * c, c * n, n * n].iter().zip(&mut self.products).for_each(|(product, sum)| *sum += product);
    }

    pub fn coverage(&self) -> f64 {
        self.covered as f64 / self.intervals as f64
    }

    pub fn std_error(&self) -> f64 {
        let (f, n) = (self.coverage(), self.worlds as f64);
        let [cc, cn, nn] = self.products;
        let squares = (cc - 2.0 * f * cn + f * f * nn).max(0.0);
        (squares * n / (n - 1.0).max(1.0)).sqrt() / self.intervals as f64
    }
}

/// All worlds of one scenario.
pub struct Figures<'a> {
    pub scenario: &'a Scenario,
    pub cells: BTreeMap<What, Cell>,
    pub pooled: BTreeMap<Kind, Pooled>,
    pub rates: BTreeMap<&'static str, Rate>,
    /// Over the worlds alone on which wrong methods were run too.
    pub beside_mutants: BTreeMap<What, Cell>,
}

impl<'a> Figures<'a> {
    pub fn of(scenario: &'a Scenario, worlds: &[Shown]) -> Figures<'a> {
        let mut figures = Figures {
            scenario,
            cells: BTreeMap::new(),
            pooled: BTreeMap::new(),
            rates: BTreeMap::new(),
            beside_mutants: BTreeMap::new(),
        };
        for (number, world) in worlds.iter().enumerate() {
            let mut of_kind: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
            for seen in &world.seen {
                figures.cells.entry(seen.what).or_default().add(seen);
                if number < scenario.mutant_worlds {
                    figures.beside_mutants.entry(seen.what).or_default().add(seen);
                }
                if seen.interval.is_some() {
                    let (covered, intervals) = of_kind.entry(seen.what.kind()).or_default();
                    (*covered, *intervals) = (*covered + u64::from(seen.is_covered()), *intervals + 1);
                }
            }
            for (kind, (covered, intervals)) in of_kind {
                figures.pooled.entry(kind).or_default().add(covered, intervals);
            }
            for (name, value) in &world.facts {
                figures.rates.entry(name).or_default().add(*value);
            }
        }
        figures
    }
}
