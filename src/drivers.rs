//! Stage 4: what each touchpoint costs, by the statistics of `src/stats`, as tables that queries read.
//!
//! ```text
//! exposures ──> inputs ──> estimates: fits ─┬─> effects, verdicts       rpt_effects, rpt_touchpoint_impact
//! votes ──────> met                         ├─> terms, guardrails       rpt_model, rpt_guardrails
//!                                           ├─> doses, changes          rpt_dose_response, rpt_change
//!                                           ├─> sensitivity             rpt_sensitivity
//!                                           ├─> attributions            fct_attributions
//!                                           └─> journeys                fct_journeys
//! ```
//!
//! The numbers that go in stand in `fct_exposures` under the names used here: whoever refits them finds the
//! same. [`estimates`] is the analysis without tables; the calibration calls it too. It works on numbers
//! alone, beside the session, so that a signal is heard meanwhile.

mod attributions;
mod changes;
mod columns;
mod comparisons;
mod doses;
mod effects;
pub mod estimates;
mod guardrails;
pub mod inputs;
mod journeys;
mod met;
pub mod nonresponse;
mod order_check;
mod parts;
pub mod placebos;
mod sensitivity;
mod terms;
mod verdicts;

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::stats::analysis::Analysis;
use crate::stats::problem::Fault;
use estimates::{Estimates, Rules};
use inputs::Answers;
use parts::Part;

/// Of everything drawn at random here: the same answers give the same figures.
const SEED: u64 = 20_261_031;

/// Makes `effects`, `verdicts`, `segment_rule`, `model_terms`, `guardrails`, `dose_bins`, `change_parts`,
/// `sensitivity`, `attributions`, `predictions` and `journey_predictions`. Returns the number of answers of the fit.
///
/// # Errors
/// Those of the engine, and `Kind::Config` where the model would be too large.
pub async fn build(engine: &Engine, config: &Config, catalogue: &Catalogue, threads: usize) -> Result<u64> {
    let answers = Arc::new(Answers::read(engine, config, catalogue).await?);
    let raw = effects::raw(engine).await?;
    let journeys = nonresponse::Journeys::read(engine, config, catalogue, &answers).await?;
    let work = {
        let (answers, config, catalogue) = (answers.clone(), config.clone(), catalogue.clone());
        move || work_out(&answers, &config, &catalogue, raw, journeys, threads)
    };
    let made = tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("the statistics broke off").caused_by(e))??;
    for (name, rows) in made.tables {
        engine.register_rows(name, rows)?;
    }
    let many = answers.len() as u64;
    journeys::register(engine, catalogue, &answers, made.scorer).await?;
    attributions::register(engine, answers, made.shares)?;
    Ok(many)
}

/// What the statistics hand back.
struct Made {
    tables: Vec<(&'static str, RecordBatch)>,
    scorer: Option<journeys::Scorer>,
    shares: Option<attributions::Shares>,
}

fn work_out(
    answers: &Answers,
    config: &Config,
    catalogue: &Catalogue,
    raw: Vec<effects::Row>,
    journeys: Option<nonresponse::Journeys>,
    threads: usize,
) -> Result<Made> {
    let problem = answers.problem(None);
    let analysis = &Analysis::of(&problem, threads).map_err(put_wrongly)?;
    let rules = Rules::of(config);
    let estimates = &Estimates::of(analysis, &rules, &answers.levers());

    let comparisons = &comparisons::comparisons(analysis, estimates);
    let own = effects::own_effects(answers, analysis, estimates);
    let nonresponse = match &journeys {
        Some(journeys) => {
            journeys.weighted(&problem, config.analysis.cluster, threads).map_err(put_wrongly)?
        }
        None => None,
    };
    let weighted_ones = journeys.as_ref().filter(|_| nonresponse.is_some());
    let same_answers = match weighted_ones.map(|journeys| journeys.take_part(answers.len())) {
        Some(ones) => Part::of(parts::SAME_ANSWERS, &ones, &problem, threads).map_err(put_wrongly)?,
        None => None,
    };
    let by_order = answers.are_about_an_order();
    let by_order = Part::of(parts::BY_ORDER, &by_order, &problem, threads).map_err(put_wrongly)?;
    let sensitivity = sensitivity::Sensitivity::of(analysis, estimates, &rules);
    let rails = guardrails::Looked {
        answers,
        analysis,
        estimates,
        comparisons,
        contradictions: &order_check::contradictions(answers, &analysis.order),
        previous_answer: placebos::previous_answer(answers, threads).map_err(put_wrongly)?.as_ref(),
        next_order_bad: placebos::next_order_bad(answers, threads).map_err(put_wrongly)?.as_ref(),
        at_sending: placebos::at_sending(answers, threads).map_err(put_wrongly)?.as_ref(),
        nonresponse: nonresponse.as_ref(),
        same_answers: same_answers.as_ref(),
        by_order: by_order.as_ref(),
        turning_ratios: &sensitivity.turning,
        homogeneity: &verdicts::homogeneity(answers, &own),
    }
    .rails();
    let holds = guardrails::holds(&rails, analysis.touchpoints());

    let mut rows = effects::rows(answers, analysis, estimates, comparisons, &own);
    rows.extend(nonresponse.iter().flat_map(|found| effects::weighted(answers, found)));
    rows.extend([&same_answers, &by_order].into_iter().flatten().flat_map(|part| part.rows(answers)));
    let mut said = verdicts::of_the_whole(catalogue, answers, analysis, estimates, &holds);
    said.extend(verdicts::of_segments(&rows, estimates, answers));
    rows.extend(raw);
    Ok(Made {
        tables: vec![
            ("effects", effects::table(&rows)?),
            ("verdicts", verdicts::table(&said)?),
            ("segment_rule", verdicts::segment_rule(config)?),
            ("model_terms", terms::table(analysis, estimates)?),
            ("guardrails", guardrails::table(&rails, answers)?),
            ("dose_bins", doses::bins(answers, analysis, estimates).map_err(put_wrongly)??),
            ("change_parts", changes::parts(answers, threads).map_err(put_wrongly)??),
            ("sensitivity", sensitivity.rows(answers, analysis, estimates, &rules)?),
        ],
        scorer: journeys::Scorer::of(answers, analysis, estimates),
        shares: attributions::Shares::of(analysis, estimates),
    })
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
