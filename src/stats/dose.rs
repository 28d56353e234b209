//! More of it, worse? The detractor share of the exposed at every dose.
//!
//! The touchpoint is replaced by states that exclude each other, one per bin of its dose, in the model of its
//! total effect; each bin is standardised over all who were exposed, so bins differ by dose and nothing else
//! that was measured. Its parts leave the model: they are doses under other names.

use super::analysis::{Analysis, Missing};
use super::influence::{model_part, std_error};
use super::measures::Estimate;
use super::problem::{Class, Fault, Problem, State, Touchpoint};
use super::standardise::slopes;

/// One bin of a dose.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    /// Exposed answers at this dose.
    pub exposed: u64,
    /// Share of detractors among them, as it is.
    pub raw: Option<f64>,
    /// Share of detractors of all exposed if all had had this dose.
    pub adjusted: Option<Estimate>,
}

/// The bins, and the exposed with the touchpoint undone.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseResponse {
    pub undone: Estimate,
    pub bins: Vec<Bin>,
}

/// Standardises the bins of a dose. `bins`: per answer the bin (from 0) of an exposed answer; none where its
/// dose is not known. There are `count` bins.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn dose_response(
    problem: &Problem,
    touchpoint: usize,
    bins: &[Option<u16>],
    count: usize,
    threads: usize,
) -> Result<Result<DoseResponse, Missing>, Fault> {
    if bins.len() != problem.answers() {
        return Err(Fault::Length { column: "dose".into(), found: bins.len(), expected: problem.answers() });
    }
    let states = states_of_bins(problem, touchpoint, bins, count);
    let replaced = replaced(problem, touchpoint, &states);
    let analysis = Analysis::of(&replaced.problem, threads)?;
    Ok(standardised(&analysis, &replaced.bins))
}

/// Per bin, and one more for exposed answers of unknown dose: the states of all answers.
fn states_of_bins(
    problem: &Problem,
    touchpoint: usize,
    bins: &[Option<u16>],
    count: usize,
) -> Vec<Vec<State>> {
    let states = problem.touchpoints[touchpoint].states;
    (0..=count)
        .map(|bin| {
            let of = |(state, dose): (&State, &Option<u16>)| match state {
                State::Yes if dose.map_or(count, usize::from) == bin => State::Yes,
                State::Yes => State::No,
                // One of the states is enough to keep open answers apart from the reference.
                open if bin == 0 => *open,
                State::No => State::No,
                _ => State::No,
            };
            states.iter().zip(bins).map(of).collect()
        })
        .collect()
}

struct Replaced<'a> {
    problem: Problem<'a>,
    /// Positions of the bins, that of unknown doses last.
    bins: Vec<usize>,
}

fn replaced<'a>(problem: &Problem<'a>, touchpoint: usize, states: &'a [Vec<State>]) -> Replaced<'a> {
    let is_part = |mut at: usize| {
        while let Some(whole) = problem.touchpoints[at].within {
            if whole == touchpoint {
                return true;
            }
            at = whole;
        }
        false
    };
    let kept: Vec<usize> =
        (0..problem.touchpoints.len()).filter(|at| *at != touchpoint && !is_part(*at)).collect();
    let new_at = |old: usize| kept.iter().position(|at| *at == old);
    let bins: Vec<usize> = (0..states.len()).map(|bin| kept.len() + bin).collect();
    let rename = |after: &[usize]| -> Vec<usize> {
        let names = after.iter().flat_map(|old| {
            if *old == touchpoint || is_part(*old) {
                bins.clone()
            } else {
                new_at(*old).into_iter().collect()
            }
        });
        let mut names: Vec<usize> = names.collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let own = &problem.touchpoints[touchpoint];
    let free = problem.touchpoints.iter().filter_map(|t| t.factor).max().map_or(0, |most| most + 1);
    let mut touchpoints: Vec<Touchpoint<'a>> = kept
        .iter()
        .map(|at| {
            let one = &problem.touchpoints[*at];
            Touchpoint {
                within: one.within.and_then(new_at),
                after: rename(&one.after),
                waits_for: one.waits_for.and_then(new_at),
                id: one.id.clone(),
                ..*one
            }
        })
        .collect();
    touchpoints.extend(states.iter().enumerate().map(|(bin, states)| Touchpoint {
        id: format!("{} {bin}", own.id),
        stage: own.stage,
        factor: Some(own.factor.unwrap_or(free)),
        within: own.within.and_then(new_at),
        after: rename(&own.after),
        waits_for: own.waits_for.and_then(new_at),
        states,
    }));
    Replaced { problem: Problem { touchpoints, ..problem.clone() }, bins }
}

fn standardised(analysis: &Analysis, bins: &[usize]) -> Result<DoseResponse, Missing> {
    let fitted = &analysis.fit(analysis.order.in_total_model(bins[0]), None).map_err(Missing::NoFit)?;
    let (model, fit) = (&fitted.model, &fitted.fit);
    let columns: Vec<Option<u16>> =
        bins.iter().map(|bin| model.column(*bin, State::Yes).map(|c| c as u16)).collect();
    let is_exposed: Vec<bool> = (0..model.rows.len())
        .map(|row| model.rows.columns(row).iter().any(|c| columns.contains(&Some(*c))))
        .collect();
    let weight_of = |row: usize| model.weights[row].iter().sum::<f64>();
    let exposed: f64 = (0..model.rows.len()).filter(|row| is_exposed[*row]).map(weight_of).sum();
    if exposed <= 0.0 {
        return Err(Missing::NobodyMet);
    }
    let clusters: u64 = bins.iter().map(|bin| analysis.support[*bin].exposed_clusters).sum();
    let degrees = clusters as f64 - 1.0;
    let at_dose = |column: Option<u16>| {
        let mut slope = vec![0.0; fit.coefficients.len()];
        let mut share = vec![0.0; model.rows.len()];
        for row in (0..model.rows.len()).filter(|row| is_exposed[*row]) {
            let others = || model.rows.columns(row).iter().copied().filter(|c| !columns.contains(&Some(*c)));
            let set = || others().chain(column);
            let p = fit.probabilities_at(set(), &[0.0; 2]);
            share[row] = p[1];
            let (detractor, _) = slopes(p);
            for c in set() {
                (0..2).for_each(|a| slope[2 * usize::from(c) + a] += weight_of(row) * detractor[a] / exposed);
            }
        }
        let value = (0..share.len()).map(|row| weight_of(row) * share[row]).sum::<f64>() / exposed;
        let these = model_part(analysis, fitted, &slope);
        let mut process = these.clone();
        for (answer, phi) in process.iter_mut().enumerate() {
            if let Some((pattern, _, weight)) = analysis.patterns.answer(analysis.problem, answer) {
                let row = model.row_of[pattern as usize] as usize;
                if is_exposed[row] {
                    *phi += weight * (share[row] - value) / exposed;
                }
            }
        }
        Estimate::of(value, std_error(analysis, &process), std_error(analysis, &these), degrees)
    };
    let found = bins
        .iter()
        .zip(&columns)
        .take(bins.len() - 1)
        .map(|(bin, column)| {
            let exposed = analysis.support[*bin].exposed;
            let answers: u64 = exposed.iter().sum();
            let detractors = exposed[Class::Detractor as usize] as f64;
            Bin {
                exposed: answers,
                raw: (answers > 0).then(|| detractors / answers as f64),
                adjusted: column.map(|column| at_dose(Some(column))),
            }
        })
        .collect();
    Ok(DoseResponse { undone: at_dose(None), bins: found })
}

#[cfg(test)]
mod tests {
    use super::super::effects::{Estimand, Fits};
    use super::super::planted::{LATE, PLAIN, World};
    use super::*;

    /// One bin is the touchpoint itself; doses that do nothing come out alike.
    #[test]
    fn one_bin_is_the_touchpoint_itself() {
        let world = World::new(5_000, 71, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        let measures = &effects.of[LATE].as_ref().unwrap().measures;
        let found = dose_response(&problem, LATE, &vec![Some(0); 5_000], 1, 2).unwrap().unwrap();
        let bin = found.bins[0].adjusted.unwrap().value;
        assert!((bin - found.undone.value - measures.risk_difference.value).abs() < 1e-9);
        assert!((bin - found.bins[0].raw.unwrap()).abs() < 1e-9);
        let halves: Vec<Option<u16>> =
            (0..5_000).map(|i| if i % 50 == 0 { None } else { Some(i % 2) }).collect();
        let found = dose_response(&problem, LATE, &halves, 3, 2).unwrap().unwrap();
        let [one, other] = [0, 1].map(|bin: usize| found.bins[bin].adjusted.unwrap());
        let error = one.process.unwrap().std_error + other.process.unwrap().std_error;
        assert!((one.value - other.value).abs() < 2.5 * error);
        assert!(one.process.unwrap().low > found.undone.value);
        assert_eq!((found.bins[2].exposed, found.bins[2].adjusted), (0, None));
    }
}
