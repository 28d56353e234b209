//! Who could have met a touchpoint: propensities, overlap, and what they are used for.
//!
//! * overlap and effective sample size: a guardrail of every effect;
//! * `nps_points_if_all`: the effect of everybody meeting it, over answers whose propensity lies in
//!   [.02, .98];
//! * AIPW: a doubly robust estimate of the effect on the exposed beside the model's (Robins, Rotnitzky and
//!   Zhao 1994; Moodie, Saarela and Stephens 2018 for the exposed).
//!
//! Propensities come from a logit of the exposure on the adjustment set, among answers that could have met
//! it: its state is yes or no, the whole that it is part of was met, no other state of its factor holds.

use super::analysis::{Analysis, Fitted};
use super::design::Column;
use super::influence::{self, pulls};
use super::logit::{self, Cell, Fit, NoFit, Penalty, Rows};
use super::measures::Estimate;
use super::problem::{Class, State};
use super::standardise::{nps_points as points, slopes};

/// Fewer unexposed answers than this, by weight, that carry a comparison are no ground for a verdict.
pub const LEAST_GROUND: f64 = 20.0;

const LEAST: f64 = 0.02;
const MOST: f64 = 0.98;

/// Propensities of one touchpoint, by row of its model.
#[derive(Debug)]
pub struct Propensity {
    fit: Fit<1>,
    rows: Rows,
    /// Per row of the outcome model: its row here; none where it could not be met.
    row_of: Vec<Option<u32>>,
}

/// How far exposed and unexposed answers can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Share of the exposed whose propensity is beyond .98: hardly anybody like them was spared.
    pub exposed_without_equals: f64,
    /// Smallest and largest propensity of the exposed.
    pub exposed_range: (f64, f64),
    /// Smallest and largest propensity of those who could have met it and have not.
    pub unexposed_range: (f64, f64),
    /// (Σ odds)² / Σ odds² over the unexposed: so many answers carry the comparison.
    pub effective_unexposed: f64,
}

impl Overlap {
    /// Whether enough of the spared are like the exposed for a verdict. (Propensities alone do not tell: where the
    /// reference is rare all of them are high.)
    pub fn has_ground(&self) -> bool {
        self.effective_unexposed >= LEAST_GROUND
    }
}

/// The doubly robust check of one touchpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoublyRobust {
    /// Risk difference of the exposed (0 to 1): the model's, and the doubly robust one.
    pub by_model: f64,
    pub doubly_robust: f64,
    /// Of their difference, clustered, with coefficients and propensities estimated.
    pub std_error: Option<f64>,
    /// They differ by more than two of these.
    pub is_flagged: bool,
}

/// Fits the propensities of a touchpoint whose column is in the model.
///
/// # Errors
/// [`NoFit`].
pub fn propensity(analysis: &Analysis, fitted: &Fitted, touchpoint: usize) -> Result<Propensity, NoFit> {
    let model = &fitted.model;
    let could = |row: usize| could_meet(analysis, fitted, touchpoint, row);
    // Left out: the touchpoint itself, its parts, what waits for it, what does not vary among those who could meet it.
    let mut is_used = vec![true; model.columns.len()];
    for (at, column) in model.columns.iter().enumerate() {
        if let Column::State { touchpoint: one, state } = column {
            let is_part = analysis.order.parts(touchpoint).contains(one);
            let is_excluded = analysis.order.exclusive(touchpoint).contains(one);
            let waits = *state == State::TooEarly && analysis.order.waits_for(*one).contains(&touchpoint);
            is_used[at] = *one != touchpoint && !is_part && !is_excluded && !waits;
        }
    }
    let kept = independent(fitted, &is_used, &could);
    let mut position = vec![u16::MAX; model.columns.len()];
    kept.iter().enumerate().for_each(|(at, column)| position[*column] = at as u16);
    let yes = model.column(touchpoint, State::Yes).map(|column| column as u16);
    let mut rows = Rows::new(kept.len());
    let mut cells = Vec::new();
    let mut row_of = vec![None; model.rows.len()];
    for (row, place) in row_of.iter_mut().enumerate() {
        if !could(row) {
            continue;
        }
        let columns: Vec<u16> = model
            .rows
            .columns(row)
            .iter()
            .map(|column| position[usize::from(*column)])
            .filter(|column| *column != u16::MAX)
            .collect();
        *place = Some(rows.len() as u32);
        rows.push(&columns);
        let total: f64 = model.weights[row].iter().sum();
        let is_met = yes.is_some_and(|yes| model.rows.columns(row).contains(&yes));
        cells.push(Cell { total, free: [if is_met { total } else { 0.0 }] });
    }
    let fit = logit::fit::<1>(&rows, &cells, Penalty::WhenSeparated, None, analysis.threads)?;
    Ok(Propensity { fit, rows, row_of })
}

fn could_meet(analysis: &Analysis, fitted: &Fitted, touchpoint: usize, row: usize) -> bool {
    let model = &fitted.model;
    let mut has_whole = analysis.order.wider(touchpoint).is_empty();
    let nearest = analysis.order.wider(touchpoint).first();
    for column in model.rows.columns(row) {
        if let Column::State { touchpoint: one, state } = model.columns[usize::from(*column)] {
            if one == touchpoint && state != State::Yes {
                return false;
            }
            if analysis.order.exclusive(touchpoint).contains(&one) {
                return false;
            }
            if Some(&one) == nearest && state == State::Yes {
                has_whole = true;
            }
        }
    }
    // A whole whose column was dropped says the same as others: no ground to leave anybody out.
    has_whole || nearest.is_some_and(|whole| model.column(*whole, State::Yes).is_none())
}

/// Columns in use that are independent among the rows that could meet it.
fn independent(fitted: &Fitted, is_used: &[bool], could: &impl Fn(usize) -> bool) -> Vec<usize> {
    let model = &fitted.model;
    let width = model.columns.len();
    let mut products = vec![0.0; width * width];
    for row in (0..model.rows.len()).filter(|row| could(*row)) {
        let columns = model.rows.columns(row);
        let weight: f64 = model.weights[row].iter().sum();
        for i in columns.iter().map(|c| usize::from(*c)) {
            for j in columns.iter().map(|c| usize::from(*c)) {
                products[i * width + j] += weight;
            }
        }
    }
    let mut kept: Vec<usize> = Vec::new();
    let mut factor: Vec<Vec<f64>> = Vec::new();
    for column in (0..width).filter(|column| is_used[*column]) {
        let square = products[column * width + column];
        let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
        for (at, other) in kept.iter().enumerate() {
            let inner: f64 = row.iter().zip(&factor[at]).map(|(a, b)| a * b).sum();
            row.push((products[column * width + other] - inner) / factor[at][at]);
        }
        let left = square - row.iter().map(|x| x * x).sum::<f64>();
        if left > 1e-7 * square && square > 0.0 {
            row.push(left.sqrt());
            factor.push(row);
            kept.push(column);
        }
    }
    kept
}

impl Propensity {
    /// Of a row of the outcome model; none where it could not be met.
    pub fn of_row(&self, row: usize) -> Option<f64> {
        self.row_of[row].map(|row| self.fit.probabilities[row as usize][0])
    }

    pub fn overlap(&self, fitted: &Fitted, touchpoint: usize) -> Overlap {
        let model = &fitted.model;
        let yes = model.column(touchpoint, State::Yes).map(|column| column as u16);
        let (mut exposed, mut beyond, mut odds, mut squares) = (0.0, 0.0, 0.0, 0.0);
        let nothing = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut of_exposed, mut of_unexposed) = (nothing, nothing);
        let widen = |range: (f64, f64), p: f64| (range.0.min(p), range.1.max(p));
        for row in 0..model.rows.len() {
            let Some(p) = self.of_row(row) else { continue };
            let weight: f64 = model.weights[row].iter().sum();
            if yes.is_some_and(|yes| model.rows.columns(row).contains(&yes)) {
                exposed += weight;
                beyond += if p > MOST { weight } else { 0.0 };
                of_exposed = widen(of_exposed, p);
            } else {
                let ratio = p / (1.0 - p).max(1e-12);
                odds += weight * ratio;
                squares += weight * ratio * ratio;
                of_unexposed = widen(of_unexposed, p);
            }
        }
        Overlap {
            exposed_without_equals: if exposed > 0.0 { beyond / exposed } else { 0.0 },
            exposed_range: of_exposed,
            unexposed_range: of_unexposed,
            effective_unexposed: if squares > 0.0 { odds * odds / squares } else { 0.0 },
        }
    }

    /// NPS points if everybody met it, over answers with a propensity in [.02, .98]; the propensity is taken
    /// as known. None where there are no such answers.
    pub fn nps_points_if_all(
        &self,
        analysis: &Analysis,
        fitted: &Fitted,
        touchpoint: usize,
        degrees: f64,
    ) -> Option<Estimate> {
        let (model, fit) = (&fitted.model, &fitted.fit);
        let yes = model.column(touchpoint, State::Yes)? as u16;
        let mut slopes_sum = vec![0.0; fit.coefficients.len()];
        let (mut total, mut sum) = (0.0, 0.0);
        let mut gains: Vec<Option<f64>> = vec![None; model.rows.len()];
        for (row, gain_of_row) in gains.iter_mut().enumerate() {
            if !self.of_row(row).is_some_and(|p| (LEAST..=MOST).contains(&p)) {
                continue;
            }
            let weight: f64 = model.weights[row].iter().sum();
            let columns = model.rows.columns(row);
            total += weight;
            *gain_of_row = Some(0.0);
            if columns.contains(&yes) {
                continue;
            }
            let met = || columns.iter().copied().chain([yes]);
            let p = fit.probabilities[row];
            let p1 = fit.probabilities_at(met(), &[0.0; 2]);
            let gain = points(p1) - points(p);
            *gain_of_row = Some(gain);
            sum += weight * gain;
            let of_points = |p: [f64; 2]| {
                let (detractor, promoter) = slopes(p);
                [100.0 * (promoter[0] - detractor[0]), 100.0 * (promoter[1] - detractor[1])]
            };
            let (before, after) = (of_points(p), of_points(p1));
            for a in 0..2 {
                columns.iter().for_each(|c| slopes_sum[2 * usize::from(*c) + a] -= weight * before[a]);
                met().for_each(|c| slopes_sum[2 * usize::from(c) + a] += weight * after[a]);
            }
        }
        if total <= 0.0 {
            return None;
        }
        let value = sum / total;
        slopes_sum.iter_mut().for_each(|s| *s /= total);
        let these = influence::model_part(analysis, fitted, &slopes_sum);
        let mut process = these.clone();
        for (answer, phi) in process.iter_mut().enumerate() {
            if let Some((pattern, _, weight)) = analysis.patterns.answer(analysis.problem, answer)
                && let Some(gain) = gains[model.row_of[pattern as usize] as usize]
            {
                *phi += weight * (gain - value) / total;
            }
        }
        let (process, these) =
            (influence::std_error(analysis, &process), influence::std_error(analysis, &these));
        Some(Estimate::of(value, process, these, degrees))
    }

    /// The doubly robust risk difference of the exposed beside the model's: the two differ by the residuals
    /// of the unexposed, weighted to look like the exposed.
    pub fn doubly_robust(
        &self,
        analysis: &Analysis,
        fitted: &Fitted,
        touchpoint: usize,
    ) -> Option<DoublyRobust> {
        let (model, fit) = (&fitted.model, &fitted.fit);
        let yes = model.column(touchpoint, State::Yes)? as u16;
        let undone = model.undone(&analysis.order, touchpoint);
        let (mut exposed, mut by_model, mut correction) = (0.0, 0.0, 0.0);
        let mut of_outcome = vec![0.0; fit.coefficients.len()];
        let mut of_propensity = vec![0.0; self.fit.coefficients.len()];
        let mut odds = vec![0.0; model.rows.len()];
        let mut is_exposed = vec![false; model.rows.len()];
        for row in 0..model.rows.len() {
            let columns = model.rows.columns(row);
            let weight: f64 = model.weights[row].iter().sum();
            let p = fit.probabilities[row];
            if columns.contains(&yes) {
                is_exposed[row] = true;
                exposed += weight;
                let left = columns.iter().copied().filter(|c| !undone[usize::from(*c)]);
                by_model += weight * (p[1] - fit.probabilities_at(left, &[0.0; 2])[1]);
            } else if let (Some(chance), Some(at)) = (self.of_row(row), self.row_of[row]) {
                odds[row] = chance / (1.0 - chance).max(1e-6);
                let residual = model.weights[row][2] - weight * p[1];
                correction += odds[row] * residual;
                let (detractor, _) = slopes(p);
                for c in columns {
                    (0..2).for_each(|a| {
                        of_outcome[2 * usize::from(*c) + a] -= odds[row] * weight * detractor[a];
                    });
                }
                for c in self.rows.columns(at as usize) {
                    of_propensity[usize::from(*c)] += odds[row] * residual;
                }
            }
        }
        if exposed <= 0.0 {
            return None;
        }
        let difference = correction / exposed;
        of_outcome.iter_mut().for_each(|s| *s /= exposed);
        of_propensity.iter_mut().for_each(|s| *s /= exposed);
        let mut phi = influence::model_part(analysis, fitted, &of_outcome);
        let pulls = pulls::<1>(&self.rows, &self.fit, &of_propensity);
        for (answer, phi) in phi.iter_mut().enumerate() {
            let Some((pattern, class, weight)) = analysis.patterns.answer(analysis.problem, answer) else {
                continue;
            };
            let row = model.row_of[pattern as usize] as usize;
            let met = f64::from(u8::from(is_exposed[row]));
            if let (Some(at), Some(chance)) = (self.row_of[row], self.of_row(row)) {
                *phi += weight * pulls[at as usize][0] * (met - chance);
            }
            let detractor = f64::from(u8::from(class == Class::Detractor));
            *phi +=
                weight * (odds[row] * (detractor - fit.probabilities[row][1]) - difference * met) / exposed;
        }
        let std_error = influence::std_error(analysis, &phi);
        let by_model = by_model / exposed;
        Some(DoublyRobust {
            by_model,
            doubly_robust: by_model - difference,
            std_error,
            is_flagged: std_error.is_some_and(|error| difference.abs() > 2.0 * error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Covariate, Problem, Touchpoint};
    use super::*;

    /// By hand: one covariate of two levels, effects that differ between them, so that a model with one odds
    /// ratio is wrong. Propensities by level are right, and the doubly robust estimate is Σ over levels of the
    /// exposed's share × (detractors exposed − detractors unexposed).
    #[test]
    fn right_propensities_mend_a_wrong_model() {
        // level, met, promoters, passives, detractors
        let cells: [(u16, bool, [usize; 3]); 4] = [
            (0, true, [100, 60, 40]),
            (0, false, [500, 250, 250]),
            (1, true, [60, 60, 180]),
            (1, false, [200, 120, 80]),
        ];
        let (mut classes, mut states, mut codes) = (Vec::new(), Vec::new(), Vec::new());
        for (level, met, counts) in cells {
            for (class, count) in [Class::Promoter, Class::Passive, Class::Detractor].into_iter().zip(counts)
            {
                classes.extend(vec![class; count]);
                states.extend(vec![if met { State::Yes } else { State::No }; count]);
                codes.extend(vec![level; count]);
            }
        }
        let clusters: Vec<u32> = (0..classes.len() as u32).collect();
        let problem = Problem {
            classes: &classes,
            weights: None,
            clusters: vec![&clusters],
            touchpoints: vec![Touchpoint {
                id: "t".into(),
                stage: 0,
                factor: None,
                within: None,
                after: vec![],
                waits_for: None,
                states: &states,
            }],
            covariates: vec![Covariate {
                name: "level".into(),
                levels: vec!["a".into(), "b".into()],
                codes: &codes,
            }],
        };
        let analysis = Analysis::of(&problem, 1).unwrap();
        let fitted = analysis.fit(vec![true], None).unwrap();
        let propensity = propensity(&analysis, &fitted, 0).unwrap();
        let check = propensity.doubly_robust(&analysis, &fitted, 0).unwrap();
        let expected = 200.0 / 500.0 * (40.0 / 200.0 - 250.0 / 1000.0) + 300.0 / 500.0 * (0.6 - 0.2);
        assert!((check.doubly_robust - expected).abs() < 1e-9, "{check:?}");
        assert!(check.is_flagged && (check.by_model - expected).abs() > 0.005, "{check:?}");
        let overlap = propensity.overlap(&fitted, 0);
        let odds: (f64, f64) = (0.2, 0.75);
        let effective =
            (1000.0 * odds.0 + 400.0 * odds.1).powi(2) / (1000.0 * odds.0.powi(2) + 400.0 * odds.1.powi(2));
        assert!((overlap.effective_unexposed - effective).abs() < 1e-6);
        assert!((overlap.exposed_range.0 - 1.0 / 6.0).abs() < 1e-9);
        assert!((overlap.unexposed_range.1 - 3.0 / 7.0).abs() < 1e-9);
    }
}
