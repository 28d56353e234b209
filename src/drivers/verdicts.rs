//! `verdicts`: what is said of each touchpoint, as rows; and by which segments attainable points go.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::SEED;
use super::columns::{boolean, integer, number, text};
use super::effects::{Row, shown};
use super::estimates::Estimates;
use super::inputs::Answers;
use super::terms;
use crate::catalogue::{Catalogue, Meets};
use crate::config::Config;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::{Analysis, Missing};
use crate::stats::own_slopes::OwnEffects;
use crate::stats::verdict::Verdict;
use crate::stats::{evidence, shared_variance};

/// One row of `verdicts`.
#[derive(Default)]
pub struct Said {
    dimension: String,
    segment: String,
    touchpoint: String,
    p_value: Option<f64>,
    q_value: Option<f64>,
    direct_q_value: Option<f64>,
    e_value: Option<f64>,
    e_value_limit: Option<f64>,
    rank: Option<i64>,
    rank_low: Option<i64>,
    rank_high: Option<i64>,
    verdict: Option<String>,
    shared_variance_share: Option<f64>,
    guardrails_hold: Option<bool>,
}

/// One row per touchpoint of the catalogue, whether the fit could look at it or not. `holds`: per touchpoint
/// of the fit, whether its guardrails do.
pub fn of_the_whole(
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis,
    estimates: &Estimates,
    holds: &[bool],
) -> Vec<Said> {
    let shares = shared_shares(analysis);
    let said = |touchpoint: &crate::catalogue::Touchpoint| {
        let mut said = Said {
            dimension: "all".into(),
            segment: "all".into(),
            touchpoint: touchpoint.id.clone(),
            ..Said::default()
        };
        let Some(at) = answers.position(&touchpoint.id) else {
            let side = touchpoint.other_side_of.as_deref();
            said.verdict = match (&touchpoint.meets, side.filter(|id| answers.position(id).is_some())) {
                // Counts of failures are reported beside the model.
                (Meets::Failures { .. }, _) => None,
                (_, Some(side)) => Some(format!("the other side of {side}")),
                (_, None) => Some(Verdict::NotMeasured.as_str().into()),
            };
            return said;
        };
        said.verdict = Some(match &estimates.total.of[at] {
            Err(Missing::Same(reason)) => terms::told_by(analysis, reason),
            Err(Missing::NobodyToCompareWith) => "nobody to compare with".into(),
            _ => estimates.verdicts[at].as_str().into(),
        });
        said.direct_q_value = estimates.direct_q_values[at];
        said.shared_variance_share = shares[at];
        said.guardrails_hold = Some(holds[at]);
        let rank = |rank: usize| i64::try_from(rank).ok();
        if let Some(ranked) = &estimates.ranks[at] {
            (said.rank, said.rank_low, said.rank_high) =
                (rank(ranked.rank), rank(ranked.low), rank(ranked.high));
        }
        if let Ok(effect) = &estimates.total.of[at] {
            let ratio = effect.measures.risk_ratio;
            said.p_value = effect.measures.p_value;
            said.q_value = estimates.q_values[at];
            said.e_value = ratio.process.map(|_| evidence::e_value(ratio.value));
            said.e_value_limit =
                ratio.process.map(|process| evidence::e_value_limit(process.low, process.high));
        }
        said
    };
    catalogue.touchpoints.iter().map(said).collect()
}

/// Per touchpoint of the fit: its part of R²; none for parts, which count with their whole.
fn shared_shares(analysis: &Analysis) -> Vec<Option<f64>> {
    let mut of = vec![None; analysis.touchpoints()];
    if analysis.touchpoints() == 0 || analysis.patterns.is_empty() {
        return of;
    }
    let (products, drivers) = shared_variance::cross_products(analysis);
    let random = &mut ChaCha8Rng::seed_from_u64(SEED);
    let shares = products.shares(shared_variance::EXACT, analysis.threads, random);
    for (touchpoint, share) in drivers.iter().zip(shares.shares) {
        of[*touchpoint] = Some(share);
    }
    of
}

/// Segments inherit the q of the whole.
pub fn of_segments(rows: &[Row], estimates: &Estimates, answers: &Answers) -> Vec<Said> {
    let of_a_segment =
        |row: &&Row| row.estimand == "total" && row.measure == "nps_points" && row.dimension != "all";
    let said = |row: &Row| Said {
        dimension: row.dimension.clone(),
        segment: row.segment.clone(),
        touchpoint: row.touchpoint.clone(),
        q_value: answers.position(&row.touchpoint).and_then(|at| estimates.q_values[at]),
        ..Said::default()
    };
    rows.iter().filter(of_a_segment).map(said).collect()
}

/// # Errors
/// Columns that do not fit together.
pub fn table(said: &[Said]) -> Result<RecordBatch> {
    batch(vec![
        ("segment_dimension", text(said, |said| Some(said.dimension.as_str()))),
        ("segment", text(said, |said| Some(said.segment.as_str()))),
        ("touchpoint", text(said, |said| Some(said.touchpoint.as_str()))),
        ("p_value", number(said, |said| said.p_value)),
        ("q_value", number(said, |said| said.q_value)),
        ("direct_q_value", number(said, |said| said.direct_q_value)),
        ("e_value", number(said, |said| said.e_value)),
        ("e_value_limit", number(said, |said| said.e_value_limit)),
        ("rank", integer(said, |said| said.rank)),
        ("rank_low", integer(said, |said| said.rank_low)),
        ("rank_high", integer(said, |said| said.rank_high)),
        ("verdict", text(said, |said| said.verdict.as_deref())),
        ("shared_variance_share", number(said, |said| said.shared_variance_share)),
        ("guardrails_hold", boolean(said, |said| said.guardrails_hold)),
    ])
}

/// `segment_rule`: which dimension says what the best reach, and how many answers a segment of it needs.
///
/// # Errors
/// Columns that do not fit together.
pub fn segment_rule(config: &Config) -> Result<RecordBatch> {
    let dimension = config.segments.first().map(String::as_str);
    let least = dimension.map(|_| i64::from(config.analysis.min_responses));
    batch(vec![
        ("segment_dimension", Arc::new(dimension.into_iter().map(Some).collect::<StringArray>())),
        ("min_responses", Arc::new(least.into_iter().collect::<Int64Array>())),
    ])
}

/// Whether a touchpoint's effect differs over a dimension.
pub struct Differs {
    pub dimension: String,
    /// Its position in the fit.
    pub touchpoint: usize,
    pub p_value: f64,
    pub q_value: f64,
}

/// All tests of one family.
pub fn homogeneity(answers: &Answers, own: &[Vec<Option<OwnEffects>>]) -> Vec<Differs> {
    let mut all: Vec<Differs> = Vec::new();
    for (dimension, own) in answers.segments.iter().zip(own) {
        for (touchpoint, own) in own.iter().enumerate() {
            let Some(own) = own else { continue };
            all.push(Differs {
                dimension: shown(dimension).into(),
                touchpoint,
                p_value: own.homogeneity.p_value,
                q_value: 1.0,
            });
        }
    }
    let p_values: Vec<f64> = all.iter().map(|one| one.p_value).collect();
    for (one, q_value) in all.iter_mut().zip(evidence::q_values(&p_values)) {
        one.q_value = q_value;
    }
    all
}
