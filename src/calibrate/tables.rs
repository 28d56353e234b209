//! The figures as Parquet: `calibration_coverage`, `calibration_rates`, `calibration_targets`, each in a folder.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};

use super::figures::Figures;
use super::targets::Target;
use crate::error::Result;
use crate::exposures::batch;

fn text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn number(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.map(|value| value.filter(|x| x.is_finite())).collect::<Float64Array>())
}

fn count(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|n| i64::try_from(n).unwrap_or(i64::MAX))))
}

/// One row per scenario, method, estimand, measure, truth and touchpoint.
///
/// # Errors
/// Columns that do not fit together.
pub fn coverage(all: &[Figures], ids: &[String]) -> Result<RecordBatch> {
    let rows: Vec<_> = all
        .iter()
        .flat_map(|figures| figures.cells.iter().map(move |(what, cell)| (figures.scenario, what, cell)))
        .collect();
    batch(vec![
        ("scenario", text(rows.iter().map(|(scenario, ..)| scenario.name))),
        ("scenario_meaning", text(rows.iter().map(|(scenario, ..)| scenario.sentence))),
        ("answers", count(rows.iter().map(|(scenario, ..)| scenario.answers as u64))),
        ("method", text(rows.iter().map(|(_, what, _)| what.method.as_str()))),
        ("estimand", text(rows.iter().map(|(_, what, _)| what.estimand))),
        ("measure", text(rows.iter().map(|(_, what, _)| what.measure.as_str()))),
        ("truth_of", text(rows.iter().map(|(_, what, _)| what.against.as_str()))),
        ("touchpoint", text(rows.iter().map(|(_, what, _)| ids[usize::from(what.touchpoint)].as_str()))),
        ("worlds", count(rows.iter().map(|(.., cell)| cell.worlds))),
        ("coverage", number(rows.iter().map(|(.., cell)| cell.coverage()))),
        ("mean_truth", number(rows.iter().map(|(.., cell)| Some(cell.mean_truth())))),
        ("mean_estimate", number(rows.iter().map(|(.., cell)| Some(cell.mean_estimate())))),
        ("mean_std_error", number(rows.iter().map(|(.., cell)| cell.mean_std_error()))),
        ("spread_of_estimates", number(rows.iter().map(|(.., cell)| cell.spread()))),
    ])
}

/// One row per scenario and rate.
///
/// # Errors
/// Columns that do not fit together.
pub fn rates(all: &[Figures]) -> Result<RecordBatch> {
    let rows: Vec<_> = all
        .iter()
        .flat_map(|figures| {
            figures.rates.iter().map(move |(name, rate)| (figures.scenario.name, *name, rate))
        })
        .collect();
    batch(vec![
        ("scenario", text(rows.iter().map(|(scenario, ..)| *scenario))),
        ("rate", text(rows.iter().map(|(_, name, _)| *name))),
        ("worlds", count(rows.iter().map(|(.., rate)| rate.worlds))),
        ("mean", number(rows.iter().map(|(.., rate)| Some(rate.mean())))),
        ("std_error", number(rows.iter().map(|(.., rate)| Some(rate.std_error())))),
    ])
}

/// One row per target.
///
/// # Errors
/// Columns that do not fit together.
pub fn targets(targets: &[Target]) -> Result<RecordBatch> {
    batch(vec![
        ("scenario", text(targets.iter().map(|target| target.scenario))),
        ("method", text(targets.iter().map(|target| target.method))),
        (
            "is_wrong_method",
            Arc::new(targets.iter().map(|target| Some(target.is_of_a_mutant)).collect::<BooleanArray>()),
        ),
        (
            "touchpoint",
            Arc::new(targets.iter().map(|target| target.touchpoint.as_deref()).collect::<StringArray>()),
        ),
        ("target", text(targets.iter().map(|target| target.sentence.as_str()))),
        ("worlds", count(targets.iter().map(|target| target.worlds))),
        ("figure", number(targets.iter().map(|target| Some(target.figure)))),
        ("low", number(targets.iter().map(|target| target.low))),
        ("high", number(targets.iter().map(|target| target.high))),
        ("at_least", number(targets.iter().map(|target| target.at_least))),
        ("at_most", number(targets.iter().map(|target| target.at_most))),
        ("held_at_least", number(targets.iter().map(|target| target.held_at_least))),
        ("held_at_most", number(targets.iter().map(|target| target.held_at_most))),
        ("false_alarm", number(targets.iter().map(|target| target.false_alarm))),
        (
            "is_reached",
            Arc::new(targets.iter().map(|target| Some(target.is_reached())).collect::<BooleanArray>()),
        ),
    ])
}
