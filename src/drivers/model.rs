//! `model_terms` and `guardrails`: the fitted model term by term, and what has to hold before an effect may
//! be called one.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::Estimates;
use super::inputs::Answers;
use crate::catalogue::Catalogue;
use crate::engine::Engine;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::{Analysis, Fitted, Missing};
use crate::stats::design::{Column, Dropped};
use crate::stats::effects::Estimand;
use crate::stats::influence;
use crate::stats::problem::State;
use crate::stats::propensity;

/// A share of the exposed beyond which nobody like them was spared is a warning.
const MOST_WITHOUT_EQUALS: f64 = 0.1;
/// Fewer unexposed answers than this, by weight, carry the comparison.
const FEWEST_EFFECTIVE: f64 = 30.0;

pub(super) fn register(
    engine: &Engine,
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis<'_>,
    estimates: &Estimates,
) -> Result<()> {
    engine.register_rows("model_terms", terms(analysis, estimates)?)?;
    engine.register_rows("guardrails", guardrails(catalogue, answers, analysis, estimates)?)
}

// ---- terms -------------------------------------------------------------------------------------------------

fn terms(analysis: &Analysis, estimates: &Estimates) -> Result<arrow::array::RecordBatch> {
    let (mut classes, mut positions, mut names) = (vec![], vec![], vec![]);
    let (mut coefficients, mut errors, mut counts, mut notes) = (vec![], vec![], vec![], vec![]);
    if let Ok(fitted) = &estimates.fits.direct {
        let covariance = influence::clustered_covariance(analysis, fitted);
        let penalised = fitted.fit.is_penalised.then_some("estimated with Firth's penalty");
        for (place, class) in ["passive", "detractor"].into_iter().enumerate() {
            for (at, column) in analysis.columns.columns.iter().enumerate() {
                let kept = fitted.model.columns.iter().position(|other| other == column);
                let dropped = fitted.model.dropped.iter().find(|(other, _)| other == column);
                classes.push(class);
                positions.push(at as i64 + 1);
                names.push(name(analysis, *column));
                coefficients.push(kept.map(|at| fitted.fit.coefficients[2 * at + place]));
                errors.push(kept.and_then(|at| {
                    let variance = covariance.as_ref()?[(2 * at + place, 2 * at + place)];
                    Some(variance.sqrt()).filter(|error| error.is_finite())
                }));
                counts.push(analysis.columns.answers_with(at, at).round() as i64);
                notes.push(match dropped {
                    Some((_, reason)) => Some(why(analysis, reason)),
                    None => penalised.map(str::to_string),
                });
            }
        }
    }
    batch(vec![
        ("class", Arc::new(StringArray::from(classes)) as ArrayRef),
        ("position", Arc::new(Int64Array::from(positions))),
        ("term", Arc::new(StringArray::from(names))),
        ("coefficient", Arc::new(Float64Array::from(coefficients))),
        ("std_error", Arc::new(Float64Array::from(errors))),
        ("answers", Arc::new(Int64Array::from(counts))),
        ("note", Arc::new(StringArray::from(notes))),
    ])
}

/// A column's name: `late`, `late: unknown`, `x_month: 2026-10`.
fn name(analysis: &Analysis, column: Column) -> String {
    match column {
        Column::Constant => "(intercept)".into(),
        Column::Level { covariate, level } => {
            let levels = &analysis.patterns.levels[covariate];
            format!("{}: {}", analysis.problem.covariates[covariate].name, levels.names[usize::from(level)])
        }
        Column::State { touchpoint, state: State::Yes } => analysis.problem.touchpoints[touchpoint].id.clone(),
        Column::State { touchpoint, state } => {
            format!("{}: {}", analysis.problem.touchpoints[touchpoint].id, state.as_str())
        }
    }
}

fn why(analysis: &Analysis, reason: &Dropped) -> String {
    match reason {
        Dropped::NoAnswer => "dropped: no answer has it".into(),
        Dropped::EveryAnswer => "dropped: every answer has it".into(),
        Dropped::SameAs(column) => format!("dropped: met by the same answers as {}", name(analysis, *column)),
        Dropped::FollowsFrom(columns) => {
            let names: Vec<String> = columns.iter().map(|column| name(analysis, *column)).collect();
            format!("dropped: follows from {}", names.join(", "))
        }
    }
}

// ---- guardrails --------------------------------------------------------------------------------------------

/// One row of `guardrails`.
struct Rail {
    /// Position in the catalogue; none for the model.
    touchpoint: Option<usize>,
    guardrail: &'static str,
    detail: String,
    value: Option<f64>,
    warn_beyond: Option<f64>,
    holds: Option<bool>,
    words: Option<String>,
}

impl Rail {
    fn figure(touchpoint: usize, guardrail: &'static str, detail: &str, value: f64) -> Rail {
        Rail {
            touchpoint: Some(touchpoint),
            guardrail,
            detail: detail.into(),
            value: Some(value).filter(|value| value.is_finite()),
            warn_beyond: None,
            holds: None,
            words: None,
        }
    }

    fn limit(mut self, warn_beyond: f64, holds: bool) -> Rail {
        (self.warn_beyond, self.holds) = (Some(warn_beyond), Some(holds));
        self
    }

    fn words(touchpoint: usize, guardrail: &'static str, words: String) -> Rail {
        Rail {
            touchpoint: Some(touchpoint),
            guardrail,
            detail: String::new(),
            value: None,
            warn_beyond: None,
            holds: None,
            words: Some(words),
        }
    }
}

fn guardrails(
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
) -> Result<arrow::array::RecordBatch> {
    let mut rails = of_the_model(analysis, estimates);
    for (at, place) in answers.touchpoints.iter().enumerate() {
        of_a_touchpoint(analysis, estimates, at, *place, &mut rails);
    }
    let id = |place: Option<usize>| place.map_or("(model)".into(), |place| catalogue.touchpoints[place].id.clone());
    let position = |place: Option<usize>| place.map_or(0, |place| place as i64 + 1);
    batch(vec![
        (
            "touchpoint",
            Arc::new(rails.iter().map(|rail| Some(id(rail.touchpoint))).collect::<StringArray>()) as ArrayRef,
        ),
        (
            "touchpoint_position",
            Arc::new(Int64Array::from_iter_values(rails.iter().map(|rail| position(rail.touchpoint)))),
        ),
        ("guardrail", Arc::new(StringArray::from_iter_values(rails.iter().map(|rail| rail.guardrail)))),
        ("detail", Arc::new(StringArray::from_iter_values(rails.iter().map(|rail| &rail.detail)))),
        ("value", Arc::new(rails.iter().map(|rail| rail.value).collect::<Float64Array>())),
        ("warn_beyond", Arc::new(rails.iter().map(|rail| rail.warn_beyond).collect::<Float64Array>())),
        ("holds", Arc::new(rails.iter().map(|rail| rail.holds).collect::<BooleanArray>())),
        ("words", Arc::new(rails.iter().map(|rail| rail.words.clone()).collect::<StringArray>())),
    ])
}

fn of_the_model(analysis: &Analysis, estimates: &Estimates) -> Vec<Rail> {
    let mut rails = Vec::new();
    let mut of_model = |guardrail: &'static str, detail: &str, value: f64| {
        rails.push(Rail {
            touchpoint: None,
            guardrail,
            detail: detail.into(),
            value: Some(value),
            warn_beyond: None,
            holds: None,
            words: None,
        });
    };
    of_model("answers", "in the fit", analysis.patterns.answers() as f64);
    of_model("answers", "different patterns", analysis.patterns.len() as f64);
    if let Ok(fitted) = &estimates.fits.direct {
        of_model("answers", "log-likelihood", fitted.fit.log_likelihood);
        for (detail, [observed, expected]) in deciles(fitted) {
            of_model("calibration", &format!("{detail} observed"), observed);
            of_model("calibration", &format!("{detail} expected"), expected);
        }
    }
    rails
}

/// Observed and expected detractor shares by tenth of the predicted risk, the lowest first.
fn deciles(fitted: &Fitted) -> Vec<(String, [f64; 2])> {
    let mut rows: Vec<(f64, f64, f64)> = fitted
        .model
        .weights
        .iter()
        .zip(&fitted.fit.probabilities)
        .map(|(weights, of_classes)| (of_classes[1], weights.iter().sum(), weights[2]))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)));
    let total: f64 = rows.iter().map(|row| row.1).sum();
    let mut tenths = vec![[0.0; 3]; 10];
    let mut before = 0.0;
    for (risk, weight, detractors) in rows {
        let tenth = ((10.0 * (before + weight / 2.0) / total) as usize).min(9);
        before += weight;
        tenths[tenth][0] += weight;
        tenths[tenth][1] += detractors;
        tenths[tenth][2] += weight * risk;
    }
    let shown = tenths.iter().enumerate().filter(|(_, [weight, ..])| *weight > 0.0);
    shown
        .map(|(tenth, [weight, detractors, expected])| {
            (format!("tenth {:02}", tenth + 1), [detractors / weight, expected / weight])
        })
        .collect()
}

fn of_a_touchpoint(
    analysis: &Analysis,
    estimates: &Estimates,
    at: usize,
    place: usize,
    rails: &mut Vec<Rail>,
) {
    rails.push(Rail::words(place, "adjustment_set", analysis.order.in_words(analysis.problem, at)));
    let support = &analysis.support[at];
    for (class, exposed) in ["promoters", "passives", "detractors"].into_iter().zip(support.exposed) {
        let rail = Rail::figure(place, "exposed_by_class", class, exposed as f64);
        rails.push(rail.limit(5.0, exposed >= 5));
    }
    rails.push(
        Rail::figure(place, "exposed_customers", "", support.exposed_clusters as f64)
            .limit(30.0, support.exposed_clusters >= 30),
    );
    let fitted = estimates.fits.behind(Estimand::Total, at);
    match analysis.missing(fitted, at) {
        Some(Missing::Same(reason)) => rails.push(Rail::words(place, "alias", why(analysis, &reason))),
        Some(Missing::NobodyMet) => rails.push(Rail::words(place, "alias", "nobody met it".into())),
        Some(Missing::EverybodyMet) => rails.push(Rail::words(place, "alias", "everybody met it".into())),
        Some(Missing::NotMeasured) | Some(Missing::NoFit(_)) | None => {}
    }
    let (Ok(fitted), Ok(_)) = (fitted, &estimates.total.of[at]) else { return };
    if fitted.fit.is_penalised {
        rails.push(Rail::words(place, "penalty", "estimated with Firth's penalty: too few, or separated".into()));
    }
    let Ok(propensity) = propensity::propensity(analysis, fitted, at) else { return };
    let overlap = propensity.overlap(fitted, at);
    rails.push(
        Rail::figure(place, "overlap", "share of the exposed with a propensity over .98", overlap.exposed_without_equals)
            .limit(MOST_WITHOUT_EQUALS, overlap.exposed_without_equals <= MOST_WITHOUT_EQUALS),
    );
    rails.push(
        Rail::figure(place, "effective_responses", "unexposed answers that carry the comparison", overlap.effective_unexposed)
            .limit(FEWEST_EFFECTIVE, overlap.effective_unexposed >= FEWEST_EFFECTIVE),
    );
    if let Some(check) = propensity.doubly_robust(analysis, fitted, at) {
        rails.push(Rail::figure(place, "doubly_robust", "risk difference by the model", check.by_model));
        let mut rail =
            Rail::figure(place, "doubly_robust", "risk difference, doubly robust", check.doubly_robust);
        rail.holds = Some(!check.is_flagged);
        rails.push(rail);
        if let Some(error) = check.std_error {
            rails.push(Rail::figure(place, "doubly_robust", "standard error of their difference", error));
        }
    }
}
