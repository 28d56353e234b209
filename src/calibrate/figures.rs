//! From worlds to figures: coverage, error rates, and whether the targets are reached.

use std::collections::BTreeMap;

use super::scenarios::{Method, Scenario};
use super::world::{Against, Shown, What};

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
    fn add(&mut self, seen: &super::world::Seen) {
        self.worlds += 1;
        self.intervals += u64::from(seen.is_covered.is_some());
        self.covered += u64::from(seen.is_covered == Some(true));
        self.estimates += seen.estimate;
        self.squares += seen.estimate * seen.estimate;
        self.truths += seen.truth;
        self.std_errors += seen.std_error.unwrap_or(0.0);
    }

    pub fn merge(&mut self, other: &Cell) {
        self.worlds += other.worlds;
        self.intervals += other.intervals;
        self.covered += other.covered;
        self.estimates += other.estimates;
        self.squares += other.squares;
        self.truths += other.truths;
        self.std_errors += other.std_errors;
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
    pub fn mean(&self) -> f64 {
        self.sum / self.worlds as f64
    }

    pub fn std_error(&self) -> f64 {
        let n = self.worlds as f64;
        ((self.squares / n - self.mean() * self.mean()).max(0.0) / n).sqrt()
    }
}

/// All worlds of one scenario.
pub struct Figures<'a> {
    pub scenario: &'a Scenario,
    pub cells: BTreeMap<What, Cell>,
    pub rates: BTreeMap<&'static str, Rate>,
}

impl<'a> Figures<'a> {
    pub fn of(scenario: &'a Scenario, worlds: &[Shown]) -> Figures<'a> {
        let mut figures = Figures { scenario, cells: BTreeMap::new(), rates: BTreeMap::new() };
        for world in worlds {
            for seen in &world.seen {
                figures.cells.entry(seen.what).or_default().add(seen);
            }
            for (name, value) in &world.facts {
                let rate = figures.rates.entry(name).or_default();
                rate.worlds += 1;
                rate.sum += value;
                rate.squares += value * value;
            }
        }
        figures
    }

    /// Cells with enough intervals to say a coverage.
    fn coverages(&self, method: Method, estimand: &str, against: Against) -> Vec<(What, Cell)> {
        let is_meant =
            |what: &What| what.method == method && what.estimand == estimand && what.against == against;
        let cells = self.cells.iter().filter(|(what, cell)| is_meant(what) && cell.intervals > 0);
        cells.map(|(what, cell)| (*what, *cell)).collect()
    }

    fn pooled(&self, method: Method, estimand: &str, against: Against) -> Cell {
        let mut all = Cell::default();
        self.coverages(method, estimand, against).iter().for_each(|(_, cell)| all.merge(cell));
        all
    }
}

/// A figure that is to lie within bounds.
#[derive(Debug, Clone)]
pub struct Target {
    pub scenario: &'static str,
    pub sentence: String,
    pub worlds: u64,
    pub figure: f64,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

impl Target {
    pub fn is_reached(&self) -> bool {
        self.at_least.is_none_or(|least| self.figure >= least)
            && self.at_most.is_none_or(|most| self.figure <= most)
    }
}

/// The targets that these figures can speak to.
pub fn targets(figures: &Figures, ids: &[String]) -> Vec<Target> {
    let mut found = Vec::new();
    let name = figures.scenario.name;
    let mut add =
        |sentence: String, worlds: u64, figure: f64, at_least: Option<f64>, at_most: Option<f64>| {
            found.push(Target { scenario: name, sentence, worlds, figure, at_least, at_most });
        };
    let rate = |name: &str| figures.rates.get(name).copied();
    let id = |what: &What| ids[usize::from(what.touchpoint)].as_str();
    match name {
        "ordinary" | "ordinary, small" | "ordinary, large" | "survey lag" | "store-week shocks" => {
            for estimand in ["direct", "total"] {
                for against in [Against::These, Against::Process] {
                    let pooled = figures.pooled(Method::Ours, estimand, against);
                    let Some(coverage) = pooled.coverage() else { continue };
                    let said = format!("{estimand}, {}", against.as_str());
                    add(
                        format!("coverage of {said}, all touchpoints together"),
                        pooled.worlds,
                        coverage,
                        Some(0.94),
                        Some(0.96),
                    );
                    let cells = figures.coverages(Method::Ours, estimand, against);
                    // A coverage of a handful of worlds is noise.
                    let most = cells.iter().map(|(_, cell)| cell.intervals).max().unwrap_or(0);
                    let full = cells.iter().filter(|(_, cell)| 2 * cell.intervals >= most);
                    let by_coverage = |a: &&(What, Cell), b: &&(What, Cell)| {
                        a.1.coverage().unwrap_or(0.0).total_cmp(&b.1.coverage().unwrap_or(0.0))
                    };
                    for (end, found) in
                        [("least", full.clone().min_by(by_coverage)), ("greatest", full.max_by(by_coverage))]
                    {
                        let Some((what, cell)) = found else { continue };
                        add(
                            format!("{end} coverage of {said}: {}", id(what)),
                            cell.intervals,
                            cell.coverage().unwrap_or(0.0),
                            Some(0.925),
                            Some(0.975),
                        );
                    }
                }
            }
        }
        _ => {}
    }
    match name {
        "ordinary" => {
            if let Some(rate) = rate("false discoveries") {
                let most = 0.05 + 2.0 * rate.std_error();
                add("mean share of false discoveries".into(), rate.worlds, rate.mean(), None, Some(most));
            }
            if let Some(rate) = rate("pairs in the right order") {
                let said = "pairs further apart than 4 SE in the right order";
                add(said.into(), rate.worlds, rate.mean(), Some(0.99), None);
            }
            if let Some(rate) = rate("true ranks allowed") {
                let said = "worlds whose rank intervals hold every true rank";
                add(said.into(), rate.worlds, rate.mean(), Some(0.93), None);
            }
        }
        "null" => {
            if let Some(rate) = rate("any discovery") {
                add("worlds with any q up to .05".into(), rate.worlds, rate.mean(), None, Some(0.065));
            }
        }
        "aliases" => {
            if let Some(rate) = rate("alias is named") {
                add("worlds that name the alias".into(), rate.worlds, rate.mean(), Some(1.0), None);
            }
        }
        "grumpy customers" => {
            if let Some(rate) = rate("placebo speaks up on tickets") {
                add("worlds whose placebo speaks up".into(), rate.worlds, rate.mean(), Some(0.8), None);
            }
        }
        "few exposed" => {
            if let Some(rate) = rate("verdicts on thin ones") {
                let said = "verdicts but `not enough evidence` on thin touchpoints, per world";
                add(said.into(), rate.worlds, rate.mean(), None, Some(0.0));
            }
            let pooled = figures.pooled(Method::Ours, "total", Against::Process);
            if let Some(coverage) = pooled.coverage() {
                let said = "coverage of total, process, touchpoints met by 10 to 50";
                add(said.into(), pooled.worlds, coverage, Some(0.93), None);
            }
        }
        "store effects" => {
            let ours = figures.pooled(Method::Ours, "total", Against::Store);
            if let Some(coverage) = ours.coverage() {
                let said = "coverage of stores' own effects of lateness";
                add(said.into(), ours.worlds, coverage, Some(0.925), None);
            }
        }
        "response by tickets" => of_response(figures, Method::Weighted, &mut add),
        "response by class" => of_response(figures, Method::Offset, &mut add),
        _ => {}
    }
    found
}

fn of_response(
    figures: &Figures,
    method: Method,
    add: &mut impl FnMut(String, u64, f64, Option<f64>, Option<f64>),
) {
    let pooled = figures.pooled(method, "total", Against::Process);
    if let Some(coverage) = pooled.coverage() {
        let said = format!("coverage of total, process, with {}", method.as_str());
        add(said, pooled.worlds, coverage, Some(0.925), None);
    }
}

/// A wrong method is a mutant: it must fail where ours does not. The touchpoint that it covers worst.
pub fn mutants(figures: &Figures, ids: &[String]) -> Vec<Target> {
    let wrong = |method: &&Method| {
        !matches!(method, Method::Ours | Method::LeaveOneOut | Method::NeverPenalised)
            && **method != figures.scenario.methods[0]
    };
    let mut found = Vec::new();
    for method in figures.scenario.methods.iter().filter(wrong) {
        for against in [Against::Process, Against::Store] {
            let cells = figures.coverages(*method, "total", against);
            let worst = cells
                .iter()
                .min_by(|a, b| a.1.coverage().unwrap_or(1.0).total_cmp(&b.1.coverage().unwrap_or(1.0)));
            let Some((what, cell)) = worst else { continue };
            found.push(Target {
                scenario: figures.scenario.name,
                sentence: format!(
                    "wrong: {}; coverage of {}",
                    method.as_str(),
                    ids[usize::from(what.touchpoint)]
                ),
                worlds: cell.intervals,
                figure: cell.coverage().unwrap_or(0.0),
                at_least: None,
                at_most: Some(0.9),
            });
        }
    }
    if let Some(rate) = figures.rates.get("unpenalised fits that fail") {
        found.push(Target {
            scenario: figures.scenario.name,
            sentence: "wrong: never penalised; fits that fail".into(),
            worlds: rate.worlds,
            figure: rate.mean(),
            at_least: Some(0.05),
            at_most: None,
        });
    }
    let returned = ids.iter().position(|id| id == "returned");
    for (what, cell) in figures.cells.iter().filter(|(what, _)| what.method == Method::LeaveOneOut) {
        if Some(usize::from(what.touchpoint)) == returned {
            found.push(Target {
                scenario: figures.scenario.name,
                sentence: "wrong: leave-one-out impact; NPS points of `returned`, which does nothing".into(),
                worlds: cell.worlds,
                figure: cell.mean_estimate(),
                at_least: Some(0.1),
                at_most: None,
            });
        }
    }
    found
}
