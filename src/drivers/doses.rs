//! `dose_bins`: more of it, worse?

use arrow::array::RecordBatch;

use super::columns::{count, integer, number, text};
use super::estimates::Estimates;
use super::inputs::Answers;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::Analysis;
use crate::stats::dose;
use crate::stats::measures::Estimate;
use crate::stats::problem::{Fault, State};

/// A touchpoint's dose: a column of `fct_exposures` in bins, the smallest first, as
/// `queries/6_measures/int_measures.sql` cuts them.
struct Dose {
    touchpoint: &'static str,
    measure: &'static str,
    bins: &'static [&'static str],
}

const DOSES: [Dose; 3] = [
    Dose { touchpoint: "late", measure: "x_days_late_bin", bins: &["1", "2-3", "4-7", "8 or more"] },
    Dose {
        touchpoint: "ticket_opened",
        measure: "x_first_reply_hours_bin",
        bins: &["under 4", "4-24", "24-48", "48-96", "over 96"],
    },
    Dose {
        touchpoint: "ticket_opened",
        measure: "x_full_resolution_hours_bin",
        bins: &["up to 24", "24-72", "72-168", "over 168"],
    },
];

/// The columns of the bins.
pub fn columns() -> Vec<String> {
    DOSES.iter().map(|dose| dose.measure.to_string()).collect()
}

struct Bin {
    touchpoint: &'static str,
    measure: &'static str,
    bin: &'static str,
    position: i64,
    exposed: i64,
    raw: Option<f64>,
    adjusted: Option<Estimate>,
}

/// # Errors
/// A [`Fault`] of the problem.
pub fn bins(
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
) -> Result<Result<RecordBatch>, Fault> {
    let mut rows = Vec::new();
    for dose in &DOSES {
        let Some(at) = answers.position(dose.touchpoint) else { continue };
        let Some(levels) = answers.doses.iter().find(|levels| levels.name == dose.measure) else { continue };
        if estimates.total.of[at].is_err() || analysis.support[at].is_thin() {
            continue;
        }
        let bin_of: Vec<Option<u16>> = levels
            .levels
            .iter()
            .map(|level| dose.bins.iter().position(|bin| bin == level).map(|bin| bin as u16))
            .collect();
        let of_answer = |(state, code): (&State, &u16)| match state {
            State::Yes => bin_of[usize::from(*code)],
            _ => None,
        };
        let of_answers: Vec<Option<u16>> =
            answers.states[at].iter().zip(&levels.codes).map(of_answer).collect();
        if of_answers.iter().all(Option::is_none) {
            continue;
        }
        let found =
            dose::dose_response(analysis.problem, at, &of_answers, dose.bins.len(), analysis.threads)?;
        let Ok(found) = found else { continue };
        for (position, (bin, name)) in found.bins.iter().zip(dose.bins).enumerate() {
            rows.push(Bin {
                touchpoint: dose.touchpoint,
                measure: dose.measure,
                bin: name,
                position: count(position + 1),
                exposed: count(bin.exposed),
                raw: bin.raw,
                adjusted: bin.adjusted,
            });
        }
    }
    Ok(batch(vec![
        ("touchpoint", text(&rows, |row| Some(row.touchpoint))),
        ("measure", text(&rows, |row| Some(row.measure))),
        ("bin", text(&rows, |row| Some(row.bin))),
        ("bin_position", integer(&rows, |row| Some(row.position))),
        ("exposed_responses", integer(&rows, |row| Some(row.exposed))),
        ("detractor_share", number(&rows, |row| row.raw)),
        ("adjusted_detractor_share", number(&rows, |row| Some(row.adjusted?.value))),
        ("low", number(&rows, |row| Some(row.adjusted?.process?.low))),
        ("high", number(&rows, |row| Some(row.adjusted?.process?.high))),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_those_of_the_measures() {
        let queries = crate::queries::stages().unwrap();
        let measures = queries.iter().find(|query| query.name == "int_measures").unwrap().sql;
        for dose in &DOSES {
            assert!(measures.contains(&format!("as {}", dose.measure)), "{}", dose.measure);
            let mut from = 0;
            for bin in dose.bins {
                let found = measures[from..].find(&format!("then '{bin}'"));
                from += found.unwrap_or_else(|| panic!("{} has no bin {bin} here", dose.measure));
            }
        }
    }
}
