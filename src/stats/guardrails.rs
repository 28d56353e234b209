//! Does the model fit, and what does it hang on? Figures that stand beside every result.

use super::analysis::{Analysis, Fitted};
use super::effects::{Estimand, Fits};
use super::evidence::e_value;
use super::problem::State;
use super::standardise::standardise;

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

/// NPS points of every touchpoint's total effect without one of the covariates, less those with it: what
/// leaving it out would change. None where there is no estimate.
pub fn without_covariate(analysis: &Analysis, fits: &Fits, covariate: usize) -> Vec<Option<f64>> {
    let (groups, _) = fits.groups(analysis, Estimand::Total);
    let mut change = vec![None; analysis.touchpoints()];
    for (fitted, touchpoints) in groups {
        let Ok(other) = analysis.fit_without(fitted.model.has.clone(), Some(covariate), Some(fitted)) else {
            continue;
        };
        let points = |fitted: &Fitted, touchpoints: &[usize]| {
            let target: Vec<f64> = fitted.model.weights.iter().map(|w| w.iter().sum()).collect();
            let found = standardise(
                &fitted.model,
                &fitted.fit,
                &analysis.order,
                touchpoints,
                &target,
                &[0.0; 2],
                analysis.threads,
            );
            let total: f64 = target.iter().sum();
            found.sums.iter().map(|sums| 100.0 * (sums[0] + sums[1]) / total).collect::<Vec<f64>>()
        };
        let still: Vec<usize> =
            touchpoints.into_iter().filter(|t| other.model.column(*t, State::Yes).is_some()).collect();
        let pairs = points(&other, &still).into_iter().zip(points(fitted, &still));
        for (touchpoint, (without, with)) in still.iter().zip(pairs) {
            change[*touchpoint] = Some(without - with);
        }
    }
    change
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
        assert!(change[LATE].unwrap() > 0.1, "{change:?}");
        let strongest = strongest_covariate(&analysis, fitted).unwrap();
        assert_eq!(strongest.covariate, 0);
        assert!(strongest.e_value > 1.5);
    }
}
