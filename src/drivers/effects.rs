//! `effects`: every estimate with its interval, as rows.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::columns::{count, integer, number, text};
use super::comparisons::Comparison;
use super::estimates::Estimates;
use super::inputs::{Answers, Levels};
use super::nonresponse::Found;
use crate::engine::Engine;
use crate::error::Result;
use crate::exposures::{batch, texts};
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Effect, Estimand};
use crate::stats::measures::{Estimate, Interval};
use crate::stats::own_slopes::{self, OwnEffects};
use crate::stats::problem::State;
use crate::stats::quantiles::normal_quantile;
use crate::stats::raw::Table;
use crate::stats::segments;

/// Total effects under response weights.
pub fn weighted(answers: &Answers, found: &Found) -> Vec<Row> {
    let estimates =
        found.effects.iter().enumerate().filter_map(|(at, effect)| Some((at, effect.as_ref().ok()?)));
    estimates
        .map(|(touchpoint, effect)| Row {
            dimension: "all".into(),
            segment: "all".into(),
            touchpoint: answers.touchpoints[touchpoint].id.clone(),
            estimand: "total_weighted",
            measure: "nps_points",
            estimate: effect.nps_points,
            n: count(effect.exposed),
        })
        .collect()
}

/// One row of `effects`.
pub struct Row {
    pub dimension: String,
    pub segment: String,
    pub touchpoint: String,
    pub estimand: &'static str,
    pub measure: &'static str,
    pub estimate: Estimate,
    /// Exposed answers behind it.
    pub n: i64,
}

/// All rows but the unadjusted ones. `own`: per dimension and touchpoint; see [`own_effects`].
pub fn rows(
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
    comparisons: &[Option<Comparison>],
    own: &[Vec<Option<OwnEffects>>],
) -> Vec<Row> {
    let mut rows = Vec::new();
    let all = ["all", "all"];
    for (estimand, name, effects) in
        [(Estimand::Direct, "direct", &estimates.direct), (Estimand::Total, "total", &estimates.total)]
    {
        for (touchpoint, effect) in effects.of.iter().enumerate() {
            let Ok(effect) = effect else { continue };
            let n = count(analysis.support[touchpoint].exposed_answers());
            push(&mut rows, all, &answers.touchpoints[touchpoint].id, name, effect, n);
        }
        for dimension in &answers.segments {
            let (codes, levels) = (&dimension.codes, dimension.levels.len());
            let of_levels = segments::segment_effects(analysis, &estimates.fits, estimand, codes, levels);
            for (level, of_level) in dimension.levels.iter().zip(of_levels) {
                for (touchpoint, effect) in of_level.of.iter().enumerate() {
                    let Some(effect) = effect else { continue };
                    let place = [shown(dimension), level.as_str()];
                    let n = effect.sums.exposed.round() as i64;
                    push(&mut rows, place, &answers.touchpoints[touchpoint].id, name, effect, n);
                }
            }
        }
    }
    for (touchpoint, comparison) in comparisons.iter().enumerate() {
        let Some(estimate) = comparison.as_ref().and_then(|comparison| comparison.nps_points_if_all) else {
            continue;
        };
        rows.push(Row {
            dimension: "all".into(),
            segment: "all".into(),
            touchpoint: answers.touchpoints[touchpoint].id.clone(),
            estimand: "total",
            measure: "nps_points_if_all",
            estimate,
            n: count(analysis.support[touchpoint].exposed_answers()),
        });
    }
    for (dimension, own) in answers.segments.iter().zip(own) {
        of_their_own(answers, analysis, dimension, own, &mut rows);
    }
    rows
}

/// A dimension's name as reports show it.
pub fn shown(dimension: &Levels) -> &str {
    dimension.name.trim_start_matches("seg_")
}

fn push(
    rows: &mut Vec<Row>,
    [dimension, segment]: [&str; 2],
    touchpoint: &str,
    estimand: &'static str,
    effect: &Effect,
    n: i64,
) {
    let measures = &effect.measures;
    for (measure, estimate) in [
        ("nps_points", measures.nps_points),
        ("risk_difference", measures.risk_difference),
        ("risk_ratio", measures.risk_ratio),
        ("avoidable_detractors", measures.avoidable_detractors),
        ("avoidable_detractor_share", measures.avoidable_detractor_share),
        ("promoters_gained", measures.promoters_gained),
    ] {
        rows.push(Row {
            dimension: dimension.into(),
            segment: segment.into(),
            touchpoint: touchpoint.into(),
            estimand,
            measure,
            estimate,
            n,
        });
    }
}

/// The unadjusted comparison, from the counts that the reports show.
///
/// # Errors
/// Those of the engine.
pub async fn raw(engine: &Engine) -> Result<Vec<Row>> {
    let plan = engine
        .query(
            "select segment_dimension, segment, touchpoint, sum(exposed_detractors), sum(exposed), \
             sum(unexposed_detractors), sum(unexposed) from touchpoint_counts group by 1, 2, 3 order by 1, 2, 3",
        )
        .await?;
    let mut rows = Vec::new();
    for batch in engine.collect(plan, "touchpoint_counts").await? {
        let (dimensions, names, ids) =
            (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
        let count = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let table = Table {
                exposed_cases: count(3, row) as f64,
                exposed: count(4, row) as f64,
                unexposed_cases: count(5, row) as f64,
                unexposed: count(6, row) as f64,
            };
            for (measure, estimate) in unadjusted(&table) {
                let Some(estimate) = estimate else { continue };
                rows.push(Row {
                    dimension: dimensions.value(row).into(),
                    segment: names.value(row).into(),
                    touchpoint: ids.value(row).into(),
                    estimand: "raw",
                    measure,
                    estimate,
                    n: count(4, row),
                });
            }
        }
    }
    Ok(rows)
}

fn unadjusted(table: &Table) -> [(&'static str, Option<Estimate>); 4] {
    let plain = |value: Option<f64>| value.map(|value| Estimate { value, process: None, these: None });
    let ratio = table.risk_ratio().map(|ratio| Estimate {
        value: ratio.value,
        process: Some(Interval {
            std_error: (ratio.high / ratio.low).ln() / (2.0 * normal_quantile(0.975)),
            low: ratio.low,
            high: ratio.high,
        }),
        these: None,
    });
    [
        ("risk_difference", plain(table.risk_difference())),
        ("risk_ratio", ratio),
        ("avoidable_detractors", plain(table.avoidable())),
        ("avoidable_detractor_share", plain(table.attributable_fraction())),
    ]
}

/// Per segment dimension and touchpoint: each segment's own effect, drawn towards the whole as far as chance
/// explains how segments differ; none where too few segments can tell.
pub fn own_effects(
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
) -> Vec<Vec<Option<OwnEffects>>> {
    let of_dimension = |dimension: &Levels| {
        let covariate = answers.covariates.iter().position(|covariate| covariate.name == dimension.name);
        let of_touchpoint = |touchpoint: usize| {
            if estimates.total.of[touchpoint].is_err() || analysis.support[touchpoint].is_thin() {
                return None;
            }
            let fitted = estimates.fits.behind(Estimand::Total, touchpoint).ok()?;
            own_slopes::own_effects(analysis, fitted, touchpoint, covariate?)
        };
        (0..analysis.touchpoints()).map(of_touchpoint).collect()
    };
    answers.segments.iter().map(of_dimension).collect()
}

fn of_their_own(
    answers: &Answers,
    analysis: &Analysis,
    dimension: &Levels,
    own: &[Option<OwnEffects>],
    rows: &mut Vec<Row>,
) {
    let Some(covariate) = answers.covariates.iter().position(|covariate| covariate.name == dimension.name)
    else {
        return;
    };
    let names = &analysis.patterns.levels[covariate].names;
    for (touchpoint, own) in own.iter().enumerate() {
        let Some(own) = own else { continue };
        for (at, (level, effect)) in names.iter().zip(&own.levels).enumerate() {
            let Some(effect) = effect else { continue };
            let n = exposed_in(answers, analysis, covariate, at as u16, touchpoint);
            for (measure, estimate) in
                [("nps_points", effect.nps_points), ("risk_difference", effect.risk_difference)]
            {
                rows.push(Row {
                    dimension: shown(dimension).into(),
                    segment: level.clone(),
                    touchpoint: answers.touchpoints[touchpoint].id.clone(),
                    estimand: "total_own",
                    measure,
                    estimate,
                    n,
                });
            }
        }
    }
}

/// Exposed answers of a level of the model, with those that were pooled into it.
fn exposed_in(
    answers: &Answers,
    analysis: &Analysis,
    covariate: usize,
    level: u16,
    touchpoint: usize,
) -> i64 {
    let level_of = &analysis.patterns.levels[covariate].level_of;
    let met = answers.covariates[covariate].codes.iter().zip(&answers.states[touchpoint]);
    count(met.filter(|(of, state)| level_of[usize::from(**of)] == level && **state == State::Yes).count())
}

/// # Errors
/// Columns that do not fit together.
pub fn table(rows: &[Row]) -> Result<RecordBatch> {
    batch(vec![
        ("segment_dimension", text(rows, |row| Some(row.dimension.as_str()))),
        ("segment", text(rows, |row| Some(row.segment.as_str()))),
        ("touchpoint", text(rows, |row| Some(row.touchpoint.as_str()))),
        ("estimand", text(rows, |row| Some(row.estimand))),
        ("measure", text(rows, |row| Some(row.measure))),
        ("estimate", number(rows, |row| Some(row.estimate.value))),
        ("std_error", number(rows, |row| Some(row.estimate.process?.std_error))),
        ("low", number(rows, |row| Some(row.estimate.process?.low))),
        ("high", number(rows, |row| Some(row.estimate.process?.high))),
        ("low_these", number(rows, |row| Some(row.estimate.these?.low))),
        ("high_these", number(rows, |row| Some(row.estimate.these?.high))),
        ("n", integer(rows, |row| Some(row.n))),
    ])
}
