//! A problem made ready once: patterns, columns, clusters, who met what; and the models fitted to it.

use super::chunks;
use super::clusters::Grouping;
use super::design::{Columns, Dropped, Model};
use super::logit::{self, Fit, NoFit, Penalty};
use super::order::Order;
use super::patterns::Patterns;
use super::problem::{Fault, Problem, State};

/// Below so many clusters, or answers in a class, on either side of a comparison, large-sample intervals are not
/// to be believed and fits may separate: Firth's penalty, and no verdict.
const FEWEST_CLUSTERS: u64 = 30;
const FEWEST_IN_A_CLASS: u64 = 5;

/// A problem made ready.
#[derive(Debug)]
pub struct Analysis<'a> {
    pub problem: &'a Problem<'a>,
    pub order: Order,
    pub patterns: Patterns,
    pub columns: Columns,
    pub groupings: Vec<Grouping>,
    /// Per touchpoint.
    pub support: Vec<Support>,
    pub threads: usize,
}

/// How many answers stand behind a touchpoint. Answers, not weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Support {
    /// Exposed answers by class: promoters, passives, detractors.
    pub exposed: [u64; 3],
    /// Answers that have not met it.
    pub unexposed: [u64; 3],
    pub too_early: u64,
    pub unknown: u64,
    pub not_measured: u64,
    /// Clusters with at least one exposed answer; the smaller number of two groupings.
    pub exposed_clusters: u64,
    /// Answers that the exposed are compared with, by class: met all that it is part of, but neither it nor
    /// another state of its factor.
    pub comparable: [u64; 3],
    /// Clusters with such an answer, counted no further than matters: up to the larger of `exposed_clusters` and
    /// the number that makes thin.
    pub comparable_clusters: u64,
}

impl Support {
    pub fn exposed_answers(&self) -> u64 {
        self.exposed.iter().sum()
    }

    /// Met by somebody, and by so few, or by so nearly all, that nothing is to be said.
    pub fn is_thin(&self) -> bool {
        let few = |clusters: u64, classes: &[u64; 3]| {
            clusters < FEWEST_CLUSTERS || classes.iter().any(|n| *n < FEWEST_IN_A_CLASS)
        };
        self.exposed_answers() > 0
            && (few(self.exposed_clusters, &self.exposed) || few(self.comparable_clusters, &self.comparable))
    }

    /// Whether a class has no answer among the exposed, or among those they are compared with. What a penalised
    /// fit then says of its chances is the penalty's, and its residuals are next to nothing: no spread is known.
    pub fn lacks_a_class(&self) -> bool {
        self.exposed.iter().chain(&self.comparable).any(|n| *n == 0)
    }

    /// Of Student's t: clusters of the smaller side, less one; 0 where no spread is known.
    pub fn degrees(&self) -> f64 {
        self.degrees_of(self.exposed_clusters.min(self.comparable_clusters))
    }

    /// The same of so many clusters, such as those of a segment.
    pub fn degrees_of(&self, clusters: u64) -> f64 {
        if self.lacks_a_class() { 0.0 } else { clusters as f64 - 1.0 }
    }
}

/// A model and its fit.
#[derive(Debug)]
pub struct Fitted {
    pub model: Model,
    pub fit: Fit<2>,
}

/// Why a touchpoint has no estimate.
#[derive(Debug, Clone, PartialEq)]
pub enum Missing {
    /// No answer is known to have met it or not.
    NotMeasured,
    /// Nobody met it.
    NobodyMet,
    /// Everybody whose state is known met it.
    EverybodyMet,
    /// All who were spared it are in another state of its factor, or were spared what it is part of.
    NobodyToCompareWith,
    /// Other columns tell the same: see [`Dropped`].
    Same(Dropped),
    NoFit(NoFit),
}

impl<'a> Analysis<'a> {
    /// # Errors
    /// The [`Fault`] of a problem that was put wrongly.
    pub fn of(problem: &'a Problem<'a>, threads: usize) -> Result<Analysis<'a>, Fault> {
        problem.check()?;
        let order = Order::of(problem);
        let patterns = Patterns::of(problem);
        let (columns, groupings) = chunks::both(
            threads,
            || Columns::of(problem, &order, &patterns, threads),
            || Grouping::all(problem, &patterns),
        );
        let support = support(&order, &patterns, &groupings, threads);
        Ok(Analysis { problem, order, patterns, columns: columns?, groupings, support, threads })
    }

    pub fn touchpoints(&self) -> usize {
        self.problem.touchpoints.len()
    }

    /// Fits the model with these touchpoints; `near` is a fit to start from.
    ///
    /// # Errors
    /// [`NoFit`].
    pub fn fit(&self, has: Vec<bool>, near: Option<&Fitted>) -> Result<Fitted, NoFit> {
        self.fit_without(has, None, near)
    }

    /// The same without one of the covariates.
    ///
    /// # Errors
    /// [`NoFit`].
    pub fn fit_without(
        &self,
        has: Vec<bool>,
        covariate: Option<usize>,
        near: Option<&Fitted>,
    ) -> Result<Fitted, NoFit> {
        let [promoters, _, detractors] = self.patterns.by_class();
        if promoters <= 0.0 || detractors <= 0.0 {
            return Err(NoFit::ClassMissing);
        }
        let model = self.columns.model(&self.patterns, has, covariate);
        let is_thin = self.thin_in(&model).next().is_some();
        let penalty = if is_thin { Penalty::Always } else { Penalty::WhenSeparated };
        let start = near.map(|near| near.coefficients_for(&model));
        let cells = logit::cells(&model.weights);
        let fit = logit::fit::<2>(&model.rows, &cells, penalty, start.as_deref(), self.threads)?;
        Ok(Fitted { model, fit })
    }

    /// Thin touchpoints with a column in a model.
    pub fn thin_in(&self, model: &Model) -> impl Iterator<Item = usize> {
        (0..self.touchpoints())
            .filter(|t| model.column(*t, State::Yes).is_some() && self.support[*t].is_thin())
    }

    /// Why there is no estimate for a touchpoint in a fit; none if there can be one.
    pub fn missing(&self, fitted: Result<&Fitted, NoFit>, touchpoint: usize) -> Option<Missing> {
        let support = &self.support[touchpoint];
        let unexposed: u64 = support.unexposed.iter().sum();
        match (support.exposed_answers(), unexposed) {
            (0, 0) => Some(Missing::NotMeasured),
            (0, _) => Some(Missing::NobodyMet),
            (_, 0) => Some(Missing::EverybodyMet),
            _ => match fitted {
                Err(reason) => Some(Missing::NoFit(reason)),
                Ok(Fitted { model, .. }) if model.column(touchpoint, State::Yes).is_some() => {
                    // States of one factor are compared with the reference, which may be no one's.
                    let is_compared = support.comparable.iter().any(|n| *n > 0);
                    (!is_compared).then_some(Missing::NobodyToCompareWith)
                }
                Ok(Fitted { model, .. }) => Some(match model.why_dropped(touchpoint) {
                    Some(Dropped::EveryAnswer) => Missing::EverybodyMet,
                    Some(reason) => Missing::Same(reason.clone()),
                    None => Missing::NobodyMet,
                }),
            },
        }
    }
}

impl Fitted {
    /// Probabilities of promoter, passive and detractor for anybody: `code` of each covariate as the problem
    /// counts them, `state` of each touchpoint of the model.
    pub fn predict(
        &self,
        analysis: &Analysis,
        code: impl Fn(usize) -> u16,
        state: impl Fn(usize) -> State,
    ) -> [f64; 3] {
        let levels = analysis.patterns.levels.iter().enumerate();
        let of_covariates = levels.filter_map(|(covariate, levels)| {
            self.model.level_column(covariate, levels.level_of[usize::from(code(covariate))])
        });
        let of_touchpoints = (0..analysis.touchpoints())
            .filter(|touchpoint| self.model.has[*touchpoint])
            .filter_map(|touchpoint| self.model.column(touchpoint, state(touchpoint)));
        let columns = [0].into_iter().chain(of_covariates).chain(of_touchpoints);
        let [passive, detractor] = self.fit.probabilities_at(columns.map(|column| column as u16), &[0.0; 2]);
        [1.0 - passive - detractor, passive, detractor]
    }

    /// These coefficients in another model's columns, zero where it has more.
    fn coefficients_for(&self, other: &Model) -> Vec<f64> {
        let mut start = vec![0.0; other.columns.len() * 2];
        let mut from = 0;
        // Both lists are in the order of all columns.
        for (to, column) in other.columns.iter().enumerate() {
            if let Some(step) = self.model.columns[from..].iter().position(|one| one == column) {
                from += step;
                start[2 * to..2 * to + 2].copy_from_slice(&self.fit.coefficients[2 * from..2 * from + 2]);
            }
        }
        start
    }
}

fn support(order: &Order, patterns: &Patterns, groupings: &[Grouping], threads: usize) -> Vec<Support> {
    let mut all: Vec<Support> = vec![Support::default(); order.parents_first.len()];
    let counts = &patterns.counts;
    for (touchpoint, support) in all.iter_mut().enumerate() {
        for (state, counts) in patterns.states(touchpoint).zip(counts) {
            let answers: u64 = counts.iter().map(|n| u64::from(*n)).sum();
            match state {
                State::Yes => (0..3).for_each(|class| support.exposed[class] += u64::from(counts[class])),
                State::No => (0..3).for_each(|class| support.unexposed[class] += u64::from(counts[class])),
                State::TooEarly => support.too_early += answers,
                State::Unknown => support.unknown += answers,
                State::NotMeasured => support.not_measured += answers,
            }
        }
        support.exposed_clusters = u64::MAX;
        support.comparable_clusters = u64::MAX;
    }
    let met = Met::of(patterns, all.len());
    let groupings = || groupings.iter().filter(|grouping| grouping.sign > 0.0);
    for grouping in groupings() {
        let clusters = exposed_clusters(grouping, &met, all.len(), threads);
        for (support, clusters) in all.iter_mut().zip(clusters) {
            support.exposed_clusters = support.exposed_clusters.min(clusters);
        }
    }
    for (touchpoint, support) in all.iter_mut().enumerate() {
        let is_comparable = comparable(order, patterns, touchpoint);
        for (_, counts) in is_comparable.iter().zip(counts).filter(|(is_comparable, _)| **is_comparable) {
            (0..3).for_each(|class| support.comparable[class] += u64::from(counts[class]));
        }
        let enough = support.exposed_clusters.max(FEWEST_CLUSTERS);
        for grouping in groupings() {
            let clusters = clusters_with(grouping, &is_comparable, enough);
            support.comparable_clusters = support.comparable_clusters.min(clusters);
        }
    }
    all
}

/// Per pattern, whether the exposed are compared with it.
fn comparable(order: &Order, patterns: &Patterns, touchpoint: usize) -> Vec<bool> {
    let mut is_comparable: Vec<bool> = patterns.states(touchpoint).map(|state| state == State::No).collect();
    let mut only = |other: usize, is: &dyn Fn(State) -> bool| {
        let states = is_comparable.iter_mut().zip(patterns.states(other));
        states.for_each(|(is_comparable, state)| *is_comparable &= is(state));
    };
    order.wider(touchpoint).iter().for_each(|wider| only(*wider, &|state| state == State::Yes));
    order.exclusive(touchpoint).into_iter().for_each(|other| only(other, &|state| state != State::Yes));
    is_comparable
}

/// Clusters with an answer of these patterns; none are counted once there are enough.
fn clusters_with(grouping: &Grouping, patterns: &[bool], enough: u64) -> u64 {
    let alone = grouping.single_counts.iter().zip(patterns).filter(|(_, wanted)| **wanted);
    let mut clusters: u64 = alone.map(|(answers, _)| u64::from(*answers)).sum();
    for cluster in 0..grouping.several() {
        if clusters >= enough {
            break;
        }
        let mut members = grouping.members(cluster);
        clusters += u64::from(members.any(|(_, unit)| patterns[unit.pattern as usize]));
    }
    clusters
}

/// Per pattern the touchpoints that it met.
struct Met {
    starts: Vec<usize>,
    touchpoints: Vec<u16>,
}

impl Met {
    fn of(patterns: &Patterns, touchpoints: usize) -> Met {
        let mut met = Met { starts: vec![0], touchpoints: Vec::new() };
        for pattern in 0..patterns.len() {
            let here = (0..touchpoints).filter(|t| patterns.state(*t, pattern) == State::Yes);
            met.touchpoints.extend(here.map(|t| t as u16));
            met.starts.push(met.touchpoints.len());
        }
        met
    }

    fn of_pattern(&self, pattern: usize) -> &[u16] {
        &self.touchpoints[self.starts[pattern]..self.starts[pattern + 1]]
    }
}

/// Per touchpoint: clusters with an exposed answer.
fn exposed_clusters(grouping: &Grouping, met: &Met, touchpoints: usize, threads: usize) -> Vec<u64> {
    let of_several = chunks::map(grouping.several(), threads, |range| {
        let mut clusters = vec![0u64; touchpoints];
        let mut seen_in = vec![usize::MAX; touchpoints];
        for cluster in range {
            for (_, unit) in grouping.members(cluster) {
                for touchpoint in met.of_pattern(unit.pattern as usize) {
                    let touchpoint = usize::from(*touchpoint);
                    if seen_in[touchpoint] != cluster {
                        seen_in[touchpoint] = cluster;
                        clusters[touchpoint] += 1;
                    }
                }
            }
        }
        clusters
    });
    let mut clusters = vec![0u64; touchpoints];
    for (pattern, alone) in grouping.single_counts.iter().enumerate() {
        met.of_pattern(pattern).iter().for_each(|t| clusters[usize::from(*t)] += u64::from(*alone));
    }
    of_several.iter().for_each(|more| clusters.iter_mut().zip(more).for_each(|(sum, n)| *sum += n));
    clusters
}
