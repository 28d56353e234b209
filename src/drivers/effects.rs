//! `effects`, `verdicts` and `segment_rule`: estimates as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::inputs::Answers;
use super::{Estimates, SEED};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::Result;
use crate::exposures::{batch, texts};
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Effect, Estimand};
use crate::stats::measures::Estimate;
use crate::stats::raw::Table;
use crate::stats::verdict::Verdict;
use crate::stats::{evidence, own_slopes, propensity, segments, shared_variance};

/// One row of `effects`.
struct Row {
    dimension: String,
    segment: String,
    touchpoint: String,
    estimand: &'static str,
    measure: &'static str,
    estimate: Estimate,
    n: i64,
}

/// One row of `verdicts`.
#[derive(Default)]
struct Said {
    dimension: String,
    segment: String,
    touchpoint: String,
    p_value: Option<f64>,
    q_value: Option<f64>,
    e_value: Option<f64>,
    e_value_limit: Option<f64>,
    rank: Option<i64>,
    rank_low: Option<i64>,
    rank_high: Option<i64>,
    verdict: Option<&'static str>,
    shared_variance_share: Option<f64>,
}

pub(super) async fn register(
    engine: &Engine,
    config: &Config,
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis<'_>,
    estimates: &Estimates,
) -> Result<()> {
    let id = |touchpoint: usize| catalogue.touchpoints[answers.touchpoints[touchpoint]].id.clone();
    let mut rows = raw(engine).await?;
    let mut said = of_the_whole(catalogue, answers, analysis, estimates);
    for (estimand, name, effects) in [
        (Estimand::Direct, "direct", &estimates.direct),
        (Estimand::Total, "total", &estimates.total),
    ] {
        for (touchpoint, effect) in effects.of.iter().enumerate() {
            let Ok(effect) = effect else { continue };
            let n = analysis.support[touchpoint].exposed_answers();
            push(&mut rows, ["all", "all"], &id(touchpoint), name, effect, n);
        }
        for dimension in &answers.segments {
            let shown = dimension.name.trim_start_matches("seg_");
            let of_levels = segments::segment_effects(
                analysis,
                &estimates.fits,
                estimand,
                &dimension.codes,
                dimension.levels.len(),
            );
            for (level, of_level) in dimension.levels.iter().zip(of_levels) {
                for (touchpoint, effect) in of_level.of.iter().enumerate() {
                    let Some(effect) = effect else { continue };
                    let n = effect.sums.exposed.round() as u64;
                    push(&mut rows, [shown, level.as_str()], &id(touchpoint), name, effect, n);
                }
            }
        }
    }
    if_all(analysis, estimates, &id, &mut rows);
    own(answers, analysis, estimates, &id, &mut rows);
    said.extend(of_segments(&rows, estimates, answers, catalogue));
    engine.register_rows("effects", effect_rows(&rows)?)?;
    engine.register_rows("verdicts", verdict_rows(&said)?)?;
    let dimension = config.segments.first().map(String::as_str);
    engine.register_rows(
        "segment_rule",
        batch(vec![
            ("segment_dimension", Arc::new(dimension.into_iter().map(Some).collect::<StringArray>())),
            (
                "min_responses",
                Arc::new(dimension.iter().map(|_| Some(i64::from(config.analysis.min_responses))).collect::<Int64Array>()),
            ),
        ])?,
    )
}

fn push(
    rows: &mut Vec<Row>,
    [dimension, segment]: [&str; 2],
    touchpoint: &str,
    estimand: &'static str,
    effect: &Effect,
    n: u64,
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
            n: i64::try_from(n).unwrap_or(i64::MAX),
        });
    }
}

/// The unadjusted comparison, from the counts that the reports show.
async fn raw(engine: &Engine) -> Result<Vec<Row>> {
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
            let ratio = table.risk_ratio().map(|ratio| Estimate {
                value: ratio.value,
                process: Some(crate::stats::measures::Interval {
                    std_error: (ratio.high / ratio.low).ln() / (2.0 * 1.959_963_984_540_054),
                    low: ratio.low,
                    high: ratio.high,
                }),
                these: None,
            });
            let plain = |value: Option<f64>| value.map(|value| Estimate { value, process: None, these: None });
            for (measure, estimate) in [
                ("risk_difference", plain(table.risk_difference())),
                ("risk_ratio", ratio),
                ("avoidable_detractors", plain(table.avoidable())),
                ("avoidable_detractor_share", plain(table.attributable_fraction())),
            ] {
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

/// What would be gained if everybody met what helps.
fn if_all(analysis: &Analysis, estimates: &Estimates, id: &dyn Fn(usize) -> String, rows: &mut Vec<Row>) {
    for (touchpoint, effect) in estimates.total.of.iter().enumerate() {
        let Ok(effect) = effect else { continue };
        if effect.measures.nps_points.value >= 0.0 {
            continue;
        }
        let Ok(fitted) = estimates.fits.behind(Estimand::Total, touchpoint) else { continue };
        let Ok(propensity) = propensity::propensity(analysis, fitted, touchpoint) else { continue };
        let degrees = effect.measures.degrees;
        let Some(estimate) = propensity.nps_points_if_all(analysis, fitted, touchpoint, degrees) else { continue };
        rows.push(Row {
            dimension: "all".into(),
            segment: "all".into(),
            touchpoint: id(touchpoint),
            estimand: "total",
            measure: "nps_points_if_all",
            estimate,
            n: i64::try_from(analysis.support[touchpoint].exposed_answers()).unwrap_or(i64::MAX),
        });
    }
}

/// A segment's own effect, drawn towards the whole as far as chance explains how segments differ.
fn own(
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
    id: &dyn Fn(usize) -> String,
    rows: &mut Vec<Row>,
) {
    for dimension in &answers.segments {
        let of_that = |covariate: &super::inputs::Levels| covariate.name == dimension.name;
        let Some(covariate) = answers.covariates.iter().position(of_that) else { continue };
        let levels = &analysis.patterns.levels[covariate];
        for touchpoint in 0..analysis.touchpoints() {
            if estimates.total.of[touchpoint].is_err() {
                continue;
            }
            let Ok(fitted) = estimates.fits.behind(Estimand::Total, touchpoint) else { continue };
            let Some(own) = own_slopes::own_effects(analysis, fitted, touchpoint, covariate) else { continue };
            for (level, effect) in levels.names.iter().zip(&own.levels) {
                let Some(effect) = effect else { continue };
                for (measure, estimate) in
                    [("nps_points", effect.nps_points), ("risk_difference", effect.risk_difference)]
                {
                    rows.push(Row {
                        dimension: dimension.name.trim_start_matches("seg_").into(),
                        segment: level.clone(),
                        touchpoint: id(touchpoint),
                        estimand: "total_own",
                        measure,
                        estimate,
                        n: exposed_in(answers, dimension, level, touchpoint),
                    });
                }
            }
        }
    }
}

fn exposed_in(answers: &Answers, dimension: &super::inputs::Levels, level: &str, touchpoint: usize) -> i64 {
    let Some(code) = dimension.code(Some(level)) else { return 0 };
    let met = dimension.codes.iter().zip(&answers.states[touchpoint]);
    let exposed = met.filter(|(of, state)| **of == code && **state == crate::stats::problem::State::Yes);
    i64::try_from(exposed.count()).unwrap_or(i64::MAX)
}

/// One row per touchpoint of the catalogue, whether the fit could look at it or not.
fn of_the_whole(
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
) -> Vec<Said> {
    let shares = shared_shares(analysis);
    catalogue
        .touchpoints
        .iter()
        .enumerate()
        .map(|(place, touchpoint)| {
            let mut said = Said {
                dimension: "all".into(),
                segment: "all".into(),
                touchpoint: touchpoint.id.clone(),
                ..Said::default()
            };
            let Some(at) = answers.touchpoints.iter().position(|other| *other == place) else {
                // Counts of failures are reported beside the model.
                if matches!(touchpoint.meets, crate::catalogue::Meets::Events(_)) {
                    said.verdict = Some(Verdict::NotMeasured.as_str());
                }
                return said;
            };
            said.verdict = Some(estimates.verdicts[at].as_str());
            said.shared_variance_share = shares[at];
            let rank = |rank: usize| i64::try_from(rank).ok();
            if let Some(ranked) = &estimates.ranks[at] {
                (said.rank, said.rank_low, said.rank_high) =
                    (rank(ranked.rank), rank(ranked.low), rank(ranked.high));
            }
            if let Ok(effect) = &estimates.total.of[at] {
                let ratio = effect.measures.risk_ratio;
                said.p_value = effect.measures.p_value;
                said.q_value = estimates.q_values[at];
                said.e_value = Some(evidence::e_value(ratio.value)).filter(|e| e.is_finite());
                said.e_value_limit =
                    ratio.process.map(|process| evidence::e_value_limit(process.low, process.high));
            }
            said
        })
        .collect()
}

/// Per touchpoint of the fit: its share of the explained variance; none for parts, which count with their whole.
fn shared_shares(analysis: &Analysis) -> Vec<Option<f64>> {
    let mut of = vec![None; analysis.touchpoints()];
    if analysis.touchpoints() == 0 || analysis.patterns.is_empty() {
        return of;
    }
    let (products, drivers) = shared_variance::cross_products(analysis);
    let random = &mut ChaCha8Rng::seed_from_u64(SEED);
    let shares = products.shares(shared_variance::EXACT, analysis.threads, random);
    for (touchpoint, share) in drivers.iter().zip(shares.shares) {
        of[*touchpoint] = Some(share).filter(|share| share.is_finite());
    }
    of
}

/// Segments inherit the verdict's q from the whole.
fn of_segments(rows: &[Row], estimates: &Estimates, answers: &Answers, catalogue: &Catalogue) -> Vec<Said> {
    let whole = rows.iter().filter(|row| {
        row.estimand == "total" && row.measure == "nps_points" && row.dimension != "all"
    });
    whole
        .map(|row| {
            let place = |place: &usize| catalogue.touchpoints[*place].id == row.touchpoint;
            let at = answers.touchpoints.iter().position(place);
            Said {
                dimension: row.dimension.clone(),
                segment: row.segment.clone(),
                touchpoint: row.touchpoint.clone(),
                q_value: at.and_then(|at| estimates.q_values[at]),
                ..Said::default()
            }
        })
        .collect()
}

fn effect_rows(rows: &[Row]) -> Result<arrow::array::RecordBatch> {
    let text = |f: &dyn Fn(&Row) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(f(row))).collect::<StringArray>())
    };
    let number = |f: &dyn Fn(&Row) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| f(row).filter(|x| x.is_finite())).collect::<Float64Array>())
    };
    batch(vec![
        ("segment_dimension", text(&|row| row.dimension.clone())),
        ("segment", text(&|row| row.segment.clone())),
        ("touchpoint", text(&|row| row.touchpoint.clone())),
        ("estimand", text(&|row| row.estimand.into())),
        ("measure", text(&|row| row.measure.into())),
        ("estimate", number(&|row| Some(row.estimate.value))),
        ("std_error", number(&|row| Some(row.estimate.process?.std_error))),
        ("low", number(&|row| Some(row.estimate.process?.low))),
        ("high", number(&|row| Some(row.estimate.process?.high))),
        ("low_these", number(&|row| Some(row.estimate.these?.low))),
        ("high_these", number(&|row| Some(row.estimate.these?.high))),
        ("n", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.n)))),
    ])
}

fn verdict_rows(said: &[Said]) -> Result<arrow::array::RecordBatch> {
    let text = |f: &dyn Fn(&Said) -> Option<String>| -> ArrayRef {
        Arc::new(said.iter().map(f).collect::<StringArray>())
    };
    let number = |f: &dyn Fn(&Said) -> Option<f64>| -> ArrayRef {
        Arc::new(said.iter().map(f).collect::<Float64Array>())
    };
    let whole = |f: &dyn Fn(&Said) -> Option<i64>| -> ArrayRef {
        Arc::new(said.iter().map(f).collect::<Int64Array>())
    };
    batch(vec![
        ("segment_dimension", text(&|said| Some(said.dimension.clone()))),
        ("segment", text(&|said| Some(said.segment.clone()))),
        ("touchpoint", text(&|said| Some(said.touchpoint.clone()))),
        ("p_value", number(&|said| said.p_value)),
        ("q_value", number(&|said| said.q_value)),
        ("e_value", number(&|said| said.e_value)),
        ("e_value_limit", number(&|said| said.e_value_limit)),
        ("rank", whole(&|said| said.rank)),
        ("rank_low", whole(&|said| said.rank_low)),
        ("rank_high", whole(&|said| said.rank_high)),
        ("verdict", text(&|said| said.verdict.map(str::to_string))),
        ("shared_variance_share", number(&|said| said.shared_variance_share)),
    ])
}
