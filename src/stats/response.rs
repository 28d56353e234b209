//! Answers are not everyone: weights for who answered, and effects under them.
//!
//! A logit of answering on covariates, touchpoints and lag, over all who could have answered (the invited,
//! where they are known), gives π; answers are weighted by 1/π, trimmed at the 99th centile (Seaman and White
//! 2013). That π was estimated counts in the influence values, over the silent ones too. Response that
//! depends on the answer itself is another matter: see `sensitivity`.

use super::analysis::{Analysis, Fitted, Missing};
use super::effects::{Estimand, Fits};
use super::influence::{self, covariance, pulls};
use super::logit::{self, Cell, Fit, NoFit, Penalty};
use super::measures::Estimate;
use super::patterns::NONE;
use super::problem::{Fault, Problem, State};
use super::standardise::{nps_points as points, slopes};

/// Chances of answering.
#[derive(Debug)]
pub struct Response {
    /// Per journey: 1/π times its own weight where it has an answer, trimmed; 0 where it has none.
    pub weights: Vec<f64>,
    /// Answers whose weight was trimmed.
    pub trimmed: u64,
    is_trimmed: Vec<bool>,
    fit: Fit<1>,
}

/// Effects under response weights, per touchpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    pub nps_points: Estimate,
    /// With π taken as known: what it would be without counting that it was estimated.
    pub std_error_of_known: Option<f64>,
    /// Exposed answers that carry a weight.
    pub exposed: u64,
}

/// Fits the response model. `everyone` is a problem over all journeys that could have been answered; the
/// classes of those that were not (`answered` false) are not looked at.
///
/// # Errors
/// [`NoFit`], for instance where nobody answered.
pub fn response(everyone: &Analysis, answered: &[bool]) -> Result<Response, NoFit> {
    let model = everyone.columns.model(&everyone.patterns, vec![true; everyone.touchpoints()], None);
    let row_of = |journey: usize| {
        let pattern = everyone.patterns.of_answer[journey];
        (pattern != NONE).then(|| model.row_of[pattern as usize] as usize)
    };
    let mut cells = vec![Cell { total: 0.0, free: [0.0] }; model.rows.len()];
    for (journey, answered) in answered.iter().enumerate() {
        if let Some(row) = row_of(journey) {
            cells[row].total += 1.0;
            cells[row].free[0] += f64::from(u8::from(*answered));
        }
    }
    let fit = logit::fit::<1>(&model.rows, &cells, Penalty::WhenSeparated, None, everyone.threads)?;
    let inverse = |journey: usize| row_of(journey).map(|row| 1.0 / fit.probabilities[row][0].max(1e-6));
    let mut sorted: Vec<f64> =
        (0..answered.len()).filter(|journey| answered[*journey]).filter_map(inverse).collect();
    sorted.sort_by(f64::total_cmp);
    let most = match sorted.len() {
        0 => return Err(NoFit::NoAnswers),
        n => sorted[(n * 99 / 100).min(n - 1)],
    };
    let mut weights = vec![0.0; answered.len()];
    let mut is_trimmed = vec![false; answered.len()];
    for journey in (0..answered.len()).filter(|journey| answered[*journey]) {
        if let Some(weight) = inverse(journey) {
            is_trimmed[journey] = weight > most;
            weights[journey] = weight.min(most) * everyone.problem.weight(journey);
        }
    }
    let trimmed = is_trimmed.iter().filter(|trimmed| **trimmed).count() as u64;
    Ok(Response { weights, trimmed, is_trimmed, fit })
}

/// Total effects of the answers under response weights, where the problem over all journeys is also that of the
/// answers.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn weighted_effects(
    everyone: &Analysis,
    answered: &[bool],
    response: &Response,
) -> Result<Vec<Result<Weighted, Missing>>, Fault> {
    let answer_of: Vec<Option<u32>> =
        (0..).zip(answered).map(|(journey, answered)| answered.then_some(journey)).collect();
    effects_of_answers(everyone, &answer_of, response, everyone.problem)
}

/// The same where answers are a problem of their own. `answer_of`: per journey its answer there. Answers that no
/// journey has take no part.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn effects_of_answers(
    everyone: &Analysis,
    answer_of: &[Option<u32>],
    response: &Response,
    answers: &Problem,
) -> Result<Vec<Result<Weighted, Missing>>, Fault> {
    let mut weights = vec![0.0; answers.answers()];
    for (answer, weight) in answer_of.iter().zip(&response.weights) {
        answer.iter().for_each(|answer| weights[*answer as usize] = *weight);
    }
    let problem = Problem { weights: Some(&weights), ..answers.clone() };
    let analysis = Analysis::of(&problem, everyone.threads)?;
    let fits = Fits::of(&analysis);
    let model = everyone.columns.model(&everyone.patterns, vec![true; everyone.touchpoints()], None);
    let row_of = |journey: usize| model.row_of[everyone.patterns.of_answer[journey] as usize] as usize;
    let counted = || (0..answer_of.len()).filter(|journey| everyone.patterns.of_answer[*journey] != NONE);
    Ok((0..analysis.touchpoints())
        .map(|touchpoint| {
            let fitted = fits.behind(Estimand::Total, touchpoint);
            if let Some(missing) = analysis.missing(fitted, touchpoint) {
                return Err(missing);
            }
            let fitted = fitted.map_err(Missing::NoFit)?;
            let (value, phi) = nps_points(&analysis, fitted, touchpoint);
            let known = influence::std_error(&analysis, &phi);
            // What a change of π's coefficients would do, through the weights of the answers.
            let mut slope = vec![0.0; response.fit.coefficients.len()];
            let mut all = vec![0.0; answer_of.len()];
            for journey in counted() {
                let Some(answer) = answer_of[journey] else { continue };
                all[journey] = phi[answer as usize];
                if !response.is_trimmed[journey] {
                    let row = row_of(journey);
                    let change = -(1.0 - response.fit.probabilities[row][0]);
                    for c in model.rows.columns(row) {
                        slope[usize::from(*c)] += change * all[journey];
                    }
                }
            }
            let pulls = pulls::<1>(&model.rows, &response.fit, &slope);
            for journey in counted() {
                let row = row_of(journey);
                let is_answered = f64::from(u8::from(answer_of[journey].is_some()));
                all[journey] += pulls[row][0] * (is_answered - response.fit.probabilities[row][0]);
            }
            let process = covariance(&everyone.groupings, &everyone.patterns.of_answer, &[&all])
                .map(|covariance| covariance[(0, 0)].sqrt());
            let degrees = analysis.support[touchpoint].degrees();
            Ok(Weighted {
                nps_points: Estimate::of(value, process, None, degrees),
                std_error_of_known: known,
                exposed: analysis.support[touchpoint].exposed_answers(),
            })
        })
        .collect())
}

/// NPS points of a touchpoint and every answer's influence on them.
fn nps_points(analysis: &Analysis, fitted: &Fitted, touchpoint: usize) -> (f64, Vec<f64>) {
    let (model, fit) = (&fitted.model, &fitted.fit);
    let undone = model.undone(&analysis.order, touchpoint);
    let yes = model.column(touchpoint, State::Yes).map(|column| column as u16);
    let total: f64 = model.weights.iter().flatten().sum();
    let mut slope = vec![0.0; fit.coefficients.len()];
    let mut gains = vec![0.0; model.rows.len()];
    let mut value = 0.0;
    for (row, gain) in gains.iter_mut().enumerate() {
        let columns = model.rows.columns(row);
        if !yes.is_some_and(|yes| columns.contains(&yes)) {
            continue;
        }
        let share = model.weights[row].iter().sum::<f64>() / total;
        let left = || columns.iter().copied().filter(|c| !undone[usize::from(*c)]);
        let of = |p: [f64; 2]| {
            let (detractor, promoter) = slopes(p);
            [0, 1].map(|a| 100.0 * share * (promoter[a] - detractor[a]))
        };
        let (p, p0) = (fit.probabilities[row], fit.probabilities_at(left(), &[0.0; 2]));
        *gain = points(p0) - points(p);
        value += share * *gain;
        let (now, then) = (of(p), of(p0));
        for a in 0..2 {
            columns.iter().for_each(|c| slope[2 * usize::from(*c) + a] -= now[a]);
            left().for_each(|c| slope[2 * usize::from(c) + a] += then[a]);
        }
    }
    let mut phi = influence::model_part(analysis, fitted, &slope);
    for (answer, phi) in phi.iter_mut().enumerate() {
        if let Some((pattern, _, weight)) = analysis.patterns.answer(analysis.problem, answer) {
            *phi += weight * (gains[model.row_of[pattern as usize] as usize] - value) / total;
        }
    }
    (value, phi)
}

#[cfg(test)]
mod tests {
    use super::super::planted::{self, PLAIN, TICKET, World};
    use super::*;

    /// Customers with a ticket answer half as often: the weights bring the truth back, unweighted estimates
    /// miss it, and intervals that count π as estimated are no wider.
    #[test]
    fn weights_undo_response_that_depends_on_tickets() {
        let truth = planted::truth(PLAIN).0[TICKET];
        let (mut squares, mut off, mut off_unweighted, mut errors) = (0.0, 0.0, 0.0, 0.0);
        let worlds = 100;
        for seed in 0..worlds {
            let world = World::new(3_000, 900 + seed, PLAIN);
            let problem = world.problem();
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let answered: Vec<bool> = world.states[TICKET]
                .iter()
                .map(|state| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let chance = if *state == State::Yes { 0.35 } else { 0.7 };
                    ((random >> 11) as f64 / (1u64 << 53) as f64) < chance
                })
                .collect();
            let everyone = Analysis::of(&problem, 2).unwrap();
            let response = response(&everyone, &answered).unwrap();
            let found = weighted_effects(&everyone, &answered, &response).unwrap();
            let found = found[TICKET].as_ref().unwrap();
            let interval = found.nps_points.process.unwrap();
            squares += ((found.nps_points.value - truth) / interval.std_error).powi(2);
            off += found.nps_points.value - truth;
            errors += interval.std_error;
            assert!(interval.std_error < 1.1 * found.std_error_of_known.unwrap());
            let ones: Vec<f64> = answered.iter().map(|answered| f64::from(u8::from(*answered))).collect();
            let plain = Problem { weights: Some(&ones), ..problem.clone() };
            let analysis = Analysis::of(&plain, 2).unwrap();
            let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
            off_unweighted += effects.of[TICKET].as_ref().unwrap().measures.nps_points.value - truth;
        }
        let worlds = f64::from(worlds as u32);
        // χ² of 100 degrees: one right method in 500 lies outside; intervals that hold 85% would give 1.85.
        assert!((0.62..=1.49).contains(&(squares / worlds)), "{}", squares / worlds);
        // One right method in 1,000.
        assert!((off / worlds).abs() < 3.3 * errors / worlds / worlds.sqrt(), "{off} {errors}");
        assert!((off_unweighted / worlds).abs() > 1.0, "{}", off_unweighted / worlds);
    }
}
