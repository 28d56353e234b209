//! One world: analysed as the pipeline does it, and by wrong methods, each against the planted truth.

use super::method::Method;
use super::sample::{LAG, STORE, Sample, Touchpoints};
use super::scenarios::Scenario;
use super::wrong;
use crate::config::Clusters;
use crate::drivers::estimates::{Estimates, Rules};
use crate::drivers::placebos;
use crate::generate::truth::{self, Truth};
use crate::generate::{Links, World};
use crate::stats::analysis::{Analysis, Missing};
use crate::stats::effects::{Effects, Estimand, Fits};
use crate::stats::measures::Interval;
use crate::stats::own_slopes;
use crate::stats::problem::Problem;
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
    /// ln of the risk ratio: its interval is made on that scale.
    LogRiskRatio,
}

impl Measure {
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::NpsPoints => "nps_points",
            Measure::RiskDifference => "risk_difference",
            Measure::LogRiskRatio => "log_risk_ratio",
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
    /// Of 95%.
    pub interval: Option<(f64, f64)>,
    pub truth: f64,
}

impl Seen {
    pub fn is_covered(&self) -> bool {
        self.interval.is_some_and(|(low, high)| (low..=high).contains(&self.truth))
    }
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

pub const DIRECT: &str = "direct";
pub const TOTAL: &str = "total";

impl Setting<'_> {
    /// World number `number` of the scenario.
    pub fn show(&self, number: usize) -> Shown {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(number as u64 + 1);
        let world = World { seed, twists: self.scenario.twists, ..World::default() };
        let Scenario { whose, links, answers, .. } = *self.scenario;
        let mut sample = Sample::linked(&world, whose, links, answers, self.touchpoints);
        let mut shown = Shown::default();
        match self.scenario.name {
            name if name.starts_with("response") => {
                self.of_response(&sample, number, &mut shown);
            }
            "store effects" => self.of_stores(&world, &sample, number, &mut shown),
            "aliases" => self.of_aliases(&mut sample, &mut shown),
            _ => self.of_estimates(&sample, number, &mut shown),
        }
        shown
    }

    pub fn runs(&self, method: Method, number: usize) -> bool {
        self.scenario.right == Some(method)
            || number < self.scenario.mutant_worlds
                && self.scenario.mutants.iter().any(|mutant| mutant.method == method)
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
        self.facts(&estimates, shown);
        if self.scenario.twists.has_grumpy_customers
            || self.scenario.name == "ordinary" && number < self.scenario.mutant_worlds
        {
            self.placebo(sample, &analysis, shown);
        }
        for method in [
            Method::WithoutTheWhole,
            Method::NothingAlongside,
            Method::OtherStatesLeftOut,
            Method::LaterHeldEqual,
        ] {
            if self.runs(method, number) {
                let fits = Fits::with(&analysis, |touchpoint| wrong::set(&analysis, method, touchpoint));
                let total = fits.effects(&analysis, Estimand::Total);
                self.add(method, TOTAL, &analysis, &total, &sample.truth, shown);
            }
        }
        if self.runs(Method::NoTimeTerm, number) {
            let fewer: Vec<&str> = usual.iter().copied().filter(|name| *name != LAG).collect();
            let problem = sample.problem(self.touchpoints, &fewer, vec![&sample.customers], None);
            self.total_of(Method::NoTimeTerm, &problem, sample, shown);
        }
        if self.runs(Method::CustomersOnly, number) {
            let problem = sample.problem(self.touchpoints, &usual, vec![&sample.customers], None);
            self.total_of(Method::CustomersOnly, &problem, sample, shown);
        }
        if self.runs(Method::LatestOrder, number) {
            let (states, clusters) = (&sample.of_latest, vec![&sample.customers[..]]);
            let problem = sample.problem_of(self.touchpoints, states, &usual, clusters, None);
            self.total_of(Method::LatestOrder, &problem, sample, shown);
        }
        if self.runs(Method::NeverPenalised, number) {
            shown.facts.push(("unpenalised fits that fail", wrong::fails_unpenalised(&analysis)));
            let has_failed = |effect: &Result<_, Missing>| matches!(effect, Err(Missing::NoFit(_)));
            let fails = estimates.total.of.iter().chain(&estimates.direct.of).any(has_failed);
            shown.facts.push(("fits that fail", fact(fails)));
        }
        if self.runs(Method::LeaveOneOut, number) {
            for (touchpoint, points) in wrong::leave_one_out(sample).into_iter().enumerate() {
                let truth = truth_of(self.population, self.id(touchpoint), TOTAL);
                shown.seen.extend(seen(process(Method::LeaveOneOut, touchpoint), points, None, truth));
            }
        }
    }

    fn total_of(&self, method: Method, problem: &Problem, sample: &Sample, shown: &mut Shown) {
        let Ok(analysis) = Analysis::of(problem, 1) else { return };
        let total = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        self.add(method, TOTAL, &analysis, &total, &sample.truth, shown);
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
            // Where answers name no order, a parcel may be overdue that is not the one whose ticket waits: what
            // that does through tickets no twin of one order tells.
            // And where some name theirs, parcels that are on their way in time are as a rule those of another order, which
            // this answer is not about: beside them `overdue` has what `not_delivered` does. Known, and not held.
            let has_order = self.scenario.links == Links::Named && !self.scenario.twists.has_no_order_ids;
            if !has_order && self.id(touchpoint) == "overdue" {
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
            if estimand == TOTAL && self.scenario.right == Some(method) {
                let ratio = effect.measures.risk_ratio;
                let log = |interval: Interval| Interval {
                    low: interval.low.ln(),
                    high: interval.high.ln(),
                    ..interval
                };
                let truth = ratio_of(self.population, self.id(touchpoint)).ln();
                let what = What { measure: Measure::LogRiskRatio, ..process(method, touchpoint) };
                shown.seen.extend(seen(what, ratio.value.ln(), ratio.process.map(log), truth));
            }
        }
    }

    fn id(&self, touchpoint: usize) -> &str {
        &self.touchpoints.of_fit[touchpoint].id
    }

    /// Error rates and ranks of one world.
    fn facts(&self, estimates: &Estimates, shown: &mut Shown) {
        let truth = |touchpoint: usize| truth_of(self.population, self.id(touchpoint), TOTAL);
        let found: Vec<usize> = (0..estimates.q_values.len())
            .filter(|t| estimates.q_values[*t].is_some_and(|q| q <= 0.05))
            .collect();
        let is_false = |touchpoint: &&usize| {
            let points =
                estimates.total.of[**touchpoint].as_ref().map_or(0.0, |e| e.measures.nps_points.value);
            truth(**touchpoint) == 0.0 || (truth(**touchpoint) > 0.0) != (points > 0.0)
        };
        shown.facts.push(("any discovery", fact(!found.is_empty())));
        let wrong = found.iter().filter(is_false).count();
        shown.facts.push(("false discoveries", wrong as f64 / found.len().max(1) as f64));
        let says = |touchpoint: usize| {
            matches!(estimates.verdicts[touchpoint], Verdict::DrivesDetractors | Verdict::Protects)
        };
        let nothings = (0..estimates.verdicts.len()).filter(|t| truth(*t) == 0.0);
        shown.facts.push(("verdicts on nothing", nothings.filter(|t| says(*t)).count() as f64));
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
        shown.facts.push(("true ranks allowed", fact(allowed)));
    }

    /// What the placebo of the previous answer says, as the guardrail of a run does.
    fn placebo(&self, sample: &Sample, analysis: &Analysis, shown: &mut Shown) {
        let Ok(Some(found)) = placebos::of_previous_answers(analysis.problem, sample.times(), 1) else {
            return;
        };
        let speaks = |at: usize| {
            let (_, q_value) = found[at].as_ref()?;
            q_value.map(placebos::speaks_against)
        };
        let any = (0..found.len()).any(|at| speaks(at) == Some(true));
        shown.facts.push(("placebo speaks up", fact(any)));
        if let Some(speaks) = self.touchpoints.position("ticket_opened").and_then(speaks) {
            shown.facts.push(("placebo speaks up on tickets", fact(speaks)));
        }
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
        shown.facts.push(("alias is named", fact(named)));
        shown.facts.push(("fits with an alias that fail", wrong::fails_with_an_alias(&analysis, late)));
        self.add(Method::Ours, TOTAL, &analysis, &without_last(&estimates.total), &sample.truth, shown);
    }

    /// What a response model, and an offset, put right.
    fn of_response(&self, sample: &Sample, number: usize, shown: &mut Shown) {
        let usual = sample.usual();
        let weights: Vec<f64> = sample.is_answered.iter().map(|answered| fact(*answered)).collect();
        let answered = sample.problem(self.touchpoints, &usual, vec![&sample.customers], Some(&weights));
        let Ok(analysis) = Analysis::of(&answered, 1) else { return };
        let fits = Fits::of(&analysis);
        let total = fits.effects(&analysis, Estimand::Total);
        if self.runs(Method::Weighted, number) {
            let problem = Problem { weights: None, ..answered.clone() };
            let found = sample.journeys(self.touchpoints).weighted(&problem, Clusters::Customer, 1);
            for (touchpoint, effect) in
                found.ok().flatten().iter().flat_map(|found| found.effects.iter().enumerate())
            {
                let Ok(effect) = effect else { continue };
                let points = effect.nps_points;
                if !analysis.support[touchpoint].is_thin() {
                    let truth = truth_of(self.population, self.id(touchpoint), TOTAL);
                    let what = process(Method::Weighted, touchpoint);
                    shown.seen.extend(seen(what, points.value, points.process, truth));
                }
                if self.id(touchpoint) == "ticket_opened"
                    && let (Some(weighted), Ok(unweighted)) = (points.process, &total.of[touchpoint])
                {
                    // Side by side, as they are published.
                    let value = unweighted.measures.nps_points.value;
                    let part = !(weighted.low..=weighted.high).contains(&value);
                    shown.facts.push(("weights matter on tickets", fact(part)));
                }
            }
        }
        if self.runs(Method::Unweighted, number) {
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
        let truths = truth::late_by_store(world, &self.touchpoints.plan, sample.classes.len());
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
            shown.facts.push(("stores are said to differ", fact(own.homogeneity.p_value <= 0.05)));
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
    level.strip_prefix('s')?.parse::<usize>().ok()?.checked_sub(1)
}

fn without_last(effects: &Effects) -> Effects {
    let mut fewer = effects.clone();
    fewer.of.pop();
    fewer
}

pub fn fact(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn truth_of(truth: &Truth, id: &str, estimand: &str) -> f64 {
    // What was planted to do nothing has no entry.
    truth.touchpoints.get(id).map_or(0.0, |effects| {
        let effect = if estimand == DIRECT { &effects.direct } else { &effects.total };
        effect.nps_points
    })
}

fn ratio_of(truth: &Truth, id: &str) -> f64 {
    truth.touchpoints.get(id).map_or(1.0, |effects| effects.total.risk_ratio)
}

fn risk_of(truth: &Truth, id: &str) -> f64 {
    truth.touchpoints.get(id).map_or(0.0, |effects| effects.total.risk_difference)
}

fn seen(what: What, estimate: f64, interval: Option<Interval>, truth: f64) -> Option<Seen> {
    estimate.is_finite().then(|| Seen {
        what,
        estimate,
        std_error: interval.map(|interval| interval.std_error),
        interval: interval.map(|interval| (interval.low, interval.high)),
        truth,
    })
}
