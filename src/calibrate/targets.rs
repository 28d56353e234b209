//! What the figures have to be. A figure is held to its bound where as many worlds were run as the bound was
//! meant for; with fewer, to what chance leaves a right method: it may miss a target with the probability
//! `false_alarm`, which stands beside it. A wrong method has to be seen to be wrong, chance or not: the upper
//! bound of its coverage, and not the coverage, lies below .9.

use super::chance::{self, LEVEL};
use super::figures::{Cell, Figures, Kind, Rate};
use super::method::Method;
use super::scenarios::Mutant;
use super::world::{Against, Measure, TOTAL, What};

/// A figure that is to lie within bounds.
#[derive(Debug, Clone)]
pub struct Target {
    pub scenario: &'static str,
    pub method: &'static str,
    /// Where it is about one.
    pub touchpoint: Option<String>,
    pub sentence: String,
    pub worlds: u64,
    pub figure: f64,
    /// One-sided bounds of 99% each.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// What is wanted of a full run.
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    /// What is asked of this number of worlds.
    pub held_at_least: Option<f64>,
    pub held_at_most: Option<f64>,
    /// The probability that a right method misses it; of a wrong method, that a right one looks like it.
    pub false_alarm: Option<f64>,
    pub is_of_a_mutant: bool,
}

impl Target {
    /// A figure that was not found reaches nothing.
    pub fn is_reached(&self) -> bool {
        self.figure.is_finite()
            && self.held_at_least.is_none_or(|least| self.judged().0 >= least - 1e-12)
            && self.held_at_most.is_none_or(|most| self.judged().1 <= most + 1e-12)
    }

    /// In words: outside what is wanted of a full run, but not beyond what chance leaves a right method at so few
    /// worlds, is neither reached nor missed.
    pub fn in_words(&self) -> &'static str {
        let is_inside = self.at_least.is_none_or(|least| self.figure >= least - 1e-12)
            && self.at_most.is_none_or(|most| self.figure <= most + 1e-12);
        match (self.is_reached(), is_inside || self.is_of_a_mutant) {
            (true, true) => "reached",
            (true, false) => "within chance",
            (false, _) => "MISSED",
        }
    }

    /// What is held to the lower and to the upper bound.
    fn judged(&self) -> (f64, f64) {
        match self.is_of_a_mutant {
            true => (self.low.unwrap_or(f64::NEG_INFINITY), self.high.unwrap_or(f64::INFINITY)),
            false => (self.figure, self.figure),
        }
    }
}

/// What is wanted of a figure, in a run of `worlds`; `right` is what a right method has.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    right: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
    worlds: u64,
}

/// Worlds at which 92.5 to 97.5% is asked of every touchpoint.
const WORLDS_OF_A_TOUCHPOINT: u64 = 1_000;

/// The targets of one scenario. `error`: see [`super::Request::false_alarm`].
pub fn targets(figures: &Figures, ids: &[String], error: f64) -> Vec<Target> {
    let mut list = List { figures, ids, error, targets: Vec::new() };
    list.coverages();
    list.rates();
    for mutant in figures.scenario.mutants {
        list.mutant(*mutant);
    }
    list.targets
}

/// Touchpoints of the fit whose coverage is held by no target of their own: thin in more than half of the worlds,
/// or never met.
pub fn not_held(figures: &Figures, ids: &[String]) -> Vec<String> {
    let Some(right) = figures.scenario.right else { return Vec::new() };
    let of = |touchpoint: usize| {
        let cells = figures.cells.iter().filter(|(what, _)| {
            what.method == right
                && usize::from(what.touchpoint) == touchpoint
                && what.against != Against::Store
        });
        cells.map(|(_, cell)| cell.intervals).max().unwrap_or(0)
    };
    let most = (0..ids.len()).map(of).max().unwrap_or(0);
    let is_held = |touchpoint: &usize| most == 0 || 2 * of(*touchpoint) >= most;
    (0..ids.len()).filter(|at| !is_held(at)).map(|at| ids[at].clone()).collect()
}

struct List<'a> {
    figures: &'a Figures<'a>,
    ids: &'a [String],
    error: f64,
    targets: Vec<Target>,
}

impl List<'_> {
    fn blank(&self, method: Method, sentence: impl Into<String>) -> Target {
        Target {
            scenario: self.figures.scenario.name,
            method: method.as_str(),
            touchpoint: None,
            sentence: sentence.into(),
            worlds: 0,
            figure: f64::NAN,
            low: None,
            high: None,
            at_least: None,
            at_most: None,
            held_at_least: None,
            held_at_most: None,
            false_alarm: None,
            is_of_a_mutant: false,
        }
    }

    /// A share of worlds.
    fn share(&self, blank: Target, found: u64, worlds: u64, wanted: Wanted) -> Target {
        let n = worlds as f64;
        let (mut least, mut most) = (wanted.at_least, wanted.at_most);
        if worlds < wanted.worlds {
            let fewest = chance::fewest(worlds, wanted.right, self.error / 2.0) as f64 / n;
            let greatest = chance::most(worlds, wanted.right, self.error / 2.0) as f64 / n;
            (least, most) = (least.map(|x| x.min(fewest)), most.map(|x| x.max(greatest)));
        }
        Target {
            worlds,
            figure: found as f64 / n,
            low: Some(chance::lower_bound(found, worlds, LEVEL)),
            high: Some(chance::upper_bound(found, worlds, LEVEL)),
            at_least: wanted.at_least,
            at_most: wanted.at_most,
            held_at_least: least,
            held_at_most: most,
            false_alarm: Some(chance::outside(worlds, wanted.right, least, most)),
            ..blank
        }
    }

    /// A mean over worlds, with its standard error.
    fn mean(&self, blank: Target, figure: f64, std_error: f64, worlds: u64, wanted: Wanted) -> Target {
        let (mut least, mut most) = (wanted.at_least, wanted.at_most);
        if worlds < wanted.worlds {
            let reach = chance::reach(worlds, self.error / 2.0) * std_error;
            (least, most) =
                (least.map(|x| x.min(wanted.right - reach)), most.map(|x| x.max(wanted.right + reach)));
        }
        let beyond = |distance: f64| match std_error > 0.0 {
            true => chance::beyond(worlds, distance / std_error),
            false => 0.0,
        };
        let alarm = least.map_or(0.0, |least| beyond(wanted.right - least))
            + most.map_or(0.0, |most| beyond(most - wanted.right));
        let reach = chance::reach(worlds, 1.0 - LEVEL) * std_error;
        Target {
            worlds,
            figure,
            low: Some(figure - reach),
            high: Some(figure + reach),
            at_least: wanted.at_least,
            at_most: wanted.at_most,
            held_at_least: least,
            held_at_most: most,
            false_alarm: Some(alarm),
            ..blank
        }
    }

    /// Coverage of what is right here: all touchpoints together, and each.
    fn coverages(&mut self) {
        let scenario = self.figures.scenario;
        let Some(right) = scenario.right else { return };
        for (kind, pooled) in self.figures.pooled.iter().filter(|(kind, _)| kind.method == right) {
            let said = match kind.against {
                Against::Store => "coverage of stores' own effects of lateness".to_string(),
                against => {
                    format!("coverage of {} {}, {}", kind.estimand, kind.measure.as_str(), against.as_str())
                }
            };
            let (at_least, at_most) = self.pooled_bounds(kind);
            let wanted = Wanted { right: 0.95, at_least, at_most, worlds: scenario.worlds as u64 };
            if pooled.worlds >= 8 {
                let blank = self.blank(right, format!("{said}, all touchpoints together"));
                let target = self.mean(blank, pooled.coverage(), pooled.std_error(), pooled.worlds, wanted);
                self.targets.push(target);
            }
            if kind.against != Against::Store && at_most.is_some() {
                self.of_touchpoints(kind, &said);
            }
        }
    }

    /// Of all touchpoints together: within a point where nothing is unmeasured; where the method has more to
    /// put right, no lower than every single one may be.
    fn pooled_bounds(&self, kind: &Kind) -> (Option<f64>, Option<f64>) {
        match (self.figures.scenario.name, kind.against) {
            (_, Against::Store) => (Some(0.925), None),
            ("ordinary" | "ordinary, small" | "ordinary, large" | "null" | "survey lag", _) => {
                (Some(0.94), Some(0.96))
            }
            ("store-week shocks" | "no order ids" | "mixed links", _) => (Some(0.925), Some(0.975)),
            ("few exposed", _) => (Some(0.93), None),
            _ => (Some(0.925), None),
        }
    }

    fn of_touchpoints(&mut self, kind: &Kind, said: &str) {
        let cells: Vec<(&What, &Cell)> = self
            .figures
            .cells
            .iter()
            .filter(|(what, cell)| what.kind() == *kind && cell.intervals > 0)
            .collect();
        // One that is thin in most worlds has no coverage to speak of.
        let most = cells.iter().map(|(_, cell)| cell.intervals).max().unwrap_or(0);
        for (what, cell) in cells.iter().filter(|(_, cell)| 2 * cell.intervals >= most) {
            let wanted = Wanted {
                right: 0.95,
                at_least: Some(0.925),
                at_most: Some(0.975),
                worlds: WORLDS_OF_A_TOUCHPOINT,
            };
            let id = self.ids[usize::from(what.touchpoint)].clone();
            let blank = Target { touchpoint: Some(id), ..self.blank(kind.method, said) };
            let target = self.share(blank, cell.covered, cell.intervals, wanted);
            self.targets.push(target);
        }
    }

    fn rate(&self, name: &str) -> Option<Rate> {
        self.figures.rates.get(name).copied()
    }

    fn rates(&mut self) {
        let scenario = self.figures.scenario;
        let worlds = scenario.worlds as u64;
        let ours = scenario.right.unwrap_or(Method::Ours);
        let share = |right, at_least, at_most| Wanted { right, at_least, at_most, worlds };
        let mut add_share = |name: &str, said: &str, wanted: Wanted| {
            if let Some(rate) = self.rate(name) {
                let target = self.share(self.blank(ours, said), rate.found(), rate.worlds, wanted);
                self.targets.push(target);
            }
        };
        match scenario.name {
            "ordinary" => {
                add_share(
                    "true ranks allowed",
                    "worlds whose rank intervals hold every true rank",
                    share(0.95, Some(0.93), None),
                );
                add_share(
                    "placebo speaks up",
                    "worlds whose placebo speaks against any touchpoint, without cause",
                    share(0.05, None, Some(0.065)),
                );
            }
            "null" => {
                add_share("any discovery", "worlds with any q up to .05", share(0.05, None, Some(0.065)))
            }
            "grumpy customers" => add_share(
                "placebo speaks up on tickets",
                "worlds that say so: the placebo speaks against `ticket_opened`",
                share(0.8, Some(0.8), None),
            ),
            "response by class and tickets" => add_share(
                "weights matter on tickets",
                "worlds that say so: weighted and unweighted effects of `ticket_opened` part",
                share(0.8, Some(0.8), None),
            ),
            "response alike" => add_share(
                "weights matter on tickets",
                "worlds whose weighted and unweighted effects of `ticket_opened` part, without cause",
                share(0.05, None, Some(0.065)),
            ),
            "aliases" => {
                add_share("alias is named", "worlds that name the alias", share(1.0, Some(1.0), None))
            }
            "few exposed" => add_share("fits that fail", "fits that fail", share(0.0, None, Some(0.0))),
            _ => {}
        }
        if !matches!(scenario.name, "ordinary" | "few exposed") {
            return;
        }
        if let Some(rate) = self.rate("false discoveries") {
            let most = Some(0.05 + 2.0 * rate.std_error());
            let wanted = Wanted { right: 0.05, at_least: None, at_most: most, worlds };
            let blank = self.blank(Method::Ours, "mean share of false discoveries");
            let target = self.mean(blank, rate.mean(), rate.std_error(), rate.worlds, wanted);
            self.targets.push(target);
        }
        if let Some(rate) = self.rate("pairs in the right order") {
            let wanted = Wanted { right: 1.0, at_least: Some(0.99), at_most: None, worlds };
            let blank = self.blank(Method::Ours, "pairs further apart than 4 SE in the right order");
            let target = self.mean(blank, rate.mean(), rate.std_error(), rate.worlds, wanted);
            self.targets.push(target);
        }
    }

    /// A wrong method must be seen to miss the touchpoint that it names, and the right one to cover it on the
    /// same worlds.
    fn mutant(&mut self, mutant: Mutant) {
        match mutant.method {
            Method::LeaveOneOut => self.leave_one_out(mutant),
            Method::NeverPenalised => self.failing_fits(mutant.method, "unpenalised fits that fail", 0.05),
            Method::AliasKept => self.failing_fits(mutant.method, "fits with an alias that fail", 0.5),
            _ => self.coverage_of(mutant),
        }
    }

    fn coverage_of(&mut self, mutant: Mutant) {
        let scenario = self.figures.scenario;
        let touchpoint = self.ids.iter().position(|id| id == mutant.misses);
        let of = |method: Method| {
            let cells = self.figures.beside_mutants.iter().filter(|(what, cell)| {
                what.method == method
                    && Some(usize::from(what.touchpoint)) == touchpoint
                    && what.estimand == TOTAL
                    && what.against != Against::These
                    && cell.intervals > 0
            });
            // Where both are measured, in the measure that the right method is held to.
            let measured = cells.map(|(what, cell)| (what.measure, *cell)).collect::<Vec<_>>();
            let wanted = if scenario.right == Some(Method::Offset) {
                Measure::RiskDifference
            } else {
                Measure::NpsPoints
            };
            let in_wanted = measured.iter().find(|(measure, _)| *measure == wanted);
            in_wanted.or(measured.first()).map(|(_, cell)| *cell).unwrap_or_default()
        };
        let (wrong, right) = (of(mutant.method), scenario.right.map(of));
        let blank = Target {
            touchpoint: Some(mutant.misses.into()),
            is_of_a_mutant: true,
            at_most: Some(0.9),
            held_at_most: Some(0.9),
            ..self.blank(mutant.method, "wrong: its coverage")
        };
        let intervals = wrong.intervals;
        self.targets.push(match intervals {
            0 => blank,
            _ => Target {
                worlds: intervals,
                figure: wrong.covered as f64 / intervals as f64,
                low: Some(chance::lower_bound(wrong.covered, intervals, LEVEL)),
                high: Some(chance::upper_bound(wrong.covered, intervals, LEVEL)),
                false_alarm: Some(looks_wrong(intervals)),
                ..blank
            },
        });
        let (Some(method), Some(right)) = (scenario.right, right) else { return };
        let said = format!("coverage on the same worlds as {}", mutant.method.as_str());
        let blank = Target { touchpoint: Some(mutant.misses.into()), ..self.blank(method, said) };
        let wanted =
            Wanted { right: 0.95, at_least: Some(0.925), at_most: None, worlds: WORLDS_OF_A_TOUCHPOINT };
        let target = match right.intervals {
            0 => Target { at_least: wanted.at_least, held_at_least: wanted.at_least, ..blank },
            intervals => self.share(blank, right.covered, intervals, wanted),
        };
        self.targets.push(target);
    }

    fn failing_fits(&mut self, method: Method, name: &str, at_least: f64) {
        let blank = Target {
            is_of_a_mutant: true,
            at_least: Some(at_least),
            held_at_least: Some(at_least),
            ..self.blank(method, format!("wrong: {name}"))
        };
        self.targets.push(match self.rate(name) {
            None => blank,
            Some(rate) => Target {
                worlds: rate.worlds,
                figure: rate.mean(),
                low: Some(chance::lower_bound(rate.found(), rate.worlds, LEVEL)),
                high: Some(chance::upper_bound(rate.found(), rate.worlds, LEVEL)),
                ..blank
            },
        });
    }

    /// It has no interval: it must find something in a touchpoint that does nothing, and ours nothing.
    fn leave_one_out(&mut self, mutant: Mutant) {
        let of = |method: Method| {
            let is_meant = |what: &What| {
                what.method == method
                    && what.estimand == TOTAL
                    && what.against == Against::Process
                    && what.measure == Measure::NpsPoints
                    && self.ids[usize::from(what.touchpoint)] == mutant.misses
            };
            let cell = self.figures.beside_mutants.iter().find(|(what, _)| is_meant(what));
            cell.map(|(_, cell)| (*cell, cell.spread().unwrap_or(f64::NAN) / (cell.worlds as f64).sqrt()))
        };
        let said = "NPS points of what does nothing";
        let wanted = Wanted { right: 0.0, at_least: Some(0.1), at_most: None, worlds: 0 };
        let blank =
            |method: Method| Target { touchpoint: Some(mutant.misses.into()), ..self.blank(method, said) };
        let wrong = Target { is_of_a_mutant: true, ..blank(mutant.method) };
        let found = match of(mutant.method) {
            Some((cell, error)) => {
                let target = self.mean(wrong, cell.mean_estimate(), error, cell.worlds, wanted);
                // A right one finds nothing, and its lower bound lies a reach below that.
                let reach = chance::reach(cell.worlds, 1.0 - LEVEL);
                let false_alarm = Some(chance::beyond(cell.worlds, 0.1 / error + reach));
                Target { sentence: format!("wrong: {said}"), false_alarm, ..target }
            }
            None => Target { at_least: wanted.at_least, held_at_least: wanted.at_least, ..wrong },
        };
        let ours = of(Method::Ours).map(|(cell, error)| {
            let reach = chance::reach(cell.worlds, self.error / 2.0) * error;
            let wanted = Wanted { right: 0.0, at_least: Some(-reach), at_most: Some(reach), worlds: 0 };
            self.mean(blank(Method::Ours), cell.mean_estimate(), error, cell.worlds, wanted)
        });
        self.targets.push(found);
        self.targets.extend(ours);
    }
}

/// The probability that a method that covers 95% has an upper bound below .9.
fn looks_wrong(worlds: u64) -> f64 {
    let is_red = |covered: &u64| chance::upper_bound(*covered, worlds, LEVEL) < 0.9;
    let reds = (0..=worlds).take_while(is_red).count() as u64;
    if reds == 0 { 0.0 } else { chance::at_most(reds - 1, worlds, 0.95) }
}
