//! Total and direct effects of every touchpoint on all answers.
//!
//! Total: each touchpoint in a model of its own adjustment set (see `order`); touchpoints with the same
//! model share its fit. Direct: all touchpoints in one model, what remains at the contacts that happened.
//! Total leads; verdict, rank and q rest on it.

use std::sync::Arc;

use nalgebra::DMatrix;

use super::analysis::{Analysis, Fitted, Missing};
use super::logit::NoFit;
use super::measures::{Measures, Sums, measures};
use super::moments::{self, Moments, Target};
use super::standardise::{Standardised, standardise};

/// The fits behind all effects.
#[derive(Debug)]
pub struct Fits {
    /// All touchpoints.
    pub direct: Result<Arc<Fitted>, NoFit>,
    /// Different models of total effects; the last touchpoints' is often that of all.
    pub total: Vec<Result<Arc<Fitted>, NoFit>>,
    /// Per touchpoint: the position of its model in `total`.
    pub total_of: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimand {
    Total,
    Direct,
}

/// An effect of one touchpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub measures: Measures,
    pub sums: EffectSums,
    /// Firth's penalty was used in its model.
    pub is_penalised: bool,
}

/// Weighted counts behind an effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectSums {
    pub weight: f64,
    pub exposed: f64,
    pub detractors: f64,
}

/// Effects of all touchpoints.
#[derive(Debug, Clone)]
pub struct Effects {
    /// Per touchpoint.
    pub of: Vec<Result<Effect, Missing>>,
    /// Touchpoints with an estimate, in the order of `covariance`.
    pub estimated: Vec<usize>,
    /// Of their NPS points, for the process; none with a single cluster.
    pub covariance: Option<DMatrix<f64>>,
}

/// A fit and the touchpoints whose effects rest on it.
pub type Group<'a> = (&'a Fitted, Vec<usize>);

impl Fits {
    /// Fits all models. Reuses what it can: a fit starts from the one with all touchpoints.
    pub fn of(analysis: &Analysis) -> Fits {
        Fits::with(analysis, |touchpoint| analysis.order.in_total_model(touchpoint))
    }

    /// The same with other adjustment sets: per touchpoint of a total effect, who stands in its model.
    pub fn with(analysis: &Analysis, in_model: impl Fn(usize) -> Vec<bool>) -> Fits {
        let many = analysis.touchpoints();
        let all = vec![true; many];
        let direct = analysis.fit(all.clone(), None).map(Arc::new);
        let mut keys: Vec<Vec<bool>> = Vec::new();
        let mut total_of = Vec::with_capacity(many);
        for touchpoint in 0..many {
            let has = in_model(touchpoint);
            total_of.push(keys.iter().position(|key| *key == has).unwrap_or_else(|| {
                keys.push(has);
                keys.len() - 1
            }));
        }
        let near = direct.as_deref().ok();
        let fit = |has: Vec<bool>| match has == all {
            true => direct.clone(),
            false => analysis.fit(has, near).map(Arc::new),
        };
        let total = keys.into_iter().map(fit).collect();
        Fits { direct, total, total_of }
    }

    /// The fit that an effect rests on.
    ///
    /// # Errors
    /// Why there is none.
    pub fn behind(&self, estimand: Estimand, touchpoint: usize) -> Result<&Fitted, NoFit> {
        let fit = match estimand {
            Estimand::Direct => &self.direct,
            Estimand::Total => &self.total[self.total_of[touchpoint]],
        };
        fit.as_deref().map_err(|reason| *reason)
    }

    /// Touchpoints that can be estimated, by the fit that they share; and why the others cannot.
    pub fn groups(&self, analysis: &Analysis, estimand: Estimand) -> (Vec<Group<'_>>, Vec<Option<Missing>>) {
        let fits: Vec<&Result<Arc<Fitted>, NoFit>> = match estimand {
            Estimand::Direct => vec![&self.direct],
            Estimand::Total => self.total.iter().collect(),
        };
        let mut missing: Vec<Option<Missing>> = vec![None; analysis.touchpoints()];
        let mut groups = Vec::new();
        for (at, fit) in fits.into_iter().enumerate() {
            let rests_on =
                |touchpoint: &usize| estimand == Estimand::Direct || self.total_of[*touchpoint] == at;
            let mut here = Vec::new();
            for touchpoint in (0..analysis.touchpoints()).filter(rests_on) {
                match analysis.missing(fit.as_deref().map_err(|reason| *reason), touchpoint) {
                    None => here.push(touchpoint),
                    some => missing[touchpoint] = some,
                }
            }
            if let (Ok(fitted), false) = (fit, here.is_empty()) {
                groups.push((fitted.as_ref(), here));
            }
        }
        (groups, missing)
    }

    /// Effects over all answers.
    pub fn effects(&self, analysis: &Analysis, estimand: Estimand) -> Effects {
        self.shifted(analysis, estimand, &[0.0; 2])
    }

    /// The same with a shift of the log-odds of passives and detractors; see `sensitivity`.
    pub fn shifted(&self, analysis: &Analysis, estimand: Estimand, shift: &[f64; 2]) -> Effects {
        let (groups, missing) = self.groups(analysis, estimand);
        let standardised: Vec<Standardised> = groups
            .iter()
            .map(|(fitted, touchpoints)| {
                let target: Vec<f64> = fitted.model.weights.iter().map(|w| w.iter().sum()).collect();
                standardise(
                    &fitted.model,
                    &fitted.fit,
                    &analysis.order,
                    touchpoints,
                    &target,
                    shift,
                    analysis.threads,
                )
            })
            .collect();
        let [promoters, passives, detractors] = analysis.patterns.by_class();
        let weight = promoters + passives + detractors;
        let listed: Vec<(usize, Sums, bool)> = standardised
            .iter()
            .flat_map(|one| {
                one.touchpoints.iter().enumerate().map(move |(at, touchpoint)| {
                    let (exposed, gains) = (one.exposed[at], one.sums[at]);
                    let sums = Sums { weight, detractors, exposed, gains };
                    (*touchpoint, sums, one.fit.is_penalised)
                })
            })
            .collect();
        let centres: Vec<f64> = listed.iter().map(|(_, sums, _)| sums.nps_points()).collect();
        let squares: Vec<moments::Squares> = analysis
            .groupings
            .iter()
            .map(|grouping| {
                let (singles, several) = moments::whole(grouping);
                let target = Target { singles: &singles, several: &several, members: None };
                moments::squares(analysis, &standardised, grouping, target, Some(&centres))
            })
            .collect();
        let mut of: Vec<Result<Effect, Missing>> =
            missing.into_iter().map(|reason| Err(reason.unwrap_or(Missing::NobodyMet))).collect();
        for (at, (touchpoint, sums, is_penalised)) in listed.iter().enumerate() {
            let moments: Vec<Moments> = squares.iter().map(|squares| squares.moments[at]).collect();
            let degrees = analysis.support[*touchpoint].degrees();
            of[*touchpoint] = Ok(Effect {
                measures: measures(sums, &analysis.groupings, &moments, degrees),
                sums: EffectSums { weight, exposed: sums.exposed, detractors },
                is_penalised: *is_penalised,
            });
        }
        let mut by_position: Vec<(usize, usize)> =
            listed.iter().enumerate().map(|(at, (touchpoint, ..))| (*touchpoint, at)).collect();
        by_position.sort_unstable();
        let covariance = joint(analysis, &squares, weight).map(|all| {
            DMatrix::from_fn(all.nrows(), all.nrows(), |i, j| all[(by_position[i].1, by_position[j].1)])
        });
        Effects { of, estimated: by_position.iter().map(|(touchpoint, _)| *touchpoint).collect(), covariance }
    }
}

/// Joint covariance of NPS points over the groupings.
fn joint(analysis: &Analysis, squares: &[moments::Squares], weight: f64) -> Option<DMatrix<f64>> {
    let mut sum: Option<DMatrix<f64>> = None;
    for (grouping, squares) in analysis.groupings.iter().zip(squares) {
        let part = squares.joint.as_ref()? * (grouping.factor()? / (weight * weight));
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    sum
}
