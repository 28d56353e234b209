//! One world: analysed as the pipeline does it, and by wrong methods, each against the planted truth.

use super::sample::{LAG, STORE, Sample, Touchpoints};
use super::scenarios::{Method, Scenario};
use crate::drivers::estimates::{Estimates, Rules};
use crate::generate::World;
use crate::generate::truth::{self, Truth};
use crate::stats::analysis::{Analysis, Missing};
use crate::stats::effects::{Effects, Estimand, Fits};
use crate::stats::logit::{self, Penalty};
use crate::stats::measures::Interval;
use crate::stats::own_slopes;
use crate::stats::placebo;
use crate::stats::problem::{Class, Problem, State};
use crate::stats::response;
use crate::stats::segments;
use crate::stats::sensitivity;
use crate::stats::verdict::{Margins, Verdict};

/// Which truth an interval is to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    /// What the touchpoint did to exactly these answers (κ = 0).
    These,
    /// What it does in the process behind them (κ = 1).
    Process,
    /// In one store.
    Store,
}

impl Against {
    pub fn as_str(self) -> &'static str {
        match self {
            Against::These => "these answers",
            Against::Process => "process",
            Against::Store => "store",
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    NpsPoints,
    RiskDifference,
}

impl Measure {
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::NpsPoints => "nps_points",
            Measure::RiskDifference => "risk_difference",
        }
    }
}

/// Of what an estimate is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct What {
    pub method: Method,
    pub estimand: &'static str,
    pub measure: Measure,
    pub against: Against,
    pub touchpoint: u16,
}

/// One estimate beside the truth.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub what: What,
    pub estimate: f64,
    pub std_error: Option<f64>,
    /// None where there is no interval.
    pub is_covered: Option<bool>,
    pub truth: f64,
}

/// What one world showed.
#[derive(Debug, Default)]
pub struct Shown {
    pub seen: Vec<Seen>,
    /// Yes-or-no facts and shares, by name.
    pub facts: Vec<(&'static str, f64)>,
}

/// What all worlds of a scenario share.
pub struct Setting<'a> {
    pub scenario: &'a Scenario,
    pub touchpoints: &'a Touchpoints,
    /// Of the process behind the worlds.
    pub population: &'a Truth,
    pub seed: u64,
}

pub const RULES: Rules =
    Rules { min_responses: 30, margins: Margins { nps_points: 0.1, risk_difference: 0.01 } };

const DIRECT: &str = "direct";
const TOTAL: &str = "total";

impl Setting<'_> {
    /// World number `number` of the scenario.
    pub fn show(&self, number: usize) -> Shown {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(number as u64 + 1);
        let world = World { seed, twists: self.scenario.twists, ..World::default() };
        let mut sample = Sample::of(&world, self.scenario.whose, self.scenario.answers, self.touchpoints);
        let mut shown = Shown::default();
        match self.scenario.name {
            "response by tickets" | "response by class" | "response by class and tickets" => {
                self.of_response(&sample, number, &mut shown);
            }
            "store effects" => self.of_stores(&world, &sample, number, &mut shown),
            "aliases" => self.of_aliases(&mut sample, &mut shown),
            _ => self.of_estimates(&sample, number, &mut shown),
        }
        shown
    }

    fn runs(&self, method: Method, number: usize) -> bool {
        self.scenario.methods.contains(&method)
            && (method == self.scenario.methods[0] || number < self.scenario.mutant_worlds)
    }

    fn of_estimates(&self, sample: &Sample, number: usize, shown: &mut Shown) {
        let usual = sample.usual();
        let crossed = self.scenario.twists.store_week_sd > 0.0;
        let clusters: Vec<&[u32]> =
            if crossed { vec![&sample.customers, &sample.store_weeks] } else { vec![&sample.customers] };
        let problem = sample.problem(self.touchpoints, &usual, clusters, None);
        let Ok(analysis) = Analysis::of(&problem, 1) else { return };
        let estimates = Estimates::of(&analysis, &RULES, &self.touchpoints.levers());
        self.add(Method::Ours, TOTAL, &analysis, &estimates.total, &sample.truth, shown);
        self.add(Method::Ours, DIRECT, &analysis, &estimates.direct, &sample.truth, shown);
        self.facts(&analysis, &estimates, shown);
        if self.scenario.twists.has_grumpy_customers {
            self.previous_answers(sample, shown);
        }
        for method in [Method::WithoutTheWhole, Method::NothingAlongside, Method::OtherStatesLeftOut] {
            if self.runs(method, number) {
                let fits = Fits::with(&analysis, |touchpoint| self.wrong_set(&analysis, method, touchpoint));
                let total = fits.effects(&analysis, Estimand::Total);
                self.add(method, TOTAL, &analysis, &total, &sample.truth, shown);
            }
        }
        if self.runs(Method::NoTimeTerm, number) {
            let fewer: Vec<&str> = usual.iter().copied().filter(|name| *name != LAG).collect();
            self.total_of(Method::NoTimeTerm, sample, &fewer, vec![&sample.customers], shown);
        }
        if self.runs(Method::CustomersOnly, number) {
            self.total_of(Method::CustomersOnly, sample, &usual, vec![&sample.customers], shown);
        }
        if self.runs(Method::NeverPenalised, number) {
            never_penalised(&analysis, shown);
        }
        if self.runs(Method::LeaveOneOut, number) {
            self.leave_one_out(sample, shown);
        }
    }

    fn total_of(
        &self,
        method: Method,
        sample: &Sample,
        covariates: &[&str],
        clusters: Vec<&[u32]>,
        shown: &mut Shown,
    ) {
        let problem = sample.problem(self.touchpoints, covariates, clusters, None);
        let Ok(analysis) = Analysis::of(&problem, 1) else { return };
        let total = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        self.add(method, TOTAL, &analysis, &total, &sample.truth, shown);
    }

    /// Which touchpoints stand in the model of a wrong total effect.
    fn wrong_set(&self, analysis: &Analysis, method: Method, touchpoint: usize) -> Vec<bool> {
        let order = &analysis.order;
        let set = order.adjustment(touchpoint);
        let mut has = order.in_total_model(touchpoint);
        let left_out = match method {
            Method::WithoutTheWhole => set.wider,
            Method::NothingAlongside => {
                let exclusive = order.exclusive(touchpoint);
                set.alongside.into_iter().filter(|other| !exclusive.contains(other)).collect()
            }
            Method::OtherStatesLeftOut => {
                let exclusive = order.exclusive(touchpoint);
                let parts = exclusive.iter().flat_map(|other| order.parts(*other).to_vec());
                exclusive.iter().copied().chain(parts).collect()
            }
            _ => Vec::new(),
        };
        left_out.into_iter().for_each(|other| has[other] = false);
        has
    }

    /// Adds estimates of every touchpoint that is not thin, against both truths.
    fn add(
        &self,
        method: Method,
        estimand: &'static str,
        analysis: &Analysis,
        effects: &Effects,
        sample: &Truth,
        shown: &mut Shown,
    ) {
        for (touchpoint, effect) in effects.of.iter().enumerate() {
            let Ok(effect) = effect else { continue };
            let few = self.scenario.name == "few exposed";
            let clusters = analysis.support[touchpoint].exposed_clusters;
            if few && !(10..=50).contains(&clusters) || !few && analysis.support[touchpoint].is_thin() {
                continue;
            }
            let points = effect.measures.nps_points;
            for (against, interval, truth) in
                [(Against::These, points.these, sample), (Against::Process, points.process, self.population)]
            {
                let truth = truth_of(truth, self.id(touchpoint), estimand);
                let what = What { estimand, against, ..process(method, touchpoint) };
                shown.seen.extend(seen(what, points.value, interval, truth));
            }
        }
    }

    fn id(&self, touchpoint: usize) -> &str {
        &self.touchpoints.of_fit[touchpoint].id
    }

    /// Error rates and ranks of one world.
    fn facts(&self, analysis: &Analysis, estimates: &Estimates, shown: &mut Shown) {
        let truth = |touchpoint: usize| truth_of(self.population, self.id(touchpoint), TOTAL);
        let found: Vec<usize> = (0..estimates.q_values.len())
            .filter(|t| estimates.q_values[*t].is_some_and(|q| q <= 0.05))
            .collect();
        let is_false = |touchpoint: &&usize| {
            let points =
                estimates.total.of[**touchpoint].as_ref().map_or(0.0, |e| e.measures.nps_points.value);
            truth(**touchpoint) == 0.0 || (truth(**touchpoint) > 0.0) != (points > 0.0)
        };
        shown.facts.push(("any discovery", f64::from(u8::from(!found.is_empty()))));
        let wrong = found.iter().filter(is_false).count();
        shown.facts.push(("false discoveries", wrong as f64 / found.len().max(1) as f64));
        let says = |touchpoint: usize| {
            matches!(estimates.verdicts[touchpoint], Verdict::DrivesDetractors | Verdict::Protects)
        };
        let nothings = (0..estimates.verdicts.len()).filter(|t| truth(*t) == 0.0);
        shown.facts.push(("verdicts on nothing", nothings.filter(|t| says(*t)).count() as f64));
        let thin = (0..estimates.verdicts.len()).filter(|t| analysis.support[*t].is_thin());
        shown.facts.push(("verdicts on thin ones", thin.filter(|t| says(*t)).count() as f64));
        let Some(covariance) = &estimates.total.covariance else { return };
        let points = |touchpoint: usize| {
            estimates.total.of[touchpoint].as_ref().map_or(0.0, |effect| effect.measures.nps_points.value)
        };
        let (mut judged, mut right) = (0, 0);
        for (i, one) in estimates.total.estimated.iter().enumerate() {
            for (j, other) in estimates.total.estimated.iter().enumerate().take(i) {
                let error =
                    (covariance[(i, i)] + covariance[(j, j)] - 2.0 * covariance[(i, j)]).max(0.0).sqrt();
                let apart = truth(*one) - truth(*other);
                if apart.abs() > 4.0 * error {
                    judged += 1;
                    right += i32::from((points(*one) > points(*other)) == (apart > 0.0));
                }
            }
        }
        if judged > 0 {
            shown.facts.push(("pairs in the right order", f64::from(right) / f64::from(judged)));
        }
        // Is every lever's true rank among those that the data allow?
        let ranked: Vec<usize> =
            (0..estimates.ranks.len()).filter(|t| estimates.ranks[*t].is_some()).collect();
        let allowed = ranked.iter().all(|touchpoint| {
            let (own, others) = (truth(*touchpoint), || ranked.iter().map(|other| truth(*other)));
            let (best, worst) = (
                1 + others().filter(|other| *other > own).count(),
                others().filter(|other| *other >= own).count(),
            );
            // Equal truths share their ranks: any of them will do.
            estimates.ranks[*touchpoint].as_ref().is_some_and(|rank| rank.low <= worst && best <= rank.high)
        });
        shown.facts.push(("true ranks allowed", f64::from(u8::from(allowed))));
    }

    /// NPS of all minus NPS of those who did not meet it, as the usual tools have it.
    fn leave_one_out(&self, sample: &Sample, shown: &mut Shown) {
        let value = |class: &Class| match class {
            Class::Promoter => 100.0,
            Class::Passive => 0.0,
            Class::Detractor => -100.0,
        };
        let mean = |counts: &dyn Fn(usize) -> bool| {
            let counted = (0..sample.classes.len()).filter(|answer| counts(*answer));
            let (sum, n) =
                counted.fold((0.0, 0.0), |(sum, n), answer| (sum + value(&sample.classes[answer]), n + 1.0));
            if n > 0.0 { sum / n } else { 0.0 }
        };
        let all = mean(&|_| true);
        for (touchpoint, states) in sample.states.iter().enumerate() {
            let without = mean(&|answer| states[answer] != State::Yes);
            let truth = truth_of(self.population, self.id(touchpoint), TOTAL);
            shown.seen.extend(seen(process(Method::LeaveOneOut, touchpoint), without - all, None, truth));
        }
    }

    /// Does the placebo tell that customers differ by more than is measured?
    fn previous_answers(&self, sample: &Sample, shown: &mut Shown) {
        let mut last: std::collections::BTreeMap<u32, Class> = std::collections::BTreeMap::new();
        // A customer's orders stand one after the other.
        let previous: Vec<Option<Class>> = sample
            .customers
            .iter()
            .zip(&sample.classes)
            .map(|(customer, class)| last.insert(*customer, *class))
            .collect();
        let usual = sample.usual();
        let problem = sample.problem(self.touchpoints, &usual, vec![&sample.customers], None);
        let (classes, weights) = placebo::previous_answers(&problem, &previous);
        let problem = Problem { classes: &classes, weights: Some(&weights), ..problem };
        let Ok(analysis) = Analysis::of(&problem, 1) else { return };
        let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        let ticket = self.touchpoints.position("ticket_opened");
        let p_value =
            ticket.and_then(|at| effects.of[at].as_ref().ok()).and_then(|effect| effect.measures.p_value);
        shown
            .facts
            .push(("placebo speaks up on tickets", f64::from(u8::from(p_value.is_some_and(|p| p <= 0.05)))));
    }

    fn of_aliases(&self, sample: &mut Sample, shown: &mut Shown) {
        let (Some(late), usual) = (self.touchpoints.position("late"), sample.usual()) else { return };
        let mut problem = sample.problem(self.touchpoints, &usual, vec![&sample.customers], None);
        let mut alias = problem.touchpoints[late].clone();
        (alias.id, alias.factor) = ("delayed".into(), None);
        problem.touchpoints.push(alias);
        let Ok(analysis) = Analysis::of(&problem, 1) else { return };
        let mut levers = self.touchpoints.levers();
        levers.push(true);
        let estimates = Estimates::of(&analysis, &RULES, &levers);
        let named = matches!(estimates.total.of[problem.touchpoints.len() - 1], Err(Missing::Same(_)));
        shown.facts.push(("alias is named", f64::from(u8::from(named))));
        self.add(Method::Ours, TOTAL, &analysis, &without_last(&estimates.total), &sample.truth, shown);
    }

    /// What a response model, and an offset, put right.
    fn of_response(&self, sample: &Sample, number: usize, shown: &mut Shown) {
        let usual = sample.usual();
        let everyone = sample.problem(self.touchpoints, &usual, vec![&sample.customers], None);
        if self.runs(Method::Weighted, number)
            && let Ok(everyone) = Analysis::of(&everyone, 1)
            && let Ok(model) = response::response(&everyone, &sample.is_answered)
            && let Ok(weighted) = response::weighted_effects(&everyone, &sample.is_answered, &model)
        {
            for (touchpoint, found) in weighted.iter().enumerate() {
                let Ok(found) = found else { continue };
                let truth = truth_of(self.population, self.id(touchpoint), TOTAL);
                let points = found.nps_points;
                if !everyone.support[touchpoint].is_thin() {
                    let what = process(Method::Weighted, touchpoint);
                    shown.seen.extend(seen(what, points.value, points.process, truth));
                }
            }
        }
        let weights: Vec<f64> =
            sample.is_answered.iter().map(|answered| f64::from(u8::from(*answered))).collect();
        let answered = sample.problem(self.touchpoints, &usual, vec![&sample.customers], Some(&weights));
        let Ok(analysis) = Analysis::of(&answered, 1) else { return };
        let fits = Fits::of(&analysis);
        if self.runs(Method::Unweighted, number) {
            let total = fits.effects(&analysis, Estimand::Total);
            self.add_process(Method::Unweighted, &analysis, &total, shown);
        }
        if self.runs(Method::Offset, number) {
            // As planted: detractors twice as readily as promoters, passives 1.2 times.
            let total = sensitivity::at_ratios(&analysis, &fits, 1.2, 2.0);
            self.add_process(Method::Offset, &analysis, &total, shown);
        }
    }

    fn add_process(&self, method: Method, analysis: &Analysis, effects: &Effects, shown: &mut Shown) {
        for (touchpoint, effect) in effects.of.iter().enumerate() {
            let Ok(effect) = effect else { continue };
            if analysis.support[touchpoint].is_thin() {
                continue;
            }
            let (id, measures) = (self.id(touchpoint), &effect.measures);
            let what = process(method, touchpoint);
            if method != Method::Offset {
                // An offset puts the risk of the exposed right, not who they are among all.
                let truth = truth_of(self.population, id, TOTAL);
                let points = measures.nps_points;
                shown.seen.extend(seen(what, points.value, points.process, truth));
            }
            let what = What { measure: Measure::RiskDifference, ..what };
            let (risk, truth) = (measures.risk_difference, risk_of(self.population, id));
            shown.seen.extend(seen(what, risk.value, risk.process, truth));
        }
    }

    /// Each store's own effect of lateness, and the whole's applied to the store.
    fn of_stores(&self, world: &World, sample: &Sample, number: usize, shown: &mut Shown) {
        let Some(late) = self.touchpoints.position("late") else { return };
        let names: Vec<&str> = sample.covariates.iter().map(|column| column.name).collect();
        let problem = sample.problem(self.touchpoints, &names, vec![&sample.customers], None);
        let Ok(analysis) = Analysis::of(&problem, 1) else { return };
        let fits = Fits::of(&analysis);
        let truths = truth::late_by_store(world, sample.classes.len());
        let Some(covariate) = problem.covariates.iter().position(|covariate| covariate.name == STORE) else {
            return;
        };
        let Ok(fitted) = fits.behind(Estimand::Total, late) else { return };
        if let Some(own) = own_slopes::own_effects(&analysis, fitted, late, covariate) {
            let levels = &analysis.patterns.levels[covariate];
            for (code, level) in levels.level_of.iter().enumerate() {
                let Some(effect) = &own.levels[usize::from(*level)] else { continue };
                let Some(truth) =
                    store_of(&problem.covariates[covariate].levels[code]).and_then(|s| truths[s])
                else {
                    continue;
                };
                let risk = effect.risk_difference;
                shown.seen.extend(seen(in_a_store(Method::Ours, late), risk.value, risk.process, truth));
            }
            shown
                .facts
                .push(("stores are said to differ", f64::from(u8::from(own.homogeneity.p_value <= 0.05))));
        }
        if self.runs(Method::WholeApplied, number) {
            let of_stores = segments::segment_effects(&analysis, &fits, Estimand::Total, &sample.stores, 40);
            for (store, of_store) in of_stores.iter().enumerate() {
                let (Some(effect), Some(truth)) = (&of_store.of[late], truths[store]) else { continue };
                let risk = effect.measures.risk_difference;
                shown.seen.extend(seen(
                    in_a_store(Method::WholeApplied, late),
                    risk.value,
                    risk.process,
                    truth,
                ));
            }
        }
    }
}

/// A total effect in NPS points, in the process behind the answers.
fn process(method: Method, touchpoint: usize) -> What {
    What {
        method,
        estimand: TOTAL,
        measure: Measure::NpsPoints,
        against: Against::Process,
        touchpoint: touchpoint as u16,
    }
}

fn in_a_store(method: Method, touchpoint: usize) -> What {
    What { measure: Measure::RiskDifference, against: Against::Store, ..process(method, touchpoint) }
}

fn store_of(level: &str) -> Option<usize> {
    level.parse::<usize>().ok()?.checked_sub(1)
}

fn without_last(effects: &Effects) -> Effects {
    let mut fewer = effects.clone();
    fewer.of.pop();
    fewer
}

/// Does a model that is never penalised come to rest at all where few were exposed?
fn never_penalised(analysis: &Analysis, shown: &mut Shown) {
    let model = analysis.columns.model(&analysis.patterns, vec![true; analysis.touchpoints()], None);
    let cells = logit::cells(&model.weights);
    let fit = logit::fit::<2>(&model.rows, &cells, Penalty::Never, None, 1);
    let fails = fit.map_or(true, |fit| fit.looks_separated());
    shown.facts.push(("unpenalised fits that fail", f64::from(u8::from(fails))));
}

fn truth_of(truth: &Truth, id: &str, estimand: &str) -> f64 {
    // What was planted to do nothing has no entry.
    truth.touchpoints.get(id).map_or(0.0, |effects| {
        let effect = if estimand == DIRECT { &effects.direct } else { &effects.total };
        effect.nps_points
    })
}

fn risk_of(truth: &Truth, id: &str) -> f64 {
    truth.touchpoints.get(id).map_or(0.0, |effects| effects.total.risk_difference)
}

fn seen(what: What, estimate: f64, interval: Option<Interval>, truth: f64) -> Option<Seen> {
    estimate.is_finite().then(|| Seen {
        what,
        estimate,
        std_error: interval.map(|interval| interval.std_error),
        is_covered: interval.map(|interval| (interval.low..=interval.high).contains(&truth)),
        truth,
    })
}
