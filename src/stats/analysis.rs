//! A problem made ready once: patterns, columns, clusters, who met what; and the models fitted to it.

use super::clusters::Grouping;
use super::design::{Columns, Dropped, Model};
use super::logit::{self, Fit, NoFit, Penalty};
use super::order::Order;
use super::patterns::Patterns;
use super::problem::{Fault, Problem, State};

/// Below so many exposed clusters, or exposed answers in a class, large-sample intervals are not to be
/// believed and fits may separate: Firth's penalty, and no verdict.
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
}

impl Support {
    pub fn exposed_answers(&self) -> u64 {
        self.exposed.iter().sum()
    }

    /// Met by somebody, and by so few that nothing is to be said.
    pub fn is_thin(&self) -> bool {
        self.exposed_answers() > 0
            && (self.exposed_clusters < FEWEST_CLUSTERS
                || self.exposed.iter().any(|n| *n < FEWEST_IN_A_CLASS))
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
    /// Everybody whose state is known met it: nobody to compare with.
    EverybodyMet,
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
        let columns = Columns::of(problem, &order, &patterns, threads)?;
        let groupings = Grouping::all(problem, &patterns);
        let support = support(problem, &patterns, &groupings);
        Ok(Analysis { problem, order, patterns, columns, groupings, support, threads })
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
        let model = self.columns.model(&self.patterns, has, covariate);
        let is_thin = (0..self.touchpoints())
            .any(|t| model.column(t, State::Yes).is_some() && self.support[t].is_thin());
        let penalty = if is_thin { Penalty::Always } else { Penalty::WhenSeparated };
        let start = near.map(|near| near.coefficients_for(&model));
        let cells = logit::cells(&model.weights);
        let fit = logit::fit::<2>(&model.rows, &cells, penalty, start.as_deref(), self.threads)?;
        Ok(Fitted { model, fit })
    }

    /// Why there is no estimate for a touchpoint in a fit; none if there can be one.
    pub fn missing(&self, fitted: Result<&Fitted, NoFit>, touchpoint: usize) -> Option<Missing> {
        let support = &self.support[touchpoint];
        let unexposed: u64 = support.unexposed.iter().sum();
        match (support.exposed_answers(), unexposed) {
            (0, 0) => Some(Missing::NotMeasured),
            (0, _) => Some(Missing::NobodyMet),
            // States of one factor are compared with the reference, which may be no one's.
            (_, 0) => Some(Missing::EverybodyMet),
            _ => match fitted {
                Err(reason) => Some(Missing::NoFit(reason)),
                Ok(Fitted { model, .. }) if model.column(touchpoint, State::Yes).is_some() => None,
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

fn support(problem: &Problem, patterns: &Patterns, groupings: &[Grouping]) -> Vec<Support> {
    let mut all: Vec<Support> = vec![Support::default(); problem.touchpoints.len()];
    let mut met: Vec<Vec<u16>> = vec![Vec::new(); patterns.len()];
    for (touchpoint, support) in all.iter_mut().enumerate() {
        for (pattern, counts) in patterns.counts.iter().enumerate() {
            let answers: u64 = counts.iter().map(|n| u64::from(*n)).sum();
            match patterns.state(touchpoint, pattern) {
                State::Yes => {
                    met[pattern].push(touchpoint as u16);
                    (0..3).for_each(|class| support.exposed[class] += u64::from(counts[class]));
                }
                State::No => (0..3).for_each(|class| support.unexposed[class] += u64::from(counts[class])),
                State::TooEarly => support.too_early += answers,
                State::Unknown => support.unknown += answers,
                State::NotMeasured => support.not_measured += answers,
            }
        }
        support.exposed_clusters = u64::MAX;
    }
    for grouping in groupings.iter().filter(|grouping| grouping.sign > 0.0) {
        let clusters = exposed_clusters(grouping, patterns, &met, all.len());
        for (support, clusters) in all.iter_mut().zip(clusters) {
            support.exposed_clusters = support.exposed_clusters.min(clusters);
        }
    }
    all
}

/// Per touchpoint: clusters with an exposed answer.
fn exposed_clusters(
    grouping: &Grouping,
    patterns: &Patterns,
    met: &[Vec<u16>],
    touchpoints: usize,
) -> Vec<u64> {
    let mut clusters = vec![0u64; touchpoints];
    for (pattern, met) in met.iter().enumerate() {
        met.iter().for_each(|t| clusters[usize::from(*t)] += u64::from(grouping.single_counts[pattern]));
    }
    let mut seen_in = vec![usize::MAX; touchpoints];
    for cluster in 0..grouping.several() {
        for answer in grouping.cluster(cluster) {
            for touchpoint in &met[patterns.of_answer[*answer as usize] as usize] {
                let touchpoint = usize::from(*touchpoint);
                if seen_in[touchpoint] != cluster {
                    seen_in[touchpoint] = cluster;
                    clusters[touchpoint] += 1;
                }
            }
        }
    }
    clusters
}
