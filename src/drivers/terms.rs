//! `model_terms`: the fitted model, term by term.

use arrow::array::RecordBatch;

use super::columns::{count, integer, number, text};
use super::estimates::Estimates;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::Analysis;
use crate::stats::design::{Column, Dropped};
use crate::stats::influence;
use crate::stats::problem::State;

struct Term {
    class: &'static str,
    position: i64,
    name: String,
    coefficient: Option<f64>,
    std_error: Option<f64>,
    answers: i64,
    note: Option<String>,
}

/// # Errors
/// Columns that do not fit together.
pub fn table(analysis: &Analysis, estimates: &Estimates) -> Result<RecordBatch> {
    let terms = terms(analysis, estimates);
    batch(vec![
        ("class", text(&terms, |term| Some(term.class))),
        ("position", integer(&terms, |term| Some(term.position))),
        ("term", text(&terms, |term| Some(term.name.as_str()))),
        ("coefficient", number(&terms, |term| term.coefficient)),
        ("std_error", number(&terms, |term| term.std_error)),
        ("answers", integer(&terms, |term| Some(term.answers))),
        ("note", text(&terms, |term| term.note.as_deref())),
    ])
}

fn terms(analysis: &Analysis, estimates: &Estimates) -> Vec<Term> {
    let Ok(fitted) = &estimates.fits.direct else { return Vec::new() };
    let covariance = influence::clustered_covariance(analysis, fitted);
    let penalised = fitted.fit.is_penalised.then_some("estimated with Firth's penalty");
    let mut terms = Vec::new();
    for (place, class) in ["passive", "detractor"].into_iter().enumerate() {
        for (at, column) in analysis.columns.columns.iter().enumerate() {
            let kept = fitted.model.columns.iter().position(|other| other == column);
            let dropped = fitted.model.dropped.iter().find(|(other, _)| other == column);
            terms.push(Term {
                class,
                position: count(at + 1),
                name: name(analysis, *column),
                coefficient: kept.map(|at| fitted.fit.coefficients[2 * at + place]),
                std_error: kept
                    .and_then(|at| Some(covariance.as_ref()?[(2 * at + place, 2 * at + place)].sqrt())),
                answers: analysis.columns.answers_with(at, at).round() as i64,
                note: match dropped {
                    Some((_, reason)) => Some(why(analysis, reason)),
                    None => penalised.map(str::to_string),
                },
            });
        }
    }
    terms
}

/// A column's name: `late`, `late: unknown`, `x_month: 2026-10`.
pub fn name(analysis: &Analysis, column: Column) -> String {
    match column {
        Column::Constant => "(intercept)".into(),
        Column::Level { covariate, level } => {
            let levels = &analysis.patterns.levels[covariate];
            format!("{}: {}", analysis.problem.covariates[covariate].name, levels.names[usize::from(level)])
        }
        Column::State { touchpoint, state: State::Yes } => {
            analysis.problem.touchpoints[touchpoint].id.clone()
        }
        Column::State { touchpoint, state } => {
            format!("{}: {}", analysis.problem.touchpoints[touchpoint].id, state.as_str())
        }
    }
}

/// Why a column is not in the model.
pub fn why(analysis: &Analysis, reason: &Dropped) -> String {
    match reason {
        Dropped::NoAnswer => "dropped: no answer has it".into(),
        Dropped::EveryAnswer => "dropped: every answer has it".into(),
        told => format!("dropped: {}", told_by(analysis, told)),
    }
}

/// What tells the same as a column that was dropped.
pub fn told_by(analysis: &Analysis, reason: &Dropped) -> String {
    match reason {
        Dropped::NoAnswer => "met by no answer".into(),
        Dropped::EveryAnswer => "met by every answer".into(),
        Dropped::SameAs(column) => format!("met by the same answers as {}", name(analysis, *column)),
        Dropped::FollowsFrom(columns) => {
            let others = columns.iter().filter(|column| **column != Column::Constant);
            let names: Vec<String> = others.map(|column| name(analysis, *column)).collect();
            match names.len() == columns.len() {
                true => format!("follows from {}", names.join(", ")),
                // What is left of all answers.
                false => format!("met by all but those who met {}", names.join(" or ")),
            }
        }
    }
}
