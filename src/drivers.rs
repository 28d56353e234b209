//! Stage 4: what each touchpoint costs, by the statistics of `src/stats`, as tables that queries read.
//!
//! ```text
//! exposures ──> inputs ──> stats: fits ──┬─> effects, verdicts      rpt_effects, rpt_touchpoint_impact
//!                                        ├─> model_terms, guardrails     rpt_model, rpt_guardrails
//!                                        ├─> attributions                fct_attributions
//!                                        └─> journey_predictions         fct_journeys
//! ```
//!
//! The numbers that go in stand in `fct_exposures` under the names used here: whoever refits them finds the
//! same. `analyse` is the whole of it without tables; the calibration calls it too.

mod effects;
pub mod inputs;
mod model;
mod predict;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Effects, Estimand, Fits};
use crate::stats::evidence;
use crate::stats::problem::{Fault, Problem};
use crate::stats::ranks::{self, Rank};
use crate::stats::verdict::{self, Ground, Margins, Verdict};
use inputs::Answers;

/// Of everything drawn at random here: the same answers give the same figures.
const SEED: u64 = 20_261_031;

/// Makes `effects`, `verdicts`, `segment_rule`, `model_terms`, `guardrails`, `attributions` and
/// `journey_predictions`.
///
/// # Errors
/// Those of the engine.
pub async fn build(engine: &Engine, config: &Config, catalogue: &Catalogue, threads: usize) -> Result<u64> {
    let answers = Answers::read(engine, config, catalogue).await?;
    let problem = answers.problem(catalogue, None);
    let analysis = Analysis::of(&problem, threads).map_err(put_wrongly)?;
    let estimates = Estimates::of(&analysis, &rules(config), &levers(catalogue, &answers));
    effects::register(engine, config, catalogue, &answers, &analysis, &estimates).await?;
    model::register(engine, catalogue, &answers, &analysis, &estimates)?;
    predict::attributions(engine, catalogue, &answers, &analysis, &estimates).await?;
    predict::journeys(engine, config, catalogue, &answers, &analysis, &estimates).await?;
    Ok(answers.classes.len() as u64)
}

fn put_wrongly(fault: Fault) -> Error {
    match fault {
        Fault::TooManyColumns { found, most } => {
            Error::config(format!("the model would have {found} columns, more than {most}"))
                .hint("take dimensions with many values out of `segments` and `covariates`")
        }
        fault => Error::internal("the answers do not make a problem").caused_by(fault),
    }
}

/// What verdicts go by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub min_responses: u64,
    pub margins: Margins,
}

pub fn rules(config: &Config) -> Rules {
    let analysis = &config.analysis;
    Rules {
        min_responses: u64::from(analysis.min_responses),
        margins: Margins {
            nps_points: analysis.margin_nps_points,
            risk_difference: analysis.margin_risk_difference,
        },
    }
}

/// Per touchpoint of the fit: can it be acted on? Only such are ranked.
fn levers(catalogue: &Catalogue, answers: &Answers) -> Vec<bool> {
    let is_lever = |place: &usize| catalogue.touchpoints[*place].role == crate::catalogue::Role::Lever;
    answers.touchpoints.iter().map(is_lever).collect()
}

/// Effects of all touchpoints on all answers, and what is said of them. Lists are per touchpoint of the fit.
pub struct Estimates {
    pub fits: Fits,
    pub total: Effects,
    pub direct: Effects,
    pub q_values: Vec<Option<f64>>,
    /// Of the levers that have an estimate.
    pub ranks: Vec<Option<Rank>>,
    pub verdicts: Vec<Verdict>,
}

impl Estimates {
    pub fn of(analysis: &Analysis, rules: &Rules, is_lever: &[bool]) -> Estimates {
        let fits = Fits::of(analysis);
        let total = fits.effects(analysis, Estimand::Total);
        let direct = fits.effects(analysis, Estimand::Direct);
        let many = analysis.touchpoints();
        // One family: every touchpoint with an estimate, lever or not.
        let p_values: Vec<(usize, f64)> = (0..many)
            .filter_map(|t| total.of[t].as_ref().ok().and_then(|effect| Some((t, effect.measures.p_value?))))
            .collect();
        let mut q_values = vec![None; many];
        let adjusted = evidence::q_values(&p_values.iter().map(|(_, p)| *p).collect::<Vec<_>>());
        for ((touchpoint, _), q) in p_values.iter().zip(adjusted) {
            q_values[*touchpoint] = Some(q);
        }
        let verdicts =
            (0..many).map(|t| verdict::verdict(&ground(analysis, rules, &total, t, q_values[t]), rules.margins));
        let verdicts = verdicts.collect();
        Estimates { ranks: ranked(&total, is_lever), fits, direct, q_values, verdicts, total }
    }
}

fn ground(analysis: &Analysis, rules: &Rules, total: &Effects, touchpoint: usize, q_value: Option<f64>) -> Ground {
    let support = &analysis.support[touchpoint];
    let measures = total.of[touchpoint].as_ref().ok().map(|effect| &effect.measures);
    Ground {
        is_measured: support.exposed_answers() + support.unexposed.iter().sum::<u64>() > 0,
        exposed_clusters: support.exposed_clusters,
        min_responses: rules.min_responses,
        is_thin: support.is_thin(),
        nps_points: measures.and_then(|measures| {
            let (low, high) = measures.nps_points.interval_of(0.9, measures.degrees)?;
            Some((measures.nps_points.value, low, high))
        }),
        risk_difference: measures
            .and_then(|measures| measures.risk_difference.interval_of(0.9, measures.degrees)),
        q_value,
    }
}

/// Ranks of the levers by total NPS points.
fn ranked(total: &Effects, is_lever: &[bool]) -> Vec<Option<Rank>> {
    let mut ranks = vec![None; total.of.len()];
    let Some(covariance) = &total.covariance else { return ranks };
    let places: Vec<usize> =
        (0..total.estimated.len()).filter(|place| is_lever[total.estimated[*place]]).collect();
    let points: Vec<f64> = places
        .iter()
        .filter_map(|place| total.of[total.estimated[*place]].as_ref().ok())
        .map(|effect| effect.measures.nps_points.value)
        .collect();
    if points.len() != places.len() || points.is_empty() {
        return ranks;
    }
    let of_levers = covariance.select_rows(&places).select_columns(&places);
    let random = &mut ChaCha8Rng::seed_from_u64(SEED);
    for (place, rank) in places.iter().zip(ranks::ranks(&points, &of_levers, random)) {
        ranks[total.estimated[*place]] = Some(rank);
    }
    ranks
}

/// The whole analysis without tables.
///
/// # Errors
/// The [`Fault`] of a problem that was put wrongly.
pub fn analyse(problem: &Problem, rules: &Rules, is_lever: &[bool], threads: usize) -> Result<Estimates, Fault> {
    Ok(Estimates::of(&Analysis::of(problem, threads)?, rules, is_lever))
}
