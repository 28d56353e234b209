//! `change_parts`: what moved NPS from one period to the next.

use arrow::array::RecordBatch;

use super::columns::{integer, number, text};
use super::inputs::Answers;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::Analysis;
use crate::stats::change::{self, Change, Part};
use crate::stats::problem::Fault;

/// Fewer answers than this in one of two periods leave nothing to divide; nor do fewer than so many for each
/// column of the model, which is fitted in each period alone.
const FEWEST_ANSWERS: usize = 200;
const FEWEST_OF_A_COLUMN: usize = 10;
/// So many of the latest periods are compared with the one before.
const MOST_PERIODS: usize = 12;

struct Row {
    period: String,
    previous: String,
    component: &'static str,
    position: i64,
    touchpoint: String,
    part: Part,
}

/// # Errors
/// A [`Fault`] of the problem.
pub fn parts(answers: &Answers, threads: usize) -> Result<Result<RecordBatch>, Fault> {
    let periods = &answers.periods;
    let mut counts = vec![0usize; periods.levels.len()];
    periods.codes.iter().for_each(|code| counts[usize::from(*code)] += 1);
    let mut rows = Vec::new();
    // Periods sort by their names.
    for now in (1..counts.len()).rev().take(MOST_PERIODS) {
        if counts[now].min(counts[now - 1]) < FEWEST_ANSWERS {
            continue;
        }
        let is_of = |code: &u16| usize::from(*code) == now || usize::from(*code) + 1 == now;
        let weights: Vec<f64> = periods.codes.iter().map(|code| f64::from(u8::from(is_of(code)))).collect();
        let problem = answers.problem(Some(&weights));
        let analysis = Analysis::of(&problem, threads)?;
        if counts[now].min(counts[now - 1]) < FEWEST_OF_A_COLUMN * analysis.columns.columns.len() {
            continue;
        }
        let is_now: Vec<bool> = periods.codes.iter().map(|code| usize::from(*code) == now).collect();
        let Ok(change) = change::change(&analysis, &is_now) else { continue };
        let observed = observed_nps(answers, now) - observed_nps(answers, now - 1);
        push(&mut rows, answers, [&periods.levels[now], &periods.levels[now - 1]], &change, observed);
    }
    Ok(batch(vec![
        ("period", text(&rows, |row| Some(row.period.as_str()))),
        ("previous_period", text(&rows, |row| Some(row.previous.as_str()))),
        ("component", text(&rows, |row| Some(row.component))),
        ("component_position", integer(&rows, |row| Some(row.position))),
        ("touchpoint", text(&rows, |row| Some(row.touchpoint.as_str()))),
        ("nps_points", number(&rows, |row| Some(row.part.value))),
        ("low", number(&rows, |row| row.part.low)),
        ("high", number(&rows, |row| row.part.high)),
    ]))
}

/// NPS of the answers of a period that are in the fit.
fn observed_nps(answers: &Answers, period: usize) -> f64 {
    let mut classes = [0.0; 3];
    let of = answers.periods.codes.iter().zip(&answers.classes);
    of.filter(|(code, _)| usize::from(**code) == period)
        .for_each(|(_, class)| classes[*class as usize] += 1.0);
    change::observed_nps(&classes)
}

/// `observed`: the change as it was seen. Fits reproduce it, but for Firth's penalty: what that leaves is said.
fn push(
    rows: &mut Vec<Row>,
    answers: &Answers,
    [period, previous]: [&str; 2],
    change: &Change,
    observed: f64,
) {
    let mut add = |component: &'static str, position: i64, touchpoint: &str, part: Part| {
        rows.push(Row {
            period: period.into(),
            previous: previous.into(),
            component,
            position,
            touchpoint: touchpoint.into(),
            part,
        });
    };
    let rest = observed - change.change.value;
    let moved = |bound: Option<f64>| bound.map(|bound| bound + rest);
    let fitted = change.change;
    let total = Part { value: observed, low: moved(fitted.low), high: moved(fitted.high), ..fitted };
    let not_fitted = Part { value: rest, std_error: None, low: None, high: None };
    let whole = [total, change.mix, change.reach, change.effect, change.level, not_fitted];
    let names = ["total", "mix", "reach", "effect", "level", "not fitted"];
    for (position, (name, part)) in (1..).zip(names.into_iter().zip(whole)) {
        add(name, position, "all", part);
        let detail = match name {
            "reach" => &change.reach_of,
            "effect" => &change.effect_of,
            _ => continue,
        };
        for (touchpoint, part) in answers.touchpoints.iter().zip(detail) {
            if let Some(part) = part {
                add(name, position, &touchpoint.id, *part);
            }
        }
    }
}
