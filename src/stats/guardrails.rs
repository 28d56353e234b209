//! Does the model fit, and what does it hang on? Figures that stand beside every result.

use std::collections::BTreeSet;

use nalgebra::DMatrix;

use super::analysis::{Analysis, Fitted};
use super::chunks;
use super::design::{Column, Dropped, Model};
use super::effects::{Estimand, Fits};
use super::evidence::e_value;
use super::linear::Factor;
use super::logit::softmax;
use super::patterns::NONE;
use super::problem::State;

/// Observed and fitted detractors of one group of answers (weighted).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitness {
    pub answers: f64,
    pub observed: f64,
    pub fitted: f64,
    /// (observed − fitted) / √Σ w p (1 − p).
    pub z: f64,
}

#[derive(Default)]
struct Sum {
    answers: f64,
    observed: f64,
    fitted: f64,
    spread: f64,
}

impl Sum {
    fn add(&mut self, weights: &[f64; 3], p: f64) {
        let weight: f64 = weights.iter().sum();
        self.answers += weight;
        self.observed += weights[2];
        self.fitted += weight * p;
        self.spread += weight * p * (1.0 - p);
    }

    fn fitness(&self) -> Fitness {
        let off = self.observed - self.fitted;
        let z = if self.spread > 0.0 { off / self.spread.sqrt() } else { 0.0 };
        Fitness { answers: self.answers, observed: self.observed, fitted: self.fitted, z }
    }
}

/// By pairs of touchpoints that were met together: the model has one odds ratio per touchpoint, and pairs
/// show where that is too few.
pub fn by_pairs(analysis: &Analysis, fitted: &Fitted) -> Vec<(usize, usize, Fitness)> {
    let many = analysis.touchpoints();
    let model = &fitted.model;
    let mut sums: Vec<Sum> = (0..many * many).map(|_| Sum::default()).collect();
    let columns: Vec<Option<usize>> = (0..many).map(|t| model.column(t, State::Yes)).collect();
    for row in 0..model.rows.len() {
        let has = |t: usize| columns[t].is_some_and(|c| model.rows.columns(row).contains(&(c as u16)));
        let met: Vec<usize> = (0..many).filter(|t| has(*t)).collect();
        for (at, one) in met.iter().enumerate() {
            for other in &met[at + 1..] {
                sums[one * many + other].add(&model.weights[row], fitted.fit.probabilities[row][1]);
            }
        }
    }
    let pairs = (0..many).flat_map(|one| (one + 1..many).map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (one, other, sums[one * many + other].fitness()))
        .filter(|(.., fitness)| fitness.answers > 0.0)
        .collect()
}

/// By tenths of the answers in order of their fitted detractor probability.
pub fn by_deciles(fitted: &Fitted) -> Vec<Fitness> {
    let model = &fitted.model;
    let p = |row: usize| fitted.fit.probabilities[row][1];
    let mut order: Vec<usize> = (0..model.rows.len()).collect();
    order.sort_by(|a, b| p(*a).total_cmp(&p(*b)).then(a.cmp(b)));
    let total: f64 = model.weights.iter().flatten().sum();
    let mut sums: Vec<Sum> = (0..10).map(|_| Sum::default()).collect();
    let mut before = 0.0;
    for row in order {
        let weight: f64 = model.weights[row].iter().sum();
        // A row goes where its middle lies.
        let decile = ((before + weight / 2.0) / total * 10.0) as usize;
        sums[decile.min(9)].add(&model.weights[row], p(row));
        before += weight;
    }
    sums.iter().map(Sum::fitness).collect()
}

/// What leaving a covariate out would change in a total effect.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// NPS points without it, less those with it.
    pub change: f64,
    pub how: How,
}

/// How it was found.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// The fit is not repeated: its coefficients are moved to where those of the covariate are zero, as the
    /// information has it.
    FirstOrder,
    /// The model was fitted again: without the covariate columns come back that it had told (of stores, their
    /// regions).
    FittedAgain,
    /// Its columns are told by these covariates, so that nothing changes.
    ToldBy(Vec<usize>),
}

/// NPS points of every touchpoint's total effect without one of the covariates, less those with it. None where
/// there is no estimate.
pub fn without_covariate(analysis: &Analysis, fits: &Fits, covariate: usize) -> Vec<Option<LeftOut>> {
    let (groups, _) = fits.groups(analysis, Estimand::Total);
    let mut change = vec![None; analysis.touchpoints()];
    for (fitted, touchpoints) in groups {
        let model = &fitted.model;
        let is_own = |column: &Column| of_covariate(column) == Some(covariate);
        let told_by: Vec<usize> = told_by(model, is_own).into_iter().collect();
        let (how, without) = if !model.columns.iter().any(is_own) && !told_by.is_empty() {
            (How::ToldBy(told_by), None)
        } else if told_by_any(model, covariate) {
            let again = analysis.fit_without(model.has.clone(), Some(covariate), Some(fitted));
            let Ok(again) = again else { continue };
            (How::FittedAgain, Some(points(analysis, &again, &again.fit.coefficients, &touchpoints)))
        } else {
            let Some(moved) = restricted(fitted, covariate) else { continue };
            (How::FirstOrder, Some(points(analysis, fitted, &moved, &touchpoints)))
        };
        let with = points(analysis, fitted, &fitted.fit.coefficients, &touchpoints);
        for (at, touchpoint) in touchpoints.iter().enumerate() {
            let moved = without.as_ref().map_or(0.0, |without| without[at] - with[at]);
            change[*touchpoint] = Some(LeftOut { change: moved, how: how.clone() });
        }
    }
    change
}

fn of_covariate(column: &Column) -> Option<usize> {
    match column {
        Column::Level { covariate, .. } => Some(*covariate),
        _ => None,
    }
}

/// What a dropped column follows from.
fn reasons(reason: &Dropped) -> &[Column] {
    match reason {
        Dropped::SameAs(column) => std::slice::from_ref(column),
        Dropped::FollowsFrom(columns) => columns,
        Dropped::NoAnswer | Dropped::EveryAnswer => &[],
    }
}

/// The covariates that tell the dropped columns that are meant.
fn told_by(model: &Model, is_meant: impl Fn(&Column) -> bool) -> BTreeSet<usize> {
    let meant = model.dropped.iter().filter(|(column, _)| is_meant(column));
    meant.flat_map(|(_, reason)| reasons(reason)).filter_map(of_covariate).collect()
}

/// Whether something else was dropped because a covariate tells it.
fn told_by_any(model: &Model, covariate: usize) -> bool {
    told_by(model, |column| of_covariate(column) != Some(covariate)).contains(&covariate)
}

/// The coefficients with those of one covariate at zero: β − I⁻¹R (Rᵀ I⁻¹ R)⁻¹ Rᵀβ.
fn restricted(fitted: &Fitted, covariate: usize) -> Option<Vec<f64>> {
    let is_of = |column: &Column| of_covariate(column) == Some(covariate);
    let columns = fitted.model.columns.iter().enumerate().filter(|(_, column)| is_of(column));
    let at: Vec<usize> = columns.flat_map(|(column, _)| [2 * column, 2 * column + 1]).collect();
    let (beta, inverse) = (&fitted.fit.coefficients, &fitted.fit.inverse);
    let block = DMatrix::from_fn(at.len(), at.len(), |i, j| inverse[(at[i], at[j])]);
    let pull = Factor::of(&block)?.solve(&at.iter().map(|i| beta[*i]).collect::<Vec<f64>>());
    let mut moved = beta.clone();
    for (column, pull) in at.iter().zip(pull) {
        moved.iter_mut().zip(inverse.column(*column).iter()).for_each(|(beta, entry)| *beta -= entry * pull);
    }
    at.iter().for_each(|i| moved[*i] = 0.0);
    Some(moved)
}

/// NPS points of touchpoints undone, by these coefficients of a model.
fn points(analysis: &Analysis, fitted: &Fitted, coefficients: &[f64], touchpoints: &[usize]) -> Vec<f64> {
    let model = &fitted.model;
    let undone: Vec<Vec<bool>> = touchpoints.iter().map(|t| model.undone(&analysis.order, *t)).collect();
    let yes: Vec<Option<usize>> = touchpoints.iter().map(|t| model.column(*t, State::Yes)).collect();
    let mut met_by_column = vec![None; model.columns.len()];
    yes.iter().enumerate().for_each(|(at, column)| {
        if let Some(column) = column {
            met_by_column[*column] = Some(at);
        }
    });
    let nps = |columns: &mut dyn Iterator<Item = u16>| {
        let mut eta = [0.0; 2];
        for column in columns {
            let from = 2 * usize::from(column);
            eta[0] += coefficients[from];
            eta[1] += coefficients[from + 1];
        }
        let [passive, detractor] = softmax(eta).0;
        1.0 - passive - 2.0 * detractor
    };
    let parts = chunks::map(model.rows.len(), analysis.threads, |range| {
        let mut sums = vec![0.0; touchpoints.len() + 1];
        for row in range {
            let columns = model.rows.columns(row);
            let weight: f64 = model.weights[row].iter().sum();
            sums[touchpoints.len()] += weight;
            let mut as_it_is = None;
            for at in columns.iter().filter_map(|column| met_by_column[usize::from(*column)]) {
                let with = *as_it_is.get_or_insert_with(|| nps(&mut columns.iter().copied()));
                let left = &mut columns.iter().copied().filter(|column| !undone[at][usize::from(*column)]);
                sums[at] += weight * (nps(left) - with);
            }
        }
        sums
    });
    let mut sums = chunks::sum(parts);
    let total = sums.pop().unwrap_or(0.0);
    sums.iter().map(|sum| 100.0 * sum / total).collect()
}

/// Another column that nearly the same answers have as a touchpoint's *yes*: what tells the two apart hangs on
/// few, and so does what is put down to either.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearAlias {
    pub touchpoint: usize,
    pub column: Column,
    /// Clusters with an answer that has one of the two columns only; the smaller number of two groupings.
    pub clusters: u64,
    /// It is undone together with the touchpoint, whose effect needs not be told apart from it.
    pub is_undone_too: bool,
}

/// A column whose square correlation with another is this inflates its variance fivefold.
const NEARLY_SAME: f64 = 0.8;

/// Columns of a model that share all answers but those of fewer than `fewest` clusters.
pub fn near_aliases(analysis: &Analysis, fitted: &Fitted, fewest: u64) -> Vec<NearAlias> {
    let model = &fitted.model;
    let place: Vec<usize> = analysis.columns.positions(model).map(|(_, place)| place).collect();
    let both = |one: usize, other: usize| analysis.columns.answers_with(place[one], place[other]);
    let all = analysis.patterns.answers() as f64;
    let is_near = |one: usize, other: usize| {
        let (of_one, of_other, both) = (both(one, one), both(other, other), both(one, other));
        let moved = all * both - of_one * of_other;
        let spread = of_one * (all - of_one) * of_other * (all - of_other);
        moved > 0.0 && moved * moved >= NEARLY_SAME * spread
    };
    let mut found = Vec::new();
    for touchpoint in 0..analysis.touchpoints() {
        let Some(yes) = model.column(touchpoint, State::Yes) else { continue };
        let undone = model.undone(&analysis.order, touchpoint);
        for other in (1..model.columns.len()).filter(|other| *other != yes && is_near(yes, *other)) {
            let clusters = clusters_apart(analysis, fitted, [yes as u16, other as u16]);
            if clusters < fewest {
                let (column, is_undone_too) = (model.columns[other], undone[other]);
                found.push(NearAlias { touchpoint, column, clusters, is_undone_too });
            }
        }
    }
    found
}

/// Clusters with an answer that has exactly one of two columns.
fn clusters_apart(analysis: &Analysis, fitted: &Fitted, columns: [u16; 2]) -> u64 {
    let model = &fitted.model;
    let is_apart: Vec<bool> = (0..model.rows.len())
        .map(|row| {
            let [one, other] = columns.map(|column| model.rows.columns(row).contains(&column));
            one != other
        })
        .collect();
    let count = |clusters: &&[u32]| {
        let apart =
            analysis.patterns.of_answer.iter().zip(*clusters).filter(|(pattern, _)| {
                **pattern != NONE && is_apart[model.row_of[**pattern as usize] as usize]
            });
        apart.map(|(_, cluster)| *cluster).collect::<BTreeSet<u32>>().len() as u64
    };
    analysis.problem.clusters.iter().map(count).min().unwrap_or(0)
}

/// How strong the measured covariates are: the covariate and level whose standardised risk ratio against the
/// covariate's reference has the largest E-value. Something unmeasured as strong as this would move effects
/// as much as this one does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrongestCovariate {
    pub covariate: usize,
    /// As numbered in the model.
    pub level: u16,
    pub risk_ratio: f64,
    pub e_value: f64,
}

/// See [`StrongestCovariate`]; none without covariates.
pub fn strongest_covariate(analysis: &Analysis, fitted: &Fitted) -> Option<StrongestCovariate> {
    let model = &fitted.model;
    let mut strongest: Option<StrongestCovariate> = None;
    for (covariate, levels) in analysis.patterns.levels.iter().enumerate() {
        let columns: Vec<Option<usize>> =
            (0..levels.names.len() as u16).map(|level| model.level_column(covariate, level)).collect();
        let risk = |level: usize| {
            let mut sum = 0.0;
            for row in 0..model.rows.len() {
                let weight: f64 = model.weights[row].iter().sum();
                let others = model
                    .rows
                    .columns(row)
                    .iter()
                    .copied()
                    .filter(|c| !columns.contains(&Some(usize::from(*c))));
                let set = columns[level].map(|c| c as u16);
                sum += weight * fitted.fit.probabilities_at(others.chain(set), &[0.0; 2])[1];
            }
            sum
        };
        let reference = risk(0);
        for level in (1..columns.len()).filter(|level| columns[*level].is_some()) {
            let risk_ratio = risk(level) / reference;
            let found = StrongestCovariate {
                covariate,
                level: level as u16,
                risk_ratio,
                e_value: e_value(risk_ratio),
            };
            if found.e_value.is_finite() && strongest.is_none_or(|one| found.e_value > one.e_value) {
                strongest = Some(found);
            }
        }
    }
    strongest
}

#[cfg(test)]
mod tests {
    use super::super::planted::{LATE, PLAIN, TICKET, World};
    use super::super::problem::Covariate;
    use super::*;

    #[test]
    fn a_right_model_fits_and_covariates_matter() {
        let world = World::new(6_000, 61, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let fitted = fits.direct.as_ref().unwrap();
        let deciles = by_deciles(fitted);
        assert_eq!(deciles.len(), 10);
        assert!(deciles.iter().all(|d| d.z.abs() < 3.5 && (d.answers - 600.0).abs() < 250.0), "{deciles:?}");
        let sum: f64 = deciles.iter().map(|d| d.fitted - d.observed).sum();
        assert!(sum.abs() < 1e-6);
        let pairs = by_pairs(&analysis, fitted);
        assert!(pairs.iter().any(|(one, other, _)| (*one, *other) == (LATE, TICKET)));
        assert!(pairs.iter().all(|(.., fitness)| fitness.z.abs() < 4.0));
        // Region decides both lateness and detraction: without it lateness looks worse.
        let change = without_covariate(&analysis, &fits, 0);
        let late = change[LATE].clone().unwrap();
        assert!(late.change > 0.1 && late.how == How::FirstOrder, "{late:?}");
        // The fit repeated without it says nearly the same.
        let has = analysis.order.in_total_model(LATE);
        let refitted = analysis.fit_without(has.clone(), Some(0), None).unwrap();
        let with = analysis.fit(has, None).unwrap();
        let of = |fitted: &Fitted| points(&analysis, fitted, &fitted.fit.coefficients, &[LATE])[0];
        let exact = of(&refitted) - of(&with);
        assert!((late.change / exact - 1.0).abs() < 0.15, "{late:?} {exact}");
        let strongest = strongest_covariate(&analysis, fitted).unwrap();
        assert_eq!(strongest.covariate, 0);
        assert!(strongest.e_value > 1.5);
    }

    /// Stores lie in regions: without stores their regions come back, and without regions nothing changes.
    #[test]
    fn what_a_covariate_had_told_comes_back_without_it() {
        let world = World::new(6_000, 62, PLAIN);
        let store: Vec<u16> = (0..6_000).map(|answer| 4 * world.region[answer] + answer as u16 % 4).collect();
        let mut problem = world.problem();
        let levels = (0..24).map(|store| store.to_string()).collect();
        problem.covariates.insert(0, Covariate { name: "store".into(), levels, codes: &store });
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let left_out = |covariate| without_covariate(&analysis, &fits, covariate)[LATE].clone().unwrap();
        let stores = left_out(0);
        assert_eq!(stores.how, How::FittedAgain);
        // The model of regions, which is the one that planted them: next to nothing changes.
        let plain = world.problem();
        let of_regions = Analysis::of(&plain, 2).unwrap();
        let effect = |analysis: &Analysis| {
            let total = Fits::of(analysis).effects(analysis, Estimand::Total);
            total.of[LATE].as_ref().unwrap().measures.nps_points.value
        };
        let exact = effect(&of_regions) - effect(&analysis);
        assert!((stores.change - exact).abs() < 1e-6 && exact.abs() < 0.1, "{stores:?} {exact}");
        assert_eq!(left_out(1), LeftOut { change: 0.0, how: How::ToldBy(vec![0]) });
        assert_eq!(left_out(2).how, How::FirstOrder);
    }
}
